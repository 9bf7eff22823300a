//! `rank: {latency: …}` as written: measured round-trip times from networks and regions to PoPs, inline or in a table.
//!
//! ```text
//! prefix,measured,fra,ams,iad
//! 192.0.2.0/24,2026-11-01,12.1,18,95
//! ```

use std::sync::Arc;
use std::time::Duration;

use super::super::diagnostic::Location;
use super::super::grammar::{Keys, Shape, key, required};
use super::super::reader::{Fields, Sink, Spot, entries, kind, quoted, text};
use super::super::units::{Cost, cost, duration, moment, show, thousandths};
use super::super::yaml::Node;
use super::Context;
use super::keys::Kind;
use super::rulefile::{NOTES, Page};
use super::rules::{self, Collector, Opened, RulesText, class};
use super::table::Cell;
use crate::steering::{Effect, LatencyMap, Margin, Policy, Rules};

/// `latency`.
pub(super) const LATENCY: Keys = Keys {
    what: "`latency`",
    known: &[
        key("map", Shape::Text, "", "A file of measurements, relative to this one: a table, or a YAML list."),
        key("rows", Shape::List(&Shape::Map(&ROW)), "", "Instead: the measurements themselves."),
        key(
            "margin",
            Shape::Either(&[Shape::Cost, Shape::Map(&MARGIN)]),
            "5ms, 10ms, 30ms",
            "What a measured PoP must gain over the nearest to be preferred.",
        ),
        key("max_age", Shape::Time("1m", "3650d"), "none", "Rows measured longer ago are not used."),
    ],
    planned: &["constant"],
};
const MARGIN: Keys = Keys {
    what: "`margin`",
    known: &[
        key("prefix", Shape::Cost, "5ms", "Of rows by prefix."),
        key("asn", Shape::Cost, "10ms", "Of rows by AS number."),
        key("region", Shape::Cost, "30ms", "Of rows by city, subdivision, country or continent."),
    ],
    planned: &[],
};
/// A latency row.
pub(super) const ROW: Keys = Keys {
    what: "a latency row",
    known: &[
        required("match", Shape::Map(&rules::MATCH), "Which clients."),
        required(
            "ms",
            Shape::Named("a PoP", &Shape::Form("milliseconds", r"^[0-9]{1,4}(\.[0-9]{1,3})?( *ms)?$")),
            "Milliseconds to each PoP that was measured.",
        ),
        key("measured", Shape::Text, "none", "When: a date, a time (`2026-11-01T12:30:00Z`), or seconds since 1970."),
    ],
    planned: &[],
};
const ROW_HELP: &str = "for example `{match: {asn: [3320]}, ms: {fra: 12, ams: 18}}`";

/// Longest age of a row: beyond, `max_age` says nothing.
const YEARS: Duration = Duration::from_hours(24 * 365 * 10);
/// Largest time of a row, in microseconds, exclusive: what takes longer is an error of measurement.
const MAX_MICROSECONDS: i64 = 10_000_000;
/// Shortest time between two looks at the ages of rows: so many of one file may come of age one after another.
const AGAIN: u64 = 3600;

/// A latency map as far as it is written.
#[derive(Clone, Debug)]
pub(crate) struct LatencyText {
    pub(crate) location: Location,
    pub(crate) rows: Option<Arc<RowsText>>,
    /// There are rows, or were to be, and what is wrong with them is told.
    told: bool,
    prefix: Option<Cost>,
    asn: Option<Cost>,
    region: Option<Cost>,
    max_age: Option<(Duration, Location)>,
}

/// Rows, and when each was measured.
#[derive(Debug)]
pub(crate) struct RowsText {
    pub(crate) text: RulesText,
    /// By row, seconds since 1970.
    measured: Vec<Option<u64>>,
    location: Location,
    /// When they were read, seconds since 1970.
    now: u64,
}

impl LatencyText {
    /// This map, and where nothing is written that of `base`.
    pub(crate) fn over(&self, base: &Self) -> Self {
        Self {
            location: self.location.clone(),
            rows: self.rows.clone().or_else(|| base.rows.clone()),
            told: self.told || base.told,
            prefix: self.prefix.or(base.prefix),
            asn: self.asn.or(base.asn),
            region: self.region.or(base.region),
            max_age: self.max_age.clone().or_else(|| base.max_age.clone()),
        }
    }

    /// When a row will be too old, in seconds since 1970, but not before an hour after reading.
    pub(crate) fn expires(&self) -> Option<u64> {
        let rows = self.rows.as_ref()?;
        let age = self.max_age.as_ref()?.0.as_secs();
        let ends = rows.measured.iter().flatten().map(|at| at + age + 1).filter(|end| *end > rows.now);
        ends.min().map(|end| end.max(rows.now + AGAIN))
    }

