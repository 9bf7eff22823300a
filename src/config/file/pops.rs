//! `pops:` and `policies:` as written.

use std::sync::Arc;

use super::super::model::{FleetPop, PolicyModel};
use super::super::reader::{Fields, Keys, Sink, boolean, entries, integer, name, quoted, text, word};
use super::super::yaml::Node;
use crate::geo::{Country, Place};
use crate::steering::{OnAllDown, Policy, Pop, Rank};

/// Most PoPs of a fleet: three times what the largest networks have, and what a 16-bit id and a decision per site bear.
pub(crate) const MAX_POPS: usize = 1000;

const POP: Keys = Keys {
    what: "a PoP",
    known: &["at", "city", "country", "drain"],
    planned: &["continent", "region", "capacity", "weight", "asn"],
};

pub(super) fn read(node: &Node<'_>, sink: &mut Sink) -> Vec<FleetPop> {
    let mut pops = Vec::new();
    for (key, value) in entries(node, "`pops`", sink).unwrap_or_default() {
        let (named, Some(fields)) = (name(key, "a PoP", sink), Fields::open(value, &POP, sink)) else { continue };
        let pop = Pop {
            name: key.text.to_string(),
            place: fields.get("at").and_then(|node| place(node, sink)),
            city: fields.get("city").and_then(|node| text(node, "`city`", sink)).map(str::to_owned),
            country: fields.get("country").and_then(|node| country(node, sink)),
            drained: fields.get("drain").and_then(|node| boolean(node, "`drain`", sink)).unwrap_or(false),
        };
        if named {
            pops.push(FleetPop { pop, location: sink.location(key.at) });
        }
    }
    pops
}

fn place(node: &Node<'_>, sink: &mut Sink) -> Option<Place> {
    const HELP: &str = "latitude, then longitude, in degrees: `at: [50.11, 8.68]`";
    let Node::List(_, items) = node else {
        sink.error_help(node.at(), "`at` is a list of two numbers", HELP);
        return None;
    };
    let [latitude, longitude] = items.as_slice() else {
        sink.error_help(node.at(), format!("`at` is a list of two numbers, not of {}", items.len()), HELP);
        return None;
    };
    let latitude = degrees(latitude, "latitude", 90.0, sink);
    let longitude = degrees(longitude, "longitude", 180.0, sink);
    Place::from_degrees(latitude?, longitude?)
}

fn degrees(node: &Node<'_>, what: &str, limit: f64, sink: &mut Sink) -> Option<f64> {
    let written = text(node, &format!("the {what}"), sink)?;
    let decimal = written.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+'));
    let number = written.parse::<f64>().ok().filter(|n| decimal && n.abs() <= limit);
    if number.is_none() {
        let help = format!("a {what} in degrees from -{limit} to {limit}; latitude comes first: `at: [50.11, 8.68]`");
        sink.error_help(node.at(), format!("the {what} cannot be `{written}`"), help);
    }
    number
}

fn country(node: &Node<'_>, sink: &mut Sink) -> Option<Country> {
    let written = text(node, "`country`", sink)?;
    let help = match &*written.to_ascii_uppercase() {
        "UK" => "did you mean `GB`? the code of the United Kingdom in ISO 3166",
        _ => match Country::new(written) {
            Some(country) if country.is_assigned() => return Some(country),
            Some(_) => "ISO 3166 assigns no country to it",
            None => "two letters as in ISO 3166, for example `NL`",
        },
    };
    sink.error_help(node.at(), format!("`{written}` is not a country code"), help);
    None
}

const POLICY: Keys = Keys {
    what: "a policy",
    known: &["extends", "rank", "count", "on_all_down"],
    planned: &[
        "tiers", "fence", "rules", "bias", "near", "unit", "skip", "panic", "fallback", "on_empty", "ecs", "sticky",
        "default", "price", "weights",
    ],
};

/// Names of policies that need no file.
pub(crate) const BUILT_IN: [&str; 2] = ["nearest", "failover"];
/// Built-in policies of later versions; their names are kept free.
pub(crate) const PLANNED_POLICIES: [&str; 1] = ["weighted"];

pub(super) fn read_policies(node: &Node<'_>, sink: &mut Sink) -> Vec<PolicyModel> {
    let mut policies = Vec::new();
    for (key, value) in entries(node, "`policies`", sink).unwrap_or_default() {
        let named = name(key, "a policy", sink);
        if BUILT_IN.contains(&&*key.text) || PLANNED_POLICIES.contains(&&*key.text) {
            let help = format!("take another name, and say `extends: {}`", key.text);
            sink.error_help(key.at, format!("`{}` is the name of a built-in policy", key.text), help);
            continue;
        }
        let Some(fields) = Fields::open(value, &POLICY, sink) else { continue };
        let base = fields.get("extends").and_then(|node| extends(node, sink)).unwrap_or("nearest");
        let Some(mut policy) = Policy::built_in(base) else { continue };
        policy.name = key.text.to_string();
        policy.rank = fields.get("rank").and_then(|node| rank(node, sink)).unwrap_or(policy.rank);
        policy.count = fields.get("count").and_then(|node| count(node, sink)).unwrap_or(1);
        policy.on_all_down =
            fields.get("on_all_down").and_then(|node| on_all_down(node, sink)).unwrap_or(OnAllDown::IgnoreHealth);
        if named {
            policies.push(PolicyModel { policy: Arc::new(policy), location: sink.location(key.at) });
        }
    }
    policies
}

fn extends(node: &Node<'_>, sink: &mut Sink) -> Option<&'static str> {
    let written = text(node, "`extends`", sink)?;
    if PLANNED_POLICIES.contains(&written) {
        let help = format!("accepted here: {}", quoted(BUILT_IN));
        sink.error_help(node.at(), format!("`{written}` is planned, not in this version"), help);
        return None;
    }
    word(node, "`extends`", &[("nearest", "nearest"), ("failover", "failover")], sink)
}

fn rank(node: &Node<'_>, sink: &mut Sink) -> Option<Rank> {
    let planned = match node {
        Node::Map(..) => Some("latency"),
        Node::Scalar(text) if text.text == "weights" => Some("weights"),
        Node::Scalar(_) | Node::List(..) => None,
    };
    if let Some(planned) = planned {
        let message = format!("`rank` by {planned} is planned, not in this version");
        sink.error_help(node.at(), message, "accepted here: `distance`, `order`");
        return None;
    }
    let by_distance = word(node, "`rank`", &[("distance", true), ("order", false)], sink)?;
    Some(if by_distance { Rank::Distance } else { Rank::Order })
}

/// How many PoPs an answer holds.
pub(super) fn count(node: &Node<'_>, sink: &mut Sink) -> Option<u8> {
    integer(node, "`count`", &(1..=Policy::MAX_COUNT), sink)
}

fn on_all_down(node: &Node<'_>, sink: &mut Sink) -> Option<OnAllDown> {
    let ignore = word(node, "`on_all_down`", &[("ignore-health", true), ("servfail", false)], sink)?;
    Some(if ignore { OnAllDown::IgnoreHealth } else { OnAllDown::Servfail })
}
