//! Whether a type exists at a name must not depend on the client (SEMANTICS §1.6): resolvers keep a negative answer for
//! all clients, whatever subnet it was given to. What could make it so is refused here.
//!
//! The pipeline itself never does: a family exists at a name when any member of any tier has it, a class that fences leave
//! without anyone gets `on_empty`, and a PoP without the family hands its clients to the next. What is left is what
//! stands in for a decision, and must have the same types: `fallback` addresses, and the `A` and `AAAA` written beside
//! `steer`; and what answers another type than the service does: a `cname` beside anything.

use std::collections::HashSet;
use std::net::IpAddr;

use super::super::diagnostic::Location;
use super::super::model::{MemberModel, ServiceModel};
use super::super::reader::{Sink, quoted};
use super::policies::Chosen;
use crate::dns::{Name, Type};
use crate::steering::{Effect, OnAllDown, OnEmpty, Policy, Rule};

/// An address family, with the type that holds it.
#[derive(Clone, Copy, Debug)]
struct Family {
    rtype: Type,
    name: &'static str,
    holds: fn(IpAddr) -> bool,
}

const FAMILIES: [Family; 2] = [
    Family { rtype: Type::A, name: "IPv4", holds: |ip| ip.is_ipv4() },
    Family { rtype: Type::AAAA, name: "IPv6", holds: |ip| ip.is_ipv6() },
];

impl Family {
    fn at(self, member: &MemberModel) -> bool {
        member.addresses.iter().any(|address| (self.holds)(address.ip))
    }
}

/// Those who can ever serve under a policy.
fn reachable<'s>(policy: &Policy, service: &'s ServiceModel) -> Vec<&'s MemberModel> {
    let tiered: HashSet<&String> = policy.tiers.iter().flatten().collect();
    service.members.iter().filter(|m| tiered.is_empty() || tiered.contains(&m.pop.name)).collect()
}

/// A fence that leaves nobody for a family.
#[derive(Clone, Debug)]
pub(super) struct Gap {
    types: Vec<Type>,
    place: String,
}

/// What a policy answers instead of a decision has the types of the service. Gives the first fence that leaves nobody.
pub(super) fn check_policy(
    location: &Location,
    chosen: &Chosen,
    service: &ServiceModel,
    sink: &mut Sink,
) -> Option<Gap> {
    let policy = &*chosen.policy;
    let members = reachable(policy, service);
    let written = chosen.text.as_ref().and_then(|text| text.on_all_down.as_ref()).map(|written| &written.1);
    if let OnAllDown::Fallback(addresses) = &policy.on_all_down {
        fallback(location, written.unwrap_or(location), addresses, &members, service, policy, sink);
    }
    if service.members.iter().any(|member| member.cname.is_some()) {
        return None;
    }
    gap(policy, &members)
}

fn fallback(
    location: &Location,
    written: &Location,
    addresses: &[IpAddr],
    members: &[&MemberModel],
    service: &ServiceModel,
    policy: &Policy,
    sink: &mut Sink,
) {
    let (name, policy) = (&service.name, &policy.name);
    if service.members.iter().any(|member| member.cname.is_some()) {
        let message = format!("the fallback of policy `{policy}` has addresses, and service `{name}` a `cname`");
        let help = format!(
            "which types exist at a name cannot change with health: take `ignore-health` or `servfail` at {written}"
        );
        return sink.error_at(location, message, help);
    }
    for family in FAMILIES {
        let has = members.iter().any(|member| family.at(member));
        let falls_back = addresses.iter().any(|ip| (family.holds)(*ip));
        if has && !falls_back {
            let message =
                format!("the fallback of policy `{policy}` has no {} address, and service `{name}` has", family.name);
            let help = format!(
                "resolvers would keep \"no {}\" for clients that are served: add an address at {written}, or leave the \
                 family out of the service with `families`",
                family.rtype
            );
            sink.error_at(location, message, help);
        } else if falls_back && !has {
            let message = format!(
                "the {} fallback of policy `{policy}` is never answered: service `{name}` has none",
                family.name
            );
            sink.warn_at(location, message, format!("leave it out at {written}"));
        }
    }
}

fn gap(policy: &Policy, members: &[&MemberModel]) -> Option<Gap> {
    let mut seen: HashSet<*const Effect> = HashSet::new();
    for rule in policy.fences.iter().chain(policy.rules.list()) {
        if !matches!(*rule.effect, Effect::Only(_) | Effect::Never(_))
            || !seen.insert(std::sync::Arc::as_ptr(&rule.effect))
        {
            continue;
        }
        let types: Vec<Type> = FAMILIES
            .iter()
            .filter(|family| {
                let mut having = members.iter().filter(|member| family.at(member)).peekable();
                having.peek().is_some() && !having.any(|member| lets(rule, &member.pop.name))
            })
            .map(|family| family.rtype)
            .collect();
        if !types.is_empty() {
            let place = format!("{}:{}", rule.origin.file, rule.origin.line);
            return Some(Gap { types, place });
        }
    }
    None
}

fn lets(fence: &Rule, pop: &String) -> bool {
    match &*fence.effect {
        Effect::Only(pops) => pops.contains(pop),
        Effect::Never(pops) => !pops.contains(pop),
        Effect::Order(_) | Effect::Adjust(_) | Effect::Latency(_) => true,
    }
}

