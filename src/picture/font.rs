//! Letters: Roboto Medium (Apache License 2.0), made small by `font.py`. So that pictures look the same everywhere.

use super::bytes::Reader;

const FILE: &[u8] = include_bytes!("font.bin");

/// Units of the file per size of the letters.
const UNITS: f32 = 512.0;

/// A piece of an outline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stroke {
    /// A contour begins here.
    Move(f32, f32),
    /// A straight line to here.
    Line(f32, f32),
    /// A curve with one bend, to here.
    Curve(f32, f32, f32, f32),
    /// Back to where the contour began.
    Close,
}

#[derive(Clone, Debug)]
struct Glyph {
    code: char,
    advance: f32,
    /// In sizes of the letters, up is negative.
    outline: Vec<Stroke>,
}

/// The font in the program.
#[derive(Clone, Debug)]
pub struct Font {
    /// By rising character.
    glyphs: Vec<Glyph>,
}

impl Default for Font {
    fn default() -> Self {
        Self::new()
    }
}

impl Font {
    /// Reads the file in the program.
    pub fn new() -> Self {
        let mut reader = Reader(FILE);
        let glyphs = (0..reader.count()).map(|_| glyph(&mut reader)).collect();
        Self { glyphs }
    }

    fn glyph(&self, character: char) -> Option<&Glyph> {
        let find = |character| self.glyphs.binary_search_by_key(&character, |glyph| glyph.code).ok();
        find(character).or_else(|| find('?')).and_then(|index| self.glyphs.get(index))
    }

    /// How wide a text is at size 1.
    pub fn width(&self, text: &str) -> f32 {
        text.chars().filter_map(|character| self.glyph(character)).map(|glyph| glyph.advance).sum()
    }

    /// The outline of a text at a size, from the left end of its baseline.
    pub fn outline(&self, text: &str, size: f32, (x, y): (f32, f32)) -> Vec<Stroke> {
        let mut out = Vec::new();
        let mut at = x;
        for glyph in text.chars().filter_map(|character| self.glyph(character)) {
            let place = |px: f32, py: f32| (at + px * size, y + py * size);
            out.extend(glyph.outline.iter().map(|stroke| match *stroke {
                Stroke::Move(x, y) => {
                    let (x, y) = place(x, y);
                    Stroke::Move(x, y)
                }
                Stroke::Line(x, y) => {
                    let (x, y) = place(x, y);
                    Stroke::Line(x, y)
                }
                Stroke::Curve(bx, by, x, y) => {
                    let ((bx, by), (x, y)) = (place(bx, by), place(x, y));
                    Stroke::Curve(bx, by, x, y)
                }
                Stroke::Close => Stroke::Close,
            }));
            at += glyph.advance * size;
        }
        out
    }
}

fn glyph(reader: &mut Reader<'_>) -> Glyph {
    let code = char::from_u32(reader.number()).unwrap_or('?');
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let unit = |number: i32| number as f32 / UNITS;
    let advance = unit(i32::try_from(reader.number()).unwrap_or(0));
    let (mut x, mut y) = (0, 0);
    let mut outline = Vec::new();
    for _ in 0..reader.count() {
        let mut points = Vec::new();
        for _ in 0..reader.count() {
            x += reader.signed();
            y += reader.signed();
            points.push((unit(x), -unit(y), reader.number() == 1));
        }
        contour(&points, &mut outline);
    }
    Glyph { code, advance, outline }
}

/// A contour of points on the curve and points that bend it; between two that bend lies one on the curve, in the middle.
fn contour(points: &[(f32, f32, bool)], out: &mut Vec<Stroke>) {
    let middle = |a: (f32, f32, bool), b: (f32, f32, bool)| (f32::midpoint(a.0, b.0), f32::midpoint(a.1, b.1));
    let Some(first) = points.iter().position(|point| point.2) else { return };
    let at = |index: usize| points[(first + index) % points.len()];
    out.push(Stroke::Move(at(0).0, at(0).1));
    let mut index = 1;
    while index <= points.len() {
        let (x, y, on) = at(index);
        if on {
            out.push(Stroke::Line(x, y));
            index += 1;
            continue;
        }
        let next = at(index + 1);
        let (to, step) = if next.2 { ((next.0, next.1), 2) } else { (middle(at(index), next), 1) };
        out.push(Stroke::Curve(x, y, to.0, to.1));
        index += step;
    }
    out.push(Stroke::Close);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_as_wide_as_they_should_be() {
        let font = Font::new();
        assert!((font.width("fra") - 1.26).abs() < 0.1, "{}", font.width("fra"));
        assert!(font.width("").abs() < f32::EPSILON);
        assert!((font.width("\u{1F600}") - font.width("?")).abs() < f32::EPSILON);
        assert!(font.width("São Paulo") > font.width("ams"));
    }

    #[test]
    fn outlines_lie_where_the_text_is() {
        let font = Font::new();
        let outline = font.outline("Hx", 10.0, (100.0, 50.0));
        assert!(matches!(outline.first(), Some(Stroke::Move(..))) && matches!(outline.last(), Some(Stroke::Close)));
        for stroke in outline {
            if let Stroke::Move(x, y) | Stroke::Line(x, y) | Stroke::Curve(_, _, x, y) = stroke {
                assert!((100.0..113.0).contains(&x) && (41.0..50.5).contains(&y), "{x} {y}");
            }
        }
    }
}
