//! The shared site table: address ranges → site, and what is known of each site.

use std::sync::Arc;

use bytemuck::{Pod, Zeroable};

use super::asn::AsnTable;
use super::column::Column;
use super::describe::Source;
use super::location::{Country, Place};
use super::overlay::Overlaid;
use super::packed::Packed;
use super::view::SiteView;

/// A row of the site table. Means something only beside its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SiteId(pub u32);

impl SiteId {
    /// The site of addresses that no database and no prefix knows.
    pub const NOWHERE: Self = Self(0);
    /// The site of addresses that say nothing of a place (private, loopback, …; [`crate::net::UNUSABLE`]) and that neither a
    /// database has a location for nor an overlay adds anything to: the resolver's address decides in their stead.
    pub const UNUSABLE: Self = Self(1);
}

/// All that policies can see of an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Site {
    /// Coordinates from the database; `None` when it has none for this site.
    pub place: Option<Place>,
    /// Country of the database record (`country`, else `registered_country`).
    pub country: Option<Country>,
    /// ISO 3166-2 code of the largest subdivision without its country (`CA` of `US-CA`), a key for [`SiteTable::text`].
    pub subdivision: Option<TextId>,
    /// Its English name, a key for [`SiteTable::text`]. Databases have the code, the name or both.
    pub subdivision_name: Option<TextId>,
    /// City name (English), a key for [`SiteTable::text`].
    pub city: Option<TextId>,
    /// `GeoNames` id of the city, 0 when unknown.
    pub city_id: u32,
    /// Autonomous system number if it is one that policies name, else 0. Of any other address [`SiteTable::asns`] knows
    /// it.
    pub asn: u32,
    /// The operator's label from an [`super::Overlay`], 0 for none.
    pub label: u32,
}

/// An interned text of a site table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TextId(pub u32);

/// A [`Site`] as it lies in a column: absent fields have a value that cannot occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Row {
    /// Millionths of a degree; `i32::MIN` when absent.
    pub latitude: i32,
    /// Millionths of a degree.
    pub longitude: i32,
    /// Indices of texts plus 1; 0 when absent.
    pub subdivision: u32,
    pub subdivision_name: u32,
    pub city: u32,
    /// 0 when absent.
    pub city_id: u32,
    /// Zeros when absent.
    pub country: [u8; 2],
    /// Zeros.
    pub padding: [u8; 2],
}

impl Row {
    /// The row of a site of which nothing is known.
    pub(super) const NOTHING: Self = Self {
        latitude: i32::MIN,
        longitude: 0,
        subdivision: 0,
        subdivision_name: 0,
        city: 0,
        city_id: 0,
        country: [0; 2],
        padding: [0; 2],
    };

    /// What a row holds of a site: all but what an overlay adds.
    pub(super) fn new(site: &Site) -> Self {
        let (latitude, longitude) = site.place.map_or((i32::MIN, 0), Place::microdegrees);
        let text = |id: Option<TextId>| id.map_or(0, |id| id.0 + 1);
        Self {
            latitude,
            longitude,
            subdivision: text(site.subdivision),
            subdivision_name: text(site.subdivision_name),
            city: text(site.city),
            city_id: site.city_id,
            country: site.country.map_or([0; 2], Country::as_bytes),
            padding: [0; 2],
        }
    }

    fn site(self) -> Site {
        let text = |id: u32| id.checked_sub(1).map(TextId);
        Site {
            place: Place::from_microdegrees(self.latitude, self.longitude),
            country: std::str::from_utf8(&self.country).ok().and_then(Country::new),
            subdivision: text(self.subdivision),
            subdivision_name: text(self.subdivision_name),
            city: text(self.city),
            city_id: self.city_id,
            asn: 0,
            label: 0,
        }
    }
}

/// Address ranges → site, both families, and the sites. Immutable. Its columns are on the heap when just built, or lie
/// in a mapped cache file ([`SiteTable::from_cache`]); tables that are one another's overlays share them.
#[derive(Debug)]
pub struct SiteTable {
    pub(super) columns: Arc<Columns>,
    pub(super) sources: Arc<[Source]>,
    pub(super) asns: Option<Arc<AsnTable>>,
    pub(super) overlay: Option<Overlaid>,
}

