//! `catchment evaluate`: how good the steering of a name is, or of a list of PoPs, by figures that can be worked out again.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use super::progress::Progress;
use super::{Places, reader, scope_audit};
use crate::dns::Name;
use crate::evaluate::{Asked, Report, Scopes, Step, fleet, measure, rtt};
use crate::explain::steer_of;
use crate::health::Known;
use crate::reload::databases::Used;
use crate::reload::{Loader, Now, Wish};
use crate::snapshot::Snapshot;
use crate::steering::{Policy, Rank};
use crate::zone::Entry;

#[derive(Clone, Debug, Args)]
pub(super) struct EvaluateArgs {
    /// The steered name [default: the one that is steered by distance to most PoPs]
    name: Option<String>,
    /// PoPs to evaluate instead of those in the files: a line for each with name, latitude, longitude and country, between
    /// tabs; by distance
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    pops: Option<PathBuf>,
    /// Clients that try scopes packet by packet, half of them IPv6; 0 for none
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    samples: u64,
    /// Where random clients begin: the same number, the same clients
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Measured round-trip times between cities: compares distance and latency at the cities that are nearest to --pops
    #[arg(long, value_name = "FILE", requires = "pops")]
    rtt: Option<PathBuf>,
    /// Mean round-trip times between countries, for --rtt
    #[arg(long, value_name = "FILE", requires = "rtt")]
    rtt_countries: Option<PathBuf>,
    #[command(flatten)]
    places: Places,
    /// Print JSON
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print Markdown
    #[arg(long)]
    markdown: bool,
}

pub(super) fn run(args: &EvaluateArgs) -> anyhow::Result<ExitCode> {
    if let Some(file) = &args.rtt {
        return latency(args, file);
    }
    let begun = Instant::now();
    let progress = Progress::new("reading databases");
    let (snapshot, used, name) = load(args, &progress)?;
    let Some(steer) = steer_of(&snapshot, &name) else { bail!("`{name}` is not steered") };
    let live = snapshot.live();
    let live_map = live.maps.get(steer.map.0 as usize).context("the name is of another snapshot")?;
    let asked = Asked::new(&snapshot, live_map, steer.map).context("the live tables are not complete")?;
    let mut report = measure(&asked, args.seed, &mut |at| step(&progress, at));
    if args.samples > 0 {
        progress.say("scopes, packet by packet");
        let found = scope_audit::of_snapshot(&snapshot, &name, args.samples, args.seed)?;
        report.scopes = Some(found);
    }
    drop(progress);
    let what = args.pops.as_ref().map_or_else(|| name.to_string(), |path| file_name(path));
    print(args, &what, &used, &mut report, begun.elapsed().as_secs_f64())?;
    Ok(if is_good(&report) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What no policy may break: scopes, clients of living PoPs, returns, and the same answers again. How many are sent to the
/// nearest is for the policy to say.
fn is_good(report: &Report) -> bool {
    let steady = report.failures.iter().all(|outcome| outcome.moved == 0 && outcome.changed_by_return == 0);
    let scopes = report.scopes.is_none_or(|scopes| scopes.violations == 0);
    steady && scopes && report.same.different == 0 && report.same.restart
}

fn file_name(path: &std::path::Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// A snapshot with nothing known of health, what its databases are, and the name to evaluate.
fn load(args: &EvaluateArgs, progress: &Progress) -> anyhow::Result<(Arc<Snapshot>, Vec<Used>, Name)> {
    let (snapshot, loader) = load_files(args, progress)?;
    let used = loader.databases.used;
    if let Some(path) = &args.pops {
        let pops = read_pops(path)?;
        let policy = Policy::built_in("nearest").context("no policy `nearest` is built in")?;
        let made = fleet::snapshot(pops, policy, &loader.databases.sites).context("the list makes no zone")?;
        return Ok((Arc::new(made), used, super::explain::name(fleet::NAME)?));
    }
    let Some(snapshot) = snapshot else { bail!("nothing could be loaded") };
    let name = match &args.name {
        Some(name) => super::explain::name(name)?,
        None => largest(&snapshot).context("no name is steered; `--pops FILE` evaluates a list of PoPs")?,
    };
    Ok((snapshot, used, name))
}

fn load_files(args: &EvaluateArgs, progress: &Progress) -> anyhow::Result<(Option<Arc<Snapshot>>, Loader)> {
    let settings = args.places.settings()?;
    let mut loader = reader(&settings);
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
    let loaded = loader.load(Now { unix, monotonic: 0 }, Wish::default(), &mut |_, _| Known::default());
    progress.aside(|| {
        for error in &loaded.database.errors {
            writeln!(io::stderr(), "{error}")?;
        }
        // With a list of PoPs the files are of no concern.
        if args.pops.is_none() && loaded.findings.diagnostics.has_errors() {
            writeln!(io::stderr(), "{}", loaded.findings.diagnostics)?;
            writeln!(io::stderr(), "some files are not usable as they are; see `catchment check`")?;
        }
        io::Result::Ok(())
    })?;
    Ok((loaded.snapshot, loader))
}

fn read_pops(path: &std::path::Path) -> anyhow::Result<Vec<crate::steering::Pop>> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("{shown} cannot be read"))?;
    fleet::read(&text).with_context(|| format!("{shown} is no list of PoPs"))
}

/// The name that is steered by distance to most PoPs; of several the first. Without any by distance, of the others.
fn largest(snapshot: &Snapshot) -> Option<Name> {
    let zones = snapshot.zones.iter().filter_map(|(_, entry)| match entry {
        Entry::Loaded(zone) => Some(zone),
        Entry::NotLoaded => None,
    });
    let owners = zones.flat_map(|zone| zone.owners()).filter(|owner| owner.steer.is_some());
    let names = owners.filter_map(|owner| {
        let name = Name::from_wire(owner.name)?;
        let map = snapshot.maps.get(steer_of(snapshot, &name)?.map.0 as usize)?;
        Some(((map.policy.rank == Rank::Distance, map.pops.len()), name))
    });
    // Owners come in no particular order.
    let best = names.max_by(|(a, one), (b, other)| a.cmp(b).then_with(|| other.as_wire().cmp(one.as_wire())));
    best.map(|(_, name)| name)
}

fn print(args: &EvaluateArgs, what: &str, used: &[Used], report: &mut Report, seconds: f64) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let (version, today) = (env!("CARGO_PKG_VERSION"), jiff::Zoned::now().date().to_string());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let database =
        |used: &Used| format!("{} ({}, built {})", file_name(used.path.as_ref()), used.kind, date(used.built));
    let databases: Vec<String> = used.iter().map(database).collect();
    let credits: Vec<&String> = used.iter().filter_map(|used| used.credit.as_ref()).collect();
    let mut credits: Vec<String> = credits.into_iter().cloned().collect();
    credits.dedup();
    if args.json {
        let mut value: Value = report.json();
        value["what"] = what.into();
        value["version"] = version.into();
        value["databases"] = databases.into();
        value["date"] = today.into();
        value["seconds"] = json!(seconds);
        value["seed"] = args.seed.into();
        value["credits"] = credits.into();
        writeln!(out, "{value:#}")?;
        return Ok(());
    }
    let about = format!(
        "catchment {version}, {today}, {seconds:.0} s on {cores} cores, seed {}; {}",
        args.seed,
        databases.join(", ")
    );
    if args.markdown {
        let tables = report.markdown();
        writeln!(out, "### {what}: {} PoPs, policy `{}`\n\n{about}.\n\n{tables}", report.pops, report.policy)?;
    } else {
        write!(out, "{what}\n{}\n{about}\n", report.text())?;
        for credit in credits {
            writeln!(out, "{credit}")?;
        }
    }
    Ok(())
}

