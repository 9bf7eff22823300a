//! What is said while running: to stderr, one line per event, for people or (`json`) for machines.

use std::io::{IsTerminal, stderr};

use std::sync::Arc;

use anyhow::Context;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, reload};

use crate::server::QUIET;

/// Logs at another level from now on.
pub type SetLevel = Arc<dyn Fn(&str) -> anyhow::Result<()> + Send + Sync>;

/// Sends the process's events to stderr, from now on.
///
/// `level` is a level (`error`, `warn`, `info`, `debug`, `trace`, `off`) or a list of `target=level`, as in
/// `info,catchment::probe=debug`. A line has time (UTC, RFC 3339), level, message and fields; colors only on a
/// terminal, and not with `NO_COLOR` set.
///
/// Gives what changes the level later.
///
/// # Errors
/// `level` cannot be read, or events already go somewhere.
pub fn init_log(level: &str, json: bool) -> anyhow::Result<SetLevel> {
    let (filtered, handle) = reload::Layer::new(filter(level)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(stderr);
    let lines = if json {
        lines.json().flatten_event(true).with_ansi(false).boxed()
    } else {
        // Module paths say nothing to an operator.
        let colors = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        lines.with_target(false).with_ansi(colors).boxed()
    };
    let result = tracing_subscriber::registry().with(filtered).with(lines).try_init();
    result.map_err(|error| anyhow::anyhow!("cannot set up the log: {error}"))?;
    Ok(Arc::new(move |level| Ok(handle.reload(filter(level)?)?)))
}

fn filter(level: &str) -> anyhow::Result<EnvFilter> {
    let unknown = || {
        format!("log level `{level}` is not one of off, error, warn, info, debug, trace, nor a list of `target=level`")
    };
    // A bare word would be read as a target, and `loud` would silence everything.
    for word in level.split(',').filter(|directive| !directive.contains('=')) {
        // An empty one would be read as `error`.
        anyhow::ensure!(!word.trim().is_empty(), unknown());
        word.trim().parse::<LevelFilter>().with_context(unknown)?;
    }
    // Later directives win, so `level` may ask for what is quiet otherwise.
    EnvFilter::builder().parse(format!("{QUIET},{level}")).with_context(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_lists_are_read_and_other_peoples_crates_are_quiet_unless_named() {
        let (target, quiet) = (QUIET.split('=').next().unwrap(), QUIET.split(',').next().unwrap());
        for level in ["off", "error", "info", "info,catchment::probe=trace"] {
            let text = filter(level).unwrap().to_string();
            assert!(text.contains(quiet), "{text}");
        }
        let text = filter(&format!("info,{target}=debug")).unwrap().to_string();
        assert!(text.contains(&format!("{target}=debug")) && !text.contains(quiet), "{text}");
    }

    #[test]
    fn a_level_that_is_none_is_named() {
        for level in ["loud", "", "catchment=loud", "info,loud"] {
            let error = filter(level).unwrap_err().to_string();
            assert!(error.starts_with(&format!("log level `{level}` is not one of off, error")), "{error}");
        }
    }
}
