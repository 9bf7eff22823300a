//! Who is nearest when those that mostly are have failed: for an outage of a whole country, half a million sites at once.
//!
//! The globe is cut into areas of half a degree. Two points of one are at most a certain way apart, so by the triangle
//! inequality whoever is farther from its center than the nearest by more than twice that way is nowhere in it the nearest. Mostly
//! one is left, and then every site of the area is theirs without a distance. Where a few are left they are compared, as
//! deciding does.

use super::plan::{Order, Shape};
use crate::geo::{Place, Vector, chord_slack, nearest};

/// The wanted members by area, worked out as they are asked for.
#[derive(Debug)]
pub struct Areas {
    ms_per_km: f64,
    /// How much farther one may be as a straight line and still cost as little.
    slack: f64,
    wanted: Candidates,
    /// By block of areas: those that can be nearest anywhere in it.
    blocks: Vec<Option<Box<Candidates>>>,
    /// By area: 0 until it is asked for, the one member plus 1, or [`SEVERAL`] plus an index into `several`.
    found: Vec<u32>,
    several: Vec<Candidates>,
}

/// Some members, rising, and where they stand.
#[derive(Clone, Debug, Default)]
struct Candidates {
    members: Vec<u16>,
    vectors: Vec<Vector>,
}

/// Above all members.
const SEVERAL: u32 = 1 << 17;
/// The edge of an area in millionths of a degree …
const EDGE: i32 = 500_000;
/// … how many there are from pole to pole, and around …
const AREAS: (usize, usize) = (360, 720);
/// … and along the edge of a block.
const BLOCK: usize = 8;

impl Areas {
    /// For those that `wanted` holds for. `None` where who comes first is more than a matter of distance: biases, tiers and rules.
    pub fn new(shape: &Shape, wanted: impl Fn(u16) -> bool) -> Option<Self> {
        let by_distance = shape.is_plain() && shape.order == Order::Distance && !shape.is_biased;
        let [tier] = &shape.tiers[..] else { return None };
        let slack = chord_slack(shape.ms_per_km);
        // Not with a price that is no number or negative either.
        if !by_distance || shape.has_matches() || slack.is_nan() || slack < 0.0 {
            return None;
        }
        let mut all = Candidates::default();
        for (index, member) in (0..).zip(&shape.members) {
            if let Some(vector) = member.vector.filter(|_| tier.contains(index) && wanted(index)) {
                all.members.push(index);
                all.vectors.push(vector);
            }
        }
        let blocks = vec![None; AREAS.0 / BLOCK * (AREAS.1 / BLOCK)];
        let found = vec![0; AREAS.0 * AREAS.1];
        Some(Self { ms_per_km: shape.ms_per_km, slack, wanted: all, blocks, found, several: Vec::new() })
    }

    /// The wanted member that [`super::decide()`] prefers for a site at this place; `None` where no place of theirs is known.
    #[inline]
    pub fn nearest(&mut self, place: Place) -> Option<u16> {
        let (latitude, longitude) = place.microdegrees();
        // The last ones hold their far edge too.
        let row = ((latitude + 90_000_000).unsigned_abs() / EDGE.unsigned_abs()) as usize;
        let column = ((longitude + 180_000_000).unsigned_abs() / EDGE.unsigned_abs()) as usize;
        let (row, column) = (row.min(AREAS.0 - 1), column.min(AREAS.1 - 1));
        let at = row * AREAS.1 + column;
        if self.found[at] == 0 {
            self.found[at] = self.look_around(row, column)?;
        }
        match self.found[at].checked_sub(SEVERAL) {
            None => Some((self.found[at] - 1) as u16),
            Some(index) => {
                let several = &self.several[index as usize];
                nearest(&Vector::of(place), &several.vectors, self.ms_per_km).map(|index| several.members[index])
            }
        }
    }

    /// What is known of an area that was not asked for yet; `None` where nobody is wanted.
    #[cold]
    fn look_around(&mut self, row: usize, column: usize) -> Option<u32> {
        let (block_row, block_column) = (row / BLOCK, column / BLOCK);
        let block = &mut self.blocks[block_row * (AREAS.1 / BLOCK) + block_column];
        let (wanted, slack) = (&self.wanted, self.slack);
        let block = block.get_or_insert_with(|| {
            Box::new(wanted.near(&Disc::new(block_row * BLOCK, block_column * BLOCK, BLOCK), slack))
        });
        let few = block.near(&Disc::new(row, column, 1), slack);
        match few.members[..] {
            [] => None,
            [only] => Some(u32::from(only) + 1),
            _ => {
                self.several.push(few);
                Some(SEVERAL + self.several.len() as u32 - 1)
            }
        }
    }
}

impl Candidates {
    /// Those that can be nearest to a point of a disc, the nearest to its center among them, whatever rounding does.
    fn near(&self, disc: &Disc, slack: f64) -> Self {
        let distances: Vec<f64> = self.vectors.iter().map(|at| disc.center.chord_squared(at).sqrt()).collect();
        let limit = distances.iter().copied().fold(f64::INFINITY, f64::min) + 2.0 * disc.radius + slack;
        let mut near = Self::default();
        for ((distance, member), vector) in distances.into_iter().zip(&self.members).zip(&self.vectors) {
            if distance <= limit {
                near.members.push(*member);
                near.vectors.push(*vector);
            }
        }
        near
    }
}

