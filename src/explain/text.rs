//! An explanation as text for a terminal of 80 columns, readable without color.

use std::fmt::Write as _;
use std::time::Duration;

use super::place::{What, level_word, place_of};
use super::{Background, Candidate, Explained, KeySource, Neighbor, Question, Said, Steered, milliseconds};
use crate::dns::rdata;
use crate::geo::{Site, Source};
use crate::steering::Standing;

const WIDTH: usize = 80;
/// Where the words after a label begin.
const INDENT: usize = 13;
/// Candidates that are shown at least, and after the last that serves.
const SHOWN: (usize, usize) = (10, 3);

/// The whole text. `all` shows every candidate, however many.
pub fn text(question: &Question, explained: &Explained, background: &Background, all: bool) -> String {
    let mut out = String::new();
    write(&mut out, question, explained, background, all);
    out
}

fn write(out: &mut String, question: &Question, explained: &Explained, background: &Background, all: bool) {
    let name = &question.name;
    match explained {
        Explained::NotHosted => line(out, &format!("{name}: no zone here holds this name: REFUSED")),
        Explained::NotLoaded(zone) => line(out, &format!("{name}: zone `{zone}` is not loaded: SERVFAIL")),
        Explained::Static { zone, chain, what } => {
            line(out, &format!("{name}: {what} in zone `{zone}`; the same for every client, scope 0"));
            links(out, chain);
        }
        Explained::Steered(steered) => Page { out, question, s: steered, background }.write(all),
    }
}

struct Page<'a> {
    out: &'a mut String,
    question: &'a Question,
    s: &'a Steered,
    background: &'a Background,
}

