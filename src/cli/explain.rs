//! `catchment explain`: why a client is sent where it is sent.

use std::io::{self, Write};
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;

use super::{Places, reader};
use crate::daemon::{overrides_kept, remembered};
use crate::dns::Name;
use crate::explain::{Assume, CandidateView, Explained, KeySource, Question, Steered, explain};
use crate::health::Known;
use crate::net::Block;
use crate::reload::Now;
use crate::steering::Standing;

#[derive(Clone, Debug, Args)]
pub(super) struct ExplainArgs {
    /// The name that is asked for
    name: String,
    /// The packet's source: the client, or its resolver [default: the address of the subnet, or 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    client: Option<IpAddr>,
    /// The client subnet, as in `dig +subnet=`
    #[arg(long, value_name = "ADDRESS/LENGTH")]
    subnet: Option<String>,
    /// Assume PoPs to be otherwise: `down=fra`, `drain=ams`; several with commas, or given again
    #[arg(long, value_name = "WHAT=POP", value_delimiter = ',')]
    assume: Vec<String>,
    #[command(flatten)]
    places: Places,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let question = question(args)?;
    let settings = args.places.settings()?;
    let health = settings.state.join("health.json");
    // Reads the cache of the site table where a server has left one, and writes nothing.
    let mut loader = reader(&settings);
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let mut seen = None;
    let loaded = loader.load(Now { unix, monotonic: 0 }, false, &mut |_, targets| {
        let known = remembered::read(&health, targets);
        seen = known.as_ref().map(|(_, age)| *age);
        let (overrides, now_ms) = overrides_kept(&settings.state);
        Known { overrides, now_ms, ..Known::of(known.map(|(states, _)| states).unwrap_or_default()) }
    });
    if loaded.findings.diagnostics.has_errors() {
        writeln!(
            io::stderr(),
            "{}\nsome files are not usable as they are; see `catchment check`",
            loaded.findings.diagnostics
        )?;
    }
    let Some(snapshot) = &loaded.snapshot else { bail!("nothing could be loaded") };
    for name in question.assume.down.iter().chain(&question.assume.drain) {
        if !snapshot.pops.iter().any(|pop| pop.name == *name) {
            let names: Vec<_> = snapshot.pops.iter().map(|pop| pop.name.as_str()).collect();
            bail!("there is no PoP `{name}`; there are {}", names.join(", "));
        }
    }
    let explained = explain(snapshot, &snapshot.live(), &question);
    let mut out = io::stdout().lock();
    let credits: Vec<_> = loader.databases.used.iter().filter_map(|used| used.credit.clone()).collect();
    match &explained {
        Explained::NotHosted => writeln!(out, "{}: no zone here holds this name: REFUSED", question.name)?,
        Explained::NotLoaded(zone) => writeln!(out, "{}: zone `{zone}` is not loaded: SERVFAIL", question.name)?,
        Explained::Static { zone, what } => {
            writeln!(out, "{}: {what} in zone `{zone}`; the same for every client, scope 0", question.name)?;
        }
        Explained::Steered(steered) if args.json => writeln!(out, "{:#}", to_json(steered, seen, &credits))?,
        Explained::Steered(steered) => {
            print(&mut out, &question, steered, seen)?;
            for credit in credits {
                writeln!(out, "\n{credit}")?;
            }
        }
    }
    let good = matches!(&explained, Explained::Steered(steered) if steered.agrees)
        || matches!(explained, Explained::Static { .. });
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn question(args: &ExplainArgs) -> anyhow::Result<Question> {
    let name = format!("{}.", args.name.trim_end_matches('.'));
    let name = Name::parse(&name, None).map_err(|error| anyhow::anyhow!("`{}` is not a name: {error}", args.name))?;
    let subnet = match &args.subnet {
        None => None,
        Some(text) => {
            let block = Block::parse(text).map_err(anyhow::Error::msg).context("--subnet")?;
            Some((block.address(), block.length()))
        }
    };
    let source = args.client.or(subnet.map(|(address, _)| address)).unwrap_or(IpAddr::from([127, 0, 0, 1]));
    let mut assume = Assume::default();
    for word in &args.assume {
        match word.split_once('=') {
            Some(("down", pop)) => assume.down.push(pop.to_owned()),
            Some(("drain", pop)) => assume.drain.push(pop.to_owned()),
            _ => bail!("`{word}` is not understood; accepted are `down=POP` and `drain=POP`"),
        }
    }
    Ok(Question { name, source, subnet, assume })
}

fn print(out: &mut impl Write, question: &Question, s: &Steered, seen: Option<Duration>) -> io::Result<()> {
    let list: Vec<_> = s.addresses.iter().map(ToString::to_string).collect();
    writeln!(out, "{} → {}: {}", question.name, s.pops().join(", "), list.join(" "))?;
    for link in s.chain.windows(2) {
        writeln!(out, "  alias      {} is an alias of {}", link[0], link[1])?;
    }
    writeln!(out, "  service    {} by policy {}, in zone {}", s.service, s.policy, s.zone)?;
    writeln!(out, "  decided by {} {}", s.key.block, key_words(s.key.from))?;
    writeln!(out, "  located    {}", place_words(s))?;
    writeln!(out, "  TTL        {} s, {}", s.ttl, s.ttl_reason())?;
    let (first, last) = s.range;
    let scope = match s.key.from {
        KeySource::Subnet => format!("/{}", s.scope),
        KeySource::Source if question.subnet.is_some() => "0, as the client subnet has length 0".to_owned(),
        KeySource::Source => "none, as there is no client subnet".to_owned(),
        KeySource::SourceForOff => "0, as the zone has `ecs: off`".to_owned(),
        KeySource::SourceForUnusable => format!("/{}, the unusable block's own", s.scope),
    };
    writeln!(out, "  scope      {scope}; told the same around it: {first} – {last}")?;
    let health = match seen {
        Some(age) => format!("as the running server saw it {} s ago", age.as_secs()),
        None => "not known (no server is running here), so every PoP counts as usable".to_owned(),
    };
    writeln!(out, "  health     {health}")?;
    let assume = [("down", &question.assume.down), ("drained", &question.assume.drain)];
    for (what, pops) in assume.into_iter().filter(|(_, pops)| !pops.is_empty()) {
        writeln!(out, "  assumed    {what}: {}", pops.join(", "))?;
    }
    if !s.agrees {
        writeln!(out, "  DEFECT     the live tables give another answer than this decision; please report this")?;
    }
    writeln!(out, "\n  {:<4}{:<12}{:>9}{:>10}  {:<10}AAAA", "", "PoP", "km", "cost ms", "A")?;
    for (index, c) in s.candidates.iter().enumerate() {
        let number = |n: Option<f64>, digits| n.map_or_else(|| "–".to_owned(), |n| format!("{n:.digits$}"));
        let chosen = if c.chosen_v4.is_some() || c.chosen_v6.is_some() { "→" } else { "" };
        writeln!(
            out,
            "  {:<2}{chosen:<2}{:<12}{:>9}{:>10}  {:<10}{:<10}{}",
            index + 1,
            c.pop,
            number(c.kilometers, 0),
            number(c.cost_us.map(milliseconds), 3),
            standing(c.facts.v4),
            standing(c.facts.v6),
            remark(c),
        )?;
    }
    Ok(())
}

fn key_words(from: KeySource) -> &'static str {
    match from {
        KeySource::Subnet => "(the client subnet)",
        KeySource::Source => "(the packet's source; no client subnet)",
        KeySource::SourceForOff => "(the packet's source, as the zone has `ecs: off`)",
        KeySource::SourceForUnusable => "(the packet's source, as the client subnet says nothing of a place)",
    }
}

