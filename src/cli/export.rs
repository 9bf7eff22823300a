//! `catchment export`: a zone as a master file (RFC 1035 §5), which any name server reads.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::bail;
use clap::Args;

use super::{Places, reader};
use crate::config::model::{SteerModel, ZoneModel};
use crate::daemon::remembered;
use crate::dns::{Name, Rdata, Type, rdata};
use crate::explain::{Assume, Explained, Question, explain};
use crate::health::Known;
use crate::reload::Now;
use crate::snapshot::Snapshot;

#[derive(Clone, Debug, Args)]
pub(super) struct ExportArgs {
    /// The zone's name
    zone: String,
    /// Write the addresses that this client would get now in place of steered names, which are comments otherwise
    #[arg(long, value_name = "ADDRESS")]
    as_of_client: Option<IpAddr>,
    #[command(flatten)]
    places: Places,
}

pub(super) fn run(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let written = format!("{}.", args.zone.trim_end_matches('.'));
    let apex = Name::parse(&written, None)
        .map_err(|error| anyhow::anyhow!("`{}` is not the name of a zone: {error}", args.zone))?;
    let settings = args.places.settings()?;
    let health = settings.state.join("health.json");
    // What a server here would serve, its last good copies included; writes nothing.
    let mut loader = reader(&settings);
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let loaded = loader.load(Now { unix, monotonic: 0 }, false, &mut |_, targets| {
        Known::of(remembered::read(&health, targets).map(|(states, _)| states).unwrap_or_default())
    });
    let Some(entry) = loader.generation.zones.get(&apex) else {
        let known: Vec<_> = loader.generation.zones.keys().map(|zone| format!("`{zone}`")).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        bail!("zone `{apex}` is not in {}; zones there: {known}", settings.zones.display());
    };
    if entry.good.is_none() || entry.stale.is_some() {
        writeln!(io::stderr(), "{}", loaded.findings.diagnostics)?;
    }
    let Some(good) = &entry.good else { bail!("zone `{apex}` is not usable as it is; see `catchment check`") };
    if entry.stale.is_some() {
        writeln!(io::stderr(), "{} is not usable as it is; this is the last good version", entry.path)?;
    }
    let text = match (args.as_of_client, &loaded.snapshot) {
        (Some(client), Some(snapshot)) => {
            let resolve = |steer: &SteerModel| resolved(steer, client, snapshot);
            let note = format!("; steered names as {client} would get them");
            master_file(&good.model, good.serial, &note, &resolve)
        }
        _ => master_file(&good.model, good.serial, "; steered names are comments", &comment),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The zone's text: a note, the SOA, the records in the order of the files, then what `steered` makes of steered names.
fn master_file(model: &ZoneModel, serial: u32, note: &str, steered: &dyn Fn(&SteerModel) -> String) -> String {
    let soa = &model.soa;
    let mut out = format!(
        "; zone {} by catchment {}\n{note}\n{} {} IN SOA {} {} {serial} {} {} {} {}\n",
        model.apex,
        env!("CARGO_PKG_VERSION"),
        model.apex,
        soa.ttl,
        soa.mname,
        soa.rname,
        soa.refresh,
        soa.retry,
        soa.expire,
        soa.minimum
    );
    for record in &model.records {
        line(&mut out, &record.owner, record.ttl, record.rtype, &record.rdata);
    }
    for steer in &model.steers {
        out.push_str(&steered(steer));
    }
    out
}

fn line(out: &mut String, owner: &Name, ttl: u32, rtype: Type, data: &Rdata) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{owner} {ttl} IN {rtype} {}", rdata::show(rtype, &data.wire));
}

fn comment(steer: &SteerModel) -> String {
    format!("; {} is steered: service {}, policy {}\n", steer.owner, steer.service.name, steer.policy.name)
}

/// Addresses of a steered name for one client, and where they come from.
fn resolved(steer: &SteerModel, client: IpAddr, snapshot: &Snapshot) -> String {
    let question = Question { name: steer.owner.clone(), source: client, subnet: None, assume: Assume::default() };
    let mut out = comment(steer);
    if let Explained::Steered(found) = explain(snapshot, &snapshot.live(), &question) {
        let _ = writeln!(out, "; decided: {}", found.pops().join(", "));
        let mut lines: BTreeMap<Type, String> = BTreeMap::new();
        for address in &found.addresses {
            let (rtype, data) = Rdata::address(*address);
            line(lines.entry(rtype).or_default(), &steer.owner, found.answer.ttl, rtype, &data);
        }
        out.extend(lines.into_values());
    }
    out
}
