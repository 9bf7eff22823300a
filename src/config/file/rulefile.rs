//! A table of rules: `prefix,order` and rows below. Columns are kinds of `match` and effects, in any order; each row fills
//! one of the first, and at least one of the others.
//!
//! ```text
//! asn,prefer,avoid,note
//! 3320,fra=15ms,iad=40ms,private peering in FRA
//! 64496;64497,ams=200km,,
//! ```

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::super::diagnostic::Location;
use super::super::reader::{Sink, quoted, suggest};
use super::super::units::Cost;
use super::super::yaml::Position;
use super::keys::{Kind, Refused};
use super::rules::{Collector, Opened, Purpose, negative};
use super::table::{Cell, Table};
use crate::steering::{Effect, Match};

/// Columns that are for people.
pub(super) const NOTES: [&str; 2] = ["note", "comment"];

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Key(Kind),
    /// Index into the purpose's effects.
    Effect(usize),
    Note,
    /// Was reported.
    Unknown,
}

/// A table with its headings read, and where findings go.
pub(super) struct Page<'p, 's> {
    file: &'p Arc<str>,
    pub(super) table: Table<'p>,
    pub(super) sink: &'s mut Sink,
}

impl<'p, 's> Page<'p, 's> {
    /// Opens a table. `None` when there is not even a line of headings, which the caller tells.
    pub(super) fn open(file: &'p Opened, sink: &'s mut Sink) -> Option<(Self, Vec<Cell<'p>>)> {
        let mut table = Table::new(file.text(sink)?);
        let mut headings = Vec::new();
        match table.next(&mut headings)? {
            Ok(()) => Some((Self { file: &file.path, table, sink }, headings)),
            Err(problem) => {
                let place = Location { file: Arc::clone(&file.path), line: problem.at.line, column: problem.at.column };
                sink.error_at(&place, problem.message, problem.help);
                None
            }
        }
    }

    /// Reads the next row; `false` at the end, or where the text is no table.
    pub(super) fn next(&mut self, row: &mut Vec<Cell<'p>>) -> bool {
        match self.table.next(row) {
            None => false,
            Some(Ok(())) => true,
            Some(Err(problem)) => {
                let place = self.at(problem.at);
                self.sink.error_at(&place, problem.message, problem.help);
                false
            }
        }
    }

    fn at(&self, at: Position) -> Location {
        Location { file: Arc::clone(self.file), line: at.line, column: at.column }
    }

    pub(super) fn place(&self, cell: &Cell<'_>) -> Location {
        self.at(self.table.position(cell))
    }

    pub(super) fn refuse(&mut self, cell: &Cell<'_>, message: impl Into<String>, help: impl Into<String>) {
        let place = self.place(cell);
        self.sink.error_at(&place, message, help);
    }

    pub(super) fn refused(&mut self, cell: &Cell<'_>, refused: Refused) {
        self.refuse(cell, refused.message, refused.help);
    }

    /// The one key of a row. `keys` are the columns of keys, with their kinds.
    pub(super) fn key<'r>(&mut self, row: &'r [Cell<'p>], keys: &[(usize, Kind)]) -> Option<(&'r Cell<'p>, Match)> {
        let mut filled = keys
            .iter()
            .filter_map(|(column, kind)| Some((row.get(*column).filter(|cell| !cell.text.is_empty())?, *kind)));
        let Some((cell, kind)) = filled.next() else {
            let first = row.first()?;
            self.refuse(first, "this row says nobody it is for", "fill one of the columns of keys");
            return None;
        };
        if let Some((second, _)) = filled.next() {
            self.refuse(second, "this row has two keys", "a row is for clients of one level: make two of it");
            return None;
        }
        match kind.cell(&cell.text) {
            Ok(class) => Some((cell, class)),
            Err(refused) => {
                self.refused(cell, refused);
                None
            }
        }
    }

