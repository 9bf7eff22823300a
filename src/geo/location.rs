//! Places, countries and the cost of the distance between two places.
//!
//! Distances are computed so that every machine gets the same integer: sines, cosines and arc sines come from the
//! `libm` crate, everything else is single IEEE operations (no fused multiply-add, no sum that depends on order).

use std::fmt;

/// Mean radius of the Earth in kilometers (IUGG R₁).
const EARTH_RADIUS_KM: f64 = 6_371.008_8;

/// What a kilometer costs unless the operator says otherwise, in milliseconds of round-trip time.
pub const DEFAULT_MS_PER_KM: f64 = 0.0174;

/// A point on the globe, in millionths of a degree, so that equal places are equal integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    latitude: i32,
    longitude: i32,
}

impl Place {
    /// From degrees: latitude −90 to 90, longitude −180 to 180. `None` outside these or not a number.
    pub fn from_degrees(latitude: f64, longitude: f64) -> Option<Self> {
        if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
            return None;
        }
        Some(Self { latitude: (latitude * 1e6).round() as i32, longitude: (longitude * 1e6).round() as i32 })
    }

    /// From millionths of a degree, in the same ranges.
    pub fn from_microdegrees(latitude: i32, longitude: i32) -> Option<Self> {
        let fits = (-90_000_000..=90_000_000).contains(&latitude) && (-180_000_000..=180_000_000).contains(&longitude);
        fits.then_some(Self { latitude, longitude })
    }

    /// Latitude and longitude in millionths of a degree.
    pub fn microdegrees(self) -> (i32, i32) {
        (self.latitude, self.longitude)
    }

    /// Degrees north.
    pub fn latitude(self) -> f64 {
        f64::from(self.latitude) / 1e6
    }

    /// Degrees east.
    pub fn longitude(self) -> f64 {
        f64::from(self.longitude) / 1e6
    }

    /// Great-circle distance in kilometers, 0 to 20,015: for people and logs. Decisions compare [`cost`].
    pub fn kilometers_to(self, other: Self) -> f64 {
        Vector::of(self).kilometers_to(&Vector::of(other))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}, {:.2}", self.latitude(), self.longitude())
    }
}

/// A place as a point on the unit sphere: what distances are computed from. Made once per place and kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vector {
    x: f64,
    y: f64,
    z: f64,
}

impl Vector {
    /// The point of a place. The poles have one point whatever the longitude, and ±180° are one meridian, up to
    /// rounding far below a microsecond of cost.
    pub fn of(place: Place) -> Self {
        Self::at_degrees(place.latitude(), place.longitude())
    }

    /// The point at a latitude and a longitude.
    pub fn at_degrees(latitude: f64, longitude: f64) -> Self {
        let (latitude, longitude) = (latitude.to_radians(), longitude.to_radians());
        let ring = libm::cos(latitude);
        Self { x: ring * libm::cos(longitude), y: ring * libm::sin(longitude), z: libm::sin(latitude) }
    }

    /// The square of the straight line through the globe between two points, 0 to 4: rises strictly with distance and
    /// takes five multiplications and additions, so it is what a search over many PoPs compares (see [`nearest`]).
    /// Unlike the dot product it keeps its precision for points that lie close together.
    #[inline]
    pub fn chord_squared(&self, other: &Self) -> f64 {
        let (x, y, z) = (self.x - other.x, self.y - other.y, self.z - other.z);
        x * x + y * y + z * z
    }

    /// The point by axis.
    pub fn axes(self) -> [f64; 3] {
        [self.x, self.y, self.z]
    }

    /// The point in single precision, good to a meter.
    pub fn to_single(self) -> [f32; 3] {
        [self.x as f32, self.y as f32, self.z as f32]
    }

    /// Great-circle distance in kilometers.
    pub fn kilometers_to(&self, other: &Self) -> f64 {
        EARTH_RADIUS_KM * angle(self.chord_squared(other))
    }
}

/// The angle in radians of a squared chord. Near antipodes the arc sine is steep, but the error stays below 1e-7 rad,
/// which is less than a meter.
fn angle(chord_squared: f64) -> f64 {
    2.0 * libm::asin((chord_squared.sqrt() / 2.0).min(1.0))
}

/// Cost of the distance between two points in microseconds, rounded to the nearest, at `ms_per_km` milliseconds per
/// kilometer (see [`DEFAULT_MS_PER_KM`]: then 0 to 348,269). Saturates at `u32::MAX`; a negative or nonsensical
/// `ms_per_km` costs 0. The same integer on every machine.
#[inline]
pub fn cost(a: &Vector, b: &Vector, ms_per_km: f64) -> u32 {
    cost_of_chord(a.chord_squared(b), ms_per_km)
}

/// [`cost`] from a squared chord that is known already.
#[inline]
pub fn cost_of_chord(chord_squared: f64, ms_per_km: f64) -> u32 {
    let microseconds = (angle(chord_squared) * EARTH_RADIUS_KM * ms_per_km * 1e3).round();
    #[expect(clippy::cast_sign_loss, reason = "`as` saturates: below 0 and not a number are 0")]
    let cost = microseconds as u32;
    cost
}

/// How much larger a chord may be than another and still have the same integer cost: an angle of 2 µs, as the chord grows
/// no faster than its angle. A search that keeps every point within `shortest chord + chord_slack` and compares the
/// integer costs of those alone finds exactly what comparing all costs would find.
#[inline]
pub fn chord_slack(ms_per_km: f64) -> f64 {
    2e-3 / (ms_per_km * EARTH_RADIUS_KM)
}

