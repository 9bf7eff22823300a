//! `https:` and `svcb:` of a service (RFC 9460): presentation text whose address hints may be `auto`, which then follow the
//! decision for each client. RDATA is cut where the hints go in, as its parameters are sorted by key.

use super::super::diagnostic::Location;
use super::super::reader::{Sink, one_or_more, text};
use super::super::yaml::Node;
use super::Context;
use super::records::rdata_error;
use crate::dns::name::wire_length;
use crate::dns::{Name, Type, rdata};
use crate::steering::Binding;

/// A record, where it is written, and the name it leads to: `None` for `.`, the owner name itself.
#[derive(Clone, Debug)]
pub(crate) struct BindingText {
    pub(crate) binding: Binding,
    pub(crate) target: Option<Name>,
    pub(crate) location: Location,
}

impl BindingText {
    /// Whether hints are taken from the decision.
    pub(crate) fn is_auto(&self) -> bool {
        self.binding.v4_hint || self.binding.v6_hint
    }
}

/// Keys of `ipv4hint` and `ipv6hint` (RFC 9460 §14.3.2).
const V4_HINT: u16 = 4;
const V6_HINT: u16 = 6;

/// Reads one text or a list of them.
pub(super) fn read(node: &Node<'_>, rtype: Type, context: &Context<'_>, sink: &mut Sink) -> Vec<BindingText> {
    let what = if rtype == Type::HTTPS { "`https`" } else { "`svcb`" };
    let items = one_or_more(node, what, sink).unwrap_or_default();
    let mut bindings: Vec<BindingText> = Vec::with_capacity(items.len());
    for item in items {
        let Some(written) = text(item, what, sink) else { continue };
        let Some(binding) = binding(item, written, rtype, context, sink) else { continue };
        if bindings.iter().any(|known| known.binding == binding.binding) {
            sink.error(item.at(), format!("`{written}` is written twice"));
        } else {
            bindings.push(binding);
        }
    }
    bindings
}

fn binding(node: &Node<'_>, written: &str, rtype: Type, context: &Context<'_>, sink: &mut Sink) -> Option<BindingText> {
    let root = Name::root();
    let (mut rest, mut v4_hint, mut v6_hint) = (String::with_capacity(written.len()), false, false);
    for word in words(written) {
        let hint = match word {
            "ipv4hint=auto" | "ipv4hint=\"auto\"" => Some(&mut v4_hint),
            "ipv6hint=auto" | "ipv6hint=\"auto\"" => Some(&mut v6_hint),
            _ => None,
        };
        match hint {
            Some(hint) if *hint => {
                sink.error(node.at(), format!("`{word}` stands twice"));
                return None;
            }
            Some(hint) => *hint = true,
            None => {
                rest.push_str(word);
                rest.push(' ');
            }
        }
    }
    if (v4_hint || v6_hint) && words(&rest).any(|word| word.starts_with("mandatory=") && word.contains("hint")) {
        let help = "a hint is left out where no address is usable: take it out of `mandatory`, or write addresses";
        sink.error_help(node.at(), "`mandatory` names a hint that is `auto`", help);
        return None;
    }
    let record = match rdata::parse(rtype, &rest, context.origin.unwrap_or(&root)) {
        Ok(record) => record,
        Err(error) => {
            rdata_error(node.at(), error, sink);
            return None;
        }
    };
    let wire = &*record.wire;
    let target_end = 2 + wire_length(wire.get(2..)?)?;
    let target = Name::from_wire(wire.get(2..target_end)?)?;
    if context.origin.is_none() && !target.is_root() && !words(&rest).nth(1).is_some_and(|name| name.ends_with('.')) {
        let message = format!("`{}` has no final dot", words(&rest).nth(1).unwrap_or_default());
        sink.error_help(node.at(), message, format!("the fleet belongs to no zone: write the whole name, `{target}`"));
        return None;
    }
    if (v4_hint || v6_hint) && wire.starts_with(&[0, 0]) {
        let help =
            "priority 0 only says where to look instead (RFC 9460 §2.4.2): leave the hints out, or begin with `1 .`";
        sink.error_help(node.at(), "hints beside priority 0", help);
        return None;
    }
    let binding = cut(rtype, wire, target_end, v4_hint, v6_hint)?;
    for (auto, key, word) in [(v4_hint, V4_HINT, "ipv4hint"), (v6_hint, V6_HINT, "ipv6hint")] {
        let piece = if key == V4_HINT { &binding.between } else { &binding.after };
        if auto && piece.starts_with(&key.to_be_bytes()) {
            sink.error_help(node.at(), format!("`{word}` is `auto` and written"), "keep one of the two");
            return None;
        }
    }
    let target = Some(target).filter(|target| !target.is_root());
    Some(BindingText { binding, target, location: sink.location(node.at()) })
}

/// Words between spaces; a space inside quotation marks is part of its word.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c: char| {
        let taken = std::mem::take(&mut escaped);
        match c {
            '\\' if !taken => escaped = true,
            '"' if !taken => quoted = !quoted,
            _ => return c.is_ascii_whitespace() && !quoted && !taken,
        }
        false
    })
    .filter(|word| !word.is_empty())
}

/// Cuts RDATA where the hints go in.
fn cut(rtype: Type, wire: &[u8], target_end: usize, v4_hint: bool, v6_hint: bool) -> Option<Binding> {
    let (mut between, mut after) = (wire.len(), wire.len());
    let mut at = target_end;
    while let Some([k0, k1, l0, l1]) = wire.get(at..at + 4) {
        let key = u16::from_be_bytes([*k0, *k1]);
        if key >= V4_HINT {
            between = between.min(at);
        }
        if key >= V6_HINT {
            after = after.min(at);
        }
        at += 4 + usize::from(u16::from_be_bytes([*l0, *l1]));
    }
    Some(Binding {
        rtype: rtype.0,
        before: wire.get(..between)?.into(),
        v4_hint,
        between: wire.get(between..after)?.into(),
        v6_hint,
        after: wire.get(after..)?.into(),
    })
}
