//! Fewer, wider scopes for a bounded detour (`ecs: {detail: …}`): small odd blocks are answered like what surrounds them.
//!
//! Optimal pruning of the tree of aligned blocks (rate against distortion): bottom up, a block is answered as one when
//! `λ + detour` is at most what its halves cost, where `λ` is the price of an entry in resolvers' caches and the detour is
//! extra kilometers times addresses. A budget or a number of entries is met by searching λ. What rules or fences tell apart
//! is never blurred. A block answered as one follows its largest site with that home, so failover stays exact for it.
//!
//! Static, like homes: health has no part in it. Sums are in a fixed order and in single IEEE operations, so every node
//! prunes alike.

use super::fill::Homes;
use super::table::Clip;
use crate::geo::{Found, Ranges, SiteId, SiteTable, SiteView};
use crate::net::Bits;
use crate::steering::{Class, Detail, Plan};

/// Site ranges with small odd blocks given to their surroundings.
#[derive(Debug)]
pub(super) struct Coarse {
    pub(super) v4: Ranges<u32, u32>,
    pub(super) v6: Ranges<u128, u32>,
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
            let v6 = scope.spawn(|| prune(&scene, sites.v6(), plan.detail));
            let v4 = prune(&scene, sites.v4(), plan.detail);
            // A panic over there is one here.
            (v4, v6.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        Some(Self { v4, v6, results: [first, second] })
    }

    pub(super) fn memory(&self) -> usize {
        self.v4.memory() + self.v6.memory()
    }
}

/// Prices tried at once, first …
const DOUBLING: [f64; 16] =
    [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0, 32768.0];
/// … and then between two of those.
const EIGHTHS: [f64; 9] = [1.0, 1.125, 1.25, 1.375, 1.5, 1.625, 1.75, 1.875, 2.0];

/// What the detours are worked out from.
struct Scene<'s> {
    sites: &'s SiteTable,
    homes: &'s Homes,
    /// Coordinates of the members, by axis; not a number without a place, so that no detour leads there.
    axes: [Vec<f32>; 3],
    /// By home decision: the member, if all its clients go to one.
    firsts: Vec<Option<u16>>,
}

/// Nobody in particular.
const NOBODY: u16 = u16::MAX;

impl<'s> Scene<'s> {
    fn new(plan: &Plan, homes: &'s Homes, sites: &'s SiteTable) -> Self {
        let vectors = plan.shape.vectors();
        let axis = |at: usize| vectors.iter().map(|v| v.map_or(f32::NAN, |v| v.to_single()[at])).collect();
        let firsts = homes.decisions.iter().map(crate::steering::Decision::first).collect();
        Self { sites, homes, axes: [axis(0), axis(1), axis(2)], firsts }
    }

    /// What is known of a site: its home, and what rules say of it. `None`: never to be blurred.
    fn site(&self, id: u32) -> Option<(u16, u32, [f32; 3])> {
        let site = SiteId(id);
        if site == SiteId::UNUSABLE || site == SiteId::NOWHERE {
            return None;
        }
        let home = self.firsts[usize::from(self.homes.by_site[id as usize])]?;
        let vector = Class::of(self.sites, site, &self.homes.stances).vector?;
        Some((home, self.homes.stances.number(site), vector.to_single()))
    }

    /// Extra kilometers from a point to every member, over those to its home.
    fn detours(&self, from: [f32; 3], home: u16, out: &mut [f32]) {
        let [xs, ys, zs] = &self.axes;
        for (((out, x), y), z) in out.iter_mut().zip(xs).zip(ys).zip(zs) {
            let (x, y, z) = (x - from[0], y - from[1], z - from[2]);
            *out = kilometers(x * x + y * y + z * z);
        }
        let at_home = out[usize::from(home)];
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

/// What a block comes to at one price.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    entries: u64,
    /// Kilometers times blocks.
    detour: f64,
    /// Whether it is one entry, and whose.
    single: u16,
}

/// An aligned block on the stack; its detours and homes lie beside it in the pools.
struct Node<K, const N: usize> {
    base: K,
    length: u8,
    /// Where its ranges begin in the output.
    output: usize,
    /// What rules say of all of it; `None` when they tell parts of it apart.
    stance: Option<u32>,
    costs: [Cost; N],
}

/// One pass over a family, at `N` prices. With one price it writes ranges.
struct Pass<'p, K, const N: usize> {
    scene: &'p Scene<'p>,
    view: SiteView<'p, K>,
    prices: [f64; N],
    nodes: Vec<Node<K, N>>,
    /// Per node: detour to each member, kilometers times blocks.
    detours: Vec<f32>,
    /// Per node: which members are somebody's home, as bits.
    present: Vec<u64>,
    members: usize,
    words: usize,
    output: Vec<(K, u32)>,
    /// The site whose detours were worked out last.
    unit_of: Option<u32>,
    /// Blocks of which a place is known.
    weight: f64,
}

