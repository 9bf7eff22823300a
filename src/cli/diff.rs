//! `catchment diff`: what an edit of zone files, or another database, does to clients; and to everybody alike.

mod names;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::bail;
use clap::Args;
use serde_json::{Value, json};

use self::names::Names;
use super::preview::{change_json, flow_table, flows, summary};
use super::settings_at;
use super::subject::{Assumptions, Caches, WEIGHTS, credits, float, kilometers, large, percent, table};
use super::words::Page;
use crate::daemon::{overrides_kept, remembered};
use crate::health::{Known, Target};
use crate::live::MapId;
use crate::reload::{Limits, Loader, Now, Options, Wish};
use crate::snapshot::{Identity, Snapshot};
use crate::survey::{Amounts, Change, CountryChange, Ground, Side};

/// Countries that are shown of each change; JSON has all.
const COUNTRIES: usize = 20;
/// Names and records that are shown of each kind; JSON has all.
const SHOWN: usize = 20;

#[derive(Clone, Debug, Args)]
pub(super) struct DiffArgs {
    /// Directory of zone and fleet files before, and after; may be the same, to compare databases. With `--live` the one after
    /// alone
    #[arg(value_name = "OLD NEW", num_args = 1..=2, required = true)]
    zones: Vec<PathBuf>,
    /// Before is what the server here serves now: the files it accepted, with the health and the orders that hold
    #[arg(long)]
    live: bool,
    /// Directory of databases, or a database, for both; may be given again [default: as in the settings, geodb]
    #[arg(long, value_name = "PATH")]
    geodb: Vec<PathBuf>,
    /// The same for the old files alone
    #[arg(long, value_name = "PATH")]
    geodb_old: Vec<PathBuf>,
    /// The same for the new files alone
    #[arg(long, value_name = "PATH")]
    geodb_new: Vec<PathBuf>,
    #[command(flatten)]
    assumptions: Assumptions,
    /// Exit with 1 if a larger share than this of IPv4, of IPv6 or of people moves at any name: `5%`
    #[arg(long, value_name = "PERCENT", value_parser = share)]
    max_move: Option<f64>,
    /// Settings file [default: catchment.yaml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// With `--live`: the server's directory of what survives a restart [default: state]
    #[arg(long, value_name = "DIR", requires = "live")]
    state: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').trim_end();
    match number.parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err(format!("`{text}` is not a share from 0% to 100%")),
    }
}

pub(super) fn run(args: &DiffArgs) -> anyhow::Result<ExitCode> {
    let settings = settings_at(args.config.as_deref())?;
    let state = args.state.as_ref().unwrap_or(&settings.state);
    // What a server measures is the same for both, by what is probed.
    let known = |targets: &[Target]| -> Option<Known> {
        let (states, _) = remembered::read(&state.join("health.json"), targets)?;
        let (overrides, now_ms) = overrides_kept(state);
        Some(Known { overrides, now_ms, ..Known::of(states) })
    };
    let databases = |own: &[PathBuf]| match (own, args.geodb.as_slice()) {
        ([], []) => settings.geodb.clone(),
        ([], both) => both.to_vec(),
        (own, _) => own.to_vec(),
    };
    let load = |zones: &Path, geodb: Vec<PathBuf>, before: Option<Loader>, served: bool| {
        let options = Options {
            zones: zones.to_owned(),
            geodb,
            state: served.then(|| state.clone()),
            grace: settings.vanish_grace,
            identity: Identity::default(),
            limits: Limits::default(),
        };
        let same = before.filter(|before| before.databases.is_of(&options.geodb));
        // What is served may be the last good version of a file, and its database is in the cache.
        let mut loader = if served { Loader::read_only(options) } else { Loader::forgetful(options) };
        if let Some(same) = same {
            // The databases are read once, and the two tables are one.
            loader.databases = same.databases;
        }
        loader.generation.allow_probes(&settings.probes);
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let mut unheard = false;
        let loaded = loader.load(Now { unix, monotonic: 0 }, Wish::default(), &mut |_, targets| {
            let known = if args.live { known(targets) } else { None };
            unheard |= args.live && known.is_none();
            known.unwrap_or_default()
        });
        if unheard {
            bail!("no server runs here: {} is missing or old", state.join("health.json").display());
        }
        if !served && loaded.findings.diagnostics.has_errors() {
            bail!("{}\n{} is not usable; see `catchment check`", loaded.findings.diagnostics, zones.display());
        }
        if let Some(error) = loaded.database.errors.first() {
            bail!("{error}");
        }
        let Some(snapshot) = loaded.snapshot else { bail!("{}: nothing could be loaded", zones.display()) };
        Ok((snapshot, loader))
    };
    let health = if args.live { Health::AsMeasured } else { Health::Unknown };
    let (before, after) = match (args.zones.as_slice(), args.live) {
        ([after], true) => (settings.zones.as_path(), after.as_path()),
        ([before, after], false) => (before.as_path(), after.as_path()),
        ([_], _) => bail!("two directories are compared, or one with `--live`"),
        (_, _) => bail!("with `--live` one directory is compared with what is served"),
    };
    let (old, loader) = load(before, databases(&args.geodb_old), None, args.live)?;
    let mut used: Vec<_> = loader.databases.used.clone();
    let old_names = Names::of(&old, &loader.generation);
    let (new, loader) = load(after, databases(&args.geodb_new), Some(loader), false)?;
    let new_names = Names::of(&new, &loader.generation);
    used.extend(loader.databases.used.iter().cloned());
    let credits = credits(&used);

    let diff = Diff::new((&old, &old_names), (&new, &new_names), &args.assumptions, health)?;
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{:#}", diff.json(args, &credits))?;
    } else {
        write!(out, "{}", diff.text(args, &credits))?;
    }
    let most = diff.most();
    Ok(if args.max_move.is_some_and(|max| most > max) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What is taken for the health of PoPs.
#[derive(Clone, Copy, Debug)]
enum Health {
    /// Everything up but for what is assumed.
    Unknown,
    /// What a server here knows, the operator's orders included.
    AsMeasured,
}

impl Health {
    fn side<'s>(self, snapshot: &'s Snapshot, map: MapId, assume: &crate::explain::Assume) -> Option<Side<'s>> {
        match self {
            Self::Unknown => Side::new(snapshot, map, assume),
            Self::AsMeasured => Side::now(snapshot, &snapshot.live(), map, assume),
        }
    }
}