/// A steered owner name.
pub(super) struct Owner<'o> {
    pub(super) name: &'o Name,
    pub(super) is_apex: bool,
    /// Types written beside `steer`.
    pub(super) types: &'o [(Type, Location)],
    pub(super) location: &'o Location,
}

/// What is written beside `steer` has the types of the service, and nothing stands beside a `cname`.
pub(super) fn check_owner(
    owner: &Owner<'_>,
    policy: &Policy,
    gap: &mut Option<Gap>,
    service: &ServiceModel,
    sink: &mut Sink,
) {
    let (name, service_name) = (owner.name, &service.name);
    if service.members.iter().any(|member| member.cname.is_some()) {
        let others: HashSet<String> = owner.types.iter().map(|(rtype, _)| rtype.to_string()).collect();
        if owner.is_apex {
            let message = format!("the apex cannot be steered by service `{service_name}`, which has a `cname`");
            let help = "the apex has SOA and NS, and cannot be a CNAME as well: give the service addresses";
            sink.error_at(owner.location, message, help);
        } else if !others.is_empty() {
            let mut others: Vec<String> = others.into_iter().collect();
            others.sort_unstable();
            let message = format!("`{name}` has {} beside a service with `cname`", quoted(&others));
            sink.error_at(owner.location, message, "a name is an alias or has data of its own (RFC 2181 §10.1)");
        }
        return;
    }
    for (rtype, place) in &service.binding_places {
        if let Some((_, own)) = owner.types.iter().find(|(own, _)| own == rtype) {
            let message = format!("`{rtype}` of `{name}` comes from service `{service_name}` already, at {place}");
            sink.error_at(own, message, "keep one of the two");
            sink.also(place, "comes from here");
        }
    }
    let members = reachable(policy, service);
    let written =
        |family: &Family| owner.types.iter().find(|(rtype, _)| *rtype == family.rtype).map(|(_, place)| place);
    let any = FAMILIES.iter().find_map(|family| Some((family, written(family)?)));
    if policy.on_empty == OnEmpty::Servfail {
        if let Some((family, place)) = any {
            let message = format!(
                "`{}` beside `steer` is never answered: policy `{}` has `on_empty: servfail`",
                family.rtype, policy.name
            );
            sink.warn_at(place, message, "leave it out, or say `on_empty: static`");
        }
        return;
    }
    let Some((present, place)) = any else {
        // Once for all names of the same policy and service.
        if let Some(gap) = gap.take() {
            let types = gap.types.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
            let message = format!(
                "the fence at {} leaves nobody with {types} of service `{service_name}`: its clients get SERVFAIL",
                gap.place
            );
            let help =
                format!("name a PoP that has one there, or write what to answer them beside `steer` of `{name}`");
            sink.warn_at(owner.location, message, help);
        }
        return;
    };
    for family in &FAMILIES {
        let (other, has) = (family.rtype, members.iter().any(|member| family.at(member)));
        if has && written(family).is_none() {
            let message = format!("`{name}` has `{}` beside `steer`, and no `{other}`", present.rtype);
            let help = format!(
                "it is for clients that nobody is left for, and service `{service_name}` has {} addresses: whether \
                 `{other}` exists would depend on the client, and resolvers keep that for all; write it as well",
                family.name
            );
            sink.error_at(place, message, help);
        } else if let (Some(place), false) = (written(family), has) {
            let message = format!(
                "`{other}` beside `steer` of `{name}`, and service `{service_name}` has no {} address",
                family.name
            );
            let help = format!(
                "it is for clients that nobody is left for: whether `{other}` exists would depend on the client, and \
                 resolvers keep that for all; leave it out"
            );
            sink.error_at(place, message, help);
        }
    }
}

/// PoPs without a family that others of the service have: the type stays, so their clients go elsewhere with it.
pub(super) fn warn_lonely(service: &ServiceModel, sink: &mut Sink) {
    for family in FAMILIES {
        let (with, without): (Vec<&MemberModel>, Vec<&MemberModel>) =
            service.members.iter().partition(|member| family.at(member));
        if with.is_empty() || service.members.iter().any(|member| member.cname.is_some()) {
            continue;
        }
        let next = |member: &MemberModel| {
            let from = member.pop.place?;
            let distance = |other: &&MemberModel| Some((other.pop.place?.kilometers_to(from), other.pop.name.clone()));
            with.iter().filter_map(distance).min_by(|a, b| a.0.total_cmp(&b.0))
        };
        let farthest = without
            .iter()
            .map(|member| (member, next(member)))
            .max_by(|a, b| a.1.as_ref().map_or(-1.0, |n| n.0).total_cmp(&b.1.as_ref().map_or(-1.0, |n| n.0)));
        let Some((member, next)) = farthest else { continue };
        let whither = next.map_or_else(
            || "elsewhere".to_owned(),
            |(km, pop)| format!("elsewhere, the nearest is `{pop}`, {km:.0} km away"),
        );
        let more = match without.len() - 1 {
            0 => String::new(),
            n => format!(" (and {n} more, none farther)"),
        };
        let (pop, name) = (&member.pop.name, family.name);
        let message = format!("PoP `{pop}` of service `{}` has no {name} address{more}", service.name);
        let help = format!(
            "its {name} clients go {whither}; `families: [{}]` leaves {name} out for everyone",
            if family.rtype == Type::A { "v6" } else { "v4" }
        );
        sink.warn_at(&member.location, message, help);
    }
}
