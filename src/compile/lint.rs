//! What is no error and yet hardly ever meant: what `named-checkzone`, zonemaster and dnsviz complain of, as far as the files tell,
//! and what steering makes odd. For `catchment check` alone: a server does not repeat it at every reload.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::config::model::{Record, ServiceModel, SteerModel, ZoneModel};
use crate::config::units::show;
use crate::config::{Diagnostic, Diagnostics, Location};
use crate::dns::{FoldedName, Name, NameRef, Type};
use crate::health::state::worst_detection;
use crate::health::{Check, CheckKind};
use crate::zone::{Lookup, Zone};

/// Negative answers of a zone whose names come and go by an edit should not be remembered for longer (RFC 2308 §5 allows
/// up to three hours).
const NEGATIVE: u32 = 3600;
/// Resolvers keep nothing for longer (RFC 8767 §4 recommends a cap of a week, and most have one of a day).
const WEEK: u32 = 604_800;
/// A steered TTL up to this is not worth a word, however fast failures are noticed.
const PATIENCE: u32 = 300;

/// Everything odd about a zone, in file order.
pub fn lint(model: &ZoneModel, zone: &Zone) -> Diagnostics {
    let mut lint = Lint { model, zone, found: Diagnostics::default() };
    lint.start_of_authority();
    lint.name_servers();
    lint.targets();
    lint.times();
    lint.host_names();
    lint.sender_policies();
    lint.steered();
    lint.found.sort();
    lint.found
}

struct Lint<'m> {
    model: &'m ZoneModel,
    zone: &'m Zone,
    found: Diagnostics,
}

