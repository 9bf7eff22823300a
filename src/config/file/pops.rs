//! `pops:` as written.

use super::super::grammar::{Keys, Shape, key};
use super::super::model::FleetPop;
use super::super::reader::{Fields, Sink, boolean, entries, name, text};
use super::super::yaml::Node;
use super::keys;
use crate::geo::{Country, Place};
use crate::steering::Pop;

/// Most PoPs of a fleet: three times what the largest networks have, and what a 16-bit id and a decision per site bear.
pub(crate) const MAX_POPS: usize = 1000;

/// A PoP.
pub(super) const POP: Keys = Keys {
    what: "a PoP",
    known: &[
        key("at", Shape::Place, "none", "Where it is: what `rank: distance` measures from."),
        key("city", Shape::Text, "none", "For people."),
        key("country", Shape::Country, "none", "For people."),
        key(
            "drain",
            Shape::Flag,
            "false",
            "Prefer anyone else: it serves only when everyone else is drained or down. Not undone by command.",
        ),
    ],
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
    keys::country(written).map_err(|refused| sink.error_help(node.at(), refused.message, refused.help)).ok()
}
