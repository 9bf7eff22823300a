//! Databases → one [`SiteTable`], by one walk of each database in address order.
//!
//! The walks of all databases go side by side, like the merge of sorted lists; each distinct record is decoded once; the
//! two families are built on a thread each and share their sites afterwards. The result depends on the databases and
//! their order only, never on the timing of the threads.

use std::hash::Hash;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use super::asn::AsnTable;
use super::column::Column;
use super::database::{Database, DatabaseError};
use super::packed::Packed;
use super::ranges::Ranges;
use super::record::Record;
use super::sites::{Columns, Row, Site, SiteId, SiteTable, TextId};
use super::tree::{Family, Leaf, Tree, Walk};
use crate::net::{Block, UNUSABLE};

/// Why a table cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct BuildError {
    /// Which database, as an index of the list that was given.
    pub database: usize,
    /// What is wrong with it.
    pub error: DatabaseError,
}

impl SiteTable {
    /// Builds the table of some databases in order of precedence: the first with location data for an address gives its
    /// place, country, subdivision and city together. Unusable blocks ([`UNUSABLE`]) are [`SiteId::UNUSABLE`] only where no
    /// database has a location. AS numbers are no part of the sites: they become a table of their own
    /// ([`SiteTable::asns`]), each from the first database that has one, whatever else is in it.
    ///
    /// Reads every record that an address leads to, so a table also means that its databases are whole. Takes about a
    /// second per five million networks, on two threads.
    ///
    /// # Errors
    /// The first damage met, and in which database.
    pub fn build(databases: &[&Database]) -> Result<Self, BuildError> {
        let (v4, v6) = std::thread::scope(|scope| {
            let v4 = scope.spawn(|| Half::build(databases, Tree::ipv4, unusable_v4()));
            let v6 = Half::build(databases, Tree::ipv6, unusable_v6());
            (v4.join(), v6)
        });
        let panicked = |_| BuildError { database: 0, error: DatabaseError::Damaged("reading it failed".to_owned()) };
        let (v4, mut v6) = (v4.map_err(panicked)??, v6?);

        let mut sites = v4.sites;
        let mut known: HashMap<Row, u32> = HashMap::with_capacity(sites.rows.len());
        // The first two are the same two for both families, and alike, so they are not looked up by content.
        known.extend(sites.rows.iter().copied().zip(0..).skip(2));
        let texts: Vec<u32> = v6.sites.texts.order.iter().map(|text| sites.texts.intern(text)).collect();
        let mut ids = vec![SiteId::NOWHERE.0, SiteId::UNUSABLE.0];
        for row in v6.sites.rows.iter().skip(2) {
            let row = row.with_texts(&texts);
            ids.push(*known.entry(row).or_insert_with(|| sites.add(row)));
        }
        v6.ranges.map_values(|id| ids.get(id as usize).copied().unwrap_or(SiteId::NOWHERE.0));
        let asns = AsnTable::new(v4.asns, v6.asns);
        let asns = (!asns.is_empty()).then(|| Arc::new(asns));
        Ok(SiteTable { asns, ..table([v4.ranges, v4.sources], [v6.ranges, v6.sources], sites) })
    }
}

impl SiteTable {
    /// A table made by hand: ranges → index into `sites`, plus 2 ([`SiteId::NOWHERE`] and [`SiteId::UNUSABLE`] come first,
    /// and the ranges name them as 0 and 1). Texts are none, nor what an overlay adds (labels, AS numbers). `None` when a
    /// range names a site that is not there.
    pub fn from_ranges(v4: Ranges<u32, u32>, v6: Ranges<u128, u32>, sites: &[Site]) -> Option<Self> {
        let count = sites.len() as u32 + 2;
        let fits = v4.view().iter().all(|f| f.value < count) && v6.view().iter().all(|f| f.value < count);
        let mut all = Sites::new();
        let wordless = |s: &Site| Site { subdivision: None, subdivision_name: None, city: None, ..*s };
        all.rows.extend(sites.iter().map(|site| Row::new(&wordless(site))));
        fits.then(|| table([v4, Ranges::new(0)], [v6, Ranges::new(0)], all))
    }
}

/// See [`SiteTable::empty`].
pub(super) fn empty() -> SiteTable {
    let build = SiteTable::build(&[]);
    let nothing = || table([Ranges::new(0), Ranges::new(0)], [Ranges::new(0), Ranges::new(0)], Sites::new());
    build.unwrap_or_else(|_| nothing())
}

