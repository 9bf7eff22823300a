//! Tallies and changes against a count that asks for one address after the other.

use std::collections::BTreeMap;
use std::net::IpAddr;

use catchment::dns::Name;
use catchment::explain::{self, Assume, steer_of};
use catchment::health::Known;
use catchment::net::Block;
use catchment::snapshot::Snapshot;
use catchment::steering::Choice;
use catchment::survey::{Change, Entries, Ground, Server, Side, Tally, people};

use crate::world::{AREAS, FLEET, NEW, OLD, Record, World, ZONE};

fn name(label: &str) -> Name {
    Name::parse(&format!("{label}.example.com."), None).unwrap()
}

fn side<'a>(snapshot: &'a Snapshot, label: &str, assume: &Assume) -> Side<'a> {
    Side::new(snapshot, steer_of(snapshot, &name(label)).unwrap().map, assume).unwrap()
}

fn addresses() -> impl Iterator<Item = IpAddr> {
    AREAS.iter().flat_map(|area| match Block::parse(area).unwrap() {
        Block::V4 { base, length } => (0..1u32 << (32 - length)).map(|at| IpAddr::V4((base + at).into())).collect(),
        Block::V6 { base, length } => {
            (0..1u128 << (128 - length)).map(|at| IpAddr::V6((base + at).into())).collect::<Vec<_>>()
        }
    })
}

/// The longest record that holds an address.
fn record(records: &[Record], address: IpAddr) -> Option<Record> {
    let holds = |record: &&Record| {
        let block = Block::parse(record.block).unwrap();
        Block::new(address, block.length()) == block
    };
    records.iter().filter(holds).max_by_key(|record| Block::parse(record.block).unwrap().length()).copied()
}

/// The textbook formula.
fn kilometers(a: (f64, f64), b: (f64, f64)) -> f64 {
    let (la, lb, turn) = (a.0.to_radians(), b.0.to_radians(), (b.1 - a.1).to_radians());
    let h = ((lb - la) / 2.0).sin().powi(2) + la.cos() * lb.cos() * (turn / 2.0).sin().powi(2);
    2.0 * 6_371.008_8 * h.sqrt().asin()
}

fn place_of(record: Record) -> (f64, f64) {
    record.place.unwrap_or_else(|| {
        let place = catchment::geo::Country::new(record.country).unwrap().place().unwrap();
        (place.latitude(), place.longitude())
    })
}

fn place_of_pop(pop: &str) -> (f64, f64) {
    match pop {
        "fra" => (50.11, 8.68),
        "ams" => (52.37, 4.90),
        "lhr" => (51.47, -0.46),
        "iad" => (38.95, -77.45),
        "sin" => (1.35, 103.99),
        _ => panic!("{pop}"),
    }
}

/// Who serves an address, decided for it alone, as the explainer decides.
fn serves(snapshot: &Snapshot, label: &str, assume: &Assume, address: IpAddr) -> String {
    let map = &snapshot.maps[steer_of(snapshot, &name(label)).unwrap().map.0 as usize];
    let facts = explain::assume(map, &map.facts(&Known::default(), None), assume);
    let site = map.deciding_site(&snapshot.sites, Block::host(address));
    match map.decide(&snapshot.sites, site, &facts).v4 {
        Choice::Members { members, .. } => map.pops[usize::from(members[0])].to_string(),
        other => panic!("{other:?}"),
    }
}

fn assume(down: &[&str], drain: &[&str]) -> Assume {
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Assume { down: list(down), drain: list(drain), up: vec![] }
}

#[expect(clippy::float_cmp, reason = "whole numbers")]
#[track_caller]
fn check_tally(label: &str, assume: &Assume) {
    let world = World::new();
    let snapshot = world.snapshot("zones", "old.mmdb");
    let side = side(&snapshot, label, assume);
    let tally = Tally::new(&side, &Ground::of(&side));

    let (mut v4, mut countries) = (BTreeMap::<String, f64>::new(), BTreeMap::<(&str, String), f64>::new());
    let mut km = BTreeMap::<String, Vec<f64>>::new();
    for address in addresses().filter(IpAddr::is_ipv4) {
        let Some(record) = record(OLD, address) else { continue };
        let pop = serves(&snapshot, label, assume, address);
        *v4.entry(pop.clone()).or_default() += 1.0;
        *countries.entry((record.country, pop.clone())).or_default() += 1.0;
        km.entry(pop.clone()).or_default().push(kilometers(place_of(record), place_of_pop(&pop)));
    }
    for row in &tally.rows {
        let Server::Pop(pop) = row.server else { panic!("{row:?}") };
        let pop = side.pops()[usize::from(pop)].to_string();
        assert_eq!(row.amounts.v4, v4.get(&pop).copied().unwrap_or(0.0), "{label} {pop}");
        match (km.get_mut(&pop), row.km) {
            (None, None) => {}
            (Some(list), Some(told)) => {
                list.sort_by(f64::total_cmp);
                let at = |part: f64| list[((part * list.len() as f64).ceil() as usize).max(1) - 1];
                let mean = list.iter().sum::<f64>() / list.len() as f64;
                for (told, expected) in
                    [(told.mean, mean), (told.p50, at(0.5)), (told.p95, at(0.95)), (told.max, at(1.0))]
                {
                    assert!((told - expected).abs() < 1e-3, "{label} {pop}: {told} {expected}");
                }
            }
            // IPv6 clients alone.
            (None, Some(_)) if row.amounts.v6 > 0.0 => {}
            (expected, told) => panic!("{label} {pop}: {told:?}, expected {expected:?}"),
        }
    }
    let all: f64 = v4.values().sum();
    assert_eq!(tally.total.v4, all);

    // Each country's people by its IPv4 addresses.
    for (country, by_server) in &tally.countries {
        let country = country.unwrap();
        let of_country = |(code, _): &(&str, String)| *code == country.to_string();
        let all: f64 = countries.iter().filter(|(key, _)| of_country(key)).map(|(_, count)| count).sum();
        for (server, amounts) in by_server {
            let Server::Pop(pop) = server else { panic!("{server:?}") };
            let key = (country.code().unwrap(), side.pops()[usize::from(*pop)].to_string());
            let count = countries.get(&key).copied().unwrap_or(0.0);
            assert_eq!(amounts.v4, count, "{key:?}");
            let people = 1e3 * f64::from(people::thousands(country)) * count / all;
            assert!((amounts.people - people).abs() < 1.0, "{key:?}: {} {people}", amounts.people);
        }
    }
}

