//! `services:` as written: PoPs with addresses, and the checks and policy they name.

use std::net::IpAddr;
use std::time::Duration;

use super::super::diagnostic::Location;
use super::super::grammar::{Keys, Shape, key, required};
use super::super::reader::{Fields, Sink, Spot, boolean, entries, integer, kind, name, one_or_more, spots, text, word};
use super::super::units::{duration, ttl};
use super::super::yaml::{Node, Position};
use super::Context;
use super::bindings::{self, BindingText};
use super::checks::{Probe, probe};
use crate::dns::{Name, Type};
use crate::steering::{Member, Ttls};

/// Most addresses of a service at one PoP: an answer of more would not fit a UDP response.
pub(crate) const MAX_ADDRESSES: usize = 32;

/// A service.
pub(super) const SERVICE: Keys = Keys {
    what: "a service",
    known: &[
        key("checks", CHECKS, "none: always up", "How the health of its addresses is found out; all must be good."),
        key(
            "policy",
            Shape::Reference("a policy"),
            "nearest",
            "Who goes to which PoP; a steered name may name another.",
        ),
        key(
            "ttl",
            Shape::Either(&[Shape::Ttl, Shape::Map(&TTLS)]),
            "60s, 20s, 10s",
            "Times to live of its answers: one for all, or a map.",
        ),
        key("min_up", Shape::Whole(1, 1000), "1", "Usable PoPs that an order by command must leave."),
        key(
            "min_addresses",
            Shape::Whole(1, 1000),
            "1",
            "Usable addresses of a family below which a PoP does not serve it.",
        ),
        key(
            "families",
            Shape::OneOrMore(&Shape::Words(&["v4", "v6"])),
            "both",
            "The families it answers with, for everyone; addresses of the other are left out.",
        ),
        key(
            "slow_start",
            Shape::Time("1s", "1d"),
            "none: at once",
            "A PoP that comes back gets its clients over this time.",
        ),
        key(
            "manual_resume",
            Shape::Flag,
            "false",
            "A PoP that went down stays out until `catchment undrain service@pop`.",
        ),
        key(
            "https",
            Shape::OneOrMore(&Shape::Text),
            "none",
            "HTTPS records in presentation form; `ipv4hint=auto ipv6hint=auto` become the addresses that the client gets (RFC 9460).",
        ),
        key("svcb", Shape::OneOrMore(&Shape::Text), "none", "SVCB records, likewise."),
        required(
            "pops",
            Shape::Named("a PoP", &MEMBER_SHAPE),
            "Where it is served, and by which addresses. Ties go to the PoP written first.",
        ),
    ],
    planned: &["ecs"],
};
const CHECKS: Shape = Shape::OneOrMore(&Shape::Reference("a check"));
const MEMBER_SHAPE: Shape = Shape::Either(&[Shape::Map(&MEMBER), ADDRESSES]);
const ADDRESSES: Shape = Shape::OneOrMore(&Shape::Either(&[Shape::Address, Shape::Map(&ADDRESS)]));
const PROBE: Shape = Shape::Either(&[Shape::Endpoint, Shape::Address]);
const MEMBER: Keys = Keys {
    what: "a service at a PoP",
    known: &[
        key("addresses", ADDRESSES, "", "What its clients are told, at most 32."),
        key(
            "cname",
            Shape::Name,
            "none",
            "A name instead of addresses: at all PoPs of a service or at none; in a fleet file with a final dot.",
        ),
        key("probe", PROBE, "the address", "Where checks connect, for a PoP with one address or a `cname`."),
        key("checks", CHECKS, "the service's", "Other checks for this PoP; `[]` for none."),
        key(
            "weight",
            Shape::Whole(0, Member::MAX_WEIGHT as u64),
            "1",
            "Its part where clients are shared (`rank: weights`, `near`); 0: only when no positive weight is left.",
        ),
        key("capacity", Shape::Whole(1, MAX_CAPACITY as u64), "1", "What it counts for `panic`."),
    ],
    planned: &["https", "price", "drain", "ramp"],
};
const ADDRESS: Keys = Keys {
    what: "an address",
    known: &[
        required("ip", Shape::Address, "What clients are told."),
        key("probe", PROBE, "the address", "Where checks connect instead; without a port, the check's."),
        key("checks", CHECKS, "the PoP's", "Other checks for this address; `[]`: it counts as always up."),
    ],
    planned: &["weight"],
};
/// Times to live of steered answers.
pub(super) const TTLS: Keys = Keys {
    what: "`ttl`",
    known: &[
        key("home", Shape::Ttl, "60s", "The best PoP serves, and is well."),
        key("away", Shape::Ttl, "20s", "Another stands in for it."),
        key(
            "suspect",
            Shape::Ttl,
            "10s",
            "At most, while a probe of the chosen PoP has just failed, in panic and in fail-open.",
        ),
    ],
    planned: &[],
};

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
    pub(crate) slow_start: Option<Duration>,
    pub(crate) manual_resume: bool,
    /// HTTPS and SVCB records.
    pub(crate) bindings: Vec<BindingText>,
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
    /// Instead of addresses.
    pub(crate) cname: Option<(Name, Location)>,
    pub(crate) weight: u32,
    pub(crate) capacity: u32,
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

