//! Where a place lies on the picture: the Patterson cylindrical projection (Patterson, Šavrič and Jenny 2014), which keeps meridians
//! upright and gives the middle latitudes, where most clients are, their room.

/// The meridian in the middle: so that the picture is cut in the Bering Strait, through no land to speak of.
pub const MIDDLE: f64 = 11.0;
/// The northern edge in degrees.
const NORTH: f64 = 83.7;
/// The southern edge: without Antarctica.
const SOUTH: f64 = -56.5;

/// A picture of the world, so many units wide.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Projection {
    width: f64,
}

impl Projection {
    /// A picture so many units wide.
    pub fn new(width: f64) -> Self {
        Self { width }
    }

    /// Units from west to east.
    pub fn width(self) -> f64 {
        self.width
    }

    /// Units from north to south.
    pub fn height(self) -> f64 {
        (rise(NORTH) - rise(SOUTH)) * self.scale()
    }

    fn scale(self) -> f64 {
        self.width / std::f64::consts::TAU
    }

    /// Units east of the left edge and south of the upper one. West of the cut comes below 0.
    pub fn forward(self, longitude: f64, latitude: f64) -> (f64, f64) {
        let x = ((longitude - MIDDLE) / 360.0 + 0.5) * self.width;
        (x, (rise(NORTH) - rise(latitude)) * self.scale())
    }

    /// Longitude and latitude of a point of the picture.
    pub fn inverse(self, x: f64, y: f64) -> (f64, f64) {
        let wanted = rise(NORTH) - y / self.scale();
        let (mut low, mut high) = (-90.0, 90.0);
        for _ in 0..40 {
            let middle = f64::midpoint(low, high);
            if rise(middle) < wanted { low = middle } else { high = middle }
        }
        let longitude = (x / self.width - 0.5) * 360.0 + MIDDLE;
        (if longitude > 180.0 { longitude - 360.0 } else { longitude }, low)
    }
}

/// How far north a latitude lies, in radii of the globe.
fn rise(latitude: f64) -> f64 {
    let phi = latitude.to_radians();
    let square = phi * phi;
    phi * (1.0148 + square * square * (0.23185 + square * (-0.14499 + square * 0.02406)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_and_forth() {
        let projection = Projection::new(1800.0);
        for (longitude, latitude) in [(8.7, 50.1), (-77.4, 38.9), (151.2, -33.9), (179.0, 66.0), (-168.0, 65.0)] {
            let (x, y) = projection.forward(longitude, latitude);
            assert!((0.0..1800.0).contains(&x) && (0.0..projection.height()).contains(&y), "{x} {y}");
            let (a, b) = projection.inverse(x, y);
            assert!((a - longitude).abs() < 1e-6 && (b - latitude).abs() < 1e-6, "{a} {b}");
        }
        assert!(projection.forward(-172.0, 66.0).0 < 0.0);
    }
}
