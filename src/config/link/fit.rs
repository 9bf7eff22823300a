//! A policy and a service together: what of the policy means nothing to this service.

use std::collections::HashSet;

use super::super::diagnostic::Location;
use super::super::model::ServiceModel;
use super::super::reader::{Sink, quoted};
use super::policies::Chosen;
use crate::steering::{Policy, Rank};

/// Tells what does not fit, at the place where the two are brought together.
pub(super) fn check(
    location: &Location,
    chosen: &Chosen,
    service: &ServiceModel,
    defined: &dyn Fn(&str) -> bool,
    sink: &mut Sink,
) {
    let policy = &*chosen.policy;
    let at: HashSet<&str> = service.members.iter().map(|member| member.pop.name.as_str()).collect();
    strangers(location, chosen, service, &|pop| defined(pop) && !at.contains(pop), sink);
    tiers(location, policy, service, sink);
    skip(location, policy.skip, service, sink);
}

/// PoPs that the policy names and the service is not at. What no PoP at all is has been told.
fn strangers(
    location: &Location,
    chosen: &Chosen,
    service: &ServiceModel,
    is_strange: &dyn Fn(&str) -> bool,
    sink: &mut Sink,
) {
    let mut told = HashSet::new();
    let strange: Vec<_> = chosen
        .text
        .iter()
        .flat_map(|text| text.named())
        .filter(|spot| is_strange(&spot.text) && told.insert(spot.text.as_str()))
        .collect();
    let Some(first) = strange.first() else { return };
    let pops = if strange.len() == 1 { "PoP" } else { "PoPs" };
    let message = format!(
        "policy `{}` names {pops} {} that service `{}` is not at",
        chosen.policy.name,
        quoted(strange.iter().map(|spot| &spot.text)),
        service.name
    );
    let help = format!("passed over for this service; first named at {}", first.location);
    sink.warn_at(location, message, help);
    sink.also(&first.location, "not at this service");
}

fn tiers(location: &Location, policy: &Policy, service: &ServiceModel, sink: &mut Sink) {
    if policy.tiers.is_empty() {
        return;
    }
    let tiered: HashSet<&String> = policy.tiers.iter().flatten().collect();
    let out: Vec<&String> =
        service.members.iter().map(|member| &member.pop.name).filter(|name| !tiered.contains(name)).collect();
    if out.is_empty() {
        return;
    }
    let (name, policy) = (&service.name, &policy.name);
    if out.len() == service.members.len() {
        let help = format!("its PoPs: {}", quoted(&out));
        sink.error_at(location, format!("no PoP of service `{name}` is in a tier of policy `{policy}`"), help);
    } else {
        let (pops, are) = if out.len() == 1 { ("PoP", "is") } else { ("PoPs", "are") };
        let message = format!("{pops} {} of service `{name}` {are} in no tier of policy `{policy}`", quoted(&out));
        sink.warn_at(location, message, "what is in no tier never serves: put it into one, if only the last");
    }
}

/// More is passed over than there is.
pub(super) fn skip(location: &Location, skip: u8, service: &ServiceModel, sink: &mut Sink) {
    let pops = service.members.len();
    if skip > 0 && usize::from(skip) >= pops {
        let pops = if pops == 1 { "one PoP".to_owned() } else { format!("{pops} PoPs") };
        let message = format!("`skip` is {skip}, and service `{}` has {pops}", service.name);
        sink.warn_at(location, message, "the last one serves, as there is no other");
    }
}

/// Whether clients' places matter.
pub(super) fn needs_places(policy: &Policy) -> bool {
    matches!(policy.rank, Rank::Distance | Rank::Latency(_))
}

pub(super) fn warn_without_place(location: &Location, policy: &Policy, service: &ServiceModel, sink: &mut Sink) {
    let without: Vec<&str> =
        service.members.iter().filter(|m| m.pop.place.is_none()).map(|m| m.pop.name.as_str()).collect();
    // Measured latencies need no coordinates; where there are none at all, nobody meant to go by distance.
    let measured = matches!(policy.rank, Rank::Latency(_)) && without.len() == service.members.len();
    if !without.is_empty() && !measured {
        let (pops, comes) = if without.len() == 1 { ("PoP", "comes") } else { ("PoPs", "come") };
        let message = format!(
            "{pops} {} without `at` {comes} last for everyone under policy `{}`",
            quoted(&without),
            policy.name
        );
        sink.warn_at(location, message, "write latitude and longitude: `at: [50.11, 8.68]`");
    }
}
