//! Shapes on a page, in the order they are drawn: what SVG and PNG are written from.

use super::font::Font;

/// Red, green, blue and opacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color(pub u8, pub u8, pub u8, pub u8);

impl Color {
    /// An opaque color of `0xrrggbb`.
    pub const fn rgb(code: u32) -> Self {
        Self((code >> 16) as u8, (code >> 8) as u8, code as u8, 255)
    }

    /// The same, so opaque.
    #[must_use]
    pub const fn with_opacity(self, opacity: u8) -> Self {
        Self(self.0, self.1, self.2, opacity)
    }
}

/// Units from the left and from the top.
pub type Point = (f32, f32);

/// Where a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// It begins at its point.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

/// Something to draw.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A rectangle: left, top, width and height.
    Box(f32, f32, f32, f32, Color),
    /// An area under the even-odd rule.
    Area {
        /// Its rings, closed without repeating the first point.
        rings: Vec<Vec<Point>>,
        /// What it is filled with.
        fill: Color,
        /// Whether it ends where [`Scene::land`] does.
        on_land: bool,
    },
    /// Open lines.
    Lines {
        /// Each from point to point.
        lines: Vec<Vec<Point>>,
        /// Their color.
        color: Color,
        /// How wide they are.
        width: f32,
        /// Whether they end where [`Scene::land`] does.
        on_land: bool,
    },
    /// A disc.
    Dot {
        /// Its middle.
        at: Point,
        /// Its radius.
        radius: f32,
        /// What it is filled with.
        fill: Color,
        /// The color and width of the line around it.
        line: Option<(Color, f32)>,
    },
    /// A line of text.
    Text {
        /// Its anchor on the baseline.
        at: Point,
        /// What it says.
        text: String,
        /// Its size.
        size: f32,
        /// Where it stands.
        anchor: Anchor,
        /// Its color.
        color: Color,
        /// What is drawn around it, so that it can be read over anything.
        halo: Option<Color>,
    },
}

/// A page.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Units from left to right.
    pub width: f32,
    /// Units from top to bottom.
    pub height: f32,
    /// What it is about, for those who cannot see it.
    pub title: String,
    /// All land, under the even-odd rule.
    pub land: Vec<Vec<Point>>,
    /// What is drawn, the lowest first.
    pub shapes: Vec<Shape>,
    /// The letters.
    pub font: Font,
}

/// How wide a halo reaches around letters of a size.
pub(super) fn halo_width(size: f32) -> f32 {
    (size * 0.28).max(2.5)
}