impl Page<'_> {
    fn write(&mut self, all: bool) {
        self.headline();
        links(self.out, &self.s.chain);
        self.item("service", &format!("{} by policy {}, in zone {}", self.s.service, self.s.policy, self.s.zone));
        self.item("decided by", &self.s.key.words());
        self.located();
        for applied in &self.s.applied {
            let what = match applied.what {
                What::Rule => "rule",
                What::Fence => "fence",
                What::Latency => "latency",
            };
            let level = level_word(applied.level);
            let idle = if applied.counts { "" } else { "; gains less than its margin, so distance decides" };
            let (by, gives, place) = (&applied.by, &applied.gives, place_of(&applied.origin));
            self.item(what, &format!("{gives} for {level} {by} ({place}){idle}"));
        }
        self.health();
        self.answers();
        if self.s.sent.iter().any(|sent| matches!(sent.what, Said::Steered(..))) {
            self.item("TTL", &format!("{} s, {}", self.s.ttl, self.s.ttl_reason()));
        }
        self.split();
        self.scope();
        self.flips();
        if !self.s.agrees {
            self.item("DEFECT", "the live tables give another answer than this decision; please report this");
        }
        self.candidates(all);
        if let Some(then) = &self.s.then {
            self.out.push('\n');
            let target = self.s.target().unwrap_or_else(|| self.question.name.clone());
            let question = Question { name: target, ..self.question.clone() };
            write(self.out, &question, then, self.background, all);
        }
    }

    fn headline(&mut self) {
        let addresses: Vec<_> = self.s.addresses.iter().map(ToString::to_string).collect();
        let pops = self.s.pops().join(", ");
        let to = match (pops.is_empty(), addresses.is_empty(), self.s.target()) {
            (_, true, Some(target)) => format!("{pops}: {target}"),
            (true, true, None) => "nobody".to_owned(),
            (true, false, _) => addresses.join(" "),
            (false, _, _) => format!("{pops}: {}", addresses.join(" ")),
        };
        line(self.out, &format!("{} → {to}", self.question.name));
    }

    fn located(&mut self) {
        let view = &self.s.site;
        let mut words: Vec<String> = [&view.city, &view.subdivision].into_iter().flatten().cloned().collect();
        words.dedup();
        words.extend(view.site.country.map(|country| country.to_string()));
        words.push(match view.place {
            Some(place) if view.by_country => format!("at {place} (the country's place; the database has no better)"),
            Some(place) => format!("at {place}"),
            None => "nowhere: no database knows a place, so the order in `pops:` decides".to_owned(),
        });
        self.item("located", &words.join(", "));
        if let Some(source) = &view.source {
            self.item("record", &format!("{} in {}", view.network, source_words(source)));
        }
        if view.site.asn != Site::default().asn {
            let source = view.asn_source.as_ref().filter(|_| view.asn_source != view.source);
            let from = source.map(|source| format!(" ({} in {})", view.asn_network, source_words(source)));
            self.item("network", &format!("AS{}{}", view.site.asn, from.unwrap_or_default()));
        }
    }

    fn health(&mut self) {
        let seen = match self.background.age {
            Some(age) => format!("as the running server saw it {} s ago", age.as_secs()),
            None => "not known (no server is running here), so every PoP counts as usable".to_owned(),
        };
        self.item("health", &seen);
        let assume = &self.question.assume;
        for (what, pops) in [("down", &assume.down), ("drained", &assume.drain), ("up", &assume.up)] {
            if !pops.is_empty() {
                self.item("assumed", &format!("{what}: {}", pops.join(", ")));
            }
        }
        self.panic(&self.s.panic, "too little is usable, so health is ignored");
        let words =
            "not begun; but a server where it did before goes on, as less than `resume` is usable (`--live` knows)";
        self.panic(&self.s.lingering, words);
    }

    fn panic(&mut self, tiers: &[Vec<usize>; 2], words: &str) {
        let list = |tiers: &[usize]| tiers.iter().map(|tier| (tier + 1).to_string()).collect::<Vec<_>>().join(", ");
        let [v4, v6] = tiers;
        let families = if v4 == v6 { vec![("A and AAAA", v4)] } else { vec![("A", v4), ("AAAA", v6)] };
        for (family, tiers) in families.into_iter().filter(|(_, tiers)| !tiers.is_empty()) {
            self.item("panic", &format!("in tier {} for {family}: {words}", list(tiers)));
        }
    }

    fn answers(&mut self) {
        for sent in &self.s.sent {
            let error = sent.error.map(|text| format!(", extended error `{text}`")).unwrap_or_default();
            let rtype = sent.rtype;
            let records =
                |list: &[Vec<u8>]| list.iter().map(|rdata| rdata::show(rtype, rdata)).collect::<Vec<_>>().join(", ");
            let words = match &sent.what {
                Said::Steered(_, list) => records(list),
                Said::Written(ttl, list) => format!("{} (TTL {ttl} s; as written at the name)", records(list)),
                Said::NoData => "NODATA, for every client".to_owned(),
                Said::Servfail => "SERVFAIL".to_owned(),
                Said::Elsewhere => "the name does not lead here for this type".to_owned(),
            };
            self.item(&rtype.to_string(), &format!("{words}{error}"));
        }
    }

    fn split(&mut self) {
        let Some(split) = &self.s.split else { return };
        let parts: Vec<_> = split
            .group
            .iter()
            .map(|part| format!("{} {:.1} % ±{:.1}", part.pop, part.percent, part.deviation))
            .collect();
        let over = match split.unit {
            Some(_) => format!(", over {} units", split.units),
            None => String::new(),
        };
        self.item("shared by", &format!("{}{over}", parts.join(", ")));
        let won = split.won.as_deref().unwrap_or("nobody");
        let dealt = match split.unit {
            Some(unit) => format!("{unit} falls to {won}, on every node and at every time"),
            None => format!("each query anew (`sticky: false`); this time {won}"),
        };
        self.item("dealt", &dealt);
    }

    fn scope(&mut self) {
        let s = self.s;
        let bound = s.reach.bound.words();
        let words = match s.key.from {
            KeySource::Subnet => format!("/{}, {bound}", s.scope),
            KeySource::Source if self.question.subnet.is_some() => "0, as the client subnet has length 0".to_owned(),
            KeySource::Source => "none, as there is no client subnet".to_owned(),
            KeySource::SourceForOff => "0, as the zone has `ecs: off`".to_owned(),
            KeySource::SourceForUnusable => format!("/{}, the unusable block's own", s.scope),
        };
        self.item("scope", &words);
        let [before, after] = &s.reach.neighbors;
        let beside = |neighbor: &Option<Neighbor>| match neighbor {
            Some(neighbor) => format!("{} – {}: {}", neighbor.first, neighbor.last, neighbor.gets),
            None => "the end of the address space".to_owned(),
        };
        self.item("  before", &beside(before));
        self.item("  range", &format!("{} – {}", s.reach.range.0, s.reach.range.1));
        self.item("  after", &beside(after));
        if let Some(mixed) = &s.reach.mixed {
            let parts: Vec<_> = mixed
                .parts
                .iter()
                .map(|(gets, permille)| format!("{:.1} % to {gets}", f64::from(*permille) / 10.0))
                .collect();
            let words = if parts.is_empty() {
                "more ranges than are walked; the first address decides".to_owned()
            } else {
                format!("{}. The home of most of it decides, whatever its health", parts.join("; "))
            };
            self.item("mixed", &words);
        }
    }

    fn flips(&mut self) {
        let serving = self.s.pops().first().map(|pop| (*pop).to_owned());
        if let (Some(serving), Some(then)) = (serving, &self.s.flips.if_it_fails) {
            self.item("if it fails", &format!("without {serving}: {then}"));
        }
        if let Some(flip) = &self.s.flips.by_cost {
            self.item("flips when", &flip.words());
        }
    }

    /// The table. Columns that say nothing of anyone are left out.
    fn candidates(&mut self, all: bool) {
        let list = &self.s.candidates;
        let last = list.iter().rposition(Candidate::is_chosen).map_or(0, |last| last + 1);
        let shown = if all { list.len() } else { (last + SHOWN.1).max(SHOWN.0).min(list.len()) };
        let any = |has: &dyn Fn(&Candidate) -> bool| list.iter().any(has);
        let part =
            |of: fn(&super::candidates::Parts) -> i64| any(&move |c: &Candidate| c.parts.is_some_and(|p| of(&p) != 0));
        let name = list.iter().take(shown).map(|c| c.pop.chars().count()).max().unwrap_or(0).clamp(3, 20);
        let measured = any(&|c| c.parts.is_some_and(|p| p.measured));
        let mut columns: Vec<(&str, usize, Cell)> = Vec::new();
        if self.s.tiers > 1 {
            columns.push(("tier", 4, |c| c.ranked.tier.map_or_else(dash, |tier| (tier + 1).to_string())));
        }
        columns.push(("km", 6, |c| c.kilometers.map_or_else(dash, |km| format!("{km:.0}"))));
        if any(&|c| c.parts.is_some()) {
            let sums = part(|p| p.bias) || part(|p| p.rule) || measured;
            if sums {
                columns.push(("base ms", 9, |c| c.parts.map_or_else(dash, |p| base(&p))));
            }
            if part(|p| p.bias) {
                columns.push(("bias", 8, |c| c.parts.map_or_else(dash, |p| signed(p.bias))));
            }
            if part(|p| p.rule) {
                columns.push(("rule", 8, |c| c.parts.map_or_else(dash, |p| signed(p.rule))));
            }
            columns.push(("cost ms", 9, |c| c.ranked.cost.map_or_else(dash, |us| format!("{:.3}", milliseconds(us)))));
        }
        if any(&|c| c.weight.is_some()) {
            columns.push(("weight", 7, |c| c.weight.map_or_else(dash, |weight| weight.to_string())));
        }
        if any(&|c| c.share.is_some()) {
            columns.push(("share", 7, |c| c.share.map_or_else(dash, |s| format!("{:.1} %", f64::from(s) / 10.0))));
        }
        let mut head = format!("\n  {:<5}{:<name$}", "", "PoP");
        for (title, width, _) in &columns {
            let _ = write!(head, " {title:>width$}");
        }
        let _ = write!(head, "  {:<8}{:<8}", "A", "AAAA");
        line(self.out, head.trim_end());
        for (index, c) in list.iter().enumerate().take(shown) {
            let mark = if c.is_chosen() { "→" } else { "" };
            let mut row = format!("  {:<3}{mark:<2}{:<name$}", index + 1, c.pop);
            for (_, width, cell) in &columns {
                let _ = write!(row, " {:>width$}", cell(c));
            }
            let _ = write!(row, "  {:<8}{:<8}", standing(c.facts.v4), standing(c.facts.v6));
            let words = c.words();
            let words = if words.is_empty() { c.city.clone().unwrap_or_default() } else { words };
            if row.chars().count() + words.chars().count() <= WIDTH {
                row.push_str(&words);
                line(self.out, row.trim_end());
            } else {
                line(self.out, row.trim_end());
                wrapped(self.out, "", INDENT - 4, &words);
            }
        }
        if shown < list.len() {
            line(self.out, &format!("  … and {} more (`--all`)", list.len() - shown));
        }
    }

    fn item(&mut self, label: &str, words: &str) {
        wrapped(self.out, label, INDENT, words);
    }
}