/// Longest `slow_start`.
const LONGEST_START: Duration = Duration::from_hours(24);
/// Largest capacity.
const MAX_CAPACITY: u32 = 1_000_000;

/// Which families a service answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Families {
    Both,
    V4,
    V6,
}

impl Families {
    fn holds(self, ip: IpAddr) -> bool {
        match self {
            Self::Both => true,
            Self::V4 => ip.is_ipv4(),
            Self::V6 => ip.is_ipv6(),
        }
    }
}

pub(super) fn read(node: &Node<'_>, context: &Context<'_>, sink: &mut Sink) -> Vec<ServiceText> {
    let mut services = Vec::new();
    for (key, value) in entries(node, "`services`", sink).unwrap_or_default() {
        let (named, Some(fields)) = (name(key, "a service", sink), Fields::open(value, &SERVICE, sink)) else {
            continue;
        };
        let mut small = |key: &str| {
            fields.get(key).and_then(|node| integer(node, &format!("`{key}`"), &(1..=1000), sink)).unwrap_or(1)
        };
        let (min_up, min_addresses) = (small("min_up"), small("min_addresses"));
        let families = fields.get("families").map_or(Families::Both, |node| families(node, sink));
        let mut bindings = Vec::new();
        for (key, rtype) in [("https", Type::HTTPS), ("svcb", Type::SVCB)] {
            bindings.extend(fields.get(key).map(|node| bindings::read(node, rtype, context, sink)).unwrap_or_default());
        }
        let service = ServiceText {
            name: key.text.to_string(),
            location: sink.location(key.at),
            checks: fields.get("checks").and_then(|node| spots(node, "`checks`", sink)).unwrap_or_default(),
            policy: fields.get("policy").and_then(|node| Spot::read(node, "`policy`", sink)),
            ttls: fields.get("ttl").map(|node| TtlsText::read(node, sink)).unwrap_or_default().over(Ttls::default()),
            min_up,
            min_addresses,
            slow_start: fields
                .get("slow_start")
                .and_then(|node| duration(node, "`slow_start`", &(Duration::from_secs(1)..=LONGEST_START), sink)),
            manual_resume: fields
                .get("manual_resume")
                .and_then(|node| boolean(node, "`manual_resume`", sink))
                .unwrap_or_default(),
            bindings,
            members: members(&key.text, key.at, fields.get("pops"), families, context, sink),
        };
        if named {
            limits(&service, &fields, sink);
            aliases(&service, &fields, sink);
            services.push(service);
        }
    }
    services
}

/// Target names stand at all PoPs or at none, and nothing of addresses beside them.
fn aliases(service: &ServiceText, fields: &Fields<'_, '_>, sink: &mut Sink) {
    let Some(alias) = service.members.iter().find(|m| m.cname.is_some()) else { return };
    if let Some(other) = service.members.iter().find(|m| m.cname.is_none()) {
        let (pop, alias) = (&other.pop.text, &alias.pop.text);
        let message = format!("PoP `{pop}` has addresses, and PoP `{alias}` a `cname`");
        let help = "clients of one name get the same types: give all PoPs addresses, or all a `cname`";
        sink.error_at(&other.pop.location, message, help);
    }
    let help = "a service with `cname` answers with that name for every type";
    for key in ["families", "min_addresses", "https", "svcb"] {
        if let Some(node) = fields.get(key) {
            sink.error_help(node.at(), format!("`{key}` beside `cname`"), help);
        }
    }
}

