//! Fewer, wider scopes for a bounded detour (`ecs: {detail: …}`): small odd blocks are answered like what surrounds them.
//!
//! Optimal pruning of the tree of aligned blocks (rate against distortion): bottom up, a block is answered as one when
//! `λ + detour` is at most what its halves cost, where `λ` is the price of an entry in resolvers' caches and the detour is
//! extra kilometers times blocks of the longest scope. A budget or a number of entries is met by searching λ (`search`). What
//! rules or fences tell apart is never blurred. A block answered as one follows its largest site with that home, so failover
//! stays exact for it. A block of the longest scope is always answered as one, so longer sources are told the same as it.
//!
//! Static, like homes: health has no part in it. Sums are in a fixed order and in single IEEE operations, so every node
//! prunes alike.

use std::collections::HashMap;

use super::fill::Homes;
use super::table::{Clip, majority_of};
use crate::geo::{Found, Packed, SiteId, SiteTable, SiteView};
use crate::steering::{Class, Detail, Plan};

mod search;
mod tree;

use search::search;

/// Site ranges with small odd blocks given to their surroundings.
#[derive(Debug)]
pub(super) struct Coarse {
    pub(super) v4: Packed<u32>,
    pub(super) v6: Packed<u128>,
    /// What it came to, IPv4 and IPv6.
    pub(super) results: [Pruned; 2],
}

/// What pruning came to, for one family.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pruned {
    /// The price of an entry that was found, in kilometers times blocks of the longest scope.
    pub lambda: f64,
    /// Entries a resolver could hold at most.
    pub entries: u64,
    /// The mean detour that pruning adds, in kilometers.
    pub kilometers: f64,
}

