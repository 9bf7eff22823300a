//! One pass over a family at one price: the tree of aligned blocks, from the leaves up.
//!
//! A block knows the detour to each member that it may still come to, and to nobody else. Where a block above were answered as
//! one member m at `λ + detour`, each block beside the way up to it costs at most `λ + its detour to m` alone, so what the
//! block itself saves by its own answers is at most a λ for each step: a member whose detour is more than the block's cost
//! and a λ for each bit of its length above serves no block above it. That leaves few members of most blocks, one of large ones.

use super::{Clip, Found, Homes, Known, LANES, NOBODY, NONE, Pruned, Scene, SiteView, blocks, majority_of};

/// An aligned block on the stack.
struct Node<K> {
    base: K,
    length: u8,
    /// Whose it is when it is one entry.
    single: u16,
    /// What rules say of all of it, or [`NONE`].
    group: u32,
    /// Whom it may come to.
    open: Open,
    /// Where its part of the pool begins.
    pool: usize,
    /// Where its part of the output begins.
    output: usize,
    entries: u64,
    /// Kilometers times blocks.
    detour: f64,
}

/// Whom a block may come to, and the detour in kilometers times blocks.
#[derive(Clone, Copy)]
enum Open {
    /// Nobody: no block above it is answered as one.
    Nobody,
    /// A member alone, by its place in the group.
    One(u16, f32),
    /// All of the group: the detours begin there in the pool.
    All(usize),
}

impl<K> Node<K> {
    #[expect(clippy::cast_precision_loss, reason = "fewer entries than 2^52")]
    fn cost(&self, price: f64) -> f64 {
        price * self.entries as f64 + self.detour
    }
}

/// A part of the output: from an address on.
pub(super) enum Part {
    /// The ranges' own site.
    Site(u32),
    /// A block of this length that is answered as one, as this member, by what a group of sites may be given to.
    One { length: u8, member: u16, group: u32 },
}

/// One pass.
pub(super) struct Pass<'p, K: Clip> {
    scene: &'p Scene<'p>,
    view: SiteView<'p, K>,
    price: f64,
    nodes: Vec<Node<K>>,
    /// Detours to all members of a group, for one node of the stack after the other.
    pool: Vec<f32>,
    /// What comes of it, when it is asked for.
    output: Option<Vec<(K, Part)>>,
    /// Detours of some sites that were looked at lately, by the last bits of their numbers, and which they are.
    units: Vec<f32>,
    unit_of: Vec<u32>,
    width: usize,
    /// Blocks of which a place is known.
    weight: f64,
    /// Ranges that were looked at.
    pub(super) ranges: usize,
}

impl<'p, K: Clip> Pass<'p, K> {
    /// Goes over all of a family, or over a sample of it. Only without one there is an output.
    pub(super) fn run(scene: &'p Scene<'p>, view: SiteView<'p, K>, price: f64, sampled: bool) -> Self {
        let width = scene.groups.iter().map(super::Group::width).max().unwrap_or(0);
        let mut pass = Self {
            scene,
            view,
            price,
            nodes: Vec::new(),
            pool: Vec::new(),
            output: (!sampled).then(Vec::new),
            units: vec![0.0; width * UNITS],
            unit_of: vec![u32::MAX; UNITS],
            width,
            weight: 0.0,
            ranges: 0,
        };
        let mut done = None;
        for found in view.iter() {
            if sampled && !found.start.in_sample() {
                continue;
            }
            pass.ranges += 1;
            let known = scene.site(found.value);
            // What lies in a mixed block before it is done with that.
            let mut next = match done {
                Some(done) if found.start <= done => done.next(),
                _ => Some(found.start),
            };
            while let Some(base) = next.filter(|base| *base <= found.end) {
                let length = K::largest(base, found.end);
                if length <= K::BLOCK {
                    pass.whole(base, length, &found, known);
                } else {
                    let block = base.first(K::BLOCK);
                    pass.mixed(block);
                    done = Some(block.last(K::BLOCK));
                }
                pass.fold();
                next = base.last(length.min(K::BLOCK)).next();
            }
        }
        pass
    }

    /// What all of it comes to.
    pub(super) fn total(&self) -> Pruned {
        let mut total = Pruned { lambda: self.price, ..Pruned::default() };
        for node in &self.nodes {
            total.entries += node.entries;
            total.kilometers += node.detour / self.weight.max(1.0);
        }
        total
    }