fn families(node: &Node<'_>, sink: &mut Sink) -> Families {
    let items = one_or_more(node, "`families`", sink).unwrap_or_default();
    let words = [("v4", Families::V4), ("v6", Families::V6)];
    let read: Vec<Families> = items.iter().filter_map(|item| word(item, "`families`", &words, sink)).collect();
    if items.is_empty() && !node.is_null() {
        sink.error_help(node.at(), "`families` leaves no address", "`[v4]`, `[v6]`, or leave the key out for both");
    }
    match (read.contains(&Families::V4), read.contains(&Families::V6)) {
        (true, false) => Families::V4,
        (false, true) => Families::V6,
        _ => Families::Both,
    }
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

fn members(
    service: &str,
    at: Position,
    node: Option<&Node<'_>>,
    families: Families,
    context: &Context<'_>,
    sink: &mut Sink,
) -> Vec<MemberText> {
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
        let Some(mut member) = member(pop, key.at, value, context, sink) else { continue };
        let written = !member.addresses.is_empty();
        member.addresses.retain(|address| families.holds(address.ip));
        if written && member.addresses.is_empty() {
            let family = if families == Families::V4 { "IPv4" } else { "IPv6" };
            let message = format!("PoP `{}` has no {family} address, the one family of this service", key.text);
            sink.error_help(key.at, message, "give it one, or take the PoP out of this service");
            continue;
        }
        members.push(member);
    }
    if let [_, _, ..] = members.as_slice()
        && members.iter().all(|member| member.weight == 0)
    {
        let help = "weight 0 serves only when no positive weight is left: here all share alike";
        sink.warn_help(at, format!("every PoP of service `{service}` has weight 0"), help);
    }
    members
}

fn member(pop: Spot, at: Position, node: &Node<'_>, context: &Context<'_>, sink: &mut Sink) -> Option<MemberText> {
    let mut member =
        MemberText { pop, checks: None, probe: None, addresses: Vec::new(), cname: None, weight: 1, capacity: 1 };
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
        if let Some(node) = fields.get("weight") {
            member.weight = integer(node, "`weight`", &(0..=Member::MAX_WEIGHT), sink).unwrap_or(1);
        }
        if let Some(node) = fields.get("capacity") {
            member.capacity = integer(node, "`capacity`", &(1..=MAX_CAPACITY), sink).unwrap_or(1);
        }
        if let Some(node) = fields.get("cname") {
            if list.is_some() {
                let help = "clients are sent to addresses or to a name: keep one of the two";
                sink.error_help(node.at(), "`cname` beside `addresses`", help);
            }
            member.cname = Some((cname(node, context, sink)?, sink.location(node.at())));
            return Some(member);
        }
        if list.is_none() && !fields.all_known(&MEMBER) {
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

fn cname(node: &Node<'_>, context: &Context<'_>, sink: &mut Sink) -> Option<Name> {
    let written = text(node, "`cname`", sink)?;
    if written.parse::<IpAddr>().is_ok() {
        sink.error_help(node.at(), format!("`{written}` is an address"), "write it in `addresses`");
        return None;
    }
    let root = Name::root();
    let name = Name::parse(written, Some(context.origin.unwrap_or(&root)));
    match name {
        Ok(name) if name.is_root() => sink.error(node.at(), "`cname` cannot be the root"),
        Ok(name) if context.origin.is_none() && !written.ends_with('.') => {
            let help = format!("the fleet belongs to no zone: write the whole name, `{name}`");
            sink.error_help(node.at(), format!("`{written}` has no final dot"), help);
        }
        Ok(name) => return Some(name),
        Err(error) => sink.error(node.at(), error.to_string()),
    }
    None
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
        Node::List(..) | Node::Bulk(..) => {
            sink.error(node.at(), format!("an address is text or a map with `ip`, not {}", kind(node)));
            None
        }
    }
}

pub(super) fn ip(node: &Node<'_>, sink: &mut Sink) -> Option<IpAddr> {
    let written = text(node, "an address", sink)?;
    let parsed = written.parse::<IpAddr>();
    if let Ok(ip) = parsed {
        return Some(ip);
    }
    let help = if written.contains('/') {
        "one address, without a prefix length"
    } else if written.starts_with(|c: char| c.is_ascii_alphabetic()) && !written.contains(':') {
        "a name is written as `{cname: name.example.}`, at all PoPs of a service or at none"
    } else {
        "for example `192.0.2.10` or `\"2001:db8::10\"`; a port belongs into `probe`"
    };
    sink.error_help(node.at(), format!("`{written}` is not an IP address"), help);
    None
}
