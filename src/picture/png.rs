//! A page as PNG.

use tiny_skia::{
    Color as White, FillRule, LineCap, LineJoin, Mask, Paint, Path, PathBuilder, Pixmap, Rect, Stroke as Pen, Transform,
};

use super::font::Stroke;
use super::scene::{Anchor, Color, Point, Scene, Shape, halo_width};

/// Most pixels of a side.
pub const MAX: u32 = 16_384;

/// Writes a page with so many pixels a unit. `None` when that is no picture: nothing, or more than [`MAX`] pixels a side.
pub fn png(scene: &Scene, scale: f32) -> Option<Vec<u8>> {
    let pixels = |units: f32| {
        let count = (units * scale).ceil();
        #[expect(clippy::cast_sign_loss, reason = "`as` saturates")]
        let count = count as u32;
        (1..=MAX).contains(&count).then_some(count)
    };
    let mut page = Pixmap::new(pixels(scene.width)?, pixels(scene.height)?)?;
    page.fill(White::WHITE);
    let to_pixels = Transform::from_scale(scale, scale);
    let mut land = Mask::new(page.width(), page.height())?;
    if let Some(path) = path_of(&scene.land, true) {
        land.fill_path(&path, FillRule::EvenOdd, true, to_pixels);
    }
    // Areas beside each other are drawn without the seams of two half-covered pixels: smooth edges come from the land alone.
    for shape in &scene.shapes {
        draw(&mut page, &land, scene, shape, to_pixels);
    }
    page.encode_png().ok()
}

fn draw(page: &mut Pixmap, land: &Mask, scene: &Scene, shape: &Shape, to_pixels: Transform) {
    let mask = |on_land: bool| on_land.then_some(land);
    match shape {
        Shape::Box(left, top, width, height, fill) => {
            if let Some(rect) = Rect::from_xywh(*left, *top, *width, *height) {
                page.fill_rect(rect, &paint(*fill, false), to_pixels, None);
            }
        }
        Shape::Area { rings, fill, on_land } => {
            if let Some(path) = path_of(rings, true) {
                let paint = paint(*fill, !on_land);
                page.fill_path(&path, &paint, FillRule::EvenOdd, to_pixels, mask(*on_land));
            }
        }
        Shape::Lines { lines, color, width, on_land } => {
            if let Some(path) = path_of(lines, false) {
                page.stroke_path(&path, &paint(*color, true), &pen(*width), to_pixels, mask(*on_land));
            }
        }
        Shape::Dot { at, radius, fill, line } => {
            if let Some(path) = PathBuilder::from_circle(at.0, at.1, *radius) {
                page.fill_path(&path, &paint(*fill, true), FillRule::Winding, to_pixels, None);
                if let Some((color, width)) = line {
                    page.stroke_path(&path, &paint(*color, true), &pen(*width), to_pixels, None);
                }
            }
        }
        Shape::Text { at, text, size, anchor, color, halo } => {
            let width = scene.font.width(text) * size;
            let x = match anchor {
                Anchor::Start => at.0,
                Anchor::Middle => at.0 - width / 2.0,
                Anchor::End => at.0 - width,
            };
            let Some(path) = letters(&scene.font.outline(text, *size, (x, at.1))) else { return };
            if let Some(halo) = halo {
                page.stroke_path(&path, &paint(*halo, true), &pen(halo_width(*size)), to_pixels, None);
            }
            page.fill_path(&path, &paint(*color, true), FillRule::Winding, to_pixels, None);
        }
    }
}

fn paint(color: Color, smooth: bool) -> Paint<'static> {
    let mut paint = Paint { anti_alias: smooth, ..Paint::default() };
    paint.set_color_rgba8(color.0, color.1, color.2, color.3);
    paint
}

fn pen(width: f32) -> Pen {
    Pen { width, line_cap: LineCap::Round, line_join: LineJoin::Round, ..Pen::default() }
}

fn path_of(lines: &[Vec<Point>], closed: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    for line in lines {
        let mut points = line.iter();
        let Some(first) = points.next() else { continue };
        path.move_to(first.0, first.1);
        points.for_each(|point| path.line_to(point.0, point.1));
        if closed {
            path.close();
        }
    }
    path.finish()
}

fn letters(strokes: &[Stroke]) -> Option<Path> {
    let mut path = PathBuilder::new();
    for stroke in strokes {
        match *stroke {
            Stroke::Move(x, y) => path.move_to(x, y),
            Stroke::Line(x, y) => path.line_to(x, y),
            Stroke::Curve(bx, by, x, y) => path.quad_to(bx, by, x, y),
            Stroke::Close => path.close(),
        }
    }
    path.finish()
}