/// Index of the point with the smallest [`cost`] from `site`, the first of those in case of a tie. `None` when there is
/// no point. Compares chords, and computes costs for the nearest and its near-ties only.
pub fn nearest(site: &Vector, points: &[Vector], ms_per_km: f64) -> Option<usize> {
    let shortest = points.iter().map(|p| site.chord_squared(p)).fold(f64::INFINITY, f64::min);
    let limit = shortest.sqrt() + chord_slack(ms_per_km);
    let limit = limit * limit;
    let near = points.iter().enumerate().filter_map(|(index, point)| {
        let chord = site.chord_squared(point);
        // Written so that a limit that is not a number (a cost of 0 per kilometer) lets every point through.
        let beyond = chord > limit;
        (!beyond).then(|| (cost_of_chord(chord, ms_per_km), index))
    });
    near.min().map(|(_, index)| index)
}

/// An ISO 3166-1 alpha-2 country code (plus `XK`), two upper-case ASCII letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Country([u8; 2]);

impl Country {
    /// Reads two letters of any case. `None` for anything else; whether the code is assigned is not checked here
    /// (see [`Country::is_assigned`]).
    pub fn new(text: &str) -> Option<Self> {
        match text.as_bytes() {
            &[a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                Some(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase()]))
            }
            _ => None,
        }
    }

    /// The two letters.
    pub fn as_bytes(self) -> [u8; 2] {
        self.0
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0[0] as char, self.0[1] as char)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(latitude: f64, longitude: f64) -> Place {
        Place::from_degrees(latitude, longitude).unwrap()
    }

    #[track_caller]
    fn check(a: (f64, f64), b: (f64, f64), kilometers: f64, microseconds: u32) {
        let (a, b) = (place(a.0, a.1), place(b.0, b.1));
        assert!((a.kilometers_to(b) - kilometers).abs() < 0.05, "{} km", a.kilometers_to(b));
        assert_eq!(cost(&Vector::of(a), &Vector::of(b), DEFAULT_MS_PER_KM), microseconds);
        assert_eq!(cost(&Vector::of(b), &Vector::of(a), DEFAULT_MS_PER_KM), microseconds);
    }

    #[test]
    fn known_distances() {
        check((52.37, 4.90), (52.37, 4.90), 0.0, 0);
        check((52.37, 4.90), (50.11, 8.68), 363.77, 6330);
        check((0.0, 0.0), (0.0, 180.0), 20_015.11, 348_263);
        check((0.0, 0.0), (0.0, 0.001), 0.111, 2);
        check((90.0, 17.0), (-90.0, -80.0), 20_015.11, 348_263);
    }

    #[test]
    fn the_date_line_and_the_poles_are_ordinary() {
        check((0.0, 179.5), (0.0, -179.5), 111.2, 1935);
        check((-17.0, 180.0), (-17.0, -180.0), 0.0, 0);
        check((90.0, 0.0), (90.0, 135.0), 0.0, 0);
        check((89.5, 0.0), (89.5, 180.0), 111.2, 1935);
    }

    #[test]
    fn an_unusable_price_costs_nothing_and_a_huge_one_saturates() {
        let (a, b) = (Vector::of(place(0.0, 0.0)), Vector::of(place(0.0, 90.0)));
        assert_eq!(cost(&a, &b, f64::NAN), 0);
        assert_eq!(cost(&a, &b, -1.0), 0);
        assert_eq!(cost(&a, &b, 1e9), u32::MAX);
        assert_eq!(nearest(&a, &[b, a], 0.0), Some(0));
        assert_eq!(nearest(&a, &[], 1.0), None);
    }

    /// The textbook formula, accurate at all distances, in the platform's own mathematics.
    fn vincenty_km(a: Place, b: Place) -> f64 {
        let (from, to) = (a.latitude().to_radians(), b.latitude().to_radians());
        let turn = (b.longitude() - a.longitude()).to_radians();
        let across = (to.cos() * turn.sin()).hypot(from.cos() * to.sin() - from.sin() * to.cos() * turn.cos());
        across.atan2(from.sin() * to.sin() + from.cos() * to.cos() * turn.cos()) * EARTH_RADIUS_KM
    }

    fn any_place() -> impl Strategy<Value = Place> {
        // A coarse grid half of the time, so that ties, poles and antipodes come up.
        prop_oneof![
            (-90.0..=90.0f64, -180.0..=180.0f64).prop_map(|(a, b)| place(a, b)),
            (-2..=2i8, -4..=4i8).prop_map(|(a, b)| place(f64::from(a) * 45.0, f64::from(b) * 45.0)),
            (0..50i8, 0..50i8).prop_map(|(a, b)| place(10.0 + f64::from(a) * 1e-4, 20.0 + f64::from(b) * 1e-4)),
        ]
    }

    proptest! {
        #[test]
        fn cost_agrees_with_the_textbook(a in any_place(), b in any_place()) {
            let expected = vincenty_km(a, b) * DEFAULT_MS_PER_KM * 1e3;
            let got = f64::from(cost(&Vector::of(a), &Vector::of(b), DEFAULT_MS_PER_KM));
            prop_assert!((got - expected).abs() <= 0.51, "{got} {expected}");
        }

        #[test]
        fn nearest_is_the_first_of_the_smallest_costs(
            site in any_place(),
            points in proptest::collection::vec(any_place(), 1..40),
        ) {
            let site = Vector::of(site);
            let points: Vec<Vector> = points.into_iter().map(Vector::of).collect();
            let naive = (0..points.len()).min_by_key(|&i| cost(&site, &points[i], DEFAULT_MS_PER_KM));
            prop_assert_eq!(nearest(&site, &points, DEFAULT_MS_PER_KM), naive);
        }
    }
}
