//! Colors of PoPs: few enough to be told apart by everyone, and never the same for neighbors.

use super::scene::Color;

/// Light colors on which dark text can be read, told apart also by those who do not see red or green as others do: Paul Tol's
/// "light" scheme without its gray, and four more.
pub const PALETTE: [Color; 12] = [
    Color::rgb(0x0077_aadd),
    Color::rgb(0x00ee_8866),
    Color::rgb(0x00ee_dd88),
    Color::rgb(0x0044_bb99),
    Color::rgb(0x00ff_aabb),
    Color::rgb(0x00bb_cc33),
    Color::rgb(0x00b3_9ddb),
    Color::rgb(0x0099_ddff),
    Color::rgb(0x00aa_aa00),
    Color::rgb(0x00c8_a07a),
    Color::rgb(0x00dd_77bb),
    Color::rgb(0x0090_a4ae),
];

/// Colors for areas, as indices into [`PALETTE`]. `order` says who chooses first; `close` how much it matters that two have
/// different ones, 0 for not at all. Everybody takes the color that matters least among those who have chosen, and of
/// equals the one that is used least.
pub fn choose(order: &[usize], close: impl Fn(usize, usize) -> f64) -> Vec<usize> {
    let mut colors = vec![usize::MAX; order.len()];
    let mut uses = [0.0; PALETTE.len()];
    let alike = similarity();
    // With few areas no color is used twice.
    let again = if order.len() <= PALETTE.len() { 1e6 } else { 2.0 / (1.0 + float(order.len()) / 10.0) };
    for (turn, item) in order.iter().enumerate() {
        let cost = |color: usize| {
            let before = order[..turn].iter();
            let weighed = before.map(|other| close(*item, *other) * alike[color][colors[*other]]);
            weighed.sum::<f64>() + uses[color] * again
        };
        let best = (0..PALETTE.len()).min_by(|a, b| cost(*a).total_cmp(&cost(*b))).unwrap_or(0);
        colors[*item] = best;
        uses[best] += 1.0;
    }
    colors
}

/// How much two colors of the palette look alike: 1 for the same one.
fn similarity() -> [[f64; PALETTE.len()]; PALETTE.len()] {
    let mut table = [[0.0; PALETTE.len()]; PALETTE.len()];
    for (row, a) in table.iter_mut().zip(PALETTE) {
        for (cell, b) in row.iter_mut().zip(PALETTE) {
            // Differences of channels, weighed as eyes weigh them.
            let d = |a: u8, b: u8| f64::from(a) - f64::from(b);
            let (red, green, blue) = (d(a.0, b.0), d(a.1, b.1), d(a.2, b.2));
            let difference = (3.0 * red * red + 4.0 * green * green + 2.0 * blue * blue).sqrt();
            *cell = (-difference / 40.0).exp();
        }
    }
    table
}

#[expect(clippy::cast_precision_loss, reason = "a small number")]
fn float(count: usize) -> f64 {
    count as f64
}

/// A darker one of the same kind, for marks on top.
pub fn darker(color: Color, part: f32) -> Color {
    #[expect(clippy::cast_sign_loss, reason = "a part of a positive number")]
    let channel = |value: u8| (f32::from(value) * part) as u8;
    Color(channel(color.0), channel(color.1), channel(color.2), color.3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbors_have_different_colors() {
        // A row of areas, each beside the three before it.
        let count = 300;
        let order: Vec<usize> = (0..count).collect();
        let colors = choose(&order, |a, b| if a.abs_diff(b) <= 3 { 100.0 } else { 0.0 });
        for (at, color) in colors.iter().enumerate() {
            assert!(colors[at + 1..].iter().take(3).all(|other| other != color), "{at}");
        }
        assert!((0..PALETTE.len()).filter(|color| colors.contains(color)).count() > 4);
    }

    #[test]
    fn few_areas_all_differ() {
        let order: Vec<usize> = (0..PALETTE.len()).collect();
        let mut colors = choose(&order, |_, _| 1.0);
        colors.sort_unstable();
        assert_eq!(colors, order);
    }
}
