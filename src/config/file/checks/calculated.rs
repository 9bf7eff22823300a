//! `all`, `any`, `at_least` and `not` as written: names that [`super::super::super::link`] resolves.

use super::super::super::grammar::{Keys, Shape, required};
use super::super::super::model::CheckName;
use super::super::super::reader::{Fields, Sink, Spot, integer, spots};
use super::super::super::yaml::Node;
use crate::health::Formula;

/// `at_least`.
pub(super) const AT_LEAST: Keys = Keys {
    what: "`at_least`",
    known: &[
        required("n", Shape::Whole(1, 65535), "How many; at most as many as there are."),
        required("of", super::PARTS, "Of which checks."),
    ],
    planned: &[],
};

/// The formula of one of the four keys. Its things are the names written in it.
pub(super) fn read(key: &str, node: &Node<'_>, sink: &mut Sink) -> Option<Formula<CheckName>> {
    match key {
        "not" => Some(Formula::Not(Box::new(Formula::Of(named(Spot::read(node, "`not`", sink)?))))),
        "at_least" => {
            let fields = Fields::open(node, &AT_LEAST, sink)?;
            let (Some(n), Some(of)) = (fields.get("n"), fields.get("of")) else {
                let help = "how many of which checks: `at_least: {n: 2, of: [a, b, c]}`";
                sink.error_help(node.at(), "`at_least` needs `n` and `of`", help);
                return None;
            };
            let parts = list(of, "`of`", sink)?;
            Some(Formula::AtLeast(integer(n, "`n`", &(1..=parts.len() as u16), sink)?, parts))
        }
        "any" => Some(Formula::Any(list(node, "`any`", sink)?)),
        _ => Some(Formula::All(list(node, "`all`", sink)?)),
    }
}

fn list(node: &Node<'_>, what: &str, sink: &mut Sink) -> Option<Vec<Formula<CheckName>>> {
    let spots = spots(node, what, sink)?;
    if spots.is_empty() {
        sink.error_help(node.at(), format!("{what} names no check"), "for example `[web, cert]`");
        return None;
    }
    for (index, spot) in spots.iter().enumerate() {
        if spots.iter().take(index).any(|earlier| earlier.text == spot.text) {
            sink.error_at(&spot.location, format!("check `{}` is named twice", spot.text), "keep one of the two");
        }
    }
    Some(spots.into_iter().map(|spot| Formula::Of(named(spot))).collect())
}

fn named(spot: Spot) -> CheckName {
    CheckName { name: spot.text, location: spot.location }
}