#[test]
fn tallies_are_what_counting_gives() {
    for label in ["www", "ruled", "tiers"] {
        check_tally(label, &Assume::default());
        check_tally(label, &assume(&["fra"], &[]));
        check_tally(label, &assume(&["web@lhr", "iad"], &["fra"]));
    }
}

/// Pieces with one record, in address order: whether each address begins another record than the one before.
fn records(list: &[Record], is_ipv4: bool, labels: impl Fn(IpAddr) -> u8) -> u64 {
    let mut last = None;
    let mut count = 0;
    for address in addresses().filter(|address| address.is_ipv4() == is_ipv4) {
        let now = record(list, address)
            .map(|r| (r.country, r.place.map(|p| (p.0.to_bits(), p.1.to_bits())), labels(address)));
        count += u64::from(now.is_some() && now != last);
        last = now;
    }
    count
}

#[test]
#[expect(clippy::float_cmp, reason = "whole numbers")]
fn records_count_once_each() {
    let world = World::new();
    let snapshot = world.snapshot("zones", "old.mmdb");
    for label in ["www", "coarse", "ruled"] {
        let side = side(&snapshot, label, &Assume::default());
        let total = Tally::new(&side, &Ground::of(&side)).total;
        // The prefix that `ruled` names is told apart for all.
        let labels = |address| u8::from(Block::new(address, 26).to_string() == "198.18.6.64/26");
        assert_eq!(total.v4_records, records(OLD, true, labels) as f64, "{label}");
        assert_eq!(total.v6, records(OLD, false, |_| 0) as f64, "{label}");
    }
}

/// Pieces of clients from one to another, counted by address for IPv4.
#[expect(clippy::float_cmp, reason = "whole numbers")]
#[track_caller]
fn check_change(before: (&Snapshot, &str, &Assume, &[Record]), after: (&Snapshot, &str, &Assume, &[Record])) {
    let (was, is) = (side(before.0, before.1, before.2), side(after.0, after.1, after.2));
    let change = Change::new(&was, &is, &Ground::between(&was, &is));
    let mut flows = BTreeMap::<(String, String), (f64, f64, f64)>::new();
    let mut moved = BTreeMap::<&str, f64>::new();
    for address in addresses().filter(IpAddr::is_ipv4) {
        let (old, new) = (record(before.3, address), record(after.3, address));
        let Some(known) = new.or(old) else { continue };
        let pops = (serves(before.0, before.1, before.2, address), serves(after.0, after.1, after.2, address));
        if pops.0 != pops.1 {
            *moved.entry(known.country).or_default() += 1.0;
        }
        let km = |pop: &str| kilometers(place_of(known), place_of_pop(pop));
        let (from, to) = (km(&pops.0), km(&pops.1));
        let flow = flows.entry(pops).or_default();
        *flow = (flow.0 + 1.0, flow.1 + from, flow.2 + to);
    }
    let told = change.flows.iter().filter(|flow| flow.amounts.v4 > 0.0).map(|flow| {
        let names = (change.name(flow.from).to_owned(), change.name(flow.to).to_owned());
        (names, (flow.amounts.v4, flow.km.unwrap()))
    });
    let told: BTreeMap<_, _> = told.collect();
    assert_eq!(told.keys().collect::<Vec<_>>(), flows.keys().collect::<Vec<_>>());
    for (names, (count, from, to)) in flows {
        let (told, km) = told[&names];
        assert_eq!(told, count, "{names:?}");
        assert!((km[0] - from / count).abs() < 1e-3 && (km[1] - to / count).abs() < 1e-3, "{names:?} {km:?}");
    }
    for country in &change.countries {
        let code = country.country.unwrap().code().unwrap();
        assert_eq!(country.moved.v4, moved.get(code).copied().unwrap_or(0.0), "{code}");
    }
    assert_eq!(change.moved.v4, moved.values().sum::<f64>());
}

