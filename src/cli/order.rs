//! What `drain`, `undrain` and `force` have in common: an order to the running server, and its answer.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::client::{Server, typed};
use super::words::{percent, safe, short};
use crate::config::units;
use crate::control::wire::{ActionWord, OrderBody, OrderDone, OverrideView};

/// Of every order.
#[derive(Clone, Debug, Args)]
pub(super) struct Common {
    /// Why, for whoever is on call next
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

/// An order with what only some have.
pub(super) struct Order<'a> {
    pub(super) target: &'a str,
    pub(super) action: ActionWord,
    pub(super) lasts: Option<Duration>,
    pub(super) over: Option<Duration>,
    pub(super) force: bool,
}

impl Common {
    pub(super) fn send(&self, order: &Order<'_>) -> anyhow::Result<ExitCode> {
        let body = OrderBody {
            target: order.target.to_owned(),
            action: order.action,
            reason: self.reason.clone().unwrap_or_default(),
            for_seconds: order.lasts.map(|time| time.as_secs()),
            over_seconds: order.over.map(|time| time.as_secs()),
            force: order.force,
            by: who(),
        };
        let value = match self.server.post("overrides", &body)?.good()? {
            Ok(value) => value,
            Err(code) => return Ok(code),
        };
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{value:#}")?;
        } else {
            write!(out, "{}", text(&typed(&value)?))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A time as in the files: `2h`, `90s`, `1h30m`.
pub(super) fn time(written: &str) -> Result<Duration, String> {
    let time = units::parse(written).filter(|time| time.subsec_nanos() == 0);
    time.ok_or_else(|| "whole seconds, or for example `90s`, `10m`, `1h30m`, `2d`".to_owned())
}

/// One override in a line, without its target.
pub(super) fn line(o: &OverrideView) -> String {
    let what = match (o.word.as_str(), o.over_seconds) {
        ("drain", Some(_)) if o.share > 0 => format!("draining, {} of its clients left", percent(o.share)),
        ("drain", _) => "drained".to_owned(),
        ("return", _) => format!("returning, {} of its clients back", percent(o.share)),
        (word, _) => format!("forced {word}"),
    };
    let until = o.until.as_ref().map_or_else(String::new, |until| format!(" until {until}"));
    let reason = if o.reason.is_empty() { String::new() } else { format!(": {}", safe(&o.reason)) };
    let unknown = if o.known { "" } else { " (no file names this any more)" };
    format!("{what}{until}, by {}{reason}{unknown}", safe(&o.by))
}

fn text(done: &OrderDone) -> String {
    let mut out = match &done.set {
        Some(set) => {
            let over = set.over_seconds.map_or_else(String::new, |over| format!(", over {}", short(over * 1000)));
            format!("{}: {}{over}\n", set.target, line(set))
        }
        None => format!("{}: no override any more\n", done.target),
    };
    for note in &done.notes {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  note: {note}");
    }
    out
}

/// Who asks: the one behind `sudo`, if that is how it came; the server knows the rest.
fn who() -> String {
    ["SUDO_USER", "DOAS_USER"].into_iter().find_map(|key| std::env::var(key).ok()).unwrap_or_default()
}
