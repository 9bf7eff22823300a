//! What the server says of itself in class CHAOS (RFC 4892).

use super::encode::Reply;
use super::{Kind, Said};
use crate::dns::{FoldedName, Rcode, Type};
use crate::snapshot::Identity;

/// `id.server` and `hostname.bind` give the server's name, `version.bind` and `version.server` its version; what is not
/// configured, and any other name, is refused.
pub(super) fn answer(identity: &Identity, name: &FoldedName, qtype: Type, reply: &mut Reply<'_, '_>) -> Said {
    let text = match name.as_wire() {
        b"\x02id\x06server\0" | b"\x08hostname\x04bind\0" => identity.name.as_deref(),
        b"\x07version\x04bind\0" | b"\x07version\x06server\0" => identity.version.as_deref(),
        _ => None,
    };
    let Some(text) = text else { return Said::error(Rcode::REFUSED, None) };
    let said = Said { authoritative: true, kind: Kind::Identity, ..Said::error(Rcode::NOERROR, None) };
    if matches!(qtype, Type::TXT | Type::ANY) {
        reply.chaos_text(text.as_bytes());
        return said;
    }
    Said { kind: Kind::NoData, ..said }
}
