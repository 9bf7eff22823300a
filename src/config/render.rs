//! Findings with the line they are about and a mark under the place, for a terminal or for another program.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Diagnostics, Severity};

/// How findings look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Columns at which messages and helps are broken, between words; `None`: each stays one line, to be searched and
    /// compared.
    pub width: Option<usize>,
    /// Whether severities, places and marks have the colors of a terminal.
    pub color: bool,
}

impl Style {
    /// Lines as they are, without color.
    pub const PLAIN: Self = Self { width: None, color: false };

    fn paint(self, text: &str, code: &str) -> String {
        if self.color && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Text broken for that width ([`wrap`]), or as it is.
    pub fn wrap(self, text: &str, first: usize, indent: usize) -> String {
        self.width.map_or_else(|| text.to_owned(), |width| wrap(text, width, first, indent))
    }
}

/// Text broken at spaces into lines of at most `width` columns: the first begins at column `first`, which is not written;
/// the others after `indent` spaces. A word that is wider stands alone.
pub fn wrap(text: &str, width: usize, first: usize, indent: usize) -> String {
    let mut out = String::new();
    let (mut column, mut begins) = (first, true);
    for word in text.split(' ') {
        let wide = word.chars().count();
        if !begins && column + 1 + wide > width {
            let _ = write!(out, "\n{:indent$}", "");
            column = indent;
        } else if !begins {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += wide;
        begins = false;
    }
    out
}

/// Red, and yellow: as compilers have them.
const fn color_of(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "1;31",
        Severity::Warning => "1;33",
    }
}

/// Numbers and bars beside lines.
const GUTTER: &str = "34";
/// What begins a line of its own kind.
const BOLD: &str = "1";

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
pub fn render(diagnostics: &Diagnostics, style: Style, text: &dyn Fn(&str) -> Option<Arc<str>>) -> String {
    let mut out = String::new();
    let mut files = HashMap::new();
    for diagnostic in &diagnostics.0 {
        one(&mut out, style, diagnostic, &mut |path, line| {
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

fn one(out: &mut String, style: Style, diagnostic: &Diagnostic, line: Line<'_>) {
    let at = &diagnostic.location;
    let color = color_of(diagnostic.severity);
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}", head(style, diagnostic));
    let here = Mark { line: at.line, column: at.column, label: "", color };
    match &diagnostic.also {
        Some(also) if also.location.file == at.file => {
            let there =
                Mark { line: also.location.line, column: also.location.column, label: also.label, color: GUTTER };
            let mut marks = [here, there];
            // In the order of the file; two on one line are two snippets.
            marks.sort_by_key(|mark| (mark.line, mark.column));
            snippets(out, style, &at.file, &marks, line);
        }
        Some(also) => {
            snippets(out, style, &at.file, &[here], line);
            let words = style.wrap(&format!("{}: {}", also.location, also.label), 2, 4);
            let _ = writeln!(out, "  {words}");
            let there =
                Mark { line: also.location.line, column: also.location.column, label: also.label, color: GUTTER };
            snippets(out, style, &also.location.file, &[there], line);
        }
        None => snippets(out, style, &at.file, &[here], line),
    }
    if let Some(help) = &diagnostic.help {
        let _ = writeln!(out, "  {} {}", style.paint("help:", BOLD), style.wrap(help, 8, 8));
    }
}

/// `FILE:LINE:COLUMN: error: MESSAGE`.
fn head(style: Style, diagnostic: &Diagnostic) -> String {
    let bare = Diagnostic { help: None, ..diagnostic.clone() };
    let text = style.wrap(&bare.to_string(), 0, 2);
    if !style.color {
        return text;
    }
    let (place, severity) = (format!("{}: ", diagnostic.location), diagnostic.severity.to_string());
    // Colors take no columns, so they come last. A path as wide as the page is followed by a break, and stays plain.
    match text.strip_prefix(&place).and_then(|rest| rest.strip_prefix(&severity)) {
        Some(rest) => {
            format!("{}{}{rest}", style.paint(&place, BOLD), style.paint(&severity, color_of(diagnostic.severity)))
        }
        None => text,
    }
}

/// A place in a file that is shown.
struct Mark {
    line: u32,
    column: u32,
    label: &'static str,
    color: &'static str,
}

/// The lines of a file with their marks; a mark of the whole file, or beyond its end, has none.
fn snippets(out: &mut String, style: Style, file: &Arc<str>, marks: &[Mark], line: Line<'_>) {
    let gutter = marks.iter().map(|mark| mark.line.to_string().len()).max().unwrap_or_default();
    let mut before: Option<u32> = None;
    for mark in marks {
        let Some(shown) = line(file, mark.line) else { continue };
        // Writing to a String cannot fail.
        let _ = match before {
            Some(last) if last + 1 < mark.line => {
                writeln!(out, "{}", style.paint(&format!("{:gutter$} …", ""), GUTTER))
            }
            Some(_) => Ok(()),
            None => writeln!(out, "{}", style.paint(&format!("{:gutter$} |", ""), GUTTER)),
        };
        snippet(out, style, &shown, gutter, mark);
        before = Some(mark.line);
    }
}

fn snippet(out: &mut String, style: Style, line: &str, gutter: usize, mark: &Mark) {
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
    let bar = |text: &str| style.paint(&format!("{text:>gutter$} |"), GUTTER);
    let _ = writeln!(out, "{} {}", bar(&number.to_string()), format!("{before}{text}{after}").trim_end());
    let pointer = match mark.label {
        "" => "^".to_owned(),
        // Where there is no room behind the mark, the words stand before it.
        label if indent + 2 + label.chars().count() > room && indent > label.chars().count() => format!("{label} ^"),
        label => format!("^ {label}"),
    };
    let indent = if pointer.ends_with('^') { indent + 1 - pointer.chars().count() } else { indent };
    let _ = writeln!(out, "{} {:indent$}{}", bar(""), "", style.paint(&pointer, mark.color));
}
