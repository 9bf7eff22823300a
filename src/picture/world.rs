//! Land and countries: Natural Earth 1:50m (public domain), simplified by `world.py`.

use super::bytes::Reader;
use crate::geo::Country;

const FILE: &[u8] = include_bytes!("world.bin");

/// Degrees per unit of the file.
const STEP: f64 = 0.05;

/// Longitude and latitude in degrees. Longitudes go on past ±180 where a line crosses the date line.
pub type Degrees = (f64, f64);

/// Countries, and the lines between them and around them.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Coasts and borders.
    arcs: Vec<Vec<Degrees>>,
    /// The countries.
    pub countries: Vec<Shape>,
}

/// A country's land, under the even-odd rule.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Its code; `None` for land that has none.
    pub country: Option<Country>,
    /// Arcs of each ring: n forward, −1 − n backward.
    rings: Vec<Vec<i32>>,
}

impl World {
    /// Reads the file in the program.
    pub fn new() -> Self {
        let mut reader = Reader(FILE);
        let arc = |reader: &mut Reader<'_>| {
            let (mut x, mut y) = (0, 0);
            let mut points = Vec::new();
            for _ in 0..reader.count() {
                x += reader.signed();
                y += reader.signed();
                points.push((f64::from(x) * STEP, f64::from(y) * STEP));
            }
            points
        };
        let arcs = (0..reader.count()).map(|_| arc(&mut reader)).collect();
        let shape = |reader: &mut Reader<'_>| {
            let letters = [reader.octet(), reader.octet()];
            let country = std::str::from_utf8(&letters).ok().and_then(Country::new);
            let ring = |reader: &mut Reader<'_>| (0..reader.count()).map(|_| reader.signed()).collect();
            let rings = (0..reader.count()).map(|_| ring(reader)).collect();
            Shape { country, rings }
        };
        let countries = (0..reader.count()).map(|_| shape(&mut reader)).collect();
        Self { arcs, countries }
    }

    fn arc(&self, number: i32) -> impl Iterator<Item = Degrees> {
        let forward = number >= 0;
        let index = if forward { number } else { !number };
        let points = usize::try_from(index).ok().and_then(|index| self.arcs.get(index)).map_or(&[][..], Vec::as_slice);
        let last = points.len().saturating_sub(1);
        (0..points.len()).map(move |at| points[if forward { at } else { last - at }])
    }

    /// The rings of a country, closed without repeating the first point.
    pub fn rings(&self, shape: &Shape) -> Vec<Vec<Degrees>> {
        let ring = |arcs: &Vec<i32>| {
            let mut ring: Vec<Degrees> = Vec::new();
            for number in arcs {
                let points = self.arc(*number).skip(usize::from(!ring.is_empty()));
                ring.extend(points);
            }
            if ring.len() > 1 && ring.first() == ring.last() {
                ring.pop();
            }
            go_on(&mut ring);
            ring
        };
        shape.rings.iter().map(ring).filter(|ring| ring.len() > 2).collect()
    }

    /// Lines between countries, and lines along coasts.
    pub fn lines(&self) -> (Vec<Vec<Degrees>>, Vec<Vec<Degrees>>) {
        let mut uses = vec![0; self.arcs.len()];
        for number in self.countries.iter().flat_map(|shape| shape.rings.iter().flatten()) {
            let index = if *number >= 0 { *number } else { !*number };
            if let Some(count) = usize::try_from(index).ok().and_then(|index| uses.get_mut(index)) {
                *count += 1;
            }
        }
        let of = |wanted: fn(i32) -> bool| {
            let arcs = self.arcs.iter().zip(&uses).filter(|(_, count)| wanted(**count));
            let arc = |(arc, _): (&Vec<Degrees>, &i32)| {
                let mut arc = arc.clone();
                go_on(&mut arc);
                arc
            };
            arcs.map(arc).collect()
        };
        (of(|count| count > 1), of(|count| count == 1))
    }
}

/// Lets a line go on where it crosses the date line, instead of around the world.
fn go_on(line: &mut [Degrees]) {
    let mut turns = 0.0;
    for at in 1..line.len() {
        let step = line[at].0 + turns - line[at - 1].0;
        if step.abs() > 180.0 {
            turns -= 360.0 * step.signum();
        }
        line[at].0 += turns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Even-odd, as the pictures fill.
    fn holds(rings: &[Vec<Degrees>], (x, y): Degrees) -> bool {
        let mut inside = false;
        for ring in rings {
            for (a, b) in ring.iter().zip(ring.iter().cycle().skip(1)) {
                if (a.1 > y) != (b.1 > y) && x < (b.0 - a.0) * (y - a.1) / (b.1 - a.1) + a.0 {
                    inside = !inside;
                }
            }
        }
        inside
    }

    #[track_caller]
    fn check(world: &World, (longitude, latitude): Degrees, expected: &str) {
        let point = (longitude, latitude);
        let around = [-360.0, 0.0, 360.0].map(|turn| (longitude + turn, latitude));
        let here = |shape: &&Shape| around.iter().any(|point| holds(&world.rings(shape), *point));
        let found: Vec<_> = world.countries.iter().filter(here).collect();
        let codes: Vec<_> = found.iter().filter_map(|shape| shape.country).map(|country| country.to_string()).collect();
        assert_eq!(codes.join(" "), expected, "{point:?}");
    }

    #[test]
    fn places_lie_in_their_countries() {
        let world = World::new();
        check(&world, (2.35, 48.86), "FR");
        check(&world, (-53.0, 4.0), "FR");
        check(&world, (37.6, 55.75), "RU");
        check(&world, (-172.5, 66.5), "RU");
        check(&world, (28.2, -29.5), "LS");
        check(&world, (133.8, -25.0), "AU");
        check(&world, (-100.0, 40.0), "US");
        check(&world, (-150.0, 65.0), "US");
        check(&world, (-30.0, 30.0), "");
        check(&world, (103.8, 1.37), "SG");
    }

    #[test]
    fn every_country_but_the_smallest_has_land() {
        let world = World::new();
        let known: Vec<_> = world.countries.iter().filter_map(|shape| shape.country).collect();
        assert!(known.iter().all(|country| country.is_assigned()));
        let missing: Vec<_> = Country::all().filter(|c| !known.contains(c)).map(|c| c.to_string()).collect();
        assert!(missing.len() < 40, "{missing:?}");
        let (borders, coasts) = world.lines();
        assert!(borders.len() > 300 && coasts.len() > 500, "{} {}", borders.len(), coasts.len());
    }
}
