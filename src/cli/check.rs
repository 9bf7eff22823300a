//! `catchment check`: what `serve` would say of the files, up to the sockets.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::Places;
use super::progress::Progress;
use super::words::style_of;
use crate::compile::{self, Times};
use crate::config::model::{SteerModel, ZoneModel};
use crate::config::render::summary;
use crate::config::{Diagnostics, Severity, render};
use crate::reload::files::shown;
use crate::reload::{Limits, Loaded, Loader, Now, Options, Wish};
use crate::snapshot::{Identity, Snapshot};

#[derive(Clone, Debug, Args)]
pub(super) struct CheckArgs {
    /// Directory of zone and fleet files, or one file of it, which alone is then reported on, with the files it names
    path: Option<PathBuf>,
    #[command(flatten)]
    places: Places,
    /// Warnings about files count, too: exit code 1
    #[arg(long)]
    strict: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// How findings are printed
    #[arg(long, value_enum, default_value_t = Format::Text, conflicts_with = "json")]
    format: Format,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// JSON
    Json,
    /// Annotations of a pull request (workflow commands)
    Github,
}

pub(super) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let mut settings = args.places.settings()?;
    let mut only = None;
    if let Some(path) = &args.path {
        if path.is_dir() {
            settings.zones.clone_from(path);
        } else {
            only = Some(shown(path));
            let directory = path.parent().filter(|p| !p.as_os_str().is_empty());
            settings.zones = directory.map_or_else(|| PathBuf::from("."), PathBuf::from);
        }
    }
    let progress = Progress::new("reading zones and databases");
    let mut loader = Loader::forgetful(Options {
        zones: settings.zones.clone(),
        geodb: settings.geodb.clone(),
        state: None,
        grace: settings.vanish_grace,
        identity: Identity::default(),
        limits: Limits::default(),
    });
    loader.generation.allow_probes(&settings.probes);
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let loaded = loader.load(Now { unix, monotonic: 0 }, Wish::default(), &mut |_, _| crate::health::Known::default());
    progress.say("looking at the whole");
    let mut diagnostics = loaded.findings.diagnostics.clone();
    let good = || loader.generation.zones.values().filter_map(|zone| zone.good.as_ref());
    for zone in good() {
        diagnostics.extend(compile::lint(&zone.model, &zone.zone));
    }
    diagnostics.sort();
    drop(progress);
    if let Some(only) = &only {
        let named: Vec<_> = loader.generation.inputs(only).collect();
        diagnostics.0.retain(|d| d.location.file == *only || named.contains(&&d.location.file));
    }
    let errors = diagnostics.has_errors() || !loaded.database.errors.is_empty();
    // Which databases there are is no matter of the files: a repository of zones has none.
    let bad = errors || (args.strict && !diagnostics.0.is_empty());
    match if args.json { Format::Json } else { args.format } {
        Format::Text => print_text(&diagnostics, &loaded, &loader)?,
        Format::Json => print_json(&diagnostics, &loaded)?,
        Format::Github => print_annotations(&diagnostics, &loaded)?,
    }
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print_text(diagnostics: &Diagnostics, loaded: &Loaded, loader: &Loader) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let style = style_of(&out);
    if !diagnostics.0.is_empty() {
        // What is no file was refused for that: it would not end, or keep its reader waiting.
        let is_file = |path: &str| std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
        let text = |path: &str| is_file(path).then(|| std::fs::read_to_string(path).ok().map(Arc::from)).flatten();
        writeln!(out, "{}\n", render(diagnostics, style, &text).trim_end())?;
    }
    let line = |text: String| style.wrap(&text, 0, 2);
    for words in &loaded.database.errors {
        writeln!(out, "{}", line(format!("error: {words}")))?;
    }
    for words in &loaded.database.warnings {
        writeln!(out, "{}", line(format!("warning: {words}")))?;
    }
    let zones = loader.generation.zones.values();
    let good = zones.clone().filter(|zone| zone.good.is_some());
    let records: usize = good.clone().filter_map(|zone| zone.good.as_ref()).map(|good| good.zone.record_count()).sum();
    let steered: usize = good.clone().filter_map(|zone| zone.good.as_ref()).map(|good| good.model.steers.len()).sum();
    let expectations: usize =
        good.clone().filter_map(|zone| zone.good.as_ref()).map(|good| good.model.expects.len()).sum();
    let words = format!(
        "{} of {} zones are good: {records} records, {steered} steered names, {expectations} expectations hold; {}",
        good.count(),
        zones.len(),
        summary(diagnostics),
    );
    writeln!(out, "{}", line(words))?;
    let models = good_models(loader);
    for words in services(models.iter().flat_map(|model| &model.steers)) {
        writeln!(out, "{}", line(words))?;
    }
    if let Some(snapshot) = &loaded.snapshot {
        for words in splits(snapshot) {
            writeln!(out, "{}", line(words))?;
        }
    }
    Ok(())
}

