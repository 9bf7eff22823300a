//! Findings with the line they are about and a mark under the place: plain text, no color, 80 columns.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Diagnostics, Severity};

/// Columns of a shown line, number and bar included.
const WIDTH: usize = 80;
/// Octets of the longest line that is shown: to find a place in a longer one, again for each finding, would take too long.
const LONGEST: usize = 64 << 10;

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
///
/// Of a conflict both places are shown.
pub fn render(diagnostics: &Diagnostics, text: &dyn Fn(&str) -> Option<Arc<str>>) -> String {
    let mut out = String::new();
    let mut files = HashMap::new();
    for diagnostic in &diagnostics.0 {
        one(&mut out, diagnostic, &mut |path, line| {
            files.entry(Arc::clone(path)).or_insert_with(|| Lines::of(text(path))).get(line).map(str::to_owned)
        });
    }
    out
}

/// A text, found by line: many findings of a large file would else count its lines over and over.
struct Lines {
    text: Arc<str>,
    starts: Vec<usize>,
}

impl Lines {
    fn of(text: Option<Arc<str>>) -> Self {
        let text = text.unwrap_or_else(|| Arc::from(""));
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        let starts = std::iter::once(0).chain(ends).collect();
        Self { text, starts }
    }

    /// A line by its number from 1, unless nobody wrote it by hand.
    fn get(&self, number: u32) -> Option<&str> {
        let index = (number as usize).checked_sub(1)?;
        let start = *self.starts.get(index)?;
        let end = self.starts.get(index + 1).copied().unwrap_or(self.text.len());
        self.text.get(start..end).filter(|line| line.len() <= LONGEST)?.lines().next()
    }
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

/// Gives a line of a file, if it has one of this number.
type Line<'l> = &'l mut dyn FnMut(&Arc<str>, u32) -> Option<String>;

fn one(out: &mut String, diagnostic: &Diagnostic, line: Line<'_>) {
    let bare = Diagnostic { help: None, ..diagnostic.clone() };
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{bare}");
    let at = &diagnostic.location;
    let here = Mark { line: at.line, column: at.column, label: "" };
    match &diagnostic.also {
        Some(also) if also.location.file == at.file => {
            let there = Mark { line: also.location.line, column: also.location.column, label: also.label };
            let mut marks = [here, there];
            // In the order of the file; two on one line are two snippets.
            marks.sort_by_key(|mark| (mark.line, mark.column));
            snippets(out, &at.file, &marks, line);
        }
        Some(also) => {
            snippets(out, &at.file, &[here], line);
            let _ = writeln!(out, "  {}: {}", also.location, also.label);
            let there = Mark { line: also.location.line, column: also.location.column, label: also.label };
            snippets(out, &also.location.file, &[there], line);
        }
        None => snippets(out, &at.file, &[here], line),
    }
    if let Some(help) = &diagnostic.help {
        let _ = writeln!(out, "  help: {help}");
    }
}

/// A place in a file that is shown.
struct Mark {
    line: u32,
    column: u32,
    label: &'static str,
}

/// The lines of a file with their marks; a mark of the whole file, or beyond its end, has none.
fn snippets(out: &mut String, file: &Arc<str>, marks: &[Mark], line: Line<'_>) {
    let gutter = marks.iter().map(|mark| mark.line.to_string().len()).max().unwrap_or_default();
    let mut before: Option<u32> = None;
    for mark in marks {
        let Some(shown) = line(file, mark.line) else { continue };
        // Writing to a String cannot fail.
        let _ = match before {
            Some(last) if last + 1 < mark.line => writeln!(out, "{:gutter$} …", ""),
            Some(_) => Ok(()),
            None => writeln!(out, "{:gutter$} |", ""),
        };
        snippet(out, &shown, gutter, mark);
        before = Some(mark.line);
    }
}

fn snippet(out: &mut String, line: &str, gutter: usize, mark: &Mark) {
    let (number, column) = (mark.line, mark.column as usize);
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
    let indent = before.chars().count() + place.saturating_sub(start);
    let _ = writeln!(out, "{number:gutter$} | {}", format!("{before}{text}{after}").trim_end());
    let pointer = match mark.label {
        "" => "^".to_owned(),
        // Where there is no room behind the mark, the words stand before it.
        label if indent + 2 + label.chars().count() > room && indent > label.chars().count() => format!("{label} ^"),
        label => format!("^ {label}"),
    };
    let indent = if pointer.ends_with('^') { indent + 1 - pointer.chars().count() } else { indent };
    let _ = writeln!(out, "{:gutter$} | {:indent$}{pointer}", "", "");
}