    /// The map, without rows that are too old. `None` when there are no rows at all, which is an error.
    pub(crate) fn build(&self, ns_per_km: u32, sink: &mut Sink) -> Option<LatencyMap> {
        let Some(rows) = &self.rows else {
            if self.told {
                return None;
            }
            let help = "name a table with `map: maps/latency.csv`, or write `rows`";
            sink.error_at(&self.location, "`latency` has nothing measured", help);
            return None;
        };
        let us =
            |cost: Option<Cost>, default: u32| cost.map_or(default, |cost| cost.microseconds(ns_per_km).unsigned_abs());
        let Margin { prefix, asn, region } = Margin::default();
        let margin =
            Margin { prefix: us(self.prefix, prefix), asn: us(self.asn, asn), region: us(self.region, region) };
        Some(LatencyMap { rows: self.fresh(rows, sink), margin })
    }

    fn fresh(&self, rows: &RowsText, sink: &mut Sink) -> Rules {
        let all = rows.text.rules(Policy::NS_PER_KM);
        let Some((age, place)) = &self.max_age else { return all };
        let total = all.list().len();
        let undated = rows.measured.iter().filter(|measured| measured.is_none()).count();
        if undated > 0 {
            let message = format!("`max_age` says nothing of {undated} of {total} rows: they have no `measured`");
            sink.warn_at(place, message, "write when each row was measured, as a date or in seconds since 1970");
        }
        let oldest = rows.now.saturating_sub(age.as_secs());
        let is_fresh = |index: usize| rows.measured.get(index).is_none_or(|at| at.is_none_or(|at| at >= oldest));
        let kept: Vec<_> =
            all.list().iter().enumerate().filter(|(index, _)| is_fresh(*index)).map(|(_, row)| row.clone()).collect();
        if kept.len() == total {
            return all;
        }
        let message = format!("{} of {total} rows are older than {}, and not used", total - kept.len(), show(*age));
        sink.warn_at(&rows.location, message, "measure again; where no row is left, distance decides");
        Rules::new(kept)
    }
}

/// Reads what follows `latency:`. One file name stands for `{map: …}`.
pub(super) fn read(node: &Node<'_>, context: &Context<'_>, sink: &mut Sink) -> Option<LatencyText> {
    let mut latency = LatencyText {
        location: sink.location(node.at()),
        rows: None,
        told: false,
        prefix: None,
        asn: None,
        region: None,
        max_age: None,
    };
    if matches!(node, Node::Scalar(_)) && !node.is_null() {
        latency.rows = map(node, context, sink);
        latency.told = true;
        return Some(latency);
    }
    let fields = Fields::open(node, &LATENCY, sink)?;
    match (fields.get("map"), fields.get("rows")) {
        (Some(_), Some(node)) => sink.error_help(node.at(), "`rows` beside `map`", "keep one of the two"),
        (Some(node), None) => latency.rows = map(node, context, sink),
        (None, Some(node)) => latency.rows = inline(node, context, sink),
        (None, None) => {}
    }
    latency.told = fields.get("map").is_some() || fields.get("rows").is_some();
    if let Some(node) = fields.get("margin") {
        if let Node::Map(..) = node {
            let margin = Fields::open(node, &MARGIN, sink)?;
            let mut get = |key| margin.get(key).and_then(|node| cost(node, &format!("`{key}`"), sink));
            (latency.prefix, latency.asn, latency.region) = (get("prefix"), get("asn"), get("region"));
        } else {
            let one = cost(node, "`margin`", sink);
            (latency.prefix, latency.asn, latency.region) = (one, one, one);
        }
    }
    if let Some(node) = fields.get("max_age") {
        let age = duration(node, "`max_age`", &(Duration::from_mins(1)..=YEARS), sink);
        latency.max_age = age.map(|age| (age, sink.location(node.at())));
    }
    Some(latency)
}

/// Rows in the making.
#[derive(Default)]
struct Rows {
    collector: Collector,
    measured: Vec<Option<u64>>,
}

impl Rows {
    fn note(&mut self, measured: Option<u64>) {
        self.measured.resize(self.collector.len(), measured);
    }

    fn finish(self, location: Location, now: u64) -> Arc<RowsText> {
        Arc::new(RowsText { text: self.collector.finish(), measured: self.measured, location, now })
    }
}

fn inline(node: &Node<'_>, context: &Context<'_>, sink: &mut Sink) -> Option<Arc<RowsText>> {
    let Node::List(at, items) = node else {
        sink.error_help(node.at(), format!("`rows` is a list, not {}", kind(node)), ROW_HELP);
        return None;
    };
    if items.is_empty() {
        sink.error_help(*at, "`rows` is an empty list", ROW_HELP);
        return None;
    }
    let mut rows = Rows::default();
    for item in items {
        row(item, &mut rows, sink);
    }
    Some(rows.finish(sink.location(*at), context.now))
}

