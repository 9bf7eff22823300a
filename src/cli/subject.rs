//! What `map`, `preview` and `diff` have in common: which map, under which assumptions, and how figures are shown.

use std::fmt::Write as _;

use anyhow::bail;
use clap::Args;
use serde_json::{Value, json};

use crate::explain::{Assume, Explained, Question, explain, steer_of};
use crate::live::{Map, MapId};
use crate::reload::databases::Used;
use crate::snapshot::Snapshot;
use crate::steering::Family;
use crate::survey::{Amounts, Entries, Side};

/// Which steered answers a command is about.
#[derive(Clone, Debug, Args)]
pub(super) struct Subject {
    /// The steered name, or one that leads there
    #[arg(required_unless_present = "service")]
    name: Option<String>,
    /// Instead of a name: the service that is steered …
    #[arg(long, conflicts_with = "name")]
    service: Option<String>,
    /// … and the policy, where several steer it
    #[arg(long, requires = "service")]
    policy: Option<String>,
}

/// What is assumed of PoPs. Nothing else is: what a server beside us has measured plays no part.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Assumptions {
    /// Assume these PoPs to be down (`fra`), or a service there (`web@fra`)
    #[arg(long, value_name = "POP", value_delimiter = ',')]
    pub(super) down: Vec<String>,
    /// Assume these PoPs to be drained
    #[arg(long, value_name = "POP", value_delimiter = ',')]
    pub(super) drain: Vec<String>,
}

impl Assumptions {
    /// As the explainer takes them. Whether there are such PoPs is checked.
    pub(super) fn assume(&self, snapshot: &Snapshot) -> anyhow::Result<Assume> {
        let assume = Assume { down: self.down.clone(), drain: self.drain.clone(), up: Vec::new() };
        super::explain::check_names(&assume, snapshot)?;
        Ok(assume)
    }

    /// `all PoPs up`, `fra down`, `fra, lhr down, ams drained`, `sin drained by the files`.
    pub(super) fn words(&self, map: &Map) -> String {
        let list = |pops: &[String], what: &str| (!pops.is_empty()).then(|| format!("{} {what}", pops.join(", ")));
        let by_files: Vec<String> = map
            .pops
            .iter()
            .zip(&map.drained)
            .filter(|(_, drained)| **drained)
            .map(|(pop, _)| pop.to_string())
            .collect();
        let lists = [list(&self.down, "down"), list(&self.drain, "drained"), list(&by_files, "drained by the files")];
        let words: Vec<_> = lists.into_iter().flatten().collect();
        if words.is_empty() { "all PoPs up".to_owned() } else { words.join(", ") }
    }
}

/// A map that was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) map: MapId,
    /// What was asked for: the name, or the service.
    pub(super) title: String,
}

impl Subject {
    /// Finds the map.
    pub(super) fn find(&self, snapshot: &Snapshot) -> anyhow::Result<Found> {
        if let Some(name) = &self.name {
            let name = super::explain::name(name)?;
            let Some(steer) = steer_of(snapshot, &name) else { bail!("{}", not_steered(snapshot, name)) };
            return Ok(Found { map: steer.map, title: name.to_string().trim_end_matches('.').to_owned() });
        }
        let service = self.service.as_deref().unwrap_or_default();
        let maps = || snapshot.maps.iter().enumerate().filter(|(_, map)| map.service.name == service);
        let fits = |policy: &str| self.policy.as_deref().is_none_or(|wanted| wanted == policy);
        let mut found = maps().filter(|(_, map)| fits(&map.policy.name));
        let Some((id, map)) = found.next() else {
            let mut known: Vec<_> = match maps().next() {
                Some(_) => maps().map(|(_, map)| map.policy.name.as_str()).collect(),
                None => snapshot.maps.iter().map(|map| map.service.name.as_str()).collect(),
            };
            known.sort_unstable();
            known.dedup();
            match (&self.policy, maps().next()) {
                (Some(policy), Some(_)) => {
                    bail!("`{service}` is not steered by a policy `{policy}`; it is by {}", known.join(", "))
                }
                _ => bail!("there is no steered service `{service}`; there are {}", known.join(", ")),
            }
        };
        if let Some((_, other)) = found.find(|(_, other)| other.policy.name != map.policy.name) {
            bail!(
                "`{service}` is steered by several policies, `{}` and `{}` among them; say which with `--policy`",
                map.policy.name,
                other.policy.name
            );
        }
        Ok(Found { map: MapId(id as u32), title: service.to_owned() })
    }
}

fn not_steered(snapshot: &Snapshot, name: crate::dns::Name) -> String {
    let words = format!("`{name}`");
    let source = [127, 0, 0, 1].into();
    let question = Question { name, source, subnet: None, assume: Assume::default() };
    match explain(snapshot, &snapshot.live(), &question) {
        Explained::NotHosted => format!("no zone here holds {words}"),
        Explained::NotLoaded(zone) => format!("zone `{zone}` could not be loaded"),
        Explained::Static { what, .. } => format!("{words} is not steered: {what}"),
        Explained::Steered(steered) => format!("{words} leads to `{}`", steered.name),
    }
}