/// All points within a straight line of this length from a center.
struct Disc {
    center: Vector,
    radius: f64,
}

impl Disc {
    /// Around a square of so many areas along each edge, of which the first is the one in the south west.
    fn new(row: usize, column: usize, edge: usize) -> Self {
        // Corners in millionths of a degree.
        #[expect(clippy::cast_possible_wrap, reason = "far below 2^31")]
        let (row, column, edge) = (row as i32, column as i32, edge as i32);
        let (half, south, west) = (edge * (EDGE / 2), row * EDGE - 90_000_000, column * EDGE - 180_000_000);
        let degrees = |microdegrees: i32| f64::from(microdegrees) / 1e6;
        let center = Vector::at_degrees(degrees(south + half), degrees(west + half));
        // Of the formula with half versed sines: a chord is no longer than the two ways along latitude and longitude at right
        // angles, the latter where it is longest.
        let widest = if south < 0 && south + 2 * half > 0 { 0 } else { south.abs().min((south + 2 * half).abs()) };
        let up = degrees(half).to_radians();
        let along = up * libm::cos(degrees(widest).to_radians());
        let radius = (up * up + along * along).sqrt() + 1e-9;
        Self { center, radius }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steering::{
        Class, Decision, Facts, Member, MemberFacts, Plan, Policy, Pop, PopId, Service, ServiceAddress,
    };
    use crate::steering::{Standing, decide};
    use proptest::prelude::*;

    fn degrees() -> impl Strategy<Value = (f64, f64)> {
        // Close together, at the edges of areas, at the ends of the world, and anywhere.
        prop_oneof![
            (0..200i32, 0..200i32).prop_map(|(a, b)| (40.0 + f64::from(a) * 1e-2, -100.0 + f64::from(b) * 1e-2)),
            (-180..=180i32, -360..=360i32).prop_map(|(a, b)| (f64::from(a) / 2.0, f64::from(b) / 2.0)),
            (prop_oneof![Just(-90.0), Just(90.0), -90.0..=90.0f64], prop_oneof![Just(-180.0), Just(180.0)]),
            (-90.0..=90.0f64, -180.0..=180.0f64),
        ]
    }

    fn place((latitude, longitude): (f64, f64)) -> Place {
        Place::from_degrees(latitude, longitude).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// Whoever it is, deciding gives the same.
        #[test]
        fn the_nearest_is_who_deciding_gives(
            pops in proptest::collection::vec(degrees(), 3..60),
            failed in proptest::collection::vec(any::<bool>(), 60),
            from in proptest::collection::vec(degrees(), 200),
        ) {
            let pop = |(index, at): (usize, &(f64, f64))| Pop {
                name: format!("p{index}"),
                place: Some(place(*at)),
                city: None,
                country: None,
                drained: false,
            };
            let pops: Vec<Pop> = pops.iter().enumerate().map(pop).collect();
            let member = |index: u32| {
                Member::new(PopId(index), vec![ServiceAddress { ip: "192.0.2.1".parse().unwrap(), targets: Vec::new() }])
            };
            let service = Service::new("web", (0..pops.len() as u32).map(member).collect());
            let plan = Plan::new(&Policy::built_in("nearest").unwrap(), &service, &pops);
            let standing = |failed: bool| if failed { Standing::Unusable } else { Standing::Usable };
            let facts = |failed: &bool| MemberFacts::of(standing(*failed), Standing::Absent);
            let facts = Facts { members: failed[..pops.len()].iter().map(facts).collect(), panic: [0; 2] };
            prop_assume!(failed[..pops.len()].contains(&false));
            let mut areas = Areas::new(&plan.shape, |index| !failed[usize::from(index)]).unwrap();
            // Points of the same area too.
            let from = from.iter().flat_map(|&(a, b)| [(a, b), ((a + 0.01).min(90.0), b), (a, (b + 0.2).min(180.0))]);
            for from in from.map(place) {
                let decision: Decision = decide(&plan.shape, &Class::at(Some(from)), &facts);
                prop_assert_eq!(areas.nearest(from), decision.first());
            }
        }
    }

    #[test]
    fn where_nobody_is_wanted_nobody_is_nearest() {
        let pops =
            [Pop { name: "a".to_owned(), place: Some(place((0.0, 0.0))), city: None, country: None, drained: false }];
        let service = Service::new("web", vec![Member::new(PopId(0), Vec::new())]);
        let plan = Plan::new(&Policy::built_in("nearest").unwrap(), &service, &pops);
        assert_eq!(Areas::new(&plan.shape, |_| false).unwrap().nearest(place((1.0, 1.0))), None);
        assert_eq!(Areas::new(&plan.shape, |_| true).unwrap().nearest(place((1.0, 1.0))), Some(0));
        for other in ["failover", "weighted"] {
            let plan = Plan::new(&Policy::built_in(other).unwrap(), &service, &pops);
            assert!(Areas::new(&plan.shape, |_| true).is_none(), "{other}");
        }
    }
}