fn place_words(s: &Steered) -> String {
    let view = &s.site;
    let mut words: Vec<String> = [&view.city, &view.subdivision].into_iter().flatten().cloned().collect();
    words.extend(view.site.country.map(|country| country.to_string()));
    if view.site.asn != 0 {
        words.push(format!("AS{}", view.site.asn));
    }
    let place = match view.place {
        Some(place) if view.by_country => format!("at {place} (the country's place; the database has no better)"),
        Some(place) => format!("at {place}"),
        None => "nowhere: no database knows a place, so the order in `pops:` decides".to_owned(),
    };
    words.push(place);
    if view.majority {
        words.push("(the block is mixed; this is where most of it is)".to_owned());
    }
    words.join(", ")
}

/// Costs are far below what an `f64` holds exactly.
#[expect(clippy::cast_precision_loss, reason = "for people")]
fn milliseconds(microseconds: i64) -> f64 {
    microseconds as f64 / 1000.0
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Absent => "–",
        Standing::Unusable => "down",
        Standing::Suspect => "suspect",
        Standing::Usable => "usable",
    }
}

fn remark(c: &CandidateView) -> String {
    let mut words = Vec::new();
    if c.facts.forced_down {
        words.push("down by override".to_owned());
    }
    if c.facts.drained {
        words.push("drained".to_owned());
    }
    words.extend(c.city.clone());
    words.join(", ")
}

fn to_json(s: &Steered, seen: Option<Duration>, credits: &[String]) -> serde_json::Value {
    let candidate = |c: &CandidateView| {
        json!({
            "pop": c.pop,
            "kilometers": c.kilometers.map(f64::round),
            "cost_us": c.cost_us,
            "a": standing(c.facts.v4),
            "aaaa": standing(c.facts.v6),
            "drained": c.facts.drained,
            "forced_down": c.facts.forced_down,
            "chosen": c.chosen_v4.is_some() || c.chosen_v6.is_some(),
        })
    };
    json!({
        "zone": s.zone.to_string(),
        "chain": s.chain.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "service": s.service,
        "policy": s.policy,
        "key": {
            "block": s.key.block.to_string(),
            "from": match s.key.from {
                KeySource::Subnet => "subnet",
                KeySource::Source => "source",
                KeySource::SourceForOff => "source-for-ecs-off",
                KeySource::SourceForUnusable => "source-for-unusable-subnet",
            },
        },
        "site": {
            "latitude": s.site.place.map(crate::geo::Place::latitude),
            "longitude": s.site.place.map(crate::geo::Place::longitude),
            "by_country": s.site.by_country,
            "country": s.site.site.country.map(|c| c.to_string()),
            "subdivision": s.site.subdivision,
            "city": s.site.city,
            "asn": s.site.site.asn,
            "majority_of_mixed_block": s.site.majority,
        },
        "pops": s.pops(),
        "addresses": s.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "ttl": s.ttl,
        "ttl_reason": s.ttl_reason(),
        "fail_open": s.answer.fail_open(),
        "scope": s.scope,
        "range": [s.range.0.to_string(), s.range.1.to_string()],
        "health_age_seconds": seen.map(|age| age.as_secs()),
        "agrees_with_live": s.agrees,
        "candidates": s.candidates.iter().map(candidate).collect::<Vec<_>>(),
        "credits": credits,
    })
}