impl<'p, K: Clip, const N: usize> Pass<'p, K, N> {
    fn run(scene: &'p Scene<'p>, view: SiteView<'p, K>, prices: [f64; N]) -> Self {
        let members = scene.axes[0].len();
        let words = members.div_ceil(64);
        let mut pass = Self {
            scene,
            view,
            prices,
            nodes: Vec::new(),
            detours: Vec::new(),
            present: Vec::new(),
            members,
            words,
            output: Vec::new(),
            unit_of: None,
            weight: 0.0,
        };
        let mut unit = vec![0.0; members];
        let mut ranges = view.iter().peekable();
        let mut next = Some(K::ZERO);
        while let Some(base) = next {
            while ranges.next_if(|found| found.end < base).is_some() {}
            let Some(found) = ranges.peek() else { break };
            let length = largest(base, found.end);
            let (found, known) = (Found { ..*found }, scene.site(found.value));
            if length <= K::BLOCK {
                pass.whole(base, length, &found, known, &mut unit);
            } else {
                pass.mixed(base.first(K::BLOCK), &mut unit);
            }
            pass.fold();
            next = base.last(length.min(K::BLOCK)).next();
        }
        pass
    }

    fn push(&mut self, base: K, length: u8, stance: Option<u32>, single: u16) -> usize {
        let costs = [Cost { entries: 1, detour: 0.0, single }; N];
        self.nodes.push(Node { base, length, output: self.output.len(), stance, costs });
        let at = self.nodes.len() - 1;
        self.detours.resize((at + 1) * self.members, 0.0);
        self.present.resize((at + 1) * self.words, 0);
        self.present[at * self.words..].fill(0);
        if single != NOBODY {
            self.present[at * self.words + usize::from(single) / 64] |= 1 << (single % 64);
        }
        at
    }

    /// A block inside one range.
    fn whole(
        &mut self,
        base: K,
        length: u8,
        found: &Found<K, u32>,
        known: Option<(u16, u32, [f32; 3])>,
        unit: &mut [f32],
    ) {
        let weight = blocks::<K>(length);
        let Some((home, stance, vector)) = known else {
            let at = self.push(base, length, None, NOBODY);
            self.detours[at * self.members..].fill(f32::INFINITY);
            self.emit(base, found.value);
            return;
        };
        if self.unit_of != Some(found.value) {
            self.scene.detours(vector, home, unit);
            self.unit_of = Some(found.value);
        }
        self.weight += weight;
        let at = self.push(base, length, Some(stance), home);
        #[expect(clippy::cast_possible_truncation, reason = "a sum of detours is good to seven digits")]
        let weight = weight as f32;
        for (out, unit) in self.detours[at * self.members..].iter_mut().zip(&*unit) {
            *out = unit * weight;
        }
        self.emit(base, found.value);
    }

