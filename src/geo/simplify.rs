//! A full city database → a small one that steers nearly alike (`geodb build`).
//!
//! Country and coordinates per range are kept, names are not. Detail is bought where it is worth most: from the longest
//! prefixes upward, a block becomes one record when `lambda + kilometers lost <= what its halves cost`, the kilometers
//! weighted by the /24s they are lost for (IPv6: /48s, large blocks less than their share). For its objective that is the
//! best tree there is.

use std::collections::HashMap;

use super::location::{Country, Place, Vector};
use super::packed::Packable;
use super::sites::{SiteId, SiteTable};
use super::tree::Family;
use super::value::Value;
use super::view::SiteView;
use super::writer::{Metadata, RecordId, Writer};

/// Places a block remembers while it is decided whether it becomes one record. A block with more of them is a mix of many
/// cities; the lightest are then counted at their nearest neighbor.
const SKETCH: usize = 12;

/// What being in another country than the record says costs, in kilometers on top of the distance.
const WRONG_COUNTRY_KM: f32 = 50.0;

/// Passes of the search for a price that fits, at most; ten or so are usual.
const SEARCH_STEPS: u32 = 30;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Detail {
    /// What one record of the tree costs, in kilometers × /24s for IPv4 and kilometers × (weighted) /48s for IPv6.
    Lambda {
        /// For IPv4.
        v4: f64,
        /// For IPv6.
        v6: f64,
    },
    /// As much as fits into this many bytes; IPv4 gets three fifths of the leaves of the tree, or all it needs.
    Bytes(usize),
}

/// A simplified database and what became of it.
#[derive(Clone, Debug)]
pub struct Simplified {
    /// The file.
    pub bytes: Vec<u8>,
    /// Networks with data, IPv4 and IPv6.
    pub leaves: (usize, usize),
    /// Distinct records.
    pub records: usize,
    /// The prices in the end, IPv4 and IPv6.
    pub lambda: (f64, f64),
}

/// Simplifies a table. Coordinates are rounded to a tenth of a degree. Ranges of which nothing is known stay unknown.
/// The same table gives the same bytes.
pub fn simplify(table: &SiteTable, detail: Detail, metadata: &Metadata) -> Simplified {
    let points = Points::of(table);
    let (v4, v6) = (Pruner::new(&points, table.v4(), 24), Pruner::new(&points, table.v6(), 48));
    let (lambda, v4, v6) = match detail {
        Detail::Lambda { v4: price4, v6: price6 } => ((price4, price6), v4.prune(price4), v6.prune(price6)),
        Detail::Bytes(bytes) => {
            // Six bytes a node, as many nodes as leaves, and a rest for records and metadata that is known only in the end:
            // a ninth of the file by experience.
            let mut room = bytes.saturating_sub(bytes / 9 + 4096) / 6;
            let mut prices = (1.0, 1.0);
            let (all4, all6) = (v4.prune(0.0).len(), v6.prune(0.0).len());
            loop {
                let share = share(room, all4, all6);
                let ((price4, leaves4), (price6, leaves6)) = std::thread::scope(|scope| {
                    let v4 = scope.spawn(|| v4.fit(share, prices.0));
                    let v6 = v6.fit(room - share, prices.1);
                    (v4.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), v6)
                });
                prices = (price4, price6);
                let result = write(&points, &leaves4, &leaves6, metadata, prices);
                if result.bytes.len() <= bytes || room < 64 {
                    return result;
                }
                // By as much as it was too long, and a little more.
                room = room.saturating_sub((result.bytes.len() - bytes) / 6 + room / 200 + 1);
            }
        }
    };
    write(&points, &v4, &v6, metadata, lambda)
}

/// Leaves that IPv4 may have of `room` for both, when undivided they were `all4` and `all6`: three fifths, unless one family
/// leaves more to the other.
fn share(room: usize, all4: usize, all6: usize) -> usize {
    let fair = room * 3 / 5;
    if all4 <= fair { all4 } else { fair.max(room.saturating_sub(all6)) }
}