/// The columns of a table. Whoever makes one sees to it that values are below the number of rows, equal neighbors are
/// merged, and text ends rise within the texts at character boundaries.
#[derive(Debug)]
pub(super) struct Columns {
    pub v4: Packed<u32>,
    pub v6: Packed<u128>,
    pub rows: Column<Row>,
    /// Where each text ends in `texts`; it begins where the one before ends.
    pub text_ends: Column<u32>,
    pub texts: Column<u8>,
    /// Ranges → which database the location is from, as an index plus 1; 0 where there is none.
    pub v4_sources: Packed<u32>,
    pub v6_sources: Packed<u128>,
}

impl SiteTable {
    /// The table without any database: everything is [`SiteId::NOWHERE`], but for the unusable blocks.
    pub fn empty() -> Self {
        super::builder::empty()
    }

    /// IPv4 ranges → [`SiteId`].
    #[inline]
    pub fn v4(&self) -> SiteView<'_, u32> {
        let base = self.columns.v4.view();
        self.overlay.as_ref().map_or_else(|| SiteView::of(base), |o| SiteView::with(base, o.v4.view(), &o.extras))
    }

    /// IPv6 ranges → [`SiteId`].
    #[inline]
    pub fn v6(&self) -> SiteView<'_, u128> {
        let base = self.columns.v6.view();
        self.overlay.as_ref().map_or_else(|| SiteView::of(base), |o| SiteView::with(base, o.v6.view(), &o.extras))
    }

    /// The AS numbers of the same databases; `None` when they have none.
    pub fn asns(&self) -> Option<&Arc<AsnTable>> {
        self.asns.as_ref()
    }

    /// Number of sites, at least 2.
    #[expect(clippy::len_without_is_empty, reason = "two sites always exist")]
    pub fn len(&self) -> usize {
        self.columns.rows.as_slice().len() + self.overlay.as_ref().map_or(0, |overlay| overlay.extras.len())
    }

    /// What is known of a site of this table; nothing for an id of another table that is too large for this one.
    pub fn site(&self, id: SiteId) -> Site {
        let row = |id: u32| self.columns.rows.as_slice().get(id as usize).map_or_else(Site::default, |row| row.site());
        match self.overlay.as_ref().and_then(|overlay| overlay.extras.get(id.0)) {
            Some((below, added)) => Site { label: added.label, asn: added.asn, ..row(below) },
            None => row(id.0),
        }
    }

    /// The place of a site, if the databases have one; as [`SiteTable::site`] says, in a tenth of the time.
    #[inline]
    pub fn place(&self, id: SiteId) -> Option<Place> {
        let rows = self.columns.rows.as_slice();
        match rows.get(id.0 as usize) {
            Some(row) => Place::from_microdegrees(row.latitude, row.longitude),
            None => self.site(id).place,
        }
    }

    /// An interned text of this table; "" for an id of another table that is too large for this one.
    pub fn text(&self, id: TextId) -> &str {
        let ends = self.columns.text_ends.as_slice();
        let index = id.0 as usize;
        let end = ends.get(index).map_or(0, |end| *end as usize);
        let start = index.checked_sub(1).and_then(|before| ends.get(before)).map_or(0, |start| *start as usize);
        let bytes = self.columns.texts.as_slice().get(start..end).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// All texts of this table, in the order of their ids: to find what a rule names once, and compare ids after that.
    pub fn texts(&self) -> impl Iterator<Item = (TextId, &str)> {
        (0..self.columns.text_ends.as_slice().len() as u32).map(TextId).map(|id| (id, self.text(id)))
    }

    /// Bytes on the heap, those shared with other tables included; what lies in a mapped file does not count.
    pub fn memory(&self) -> usize {
        let c = &*self.columns;
        let ranges = c.v4.memory() + c.v6.memory() + c.v4_sources.memory() + c.v6_sources.memory();
        let rows = c.rows.memory() + c.text_ends.memory() + c.texts.memory();
        ranges + rows + self.asns.as_ref().map_or(0, |asns| asns.memory()) + self.overlay_memory()
    }

    /// Bytes in a mapped file, which is used where it lies: resident as far as they were read lately, and dropped by the system
    /// when it needs the room. 0 for a table that was just built.
    pub fn mapped(&self) -> usize {
        let c = &*self.columns;
        let ranges = c.v4.shared() + c.v6.shared() + c.v4_sources.shared() + c.v6_sources.shared();
        let rows = c.rows.shared() + c.text_ends.shared() + c.texts.shared();
        ranges + rows + self.asns.as_ref().map_or(0, |asns| asns.mapped())
    }

    /// Bytes on the heap that the overlay takes, 0 without one.
    pub fn overlay_memory(&self) -> usize {
        self.overlay.as_ref().map_or(0, Overlaid::memory)
    }
}