/// Of sites and sources of either family.
fn table(v4: [Ranges<u32, u32>; 2], v6: [Ranges<u128, u32>; 2], sites: Sites) -> SiteTable {
    let ([v4, v4_sources], [v6, v6_sources]) =
        (v4.map(|ranges| Packed::of(&ranges)), v6.map(|ranges| Packed::of(&ranges)));
    let mut texts = Vec::new();
    let mut text_ends = Vec::with_capacity(sites.texts.order.len());
    for text in &sites.texts.order {
        texts.extend_from_slice(text.as_bytes());
        text_ends.push(texts.len() as u32);
    }
    let mut rows = sites.rows;
    rows.shrink_to_fit();
    let columns = Columns {
        v4,
        v6,
        rows: Column::Owned(rows),
        text_ends: Column::Owned(text_ends),
        texts: Column::Owned(texts),
        v4_sources,
        v6_sources,
    };
    SiteTable { columns: Arc::new(columns), sources: Arc::default(), asns: None, overlay: None }
}

/// Things numbered in the order they were first seen.
struct Interner<T> {
    ids: HashMap<T, u32>,
    order: Vec<T>,
}

impl<T: Clone + Eq + Hash> Interner<T> {
    fn new() -> Self {
        Self { ids: HashMap::new(), order: Vec::new() }
    }

    fn intern<Q: ?Sized + Eq + Hash + ToOwned<Owned = T>>(&mut self, item: &Q) -> u32
    where
        T: std::borrow::Borrow<Q>,
    {
        if let Some(id) = self.ids.get(item) {
            return *id;
        }
        let id = self.order.len() as u32;
        self.order.push(item.to_owned());
        self.ids.insert(item.to_owned(), id);
        id
    }
}

/// Sites and their texts while they are collected.
struct Sites {
    rows: Vec<Row>,
    texts: Interner<String>,
}

impl Sites {
    /// With the two sites that always exist.
    fn new() -> Self {
        Self { rows: vec![Row::NOTHING; 2], texts: Interner::new() }
    }

    fn add(&mut self, row: Row) -> u32 {
        self.rows.push(row);
        self.rows.len() as u32 - 1
    }

    fn text(&mut self, text: Option<&str>) -> Option<TextId> {
        text.map(|text| TextId(self.texts.intern(text)))
    }
}

impl Row {
    /// The same row with its text ids looked up in a list.
    fn with_texts(self, texts: &[u32]) -> Self {
        let map = |id: u32| id.checked_sub(1).and_then(|id| texts.get(id as usize)).map_or(0, |id| id + 1);
        let (subdivision, subdivision_name) = (map(self.subdivision), map(self.subdivision_name));
        Self { subdivision, subdivision_name, city: map(self.city), ..self }
    }
}

/// The location parts of records, as rows: distinct ones, numbered. Not all become sites: a database of higher precedence
/// may have something for every address of theirs.
type Locations = Interner<Row>;

/// One database on its way through one family.
struct Cursor<'a, K> {
    index: usize,
    database: &'a Database,
    walk: Walk<'a, K>,
    /// What holds at the position of the merge.
    now: Known,
    /// The leaf after that; `None` at the end of the space.
    next: Option<Leaf<K>>,
    /// Record pointer → what it says.
    known: HashMap<u32, Known>,
}

/// What one record says: index of its location plus 1 (0: none), and its AS number (0: none).
#[derive(Clone, Copy, Default)]
struct Known {
    location: u32,
    asn: u32,
}

/// One family of the table with sites of its own.
struct Half<K> {
    ranges: Ranges<K, u32>,
    sites: Sites,
    /// Index of the database that the location is from, plus 1.
    sources: Ranges<K, u32>,
    /// AS numbers, and in the same way where they are from.
    asns: [Ranges<K, u32>; 2],
}

