//! `catchment schema`: what files may hold, for editors (JSON Schema) and for people (the reference).

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;

use crate::config::schema::{Kind, reference, schema};

#[derive(Clone, Debug, Args)]
pub(super) struct SchemaArgs {
    /// A kind of file: `zones` (any file of the zones directory), `zone`, `fleet`, `settings`, or `list` (rules and latencies)
    #[arg(value_parser = Kind::ALL.map(|(word, _)| word), required_unless_present = "reference")]
    kind: Option<String>,
    /// Print the reference of all keys instead, as Markdown
    #[arg(long, conflicts_with = "kind")]
    reference: bool,
}

pub(super) fn run(args: &SchemaArgs) -> anyhow::Result<ExitCode> {
    let wanted = Kind::ALL.iter().find(|(word, _)| args.kind.as_deref() == Some(*word));
    let text = wanted.map_or_else(reference, |(_, kind)| schema(*kind));
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
