//! `services:` as written: PoPs with addresses, and the checks and policy they name.

use std::net::IpAddr;

use super::super::diagnostic::Location;
use super::super::reader::{Fields, Keys, Sink, Spot, entries, integer, kind, name, one_or_more, spots, text};
use super::super::units::ttl;
use super::super::yaml::{Node, Position};
use super::checks::{Probe, probe};
use crate::steering::Ttls;

/// Most addresses of a service at one PoP: an answer of more would not fit a UDP response.
pub(crate) const MAX_ADDRESSES: usize = 32;

const SERVICE: Keys = Keys {
    what: "a service",
    known: &["checks", "policy", "ttl", "min_up", "min_addresses", "pops"],
    planned: &["https", "svcb", "cname", "weight", "capacity", "families", "ecs", "panic", "fallback"],
};
const MEMBER: Keys = Keys {
    what: "a service at a PoP",
    known: &["addresses", "probe", "checks"],
    planned: &["weight", "capacity", "cname", "https", "price", "drain", "ramp"],
};
const ADDRESS: Keys = Keys { what: "an address", known: &["ip", "probe", "checks"], planned: &["weight"] };
const TTLS: Keys = Keys { what: "`ttl`", known: &["home", "away", "suspect"], planned: &[] };

/// A service whose PoPs, checks and policy are still names.
#[derive(Clone, Debug)]
pub(crate) struct ServiceText {
    pub(crate) name: String,
    pub(crate) location: Location,
    pub(crate) checks: Vec<Spot>,
    pub(crate) policy: Option<Spot>,
    pub(crate) ttls: Ttls,
    pub(crate) min_up: u16,
    pub(crate) min_addresses: u16,
    pub(crate) members: Vec<MemberText>,
}

/// A service at a PoP.
#[derive(Clone, Debug)]
pub(crate) struct MemberText {
    pub(crate) pop: Spot,
    /// Instead of the service's.
    pub(crate) checks: Option<Vec<Spot>>,
    pub(crate) probe: Option<Probe>,
    pub(crate) addresses: Vec<AddressText>,
}

/// An address of a service.
#[derive(Clone, Debug)]
pub(crate) struct AddressText {
    pub(crate) ip: IpAddr,
    pub(crate) location: Location,
    pub(crate) probe: Option<Probe>,
    /// Instead of the PoP's or the service's.
    pub(crate) checks: Option<Vec<Spot>>,
}

/// TTLs as far as they are written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TtlsText {
    home: Option<u32>,
    away: Option<u32>,
    suspect: Option<u32>,
}

impl TtlsText {
    /// One value for all three, or a map of some.
    pub(super) fn read(node: &Node<'_>, sink: &mut Sink) -> Self {
        if !matches!(node, Node::Map(..)) {
            let one = ttl(node, "`ttl`", sink);
            return Self { home: one, away: one, suspect: one };
        }
        let Some(fields) = Fields::open(node, &TTLS, sink) else { return Self::default() };
        let mut get = |key: &str| fields.get(key).and_then(|node| ttl(node, &format!("`{key}`"), sink));
        Self { home: get("home"), away: get("away"), suspect: get("suspect") }
    }

    /// These, and where nothing is written those of `base`.
    pub(crate) fn over(self, base: Ttls) -> Ttls {
        Ttls {
            home: self.home.unwrap_or(base.home),
            away: self.away.unwrap_or(base.away),
            suspect: self.suspect.unwrap_or(base.suspect),
        }
    }
}

pub(super) fn read(node: &Node<'_>, sink: &mut Sink) -> Vec<ServiceText> {
    let mut services = Vec::new();
    for (key, value) in entries(node, "`services`", sink).unwrap_or_default() {
        let (named, Some(fields)) = (name(key, "a service", sink), Fields::open(value, &SERVICE, sink)) else {
            continue;
        };
        let mut small = |key: &str| {
            fields.get(key).and_then(|node| integer(node, &format!("`{key}`"), &(1..=1000), sink)).unwrap_or(1)
        };
        let (min_up, min_addresses) = (small("min_up"), small("min_addresses"));
        let service = ServiceText {
            name: key.text.to_string(),
            location: sink.location(key.at),
            checks: fields.get("checks").and_then(|node| spots(node, "`checks`", sink)).unwrap_or_default(),
            policy: fields.get("policy").and_then(|node| Spot::read(node, "`policy`", sink)),
            ttls: fields.get("ttl").map(|node| TtlsText::read(node, sink)).unwrap_or_default().over(Ttls::default()),
            min_up,
            min_addresses,
            members: members(&key.text, key.at, fields.get("pops"), sink),
        };
        if named {
            limits(&service, &fields, sink);
            services.push(service);
        }
    }
    services
}

fn limits(service: &ServiceText, fields: &Fields<'_, '_>, sink: &mut Sink) {
    let pops = service.members.len();
    if let Some(node) = fields.get("min_up")
        && pops > 0
        && usize::from(service.min_up) > pops
    {
        sink.error(node.at(), format!("`min_up` is {}, and the service has {pops} PoPs", service.min_up));
    }
    if let Some(node) = fields.get("min_addresses") {
        let most = service.members.iter().map(|m| most_of_a_family(&m.addresses)).min().unwrap_or(0);
        if most > 0 && usize::from(service.min_addresses) > most {
            let message =
                format!("`min_addresses` is {}, and a PoP has only {most} of a family", service.min_addresses);
            sink.error_help(node.at(), message, "such a PoP would never be eligible");
        }
    }
}

