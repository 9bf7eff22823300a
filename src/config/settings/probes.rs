//! `probes:` of the settings: how probes are made, for all targets.

use std::path::PathBuf;

use super::super::grammar::{Keys, Shape, key};
use super::super::reader::{Fields, Sink, boolean, integer, one_or_more, text};
use super::super::yaml::Node;
use crate::net::Block;

/// How probes are made, for all targets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probes {
    /// The most in flight at a time, 1 to 65,536; `None` (`auto`) follows the plan: enough for every target to hang, from
    /// 256 to 8,192 and within half the files this process may have open. Default `None`.
    pub in_flight: Option<usize>,
    /// Whether `exec` checks may run programs. Default false.
    pub exec: bool,
    /// Blocks that may be probed although they are link-local, multicast or otherwise no place for services. Default none.
    pub allow: Vec<Block>,
    /// A file of certificate authorities (PEM) that probes trust besides the public ones. Default none.
    pub authorities: Option<PathBuf>,
}

/// `probes`.
pub(super) const PROBES: Keys = Keys {
    what: "`probes`",
    known: &[
        key(
            "in_flight",
            Shape::Either(&[Shape::Words(&["auto"]), Shape::Whole(1, 65_536)]),
            "auto: 256 to 8,192, by the plan",
            "Probes on their way at a time.",
        ),
        key("exec", Shape::Flag, "false", "Whether `exec` checks may run programs."),
        key(
            "allow",
            Shape::OneOrMore(&Shape::Block),
            "none",
            "Blocks that may be probed although they are link-local, multicast or otherwise no place for services.",
        ),
        key(
            "authorities",
            Shape::Text,
            "none",
            "A file of certificate authorities (PEM) that probes trust besides the public ones.",
        ),
    ],
    planned: &[],
};

/// What is written, over what held before.
pub(super) fn read(node: &Node<'_>, mut probes: Probes, sink: &mut Sink) -> Probes {
    let Some(fields) = Fields::open(node, &PROBES, sink) else { return probes };
    if let Some(node) = fields.get("in_flight") {
        let auto = matches!(node, Node::Scalar(text) if text.text == "auto");
        probes.in_flight = if auto { None } else { integer(node, "`in_flight`", &(1..=65_536), sink) };
    }
    if let Some(node) = fields.get("exec") {
        probes.exec = boolean(node, "`exec`", sink).unwrap_or_default();
    }
    if let Some(node) = fields.get("allow") {
        probes.allow.clear();
        for item in one_or_more(node, "`allow`", sink).unwrap_or_default() {
            let Some(written) = text(item, "`allow`", sink) else { continue };
            match Block::parse(written) {
                Ok(block) => probes.allow.push(block),
                Err(why) => {
                    let help = format!("{why}; a block of addresses, for example `169.254.10.0/24`");
                    sink.error_help(item.at(), format!("`allow` cannot be `{written}`"), help);
                }
            }
        }
    }
    if let Some(written) = fields.get("authorities").and_then(|node| text(node, "`authorities`", sink)) {
        probes.authorities = Some(written.into());
    }
    probes
}
