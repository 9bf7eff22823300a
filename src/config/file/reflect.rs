//! `reflect:` as written: an owner name that tells clients what the server sees of them, and which clients it tells.

use super::super::grammar::{Keys, Shape, required};
use super::super::model::ReflectModel;
use super::super::reader::{Fields, Sink, boolean, one_or_more, text};
use super::super::yaml::{Node, Position};
use crate::dns::{Name, Type};
use crate::net::Block;

/// `reflect`.
pub(super) const REFLECT: Keys = Keys {
    what: "`reflect`",
    known: &[required(
        "allow",
        Shape::Either(&[Shape::Words(&["any"]), Shape::OneOrMore(&Shape::Block)]),
        "Packet sources that are told; `any` for everyone.",
    )],
    planned: &[],
};

/// Who is told where nobody is named: this machine.
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];
/// What `any` stands for.
const ANY: [&str; 2] = ["0.0.0.0/0", "::/0"];

/// `true`, or a map with `allow`. `None` for `false`, or after an error.
pub(super) fn read(owner: &Name, at: Position, node: &Node<'_>, sink: &mut Sink) -> Option<ReflectModel> {
    let blocks = |list: [&str; 2]| list.iter().filter_map(|block| Block::parse(block).ok()).collect();
    let allow = if matches!(node, Node::Map(..)) {
        let fields = Fields::open(node, &REFLECT, sink)?;
        let Some(node) = fields.get("allow") else {
            let help = "for example `{allow: [192.0.2.0/24]}`; `reflect: true` tells only this machine";
            sink.error_help(node.at(), "`reflect` does not say whom to `allow`", help);
            return None;
        };
        if matches!(node, Node::Scalar(text) if text.text == "any") { blocks(ANY) } else { allow(node, sink)? }
    } else {
        boolean(node, "`reflect`", sink)?.then(|| blocks(LOOPBACK))?
    };
    Some(ReflectModel { owner: owner.clone(), allow, location: sink.location(at) })
}

fn allow(node: &Node<'_>, sink: &mut Sink) -> Option<Vec<Block>> {
    let items = one_or_more(node, "`allow`", sink)?;
    if items.is_empty() {
        sink.error_help(node.at(), "`allow` names nobody", "prefixes of clients, or `any`");
    }
    let mut blocks = Vec::with_capacity(items.len());
    for item in items {
        let Some(written) = text(item, "`allow`", sink) else { continue };
        match Block::parse(written) {
            Ok(block) => blocks.push(block),
            Err(message) => sink.error_help(item.at(), message, "a prefix like `192.0.2.0/24`, or `any` alone"),
        }
    }
    Some(blocks)
}

/// What may not stand beside `reflect`.
pub(super) fn together(types: &[(Type, Position)], sink: &mut Sink) {
    for (rtype, at) in types {
        if matches!(*rtype, Type::TXT | Type::CNAME | Type::DNAME | Type::NS) {
            let message = format!("`{rtype}` cannot stand beside `reflect`");
            sink.error_help(*at, message, "the name answers with a TXT of its own: take another name");
        }
    }
}