fn most_of_a_family(addresses: &[AddressText]) -> usize {
    let v4 = addresses.iter().filter(|a| a.ip.is_ipv4()).count();
    v4.max(addresses.len() - v4)
}

fn members(service: &str, at: Position, node: Option<&Node<'_>>, sink: &mut Sink) -> Vec<MemberText> {
    const HELP: &str = "name PoPs with their addresses: `pops: {fra: 192.0.2.10}`";
    let Some(node) = node else {
        sink.error_help(at, format!("service `{service}` has no `pops`"), HELP);
        return Vec::new();
    };
    let Some(entries) = entries(node, "`pops`", sink) else { return Vec::new() };
    if entries.is_empty() {
        sink.error_help(node.at(), format!("service `{service}` has no PoPs"), HELP);
    }
    let mut members = Vec::new();
    for (key, value) in entries {
        let pop = Spot { text: key.text.to_string(), location: sink.location(key.at) };
        members.extend(member(pop, key.at, value, sink));
    }
    members
}

fn member(pop: Spot, at: Position, node: &Node<'_>, sink: &mut Sink) -> Option<MemberText> {
    let mut member = MemberText { pop, checks: None, probe: None, addresses: Vec::new() };
    let mut list = Some(node);
    if let Node::Map(..) = node {
        // One address with its keys may stand here without a list around it.
        let single = matches!(node, Node::Map(_, entries) if entries.iter().any(|(key, _)| key.text == "ip"));
        if single {
            member.addresses.extend(address(node, sink));
            return Some(member);
        }
        let fields = Fields::open(node, &MEMBER, sink)?;
        list = fields.get("addresses");
        member.checks = fields.get("checks").and_then(|node| spots(node, "`checks`", sink));
        member.probe = fields.get("probe").and_then(|node| probe(node, sink));
        if list.is_none() && MEMBER.planned.iter().any(|key| fields.get(key).is_some()) {
            return None;
        }
    }
    let items = match list {
        Some(node) if node.is_null() => &[],
        Some(node @ Node::Map(..)) => std::slice::from_ref(node),
        Some(node) => one_or_more(node, "`addresses`", sink).unwrap_or_default(),
        None => &[],
    };
    if items.is_empty() {
        let message = format!("PoP `{}` has no address for this service", member.pop.text);
        sink.error_help(at, message, "give it an address, or take the PoP out of this service");
        return None;
    }
    if items.len() > MAX_ADDRESSES {
        sink.error(at, format!("{} addresses at one PoP, more than {MAX_ADDRESSES}", items.len()));
        return None;
    }
    for item in items {
        let Some(address) = address(item, sink) else { continue };
        if member.addresses.iter().any(|a| a.ip == address.ip) {
            sink.error(item.at(), format!("`{}` is written twice for this PoP", address.ip));
        } else {
            member.addresses.push(address);
        }
    }
    if let Some(probe) = &member.probe
        && items.len() > 1
    {
        let message =
            format!("`probe` of PoP `{}` stands for one address, and it has {}", member.pop.text, items.len());
        sink.error_at(
            &probe.location,
            message,
            "give each address its own: `{ip: 192.0.2.10, probe: \"127.0.0.10:8443\"}`",
        );
    }
    (!member.addresses.is_empty()).then_some(member)
}

fn address(node: &Node<'_>, sink: &mut Sink) -> Option<AddressText> {
    let location = sink.location(node.at());
    match node {
        Node::Scalar(_) => Some(AddressText { ip: ip(node, sink)?, location, probe: None, checks: None }),
        Node::Map(at, _) => {
            let fields = Fields::open(node, &ADDRESS, sink)?;
            let probe = fields.get("probe").and_then(|node| probe(node, sink));
            let checks = fields.get("checks").and_then(|node| spots(node, "`checks`", sink));
            let Some(written) = fields.get("ip") else {
                sink.error_help(
                    *at,
                    "this address has no `ip`",
                    "for example `{ip: 192.0.2.10, probe: \"127.0.0.10:8443\"}`",
                );
                return None;
            };
            Some(AddressText { ip: ip(written, sink)?, location, probe, checks })
        }
        Node::List(..) => {
            sink.error(node.at(), format!("an address is text or a map with `ip`, not {}", kind(node)));
            None
        }
    }
}

fn ip(node: &Node<'_>, sink: &mut Sink) -> Option<IpAddr> {
    let written = text(node, "an address", sink)?;
    let parsed = written.parse::<IpAddr>();
    if let Ok(ip) = parsed {
        return Some(ip);
    }
    let help = if written.contains('/') {
        "one address, without a prefix length"
    } else if written.starts_with(|c: char| c.is_ascii_alphabetic()) && !written.contains(':') {
        "services answer with addresses; `cname` of a service is planned"
    } else {
        "for example `192.0.2.10` or `\"2001:db8::10\"`; a port belongs into `probe`"
    };
    sink.error_help(node.at(), format!("`{written}` is not an IP address"), help);
    None
}
