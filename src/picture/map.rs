//! The picture: land by who serves it, clients, borders, PoPs with their names, a legend and the credits.

use super::OUTLINES;
use super::clients::{Catchments, ClientPlace, PopMark, State};
use super::colors::{self, PALETTE, darker};
use super::font::Font;
use super::labels::{self, Label};
use super::projection::{Frame, Projection};
use super::scene::{Anchor, Color, Point, Scene, Shape};
use super::territory::Territories;
use super::world::{Degrees, World};
use crate::geo::Vector;

/// Units from left to right; pixels at scale 1.
pub const WIDTH: f64 = 1800.0;
/// Units above the map, for the title.
const TITLE: f32 = 70.0;
/// Units to the left and right of texts.
const MARGIN: f32 = 18.0;

const SEA: Color = Color::rgb(0x00f4_f8fb);
const NOBODY: Color = Color::rgb(0x00dd_dddd);
const INK: Color = Color::rgb(0x0022_2222);
const FAINT: Color = Color::rgb(0x0066_6666);
const WHITE: Color = Color::rgb(0x00ff_ffff);
const ALARM: Color = Color::rgb(0x00bb_2222);

/// Dots of clients, at most: the largest ones.
const DOTS: usize = 4000;
/// Rows of a legend; what has no room is counted.
const LEGEND_ROWS: usize = 10;

/// Draws a map of a part of the world.
pub fn draw(catchments: &Catchments, frame: Frame) -> Scene {
    let world = World::new();
    let projection = Projection::new(WIDTH, frame);
    let font = Font::new();
    #[expect(clippy::cast_possible_truncation, reason = "units of a picture")]
    let (width, height) = (WIDTH as f32, projection.height() as f32);
    let page = Page { catchments, projection, font, width, bottom: TITLE + height };
    let territories = Territories::new(catchments, &world, projection);
    let colors = page.colors(&territories);

    let mut shapes = vec![Shape::Box(0.0, TITLE, width, height, SEA)];
    let land: Vec<Vec<Point>> = world.countries.iter().flat_map(|shape| page.twice(&world.rings(shape))).collect();
    shapes.push(Shape::Area { rings: land.clone(), fill: NOBODY, on_land: false });
    for (pop, rings) in territories.areas.iter().enumerate().take(catchments.pops.len()) {
        if !rings.is_empty() {
            let rings = rings.iter().map(|ring| ring.iter().map(|(x, y)| (*x, y + TITLE)).collect()).collect();
            shapes.push(Shape::Area { rings, fill: colors[pop], on_land: true });
        }
    }
    let (borders, coasts) = world.lines();
    shapes.push(page.lines(&borders, Color::rgb(0x0000_0000).with_opacity(70), 0.6));
    shapes.extend(page.dots(&colors));
    let edges = territories.areas.iter().flatten().filter(|ring| !ring.is_empty());
    let closed = edges.map(|ring| ring.iter().chain(ring.first()).map(|(x, y)| (*x, y + TITLE)).collect()).collect();
    shapes.push(Shape::Lines { lines: closed, color: WHITE, width: 1.8, on_land: true });
    shapes.push(page.lines(&coasts, Color::rgb(0x0055_6677).with_opacity(150), 0.5));
    let (marks, hidden) = page.marks(&colors);
    shapes.extend(marks);
    // What reached beyond the map goes under the page's own white.
    shapes.push(Shape::Box(0.0, 0.0, width, TITLE, WHITE));
    shapes.extend(page.title());
    // Of a part of the world those who have a part of it; of the whole everybody.
    let has_land = |pop: &usize| territories.areas.get(*pop).is_some_and(|rings| !rings.is_empty());
    let listed = by_share(&catchments.pops);
    let listed = listed.into_iter().filter(|pop| frame == Frame::WORLD || has_land(pop) || page.is_on_map(*pop));
    let (legend, bottom) = page.legend(&listed.collect::<Vec<_>>(), &colors, hidden);
    shapes.push(Shape::Box(0.0, page.bottom, width, bottom - page.bottom, WHITE));
    shapes.extend(legend);
    Scene {
        width,
        height: bottom,
        title: format!("{}: clients by PoP", catchments.title),
        land,
        shapes,
        font: page.font,
    }
}

