//! Settings by environment variable: `tcp.idle` is `CATCHMENT_TCP_IDLE`. They win over the file, and flags over them.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::diagnostic::Diagnostics;
use super::super::grammar::{Keys, Shape};
use super::super::reader::{Sink, quoted, suggest};
use super::super::yaml::{Node, Position, Text};
use super::{SETTINGS, Settings, read};

/// What every variable begins with.
pub const PREFIX: &str = "CATCHMENT_";
/// Variables with the prefix that are no settings: what `exec` checks are run with.
const OTHERS: [&str; 2] = ["CATCHMENT_ADDRESS", "CATCHMENT_PORT"];

/// The settings with variables applied, in the order given; others than ours are passed over. A list is written between commas.
/// `None` when there are errors: a variable with our prefix that stands for no setting is one.
pub fn apply(settings: Settings, variables: &[(String, String)]) -> (Option<Settings>, Diagnostics) {
    let leaves = leaves();
    let (mut settings, mut found, mut good) = (Some(settings), Diagnostics::default(), true);
    for (name, value) in
        variables.iter().filter(|(name, _)| name.starts_with(PREFIX) && !OTHERS.contains(&name.as_str()))
    {
        let mut sink = Sink::new(Arc::from(name.as_str()));
        if let Some(leaf) = leaves.iter().find(|leaf| variable(leaf.path) == *name) {
            settings = settings.and_then(|settings| read(&node(leaf, value), settings, &mut sink));
        } else {
            let known: Vec<String> = leaves.iter().map(|leaf| variable(leaf.path)).collect();
            let help = match suggest(name, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("for example {}", quoted(known.iter().take(3))),
            };
            sink.error_help(Position::FILE, format!("`{name}` is not a setting"), help);
        }
        good &= !sink.has_errors();
        found.extend(sink.finish());
    }
    (settings.filter(|_| good), found)
}

/// The variable of a key: `tcp.idle` → `CATCHMENT_TCP_IDLE`.
pub fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.to_ascii_uppercase().replace('.', "_"))
}

/// A key that takes a value, not more keys.
pub(in super::super) struct Leaf {
    /// `tcp.idle`.
    pub(in super::super) path: &'static str,
    /// What it takes.
    shape: Shape,
}

/// Every key that takes a value, in the order of the reference.
pub(in super::super) fn leaves() -> Vec<Leaf> {
    fn within(keys: &'static Keys, before: &str, out: &mut Vec<Leaf>) {
        for key in keys.known {
            let path = format!("{before}{}", key.name);
            match key.shape {
                Shape::Map(keys) => within(keys, &format!("{path}."), out),
                // `cookies` is a word or a map of one key, and what `geodb` takes may stand in a map beside another key.
                Shape::Either([shape, Shape::Map(keys)]) if matches!(key.name, "cookies" | "geodb") => {
                    out.push(Leaf { path: leak(path.clone()), shape: *shape });
                    within(keys, &format!("{path}."), out);
                    out.retain(|leaf| leaf.path != "geodb.from");
                }
                shape => out.push(Leaf { path: leak(path), shape }),
            }
        }
    }
    /// There are some forty of these, read once at start.
    fn leak(path: String) -> &'static str {
        Box::leak(path.into_boxed_str())
    }
    let mut out = Vec::new();
    within(&SETTINGS, "", &mut out);
    out
}

/// The tree that a file with this one value would be.
fn node<'v>(leaf: &Leaf, value: &'v str) -> Node<'v> {
    let at = Position { line: 1, column: 1 };
    let text = |text: &'v str| Text { text: Cow::Borrowed(text.trim()), at, plain: true };
    let mut node = if takes_many(leaf.shape) && value.contains(',') {
        Node::List(
            at,
            value.split(',').filter(|item| !item.trim().is_empty()).map(|item| Node::Scalar(text(item))).collect(),
        )
    } else {
        Node::Scalar(text(value))
    };
    for key in leaf.path.rsplit('.') {
        node = Node::Map(at, vec![(text(key), node)]);
    }
    node
}

fn takes_many(shape: Shape) -> bool {
    match shape {
        Shape::OneOrMore(_) | Shape::List(_) => true,
        Shape::Either(shapes) => shapes.iter().any(|shape| takes_many(*shape)),
        _ => false,
    }
}
