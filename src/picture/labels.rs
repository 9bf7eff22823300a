//! Where names stand beside their marks without covering each other.

use super::scene::{Anchor, Point};

/// A name to place.
#[derive(Clone, Debug)]
pub struct Label {
    /// The middle of its mark.
    pub at: Point,
    /// How wide it is.
    pub width: f32,
    /// The size of its letters.
    pub size: f32,
}

/// Where a name stands: its anchor on the baseline.
pub type Placed = (Point, Anchor);

/// Left, top, right and bottom.
type Frame = [f32; 4];

/// Places names, the first ones first, around marks of a radius and within a page; `None` for one that has no room. `far`: what
/// has no room beside its mark may stand somewhat away from it.
pub fn place(labels: &[Label], radius: f32, (width, top, bottom): (f32, f32, f32)) -> Vec<Option<Placed>> {
    let marks: Vec<Frame> = labels.iter().map(|label| mark(label.at, radius)).collect();
    let mut taken: Vec<Frame> = Vec::new();
    let mut placed = Vec::new();
    for (index, label) in labels.iter().enumerate() {
        let found = around(label, radius).into_iter().find_map(|(placed, frame)| {
            let inside = frame[0] >= 2.0 && frame[2] <= width - 2.0 && frame[1] >= top && frame[3] <= bottom;
            let others = marks.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, mark)| mark);
            let free = taken.iter().chain(others).all(|other| !overlap(&frame, other));
            (inside && free).then_some((placed, frame))
        });
        if let Some((_, frame)) = found {
            taken.push(frame);
        }
        placed.push(found.map(|(placed, _)| placed));
    }
    placed
}

fn mark((x, y): Point, radius: f32) -> Frame {
    [x - radius, y - radius, x + radius, y + radius]
}

/// The places around a mark, the best first.
fn around(label: &Label, radius: f32) -> Vec<(Placed, Frame)> {
    let Label { at: (x, y), width, size } = *label;
    let (gap, half) = (radius + size * 0.22, size * 0.36);
    let diagonal = gap * 0.75;
    let spots = [
        (x + gap, y + half, Anchor::Start),
        (x - gap, y + half, Anchor::End),
        (x, y - gap, Anchor::Middle),
        (x, y + gap + 2.0 * half, Anchor::Middle),
        (x + diagonal, y - diagonal, Anchor::Start),
        (x + diagonal, y + diagonal + 2.0 * half, Anchor::Start),
        (x - diagonal, y - diagonal, Anchor::End),
        (x - diagonal, y + diagonal + 2.0 * half, Anchor::End),
    ];
    let frame = |(x, y, anchor): (f32, f32, Anchor)| {
        let left = match anchor {
            Anchor::Start => x,
            Anchor::Middle => x - width / 2.0,
            Anchor::End => x - width,
        };
        (((x, y), anchor), [left - 1.0, y - size * 0.8, left + width + 1.0, y + size * 0.22])
    };
    spots.into_iter().map(frame).collect()
}

fn overlap(a: &Frame, b: &Frame) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_cover_each_other_and_stay_on_the_page() {
        let label = |x: f32, y: f32| Label { at: (x, y), width: 30.0, size: 12.0 };
        let labels: Vec<_> = (0u8..100).map(|at| label(f32::from(at % 10) * 40.0, f32::from(at / 10) * 18.0)).collect();
        let placed = place(&labels, 4.0, (400.0, 0.0, 180.0));
        assert!(placed.iter().flatten().count() > 15);
        let frames: Vec<Frame> = labels
            .iter()
            .zip(&placed)
            .filter_map(|(label, placed)| {
                let placed = (*placed)?;
                around(label, 4.0).into_iter().find(|(spot, _)| *spot == placed).map(|(_, frame)| frame)
            })
            .collect();
        for (at, frame) in frames.iter().enumerate() {
            assert!(frames[at + 1..].iter().all(|other| !overlap(frame, other)));
            assert!(frame[0] >= 0.0 && frame[2] <= 400.0);
        }
        // One that stands alone has its name to the right.
        assert_eq!(
            place(&[label(50.0, 50.0)], 4.0, (400.0, 0.0, 180.0))[0].map(|(_, anchor)| anchor),
            Some(Anchor::Start)
        );
    }
}
