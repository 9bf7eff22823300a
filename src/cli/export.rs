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
use crate::config::model::{AliasModel, SteerModel, ZoneModel};
use crate::daemon::remembered;
use crate::dns::{Name, NameRef, Rdata, Type, rdata};
use crate::explain::{Assume, Explained, Question, explain};
use crate::health::Known;
use crate::reload::{Now, Wish};
use crate::snapshot::Snapshot;
use crate::zone::{Alias, End};

#[derive(Clone, Debug, Args)]
pub(super) struct ExportArgs {
    /// The zone's name
    zone: String,
    /// Write the addresses that this client would get now in place of steered names and ALIAS, which are comments otherwise
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
    let loaded = loader.load(Now { unix, monotonic: 0 }, Wish::default(), &mut |_, targets| {
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
            let resolve = |name: &Tailored<'_>| resolved(name, client, snapshot);
            let note = format!("; steered names and ALIAS as {client} would get them");
            master_file(&good.model, good.serial, &note, &resolve)
        }
        _ => master_file(&good.model, good.serial, "; steered names and ALIAS are comments", &|name| name.comment()),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// What has no form in a master file.
enum Tailored<'m> {
    Steer(&'m SteerModel),
    Alias(&'m AliasModel),
}

impl Tailored<'_> {
    fn owner(&self) -> &Name {
        match self {
            Self::Steer(steer) => &steer.owner,
            Self::Alias(alias) => &alias.owner,
        }
    }

    fn comment(&self) -> String {
        match self {
            Self::Steer(steer) => {
                format!("; {} is steered: service {}, policy {}\n", steer.owner, steer.service.name, steer.policy.name)
            }
            Self::Alias(alias) => format!("; {} {} ALIAS {}\n", alias.owner, alias.ttl, alias.target),
        }
    }
}

/// The zone's text: a note, the SOA, the records in the order of the files, then what `tailor` makes of steered names and
/// ALIAS.
fn master_file(model: &ZoneModel, serial: u32, note: &str, tailor: &dyn Fn(&Tailored<'_>) -> String) -> String {
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
    for record in model.records.iter() {
        line(&mut out, record.owner, record.ttl, record.rtype, record.rdata);
    }
    let steers = model.steers.iter().map(Tailored::Steer);
    for name in steers.chain(model.aliases.iter().map(Tailored::Alias)) {
        out.push_str(&tailor(&name));
    }
    out
}

fn line(out: &mut String, owner: NameRef<'_>, ttl: u32, rtype: Type, data: &[u8]) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{owner} {ttl} IN {rtype} {}", rdata::show(rtype, data));
}

/// Addresses of a name for one client, and where they come from.
fn resolved(name: &Tailored<'_>, client: IpAddr, snapshot: &Snapshot) -> String {
    let question = Question { name: name.owner().clone(), source: client, subnet: None, assume: Assume::default() };
    let mut out = name.comment();
    if let Explained::Steered(found) = explain(snapshot, &snapshot.live(), &question) {
        let _ = writeln!(out, "; decided: {}", found.pops().join(", "));
        let mut lines: BTreeMap<Type, String> = BTreeMap::new();
        for address in &found.addresses {
            let (rtype, data) = Rdata::address(*address);
            line(lines.entry(rtype).or_default(), name.owner().by_ref(), found.answer.ttl, rtype, &data.wire);
        }
        out.extend(lines.into_values());
    } else if let Tailored::Alias(alias) = name {
        let from = Alias { ttl: alias.ttl, target: alias.target.as_wire() };
        for rtype in [Type::A, Type::AAAA] {
            if let End::Static { rrset, ttl } = snapshot.zones.follow(from, rtype) {
                for data in rrset.rdata() {
                    let _ = writeln!(out, "{} {ttl} IN {rtype} {}", alias.owner, rdata::show(rtype, data));
                }
            }
        }
    }
    out
}
