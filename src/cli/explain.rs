//! `catchment explain`: why a client is sent where it is sent.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::Value;

use super::client::Server;
use super::{Places, reader};
use crate::daemon::{overrides_kept, remembered};
use crate::dns::Name;
use crate::explain::{Assume, Background, Explained, Question, TargetWords, explain_with, json, text};
use crate::health::{Known, State};
use crate::net::Block;
use crate::reload::generation::Generation;
use crate::reload::{Loader, Now, Wish};
use crate::snapshot::Snapshot;

#[derive(Clone, Debug, Args)]
pub(super) struct ExplainArgs {
    /// The name that is asked for
    name: String,
    /// The packet's source: the client, or its resolver [default: the address of the subnet, or 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    client: Option<IpAddr>,
    /// The client subnet, as in `dig +subnet=`
    #[arg(long, value_name = "ADDRESS/LENGTH")]
    subnet: Option<String>,
    /// Assume PoPs to be otherwise: `down=fra,lhr`, `drain=ams`, `up=web@iad` (a service at a PoP); several with commas,
    /// or given again
    #[arg(long, value_name = "WHAT=POP", value_delimiter = ',')]
    assume: Vec<String>,
    #[command(flatten)]
    places: Places,
    /// Show every candidate, however many
    #[arg(long)]
    all: bool,
    /// Ask the running server: its files, its health of now, and why each target is as it is
    #[arg(long, conflicts_with_all = ["zones", "geodb"])]
    live: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    if args.live {
        return ask(args);
    }
    let question = question(args)?;
    let (snapshot, loader, mut background) = load(&args.places)?;
    background.drains = drains(&loader.generation);
    check_names(&question.assume, &snapshot)?;
    let explained = explain_with(&snapshot, &snapshot.live(), &question, &background);
    let mut out = io::stdout().lock();
    let credits: Vec<_> = loader.databases.used.iter().filter_map(|used| used.credit.clone()).collect();
    if args.json {
        let mut value = json::json(&question, &explained, &background);
        value["credits"] = credits.into();
        writeln!(out, "{value:#}")?;
    } else {
        write!(out, "{}", text::text(&question, &explained, &background, args.all))?;
        let steered = matches!(explained, Explained::Steered(_));
        for credit in credits.iter().filter(|_| steered) {
            writeln!(out, "\n{credit}")?;
        }
    }
    let good = match &explained {
        Explained::Steered(steered) => steered.all_agree(),
        Explained::Static { .. } => true,
        Explained::NotHosted | Explained::NotLoaded(_) => false,
    };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Has the running server explain.
fn ask(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let server = Server::of(args.places.config.clone(), args.places.state.clone());
    let answer = match server.get(&path(args))?.good()? {
        Ok(answer) => answer,
        Err(code) => return Ok(code),
    };
    let mut out = io::stdout().lock();
    match &answer {
        Value::String(text) => write!(out, "{text}")?,
        value => writeln!(out, "{value:#}")?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The question as a URL's path and query.
fn path(args: &ExplainArgs) -> String {
    let mut path = format!("explain?format={}", if args.json { "json" } else { "text" });
    let client = args.client.map(|client| client.to_string());
    let assume = (!args.assume.is_empty()).then(|| args.assume.join(","));
    let all = args.all.then(|| "true".to_owned());
    let fields = [
        ("name", Some(&args.name)),
        ("client", client.as_ref()),
        ("subnet", args.subnet.as_ref()),
        ("assume", assume.as_ref()),
        ("all", all.as_ref()),
    ];
    for (key, value) in fields {
        let Some(value) = value else { continue };
        path.push('&');
        path.push_str(key);
        path.push('=');
        for octet in value.bytes() {
            if octet.is_ascii_alphanumeric() || b"-._".contains(&octet) {
                path.push(char::from(octet));
            } else {
                path.push('%');
                let digits = [octet >> 4, octet & 15].map(|digit| char::from_digit(digit.into(), 16));
                path.extend(digits.into_iter().flatten().map(|digit| digit.to_ascii_uppercase()));
            }
        }
    }
    path
}

/// What a server with these settings would serve, with the health that one beside us remembers.
pub(super) fn load(places: &Places) -> anyhow::Result<(std::sync::Arc<Snapshot>, Loader, Background)> {
    let settings = places.settings()?;
    let health = settings.state.join("health.json");
    // Reads the cache of the site table where a server has left one, and writes nothing.
    let mut loader = reader(&settings);
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let mut background = Background::default();
    let loaded = loader.load(Now { unix, monotonic: 0 }, Wish::default(), &mut |_, targets| {
        let remembered = remembered::read(&health, targets);
        background.age = remembered.as_ref().map(|(_, age)| *age);
        let (overrides, now_ms) = overrides_kept(&settings.state);
        let states = remembered.map(|(states, _)| states).unwrap_or_default();
        background.known = Known { overrides, now_ms, ..Known::of(states) };
        background.targets = background.known.states.iter().map(|state| target_words(*state)).collect();
        background.known.clone()
    });
    if loaded.findings.diagnostics.has_errors() {
        writeln!(
            io::stderr(),
            "{}\nsome files are not usable as they are; see `catchment check`",
            loaded.findings.diagnostics
        )?;
    }
    let Some(snapshot) = loaded.snapshot else { bail!("nothing could be loaded") };
    Ok((snapshot, loader, background))
}

fn target_words(state: State) -> TargetWords {
    let state = match state {
        State::Unknown | State::Up => "",
        State::Suspect => "a check has begun to fail",
        State::Down => "a check fails",
        State::Recovering => "recovering",
    };
    TargetWords { state: state.to_owned(), ..TargetWords::default() }
}

/// Where the files drain PoPs.
fn drains(generation: &Generation) -> HashMap<String, String> {
    let drained = generation.fleet.pops.iter().filter(|pop| pop.pop.drained);
    drained.map(|pop| (pop.pop.name.clone(), format!("{}:{}", pop.location.file, pop.location.line))).collect()
}

fn question(args: &ExplainArgs) -> anyhow::Result<Question> {
    let name = name(&args.name)?;
    let subnet = match &args.subnet {
        None => None,
        Some(text) => {
            let block = Block::parse(text).map_err(anyhow::Error::msg).context("--subnet")?;
            Some((block.address(), block.length()))
        }
    };
    let source = args.client.or(subnet.map(|(address, _)| address)).unwrap_or(IpAddr::from([127, 0, 0, 1]));
    Ok(Question { name, source, subnet, assume: Assume::parse(&args.assume).map_err(anyhow::Error::msg)? })
}

/// The name of an argument, absolute with its final dot or without.
pub(super) fn name(text: &str) -> anyhow::Result<Name> {
    let absolute = format!("{}.", text.trim_end_matches('.'));
    Name::parse(&absolute, None).map_err(|error| anyhow::anyhow!("`{text}` is not a name: {error}"))
}

/// An assumption about what does not exist is refused.
pub(super) fn check_names(assume: &Assume, snapshot: &Snapshot) -> anyhow::Result<()> {
    assume.unknown(snapshot).map_or(Ok(()), |error| bail!(error))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ExplainArgs,
    }

    #[test]
    fn questions_are_put_into_a_url() {
        let words =
            ["explain", "a b&c.example", "--subnet", "2001:db8::/48", "--assume", "down=fra,lhr", "--live", "--all"];
        let path = path(&Line::parse_from(words).args);
        assert_eq!(
            path,
            "explain?format=text&name=a%20b%26c.example&subnet=2001%3Adb8%3A%3A%2F48&assume=down%3Dfra%2Clhr&all=true"
        );
    }
}
