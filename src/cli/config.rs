//! `catchment config show`: the settings that hold, and where each comes from.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{Places, from_environment, read_settings, variables};
use crate::config::settings::{environment, shown};

#[derive(Clone, Debug, Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Print every setting, its value, and where that is from: the default, the file, the environment or a flag
    Show(ShowArgs),
}

#[derive(Clone, Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    places: Places,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A setting.
struct Row {
    key: &'static str,
    value: String,
    from: String,
}

pub(super) fn run(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let Command::Show(args) = &args.command;
    let rows = rows(&args.places)?;
    let text = if args.json { json(&rows) } else { text(&rows) };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn rows(places: &Places) -> anyhow::Result<Vec<Row>> {
    let (in_file, source) = read_settings(places.config.as_deref())?;
    let written = source.as_ref().map(shown::written).unwrap_or_default();
    let variables = variables();
    let settings = places.over(from_environment(in_file)?);
    let flags =
        [("zones", places.zones.is_some()), ("geodb", !places.geodb.is_empty()), ("state", places.state.is_some())];
    let from = |key: &str| {
        let variable = environment::variable(key);
        if flags.contains(&(key, true)) {
            format!("--{key}")
        } else if variables.iter().any(|(name, _)| *name == variable) {
            variable
        } else if let Some((_, location)) = written.iter().find(|(path, _)| path == key) {
            location.to_string()
        } else {
            "default".to_owned()
        }
    };
    Ok(settings.shown().into_iter().map(|(key, value)| Row { key, value, from: from(key) }).collect())
}

fn text(rows: &[Row]) -> String {
    let width = |of: fn(&Row) -> &str| rows.iter().map(|row| of(row).chars().count()).max().unwrap_or_default();
    // A long value pushes its own line's source out, not everybody's.
    let (keys, values) = (width(|row| row.key), width(|row| &row.value).min(36));
    let mut out = String::new();
    for row in rows {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{:keys$}  {:values$}  {}", row.key, row.value, row.from);
    }
    out
}

fn json(rows: &[Row]) -> String {
    let rows: Map<String, Value> =
        rows.iter().map(|row| (row.key.to_owned(), json!({"value": row.value, "from": row.from}))).collect();
    format!("{:#}\n", Value::Object(rows))
}
