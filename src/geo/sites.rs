//! The shared site table: address ranges → site, and what is known of each site.

use bytemuck::{Pod, Zeroable};

use super::column::Column;
use super::location::{Country, Place};
use super::ranges::RangeView;

/// A row of the site table. Means something only beside its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SiteId(pub u32);

impl SiteId {
    /// The site of addresses that no database and no prefix knows.
    pub const NOWHERE: Self = Self(0);
    /// The site of addresses that say nothing of a place (private, loopback, …; [`crate::net::UNUSABLE`]) and are in no
    /// database: the resolver's address decides in their stead.
    pub const UNUSABLE: Self = Self(1);
}

/// All that policies can see of an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Site {
    /// Coordinates from the database; `None` when it has none for this site.
    pub place: Option<Place>,
    /// Country of the database record (`country`, else `registered_country`).
    pub country: Option<Country>,
    /// Subdivision (ISO code or name as the database has it), a key for [`SiteTable::text`].
    pub subdivision: Option<TextId>,
    /// City name (English), a key for [`SiteTable::text`].
    pub city: Option<TextId>,
    /// GeoNames id of the city, 0 when unknown.
    pub city_id: u32,
    /// Autonomous system number, 0 when unknown.
    pub asn: u32,
    /// What the operator's prefixes say, opaque here; 0: nothing.
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
    /// Index of the text plus 1; 0 when absent.
    pub subdivision: u32,
    /// Index of the text plus 1; 0 when absent.
    pub city: u32,
    /// 0 when absent.
    pub asn: u32,
    /// Zeros when absent.
    pub country: [u8; 2],
    /// Zeros.
    pub padding: [u8; 2],
}

impl Row {
    /// The row of a site of which nothing is known.
    pub(super) const NOTHING: Self =
        Self { latitude: i32::MIN, longitude: 0, subdivision: 0, city: 0, asn: 0, country: [0; 2], padding: [0; 2] };

    pub(super) fn new(site: &Site) -> Self {
        let (latitude, longitude) = site.place.map_or((i32::MIN, 0), Place::microdegrees);
        let text = |id: Option<TextId>| id.map_or(0, |id| id.0 + 1);
        Self {
            latitude,
            longitude,
            subdivision: text(site.subdivision),
            city: text(site.city),
            asn: site.asn,
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
            city: text(self.city),
            city_id: 0,
            asn: self.asn,
            label: 0,
        }
    }
}

/// Address ranges → site, both families, and the sites. Immutable. Its columns are on the heap when just built, or lie
/// in a mapped cache file ([`SiteTable::from_cache`]).
#[derive(Debug)]
pub struct SiteTable {
    pub(super) columns: Columns,
}

/// The columns of a table. Whoever makes one sees to it that starts rise strictly from 0, values are below the number of
/// rows, equal neighbors are merged, and text ends rise within the texts at character boundaries.
#[derive(Debug)]
pub(super) struct Columns {
    pub v4_starts: Column<u32>,
    pub v4_values: Column<u32>,
    pub v6_starts: Column<u128>,
    pub v6_values: Column<u32>,
    pub rows: Column<Row>,
    /// Where each text ends in `texts`; it begins where the one before ends.
    pub text_ends: Column<u32>,
    pub texts: Column<u8>,
}

impl SiteTable {
    /// The table without any database: everything is [`SiteId::NOWHERE`], but for the unusable blocks.
    pub fn empty() -> Self {
        super::builder::empty()
    }

    /// IPv4 ranges → [`SiteId`].
    #[inline]
    pub fn v4(&self) -> RangeView<'_, u32, u32> {
        RangeView::of_checked(self.columns.v4_starts.as_slice(), self.columns.v4_values.as_slice())
    }

    /// IPv6 ranges → [`SiteId`].
    #[inline]
    pub fn v6(&self) -> RangeView<'_, u128, u32> {
        RangeView::of_checked(self.columns.v6_starts.as_slice(), self.columns.v6_values.as_slice())
    }

    /// Number of sites, at least 2.
    #[expect(clippy::len_without_is_empty, reason = "two sites always exist")]
    pub fn len(&self) -> usize {
        self.columns.rows.as_slice().len()
    }

    /// What is known of a site of this table; nothing for an id of another table that is too large for this one.
    pub fn site(&self, id: SiteId) -> Site {
        self.columns.rows.as_slice().get(id.0 as usize).map_or_else(Site::default, |row| row.site())
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

    /// Bytes on the heap; what lies in a mapped file does not count.
    pub fn memory(&self) -> usize {
        let c = &self.columns;
        c.v4_starts.memory()
            + c.v4_values.memory()
            + c.v6_starts.memory()
            + c.v6_values.memory()
            + c.rows.memory()
            + c.text_ends.memory()
            + c.texts.memory()
    }
}