fn write(points: &Points, v4: &[Leaf<u32>], v6: &[Leaf<u128>], metadata: &Metadata, lambda: (f64, f64)) -> Simplified {
    let mut writer = Writer::new();
    let mut records: HashMap<u32, RecordId> = HashMap::new();
    let mut record =
        |writer: &mut Writer, point: u32| *records.entry(point).or_insert_with(|| writer.record(&points.value(point)));
    for leaf in v6.iter().filter(|leaf| leaf.point != NOTHING) {
        let id = record(&mut writer, leaf.point);
        writer.insert_v6(leaf.start, leaf.length, id);
    }
    for leaf in v4.iter().filter(|leaf| leaf.point != NOTHING) {
        let id = record(&mut writer, leaf.point);
        writer.insert_v4(leaf.start, leaf.length, id);
    }
    let count = |points: &mut dyn Iterator<Item = u32>| points.filter(|point| *point != NOTHING).count();
    let leaves = (count(&mut v4.iter().map(|l| l.point)), count(&mut v6.iter().map(|l| l.point)));
    let records = records.len();
    Simplified { bytes: writer.finish(metadata), leaves, records, lambda }
}

/// The point of ranges of which nothing is known.
const NOTHING: u32 = 0;

/// What is kept of a site: a rounded place and a country, numbered.
struct Points {
    /// Point of each site.
    of_site: Vec<u32>,
    keys: Vec<(Option<Place>, Option<Country>)>,
    /// Where distances are measured from: the place, or else the country's, as single-precision unit vectors.
    vectors: Vec<[f32; 3]>,
}

impl Points {
    fn of(table: &SiteTable) -> Self {
        let mut numbers = HashMap::from([((None, None), NOTHING)]);
        let mut points = Self { of_site: Vec::new(), keys: vec![(None, None)], vectors: vec![[0.0; 3]] };
        for id in 0..table.len() as u32 {
            let site = table.site(SiteId(id));
            let place = site.place.and_then(round);
            let key = (place, site.country);
            let number = *numbers.entry(key).or_insert_with(|| {
                let place = place.or_else(|| site.country.and_then(Country::place));
                points.keys.push(key);
                points.vectors.push(place.map_or([0.0; 3], |place| Vector::of(place).to_single()));
                points.keys.len() as u32 - 1
            });
            points.of_site.push(number);
        }
        points
    }

    /// The record of a point, in the fields of MaxMind's City databases.
    fn value(&self, point: u32) -> Value<'static> {
        let (place, country) = self.keys[point as usize];
        let mut entries = Vec::new();
        if let Some(code) = country.and_then(Country::code) {
            entries.push(("country", Value::Map(vec![("iso_code", Value::Text(code))])));
        }
        if let Some(place) = place {
            let (latitude, longitude) = (Value::Double(place.latitude()), Value::Double(place.longitude()));
            entries.push(("location", Value::Map(vec![("latitude", latitude), ("longitude", longitude)])));
        }
        Value::Map(entries)
    }

    /// Kilometers lost when one point is taken for another; a straight line, which is enough to compare.
    #[inline]
    fn loss(&self, a: u32, b: u32) -> f32 {
        if a == b {
            return 0.0;
        }
        let (from, to) = (self.vectors[a as usize], self.vectors[b as usize]);
        let squares: f32 = from.iter().zip(to).map(|(from, to)| (from - to) * (from - to)).sum();
        let country = if self.keys[a as usize].1 == self.keys[b as usize].1 { 0.0 } else { WRONG_COUNTRY_KM };
        squares.sqrt() * 6371.0 + country
    }
}

/// To a tenth of a degree. The null island stays unreached: it would read as "unknown".
fn round(place: Place) -> Option<Place> {
    let tenth = |degrees: f64| (degrees * 10.0).round() / 10.0;
    Place::from_degrees(tenth(place.latitude()), tenth(place.longitude())).filter(|p| p.microdegrees() != (0, 0))
}

/// A network of the simplified tree.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Leaf<K> {
    start: K,
    length: u8,
    point: u32,
}

