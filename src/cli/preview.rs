//! `catchment preview`: where clients would go if PoPs failed or were drained, and by what factor the others would grow.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::bail;
use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use super::Places;
use super::subject::{Assumptions, Found, Subject, WEIGHTS, amounts_json, credits, family, kilometers, percent, table};
use super::words::Page;
use crate::explain::Assume;
use crate::survey::{Amounts, Change, Flow, Ground, Server, Side};

/// Rows of a from-to table that are shown; JSON has all.
pub(super) const FLOWS: usize = 40;

#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(true).args(["down", "drain", "each"]))]
pub(super) struct PreviewArgs {
    #[command(flatten)]
    subject: Subject,
    #[command(flatten)]
    assumptions: Assumptions,
    /// Try every PoP of the service, one by one, down beside what is assumed
    #[arg(long)]
    each: bool,
    #[command(flatten)]
    places: Places,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &PreviewArgs) -> anyhow::Result<ExitCode> {
    let assumed = &args.assumptions;
    let (snapshot, loader, _) = super::explain::load(&args.places)?;
    let found = args.subject.find(&snapshot)?;
    let assume = assumed.assume(&snapshot)?;
    let side = |assume: &Assume| match Side::new(&snapshot, found.map, assume) {
        Some(side) => Ok(side),
        None => bail!("the map is gone"),
    };
    let well = side(&Assume::default())?;
    let credits = credits(&loader.databases.used);
    let ground = Ground::of(&well);
    let then = side(&assume)?;
    let head =
        Head { found: &found, side: &then, words: assumed.words(then.map), assumptions: assumed, credits: &credits };
    let mut out = io::stdout().lock();
    if !args.each {
        let change = Change::new(&well, &then, &ground);
        if args.json {
            writeln!(out, "{:#}", head.json(&change))?;
        } else {
            write!(out, "{}", head.text(&change))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut each = Vec::new();
    let terminal = io::stderr().is_terminal();
    for (index, pop) in then.pops().iter().enumerate() {
        if terminal {
            write!(io::stderr(), "\r{} of {} PoPs", index + 1, then.pops().len())?;
        }
        let mut assume = assume.clone();
        assume.down.push(pop.to_string());
        let without = side(&assume)?;
        each.push((Server::Pop(index as u16), Change::new(&then, &without, &ground)));
    }
    if terminal {
        write!(io::stderr(), "\r{:30}\r", "")?;
    }
    if args.json {
        writeln!(out, "{:#}", head.json_each(&each))?;
    } else {
        write!(out, "{}", head.text_each(&each))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is said before and after the figures.
struct Head<'a> {
    found: &'a Found,
    side: &'a Side<'a>,
    words: String,
    assumptions: &'a Assumptions,
    credits: &'a [String],
}

impl Head<'_> {
    fn line(&self) -> String {
        let map = self.side.map;
        format!("{}: service {}, policy {}; {}", self.found.title, map.service.name, map.policy.name, self.words)
    }

    fn foot(&self, out: &mut String) {
        let page = Page { width: 80, color: false };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "\n{}", page.wrap(WEIGHTS, 0));
        for credit in self.credits {
            let _ = writeln!(out, "\n{credit}");
        }
    }

    fn text(&self, change: &Change) -> String {
        let page = Page { width: 80, color: false };
        let mut out = format!("{}\n\n{}\n", page.wrap(&self.line(), 0), page.wrap(&summary(change), 0));
        let flows = flows(change);
        if !flows.is_empty() {
            let _ = write!(out, "\n{}", flow_table(change, &flows));
            let mut rows = vec![["PoP", "before", "after", "IPv4", "IPv6", "people"].map(str::to_owned).to_vec()];
            for (server, [before, after]) in growing(change) {
                let share = |amounts: &Amounts| percent(amounts.share_of(&change.total).v4);
                rows.push(vec![
                    change.name(server).to_owned(),
                    share(&before),
                    share(&after),
                    factor(before.v4, after.v4),
                    factor(before.v6, after.v6),
                    factor(before.people, after.people),
                ]);
            }
            if rows.len() > 1 {
                let _ = write!(out, "\nwho grows, by IPv4, and by what factor:\n\n{}", table(&rows, 1));
            }
        }
        self.foot(&mut out);
        out
    }

    fn text_each(&self, each: &[(Server, Change)]) -> String {
        let page = Page { width: 80, color: false };
        let mut out = format!("{}\n\neach PoP down, and where its clients go:\n\n", page.wrap(&self.line(), 0));
        let head = ["PoP", "to", "most grows", "IPv4", "IPv6", "people", "km", "after"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for (server, change) in each {
            let share = change.moved_share();
            let flows = flows(change);
            let part = |flow: &Flow| {
                let [moved, all] =
                    [&flow.amounts, &change.moved].map(|a| if change.moved.v4 > 0.0 { a.v4 } else { a.v6 });
                format!("{} {}", change.name(flow.to), percent(moved / all))
            };
            let mut to = flows.iter().take(2).map(part).collect::<Vec<_>>().join(", ");
            if flows.len() > 2 {
                to.push_str(", …");
            }
            let most = growing(change).into_iter().find(|(_, [before, _])| before.v4 > 0.0);
            let most =
                most.map(|(who, [before, after])| format!("{} {}", change.name(who), factor(before.v4, after.v4)));
            rows.push(vec![
                change.name(*server).to_owned(),
                to,
                most.unwrap_or_default(),
                percent(share.v4),
                percent(share.v6),
                percent(share.people),
                kilometers(change.moved_km.map(|km| km[0])),
                kilometers(change.moved_km.map(|km| km[1])),
            ]);
        }
        out.push_str(&table(&rows, 3));
        self.foot(&mut out);
        out
    }

    fn json(&self, change: &Change) -> Value {
        let mut value = change_json(change);
        self.put_into(&mut value);
        value["growth"] = growth_json(change);
        value
    }

    fn json_each(&self, each: &[(Server, Change)]) -> Value {
        let one = |(server, change): &(Server, Change)| {
            let mut value = change_json(change);
            value["pop"] = change.name(*server).into();
            value["growth"] = growth_json(change);
            value
        };
        let mut value = json!({"each": each.iter().map(one).collect::<Vec<_>>()});
        self.put_into(&mut value);
        value
    }

    fn put_into(&self, value: &mut Value) {
        value["name"] = self.found.title.as_str().into();
        value["service"] = self.side.map.service.name.as_str().into();
        value["policy"] = self.side.map.policy.name.as_str().into();
        value["type"] = family(self.side).into();
        value["assume"] = json!({"down": self.assumptions.down, "drain": self.assumptions.drain});
        value["credits"] = self.credits.into();
    }
}

/// Who moves, and how much farther, in a sentence.
pub(super) fn summary(change: &Change) -> String {
    let share = change.moved_share();
    if change.moved == Amounts::default() {
        return "nobody moves".to_owned();
    }
    let mut out = format!(
        "{} of IPv4, {} of IPv6 and {} of people move",
        percent(share.v4),
        percent(share.v6),
        percent(share.people)
    );
    // Writing to a string cannot fail.
    if let Some([before, after]) = change.moved_km {
        let _ = write!(out, ", from {} to {} km on average", kilometers(Some(before)), kilometers(Some(after)));
    }
    if let Some([before, after]) = change.km {
        let _ = write!(out, "; all clients: {} to {} km", kilometers(Some(before)), kilometers(Some(after)));
    }
    out
}

/// Who moves from whom to whom, the most first.
pub(super) fn flows(change: &Change) -> Vec<Flow> {
    let mut flows: Vec<_> = change.flows.iter().filter(|flow| flow.from != flow.to).copied().collect();
    flows.sort_by(|a, b| size(&b.amounts, change).total_cmp(&size(&a.amounts, change)));
    flows
}

/// By IPv4 addresses, or by records of IPv6 where there is no IPv4.
pub(super) fn size(amounts: &Amounts, change: &Change) -> f64 {
    if change.total.v4 > 0.0 { amounts.v4 } else { amounts.v6 }
}

/// From whom to whom, as many rows as fit.
pub(super) fn flow_table(change: &Change, flows: &[Flow]) -> String {
    let head = ["from", "to", "IPv4", "IPv6", "people", "km before", "after"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let shown = if flows.len() > FLOWS + 1 { FLOWS } else { flows.len() };
    for flow in &flows[..shown] {
        let share = flow.amounts.share_of(&change.total);
        rows.push(vec![
            change.name(flow.from).to_owned(),
            change.name(flow.to).to_owned(),
            percent(share.v4),
            percent(share.v6),
            percent(share.people),
            kilometers(flow.km.map(|km| km[0])),
            kilometers(flow.km.map(|km| km[1])),
        ]);
    }
    let mut out = table(&rows, 2);
    if shown < flows.len() {
        let mut rest = Amounts::default();
        flows[shown..].iter().for_each(|flow| rest += flow.amounts);
        // Writing to a string cannot fail.
        let share = rest.share_of(&change.total);
        let _ = writeln!(out, "… and {} more, {} of IPv4", flows.len() - shown, percent(share.v4));
    }
    out
}

/// Servers with more clients after than before, by the factor, then by how many.
fn growing(change: &Change) -> Vec<(Server, [Amounts; 2])> {
    let mut servers: Vec<Server> = change.flows.iter().flat_map(|flow| [flow.from, flow.to]).collect();
    servers.sort_unstable();
    servers.dedup();
    let clients = servers.into_iter().map(|server| (server, change.clients(server)));
    let mut list: Vec<_> = clients.filter(|(_, [before, after])| size(after, change) > size(before, change)).collect();
    let growth = |[before, after]: &[Amounts; 2]| size(after, change) / size(before, change);
    list.sort_by(|a, b| growth(&b.1).total_cmp(&growth(&a.1)));
    list
}

/// `× 1.25`; `new` where there was nothing, `×  1` written as such.
fn factor(before: f64, after: f64) -> String {
    if before > 0.0 {
        format!("× {:.2}", after / before)
    } else if after > 0.0 {
        "new".to_owned()
    } else {
        "–".to_owned()
    }
}

fn growth_json(change: &Change) -> Value {
    let ratio = |before: f64, after: f64| (before > 0.0).then(|| after / before);
    let one = |(server, [before, after]): (Server, [Amounts; 2])| {
        json!({
            "pop": change.name(server),
            "before": amounts_json(&before, &change.total),
            "after": amounts_json(&after, &change.total),
            "ipv4_factor": ratio(before.v4, after.v4),
            "ipv6_factor": ratio(before.v6, after.v6),
            "people_factor": ratio(before.people, after.people),
        })
    };
    growing(change).into_iter().map(one).collect()
}

/// All figures of a change.
pub(super) fn change_json(change: &Change) -> Value {
    let both = |km: Option<[f64; 2]>| km.map(|[before, after]| json!({"before": before, "after": after}));
    let flow = |flow: &Flow| {
        let mut value = amounts_json(&flow.amounts, &change.total);
        value["from"] = change.name(flow.from).into();
        value["to"] = change.name(flow.to).into();
        value["km"] = both(flow.km).into();
        value
    };
    let country = |country: &crate::survey::CountryChange| {
        json!({
            "country": country.country.map(|c| c.to_string()),
            "total": amounts_json(&country.total, &change.total),
            "moved": amounts_json(&country.moved, &country.total),
            "km": both(country.km),
        })
    };
    let moved = change.countries.iter().filter(|country| country.moved != Amounts::default());
    json!({
        "total": amounts_json(&change.total, &change.total),
        "moved": amounts_json(&change.moved, &change.total),
        "km": both(change.km),
        "moved_km": both(change.moved_km),
        "flows": flows(change).iter().map(flow).collect::<Vec<_>>(),
        "countries": moved.map(country).collect::<Vec<_>>(),
    })
}