    /// Site ranges as they are now, for a pass over all.
    pub(super) fn into_ranges(mut self) -> crate::geo::Ranges<K, u32> {
        let mut ranges = crate::geo::Ranges::new(0);
        for (start, part) in self.output.take().unwrap_or_default() {
            match part {
                Part::Site(site) => ranges.push(start, site),
                Part::One { length, member, group } => ranges.push(start, self.stand_in(start, length, member, group)),
            }
        }
        ranges.shrink();
        ranges
    }

    fn push(&mut self, base: K, length: u8, group: u32, single: u16, open: Open) {
        let output = self.output.as_ref().map_or(0, Vec::len);
        let pool = if let Open::All(from) = open { from } else { self.pool.len() };
        self.nodes.push(Node { base, length, single, group, open, pool, output, entries: 1, detour: 0.0 });
    }

    fn emit(&mut self, base: K, part: Part) {
        if let Some(output) = &mut self.output {
            output.push((base, part));
        }
    }

    /// A block inside one range.
    fn whole(&mut self, base: K, length: u8, found: &Found<K, u32>, known: Option<Known>) {
        let Some(known) = known else {
            self.push(base, length, NONE, NOBODY, Open::Nobody);
            self.emit(base, Part::Site(found.value));
            return;
        };
        let weight = blocks::<K>(length);
        self.weight += weight;
        let group = &self.scene.groups[known.group as usize];
        #[expect(clippy::cast_possible_truncation, reason = "a sum of detours is good to seven digits")]
        let weight = weight as f32;
        let open = if known.next * weight > limit(self.price, self.price, length) {
            group.members.binary_search(&known.home).map_or(Open::Nobody, |at| Open::One(at as u16, 0.0))
        } else {
            let slot = found.value as usize % UNITS;
            let unit = &mut self.units[slot * self.width..][..group.width()];
            if self.unit_of[slot] != found.value {
                self.unit_of[slot] = found.value;
                self.scene.detours(&known, unit);
            }
            let from = self.pool.len();
            self.pool.extend(unit.iter().map(|unit| unit * weight));
            Open::All(from)
        };
        self.push(base, length, known.group, known.home, open);
        self.emit(base, Part::Site(found.value));
    }

    /// A block of the longest scope that holds several ranges: it is answered as most of it, whatever is pruned.
    fn mixed(&mut self, base: K) {
        let last = base.last(K::BLOCK);
        let parts: Vec<_> = self.view.from(base).take_while(|found| found.start <= last).collect();
        let known: Option<Vec<Known>> = parts.iter().map(|found| self.scene.site(found.value)).collect();
        let alike = known.filter(|known| known.iter().all(|site| site.group == known[0].group));
        let homes: &Homes = self.scene.homes;
        let site = majority_of(homes, parts.iter().copied(), base, K::BLOCK);
        let Some((known, site, decides)) =
            alike.zip(site).and_then(|(known, site)| Some((known, site, self.scene.site(site)?)))
        else {
            self.push(base, K::BLOCK, NONE, NOBODY, Open::Nobody);
            for found in parts {
                self.emit(found.start.max(base), Part::Site(found.value));
            }
            return;
        };
        let (home, group) = (decides.home, decides.group);
        self.weight += 1.0;
        let from = self.pool.len();
        let width = self.scene.groups[group as usize].width();
        let mut unit = vec![0.0f32; width];
        self.pool.resize(from + width, 0.0);
        for (site, found) in known.iter().zip(&parts) {
            // Over the way to the block's own answer: what that costs its parts is not the pruning's.
            self.scene.detours(&Known { home, ..*site }, &mut unit);
            #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a share")]
            let share =
                (K::count(found.start.max(base), found.end.min(last)) as f64 / K::count(base, last) as f64) as f32;
            for (out, unit) in self.pool[from..].iter_mut().zip(&unit) {
                *out += unit * share;
            }
        }
        self.push(base, K::BLOCK, group, home, Open::All(from));
        self.emit(base, Part::Site(site));
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
        let Some(left) = self.nodes.last_mut() else { return };
        let alike = left.single != NOBODY && left.single == right.single;
        left.length -= 1;
        left.entries = if alike { 1 } else { left.entries + right.entries };
        left.detour += right.detour;
        left.single = if alike { left.single } else { NOBODY };
        left.group = if left.group == right.group { left.group } else { NONE };
        left.open = match left.group {
            NONE => Open::Nobody,
            _ => meet(left.open, right.open, &mut self.pool),
        };
        let best = match left.open {
            Open::Nobody => None,
            Open::One(at, detour) => Some((detour, at)),
            Open::All(from) => {
                let detours = &self.pool[from..from + self.scene.groups[left.group as usize].width()];
                let detour = least(detours);
                // Which one it is matters only when it is worth while.
                let worth = self.price + f64::from(detour) <= left.cost(self.price);
                let at = if worth { detours.iter().position(|other| *other <= detour) } else { None };
                Some((detour, at.unwrap_or(0) as u16))
            }
        };
        if let Some((detour, at)) = best {
            let (one, now) = (self.price + f64::from(detour), left.cost(self.price));
            let group = &self.scene.groups[left.group as usize];
            let member = group.members.get(usize::from(at)).copied().unwrap_or(NOBODY);
            if left.single != member && (one < now || !alike && one <= now) {
                (left.entries, left.detour, left.single) = (1, f64::from(detour), member);
                if let Some(output) = &mut self.output {
                    output.truncate(left.output);
                    output.push((left.base, Part::One { length: left.length, member, group: left.group }));
                }
            }
            let limit = limit(left.cost(self.price), self.price, left.length);
            left.open = match left.open {
                Open::All(from) => narrow(from, detour, limit, &self.pool[from..from + group.width()]),
                Open::One(..) if detour > limit => Open::Nobody,
                open => open,
            };
        }
        // What the pool holds after this block's is nobody's.
        self.pool.truncate(match left.open {
            Open::All(from) => from + self.scene.groups[left.group as usize].width(),
            Open::Nobody | Open::One(..) => left.pool,
        });
    }

