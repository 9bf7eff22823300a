//! The commands: parse arguments, call a room, print for people (or `--json`), return an exit code
//! (0 good, 1 a finding or a failure, 2 a usage error). Nothing is decided here. Data goes to stdout, talk to stderr.

mod check;
mod client;
mod completions;
mod config;
mod diff;
mod drain;
mod evaluate;
mod explain;
mod export;
mod fetch;
mod force;
pub mod geodb;
mod health;
pub mod log;
mod man;
mod map;
mod order;
mod preview;
mod progress;
mod reload;
mod schema;
mod scope_audit;
mod serve;
mod status;
mod subject;
mod top;
mod words;

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::file::Source;
use crate::config::render;
use crate::config::settings::{self, Io, Settings, environment};
use crate::daemon::Setup;
use crate::geo::DB_IP_CREDIT;
use crate::picture::OUTLINES;
use crate::reload::{Limits, Loader, Options};
use crate::snapshot::Identity;

/// The settings file that is read when there is one.
const SETTINGS: &str = "catchment.yaml";

/// Authoritative DNS that sends every client to its nearest healthy point of presence.
#[derive(Debug, Parser)]
#[command(
    name = "catchment",
    disable_version_flag = true,
    args_conflicts_with_subcommands = true,
    max_term_width = 100
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::ServeArgs,
    /// Print the version, and credits for the data in the program
    #[arg(long, short = 'V')]
    version: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer queries (the default)
    Serve(serve::ServeArgs),
    /// Read everything as `serve` would, say what is wrong, and exit
    Check(check::CheckArgs),
    /// Say why a client is sent where it is sent
    Explain(explain::ExplainArgs),
    /// Write a zone as a master file
    Export(export::ExportArgs),
    /// Say how the running server is
    Status(status::StatusArgs),
    /// Show every target of the running server, and what its last probe said
    Health(health::HealthArgs),
    /// Watch the running server: rates, PoPs, health, what changed, what is asked for most
    Top(top::TopArgs),
    /// Send clients elsewhere, as long as there is an elsewhere
    Drain(drain::DrainArgs),
    /// Take a drain back
    Undrain(drain::UndrainArgs),
    /// Hold a PoP or service up or down, whatever is measured
    Force(force::ForceArgs),
    /// Have the running server look at all files now, or say what would come of it
    Reload(reload::ReloadArgs),
    /// Ask as random clients whether returned scopes are true, and no narrower than they must be
    ScopeAudit(scope_audit::ScopeAuditArgs),
    /// Show the settings that hold, and where each comes from
    Config(config::ConfigArgs),
    /// Print what files may hold, for editors and people
    Schema(schema::SchemaArgs),
    /// Show which clients each PoP serves: shares, distances, a picture of the world
    Map(map::MapArgs),
    /// Show where clients would go if PoPs failed or were drained
    Preview(preview::PreviewArgs),
    /// Show what an edit of zone files, or another database, would do to clients
    Diff(diff::DiffArgs),
    /// Measure how good the steering is: nearest rate, failures, caches, scopes
    Evaluate(evaluate::EvaluateArgs),
    /// Look into databases, and build small ones
    Geodb(geodb::GeodbArgs),
    /// Print what a shell completes
    Completions(completions::CompletionsArgs),
    /// Print the manual page, or write all of them
    Man(man::ManArgs),
}

