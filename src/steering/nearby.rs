//! Who can be nearest to a point, without looking at everybody: with 1,000 PoPs that is what deciding half a million sites takes.
//!
//! Space around the globe is cut into cubes. Of each that the surface passes through we know the members within a distance of its
//! center: so far that it holds the two nearest of any point of the cube. Distances are straight lines, so the triangle inequality
//! holds: a member that is not among them is farther from every point of the cube than that distance less the cube's radius.
//! Whoever searches the few and finds one nearer than that, ties included, has found what searching all would find; else
//! all are searched.

use std::sync::{Arc, OnceLock};

use crate::geo::Vector;

/// The members near each part of the globe, worked out when it is first asked for. Follows from the members of its shape, so
/// all are equal.
#[derive(Clone, Debug, Default)]
pub(super) struct Nearby(Arc<OnceLock<Cubes>>);

impl PartialEq for Nearby {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Members near a point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Few<'n> {
    /// By index, rising.
    pub(super) members: &'n [u16],
    /// All others are farther than this, as a straight line through a globe of radius 1.
    pub(super) beyond: f64,
}

/// Members that are searched as quickly without.
const FEW: usize = 24;
/// Cubes along each axis.
const SIDE: u16 = 48;
/// The length of a cube's edge.
const EDGE: f64 = 2.0 / SIDE as f64;
/// From its center to a corner; a little more for rounding.
const RADIUS: f64 = EDGE * 0.866_025_5 + 1e-9;

/// By cube: where its members end in the list, and how far all others are at least.
#[derive(Debug)]
struct Cubes {
    ends: Vec<u32>,
    beyond: Vec<f64>,
    members: Vec<u16>,
}

impl Nearby {
    /// The few that can be nearest to a point, of members at these places; `None` where all are few.
    pub(super) fn few<'n>(
        &'n self,
        from: &Vector,
        count: usize,
        places: impl Iterator<Item = Option<Vector>>,
    ) -> Option<Few<'n>> {
        if count <= FEW {
            return None;
        }
        let cubes = self.0.get_or_init(|| Cubes::new(&places.collect::<Vec<_>>()));
        let [x, y, z] = from.axes().map(cube);
        let side = usize::from(SIDE);
        let at = (x * side + y) * side + z;
        let first = at.checked_sub(1).map_or(0, |before| cubes.ends[before] as usize);
        Some(Few { members: &cubes.members[first..cubes.ends[at] as usize], beyond: cubes.beyond[at] })
    }
}

impl Cubes {
    fn new(places: &[Option<Vector>]) -> Self {
        let mut cubes = Self { ends: Vec::new(), beyond: Vec::new(), members: Vec::new() };
        let center = |at: u16| (f64::from(at) + 0.5) * EDGE - 1.0;
        let axes = || (0..SIDE).map(center);
        let centers = axes().flat_map(|x| axes().flat_map(move |y| axes().map(move |z| (x, y, z))));
        let mut distances: Vec<(f64, u16)> = Vec::new();
        for (x, y, z) in centers {
            let mut beyond = 0.0;
            // No point of the surface is in the others, and nobody is among their members.
            if ((x * x + y * y + z * z).sqrt() - 1.0).abs() <= RADIUS {
                let distance = |[a, b, c]: [f64; 3]| ((a - x).powi(2) + (b - y).powi(2) + (c - z).powi(2)).sqrt();
                distances.clear();
                distances
                    .extend(places.iter().zip(0..).filter_map(|(place, at)| Some((distance((*place)?.axes()), at))));
                let second = match distances.len() {
                    0..2 => f64::INFINITY,
                    _ => distances.select_nth_unstable_by(1, |a, b| a.0.total_cmp(&b.0)).1.0,
                };
                let within = second + 2.0 * RADIUS;
                let first = cubes.members.len();
                cubes.members.extend(distances.iter().filter(|(distance, _)| *distance <= within).map(|found| found.1));
                cubes.members[first..].sort_unstable();
                beyond = within - RADIUS;
            }
            cubes.beyond.push(beyond);
            cubes.ends.push(cubes.members.len() as u32);
        }
        cubes
    }
}

/// The cube of a coordinate along its axis.
fn cube(coordinate: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from -1 to 1; `as` saturates")]
    let at = ((coordinate + 1.0) / EDGE) as usize;
    at.min(usize::from(SIDE) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::Place;
    use proptest::prelude::*;

    fn vector((latitude, longitude): (f64, f64)) -> Vector {
        Vector::of(Place::from_degrees(latitude, longitude).unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        /// All others are farther than what is said, and the two nearest are among the few.
        #[test]
        fn all_others_are_beyond(
            places in proptest::collection::vec((-90.0f64..=90.0, -180.0f64..=180.0), 65..200),
            points in proptest::collection::vec((-90.0f64..=90.0, -180.0f64..=180.0), 50),
        ) {
            let places: Vec<Option<Vector>> = places.into_iter().map(|place| Some(vector(place))).collect();
            let nearby = Nearby::default();
            let poles = [(90.0, 0.0), (-90.0, 0.0), (0.0, 0.0), (0.0, 180.0), (0.0, 90.0)];
            for point in points.into_iter().chain(poles).map(vector) {
                let few = nearby.few(&point, places.len(), places.iter().copied()).unwrap();
                let chord = |at: u16| point.chord_squared(&places[usize::from(at)].unwrap()).sqrt();
                let mut all: Vec<u16> = (0..places.len() as u16).collect();
                prop_assert!(all.iter().all(|at| few.members.binary_search(at).is_ok() || chord(*at) > few.beyond));
                all.sort_by(|a, b| chord(*a).total_cmp(&chord(*b)));
                prop_assert!(chord(all[1]) <= few.beyond);
            }
        }
    }
}