impl Lint<'_> {
    fn warn(&mut self, location: &Location, message: impl Into<String>, help: impl Into<String>) {
        self.found.push(Diagnostic::warning(location.clone(), message).help(help));
    }

    /// RFC 1912 §2.2, RFC 2308 §5.
    fn start_of_authority(&mut self) {
        let (soa, at) = (&self.model.soa, &self.model.location);
        if soa.retry >= soa.refresh {
            self.warn(
                at,
                format!("`retry` of the SOA, {} s, is not below `refresh`, {} s", soa.retry, soa.refresh),
                "secondaries try again sooner than they look anew (RFC 1912 §2.2)",
            );
        }
        if soa.expire < WEEK || soa.expire <= soa.refresh.saturating_add(soa.retry) {
            self.warn(
                at,
                format!(
                    "`expire` of the SOA is {} s: secondaries give the zone up that soon after losing touch",
                    soa.expire
                ),
                "two to four weeks are usual (RFC 1912 §2.2)",
            );
        }
        let negative = soa.minimum.min(soa.ttl);
        if negative > NEGATIVE && !self.model.steers.is_empty() {
            self.warn(
                at,
                format!("resolvers remember for {negative} s that a name does not exist"),
                "a name that is added is missed that long by who asked before: `soa: {minimum: 5m}`",
            );
        } else if negative > 86_400 {
            self.warn(
                at,
                format!("resolvers are told to remember for {negative} s that a name does not exist"),
                "more than a day is too long (RFC 2308 §5)",
            );
        }
    }

    /// RFC 2182 §3.1, §5; RFC 1034 §4.1.
    fn name_servers(&mut self) {
        let servers: Vec<Record<'_>> = self.model.records.iter().filter(|r| self.is_apex_ns(r)).collect();
        let Some(first) = servers.first().map(Record::location) else { return };
        if servers.len() == 1 {
            let help = "two or more, in different networks, so that one may fail (RFC 2182 §5)";
            return self.warn(&first, format!("zone `{}` has one name server", self.model.apex), help);
        }
        let networks = |rtype: Type, octets: usize| -> Option<Vec<Vec<u8>>> {
            // Only where every server's addresses are known here.
            servers
                .iter()
                .map(|r| self.addresses(&r.target()?, rtype)?.first()?.get(..octets).map(<[u8]>::to_vec))
                .collect()
        };
        let together = networks(Type::A, 3).filter(|all| all.windows(2).all(|pair| pair[0] == pair[1]));
        if together.is_some() {
            let help = "put them into different networks, so that one may fail (RFC 2182 §3.1)";
            self.warn(&first, format!("all name servers of `{}` are in one /24", self.model.apex), help);
        }
    }

    fn is_apex_ns(&self, record: &Record<'_>) -> bool {
        record.rtype == Type::NS && record.owner == self.model.apex
    }

    /// RDATA of a type at a name of this zone; `None` where it has none, or is elsewhere.
    fn addresses(&self, name: &Name, rtype: Type) -> Option<Vec<Vec<u8>>> {
        if !name.is_at_or_under(&self.model.apex) {
            return None;
        }
        match self.zone.lookup(&FoldedName::of(name), rtype) {
            Lookup::Answer(rrset) => Some(rrset.rdata().map(<[u8]>::to_vec).collect()),
            _ => None,
        }
    }

    /// What records point to: no CNAME for NS, MX and SRV (RFC 2181 §10.3, RFC 2782), and somebody there.
    fn targets(&mut self) {
        for record in self.model.records.iter() {
            let rtype = record.rtype;
            let Some(target) = record.target() else { continue };
            if looks_like_address(&target) {
                let message =
                    format!("{rtype} of `{}` points to `{target}`, a name that looks like an address", record.owner);
                self.warn(&record.location(), message, "point to a name, and give that name the address");
                continue;
            }
            if target.is_root() || !target.is_at_or_under(&self.model.apex) || matches!(rtype, Type::DNAME | Type::PTR)
            {
                continue;
            }
            let at = FoldedName::of(&target);
            let (v4, v6) = (self.zone.lookup(&at, Type::A), self.zone.lookup(&at, Type::AAAA));
            let nobody = |lookup: &Lookup<'_>| matches!(lookup, Lookup::NoData | Lookup::NxDomain);
            if rtype == Type::CNAME {
                if matches!(v4, Lookup::NxDomain) {
                    let message = format!("CNAME of `{}` leads to `{target}`, which does not exist", record.owner);
                    self.warn(&record.location(), message, "every question for it ends in NXDOMAIN");
                }
            } else if matches!(v4, Lookup::Cname(_)) {
                let message = format!("{rtype} of `{}` points to `{target}`, which is a CNAME", record.owner);
                self.warn(&record.location(), message, "point to the name that has the addresses (RFC 2181 §10.3)");
            } else if nobody(&v4) && nobody(&v6) && !self.is_apex_ns(&record) {
                // Of the zone's own servers reading the file tells.
                let message = format!("{rtype} of `{}` points to `{target}`, which has no address", record.owner);
                self.warn(&record.location(), message, "write its `A` or `AAAA` under `records`");
            }
        }
    }

    fn times(&mut self) {
        if let Some(record) = self.model.records.iter().find(|record| record.ttl > WEEK) {
            let message = format!("a TTL of {} s: a mistake in it stays for more than a week", record.ttl);
            self.warn(&record.location(), message, "resolvers keep nothing longer; a day is long enough");
        }
    }

    /// Owners of addresses and mail are host names (RFC 1123 §2.1).
    fn host_names(&mut self) {
        let mut told: HashSet<NameRef<'_>> = HashSet::new();
        let records = self.model.records.iter().filter(|r| matches!(r.rtype, Type::A | Type::AAAA | Type::MX));
        let owners = records
            .map(|r| (r.owner, r.location()))
            .chain(self.model.steers.iter().map(|s| (s.owner.by_ref(), s.location.clone())));
        for (owner, location) in owners {
            if !is_host_name(owner) && told.insert(owner) {
                self.found.push(
                    Diagnostic::warning(location, format!("`{owner}` is not a host name"))
                        .help("letters, digits and `-` inside labels; many programs refuse others (RFC 1123 §2.1)"),
                );
            }
        }
    }

    /// One policy per name (RFC 7208 §3.2), in TXT (§3.1).
    fn sender_policies(&mut self) {
        let mut policies: HashMap<NameRef<'_>, u32> = HashMap::new();
        for record in self.model.records.iter().filter(|r| r.rtype == Type::TXT) {
            let text = record.rdata.get(1..).unwrap_or_default().to_ascii_lowercase();
            if text.starts_with(b"v=spf1 ") || text == b"v=spf1" {
                let count = policies.entry(record.owner).or_default();
                *count += 1;
                if *count == 2 {
                    self.found.push(
                        Diagnostic::warning(record.location(), format!("`{}` has two SPF policies", record.owner))
                            .help("receivers take that for an error; join them into one (RFC 7208 §3.2)"),
                    );
                }
            }
        }
    }

    /// TTLs that outlast the care taken to notice failures.
    fn steered(&mut self) {
        let mut told: HashSet<(&str, u32)> = HashSet::new();
        for steer in &self.model.steers {
            let Some(noticed) = slowest(&steer.service) else { continue };
            let limit = PATIENCE.max(u32::try_from(noticed.as_secs()).unwrap_or(u32::MAX).saturating_mul(10));
            if steer.ttls.home > limit && told.insert((&steer.service.name, steer.ttls.home)) {
                let message = format!(
                    "a failure of service `{}` is noticed within {}, and resolvers go on with the old answer for {}",
                    steer.service.name,
                    shown(noticed),
                    shown(Duration::from_secs(u64::from(steer.ttls.home))),
                );
                self.warn(
                    &steer.location,
                    message,
                    "a shorter `ttl: {home: …}`, for example 60s, lets failover be felt",
                );
            }
        }
    }
}