    /// A block of the longest scope that holds several ranges: it is answered as most of it, whatever is pruned.
    fn mixed(&mut self, base: K, unit: &mut [f32]) {
        let last = base.last(K::BLOCK);
        let parts: Vec<_> = self.view.from(base).take_while(|found| found.start <= last).collect();
        let share = |found: &Found<K, u32>| {
            #[expect(clippy::cast_precision_loss, reason = "a share")]
            let share = K::count(found.start.max(base), found.end.min(last)) as f64 / K::count(base, last) as f64;
            share
        };
        let known: Option<Vec<_>> =
            parts.iter().map(|found| Some((self.scene.site(found.value)?, share(found)))).collect();
        let majority = known.as_ref().and_then(|known| {
            let of = |home: u16| known.iter().filter(|part| part.0.0 == home).map(|part| part.1).sum::<f64>();
            let mut best: Option<(f64, u16)> = None;
            for ((home, ..), _) in known {
                let weight = of(*home);
                if best.is_none_or(|best| weight > best.0) {
                    best = Some((weight, *home));
                }
            }
            best.map(|best| best.1)
        });
        if let (Some(known), Some(home)) = (known, majority) {
            let stance = known[0].0.1;
            let same = known.iter().all(|part| part.0.1 == stance);
            self.weight += 1.0;
            let at = self.push(base, K::BLOCK, same.then_some(stance), home);
            self.detours[at * self.members..].fill(0.0);
            self.unit_of = None;
            for ((_, _, vector), share) in known {
                self.scene.detours(vector, home, unit);
                #[expect(clippy::cast_possible_truncation, reason = "a share")]
                let share = share as f32;
                for (out, unit) in self.detours[at * self.members..].iter_mut().zip(&*unit) {
                    *out += unit * share;
                }
            }
            // What the block's one answer costs its parts is not the pruning's.
            let detours = &mut self.detours[at * self.members..];
            let own = detours[usize::from(home)];
            for detour in detours {
                *detour = (*detour - own).max(0.0);
            }
        } else {
            let at = self.push(base, K::BLOCK, None, NOBODY);
            self.detours[at * self.members..].fill(f32::INFINITY);
        }
        for found in parts {
            self.emit(found.start.max(base), found.value);
        }
    }

    fn emit(&mut self, base: K, site: u32) {
        if N == 1 {
            self.output.push((base, site));
        }
    }

    /// Joins halves as long as both are there.
    fn fold(&mut self) {
        while let [.., left, right] = &self.nodes[..]
            && left.length == right.length
            && left.length > 0
            && left.base.first(left.length - 1) == right.base.first(left.length - 1)
        {
            self.join();
        }
    }

    fn join(&mut self) {
        let Some(right) = self.nodes.pop() else { return };
        let at = self.nodes.len() - 1;
        let (lefts, rights) = self.detours.split_at_mut((at + 1) * self.members);
        let lefts = &mut lefts[at * self.members..];
        for (left, right) in lefts.iter_mut().zip(&*rights) {
            *left += right;
        }
        let (words, others) = self.present.split_at_mut((at + 1) * self.words);
        let words = &mut words[at * self.words..];
        for (left, right) in words.iter_mut().zip(&*others) {
            *left |= right;
        }
        let left = &self.nodes[at];
        let stance = left.stance.filter(|stance| right.stance == Some(*stance));
        let best = stance.and_then(|_| {
            let present = |member: &usize| words[member / 64] >> (member % 64) & 1 == 1;
            let detour = |member: usize| (lefts[member], member as u16);
            (0..self.members).filter(present).map(detour).min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
        });
        let mut collapsed = None;
        let mut costs = [Cost::default(); N];
        for (index, price) in self.prices.into_iter().enumerate() {
            let (a, b) = (left.costs[index], right.costs[index]);
            #[expect(clippy::cast_precision_loss, reason = "fewer entries than 2^52")]
            let cost = |cost: &Cost| price * cost.entries as f64 + cost.detour;
            let alike = a.single != NOBODY && a.single == b.single;
            let mut join = Cost {
                entries: if alike { 1 } else { a.entries + b.entries },
                detour: a.detour + b.detour,
                single: if alike { a.single } else { NOBODY },
            };
            if let Some((detour, member)) = best {
                let one = Cost { entries: 1, detour: f64::from(detour), single: member };
                if !alike && cost(&one) <= cost(&join) {
                    join = one;
                    collapsed = Some(member);
                }
            }
            costs[index] = join;
        }
        let (base, length) = (left.base, left.length - 1);
        let node = &mut self.nodes[at];
        (node.length, node.stance, node.costs) = (length, stance, costs);
        self.detours.truncate((at + 1) * self.members);
        self.present.truncate((at + 1) * self.words);
        if N == 1 {
            let output = self.nodes[at].output;
            if let Some(member) = collapsed
                && let Some(site) = self.stand_in(base, length, member)
            {
                self.output.truncate(output);
                self.output.push((base, site));
            } else if self.output[output..].windows(2).all(|pair| pair[0].1 == pair[1].1) {
                self.output.truncate(output + 1);
            }
        }
    }

