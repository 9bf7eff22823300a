//! Where a place lies on the picture: the Patterson cylindrical projection (Patterson, Šavrič and Jenny 2014), which keeps meridians
//! upright and gives the middle latitudes, where most clients are, their room.

/// The part of the world that a picture shows, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Its lower edge, above −85.
    south: f64,
    /// Its left edge, −180 to 180.
    west: f64,
    /// Its upper edge, below 85.
    north: f64,
    /// Its right edge, more than the left one and past 180 where the date line lies between them.
    east: f64,
}

impl Frame {
    /// All land where clients are: without Antarctica, and cut in the Bering Strait, through no land to speak of.
    pub const WORLD: Self = Self { south: -56.5, west: -169.0, north: 83.7, east: 191.0 };

    /// Reads `SOUTH,WEST,NORTH,EAST` in degrees. Where `EAST` is not above `WEST` the date line lies between them.
    ///
    /// # Errors
    /// A sentence saying what is accepted.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not a part of the world; accepted is `SOUTH,WEST,NORTH,EAST` in degrees, as in `35,-11,71,33`"
            )
        };
        let numbers: Vec<f64> = text.split(',').map_while(|number| number.trim().parse().ok()).collect();
        let [south, west, north, east] = numbers[..] else { return Err(wrong()) };
        let is_longitude = |degrees: f64| (-180.0..=180.0).contains(&degrees);
        let is_latitude = |degrees: f64| (-85.0..=85.0).contains(&degrees);
        if !is_latitude(south) || !is_latitude(north) || !is_longitude(west) || !is_longitude(east) {
            return Err(wrong());
        }
        let east = if east > west { east } else { east + 360.0 };
        let frame = Self { south, west, north, east };
        // Neither a line nor a strip of more than twice its width.
        let height = Projection::new(1.0, frame).height();
        if north - south < 1.0 || east - west < 1.0 || !(0.1..=2.0).contains(&height) {
            return Err(format!("`{text}` is too narrow, or too low"));
        }
        Ok(frame)
    }
}

/// A picture of a part of the world, so many units wide.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Projection {
    width: f64,
    frame: Frame,
}

impl Projection {
    /// A picture so many units wide.
    pub fn new(width: f64, frame: Frame) -> Self {
        Self { width, frame }
    }

    /// Units from west to east.
    pub fn width(self) -> f64 {
        self.width
    }

    /// Units from north to south.
    pub fn height(self) -> f64 {
        (rise(self.frame.north) - rise(self.frame.south)) * self.scale()
    }

    /// Units once around the world.
    pub fn turn(self) -> f64 {
        self.width * 360.0 / (self.frame.east - self.frame.west)
    }

    fn scale(self) -> f64 {
        self.turn() / std::f64::consts::TAU
    }

    /// Units east of the left edge and south of the upper one; outside of the frame too, up to a turn away.
    pub fn forward(self, longitude: f64, latitude: f64) -> (f64, f64) {
        let x = (longitude - self.frame.west) / 360.0 * self.turn();
        (x, (rise(self.frame.north) - rise(latitude)) * self.scale())
    }

    /// Longitude and latitude of a point of the picture.
    pub fn inverse(self, x: f64, y: f64) -> (f64, f64) {
        let wanted = rise(self.frame.north) - y / self.scale();
        let (mut low, mut high) = (-90.0, 90.0);
        for _ in 0..40 {
            let middle = f64::midpoint(low, high);
            if rise(middle) < wanted { low = middle } else { high = middle }
        }
        let longitude = x / self.turn() * 360.0 + self.frame.west;
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

    #[track_caller]
    fn check(frame: Frame, places: &[(f64, f64)]) {
        let projection = Projection::new(1800.0, frame);
        for (longitude, latitude) in places {
            let (x, y) = projection.forward(*longitude, *latitude);
            let x = x.rem_euclid(projection.turn());
            assert!((0.0..1800.0).contains(&x) && (0.0..projection.height()).contains(&y), "{x} {y}");
            let (a, b) = projection.inverse(x, y);
            assert!((a - longitude).abs() < 1e-6 && (b - latitude).abs() < 1e-6, "{a} {b}");
        }
    }

    #[test]
    fn back_and_forth() {
        check(
            Frame::WORLD,
            &[(8.7, 50.1), (-77.4, 38.9), (151.2, -33.9), (179.0, 66.0), (-168.0, 65.0), (-172.0, 66.0)],
        );
        check(Frame::parse("47,5,55.5,16").unwrap(), &[(8.7, 50.1), (5.1, 55.4)]);
        check(Frame::parse("-48, 165, -10, -170").unwrap(), &[(174.8, -36.8), (-175.0, -20.0)]);
    }

    #[test]
    fn frames_that_are_none() {
        let accepted = "accepted is `SOUTH,WEST,NORTH,EAST` in degrees, as in `35,-11,71,33`";
        for text in ["", "1,2,3", "1,2,3,x", "0,0,95,10", "0,-181,10,10", "1,2,3,4,5"] {
            assert_eq!(Frame::parse(text).unwrap_err(), format!("`{text}` is not a part of the world; {accepted}"));
        }
        for text in ["50,0,40,10", "0,0,0.5,0.5", "0,-180,1,180", "-60,10,80,12"] {
            assert_eq!(Frame::parse(text).unwrap_err(), format!("`{text}` is too narrow, or too low"));
        }
    }
}
