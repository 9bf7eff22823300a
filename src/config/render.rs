//! Findings with the line they are about and a mark under the place: plain text, no color, 80 columns.

use std::fmt::Write as _;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Diagnostics, Severity};

/// Columns of a shown line, number and bar included.
const WIDTH: usize = 80;

/// Every finding with its line, in the order given. `text` gives a file's text by the path in its findings; without one
/// a finding stands without its line.
///
/// ```text
/// zones/example.com.yaml:14:12: error: policy `nearest-eu` is not defined
///    |
/// 14 |   shop: {steer: {service: web, policy: nearest-eu}}
///    |                                        ^
///   help: did you mean `nearest`?
/// ```
pub fn render(diagnostics: &Diagnostics, text: &dyn Fn(&str) -> Option<Arc<str>>) -> String {
    let mut out = String::new();
    let mut last: Option<(Arc<str>, Option<Arc<str>>)> = None;
    for diagnostic in &diagnostics.0 {
        let file = &diagnostic.location.file;
        let source = match &last {
            Some((path, source)) if path == file => source.clone(),
            _ => {
                let source = text(file);
                last = Some((Arc::clone(file), source.clone()));
                source
            }
        };
        one(&mut out, diagnostic, source.as_deref());
    }
    out
}

/// `2 errors, 1 warning`; empty when there is neither.
pub fn summary(diagnostics: &Diagnostics) -> String {
    let errors = diagnostics.0.iter().filter(|d| d.severity == Severity::Error).count();
    let warnings = diagnostics.0.len() - errors;
    let count = |n: usize, word: &str| match n {
        0 => None,
        1 => Some(format!("1 {word}")),
        n => Some(format!("{n} {word}s")),
    };
    let words: Vec<_> = [count(errors, "error"), count(warnings, "warning")].into_iter().flatten().collect();
    if words.is_empty() { "no warnings".to_owned() } else { words.join(", ") }
}

fn one(out: &mut String, diagnostic: &Diagnostic, source: Option<&str>) {
    let bare = Diagnostic { help: None, ..diagnostic.clone() };
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{bare}");
    let line = (diagnostic.location.line as usize).checked_sub(1).and_then(|index| source?.lines().nth(index));
    if let Some(line) = line {
        snippet(out, line, diagnostic.location.line, diagnostic.location.column as usize);
    }
    if let Some(help) = &diagnostic.help {
        let _ = writeln!(out, "  help: {help}");
    }
}

fn snippet(out: &mut String, line: &str, number: u32, column: usize) {
    let number = number.to_string();
    let gutter = number.len();
    let room = WIDTH.saturating_sub(gutter + 3);
    // A byte-order mark is no column; tabs and control characters become one column each.
    let shown: Vec<char> =
        line.trim_start_matches('\u{feff}').chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let place = column.saturating_sub(1).min(shown.len());
    // A long line is cut around the place, with a third of the room before it.
    let mut start = if shown.len() <= room { 0 } else { place.saturating_sub(room / 3) };
    let mut end = shown.len().min(start + room);
    let (mut before, mut after) = ("", "");
    if start > 0 {
        before = "…";
        start += 1;
    }
    if end < shown.len() {
        after = "…";
        end -= 1;
    }
    let text: String = shown[start.min(end)..end].iter().collect();
    let mark = before.chars().count() + place.saturating_sub(start);
    let _ = writeln!(out, "{:gutter$} |", "");
    let _ = writeln!(out, "{number} | {}", format!("{before}{text}{after}").trim_end());
    let _ = writeln!(out, "{:gutter$} | {:mark$}^", "", "");
}