impl Coarse {
    /// Prunes as the plan says; `None` when it says to be exact, or homes are not by distance.
    pub(super) fn new(plan: &Plan, homes: &Homes, sites: &SiteTable) -> Option<Self> {
        if plan.detail == Detail::Exact || !plan.shape.is_by_distance() {
            return None;
        }
        let scene = Scene::new(plan, homes, sites);
        let ((v4, first), (v6, second)) = std::thread::scope(|scope| {
            let v6 = scope.spawn(|| search(&scene, sites.v6(), plan.detail));
            let v4 = search(&scene, sites.v4(), plan.detail);
            // A panic over there is one here.
            (v4, v6.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        Some(Self { v4: Packed::of(&v4), v6: Packed::of(&v6), results: [first, second] })
    }

    pub(super) fn memory(&self) -> usize {
        self.v4.memory() + self.v6.memory()
    }
}

/// What is known of a site that may be blurred.
#[derive(Clone, Copy)]
struct Known {
    home: u16,
    /// Sites that rules treat alike, as a number.
    group: u32,
    vector: [f32; 3],
    /// The smallest detour to anybody else.
    next: f32,
}

/// What the detours are worked out from.
struct Scene<'s> {
    homes: &'s Homes,
    /// By site; `None`: never to be blurred.
    sites: Vec<Option<Known>>,
    groups: Vec<Group>,
}

/// Whom the sites of one stance may be given to: the homes of some of them.
#[derive(Default)]
struct Group {
    /// Rising.
    members: Vec<u16>,
    /// Coordinates of these members, by axis, in whole [`LANES`]; not a number without a place, so that no detour leads there.
    axes: [Vec<f32>; 3],
    /// A site with each of them for home, for blocks that have none themselves.
    sites: Vec<u32>,
}

impl Group {
    /// Members, in whole [`LANES`].
    fn width(&self) -> usize {
        self.axes[0].len()
    }
}

/// Numbers that are worked on at once.
const LANES: usize = 8;
/// Nobody in particular.
const NOBODY: u16 = u16::MAX;
/// No group: never to be blurred, or rules tell parts apart.
const NONE: u32 = u32::MAX;

impl<'s> Scene<'s> {
    fn new(plan: &Plan, homes: &'s Homes, sites: &SiteTable) -> Self {
        let vectors = plan.shape.vectors();
        let firsts: Vec<_> = homes.decisions.iter().map(crate::steering::Decision::first).collect();
        let mut numbers: HashMap<u32, u32, foldhash::fast::FixedState> = HashMap::default();
        let known = |id: u32| {
            let site = SiteId(id);
            if site == SiteId::UNUSABLE || site == SiteId::NOWHERE {
                return None;
            }
            let home = firsts[usize::from(homes.by_site[id as usize])]?;
            let vector = Class::of(sites, site, &homes.stances).vector?.to_single();
            let count = numbers.len() as u32;
            let group = *numbers.entry(homes.stances.number(site)).or_insert(count);
            Some(Known { home, group, vector, next: 0.0 })
        };
        let known: Vec<Option<Known>> = (0..sites.len() as u32).map(known).collect();
        let mut first_sites: Vec<Vec<(u16, u32)>> = vec![Vec::new(); numbers.len()];
        let mut seen = std::collections::HashSet::<(u32, u16), foldhash::fast::FixedState>::default();
        for (known, id) in known.iter().zip(0..) {
            if let Some(known) = known.filter(|known| seen.insert((known.group, known.home))) {
                first_sites[known.group as usize].push((known.home, id));
            }
        }
        let group = |mut list: Vec<(u16, u32)>| {
            list.sort_unstable();
            let members: Vec<u16> = list.iter().map(|item| item.0).collect();
            let place = |member: &u16| vectors.get(usize::from(*member)).copied().flatten();
            let axis = |at: usize| {
                let single = |member| place(member).map_or(f32::NAN, |v| v.to_single()[at]);
                let mut axis: Vec<f32> = members.iter().map(single).collect();
                axis.resize(members.len().next_multiple_of(LANES), f32::NAN);
                axis
            };
            let axes = [axis(0), axis(1), axis(2)];
            Group { members, axes, sites: list.iter().map(|item| item.1).collect() }
        };
        let mut scene = Self { homes, sites: known, groups: first_sites.into_iter().map(group).collect() };
        let mut unit = vec![0.0; scene.groups.iter().map(Group::width).max().unwrap_or(0)];
        for id in 0..scene.sites.len() {
            let Some(known) = scene.sites[id] else { continue };
            scene.detours(&known, &mut unit[..scene.groups[known.group as usize].width()]);
            let members = &scene.groups[known.group as usize].members;
            let others = members.iter().zip(&unit).filter(|(member, _)| **member != known.home);
            let next = others.fold(f32::INFINITY, |least, (_, detour)| least.min(*detour));
            scene.sites[id] = Some(Known { next, ..known });
        }
        scene
    }

    fn site(&self, id: u32) -> Option<Known> {
        self.sites.get(id as usize).copied().flatten()
    }

    /// Extra kilometers from a site to every member of its group, over those to its home; `out` is as wide as the group.
    fn detours(&self, site: &Known, out: &mut [f32]) {
        let Group { members, axes: [xs, ys, zs], .. } = &self.groups[site.group as usize];
        let from = site.vector;
        for (((out, x), y), z) in out.iter_mut().zip(xs).zip(ys).zip(zs) {
            let (x, y, z) = (x - from[0], y - from[1], z - from[2]);
            *out = kilometers(x * x + y * y + z * z);
        }
        let at_home = members.binary_search(&site.home).map_or(0.0, |at| out[at]);
        for out in out {
            // `max` would make not a number 0; it must stay out of reach.
            *out = if out.is_nan() { f32::INFINITY } else { (*out - at_home).max(0.0) };
        }
    }
}

/// Great-circle kilometers of a squared chord, good to 2 km: the arc sine as a polynomial, so that a loop of it is vectors.
fn kilometers(chord_squared: f32) -> f32 {
    const DIAMETER: f32 = 12_742.018;
    let square = (chord_squared * 0.25).min(1.0);
    let far = square > 0.25;
    let square = if far { (1.0 - square.sqrt()) * 0.5 } else { square };
    let sine = square.sqrt();
    let series = ((((0.042_163_2 * square + 0.024_181_31) * square + 0.045_470_03) * square + 0.074_953_0) * square
        + 0.166_667_5)
        * square;
    let angle = sine + sine * series;
    DIAMETER * if far { std::f32::consts::FRAC_PI_2 - 2.0 * angle } else { angle }
}

/// What a block of this length weighs. IPv4: its /24s. IPv6: the square root of its /56s, as an allocation of a million times
/// the size of another does not have a million times its clients.
fn blocks<K: Clip>(length: u8) -> f64 {
    let size = 2f64.powi(i32::from(K::BLOCK) - i32::from(length));
    if K::WIDTH == 32 { size } else { size.sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::{Place, Ranges, Site, Vector};
    use crate::live::{Map, Source};
    use crate::net::Bits;
    use crate::steering::{Member, Policy, Pop, PopId, Service, ServiceAddress};
    use proptest::prelude::*;
    use std::sync::Arc;

    #[test]
    fn kilometers_are_good_to_two() {
        for a in -18..=18 {
            for b in 0..=36 {
                let (here, there) = (
                    Place::from_degrees(0.0, 0.0).unwrap(),
                    Place::from_degrees(f64::from(a) * 5.0, f64::from(b) * 5.0).unwrap(),
                );
                let chord = Vector::of(here).chord_squared(&Vector::of(there));
                #[expect(clippy::cast_possible_truncation, reason = "single precision is what is tested")]
                let ours = f64::from(kilometers(chord as f32));
                assert!((ours - here.kilometers_to(there)).abs() < 2.5, "{ours} {}", here.kilometers_to(there));
            }
        }
    }

    /// The least that a block can cost, by trying all: as one of any member, or as its halves. And whose it is as one entry.
    fn naive(scene: &Scene<'_>, borders: &[(u32, u32)], price: f64, base: u32, length: u8) -> f64 {
        let (first, last) = (base, base.last(length));
        let parts: Vec<(Known, f64)> = borders
            .iter()
            .enumerate()
            .filter_map(|(at, &(start, site))| {
                let end = borders.get(at + 1).map_or(u32::MAX, |next| next.0 - 1);
                let weight = (f64::from(end.min(last)) - f64::from(start.max(first)) + 1.0) / 256.0;
                (start <= last && end >= first).then(|| (scene.site(site).unwrap(), weight))
            })
            .collect();
        let members = &scene.groups[0].members;
        let detour = |at: usize| -> f64 {
            let mut unit = vec![0.0; scene.groups[0].width()];
            let part = |(site, weight): &(Known, f64)| {
                scene.detours(site, &mut unit);
                f64::from(unit[at]) * weight
            };
            parts.iter().map(part).sum()
        };
        let one = (0..members.len()).map(detour).fold(f64::INFINITY, f64::min) + price;
        if parts.iter().all(|part| part.0.home == parts[0].0.home) || length == 24 {
            return one;
        }
        let half = |base: u32| naive(scene, borders, price, base, length + 1);
        one.min(half(base) + half(base | 1 << (31 - length)))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        /// Pruning is never dearer than the best that can be done with blocks; where halves are one entry by chance it may be
        /// cheaper than counting them apart.
        #[test]
        fn pruning_costs_the_least(
            list in proptest::collection::vec((0u32..1 << 10, 0u32..40), 1..60),
            places in proptest::collection::vec((-60i32..70, -180i32..180), 40),
            pops in 1usize..9,
            price in 1.0f64..3_000.0,
        ) {
            let borders: std::collections::BTreeMap<u32, u32> =
                [(0, 2)].into_iter().chain(list.into_iter().map(|(at, site)| (at << 8, site + 2))).collect();
            let mut ranges = Ranges::new(2);
            for (start, site) in &borders {
                ranges.push(*start, *site);
            }
            let place = |at: &(i32, i32)| Place::from_degrees(f64::from(at.0), f64::from(at.1));
            let table: Vec<_> = places.iter().map(|at| Site { place: place(at), ..Site::default() }).collect();
            let sites = Arc::new(SiteTable::from_ranges(ranges, Ranges::new(0), &table).unwrap());
            let pop = |at: &(i32, i32)| Pop { name: format!("{at:?}"), place: place(at), city: None, country: None, drained: false };
            let all: Vec<Pop> = places[..pops].iter().map(pop).collect();
            let address = || ServiceAddress { ip: "192.0.2.1".parse().unwrap(), targets: vec![] };
            let members = (0..pops as u32).map(|pop| Member::new(PopId(pop), vec![address()])).collect();
            let source = Source::new(Policy::built_in("nearest").unwrap(), Service::new("web", members));
            let map = Map::compile(source, &all, &sites, []);
            let scene = Scene::new(&map.plan, &map.homes, &sites);
            let pass = tree::Pass::run(&scene, sites.v4(), price, false);
            let ours = pass.total();
            #[expect(clippy::cast_precision_loss, reason = "few entries")]
            let ours = ours.entries as f64 * price + ours.kilometers * f64::from(1 << 24);
            let borders: Vec<(u32, u32)> = borders.into_iter().collect();
            let least = naive(&scene, &borders, price, 0, 0);
            prop_assert!(ours <= least * 1.001 + 1.0, "{ours} and {least} is enough");
        }
    }
}