impl<K: Family> Half<K> {
    /// Merges the walks of all databases; `unusable` holds the first addresses from which on blocks are unusable or
    /// usable again.
    fn build<'a>(
        databases: &[&'a Database],
        walk: impl Fn(Tree<'a>) -> Walk<'a, K>,
        unusable: Vec<(K, bool)>,
    ) -> Result<Self, BuildError> {
        let mut sites = Sites::new();
        let mut locations = Locations::new();
        let mut cursors = Vec::with_capacity(databases.len());
        for (index, database) in databases.iter().copied().enumerate() {
            let (walk, known) = (walk(database.tree()), HashMap::new());
            let mut cursor = Cursor { index, database, walk, now: Known::default(), next: None, known };
            cursor.start(&mut sites, &mut locations)?;
            cursors.push(cursor);
        }

        let mut ranges = Ranges::new(SiteId::NOWHERE.0);
        let (mut sources, mut asns) = (Ranges::new(0), [Ranges::new(0), Ranges::new(0)]);
        // Location → site, 0 for those that are none yet.
        let mut ids: Vec<u32> = Vec::new();
        let mut unusable = unusable.into_iter().peekable();
        let mut is_unusable = false;
        let mut position = K::ZERO;
        loop {
            while let Some((_, value)) = unusable.next_if(|(start, _)| *start <= position) {
                is_unusable = value;
            }
            let first = |part: fn(&Known) -> u32| -> (u32, u32) {
                let mut parts = (1..).zip(&cursors).map(|(source, cursor)| (part(&cursor.now), source));
                parts.find(|(part, _)| *part != 0).unwrap_or((0, 0))
            };
            let ((location, source), (asn, asn_source)) = (first(|k| k.location), first(|k| k.asn));
            let id = match location.checked_sub(1).map(|index| index as usize) {
                None if is_unusable => SiteId::UNUSABLE.0,
                None => SiteId::NOWHERE.0,
                Some(index) => {
                    ids.resize(locations.order.len(), 0);
                    if ids[index] == 0 {
                        ids[index] = sites.add(locations.order[index]);
                    }
                    ids[index]
                }
            };
            ranges.push(position, id);
            sources.push(position, source);
            asns[0].push(position, asn);
            asns[1].push(position, asn_source);

            let nexts = cursors.iter().filter_map(|c| c.next.map(|leaf| leaf.start));
            let Some(next) = nexts.chain(unusable.peek().map(|(start, _)| *start)).min() else { break };
            position = next;
            for cursor in &mut cursors {
                if cursor.next.is_some_and(|leaf| leaf.start == position) {
                    cursor.step(&mut sites, &mut locations)?;
                }
            }
        }
        ranges.shrink();
        sources.shrink();
        asns.iter_mut().for_each(Ranges::shrink);
        Ok(Self { ranges, sites, sources, asns })
    }
}

impl<K: Family> Cursor<'_, K> {
    fn start(&mut self, sites: &mut Sites, locations: &mut Locations) -> Result<(), BuildError> {
        self.next = self.leaf()?;
        self.step(sites, locations)
    }

    /// Moves to `next`.
    fn step(&mut self, sites: &mut Sites, locations: &mut Locations) -> Result<(), BuildError> {
        let Some(leaf) = self.next else { return Ok(()) };
        self.now = self.read(leaf, sites, locations)?;
        self.next = self.leaf()?;
        // Neighbors with the same record are one to the merge.
        while let Some(next) = self.next.filter(|next| next.pointer == leaf.pointer) {
            debug_assert!(next.start > leaf.start, "a walk goes upward");
            self.next = self.leaf()?;
        }
        Ok(())
    }

    fn leaf(&mut self) -> Result<Option<Leaf<K>>, BuildError> {
        self.walk.next().transpose().map_err(|error| BuildError { database: self.index, error: error.into() })
    }

    fn read(&mut self, leaf: Leaf<K>, sites: &mut Sites, locations: &mut Locations) -> Result<Known, BuildError> {
        if leaf.pointer == 0 {
            return Ok(Known::default());
        }
        if let Some(known) = self.known.get(&leaf.pointer) {
            return Ok(*known);
        }
        let value = self.database.value(leaf.start.address());
        let value = value.map_err(|error| BuildError { database: self.index, error })?;
        let record = value.as_ref().map(Record::new).unwrap_or_default();
        let mut known = Known { location: 0, asn: record.asn };
        if record.has_location() {
            let row = Row::new(&Site {
                place: record.place,
                country: record.country,
                subdivision: sites.text(record.subdivision),
                subdivision_name: sites.text(record.subdivision_name),
                city: sites.text(record.city),
                city_id: record.city_id,
                ..Site::default()
            });
            known.location = locations.intern(&row) + 1;
        }
        self.known.insert(leaf.pointer, known);
        Ok(known)
    }
}

fn unusable_v4() -> Vec<(u32, bool)> {
    edges(UNUSABLE.iter().filter_map(|block| match *block {
        Block::V4 { base, length } => Some((base, length)),
        Block::V6 { .. } => None,
    }))
}

fn unusable_v6() -> Vec<(u128, bool)> {
    edges(UNUSABLE.iter().filter_map(|block| match *block {
        Block::V6 { base, length } => Some((base, length)),
        Block::V4 { .. } => None,
    }))
}

/// Where blocks begin and end, in address order. The blocks do not overlap.
fn edges<K: Family>(blocks: impl Iterator<Item = (K, u8)>) -> Vec<(K, bool)> {
    let mut edges = Vec::new();
    for (base, length) in blocks {
        edges.push((base, true));
        edges.extend(base.last(length).next().map(|after| (after, false)));
    }
    // Where one block ends and the next begins, the beginning counts.
    edges.sort_unstable();
    edges
}