/// Everything that differs.
struct Diff {
    /// What is the same for all clients.
    written: names::Written,
    /// Steered names with the same maps before and after are one.
    steered: Vec<Steered>,
}

/// Steered names that go the same ways.
struct Steered {
    names: Vec<String>,
    /// Service and policy before and after.
    by: [String; 2],
    change: Change,
    caches: [Caches; 2],
    /// What its PoPs answer with, in words, where that differs.
    pops: Vec<String>,
}

impl Diff {
    fn new(
        (old, old_names): (&Arc<Snapshot>, &Names),
        (new, new_names): (&Arc<Snapshot>, &Names),
        assumptions: &Assumptions,
        health: Health,
    ) -> anyhow::Result<Self> {
        let written = names::Written::between(old_names, new_names);
        let mut pairs = BTreeMap::<(u32, u32), Vec<String>>::new();
        for (name, MapId(before)) in &old_names.steered {
            if let Some(MapId(after)) = new_names.steered.get(name) {
                pairs.entry((*before, *after)).or_default().push(names::shown(name));
            }
        }
        // A PoP that only one of the two has may be assumed to be down.
        let assume =
            crate::explain::Assume { down: assumptions.down.clone(), drain: assumptions.drain.clone(), up: Vec::new() };
        if let Some(pop) = assume
            .pops()
            .find(|pop| ![old, new].into_iter().any(|snapshot| snapshot.pops.iter().any(|other| other.name == **pop)))
        {
            bail!("there is no PoP `{pop}` before or after");
        }
        let mut steered = Vec::new();
        for ((before, after), names) in pairs {
            let (Some(was), Some(is)) =
                (health.side(old, MapId(before), &assume), health.side(new, MapId(after), &assume))
            else {
                continue;
            };
            let change = Change::new(&was, &is, &Ground::between(&was, &is));
            let caches = [Caches::of(&was), Caches::of(&is)];
            let by =
                [&was, &is].map(|side| format!("service {}, policy {}", side.map.service.name, side.map.policy.name));
            let pops = names::service_changes(&was, &is);
            steered.push(Steered { names, by, change, caches, pops });
        }
        steered.sort_by(|a, b| b.most().total_cmp(&a.most()).then_with(|| a.names.cmp(&b.names)));
        Ok(Self { written, steered })
    }

    /// The largest share that moves at any name.
    fn most(&self) -> f64 {
        self.steered.iter().map(Steered::most).fold(0.0, f64::max)
    }

    fn text(&self, args: &DiffArgs, credits: &[String]) -> String {
        let page = Page { width: 80, color: false };
        let mut out = self.written.text(SHOWN);
        let (changed, same): (Vec<&Steered>, Vec<&Steered>) = self.steered.iter().partition(|one| one.differs());
        for steered in &changed {
            out.push_str(&steered.text(page));
            out.push('\n');
        }
        let same: usize = same.iter().map(|steered| steered.names.len()).sum();
        // Writing to a string cannot fail.
        if same > 0 {
            let names = if same == 1 { "name stays as it is" } else { "names stay as they are" };
            let _ = writeln!(out, "{same} steered {names} for every client");
        }
        if let Some(max) = args.max_move {
            let most = self.most();
            let verdict = if most > max { "more than" } else { "not more than" };
            let _ = writeln!(out, "at most {} moves at one name: {verdict} {}", percent(most), percent(max));
        }
        if !changed.is_empty() {
            let gap = if out.ends_with("\n\n") { "" } else { "\n" };
            let _ = writeln!(out, "{gap}{}", page.wrap(WEIGHTS, 0));
            for credit in credits {
                let _ = writeln!(out, "\n{credit}");
            }
        }
        out
    }

