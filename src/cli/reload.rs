//! `catchment reload`: have the running server look at all files now, or say what would come of it.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;

use super::client::{Server, typed};
use super::words::{Page, count, safe, short};
use crate::control::wire::{Finding, Moves, ReloadBody, ReloadDone};

#[derive(Clone, Debug, Args)]
pub(super) struct ReloadArgs {
    /// Change nothing; say what would serve, what is wrong, and which clients would move
    #[arg(long)]
    dry_run: bool,
    /// Let zones and databases whose files are gone go at once
    #[arg(long)]
    confirm_removals: bool,
    /// Whatever moves (setting `reload: {max_move: …}`), and databases that are older or differ much. An `expect:` that fails is
    /// refused all the same
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(args: &ReloadArgs) -> anyhow::Result<ExitCode> {
    let body = ReloadBody { dry_run: args.dry_run, confirm_removals: args.confirm_removals, force: args.force };
    let value = match args.server.post_slow("reload", &body)?.good()? {
        Ok(value) => value,
        Err(code) => return Ok(code),
    };
    let done: ReloadDone = typed(&value)?;
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{value:#}")?;
    } else {
        write!(out, "{}", text(&done, Page::stdout()))?;
    }
    Ok(if is_good(&done) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether everything serves as the files say.
fn is_good(done: &ReloadDone) -> bool {
    done.findings.iter().all(|finding| finding.severity != "error")
        && done.database_errors.is_empty()
        && done.state_error.is_none()
}

/// Where the second column begins.
const INDENT: usize = 11;
/// Names that are shown of those that move alike.
const NAMED: usize = 4;

fn text(done: &ReloadDone, page: Page) -> String {
    let mut out = String::new();
    let mut row = |title: &str, words: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{title:<INDENT$}{}", page.wrap(words, INDENT));
    };
    let took = short(done.took_ms);
    let (title, words) = match (done.dry_run, done.generation) {
        (true, Some(new)) => ("would be", format!("generation {new} after {}; nothing was changed", done.before)),
        (true, None) => ("would be", format!("generation {}, as before: nothing changes for queries", done.before)),
        (false, Some(new)) => ("serves", format!("generation {new} after {}, in {took}", done.before)),
        (false, None) => ("serves", format!("generation {}, as before: nothing changes for queries", done.before)),
    };
    row(title, &words);
    let mut title = "zones";
    for event in &done.zones {
        let (what, color) = match (event.what.as_str(), done.dry_run) {
            ("kept", _) => ("KEPT: its file is refused, the last good version serves", Some("33")),
            ("not-loaded", _) => ("NOT LOADED: SERVFAIL until its file is mended", Some("31")),
            ("vanished", _) => ("its file is gone; kept for a time of grace", Some("33")),
            ("held", _) => ("HELD: its file is gone with many others; `--confirm-removals` lets them go", Some("33")),
            ("added", true) => ("would be added", None),
            ("changed", true) => ("would change", None),
            ("removed", true) => ("would be removed", None),
            (other, _) => (other, None),
        };
        let mut words = format!("{} {what}", event.zone);
        if let (Some(serial), Some(records)) = (event.serial, event.records) {
            let _ = write!(words, ", serial {serial}, {}", count(records, "record"));
        }
        row(title, &color.map_or_else(|| words.clone(), |color| page.paint(&words, color)));
        title = "";
    }
    let mut title = "databases";
    let changed = match (done.databases_changed, done.dry_run) {
        (false, _) => None,
        (true, true) => Some("others would serve".to_owned()),
        (true, false) => Some("others serve".to_owned()),
    };
    let errors = done.database_errors.iter().map(|words| page.paint(&format!("REFUSED {}", safe(words)), "31"));
    let warnings = done.database_warnings.iter().map(|words| page.paint(&safe(words), "33"));
    for words in changed.into_iter().chain(errors).chain(warnings) {
        row(title, &words);
        title = "";
    }
    let mut title = "moves";
    for one in &done.moves {
        row(title, &moved(one));
        title = "";
    }
    if done.dry_run && done.generation.is_some() && done.moves.is_empty() {
        row(title, "nobody, at the names that are steered before and after");
    }
    if let Some(error) = &done.state_error {
        row("state", &page.paint(&format!("the state directory could not be written: {}", safe(error)), "31"));
    }
    for finding in &done.findings {
        out.push_str(&found(finding, page));
    }
    out
}

fn moved(one: &Moves) -> String {
    let mut names: Vec<&str> = one.names.iter().take(NAMED).map(String::as_str).collect();
    let more = format!("{} more", one.names.len().saturating_sub(NAMED));
    if one.names.len() > NAMED {
        names.push(&more);
    }
    let percent = |share: f64| super::subject::percent(share);
    format!(
        "{}: {} of IPv4, {} of IPv6, {} of people",
        safe(&names.join(", ")),
        percent(one.v4),
        percent(one.v6),
        percent(one.people)
    )
}

/// As the log has it.
fn found(finding: &Finding, page: Page) -> String {
    let place = match finding.line {
        0 => finding.file.clone(),
        line => format!("{}:{line}:{}", finding.file, finding.column),
    };
    let color = if finding.severity == "error" { "31" } else { "33" };
    let mut out = format!("{}: {}: {}\n", safe(&place), page.paint(&finding.severity, color), safe(&finding.message));
    if let Some(help) = &finding.help {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  help: {}", safe(help));
    }
    out
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    const PLAIN: Page = Page { width: 80, color: false };

    #[test]
    fn what_is_done_is_told() {
        let done: ReloadDone = typed(&json!({
            "dry_run": false, "before": 3, "generation": 4, "took_ms": 84,
            "zones": [{"zone": "example.com.", "what": "changed", "serial": 1_790_000_000, "records": 12},
                      {"zone": "example.net.", "what": "kept"}],
            "findings": [{"severity": "error", "file": "zones/example.net.yaml", "line": 4, "column": 9,
                "message": "`192.0.2.300` is not an IPv4 address", "help": "for example `192.0.2.1`"}],
            "databases_changed": false,
            "database_errors": ["geodb/city.mmdb: truncated"], "database_warnings": [],
            "moves": []
        }))
        .unwrap();
        assert!(!is_good(&done));
        expect![[r"
            serves     generation 4 after 3, in 84ms
            zones      example.com. changed, serial 1790000000, 12 records
                       example.net. KEPT: its file is refused, the last good version serves
            databases  REFUSED geodb/city.mmdb: truncated
            zones/example.net.yaml:4:9: error: `192.0.2.300` is not an IPv4 address
              help: for example `192.0.2.1`
        "]]
        .assert_eq(&text(&done, PLAIN));
    }

    #[test]
    fn what_would_be_done_is_told() {
        let done: ReloadDone = typed(&json!({
            "dry_run": true, "before": 3, "generation": 4, "took_ms": 84,
            "zones": [{"zone": "example.com.", "what": "changed", "serial": 1_790_000_000, "records": 12},
                      {"zone": "old.example.", "what": "removed"}],
            "findings": [], "databases_changed": true, "database_errors": [], "database_warnings": [],
            "moves": [{"names": ["a.example.com.", "b.example.com.", "c.example.com.", "d.example.com.", "e.example.com."],
                "v4": 0.123, "v6": 0.05, "people": 0.2}]
        }))
        .unwrap();
        assert!(is_good(&done));
        expect![[r"
            would be   generation 4 after 3; nothing was changed
            zones      example.com. would change, serial 1790000000, 12 records
                       old.example. would be removed
            databases  others would serve
            moves      a.example.com., b.example.com., c.example.com., d.example.com., 1
                       more: 12.3 % of IPv4, 5.0 % of IPv6, 20.0 % of people
        "]]
        .assert_eq(&text(&done, PLAIN));
    }
}