    /// The site of the largest range with this home inside a block.
    fn stand_in(&self, base: K, length: u8, member: u16) -> Option<u32> {
        let last = base.last(length);
        let mut best: Option<(u128, u32)> = None;
        for found in self.view.from(base).take_while(|found| found.start <= last) {
            let size = K::count(found.start.max(base), found.end.min(last));
            let fits = self.scene.site(found.value).is_some_and(|site| site.0 == member);
            if fits && best.is_none_or(|best| size > best.0) {
                best = Some((size, found.value));
            }
        }
        best.map(|best| best.1)
    }

    /// The whole space at each price.
    fn totals(&self) -> [Pruned; N] {
        let mut totals = [Pruned::default(); N];
        for (index, total) in totals.iter_mut().enumerate() {
            let all = self.nodes.iter().map(|node| node.costs[index]);
            total.lambda = self.prices[index];
            for cost in all {
                total.entries += cost.entries;
                total.kilometers += cost.detour / self.weight.max(1.0);
            }
        }
        totals
    }
}

/// Prunes one family to what is asked.
fn prune<K: Clip>(scene: &Scene<'_>, view: SiteView<'_, K>, detail: Detail) -> (Ranges<K, u32>, Pruned) {
    let enough = |pruned: &Pruned| match detail {
        Detail::Exact => false,
        Detail::Budget(meters) => pruned.kilometers * 1e3 <= f64::from(meters),
        Detail::Entries(most) => pruned.entries > u64::from(most),
    };
    // Prices that double, then eight times finer from the last that is within the budget (or still has too many entries).
    let first = total_weight(scene, view) * 1e-7;
    let coarse = Pass::run(scene, view, DOUBLING.map(|times| first * times));
    let from = coarse.totals().iter().rev().find(|pruned| enough(pruned)).map_or(first / 2.0, |pruned| pruned.lambda);
    drop(coarse);
    let finer = Pass::run(scene, view, EIGHTHS.map(|times| from * times));
    let totals = finer.totals();
    let found = match detail {
        Detail::Entries(_) => totals.iter().find(|pruned| !enough(pruned)),
        Detail::Exact | Detail::Budget(_) => totals.iter().rev().find(|pruned| enough(pruned)),
    };
    let price = found.map_or(if matches!(detail, Detail::Entries(_)) { from * 2.0 } else { 0.0 }, |found| found.lambda);
    drop(finer);
    let mut last = Pass::run(scene, view, [price]);
    let [result] = last.totals();
    let mut ranges = Ranges::new(0);
    for (start, site) in last.output.drain(..) {
        ranges.push(start, site);
    }
    ranges.shrink();
    (ranges, result)
}

/// Blocks of which a place is known.
fn total_weight<K: Clip>(scene: &Scene<'_>, view: SiteView<'_, K>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a weight")]
    let weight = |found: Found<K, u32>| K::count(found.start, found.end) as f64 * blocks::<K>(K::WIDTH);
    view.iter().filter(|found| scene.site(found.value).is_some()).map(weight).sum()
}

/// Blocks of the longest scope in a block of this length.
fn blocks<K: Clip>(length: u8) -> f64 {
    2f64.powi(i32::from(K::BLOCK) - i32::from(length))
}

/// The length of the largest aligned block that begins at `base` and ends by `end`.
fn largest<K: Bits>(base: K, end: K) -> u8 {
    let mut length = K::WIDTH;
    while length > 0 && base.first(length - 1) == base && base.last(length - 1) <= end {
        length -= 1;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::{Place, Vector};

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
}
