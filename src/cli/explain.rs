//! `catchment explain`: why a client is sent where it is sent.

use std::io::{self, Write};
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;

use super::{Places, setup};
use crate::daemon::remembered;
use crate::dns::Name;
use crate::explain::{Assume, CandidateView, Explained, KeySource, Question, Steered, explain};
use crate::net::Block;
use crate::reload::{Loader, Now, Options};
use crate::steering::Standing;

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
    /// Assume PoPs to be otherwise: `down=fra`, `drain=ams`; several with commas, or given again
    #[arg(long, value_name = "WHAT=POP", value_delimiter = ',')]
    assume: Vec<String>,
    #[command(flatten)]
    places: Places,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let question = question(args)?;
    let settings = args.places.settings()?;
    let health = settings.state.join("health.json");
    // Reads the cache of the site table where a server has left one, and writes nothing.
    let mut loader = Loader::read_only(Options {
        zones: settings.zones.clone(),
        geodb: settings.geodb.clone(),
        state: Some(settings.state.clone()),
        grace: settings.vanish_grace,
        identity: setup_identity(),
    });
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let mut seen = None;
    let loaded = loader.load(Now { unix, monotonic: 0 }, false, &mut |_, targets| {
        let known = remembered::read(&health, targets);
        seen = known.as_ref().map(|(_, age)| *age);
        known.map(|(states, _)| states).unwrap_or_default()
    });
    if loaded.findings.diagnostics.has_errors() {
        writeln!(io::stderr(), "{}\nsome files are not usable as they are; see `catchment check`", loaded.findings.diagnostics)?;
    }
    let Some(snapshot) = &loaded.snapshot else { bail!("nothing could be loaded") };
    let explained = explain(snapshot, &snapshot.live(), &question);
    let mut out = io::stdout().lock();
    let credits: Vec<_> = loader.databases.used.iter().filter_map(|used| used.credit.clone()).collect();
    match &explained {
        Explained::NotHosted => writeln!(out, "{}: no zone here holds this name: REFUSED", question.name)?,
        Explained::NotLoaded(zone) => writeln!(out, "{}: zone `{zone}` is not loaded: SERVFAIL", question.name)?,
        Explained::Static { zone, what } => {
            writeln!(out, "{}: {what} in zone `{zone}`; the same for every client, scope 0", question.name)?;
        }
        Explained::Steered(steered) if args.json => writeln!(out, "{:#}", to_json(steered, seen, &credits))?,
        Explained::Steered(steered) => {
            print(&mut out, &question, steered, seen)?;
            for credit in credits {
                writeln!(out, "\n{credit}")?;
            }
        }
    }
    let good = matches!(&explained, Explained::Steered(steered) if steered.agrees) || matches!(explained, Explained::Static { .. });
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
