//! Who has which land: every piece of it goes to whoever serves the clients nearest to it.
//!
//! Nearest among the clients of the same country, so that what policies say by country ends at borders; where the country
//! has none within reach (an overseas department that databases know under a code of its own, an uninhabited island) the
//! nearest of all count.

use std::collections::HashMap;

use super::clients::Catchments;
use super::projection::Projection;
use super::trace::Grid;
use super::tree::Tree;
use super::world::{Degrees, World};
use crate::geo::{Country, Place, Vector};

/// Units of the picture per cell.
pub const CELL: f64 = 2.0;
/// Cells that areas reach beyond the land as it is cut into cells, which coasts cut off.
const BEYOND: usize = 3;
/// Clients of the same country count if they are so many times as far as the nearest of all, at most …
const FARTHER: f32 = 4.0;
/// … or nearer than this: 600 km, as the square of a straight line in radii of the globe.
const NEAR: f32 = 0.094 * 0.094;

/// Areas of the picture by who serves them.
#[derive(Clone, Debug, Default)]
pub struct Territories {
    /// By PoP: rings in units of the picture. The last one is nobody's.
    pub areas: Vec<Vec<Vec<(f32, f32)>>>,
    /// Pairs of PoPs whose areas touch, the smaller number first, and along how many cells.
    pub touching: HashMap<(u16, u16), u32>,
}

impl Territories {
    /// Of all land. Without clients whose place is known nobody has any.
    pub fn new(catchments: &Catchments, world: &World, projection: Projection) -> Self {
        let nobody = catchments.pops.len() as u16;
        if catchments.clients.is_empty() {
            return Self { areas: vec![Vec::new(); catchments.pops.len() + 1], touching: HashMap::new() };
        }
        let mut grid = fill(catchments, world, projection);
        spread(&mut grid, BEYOND);
        let mut touching = HashMap::new();
        for (column, row) in grid.places() {
            let here = grid.at(column, row);
            for other in [grid.at(column + 1, row), grid.at(column, row + 1)] {
                if here != other && here < nobody && other < nobody {
                    *touching.entry((here.min(other), here.max(other))).or_default() += 1;
                }
            }
        }
        let mut areas = vec![Vec::new(); catchments.pops.len() + 1];
        for (number, rings) in grid.areas(0.9) {
            #[expect(clippy::cast_precision_loss, reason = "a few thousand cells")]
            let point = |(x, y): &(i32, i32)| (*x as f32 * CELL as f32, *y as f32 * CELL as f32);
            if let Some(area) = areas.get_mut(usize::from(number)) {
                *area = rings.iter().map(|ring| ring.iter().map(point).collect()).collect();
            }
        }
        Self { areas, touching }
    }
}

/// The land in cells, with who serves each.
fn fill(catchments: &Catchments, world: &World, projection: Projection) -> Grid {
    let nobody = catchments.pops.len() as u16;
    let point = |place: Place| Vector::of(place).to_single();
    let all = catchments.clients.iter().enumerate();
    let everyone = Tree::new(all.clone().map(|(at, client)| (point(client.place), at as u32)).collect());
    let mut by_country = HashMap::<Country, Vec<_>>::new();
    for (at, client) in all {
        if let Some(country) = client.country {
            by_country.entry(country).or_default().push((point(client.place), at as u32));
        }
    }
    let by_country: HashMap<Country, Tree> =
        by_country.into_iter().map(|(country, list)| (country, Tree::new(list))).collect();
    let land = land(world, projection);
    let mut grid = Grid::new(land.columns, land.rows);
    for (column, row) in land.places() {
        let number = land.at(column, row);
        if number == Grid::NONE {
            continue;
        }
        let (longitude, latitude) = projection.inverse((f64::from(column) + 0.5) * CELL, (f64::from(row) + 0.5) * CELL);
        let Some(place) = Place::from_degrees(latitude, longitude) else { continue };
        let here = point(place);
        let nearest = everyone.nearest(here);
        let country = world.countries.get(usize::from(number)).and_then(|shape| shape.country);
        let own = country.and_then(|country| by_country.get(&country)).and_then(|tree| tree.nearest(here));
        let chosen = match (own, nearest) {
            (Some((own, square)), Some((_, least))) if square <= NEAR || square <= least * FARTHER * FARTHER => {
                Some(own)
            }
            (_, nearest) => nearest.map(|(client, _)| client),
        };
        let pop = chosen.and_then(|client| catchments.clients.get(client as usize)).and_then(|client| client.pop);
        grid.set(column, row, pop.unwrap_or(nobody));
    }
    grid
}

/// Which country the middle of each cell lies in, and cells that a coast touches.
fn land(world: &World, projection: Projection) -> Grid {
    let cells = |units: f64| (units / CELL).ceil() as i32;
    let mut grid = Grid::new(cells(projection.width()), cells(projection.height()));
    for (number, shape) in world.countries.iter().enumerate() {
        for shift in [-360.0, 0.0, 360.0] {
            let place = |(longitude, latitude): &Degrees| {
                let (x, y) = projection.forward(longitude + shift, *latitude);
                (x / CELL, y / CELL)
            };
            let rings: Vec<Vec<(f64, f64)>> =
                world.rings(shape).iter().map(|ring| ring.iter().map(place).collect()).collect();
            if rings.iter().flatten().all(|point| point.0 > f64::from(grid.columns) || point.0 < 0.0) {
                continue;
            }
            scan(&mut grid, &rings, number as u16);
        }
    }
    grid
}

/// Fills the cells whose middle lies within rings, and those where a ring has a corner and nobody else is.
fn scan(grid: &mut Grid, rings: &[Vec<(f64, f64)>], number: u16) {
    for row in 0..grid.rows {
        let y = f64::from(row) + 0.5;
        let mut cuts = Vec::new();
        for ring in rings {
            for (a, b) in ring.iter().zip(ring.iter().cycle().skip(1)) {
                if (a.1 > y) != (b.1 > y) {
                    cuts.push((b.0 - a.0) * (y - a.1) / (b.1 - a.1) + a.0);
                }
            }
        }
        cuts.sort_unstable_by(f64::total_cmp);
        for pair in cuts.chunks_exact(2) {
            let column = |x: f64| (x - 0.5).ceil().clamp(0.0, f64::from(grid.columns)) as i32;
            for column in column(pair[0])..column(pair[1]) {
                grid.set(column, row, number);
            }
        }
    }
    for (x, y) in rings.iter().flatten() {
        let (column, row) = (x.floor() as i32, y.floor() as i32);
        if grid.at(column, row) == Grid::NONE {
            grid.set(column, row, number);
        }
    }
}

/// Lets everything grow into what is empty, a cell in all directions at a time.
fn spread(grid: &mut Grid, steps: usize) {
    const AROUND: [(i32, i32); 8] = [(0, -1), (-1, 0), (1, 0), (0, 1), (-1, -1), (1, -1), (-1, 1), (1, 1)];
    for _ in 0..steps {
        let before = grid.clone();
        for (column, row) in before.places().filter(|(column, row)| before.at(*column, *row) == Grid::NONE) {
            let mut beside = AROUND.iter().map(|(x, y)| before.at(column + x, row + y));
            if let Some(number) = beside.find(|number| *number != Grid::NONE) {
                grid.set(column, row, number);
            }
        }
    }
}
