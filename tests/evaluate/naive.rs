//! The counts once more, address by address and without any of the oracle's shortcuts.

use std::collections::{BTreeMap, BTreeSet};

use catchment::evaluate::nearest::Nearest;
use catchment::evaluate::oracle::TIE_KM;
use catchment::evaluate::{Asked, Oracle, caches};
use catchment::geo::{Country, Place, SiteId};
use catchment::net::Block;
use catchment::steering::Policy;
use catchment::survey::{Ground, people};

use crate::{nearest, snapshot, with, world};

/// Vincenty's formula on a sphere: neither what decisions are made by nor what the oracle takes.
fn km(a: Place, b: Place) -> f64 {
    let radians = |place: Place| (place.latitude().to_radians(), place.longitude().to_radians());
    let ((a_lat, a_lon), (b_lat, b_lon)) = (radians(a), radians(b));
    let apart = a_lon - b_lon;
    let across = b_lat.cos() * apart.sin();
    let along = a_lat.cos() * b_lat.sin() - a_lat.sin() * b_lat.cos() * apart.cos();
    let below = a_lat.sin() * b_lat.sin() + a_lat.cos() * b_lat.cos() * apart.cos();
    6_371.008_8 * across.hypot(along).atan2(below)
}

/// Every address of the areas.
fn addresses() -> impl Iterator<Item = u32> {
    world::AREAS.iter().flat_map(|area| match Block::parse(area).unwrap() {
        Block::V4 { base, length } => base..=base | u32::MAX >> length,
        Block::V6 { .. } => unreachable!("areas are IPv4"),
    })
}

/// Where an address is.
fn place(asked: &Asked<'_>, address: u32) -> Option<(Place, Option<Country>)> {
    let site = asked.side.sites().site(SiteId(asked.side.sites().v4().find(address).value));
    Some((site.place.or_else(|| site.country.and_then(Country::place))?, site.country))
}

#[derive(Default)]
struct Sums {
    all: f64,
    right: f64,
    beyond: f64,
    max: f64,
}

impl Sums {
    fn add(&mut self, beyond: f64, weight: f64) {
        self.all += weight;
        self.right += if beyond <= TIE_KM { weight } else { 0.0 };
        let beyond = if beyond <= TIE_KM { 0.0 } else { beyond };
        self.beyond += beyond * weight;
        self.max = self.max.max(beyond);
    }
}

fn check(policy: Policy) {
    let snapshot = snapshot(policy);
    with(&snapshot, |asked| {
        let pops: Vec<Place> = (0..6).map(|pop| asked.side.pop_place(pop).unwrap()).collect();
        let oracle = Oracle::new(asked.side.sites(), &pops.iter().copied().map(Some).collect::<Vec<_>>());
        let mut got = Nearest::measure(asked, &oracle, &Ground::of(&asked.side));

        let mut of_country = BTreeMap::<Country, f64>::new();
        for country in addresses().filter_map(|address| place(asked, address)).filter_map(|found| found.1) {
            *of_country.entry(country).or_default() += 1.0;
        }
        let (mut exact, mut subnet, mut people) = (Sums::default(), Sums::default(), Sums::default());
        for address in addresses() {
            let Some((place, country)) = place(asked, address) else { continue };
            let best = pops.iter().map(|pop| km(place, *pop)).fold(f64::INFINITY, f64::min);
            let beyond = |base: u32, length: u8| {
                let pop = asked.pop(Block::V4 { base, length }).unwrap();
                km(place, pops[usize::from(pop)]) - best
            };
            exact.add(beyond(address, 32), 1.0);
            subnet.add(beyond(address & 0xffff_ff00, 24), 1.0);
            let country = country.unwrap();
            people.add(
                beyond(address & 0xffff_ff00, 24),
                1e3 * f64::from(people::thousands(country)) / of_country[&country],
            );
        }
        for (got, naive) in
            [(&mut got.exact.space, exact), (&mut got.subnet.space, subnet), (&mut got.subnet.people, people)]
        {
            let same = |a: f64, b: f64| (a - b).abs() <= 1e-6 * b.abs().max(1.0);
            assert!(
                same(got.all, naive.all) && same(got.right, naive.right),
                "{got:?}: {} of {}",
                naive.right,
                naive.all
            );
            let excess = got.excess();
            assert!(same(excess.mean, naive.beyond / naive.all) && same(excess.max, naive.max), "{excess:?}");
        }
    });
}

#[test]
fn rates_are_those_of_every_single_address() {
    check(nearest());
    check(Policy::built_in("failover").unwrap());
}

#[test]
fn everybody_makes_as_many_entries_as_there_are_scope_blocks() {
    let snapshot = snapshot(nearest());
    with(&snapshot, |asked| {
        let cached = caches::v4(asked, 1);
        // All clients there are: /24s with an address that something is known of.
        let clients: BTreeSet<u32> =
            addresses().filter(|a| place(asked, *a).is_some()).map(|a| a & 0xffff_ff00).collect();
        let blocks: BTreeSet<(u8, u32)> = clients
            .iter()
            .map(|base| {
                let scope = asked.scope(Block::V4 { base: *base, length: 24 }).min(24);
                (scope, base & u32::MAX << (32 - scope))
            })
            .collect();
        assert_eq!(cached.after.last(), Some(&(clients.len() as u64, blocks.len() as u64)));
        // Of other addresses than the known ones there are entries as well.
        assert!(cached.all > blocks.len() as u128);
    });
}

#[test]
fn the_oracle_ranks_as_vincenty_does() {
    let snapshot = snapshot(nearest());
    with(&snapshot, |asked| {
        let pops: Vec<Place> = (0..6).map(|pop| asked.side.pop_place(pop).unwrap()).collect();
        let oracle = Oracle::new(asked.side.sites(), &pops.iter().copied().map(Some).collect::<Vec<_>>());
        for (index, from) in pops.iter().enumerate() {
            let others = pops.iter().enumerate().filter(|(other, _)| *other != index);
            let nearest = others.min_by(|a, b| km(*from, *a.1).total_cmp(&km(*from, *b.1))).unwrap().0;
            assert!(oracle.neighbors().any(|pair| pair == (index as u16, nearest as u16)));
        }
        let address = addresses().find(|address| place(asked, *address).is_some()).unwrap();
        let (site, place) = (SiteId(asked.side.sites().v4().find(address).value), place(asked, address).unwrap().0);
        let mut order: Vec<usize> = (0..pops.len()).collect();
        order.sort_by(|a, b| km(place, pops[*a]).total_cmp(&km(place, pops[*b])));
        let mut failed = Vec::new();
        for pop in order {
            let (found, far) = oracle.nearest(site, |pop| failed.contains(&pop)).unwrap();
            assert!(usize::from(found) == pop && (far - km(place, pops[pop])).abs() < 1e-6);
            failed.push(found);
        }
        assert_eq!(oracle.nearest(site, |pop| failed.contains(&pop)), None);
    });
}