struct Page<'a> {
    catchments: &'a Catchments,
    projection: Projection,
    font: Font,
    width: f32,
    /// Where the map ends.
    bottom: f32,
}

impl Page<'_> {
    #[expect(clippy::cast_possible_truncation, reason = "units of a picture")]
    fn point(&self, longitude: f64, latitude: f64) -> Point {
        let (x, y) = self.projection.forward(longitude, latitude);
        (x as f32, y as f32 + TITLE)
    }

    fn point_of(&self, place: crate::geo::Place) -> Point {
        let (x, y) = self.point(place.longitude(), place.latitude());
        (x.rem_euclid(self.turn()), y)
    }

    #[expect(clippy::cast_possible_truncation, reason = "units of a picture")]
    fn turn(&self) -> f32 {
        self.projection.turn() as f32
    }

    /// Whether a point is on the map.
    fn shows(&self, (x, y): Point) -> bool {
        (0.0..=self.width).contains(&x) && (TITLE..=self.bottom).contains(&y)
    }

    /// Whether a PoP has a place, and that is on the map.
    fn is_on_map(&self, pop: usize) -> bool {
        let place = self.catchments.pops.get(pop).and_then(|pop| pop.place);
        place.is_some_and(|place| self.shows(self.point_of(place)))
    }

    /// Lines on the page, and once more those that reach over an edge of it.
    fn twice(&self, lines: &[Vec<Degrees>]) -> Vec<Vec<Point>> {
        let mut out = Vec::new();
        for line in lines {
            let points: Vec<Point> =
                line.iter().map(|(longitude, latitude)| self.point(*longitude, *latitude)).collect();
            let [west, north, east, south] =
                points.iter().fold([f32::MAX, f32::MAX, f32::MIN, f32::MIN], |edges, at| {
                    [edges[0].min(at.0), edges[1].min(at.1), edges[2].max(at.0), edges[3].max(at.1)]
                });
            // Some lie outside of the frame altogether, as Antarctica does.
            for shift in [-self.turn(), 0.0, self.turn()] {
                if west + shift <= self.width && east + shift >= 0.0 && north <= self.bottom && south >= TITLE {
                    out.push(points.iter().map(|(x, y)| (x + shift, *y)).collect());
                }
            }
        }
        out
    }

    fn lines(&self, lines: &[Vec<Degrees>], color: Color, width: f32) -> Shape {
        Shape::Lines { lines: self.twice(lines), color, width, on_land: false }
    }

    /// A color for each PoP.
    fn colors(&self, territories: &Territories) -> Vec<Color> {
        let pops = &self.catchments.pops;
        let vectors: Vec<Option<Vector>> = pops.iter().map(|pop| pop.place.map(Vector::of)).collect();
        let close = |a: usize, b: usize| {
            let pair = (a.min(b) as u16, a.max(b) as u16);
            let touching = territories.touching.get(&pair).map_or(0.0, |cells| 50.0 + f64::from(*cells).min(200.0));
            let km = vectors[a].as_ref().zip(vectors[b].as_ref()).map_or(20_000.0, |(a, b)| a.kilometers_to(b));
            touching + 1500.0 / (500.0 + km)
        };
        colors::choose(&by_share(pops), close).into_iter().map(|color| PALETTE[color]).collect()
    }

    /// Clients, as dots whose areas are as their IPv4 addresses.
    fn dots(&self, colors: &[Color]) -> Vec<Shape> {
        let clients = &self.catchments.clients;
        let shown = |client: &&ClientPlace| client.v4 > 0.0 && self.shows(self.point_of(client.place));
        let mut largest: Vec<&ClientPlace> = clients.iter().filter(shown).collect();
        let all: f64 = largest.iter().map(|client| client.v4).sum();
        largest.sort_by(|a, b| b.v4.total_cmp(&a.v4));
        let dot = |client: &&ClientPlace| {
            let color = client.pop.and_then(|pop| colors.get(usize::from(pop))).copied().unwrap_or(NOBODY);
            #[expect(clippy::cast_possible_truncation, reason = "units of a picture")]
            let radius = ((client.v4 / all).sqrt() * 62.0).clamp(0.45, 11.0) as f32;
            let fill = darker(color, 0.62).with_opacity(165);
            Shape::Dot { at: self.point_of(client.place), radius, fill, line: None }
        };
        largest.iter().take(DOTS).map(dot).collect()
    }

    /// PoPs and their names, and how many names have no room.
    fn marks(&self, colors: &[Color]) -> (Vec<Shape>, usize) {
        let pops = &self.catchments.pops;
        let mut order: Vec<usize> = by_share(pops).into_iter().filter(|at| self.is_on_map(*at)).collect();
        let (size, radius) = match order.len() {
            0..=20 => (17.0, 5.5),
            21..=80 => (14.0, 4.5),
            _ => (10.5, 3.0),
        };
        // What is not as usual has its name first.
        order.sort_by_key(|at| pops[*at].state == State::Up);
        let at = |index: &usize| pops[*index].place.map_or((0.0, 0.0), |place| self.point_of(place));
        let names: Vec<Label> = order
            .iter()
            .map(|index| Label { at: at(index), width: self.font.width(&shown(&pops[*index])) * size, size })
            .collect();
        let spots = labels::place(&names, radius, (self.width, TITLE + 2.0, self.bottom - 2.0));
        let hidden = spots.iter().filter(|spot| spot.is_none()).count();
        let mut shapes = Vec::new();
        for index in order.iter().rev() {
            let (fill, line) = match pops[*index].state {
                State::Up => (darker(colors[*index], 0.45), WHITE),
                State::Drained => (FAINT, WHITE),
                State::Down => (WHITE, ALARM),
            };
            shapes.push(Shape::Dot { at: at(index), radius, fill, line: Some((line, radius * 0.38)) });
        }
        for (index, spot) in order.iter().zip(spots) {
            let Some((at, anchor)) = spot else { continue };
            let color = if pops[*index].state == State::Down { ALARM } else { INK };
            let halo = Some(WHITE.with_opacity(215));
            shapes.push(Shape::Text { at, text: shown(&pops[*index]), size, anchor, color, halo });
        }
        (shapes, hidden)
    }

    fn title(&self) -> Vec<Shape> {
        let text = |y: f32, size: f32, color: Color, text: &str| Shape::Text {
            at: (MARGIN, y),
            text: self.fitting(text, size, self.width - 2.0 * MARGIN),
            size,
            anchor: Anchor::Start,
            color,
            halo: None,
        };
        let what = "land: who serves the clients nearest to it; dots: clients, by IPv4 addresses";
        vec![
            text(33.0, 26.0, INK, &self.catchments.title),
            text(57.0, 15.0, FAINT, &format!("{} · {what}", self.catchments.subtitle)),
        ]
    }

    /// A text that is cut to fit.
    fn fitting(&self, text: &str, size: f32, width: f32) -> String {
        if self.font.width(text) * size <= width {
            return text.to_owned();
        }
        let mut kept = String::new();
        for character in text.chars() {
            kept.push(character);
            if (self.font.width(&kept) + self.font.width("…")) * size > width {
                kept.pop();
                break;
            }
        }
        kept + "…"
    }

    /// PoPs in this order with their shares, in columns, and below them the credits; and where that ends.
    fn legend(&self, order: &[usize], colors: &[Color], hidden: usize) -> (Vec<Shape>, f32) {
        const ROW: f32 = 21.0;
        const SIZE: f32 = 14.0;
        let pops = &self.catchments.pops;
        let percent = |share: f64| match share {
            s if s <= 0.0 => "0 %".to_owned(),
            s if s < 0.0005 => "<0.1 %".to_owned(),
            s => format!("{:.1} %", s * 100.0),
        };
        let name = |index: usize| self.fitting(&shown(&pops[index]), SIZE, 190.0);
        let names = order.iter().map(|index| name(*index)).chain(["no PoP".to_owned(), "299 more".to_owned()]);
        let widest = names.map(|name| self.font.width(&name)).fold(0.0, f32::max) * SIZE;
        // A swatch, the name, the share, and some air.
        let share_width = self.font.width("00.0 %") * SIZE;
        let column = (22.0 + widest + 12.0 + share_width + 28.0).max(110.0);
        #[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "a small positive number")]
        let columns = (((self.width - 2.0 * MARGIN + 28.0) / column) as usize).max(1);
        let extra = usize::from(self.catchments.nobody > 0.0);
        let room = columns * LEGEND_ROWS;
        let count = order.len() + extra;
        let fits = if count > room { room - 1 - extra } else { order.len() };
        let rows = (fits + extra + usize::from(count > room)).div_ceil(columns);

        let top = self.bottom + 44.0;
        let mut shapes = vec![Shape::Text {
            at: (MARGIN, self.bottom + 24.0),
            text: match hidden {
                0 => "PoPs and their shares of IPv4 addresses".to_owned(),
                1 => "PoPs and their shares of IPv4 addresses; one name has no room on the map".to_owned(),
                more => format!("PoPs and their shares of IPv4 addresses; {more} names have no room on the map"),
            },
            size: SIZE,
            anchor: Anchor::Start,
            color: FAINT,
            halo: None,
        }];
        let text = |at: Point, text: String, anchor: Anchor| Shape::Text {
            at,
            text,
            size: SIZE,
            anchor,
            color: INK,
            halo: None,
        };
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let place = |entry: usize| {
            let (across, down) = (entry / rows.max(1), entry % rows.max(1));
            (MARGIN + across as f32 * column, top + down as f32 * ROW)
        };
        let mut entry = 0;
        let mut row = |color: Option<Color>, name: String, share: f64| {
            let (x, y) = place(entry);
            entry += 1;
            if let Some(color) = color {
                shapes.push(Shape::Box(x, y - 11.5, 14.0, 14.0, darker(color, 0.62)));
                shapes.push(Shape::Box(x + 1.0, y - 10.5, 12.0, 12.0, color));
            }
            shapes.push(text((x + 22.0, y), name, Anchor::Start));
            shapes.push(text((x + column - 28.0, y), percent(share), Anchor::End));
        };
        for index in order.iter().take(fits) {
            row(Some(colors[*index]), name(*index), pops[*index].v4);
        }
        if fits < order.len() {
            let rest: f64 = order[fits..].iter().map(|index| pops[*index].v4).sum();
            row(None, format!("{} more", order.len() - fits), rest);
        }
        if extra > 0 {
            row(Some(NOBODY), "no PoP".to_owned(), self.catchments.nobody);
        }
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let bottom = top + rows as f32 * ROW;
        let mut credits = vec![OUTLINES.to_owned()];
        credits.extend(self.catchments.credits.iter().cloned());
        credits.push(concat!("Drawn by Catchment ", env!("CARGO_PKG_VERSION")).to_owned());
        shapes.push(Shape::Text {
            at: (self.width - MARGIN, bottom + 10.0),
            text: self.fitting(&credits.join(" · "), 12.0, self.width - 2.0 * MARGIN),
            size: 12.0,
            anchor: Anchor::End,
            color: FAINT,
            halo: None,
        });
        (shapes, bottom + 24.0)
    }
}

/// A PoP's name, and what is odd about it.
fn shown(pop: &PopMark) -> String {
    match pop.state {
        State::Up => pop.name.clone(),
        State::Drained => format!("{} (drained)", pop.name),
        State::Down => format!("{} (down)", pop.name),
    }
}

/// The largest first, those of equal shares in their own order.
fn by_share(pops: &[PopMark]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..pops.len()).collect();
    let share = |at: usize| pops[at].v4.max(if pops[at].v4 > 0.0 { 0.0 } else { pops[at].v6 * 1e-9 });
    order.sort_by(|a, b| share(*b).total_cmp(&share(*a)));
    order
}
