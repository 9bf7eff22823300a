//! What was measured, as text, Markdown and JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::caches::Cached;
use super::failures::Outcome;
use super::nearest::{Nearest, Rate};
use super::same::Determinism;

/// What `scope-audit` found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes {
    /// Pairs of clients in one scope block.
    pub pairs: u64,
    /// Of these, told different things.
    pub violations: u64,
    /// Sibling blocks that were asked.
    pub siblings: u64,
    /// Of these, told the same, so that the scope could be shorter.
    pub not_minimal: u64,
}

/// Everything that was measured of a map.
#[derive(Clone, Debug)]
pub struct Report {
    /// The policy's name.
    pub policy: String,
    /// How many PoPs the service has.
    pub pops: usize,
    /// Who is nearest.
    pub nearest: Nearest,
    /// Failures.
    pub failures: Vec<Outcome>,
    /// Resolvers' caches, IPv4 and IPv6.
    pub caches: [Cached; 2],
    /// Whether answers are the same when they are decided again.
    pub same: Determinism,
    /// What `scope-audit` found, when it was run.
    pub scopes: Option<Scopes>,
}

/// A table for people.
#[derive(Clone, Debug)]
pub struct Table {
    title: &'static str,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these headings.
    pub fn new(title: &'static str, head: &[&str]) -> Self {
        Self { title, head: head.iter().map(|cell| (*cell).to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// In columns, the first to the left and the others to the right.
    pub fn text(&self) -> String {
        let columns = self.head.len();
        let all = || std::iter::once(&self.head).chain(&self.rows);
        let length = |cell: &String| cell.chars().count();
        let width = |column: usize| all().filter_map(|row| row.get(column)).map(length).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut out = format!("{}\n", self.title);
        for row in all() {
            let mut line = String::from(" ");
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                // Writing to a string cannot fail.
                let _ = if column == 0 { write!(line, " {cell:width$}") } else { write!(line, "  {cell:>width$}") };
            }
            let _ = writeln!(out, "{}", line.trim_end());
        }
        out
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let line = |row: &Vec<String>| format!("| {} |\n", row.join(" | "));
        let rule = format!("|---|{}\n", "---:|".repeat(self.head.len().saturating_sub(1)));
        format!("**{}**\n\n{}{rule}{}", self.title, line(&self.head), self.rows.iter().map(line).collect::<String>())
    }
}

/// A share of a whole; only all of it is 100 %.
pub fn percent(part: f64, all: f64) -> String {
    if all <= 0.0 {
        return "–".to_owned();
    }
    if part >= all {
        return "100 %".to_owned();
    }
    format!("{:.3} %", (part / all * 1e5).floor() / 1e3)
}

/// With separators of thousands.
pub fn count(number: impl Into<u128>) -> String {
    let digits = number.into().to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn km(km: f64) -> String {
    match km {
        0.0 => "0".to_owned(),
        km if km < 10.0 => format!("{km:.2}"),
        km => format!("{km:.0}"),
    }
}

/// Shares of addresses are exact.
#[expect(clippy::cast_precision_loss, reason = "at most 2^32 addresses, times the failures")]
fn float(count: u64) -> f64 {
    count as f64
}

impl Report {
    /// The tables, one after the other.
    pub fn tables(&mut self) -> Vec<Table> {
        let mut tables = vec![self.rates()];
        if let Some(scopes) = &self.scopes {
            tables.push(scopes.table());
        }
        tables.extend([self.entries(), self.outcomes(), self.again()]);
        tables
    }

    fn rates(&mut self) -> Table {
        let mut table = Table::new(
            "Clients who are sent to the nearest PoP",
            &[
                "weighed by",
                "whole address",
                "farther by km: mean",
                "max",
                "/24 or /56",
                "farther by km: mean",
                "p95",
                "p99",
                "max",
                "nearest PoP, mean km",
            ],
        );
        let (exact, subnet) = (self.nearest.exact.rows(), self.nearest.subnet.rows());
        for ((name, exact), (_, subnet)) in exact.into_iter().zip(subnet) {
            let (own, sent) = (exact.excess(), subnet.excess());
            table.row([
                name.to_owned(),
                percent(exact.right, exact.all),
                km(own.mean),
                km(own.max),
                percent(subnet.right, subnet.all),
                km(sent.mean),
                km(sent.p95),
                km(sent.p99),
                km(sent.max),
                km(exact.nearest_km()),
            ]);
        }
        table
    }

    fn entries(&self) -> Table {
        let mut table = Table::new("Entries in a resolver's cache", &["clients that asked", "IPv4", "IPv6"]);
        let [v4, v6] = &self.caches;
        let longest = v4.after.len().max(v6.after.len());
        for index in 0..longest {
            let (of4, of6) = (v4.after.get(index), v6.after.get(index));
            let clients = match (of4, of6) {
                (Some(a), Some(b)) if a.0 != b.0 => format!("{} and {}", count(a.0), count(b.0)),
                (Some(a), _) | (None, Some(a)) => count(a.0),
                (None, None) => continue,
            };
            let cell = |state: Option<&(u64, u64)>| state.map_or_else(|| "–".to_owned(), |state| count(state.1));
            table.row([clients, cell(of4), cell(of6)]);
        }
        table.row(["everybody".to_owned(), count(v4.all), count(v6.all)]);
        table.row(["live ranges".to_owned(), count(v4.ranges), count(v6.ranges)]);
        table
    }

    fn outcomes(&self) -> Table {
        let mut table = Table::new(
            "Failures",
            &[
                "down",
                "tried",
                "hurt clients at the nearest left",
                "max km beyond",
                "others who moved",
                "same after return",
            ],
        );
        for outcome in &self.failures {
            let returned = outcome.failures - outcome.changed_by_return.min(outcome.failures);
            table.row([
                outcome.what.to_owned(),
                count(outcome.failures),
                if outcome.hurt == 0 { "–".to_owned() } else { percent(float(outcome.right), float(outcome.hurt)) },
                km(outcome.max_km),
                count(outcome.moved),
                format!("{} of {}", count(returned), count(outcome.failures)),
            ]);
        }
        table
    }

    fn again(&self) -> Table {
        let mut table = Table::new("Decided again", &["how", "result"]);
        let Determinism { sites, different, restart, fingerprint } = self.same;
        table.row([
            "site by site, on one thread".to_owned(),
            format!("{} of {} differ", count(different), count(sites)),
        ]);
        let restart = if restart { "the same answers and scopes" } else { "other answers or scopes" };
        table.row(["after a restart from the cache".to_owned(), restart.to_owned()]);
        table.row(["fingerprint, for other machines".to_owned(), format!("{fingerprint:016x}")]);
        table
    }

    /// For a terminal.
    pub fn text(&mut self) -> String {
        let mut out = format!("policy {}, {} PoPs\n", self.policy, count(self.pops as u64));
        for table in self.tables() {
            let _ = write!(out, "\n{}", table.text());
        }
        for note in self.notes() {
            let _ = write!(out, "\n{note}\n");
        }
        out
    }

    /// What the tables leave out.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.nearest.unplaced > 0 {
            notes.push(format!("{} IPv4 addresses have no known place", count(self.nearest.unplaced)));
        }
        let space = &self.nearest.exact.space;
        if space.elsewhere > 0.0 {
            let share = percent(space.elsewhere, space.all);
            notes.push(format!("{share} of the clients are dealt among several PoPs by weight, or told none: nobody is nearest for them"));
        }
        notes
    }

    /// For a page.
    pub fn markdown(&mut self) -> String {
        let notes = self.notes().into_iter().map(|note| format!("{note}.\n"));
        let tables = self.tables();
        tables.iter().map(Table::markdown).chain(notes).collect::<Vec<_>>().join("\n")
    }

    /// For programs: shares 0 to 1, distances in kilometers.
    pub fn json(&mut self) -> Value {
        let rate = |rate: &mut Rate| {
            let excess = rate.excess();
            json!({
                "nearest": rate.share(), "dealt_or_nobody": rate.elsewhere, "weight": rate.all,
                "excess_km": {"mean": excess.mean, "p95": excess.p95, "p99": excess.p99, "max": excess.max},
                "nearest_km": rate.nearest_km(),
            })
        };
        let rates = |rates: &mut super::nearest::Rates| {
            let rows = rates.rows().map(|(name, row)| (name.to_owned(), rate(row)));
            Value::Object(rows.into_iter().collect())
        };
        let outcome = |o: &Outcome| {
            json!({
                "down": o.what, "tried": o.failures, "hurt_ipv4": o.hurt, "right_ipv4": o.right, "max_excess_km": o.max_km,
                "moved_ipv4": o.moved, "wrong_sites": o.wrong_sites, "changed_by_return": o.changed_by_return,
            })
        };
        let cached = |cached: &Cached| {
            let after = cached.after.iter().map(|(clients, entries)| json!({"clients": clients, "entries": entries}));
            // Above 2^64 only for families nobody knows anything of.
            let all = u64::try_from(cached.all).unwrap_or(u64::MAX);
            json!({"after": after.collect::<Vec<_>>(), "everybody": all, "live_ranges": cached.ranges})
        };
        let scopes = self.scopes.map(|s| {
            json!({"pairs": s.pairs, "violations": s.violations, "siblings": s.siblings, "not_minimal": s.not_minimal})
        });
        let (exact, subnet) = (rates(&mut self.nearest.exact), rates(&mut self.nearest.subnet));
        json!({
            "policy": self.policy,
            "pops": self.pops,
            "nearest": {"whole_address": exact, "subnet": subnet, "unplaced_ipv4": self.nearest.unplaced},
            "scopes": scopes,
            "caches": {"v4": cached(&self.caches[0]), "v6": cached(&self.caches[1])},
            "failures": self.failures.iter().map(outcome).collect::<Vec<_>>(),
            "again": {
                "sites": self.same.sites, "different": self.same.different, "restart_same": self.same.restart,
                "fingerprint": format!("{:016x}", self.same.fingerprint),
            },
        })
    }
}

impl Scopes {
    fn table(&self) -> Table {
        let mut table = Table::new("Scopes, asked packet by packet", &["what", "result"]);
        table.row([
            "clients of one scope block told different things".to_owned(),
            format!("{} of {} pairs", count(self.violations), count(self.pairs)),
        ]);
        table.row([
            "scopes that could be shorter".to_owned(),
            format!("{} of {} siblings", count(self.not_minimal), count(self.siblings)),
        ]);
        table
    }
}