#[test]
fn changes_are_what_counting_gives() {
    let world = World::new();
    world.zones(
        "more",
        &FLEET
            .replace("  ams: {at", "  nrt: {at: [35.7, 140.4]}\n  ams: {at")
            .replace("      ams: [", "      nrt: [\"192.0.2.60\", \"2001:db8:6::10\"]\n      ams: ["),
        ZONE,
    );
    world.zones(
        "fewer",
        &FLEET.replace("      fra: [\"192.0.2.10\", \"2001:db8:f::10\"]\n", ""),
        &ZONE
            .replace("  ruled: {steer: {service: web, policy: ruled}}\n", "")
            .replace("  tiers: {steer: {service: web, policy: tiers}}\n", ""),
    );
    let (old, new) = (world.snapshot("zones", "old.mmdb"), world.snapshot("zones", "new.mmdb"));
    let none = Assume::default();
    // The same map, other assumptions; another policy; another database; both.
    check_change((&old, "www", &none, OLD), (&old, "www", &assume(&["fra", "iad"], &["lhr"]), OLD));
    check_change((&old, "www", &none, OLD), (&old, "ruled", &none, OLD));
    check_change((&old, "www", &none, OLD), (&new, "www", &none, NEW));
    check_change((&old, "ruled", &none, OLD), (&new, "tiers", &assume(&["sin"], &[]), NEW));
    let fewer = world.snapshot("fewer", "old.mmdb");
    check_change((&old, "www", &none, OLD), (&fewer, "www", &none, OLD));
    check_change((&fewer, "www", &none, OLD), (&new, "ruled", &none, NEW));
}

#[test]
fn shared_clients_are_counted_by_weight_and_move_as_little_as_they_must() {
    let world = World::new();
    let snapshot = world.snapshot("zones", "old.mmdb");
    let side_of = |assume: &Assume| side(&snapshot, "weights", assume);
    let (well, down) = (side_of(&Assume::default()), side_of(&assume(&["lhr"], &[])));
    let ground = Ground::of(&well);
    let tally = Tally::new(&well, &ground);
    let share = |row: usize| tally.rows[row].amounts.share_of(&tally.total).v4;
    // fra 1, ams 1, lhr 3, iad 2, sin 0.
    for (row, expected) in [1.0, 1.0, 3.0, 2.0, 0.0].into_iter().enumerate() {
        assert!((share(row) - expected / 7.0).abs() < 1e-12, "{row}: {}", share(row));
    }
    let change = Change::new(&well, &down, &ground);
    assert!((change.moved_share().v4 - 3.0 / 7.0).abs() < 1e-12);
    for flow in change.flows.iter().filter(|flow| flow.from != flow.to) {
        assert_eq!(change.name(flow.from), "lhr");
        let share = flow.amounts.v4 / change.total.v4;
        let expected = if change.name(flow.to) == "iad" { 0.5 } else { 0.25 } * 3.0 / 7.0;
        assert!((share - expected).abs() < 1e-12, "{flow:?}");
    }
}

#[test]
fn live_ranges_and_blocks_are_those_of_the_live_tables() {
    let world = World::new();
    let snapshot = world.snapshot("zones", "old.mmdb");
    for label in ["www", "near", "ruled", "coarse", "tiers", "weights"] {
        let side = side(&snapshot, label, &Assume::default());
        let table = side.live().build_table(side.map, side.sites());
        let (v4, v6) = (Entries::of::<u32>(&side), Entries::of::<u128>(&side));
        // The table also has the ranges whose addresses say nothing of a place.
        let unusable = |is_ipv4: bool| {
            let blocks = catchment::net::UNUSABLE.iter().filter(|block| block.address().is_ipv4() == is_ipv4);
            blocks.count()
        };
        assert_eq!(v4.ranges as usize + unusable(true), table.ranges().0, "{label}");
        assert_eq!(v6.ranges as usize + unusable(false), table.ranges().1, "{label}");

        // Blocks of the known part, found by their scopes: walk from block to block.
        let mut live = side.live().clone();
        live.table = Some(table.into());
        let mut at = Some(0u32);
        let mut blocks = 0u128;
        while let Some(base) = at {
            let chosen = live.choose(side.map, side.sites(), Block::V4 { base, length: 24 });
            let block = Block::new(IpAddr::V4(base.into()), chosen.scope);
            blocks += u128::from(chosen.answer != catchment::live::AnswerId::RESOLVER);
            let size = 1u64 << (32 - block.length());
            let next = u64::from(u32::from(match block.address() {
                IpAddr::V4(address) => address,
                IpAddr::V6(_) => panic!("{block}"),
            })) + size;
            at = u32::try_from(next).ok();
        }
        assert_eq!(v4.blocks, blocks, "{label}");
    }
}
