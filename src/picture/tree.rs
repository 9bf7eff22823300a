//! The nearest of many points on the globe: a k-d tree over the points of the unit sphere.

/// A point of the unit sphere, and whose it is.
pub(super) type Item = ([f32; 3], u32);

/// Points, in such an order that the middle of every part parts it by one axis after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree(Vec<Item>);

impl Tree {
    pub(super) fn new(mut items: Vec<Item>) -> Self {
        arrange(&mut items, 0);
        Self(items)
    }

    /// Whose point is the nearest, and the square of the straight line to it.
    pub(super) fn nearest(&self, to: [f32; 3]) -> Option<(u32, f32)> {
        let mut best = None;
        search(&self.0, 0, to, &mut best);
        best
    }
}

fn arrange(items: &mut [Item], axis: usize) {
    if items.len() < 2 {
        return;
    }
    let middle = items.len() / 2;
    // Whose they are settles ties, so that the order is always the same.
    items.select_nth_unstable_by(middle, |a, b| a.0[axis].total_cmp(&b.0[axis]).then(a.1.cmp(&b.1)));
    let (before, after) = items.split_at_mut(middle);
    arrange(before, (axis + 1) % 3);
    arrange(&mut after[1..], (axis + 1) % 3);
}

fn search(items: &[Item], axis: usize, to: [f32; 3], best: &mut Option<(u32, f32)>) {
    let Some((point, whose)) = items.get(items.len() / 2) else { return };
    let (before, after) = items.split_at(items.len() / 2);
    let square: f32 = point.iter().zip(&to).map(|(a, b)| (a - b) * (a - b)).sum();
    if best.is_none_or(|(other, least)| square < least || (square <= least && *whose < other)) {
        *best = Some((*whose, square));
    }
    let across = to[axis] - point[axis];
    let (near, far) = if across < 0.0 { (before, &after[1..]) } else { (&after[1..], before) };
    search(near, (axis + 1) % 3, to, best);
    if best.is_none_or(|(_, least)| across * across <= least) {
        search(far, (axis + 1) % 3, to, best);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_nearest_is_the_nearest(
            points in proptest::collection::vec([-8i8..8, -8i8..8, -8i8..8], 1..200),
            to in [-9i8..9, -9i8..9, -9i8..9],
        ) {
            let point = |p: [i8; 3]| p.map(f32::from);
            let items: Vec<Item> = points.iter().enumerate().map(|(at, p)| (point(*p), at as u32)).collect();
            let square = |item: &Item| item.0.iter().zip(point(to)).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
            let by = |a: &&Item, b: &&Item| square(a).total_cmp(&square(b)).then(a.1.cmp(&b.1));
            let naive = items.iter().min_by(by).map(|item| (item.1, square(item)));
            prop_assert_eq!(Tree::new(items.clone()).nearest(point(to)), naive);
        }
    }
}