    /// The site of the largest range with this home inside a block; one elsewhere where it has none.
    fn stand_in(&self, base: K, length: u8, member: u16, group: u32) -> u32 {
        let last = base.last(length);
        let mut best: Option<(u128, u32)> = None;
        for found in self.view.from(base).take_while(|found| found.start <= last) {
            let size = K::count(found.start.max(base), found.end.min(last));
            let fits = self.scene.site(found.value).is_some_and(|site| site.home == member);
            if fits && best.is_none_or(|best| size > best.0) {
                best = Some((size, found.value));
            }
        }
        let Some((_, site)) = best else {
            let group = &self.scene.groups[group as usize];
            return group.members.binary_search(&member).map_or(0, |at| group.sites[at]);
        };
        site
    }
}

/// Whom two halves of one group may both come to; the sums stand where those of the first did.
fn meet(left: Open, right: Open, pool: &mut [f32]) -> Open {
    match (left, right) {
        (Open::One(a, detour), Open::One(b, more)) if a == b => Open::One(a, detour + more),
        (Open::Nobody, _) | (_, Open::Nobody) | (Open::One(..), Open::One(..)) => Open::Nobody,
        (Open::One(at, detour), Open::All(from)) | (Open::All(from), Open::One(at, detour)) => {
            pool.get(from + usize::from(at)).map_or(Open::Nobody, |more| Open::One(at, detour + more))
        }
        (Open::All(a), Open::All(b)) => {
            let (left, right) = pool.split_at_mut(b);
            for (left, right) in left[a..].iter_mut().zip(right) {
                *left += *right;
            }
            Open::All(a)
        }
    }
}

/// Those of a group whose detour is within a limit: all of it where there are several.
fn narrow(from: usize, least: f32, limit: f32, detours: &[f32]) -> Open {
    if least > limit {
        return Open::Nobody;
    }
    let mut near = detours.iter().zip(0..).filter(|(detour, _)| **detour <= limit);
    match (near.next(), near.next()) {
        (Some((detour, at)), None) => Open::One(at, *detour),
        _ => Open::All(from),
    }
}

/// The least of whole lanes of numbers.
fn least(numbers: &[f32]) -> f32 {
    let mut lanes = [f32::INFINITY; LANES];
    for chunk in numbers.as_chunks::<LANES>().0 {
        for (lane, number) in lanes.iter_mut().zip(chunk) {
            *lane = if *number < *lane { *number } else { *lane };
        }
    }
    lanes.into_iter().fold(f32::INFINITY, f32::min)
}

/// The detour past which a member serves no block above one of this length and cost.
#[expect(clippy::cast_possible_truncation, reason = "a bound, with room for rounding")]
fn limit(cost: f64, price: f64, length: u8) -> f32 {
    ((cost + price * f64::from(length)) * 1.001) as f32
}

/// Sites whose detours are kept.
const UNITS: usize = 1024;
