//! From a grid of numbers to the areas of each, with fewer corners: both sides of a border lose the same ones, so no gap opens.

use std::collections::BTreeMap;

/// A corner of the grid: column and row.
pub(super) type Corner = (i32, i32);

/// A grid of numbers; what lies outside is [`Grid::NONE`].
#[derive(Clone, Debug)]
pub(super) struct Grid {
    pub(super) columns: i32,
    pub(super) rows: i32,
    /// Row by row.
    pub(super) cells: Vec<u16>,
}

impl Grid {
    pub(super) const NONE: u16 = u16::MAX;

    pub(super) fn new(columns: i32, rows: i32) -> Self {
        let count = usize::try_from(i64::from(columns) * i64::from(rows)).unwrap_or(0);
        Self { columns, rows, cells: vec![Self::NONE; count] }
    }

    #[inline]
    fn index(&self, column: i32, row: i32) -> Option<usize> {
        let inside = (0..self.columns).contains(&column) && (0..self.rows).contains(&row);
        usize::try_from(row * self.columns + column).ok().filter(|_| inside)
    }

    #[inline]
    pub(super) fn at(&self, column: i32, row: i32) -> u16 {
        self.index(column, row).and_then(|index| self.cells.get(index)).copied().unwrap_or(Self::NONE)
    }

    /// Writes a cell; one outside is nobody's.
    pub(super) fn set(&mut self, column: i32, row: i32, number: u16) {
        if let Some(cell) = self.index(column, row).and_then(|index| self.cells.get_mut(index)) {
            *cell = number;
        }
    }

    /// Every cell, row by row.
    pub(super) fn places(&self) -> impl Iterator<Item = (i32, i32)> + use<> {
        let columns = self.columns;
        (0..self.rows).flat_map(move |row| (0..columns).map(move |column| (column, row)))
    }

    /// The rings around every number but [`Grid::NONE`], holes among them, with corners left out that lie within `tolerance`
    /// cells of what is left.
    pub(super) fn areas(&self, tolerance: f32) -> BTreeMap<u16, Vec<Vec<Corner>>> {
        let mut edges = self.edges();
        let mut areas = BTreeMap::<u16, Vec<Vec<Corner>>>::new();
        while let Some(((number, start), ends)) = edges.first_key_value() {
            let (number, start) = (*number, *start);
            let Some(first) = ends.first().copied() else {
                edges.pop_first();
                continue;
            };
            let mut ring = vec![start];
            let (mut from, mut to) = (start, first);
            take(&mut edges, number, from, to);
            while to != start {
                ring.push(to);
                let Some(next) = edges.get(&(number, to)).and_then(|ends| turn(from, to, ends)) else { break };
                take(&mut edges, number, to, next);
                (from, to) = (to, next);
            }
            areas.entry(number).or_default().push(self.simplified(&ring, tolerance));
        }
        for rings in areas.values_mut() {
            rings.retain(|ring| ring.len() > 2);
        }
        areas
    }

    /// By number and corner: where its border goes from there, with the number to the right.
    fn edges(&self) -> BTreeMap<(u16, Corner), Vec<Corner>> {
        let mut edges = BTreeMap::<(u16, Corner), Vec<Corner>>::new();
        for (column, row) in self.places() {
            let number = self.at(column, row);
            if number == Self::NONE {
                continue;
            }
            let (left, top, right, bottom) = (column, row, column + 1, row + 1);
            let mut edge = |from, to, other: u16| {
                if other != number {
                    edges.entry((number, from)).or_default().push(to);
                }
            };
            edge((left, top), (right, top), self.at(column, row - 1));
            edge((right, top), (right, bottom), self.at(column + 1, row));
            edge((right, bottom), (left, bottom), self.at(column, row + 1));
            edge((left, bottom), (left, top), self.at(column - 1, row));
        }
        edges
    }

    /// Whether more than one border meets at a corner.
    fn is_node(&self, (column, row): Corner) -> bool {
        let around = [(-1, -1), (0, -1), (0, 0), (-1, 0)].map(|(x, y)| self.at(column + x, row + y));
        let changes = (0..4).filter(|at| around[*at] != around[(at + 1) % 4]).count();
        changes > 2
    }

    /// A ring with fewer corners. Its pieces between nodes are those of the areas beside it, so they lose the same.
    fn simplified(&self, ring: &[Corner], tolerance: f32) -> Vec<Corner> {
        let nodes: Vec<usize> = (0..ring.len()).filter(|at| self.is_node(ring[*at])).collect();
        let cuts = if nodes.is_empty() {
            // The same two corners whichever way the ring runs: the first and the last in order.
            let by_corner = |a: &usize, b: &usize| ring[*a].cmp(&ring[*b]);
            let ends = [(0..ring.len()).min_by(by_corner), (0..ring.len()).max_by(by_corner)];
            let mut ends: Vec<usize> = ends.into_iter().flatten().collect();
            ends.sort_unstable();
            ends
        } else {
            nodes
        };
        let mut out = Vec::new();
        for (index, from) in cuts.iter().enumerate() {
            let to = cuts[(index + 1) % cuts.len()];
            let length = (to + ring.len() - from - 1) % ring.len() + 1;
            let mut piece: Vec<Corner> = (0..=length).map(|step| ring[(from + step) % ring.len()]).collect();
            let backward =
                piece.last() < piece.first() || (piece.last() == piece.first() && piece[1] > piece[length - 1]);
            if backward {
                piece.reverse();
            }
            let mut kept = thinned(&piece, tolerance);
            if backward {
                kept.reverse();
            }
            kept.pop();
            out.extend(kept);
        }
        out
    }
}