fn row(node: &Node<'_>, rows: &mut Rows, sink: &mut Sink) {
    let Some(fields) = Fields::open(node, &ROW, sink) else { return };
    let (Some(keys), Some(times)) = (fields.get("match"), fields.get("ms")) else {
        let missing = if fields.get("match").is_none() { "match" } else { "ms" };
        return sink.error_help(node.at(), format!("this row has no `{missing}`"), ROW_HELP);
    };
    let class = class(keys, sink);
    let mut list: Vec<(String, u32)> = Vec::new();
    for (pop, value) in entries(times, "`ms`", sink).unwrap_or_default() {
        rows.collector.pop(&pop.text, || sink.location(pop.at));
        let Some(written) = text(value, &format!("the time of `{}`", pop.text), sink) else { continue };
        match milliseconds(written) {
            Ok(us) => list.push((pop.text.to_string(), us)),
            Err(help) => {
                sink.error_help(value.at(), format!("the time of `{}` cannot be `{written}`", pop.text), help);
            }
        }
    }
    let measured = fields.get("measured").and_then(|node| {
        let written = text(node, "`measured`", sink)?;
        let wrong = |help| sink.error_help(node.at(), format!("`measured` cannot be `{written}`"), help);
        moment(written).map_err(wrong).ok()
    });
    if let Some(class) = class
        && !list.is_empty()
    {
        let location = sink.location(node.at());
        rows.collector.add(class, &[Arc::new(Effect::Latency(list))], &location, sink);
        rows.note(measured);
    }
}

/// Milliseconds, with the unit or without, in microseconds.
fn milliseconds(written: &str) -> Result<u32, &'static str> {
    let number = written.strip_suffix("ms").map_or(written, str::trim_end);
    let us = thousandths(number).filter(|us| (0..MAX_MICROSECONDS).contains(us));
    us.and_then(|us| u32::try_from(us).ok())
        .ok_or("milliseconds, at most three digits after the point and below 10000, for example `12.5`")
}

fn map(node: &Node<'_>, context: &Context<'_>, sink: &mut Sink) -> Option<Arc<RowsText>> {
    let file = Opened::new(node, "`map`", context, sink)?;
    let errors = sink.error_count();
    let mut rows = Rows::default();
    if file.is_yaml() {
        file.items("latency rows", sink, |item, sink| row(item, &mut rows, sink));
    } else {
        table(&file, &mut rows, sink);
    }
    if rows.collector.len() == 0 && sink.error_count() == errors {
        sink.error_help(node.at(), format!("`{}` holds no rows", file.path), "to do without it, rank by `distance`");
    }
    Some(rows.finish(sink.location(node.at()), context.now))
}

fn table(file: &Opened, rows: &mut Rows, sink: &mut Sink) {
    let Some((mut page, headings)) = Page::open(file, sink) else { return };
    let (mut keys, mut pops, mut measured) = (Vec::new(), Vec::new(), None);
    for (index, cell) in headings.iter().enumerate() {
        let word = cell.text.to_lowercase();
        if let Some(kind) = Kind::new(&word) {
            keys.push((index, kind));
        } else if word == "measured" {
            measured = Some(index);
        } else if !word.is_empty() && !NOTES.contains(&word.as_str()) {
            rows.collector.pop(&cell.text, || page.place(cell));
            if pops.iter().any(|(_, known)| *known == cell.text) {
                page.refuse(cell, format!("`{}` has two columns", cell.text), "keep one of the two");
            }
            pops.push((index, cell.text.to_string()));
        }
    }
    if let Some(first) = headings.first() {
        if keys.is_empty() {
            let help = format!("name at least one of {}", quoted(Kind::WORDS));
            return page.refuse(first, "the headings name no column of keys", help);
        }
        if pops.is_empty() {
            return page.refuse(first, "the headings name no PoP", "each PoP has a column of its own, in milliseconds");
        }
    }
    let mut row = Vec::new();
    while page.next(&mut row) {
        page.surplus(&row, headings.len());
        let Some((cell, class)) = page.key(&row, &keys) else { continue };
        let times = times(&row, &pops, &mut page);
        let date = measured.and_then(|index| date(row.get(index)?, &mut page));
        if times.is_empty() {
            continue;
        }
        let effect = Arc::new(Effect::Latency(times));
        let place = page.place(cell);
        rows.collector.add(class, &[effect], &place, page.sink);
        rows.note(date);
    }
}

fn times(row: &[Cell<'_>], pops: &[(usize, String)], page: &mut Page<'_, '_>) -> Vec<(String, u32)> {
    let mut times = Vec::with_capacity(pops.len());
    for (index, pop) in pops {
        let Some(cell) = row.get(*index).filter(|cell| !cell.text.is_empty()) else { continue };
        match milliseconds(&cell.text) {
            Ok(us) => times.push((pop.clone(), us)),
            Err(help) => page.refuse(cell, format!("the time of `{pop}` cannot be `{}`", cell.text), help),
        }
    }
    times
}

fn date(cell: &Cell<'_>, page: &mut Page<'_, '_>) -> Option<u64> {
    if cell.text.is_empty() {
        return None;
    }
    let wrong = |help| page.refuse(cell, format!("`measured` cannot be `{}`", cell.text), help);
    moment(&cell.text).map_err(wrong).ok()
}

/// Every PoP that a map names.
pub(crate) fn named(latency: &LatencyText) -> &[Spot] {
    latency.rows.as_ref().map_or(&[], |rows| &rows.text.named)
}