/// A table: the first row is its head, the first `left` columns stand to the left and the others to the right.
pub(super) fn table(rows: &[Vec<String>], left: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let gap = if column == 0 { "" } else { "  " };
            // Writing to a string cannot fail.
            let _ =
                if column < left { write!(line, "{gap}{cell:width$}") } else { write!(line, "{gap}{cell:>width$}") };
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// A share of 1 as percent: `12.3 %`, `<0.1 %`, `0 %`.
pub(super) fn percent(share: f64) -> String {
    if share <= 0.0 {
        "0 %".to_owned()
    } else if share < 0.0005 {
        "<0.1 %".to_owned()
    } else if share >= 1.0 {
        "100 %".to_owned()
    } else {
        // What is not all does not look like all.
        format!("{:.1} %", (share * 100.0).min(99.9))
    }
}

/// Kilometers, or a dash.
pub(super) fn kilometers(km: Option<f64>) -> String {
    km.map_or_else(|| "–".to_owned(), |km| grouped(km.round()))
}

/// A number with its thousands set apart: `12,345`.
pub(super) fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |digits| ("-", digits));
    let mut out = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A large number in words: `83.5 million`.
pub(super) fn large(number: f64) -> String {
    match number {
        n if n >= 1e15 => format!("{n:.1e}"),
        n if n >= 1e12 => format!("{:.2} trillion", n / 1e12),
        n if n >= 1e9 => format!("{:.2} billion", n / 1e9),
        n if n >= 1e6 => format!("{:.1} million", n / 1e6),
        n => grouped(n),
    }
}

/// What the columns count.
pub(super) const WEIGHTS: &str = "IPv4 by address; IPv6 by record of the database (its addresses say nothing of clients); people: \
                                  each country's population spread over its IPv4 addresses. km: great circle, by IPv4.";

/// What the licences of databases ask for, each once.
pub(super) fn credits(used: &[Used]) -> Vec<String> {
    let mut credits: Vec<String> = used.iter().filter_map(|used| used.credit.clone()).collect();
    credits.sort_unstable();
    credits.dedup();
    credits
}

/// Amounts as JSON, with their shares of all.
pub(super) fn amounts_json(amounts: &Amounts, all: &Amounts) -> Value {
    let share = amounts.share_of(all);
    json!({
        "ipv4_addresses": amounts.v4,
        "ipv4_share": share.v4,
        "ipv4_records": amounts.v4_records,
        "ipv6_records": amounts.v6,
        "ipv6_share": share.v6,
        "people": amounts.people.round(),
        "people_share": share.people,
    })
}

/// What one side costs the caches of resolvers, IPv4 and IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caches(pub(super) [Entries; 2]);

impl Caches {
    pub(super) fn of(side: &Side<'_>) -> Self {
        Self([Entries::of::<u32>(side), Entries::of::<u128>(side)])
    }

    pub(super) fn text(self) -> String {
        let [v4, v6] = self.0.map(|e| (large(float(e.ranges.into())), large(float(e.blocks))));
        format!(
            "resolvers' caches: at most {} blocks of IPv4 and {} of IPv6 (live ranges: {} and {})",
            v4.1, v6.1, v4.0, v6.0
        )
    }

    pub(super) fn json(self) -> Value {
        let [v4, v6] = self.0.map(|e| json!({"live_ranges": e.ranges, "blocks": float(e.blocks)}));
        json!({"ipv4": v4, "ipv6": v6})
    }
}

/// Counts for people.
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(super) fn float(count: u128) -> f64 {
    count as f64
}

/// `A` or `AAAA`.
pub(super) fn family(side: &Side<'_>) -> &'static str {
    match side.family {
        Family::V4 => "A",
        Family::V6 => "AAAA",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_do_not_round_to_all_or_nothing() {
        let shares = [0.0, 0.0001, 0.0005, 0.1234, 0.9999, 1.0];
        assert_eq!(shares.map(percent), ["0 %", "<0.1 %", "0.1 %", "12.3 %", "99.9 %", "100 %"]);
        assert_eq!(
            [0.0, 999.0, 1000.0, 1_234_567.0, -4321.0].map(grouped),
            ["0", "999", "1,000", "1,234,567", "-4,321"]
        );
        assert_eq!([12.0, 2e6, 3.7e9, 2e30].map(large), ["12", "2.0 million", "3.70 billion", "2.0e30"]);
    }

    #[test]
    fn tables_are_aligned() {
        let rows = [["PoP", "km"], ["fra", "1,000"], ["ä", "7"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows, 1), "PoP     km\nfra  1,000\nä        7\n");
    }
}