/// What a candidate has in a column.
type Cell = fn(&Candidate) -> String;

fn dash() -> String {
    "–".to_owned()
}

fn base(parts: &super::candidates::Parts) -> String {
    format!("{:.3}{}", milliseconds(parts.base), if parts.measured { "*" } else { "" })
}

fn signed(us: i64) -> String {
    if us == 0 { dash() } else { format!("{:+.3}", milliseconds(us)) }
}

fn links(out: &mut String, chain: &[super::Link]) {
    for link in chain {
        let words = format!("{} leads to {} by its {}", link.owner, link.target, link.by.word());
        wrapped(out, "alias", INDENT, &words);
    }
}

fn source_words(source: &Source) -> String {
    match source.built {
        0 => format!("{} ({})", source.path, source.kind),
        built => format!("{} ({}, built {})", source.path, source.kind, date(built)),
    }
}

/// How a PoP stands, in a word.
pub(super) fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Absent => "–",
        Standing::Unusable => "down",
        Standing::Suspect => "suspect",
        Standing::Usable => "usable",
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// A label and words after it, broken at spaces.
fn wrapped(out: &mut String, label: &str, indent: usize, words: &str) {
    let mut now = format!("  {label:<indent$}");
    let mut fresh = true;
    for word in words.split(' ') {
        if !fresh && now.chars().count() + 1 + word.chars().count() > WIDTH {
            line(out, &now);
            now = format!("  {:<indent$}", "");
            fresh = true;
        }
        if !fresh {
            now.push(' ');
        }
        now.push_str(word);
        fresh = false;
    }
    line(out, &now);
}

/// A time span in its largest whole unit: `40 s`, `3 min`, `5 h`, `2 d`.
pub(super) fn duration(span: Duration) -> String {
    match span.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7_200 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// The day of a moment in seconds since 1970, UTC.
pub(super) fn date(unix: u64) -> String {
    // Days to civil date, with years that begin in March (proleptic Gregorian).
    let days = unix / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{of_month:02}", era * 400 + year + next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        for (unix, day) in [(0, "1970-01-01"), (951_782_400, "2000-02-29"), (1_780_617_600, "2026-06-05")] {
            assert_eq!(date(unix), day);
        }
    }

    #[test]
    fn spans_in_their_largest_unit() {
        for (seconds, words) in [(7, "7 s"), (180, "3 min"), (18_000, "5 h"), (259_200, "3 d")] {
            assert_eq!(duration(Duration::from_secs(seconds)), words);
        }
    }
}