/// One family on its way to become simpler.
struct Pruner<'a, K> {
    points: &'a Points,
    starts: Vec<K>,
    values: Vec<u32>,
    /// The prefix length of a block of weight 1.
    unit: u8,
}

/// A block as its parent sees it.
struct Node {
    /// Price of its leaves and kilometers lost in them.
    cost: f64,
    /// The points in it and their weights; empty when there is nothing in it.
    sketch: Sketch,
    /// How much of it is known.
    nothing: Known,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Nothing,
    All,
    Mixed,
}

/// Blocks of up to `unit` bits weigh what they hold. In IPv6 a larger one weighs the fourth root of it: providers are given
/// a /19 or a /32 alike for a country's users, and by sheer space the few largest would leave no detail for the others.
fn weight(unit: u8, length: u8) -> f32 {
    let bits = f32::from(unit) - f32::from(length);
    libm::exp2f(if unit > 32 && bits > 0.0 { bits / 4.0 } else { bits })
}

type Sketch = smallvec::SmallVec<[(u32, f32); 2]>;

impl<'a, K: Family + Packable> Pruner<'a, K> {
    fn new(points: &'a Points, ranges: SiteView<'_, K>, unit: u8) -> Self {
        let (mut starts, mut values) = (Vec::new(), Vec::new());
        for range in ranges.iter() {
            let point = points.of_site.get(range.value as usize).copied().unwrap_or(NOTHING);
            if values.last() != Some(&point) {
                starts.push(range.start);
                values.push(point);
            }
        }
        Self { points, starts, values, unit }
    }

    /// The leaves at a price, in address order.
    fn prune(&self, lambda: f64) -> Vec<Leaf<K>> {
        let mut leaves = Vec::new();
        self.block(K::ZERO, 0, 0, self.starts.len(), lambda, &mut leaves);
        leaves
    }

    /// A price whose leaves are at most `room` and little less, found from a first guess (above 0), and these leaves. Where
    /// no price leads that far, the leaves of the highest tried.
    fn fit(&self, room: usize, guess: f64) -> (f64, Vec<Leaf<K>>) {
        let (mut low, mut high) = (0.0, f64::INFINITY);
        let mut price = guess;
        let mut best = (0.0, self.prune(0.0));
        if best.1.len() <= room {
            return best;
        }
        for _ in 0..SEARCH_STEPS {
            let leaves = self.prune(price);
            if leaves.len() <= room {
                let close = leaves.len() * 100 >= room * 99;
                high = price;
                best = (price, leaves);
                if close {
                    break;
                }
            } else {
                low = price;
                if high == f64::INFINITY {
                    best = (price, leaves);
                }
            }
            // Prices matter by their ratio: steps of 16 until there is a bound on both sides, then halves of the ratio.
            price = match (low, high) {
                (_, f64::INFINITY) => price * 16.0,
                (low, _) if low <= 0.0 && price < 1e-3 => break,
                (low, _) if low <= 0.0 => price / 16.0,
                _ => (low * high).sqrt(),
            };
        }
        best
    }

    /// Prunes the block of `length` bits at `start`, whose ranges are `first..last` (the first may begin before it), and
    /// appends its leaves.
    fn block(&self, start: K, length: u8, first: usize, last: usize, lambda: f64, leaves: &mut Vec<Leaf<K>>) -> Node {
        if last - first == 1 || length >= K::WIDTH {
            let point = self.values[first];
            leaves.push(Leaf { start, length, point });
            let weight = weight(self.unit, length);
            let (sketch, nothing) = match point {
                NOTHING => (Sketch::new(), Known::Nothing),
                _ => (Sketch::from_slice(&[(point, weight)]), Known::All),
            };
            return Node { cost: lambda, sketch, nothing };
        }
        let at = leaves.len();
        let middle = start.last(length + 1).next().unwrap_or(K::MAX);
        // The first range that begins in the right half; the one before it may reach into that half.
        let split = first + self.starts[first..last].partition_point(|s| *s < middle);
        let right_first = if split < last && self.starts[split] == middle { split } else { split - 1 };
        let left = self.block(start, length + 1, first, split, lambda, leaves);
        let right = self.block(middle, length + 1, right_first, last, lambda, leaves);

        let nothing = if left.nothing == right.nothing { left.nothing } else { Known::Mixed };
        let cost = left.cost + right.cost;
        let sketch = self.merge(left.sketch, right.sketch);
        if nothing == Known::Mixed {
            return Node { cost, sketch, nothing };
        }
        let (point, loss) = self.best(&sketch);
        if lambda + loss <= cost {
            leaves.truncate(at);
            leaves.push(Leaf { start, length, point });
            return Node { cost: lambda + loss, sketch, nothing };
        }
        Node { cost, sketch, nothing }
    }

