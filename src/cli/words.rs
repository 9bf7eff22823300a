//! Times, sizes and tables for terminals.

use std::fmt::Write as _;
use std::io::IsTerminal;

use crate::config::Style;
use crate::config::render::wrap;

/// Columns of a terminal that does not say how wide it is.
const WIDTH: usize = 80;

/// The two largest units of a duration: `3d4h`, `2m10s`, `1.2s`, `350ms`.
pub(super) fn short(ms: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
    match ms {
        0..1000 => return format!("{ms}ms"),
        1000..10_000 => return format!("{}.{}s", ms / 1000, ms % 1000 / 100),
        _ => {}
    }
    let mut out = String::new();
    for (index, (name, size)) in UNITS.into_iter().enumerate().filter(|(_, (_, size))| ms >= *size).take(1) {
        let _ = write!(out, "{}{name}", ms / size);
        if let Some((next, smaller)) = UNITS.get(index + 1) {
            let rest = ms % size / smaller;
            if rest > 0 {
                let _ = write!(out, "{rest}{next}");
            }
        }
    }
    out
}

/// Octets: `24.1 MB`, `512 KB`.
pub(super) fn size(octets: u64) -> String {
    match octets {
        0..1_000_000 => format!("{} KB", octets.div_ceil(1000)),
        1_000_000..1_000_000_000 => format!("{}.{} MB", octets / 1_000_000, octets % 1_000_000 / 100_000),
        _ => format!("{}.{} GB", octets / 1_000_000_000, octets % 1_000_000_000 / 100_000_000),
    }
}

/// A share in permille as percent: `43 %`, `0.5 %`.
pub(super) fn percent(permille: u16) -> String {
    match permille {
        1..10 => format!("0.{permille} %"),
        _ => format!("{} %", permille / 10),
    }
}

/// `1 failure`, `2 failures`.
pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Where output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// Columns.
    pub(super) width: usize,
    /// Whether states have colors.
    pub(super) color: bool,
}

impl Page {
    /// Of standard output: colors on a terminal only, and not with `NO_COLOR` set.
    pub(super) fn stdout() -> Self {
        Self::of(&std::io::stdout())
    }

    fn of(stream: &impl IsTerminal) -> Self {
        let terminal = stream.is_terminal();
        let width = terminal_size::terminal_size().map_or(WIDTH, |(width, _)| usize::from(width.0));
        let color = terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Self { width: width.clamp(WIDTH, 160), color }
    }

    /// Rows of the terminal, at least a few; `None` when there is none.
    pub(super) fn height() -> Option<usize> {
        terminal_size::terminal_size().map(|(_, height)| usize::from(height.0).max(5))
    }

    /// A word in a color of the terminal: `31` red, `32` green, `33` yellow, `1` bold.
    pub(super) fn paint(self, text: &str, color: &str) -> String {
        if self.color { format!("\x1b[{color}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Text broken at spaces, every line after the first beginning with `indent` spaces; no line begins with any but
    /// those, and a word that is wider than the page stands alone.
    pub(super) fn wrap(self, text: &str, indent: usize) -> String {
        wrap(text, self.width, indent, indent)
    }
}

/// How findings look on a stream: broken into lines on a terminal only.
pub(super) fn style_of(stream: &impl IsTerminal) -> Style {
    let Page { width, color } = Page::of(stream);
    Style { width: stream.is_terminal().then_some(width), color }
}

/// What a server tells may hold what a terminal acts on: control characters are escaped.
pub(super) fn safe(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units() {
        let cases = [
            (0, "0ms"),
            (999, "999ms"),
            (1_000, "1.0s"),
            (9_999, "9.9s"),
            (10_000, "10s"),
            (60_000, "1m"),
            (130_000, "2m10s"),
            (3_600_000, "1h"),
            (86_400_000 * 3 + 3_600_000 * 4 + 59_000, "3d4h"),
            (u64::MAX, "213503982334d14h"),
        ];
        for (ms, expected) in cases {
            assert_eq!(short(ms), expected);
        }
    }

    #[test]
    fn sizes_and_shares() {
        assert_eq!([size(0), size(1), size(24_120_000), size(3_000_000_000)], ["0 KB", "1 KB", "24.1 MB", "3.0 GB"]);
        assert_eq!(
            [percent(0), percent(5), percent(10), percent(433), percent(1000)],
            ["0 %", "0.5 %", "1 %", "43 %", "100 %"]
        );
        assert_eq!([count(1, "zone"), count(0, "zone")], ["1 zone", "0 zones"]);
    }

    #[test]
    fn wrapping() {
        let page = Page { width: 12, color: false };
        assert_eq!(page.wrap("one two three four", 2), "one two\n  three four");
        assert_eq!(page.wrap("a-word-that-is-wider b", 2), "a-word-that-is-wider\n  b");
        assert_eq!(page.paint("up", "32"), "up");
        assert_eq!(Page { color: true, ..page }.paint("up", "32"), "\x1b[32mup\x1b[0m");
        assert_eq!(safe("a\x1b[2Jb"), "a\\u{1b}[2Jb");
    }
}