    fn json(&self, args: &DiffArgs, credits: &[String]) -> Value {
        let one = |steered: &Steered| {
            let mut value = change_json(&steered.change);
            value["names"] = steered.names.clone().into();
            value["before"] = steered.by[0].as_str().into();
            value["after"] = steered.by[1].as_str().into();
            value["caches"] = json!({"before": steered.caches[0].json(), "after": steered.caches[1].json()});
            value["service_changes"] = steered.pops.clone().into();
            value
        };
        json!({
            "records": self.written.json(),
            "steered": self.steered.iter().map(one).collect::<Vec<_>>(),
            "largest_move": self.most(),
            "max_move": args.max_move,
            "assume": {"down": args.assumptions.down, "drain": args.assumptions.drain},
            "credits": credits,
        })
    }
}

impl Steered {
    /// The largest of the three shares that move.
    fn most(&self) -> f64 {
        let share = self.change.moved_share();
        share.v4.max(share.v6).max(share.people)
    }

    fn differs(&self) -> bool {
        self.change.moved != Amounts::default() || self.caches[0] != self.caches[1] || !self.pops.is_empty()
    }

    fn text(&self, page: Page) -> String {
        let by =
            if self.by[0] == self.by[1] { self.by[0].clone() } else { format!("{} → {}", self.by[0], self.by[1]) };
        let names = match self.names.as_slice() {
            [first, second, third, fourth, rest @ ..] if !rest.is_empty() => {
                format!("{first}, {second}, {third}, {fourth} and {} more", rest.len())
            }
            names => names.join(", "),
        };
        let mut out = format!("{}\n", page.wrap(&format!("{names}: {by}"), 2));
        // Writing to a string cannot fail.
        for line in &self.pops {
            let _ = writeln!(out, "  {}", page.wrap(line, 4));
        }
        let _ = writeln!(out, "  {}", page.wrap(&summary(&self.change), 4));
        let [before, after] = self.caches;
        for (family, at) in [("IPv4", 0), ("IPv6", 1)] {
            let (was, is) = (before.0[at], after.0[at]);
            if was != is {
                let grown = (float(is.blocks) / float(was.blocks).max(1.0) - 1.0) * 100.0;
                let line = format!(
                    "resolvers' caches, {family}: {} blocks before, {} after ({grown:+.1}%); live ranges {} and {}",
                    large(float(was.blocks)),
                    large(float(is.blocks)),
                    large(float(was.ranges.into())),
                    large(float(is.ranges.into()))
                );
                let _ = writeln!(out, "  {}", page.wrap(&line, 4));
            }
        }
        let flows = flows(&self.change);
        if !flows.is_empty() {
            let _ = write!(out, "\n{}", indented(&flow_table(&self.change, &flows)));
        }
        let countries = self.countries();
        if !countries.is_empty() {
            let head = ["country", "of its IPv4", "IPv6", "people", "km before", "after"];
            let mut rows = vec![head.map(str::to_owned).to_vec()];
            for country in countries.iter().take(COUNTRIES) {
                let share = country.moved.share_of(&country.total);
                rows.push(vec![
                    country.country.map_or_else(|| "unknown".to_owned(), |country| country.to_string()),
                    percent(share.v4),
                    percent(share.v6),
                    large(country.moved.people),
                    kilometers(country.km.map(|km| km[0])),
                    kilometers(country.km.map(|km| km[1])),
                ]);
            }
            let _ = write!(out, "\n{}", indented(&table(&rows, 1)));
            if countries.len() > COUNTRIES {
                let _ = writeln!(out, "  … and {} more countries", countries.len() - COUNTRIES);
            }
        }
        out
    }

    /// Countries where somebody moves, by the people who do.
    fn countries(&self) -> Vec<CountryChange> {
        let moved = self.change.countries.iter().filter(|country| country.moved != Amounts::default());
        let mut list: Vec<_> = moved.copied().collect();
        let size = |country: &CountryChange| (country.moved.people, country.moved.v4, country.moved.v6);
        list.sort_by(|a, b| size(b).partial_cmp(&size(a)).unwrap_or(std::cmp::Ordering::Equal));
        list
    }
}

fn indented(text: &str) -> String {
    text.lines().fold(String::new(), |mut out, line| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  {line}");
        out
    })
}
