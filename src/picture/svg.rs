//! A page as SVG.

use std::fmt::Write as _;

use super::scene::{Anchor, Color, Point, Scene, Shape, halo_width};

/// Writes a page as a file of its own. Text is text, in the reader's own letters where they have no Roboto.
pub fn svg(scene: &Scene) -> String {
    let (width, height) = (number(scene.width), number(scene.height));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" font-family=\"Roboto, 'Helvetica Neue', Arial, sans-serif\" font-weight=\"500\">\n<title>{}</title>\n\
         <clipPath id=\"land\"><path clip-rule=\"evenodd\" d=\"{}\"/></clipPath>\n",
        escaped(&scene.title),
        path(&scene.land, true)
    );
    for shape in &scene.shapes {
        write(&mut out, shape);
    }
    out.push_str("</svg>\n");
    out
}

fn write(out: &mut String, shape: &Shape) {
    let clip = |on_land: &bool| if *on_land { " clip-path=\"url(#land)\"" } else { "" };
    // Writing to a string cannot fail.
    let _ = match shape {
        Shape::Box(left, top, width, height, fill) => writeln!(
            out,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{}/>",
            number(*left),
            number(*top),
            number(*width),
            number(*height),
            paint("fill", *fill)
        ),
        Shape::Area { rings, fill, on_land } => writeln!(
            out,
            "<path d=\"{}\"{} fill-rule=\"evenodd\"{}/>",
            path(rings, true),
            paint("fill", *fill),
            clip(on_land)
        ),
        Shape::Lines { lines, color, width, on_land } => writeln!(
            out,
            "<path d=\"{}\" fill=\"none\"{} stroke-width=\"{}\" stroke-linejoin=\"round\" stroke-linecap=\"round\"{}/>",
            path(lines, false),
            paint("stroke", *color),
            number(*width),
            clip(on_land)
        ),
        Shape::Dot { at, radius, fill, line } => {
            let line = line.map_or_else(String::new, |(color, width)| {
                format!("{} stroke-width=\"{}\"", paint("stroke", color), number(width))
            });
            let (x, y) = (number(at.0), number(at.1));
            writeln!(out, "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius:.2}\"{}{line}/>", paint("fill", *fill))
        }
        Shape::Text { at, text, size, anchor, color, halo } => {
            let anchor = match anchor {
                Anchor::Start => "",
                Anchor::Middle => " text-anchor=\"middle\"",
                Anchor::End => " text-anchor=\"end\"",
            };
            let halo = halo.map_or_else(String::new, |halo| {
                format!(
                    "{} stroke-width=\"{}\" stroke-linejoin=\"round\" paint-order=\"stroke\"",
                    paint("stroke", halo),
                    number(halo_width(*size))
                )
            });
            writeln!(
                out,
                "<text x=\"{}\" y=\"{}\" font-size=\"{}\"{anchor}{}{halo}>{}</text>",
                number(at.0),
                number(at.1),
                number(*size),
                paint("fill", *color),
                escaped(text)
            )
        }
    };
}

fn paint(what: &str, color: Color) -> String {
    let Color(red, green, blue, opacity) = color;
    let opacity =
        if opacity == 255 { String::new() } else { format!(" {what}-opacity=\"{:.2}\"", f32::from(opacity) / 255.0) };
    format!(" {what}=\"#{red:02x}{green:02x}{blue:02x}\"{opacity}")
}

/// A tenth of a unit is finer than any screen shows.
fn number(value: f32) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// Moves in tenths of a unit, each from the point before, which is half as long as places.
fn path(lines: &[Vec<Point>], closed: bool) -> String {
    let mut out = String::new();
    let tenths = |value: f32| (value * 10.0).round() as i32;
    let text = |tenths: i32| {
        let sign = if tenths < 0 { "-" } else { "" };
        let (whole, part) = (tenths.abs() / 10, tenths.abs() % 10);
        if part == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
    };
    for line in lines {
        let mut last: Option<(i32, i32)> = None;
        for point in line {
            let point = (tenths(point.0), tenths(point.1));
            // Writing to a string cannot fail.
            let _ = match last {
                None => write!(out, "M{} {}", text(point.0), text(point.1)),
                Some(last) if last == point => continue,
                Some(last) => write!(out, "l{} {}", text(point.0 - last.0), text(point.1 - last.1)),
            };
            last = Some(point);
        }
        if closed {
            out.push('z');
        }
    }
    out
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // What XML 1.0 has no form for.
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
