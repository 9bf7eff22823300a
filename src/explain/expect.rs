//! What an `expect:` of a zone file is about: what a client would be told if every target were unknown but for what is assumed.

use super::chain::{End, follow};
use super::given::{Given, kept, sent_name, sent_of};
use super::key::{Key, KeySource};
use super::scope::Scout;
use super::{Question, Said, assume, unit};
use crate::dns::Type;
use crate::health::Known;
use crate::live::{Answer, Pieces, SteeredType};
use crate::snapshot::Parts;

/// What a client would be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// The PoPs of a steered answer, best first: those of A, or of AAAA where there is no A. `None`: the name is not steered.
    pub pops: Option<Vec<String>>,
    /// The type of the records: the one that was asked, or CNAME.
    pub rtype: Type,
    /// The records.
    pub said: Said,
    /// Whether there is such a name.
    pub exists: bool,
    /// Scope prefix length; 0 without a client subnet of its own.
    pub scope: u8,
}

/// What a client would be told of a name and a type.
pub fn outlook(parts: &Parts, question: &Question, rtype: Type) -> Outlook {
    let way = follow(parts, &question.name, rtype);
    let fixed = |said, exists| Outlook { pops: None, rtype, said, exists, scope: 0 };
    let steer = match way.end {
        End::Static(rrset) => return fixed(kept(rrset, way.cap), true),
        End::NoData => return fixed(Said::NoData, true),
        End::NxDomain => return fixed(Said::NoData, false),
        End::NotHosted | End::NotLoaded | End::Delegated | End::Endless => return fixed(Said::Elsewhere, true),
        End::Steered { steer, .. } => steer,
    };
    let map = &parts.maps[steer.map.0 as usize];
    let known = Known::default();
    let facts = assume(map, &map.facts(&known, None), &question.assume);
    let key = Key::new(map, &parts.sites, steer.ecs, question);
    let decision = map.decide(&parts.sites, map.deciding_site(&parts.sites, key.block), &facts);
    let answer = Answer::prepare(decision, map, &facts, &known);
    let pieces = answer.decision.is_split().then(|| Pieces::prepare(map, &facts, &known));
    let given = Given::new(map, &answer, pieces.as_ref(), &unit(map, &key));

    let steered = match rtype {
        Type::A => Some(SteeredType::A),
        Type::AAAA => Some(SteeredType::Aaaa),
        Type::HTTPS => Some(SteeredType::Https),
        Type::SVCB => Some(SteeredType::Svcb),
        _ => None,
    };
    let sent = match steered {
        _ if steer.cname => sent_name(map, &given, &way),
        Some(rtype) => sent_of(map, &given, &way, rtype),
        // Other types at a steered name are the same for everyone (SEMANTICS §3.10).
        None => {
            let End::Steered { written, .. } = way.end else { return fixed(Said::NoData, true) };
            return fixed(written.map_or(Said::NoData, |rrset| kept(rrset, way.cap)), true);
        }
    };
    let tailored = matches!(sent.what, Said::Steered(..));
    let scope = key.subnet.filter(|_| tailored).map_or(0, |folded| {
        let mut scout = Scout::new(map, &parts.sites, None, &facts);
        let (block, is_split) = match key.from {
            KeySource::SourceForUnusable => (folded.block, false),
            KeySource::Subnet | KeySource::Source | KeySource::SourceForOff => (key.block, answer.decision.is_split()),
        };
        scout.reach(block, is_split).1.saturating_add(folded.shift)
    });
    let serving = given.serving().iter().map(|index| map.pops[usize::from(*index)].to_string()).collect();
    Outlook { pops: Some(serving), rtype: sent.rtype, said: sent.what, exists: true, scope }
}
