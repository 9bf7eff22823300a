//! Places, countries and the cost of the distance between two places.

use std::fmt;

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

    /// Degrees north.
    pub fn latitude(self) -> f64 {
        f64::from(self.latitude) / 1e6
    }

    /// Degrees east.
    pub fn longitude(self) -> f64 {
        f64::from(self.longitude) / 1e6
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}, {:.2}", self.latitude(), self.longitude())
    }
}

/// An ISO 3166-1 alpha-2 country code (plus `XK`), two upper-case ASCII letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Country([u8; 2]);

impl Country {
    /// Reads two letters of any case. `None` for anything else; whether the code is assigned is not checked here.
    pub fn new(text: &str) -> Option<Self> {
        match text.as_bytes() {
            &[a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                Some(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase()]))
            }
            _ => None,
        }
    }

    /// Coordinates that stand for the country as a whole.
    pub fn place(self) -> Option<Place> {
        None
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

/// A place as a unit vector: what distances are computed from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vector([f64; 3]);

impl Vector {
    /// The unit vector of a place.
    pub fn of(place: Place) -> Self {
        let (lat, lon) = (place.latitude().to_radians(), place.longitude().to_radians());
        let c = libm::cos(lat);
        Self([c * libm::cos(lon), c * libm::sin(lon), libm::sin(lat)])
    }
}

/// Cost of the great circle between two places in microseconds.
pub fn cost(a: &Vector, b: &Vector) -> u32 {
    let d: f64 = (0..3).map(|i| (a.0[i] - b.0[i]) * (a.0[i] - b.0[i])).sum();
    let km = 2.0 * 6371.0 * libm::asin((libm::sqrt(d) / 2.0).min(1.0));
    (km * 17.4).round() as u32
}