    /// Fields beyond the headings: mostly a comma too many.
    pub(super) fn surplus(&mut self, row: &[Cell<'p>], headings: usize) {
        if let Some(cell) = row.iter().skip(headings).find(|cell| !cell.text.is_empty()) {
            let message = format!("`{}` stands under no heading", cell.text);
            self.refuse(cell, message, "several values of one field stand between spaces, not commas");
        }
    }
}

/// Reads a table of rules. A file that holds none is for the caller to report.
pub(super) fn read(file: &Opened, purpose: Purpose, collector: &mut Collector, sink: &mut Sink) {
    let Some((mut page, headings)) = Page::open(file, sink) else { return };
    let columns: Vec<Column> = headings.iter().map(|cell| heading(cell, purpose, &mut page)).collect();
    let keys: Vec<(usize, Kind)> = columns
        .iter()
        .enumerate()
        .filter_map(|(index, column)| match column {
            Column::Key(kind) => Some((index, *kind)),
            Column::Effect(_) | Column::Note | Column::Unknown => None,
        })
        .collect();
    let effects: Vec<(usize, usize)> = columns
        .iter()
        .enumerate()
        .filter_map(|(index, column)| match column {
            Column::Effect(effect) => Some((index, *effect)),
            Column::Key(_) | Column::Note | Column::Unknown => None,
        })
        .collect();
    let whole = !columns.contains(&Column::Unknown);
    if keys.is_empty() || effects.is_empty() {
        if let Some(first) = headings.first().filter(|_| whole) {
            let (what, wanted) =
                if keys.is_empty() { ("keys", quoted(Kind::WORDS)) } else { ("effects", quoted(purpose.effects())) };
            page.refuse(
                first,
                format!("the headings name no column of {what}"),
                format!("name at least one of {wanted}"),
            );
        }
        return;
    }
    // Rows mostly repeat a few effects, and share them.
    let mut known: HashMap<Vec<Cow<'_, str>>, Vec<Arc<Effect>>> = HashMap::new();
    let mut row = Vec::new();
    while page.next(&mut row) {
        page.surplus(&row, headings.len());
        let Some((cell, class)) = page.key(&row, &keys) else { continue };
        let written: Vec<Cow<'_, str>> = effects
            .iter()
            .map(|(index, _)| row.get(*index).map_or(Cow::Borrowed(""), |cell| cell.text.clone()))
            .collect();
        let given = known.entry(written).or_insert_with(|| effects_of(&row, &effects, purpose, collector, &mut page));
        let place = page.place(cell);
        collector.add(class, given, &place, page.sink);
    }
}

fn heading(cell: &Cell<'_>, purpose: Purpose, page: &mut Page<'_, '_>) -> Column {
    let word = cell.text.to_lowercase();
    if let Some(kind) = Kind::new(&word) {
        return Column::Key(kind);
    }
    if let Some(effect) = purpose.effects().iter().position(|effect| *effect == word) {
        return Column::Effect(effect);
    }
    if NOTES.contains(&word.as_str()) || word.is_empty() {
        return Column::Note;
    }
    let accepted: Vec<&str> = Kind::WORDS.iter().chain(purpose.effects()).copied().chain(["note"]).collect();
    let list = format!("accepted here: {}", quoted(&accepted));
    let help = match suggest(&word, accepted.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? {list}"),
        None => list,
    };
    page.refuse(cell, format!("`{}` is not a column of a rule file", cell.text), help);
    Column::Unknown
}

/// What the cells of a row give; empty after an error.
fn effects_of(
    row: &[Cell<'_>],
    columns: &[(usize, usize)],
    purpose: Purpose,
    collector: &mut Collector,
    page: &mut Page<'_, '_>,
) -> Vec<Arc<Effect>> {
    let mut given = Vec::new();
    let mut costs: Vec<(String, Cost)> = Vec::new();
    let (mut order, mut said) = (None, false);
    for (index, effect) in columns {
        let Some(cell) = row.get(*index).filter(|cell| !cell.text.is_empty()) else { continue };
        said = true;
        match purpose.effects().get(*effect).copied().unwrap_or_default() {
            "prefer" => price(cell, negative, &mut costs, collector, page),
            "avoid" => price(cell, |cost| cost, &mut costs, collector, page),
            "order" => order = Some((cell, Effect::Order(pops(cell, collector, page)))),
            "only" => given.push(Arc::new(Effect::Only(pops(cell, collector, page)))),
            _ => given.push(Arc::new(Effect::Never(pops(cell, collector, page)))),
        }
    }
    match order {
        Some((cell, _)) if !costs.is_empty() => {
            page.refuse(cell, "`order` beside `prefer` or `avoid`", "make two rows, or keep one of the two");
        }
        Some((_, order)) => given.insert(0, Arc::new(order)),
        None if !costs.is_empty() => given.insert(0, collector.adjust(costs)),
        None if !said => {
            if let Some(first) = row.first() {
                let help = format!("fill one of {}", quoted(purpose.effects()));
                page.refuse(first, "this row gives nothing", help);
            }
        }
        None => {}
    }
    given
}

fn parts<'t>(cell: &'t Cell<'_>) -> impl Iterator<Item = &'t str> {
    cell.text.split(|c: char| c == ';' || c.is_whitespace()).filter(|part| !part.is_empty())
}

fn pops(cell: &Cell<'_>, collector: &mut Collector, page: &mut Page<'_, '_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for part in parts(cell) {
        collector.pop(part, || page.place(cell));
        if names.iter().any(|name| name == part) {
            page.refuse(cell, format!("PoP `{part}` is named twice"), "once is enough");
        } else {
            names.push(part.to_owned());
        }
    }
    names
}

fn price(
    cell: &Cell<'_>,
    turn: impl Fn(Cost) -> Cost,
    costs: &mut Vec<(String, Cost)>,
    collector: &mut Collector,
    page: &mut Page<'_, '_>,
) {
    const HELP: &str = "PoP and cost, for example `fra=15ms`; several stand between spaces";
    for part in parts(cell) {
        let Some((pop, written)) = part.split_once('=') else {
            page.refuse(cell, format!("`{part}` is not a PoP with a cost"), HELP);
            continue;
        };
        collector.pop(pop, || page.place(cell));
        match Cost::parse_positive(written) {
            Ok(_) if costs.iter().any(|(known, _)| known == pop) => {
                page.refuse(cell, format!("`{pop}` has two costs in this row"), "keep one");
            }
            Ok(cost) => costs.push((pop.to_owned(), turn(cost))),
            Err(help) => page.refuse(cell, format!("the cost of `{pop}` cannot be `{written}`"), help),
        }
    }
}