    /// The point that stands best for all, and the kilometers lost by it.
    fn best(&self, sketch: &Sketch) -> (u32, f64) {
        let loss = |candidate: u32| -> f64 {
            sketch
                .iter()
                .map(|(point, weight)| f64::from(self.points.loss(*point, candidate)) * f64::from(*weight))
                .sum()
        };
        let candidates = sketch.iter().map(|(candidate, _)| (*candidate, loss(*candidate)));
        candidates.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((NOTHING, 0.0))
    }

    fn merge(&self, mut into: Sketch, from: Sketch) -> Sketch {
        for (point, weight) in from {
            match into.iter_mut().find(|(other, _)| *other == point) {
                Some((_, sum)) => *sum += weight,
                None => into.push((point, weight)),
            }
        }
        while into.len() > SKETCH {
            let lightest = (0..into.len()).min_by(|a, b| into[*a].1.total_cmp(&into[*b].1)).unwrap_or(0);
            let (point, weight) = into.swap_remove(lightest);
            let near = |a: &&mut (u32, f32), b: &&mut (u32, f32)| {
                self.points.loss(a.0, point).total_cmp(&self.points.loss(b.0, point))
            };
            if let Some((_, sum)) = into.iter_mut().min_by(near) {
                *sum += weight;
            }
        }
        into
    }
}

#[cfg(test)]
mod tests {
    use super::super::database::Database;
    use super::super::record::Record;
    use super::*;
    use crate::net::Block;

    const AMSTERDAM: (f64, f64, &str) = (52.37, 4.89, "NL");
    const UTRECHT: (f64, f64, &str) = (52.09, 5.12, "NL");
    const SYDNEY: (f64, f64, &str) = (-33.87, 151.21, "AU");

    fn metadata() -> Metadata {
        Metadata { kind: "Test".to_owned(), description: "generated".to_owned(), build_epoch: 1 }
    }