/// The day of a moment, UTC.
fn date(unix: u64) -> String {
    let moment = i64::try_from(unix).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    moment.map_or_else(|| "?".to_owned(), |moment| moment.strftime("%Y-%m-%d").to_string())
}

/// `--rtt`.
fn latency(args: &EvaluateArgs, file: &std::path::Path) -> anyhow::Result<ExitCode> {
    let read = |path: &std::path::Path| {
        std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
    };
    let cities =
        rtt::cities::read(&read(file)?).with_context(|| format!("{} is no table of cities", file.display()))?;
    let pops = args.pops.as_deref().map(read_pops).transpose()?.unwrap_or_default();
    let countries = args.rtt_countries.as_deref().map(read).transpose()?;
    let countries = countries.as_deref().map(rtt::countries::read).transpose().context("no table of countries")?;
    let report = rtt::measure(&cities, &pops, countries.as_ref()).context("too few cities are near these PoPs")?;
    let mut out = io::stdout().lock();
    let what = format!("{} and {}", args.pops.as_deref().map(file_name).unwrap_or_default(), file_name(file));
    if args.json {
        writeln!(out, "{:#}", report.json())?;
    } else if args.markdown {
        writeln!(out, "### {what}\n\n{}\n\n{}", report.about(), report.table().markdown())?;
    } else {
        write!(out, "{what}\n{}\n\n{}", report.about(), report.table().text())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn step(progress: &Progress, step: Step) {
    match step {
        Step::Oracle => progress.say("who is nearest"),
        Step::Nearest => progress.say("who is sent where"),
        Step::Failures(count) => progress.count("failures", count as u64),
        Step::Failure => progress.step(),
        Step::Caches => progress.say("caches"),
        Step::Again => progress.say("everything again"),
    }
}

impl From<scope_audit::Report> for Scopes {
    fn from(report: scope_audit::Report) -> Self {
        let scope_audit::Report { pairs, violations, siblings, not_minimal, .. } = report;
        Self { pairs, violations, siblings, not_minimal }
    }
}