/// How soon failures of a service's PoPs are noticed, and for how long resolvers may go on with an old answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// From the last good answer of an address to its going out of use, at worst; `None` without any check.
    pub noticed: Option<Duration>,
    /// TTL of answers before.
    pub home: u32,
    /// TTL of the answers that stand in, which clients keep after the return.
    pub away: u32,
}

/// The times of what a name is steered by.
pub fn times(steer: &SteerModel) -> Times {
    Times { noticed: slowest(&steer.service), home: steer.ttls.home, away: steer.ttls.away }
}

/// The longest time to notice a failure, of the addresses that are checked.
fn slowest(service: &ServiceModel) -> Option<Duration> {
    let addresses = service.members.iter().flat_map(|member| member.addresses.iter().map(|a| &a.targets));
    let names = service.members.iter().map(|member| &member.cname_targets);
    let by_address = addresses.chain(names).filter_map(|targets| {
        // Any of its checks takes an address out: the fastest counts.
        targets.iter().filter_map(|target| noticed(&target.check)).min()
    });
    by_address.max()
}

fn noticed(check: &Check) -> Option<Duration> {
    match &check.kind {
        CheckKind::Calculated(formula) => formula.parts().iter().filter_map(|part| noticed(&part.check)).max(),
        CheckKind::Push(_) => None,
        _ => Some(worst_detection(check)),
    }
}

/// A time in words: `5.25 s`, `1h30m`.
pub fn shown(time: Duration) -> String {
    if time.subsec_millis() == 0 { show(time) } else { format!("{} s", time.as_secs_f64()) }
}

fn is_host_name(name: NameRef<'_>) -> bool {
    let text = name.to_string();
    let text = text.strip_prefix("*.").unwrap_or(&text).trim_end_matches('.');
    text.split('.').all(|label| {
        let inside = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        inside && !label.starts_with('-') && !label.ends_with('-')
    })
}

/// `192.0.2.1.` was meant to be an address.
fn looks_like_address(name: &Name) -> bool {
    let text = name.to_string();
    let labels: Vec<&str> = text.trim_end_matches('.').split('.').collect();
    labels.len() >= 4 && labels.iter().take(4).all(|label| label.parse::<u8>().is_ok())
}