    fn table(blocks: &[(&str, (f64, f64, &'static str))]) -> SiteTable {
        let mut writer = Writer::new();
        for (block, (latitude, longitude, country)) in blocks {
            let id = writer.record(&Value::Map(vec![
                ("country_code", Value::Text(country)),
                ("latitude", Value::Double(*latitude)),
                ("longitude", Value::Double(*longitude)),
            ]));
            match Block::parse(block).unwrap() {
                Block::V4 { base, length } => writer.insert_v4(base, length, id),
                Block::V6 { base, length } => writer.insert_v6(base, length, id),
            }
        }
        let database = Database::new(writer.finish(&metadata())).unwrap();
        SiteTable::build(&[&database]).unwrap()
    }

    /// The networks with data of what is made of some blocks at a price.
    #[track_caller]
    fn check(blocks: &[(&str, (f64, f64, &'static str))], lambda: f64, expected: &[&str]) {
        let made = simplify(&table(blocks), Detail::Lambda { v4: lambda, v6: lambda }, &metadata());
        let database = Database::new(made.bytes).unwrap();
        database.verify().unwrap();
        let tree = database.tree();
        let v4 =
            tree.ipv4().map(Result::unwrap).filter(|leaf| leaf.pointer != 0).map(|l| (l.start.address(), l.length));
        let v6 =
            tree.ipv6().map(Result::unwrap).filter(|leaf| leaf.pointer != 0).map(|l| (l.start.address(), l.length));
        let networks = v4.chain(v6).map(|(address, length)| {
            let country = database.lookup(address).unwrap().record.country.unwrap();
            format!("{} {country}", Block::new(address, length))
        });
        assert_eq!(networks.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn detail_is_kept_while_it_is_worth_its_price() {
        let blocks = [
            ("193.0.0.0/16", AMSTERDAM),
            // One /24, 16,600 km off, and a hundredth of one.
            ("193.0.7.0/24", SYDNEY),
            ("193.0.8.0/31", SYDNEY),
            ("2001:db8::/32", AMSTERDAM),
            ("2001:db8:7::/48", SYDNEY),
        ];
        check(&blocks, 20_000.0, &["193.0.0.0/16 NL", "2001:db8::/32 NL"]);
        // Eight more networks keep the /24 apart, at 8 × 1000 km; the /31 is not worth that.
        let split = simplify(&table(&blocks), Detail::Lambda { v4: 1000.0, v6: 1e9 }, &metadata());
        assert_eq!(split.leaves, (9, 1));
    }

    #[test]
    fn near_places_become_one_and_the_unknown_stays_unknown() {
        let blocks = [("193.0.0.0/24", AMSTERDAM), ("193.0.1.0/24", UTRECHT), ("193.0.4.0/24", UTRECHT)];
        check(&blocks, 100.0, &["193.0.0.0/23 NL", "193.0.4.0/24 NL"]);
        check(&blocks, 1.0, &["193.0.0.0/24 NL", "193.0.1.0/24 NL", "193.0.4.0/24 NL"]);
        check(&[], 1.0, &[]);
    }

    /// Without a price nothing is lost but decimals.
    #[test]
    fn free_detail_is_kept_whole() {
        let blocks = [
            ("1.0.0.0/9", AMSTERDAM),
            ("1.0.3.0/25", UTRECHT),
            ("255.255.255.255/32", SYDNEY),
            ("2a00::/12", UTRECHT),
            ("2a00:1:2:3::/64", SYDNEY),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", AMSTERDAM),
        ];
        let full = table(&blocks);
        let made = simplify(&full, Detail::Lambda { v4: 0.0, v6: 0.0 }, &metadata());
        let small = Database::new(made.bytes).unwrap();
        let addresses = full.v4().iter().flat_map(|r| [r.start.address(), r.end.address()]);
        for address in addresses.chain(full.v6().iter().flat_map(|r| [r.start.address(), r.end.address()])) {
            let site = match address {
                std::net::IpAddr::V4(a) => full.site(SiteId(full.v4().find(u32::from(a)).value)),
                std::net::IpAddr::V6(a) => full.site(SiteId(full.v6().find(u128::from(a)).value)),
            };
            let expected = Record { place: site.place.and_then(round), country: site.country, ..Record::default() };
            assert_eq!(small.lookup(address).unwrap().record, expected, "{address}");
        }
    }

    #[test]
    fn a_limit_in_bytes_is_held() {
        let names: Vec<String> = (0..1024).map(|i| format!("60.{}.{}.0/24", i / 256, i % 256)).collect();
        let place = |index: usize| [AMSTERDAM, AMSTERDAM, UTRECHT, SYDNEY][index % 7 % 4];
        let blocks = names.iter().enumerate().map(|(index, name)| (name.as_str(), place(index)));
        let full = table(&blocks.collect::<Vec<_>>());
        let all = simplify(&full, Detail::Lambda { v4: 0.0, v6: 0.0 }, &metadata());
        let made = simplify(&full, Detail::Bytes(all.bytes.len() * 2 + 8192), &metadata());
        assert_eq!((made.leaves, made.lambda), (all.leaves, (0.0, 0.0)));
        let made = simplify(&full, Detail::Bytes(7500), &metadata());
        assert!(made.bytes.len() <= 7500, "{}", made.bytes.len());
        assert!(made.leaves.0 > 100 && made.leaves.0 < all.leaves.0, "{:?} of {:?}", made.leaves, all.leaves);
        // Too little for anything: the caller sees it by the size.
        assert!(simplify(&full, Detail::Bytes(100), &metadata()).bytes.len() > 100);
    }
}
