//! What is said while running: to stderr, one line per event, for people or (`json`) for machines.

use std::io::{IsTerminal, stderr};

use anyhow::Context;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::server::QUIET;

/// Sends the process's events to stderr, from now on.
///
/// `level` is a level (`error`, `warn`, `info`, `debug`, `trace`, `off`) or a list of `target=level`, as in
/// `info,catchment::probe=debug`. A line has time (UTC, RFC 3339), level, message and fields; colors only on a
/// terminal, and not with `NO_COLOR` set.
///
/// # Errors
/// `level` cannot be read, or events already go somewhere.
pub fn init_log(level: &str, json: bool) -> anyhow::Result<()> {
    let builder = tracing_subscriber::fmt().with_env_filter(filter(level)?).with_writer(stderr);
    let result = if json {
        builder.json().flatten_event(true).with_ansi(false).try_init()
    } else {
        // Module paths say nothing to an operator.
        builder
            .with_target(false)
            .with_ansi(stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()))
            .try_init()
    };
    result.map_err(|error| anyhow::anyhow!("cannot set up the log: {error}"))
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