fn good_models(loader: &Loader) -> Vec<Arc<ZoneModel>> {
    let zones = loader.generation.zones.values();
    zones.filter_map(|zone| zone.good.as_ref()).map(|good| Arc::clone(&good.model)).collect()
}

/// How soon a failure is noticed, and how long old answers live, for each service and its TTLs.
fn services<'m>(steers: impl Iterator<Item = &'m SteerModel>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for steer in steers {
        let Times { noticed, home, away } = compile::times(steer);
        let name = &steer.service.name;
        let seconds = |ttl: u32| compile::shown(Duration::from_secs(u64::from(ttl)));
        let words = match noticed {
            Some(noticed) => format!(
                "service {name}: a PoP that dies is noticed within {}; the last resolvers forget it {} later, and follow its return within {}",
                compile::shown(noticed),
                seconds(home),
                seconds(away)
            ),
            None => format!("service {name}: without checks, every PoP counts as up"),
        };
        if !lines.contains(&words) {
            lines.push(words);
        }
    }
    lines
}

/// `::error file=F,line=L,col=C::MESSAGE`: what CI services show beside the line of a change.
fn print_annotations(diagnostics: &Diagnostics, loaded: &Loaded) -> anyhow::Result<()> {
    // As the runner reads them: line ends and `%` are escaped, in properties also `:` and `,`.
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let mut out = io::stdout().lock();
    for found in &diagnostics.0 {
        let kind = found.severity;
        let help = found.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
        let (file, message) = (property(&found.location.file), data(&format!("{}{help}", found.message)));
        let (line, column) = (found.location.line.max(1), found.location.column.max(1));
        writeln!(out, "::{kind} file={file},line={line},col={column}::{message}")?;
    }
    for (kind, list) in [("error", &loaded.database.errors), ("warning", &loaded.database.warnings)] {
        for words in list {
            writeln!(out, "::{kind}::{}", data(words))?;
        }
    }
    Ok(())
}

/// How evenly the splits of each service come out, of which the smallest population is the least even (SEMANTICS §2.6).
fn splits(snapshot: &Snapshot) -> Vec<String> {
    const UNEVEN: f64 = 2.0;
    let live = snapshot.live();
    let mut lines = Vec::new();
    for (map, live) in snapshot.maps.iter().zip(&live.maps) {
        let populations = live.populations(map, &snapshot.sites);
        let Some(smallest) = populations.first() else { continue };
        let (service, policy, unit) = (&map.service.name, &map.policy.name, map.plan.unit.v4);
        let mut words = format!(
            "service {service} by policy {policy}: shares come out within ±{:.2} points for the smallest group of clients, which has {} units (/{unit})",
            smallest.deviation, smallest.units
        );
        if smallest.deviation > UNEVEN && unit < 24 {
            words.push_str("; a smaller one is more even: `unit: {v4: 24}`");
        }
        if !lines.contains(&words) {
            lines.push(words);
        }
    }
    lines
}

fn print_json(diagnostics: &Diagnostics, loaded: &Loaded) -> anyhow::Result<()> {
    let list = |severity| {
        let of = diagnostics.0.iter().filter(move |d| d.severity == severity);
        of.map(|d| {
            json!({
                "file": &*d.location.file,
                "line": d.location.line,
                "column": d.location.column,
                "message": d.message,
                "help": d.help,
                "also": d.also.as_ref().map(|also| json!({
                    "file": &*also.location.file,
                    "line": also.location.line,
                    "column": also.location.column,
                    "label": also.label,
                })),
            })
        })
        .collect::<Vec<_>>()
    };
    let report = json!({
        "errors": list(Severity::Error),
        "warnings": list(Severity::Warning),
        "database_errors": loaded.database.errors,
        "database_warnings": loaded.database.warnings,
    });
    writeln!(io::stdout().lock(), "{report:#}")?;
    Ok(())
}