/// Where things are; flags win over `catchment.yaml`.
#[derive(Clone, Debug, Args)]
struct Places {
    /// Settings file [default: catchment.yaml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of zone and fleet files [default: zones]
    #[arg(long, value_name = "DIR")]
    zones: Option<PathBuf>,
    /// Directory of databases, or a database; may be given again [default: geodb]
    #[arg(long, value_name = "PATH")]
    geodb: Vec<PathBuf>,
    /// Directory of what survives a restart [default: state]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// Runs the command line and returns the process's exit code.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // A closed stderr leaves nobody to tell.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let done = if arguments.version { version() } else { run(arguments) };
    done.unwrap_or_else(|error| {
        // A reader that has had enough (`catchment geodb inspect | head`) is no failure.
        let broken_pipe = |cause: &(dyn std::error::Error + 'static)| {
            cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
        };
        if error.chain().any(broken_pipe) {
            return ExitCode::SUCCESS;
        }
        // A closed stderr leaves nobody to tell.
        let _ = writeln!(io::stderr(), "error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command.unwrap_or(Command::Serve(arguments.serve)) {
        Command::Serve(args) => serve::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Health(args) => health::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Drain(args) => drain::drain(&args),
        Command::Undrain(args) => drain::undrain(&args),
        Command::Force(args) => force::run(&args),
        Command::Reload(args) => reload::run(&args),
        Command::ScopeAudit(args) => scope_audit::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Map(args) => map::run(&args),
        Command::Preview(args) => preview::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Geodb(args) => geodb::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}

fn version() -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    writeln!(out, "catchment {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "The database in the program: {DB_IP_CREDIT}; simplified, for demonstration.")?;
    writeln!(out, "{OUTLINES}. Letters of pictures: Roboto, Apache License 2.0. Population: World Bank, 2024.")?;
    Ok(ExitCode::SUCCESS)
}

impl Places {
    /// The settings file, with the environment and then these flags applied.
    fn settings(&self) -> anyhow::Result<Settings> {
        Ok(self.over(settings_at(self.config.as_deref())?))
    }

    /// Where the settings file is, or would be.
    fn file(&self) -> &Path {
        self.config.as_deref().unwrap_or(Path::new(SETTINGS))
    }

    /// Settings with these flags applied.
    fn over(&self, mut settings: Settings) -> Settings {
        if let Some(zones) = &self.zones {
            settings.zones.clone_from(zones);
        }
        if !self.geodb.is_empty() {
            settings.geodb.clone_from(&self.geodb);
        }
        if let Some(state) = &self.state {
            settings.state.clone_from(state);
        }
        settings
    }
}

/// The settings file (`catchment.yaml` where there is one) with the environment applied.
fn settings_at(config: Option<&Path>) -> anyhow::Result<Settings> {
    from_environment(read_settings(config)?.0)
}

/// Settings with the environment's variables applied.
fn from_environment(settings: Settings) -> anyhow::Result<Settings> {
    let (settings, found) = environment::apply(settings, &variables());
    if !found.0.is_empty() {
        writeln!(io::stderr(), "{found}")?;
    }
    settings.context("the environment holds a setting that is not usable")
}

/// The environment, sorted by name; what is not text is none of ours.
fn variables() -> Vec<(String, String)> {
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    let mut variables: Vec<_> = std::env::vars_os().filter_map(text).collect();
    variables.sort();
    variables
}

/// The settings of a file that is there, with the environment applied; the words of the error are for the log.
fn read_quietly(path: &Path) -> Result<Settings, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let source = Source { path: path.to_string_lossy().into(), text: Arc::from(text) };
    let (settings, found) = settings::parse(&source);
    let settings = settings.ok_or_else(|| found.to_string())?;
    let (settings, found) = environment::apply(settings, &variables());
    settings.ok_or_else(|| found.to_string())
}

/// The settings file and its text, if there is one.
fn read_settings(written: Option<&Path>) -> anyhow::Result<(Settings, Option<Source>)> {
    let path = written.unwrap_or(Path::new(SETTINGS));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if written.is_none() && error.kind() == io::ErrorKind::NotFound => {
            return Ok((Settings::default(), None));
        }
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
    };
    let source = Source { path: path.to_string_lossy().into(), text: Arc::from(text) };
    let (settings, diagnostics) = settings::parse(&source);
    if !diagnostics.0.is_empty() {
        let text = render(&diagnostics, words::style_of(&io::stderr()), &|_| Some(Arc::clone(&source.text)));
        writeln!(io::stderr(), "{text}")?;
    }
    match settings {
        Some(settings) if !diagnostics.has_errors() => Ok((settings, Some(source))),
        _ => bail!("{} is not usable", path.display()),
    }
}

/// A loader that sees what a server with these settings would serve, and writes nothing.
fn reader(settings: &Settings) -> Loader {
    let mut loader = Loader::read_only(Options {
        zones: settings.zones.clone(),
        geodb: settings.geodb.clone(),
        state: Some(settings.state.clone()),
        grace: settings.vanish_grace,
        identity: Identity::default(),
        limits: Limits::default(),
    });
    loader.generation.allow_probes(&settings.probes);
    loader
}

/// Whose listeners serve.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum IoArg {
    /// Our own, for Linux
    Native,
    /// hickory-server's, for everywhere
    Portable,
}

impl From<IoArg> for Io {
    fn from(arg: IoArg) -> Self {
        match arg {
            IoArg::Native => Self::Native,
            IoArg::Portable => Self::Portable,
        }
    }
}

/// The setup of these places, for commands that do not listen.
fn setup(settings: Settings, listen: &[SocketAddr]) -> Setup {
    let mut settings = settings;
    let written = !listen.is_empty() || settings.listen != Settings::default().listen;
    if !listen.is_empty() {
        settings.listen = listen.iter().copied().map(Into::into).collect();
    }
    Setup { settings, listen_written: written, reread: None }
}