fn take(edges: &mut BTreeMap<(u16, Corner), Vec<Corner>>, number: u16, from: Corner, to: Corner) {
    if let Some(ends) = edges.get_mut(&(number, from)) {
        ends.retain(|end| *end != to);
        if ends.is_empty() {
            edges.remove(&(number, from));
        }
    }
}

/// Of two ways on the one to the right: cells that touch at a corner alone are not joined there.
fn turn(from: Corner, at: Corner, ends: &[Corner]) -> Option<Corner> {
    let (dx, dy) = (at.0 - from.0, at.1 - from.1);
    let right = (at.0 - dy, at.1 + dx);
    ends.iter().find(|end| **end == right).or_else(|| ends.first()).copied()
}

/// Douglas and Peucker's way of leaving out corners.
fn thinned(line: &[Corner], tolerance: f32) -> Vec<Corner> {
    let mut keep = vec![false; line.len()];
    let last = line.len() - 1;
    (keep[0], keep[last]) = (true, true);
    let mut parts = vec![(0, last)];
    while let Some((from, to)) = parts.pop() {
        let mut far = (tolerance, None);
        for at in from + 1..to {
            let distance = distance(line[at], line[from], line[to]);
            if distance > far.0 {
                far = (distance, Some(at));
            }
        }
        if let Some(at) = far.1 {
            keep[at] = true;
            parts.push((from, at));
            parts.push((at, to));
        }
    }
    line.iter().zip(keep).filter(|(_, keep)| *keep).map(|(corner, _)| *corner).collect()
}

/// From a corner to the straight line between two others.
#[expect(clippy::cast_precision_loss, reason = "a few thousand cells")]
fn distance(corner: Corner, from: Corner, to: Corner) -> f32 {
    let (px, py) = ((corner.0 - from.0) as f32, (corner.1 - from.1) as f32);
    let (dx, dy) = ((to.0 - from.0) as f32, (to.1 - from.1) as f32);
    let length = dx * dx + dy * dy;
    let along = if length == 0.0 { 0.0 } else { ((px * dx + py * dy) / length).clamp(0.0, 1.0) };
    (px - along * dx).hypot(py - along * dy)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grid(rows: &[&str]) -> Grid {
        let number = |c: char| c.to_digit(10).map_or(Grid::NONE, |digit| digit as u16);
        let cells: Vec<u16> = rows.iter().flat_map(|row| row.chars().map(number)).collect();
        let size = |count: usize| i32::try_from(count).unwrap();
        Grid { columns: size(rows[0].len()), rows: size(rows.len()), cells }
    }

    #[test]
    fn areas_have_holes_and_do_not_join_at_corners() {
        let areas = grid(&["111", "121", "111"]).areas(0.0);
        assert_eq!(areas[&1].len(), 2);
        assert_eq!(areas[&2], [vec![(1, 1), (2, 1), (2, 2), (1, 2)]]);
        assert_eq!(grid(&["1.", ".1"]).areas(0.0)[&1].len(), 2);
    }

    #[test]
    fn both_sides_of_a_border_lose_the_same_corners() {
        let stairs = grid(&["122222", "112222", "111222", "111122", "111112"]);
        let [exact, fewer] = [0.0, 1.0].map(|tolerance| stairs.areas(tolerance));
        assert!(fewer[&1][0].len() < exact[&1][0].len());
        let inside = |ring: &[Corner]| {
            let mut corners: Vec<Corner> =
                ring.iter().filter(|(x, y)| (1..6).contains(x) && (1..5).contains(y)).copied().collect();
            corners.sort_unstable();
            corners
        };
        assert_eq!(inside(&fewer[&1][0]), inside(&fewer[&2][0]));
        // A ring within another has no node to begin at.
        let island = grid(&["11111", "12221", "12221", "11111"]).areas(1.5);
        let hole = island[&1].iter().find(|ring| !ring.contains(&(0, 0)));
        let sorted = |ring: &[Corner]| {
            let mut ring = ring.to_vec();
            ring.sort_unstable();
            ring
        };
        assert_eq!(hole.map(|ring| sorted(ring)), island.get(&2).map(|rings| sorted(&rings[0])));
    }

    /// Whether the middle of a cell lies within rings.
    fn holds(rings: &[Vec<Corner>], column: i32, row: i32) -> bool {
        let (x, y) = (f64::from(column) + 0.5, f64::from(row) + 0.5);
        let mut inside = false;
        for ring in rings {
            for (a, b) in ring.iter().zip(ring.iter().cycle().skip(1)) {
                let ((ax, ay), (bx, by)) = ((f64::from(a.0), f64::from(a.1)), (f64::from(b.0), f64::from(b.1)));
                if (ay > y) != (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax {
                    inside = !inside;
                }
            }
        }
        inside
    }

    proptest! {
        #[test]
        fn areas_hold_what_they_should(cells in proptest::collection::vec(0u16..4, 48)) {
            // 3 stands for nothing.
            let cells: Vec<u16> = cells.into_iter().map(|n| if n == 3 { Grid::NONE } else { n }).collect();
            let grid = Grid { columns: 8, rows: 6, cells };
            let areas = grid.areas(0.0);
            for row in 0..6 {
                for column in 0..8 {
                    let holders: Vec<u16> =
                        areas.iter().filter(|(_, rings)| holds(rings, column, row)).map(|(number, _)| *number).collect();
                    let number = grid.at(column, row);
                    let expected = if number == Grid::NONE { vec![] } else { vec![number] };
                    prop_assert_eq!(holders, expected);
                }
            }
        }
    }
}
