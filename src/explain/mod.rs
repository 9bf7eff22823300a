//! Why a client gets what it gets: the decision made again, with every candidate, and held against the live tables.
//!
//! [`chain`] follows the name, [`key`] says who decides, [`place`] what is known of it and which rules hold, [`candidates`] why
//! each PoP serves or does not, [`given`] what is sent, [`scope`] how far that holds, [`text`] and [`json`] say it all. The same
//! code answers `catchment explain` and, in [`mod@expect`], checks the `expect:` assertions of zone files. Pure; prints nothing, reads no file
//! and no clock: what is known beside the snapshot is a [`Background`].

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

mod assume;
pub mod candidates;
pub mod chain;
pub mod expect;
pub mod given;
pub mod json;
pub mod key;
pub mod place;
pub mod scope;
pub mod split;
pub mod text;

pub use assume::Assume;
pub use candidates::{Candidate, CostFlip, Flips, Why};
pub use chain::{Link, LinkKind};
pub use expect::{Outlook, outlook};
pub use given::{Said, Sent};
pub use key::{Key, KeySource};
pub use place::{Applied, SiteView};
pub use scope::{Bound, Mixed, Neighbor, Reach};
pub use split::SplitView;

use candidates::Field;
use chain::{End, Way, follow};
use given::Given;
use scope::Scout;

use crate::dns::{Name, Type};
use crate::health::{Known, TargetId};
use crate::live::{Answer, Live, LiveMap, Map, Pieces, SteeredType, Told};
use crate::net::Block;
use crate::snapshot::{Parts, Snapshot, Steer};
use crate::steering::split::UnitKey;
use crate::steering::{Class, Facts, MemberFacts, Standing, facts};

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// Owner name.
    pub name: Name,
    /// The packet's source.
    pub source: IpAddr,
    /// The client subnet, if one was sent: address and source prefix length.
    pub subnet: Option<(IpAddr, u8)>,
    /// Members assumed to be otherwise than they are.
    pub assume: Assume,
}

/// What is known beside the snapshot: for words, and for answers that only an assumption leads to.
#[derive(Clone, Debug, Default)]
pub struct Background {
    /// What the live tables were filled from.
    pub known: Known,
    /// How old that is; `None` when nothing is known of health.
    pub age: Option<Duration>,
    /// By `TargetId`: why it is as it is; empty where there is nothing to say.
    pub targets: Vec<TargetWords>,
    /// PoP → where its `drain: true` is written, as `FILE:LINE`.
    pub drains: HashMap<String, String>,
    /// What the operator said: by service (`None`: of all) and PoP (`None`: at all), in words.
    pub said: Vec<(Option<String>, Option<String>, String)>,
    /// Whether the live tables are those of a server, and so go by what was before: panic begins at one share and ends at
    /// another.
    pub serving: bool,
}

/// Why a target is as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetWords {
    /// Its state, if that is worth a word: `down`, `suspect`, `recovering`.
    pub state: String,
    /// For how long.
    pub since: Option<Duration>,
    /// What the last probe found: `HTTP 503, expected 200–399`.
    pub found: String,
}

impl Background {
    fn target_words(&self, target: TargetId) -> Option<String> {
        let words = self.targets.get(target.0 as usize).filter(|words| !words.state.is_empty())?;
        let since = words.since.map(|since| format!(" since {}", text::duration(since))).unwrap_or_default();
        let found = if words.found.is_empty() { String::new() } else { format!(": {}", words.found) };
        Some(format!("{}{since}{found}", words.state))
    }

    fn said_of(&self, service: &str, pop: &str) -> impl Iterator<Item = String> {
        let fits = |name: &Option<String>, wanted: &str| name.as_ref().is_none_or(|name| name == wanted);
        let said = self.said.iter().filter(move |said| fits(&said.0, service) && fits(&said.1, pop));
        said.map(|said| said.2.clone())
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Explained {
    /// No configured zone holds the name: REFUSED.
    NotHosted,
    /// The zone could not be loaded: SERVFAIL.
    NotLoaded(Name),
    /// The name is not steered: every client gets the same. The words say what.
    Static {
        /// The zone of the name that is asked.
        zone: Name,
        /// The links from the name to where it leads.
        chain: Vec<Link>,
        /// What there is.
        what: &'static str,
    },
    /// The name is steered.
    Steered(Box<Steered>),
}

/// The decision for a client, with its reasons.
#[derive(Clone, Debug)]
pub struct Steered {
    /// The zone of the steered name.
    pub zone: Name,
    /// The links from the name that was asked to the steered one.
    pub chain: Vec<Link>,
    /// The steered name.
    pub name: Name,
    /// The service served there.
    pub service: String,
    /// The policy that chose.
    pub policy: String,
    /// How many tiers the policy has.
    pub tiers: usize,
    /// What the decision was made by.
    pub key: Key,
    /// What is known of it.
    pub site: SiteView,
    /// The rule, the fences and the latency row that hold.
    pub applied: Vec<Applied>,
    /// Every PoP of the service, best first.
    pub candidates: Vec<Candidate>,
    /// Tiers (from 0) in which health is ignored, for A and for AAAA.
    pub panic: [Vec<usize>; 2],
    /// Tiers (from 0) in which health is ignored in a server where that began before, for A and for AAAA; none where the tables are
    /// those of the server.
    pub lingering: [Vec<usize>; 2],
    /// The decision's answer.
    pub answer: Answer,
    /// What the client is told of A and of AAAA, dealt where several PoPs share.
    pub told: [Told; 2],
    /// TTL in seconds.
    pub ttl: u32,
    /// Addresses of the answer, IPv4 then IPv6.
    pub addresses: Vec<IpAddr>,
    /// What is sent for A, AAAA, HTTPS and, where the service has any, SVCB; or the CNAME of a service of names.
    pub sent: Vec<Sent>,
    /// Who shares, where several do.
    pub split: Option<SplitView>,
    /// Scope prefix length as a response would carry it; 0 without a client subnet of its own.
    pub scope: u8,
    /// How far the answer holds around the key.
    pub reach: Reach,
    /// What would change who serves.
    pub flips: Flips,
    /// Of a service of names: what the name leads to.
    pub then: Option<Box<Explained>>,
    /// Whether the live tables give the same. Without assumptions anything else is a defect.
    pub agrees: bool,
}

/// Explains what a client is told.
pub fn explain(snapshot: &Snapshot, live: &Live, question: &Question) -> Explained {
    explain_with(snapshot, live, question, &Background::default())
}

/// Explains what a client is told, with all that is known beside the snapshot.
pub fn explain_with(snapshot: &Snapshot, live: &Live, question: &Question, background: &Background) -> Explained {
    explain_link(snapshot, live, question, background, crate::zone::MAX_LINKS)
}

/// One steered name, and after a service of names what follows, over so many links at most.
fn explain_link(
    snapshot: &Snapshot,
    live: &Live,
    question: &Question,
    background: &Background,
    links: usize,
) -> Explained {
    let way = follow(snapshot, &question.name, Type::A);
    let steer = match steered(&way) {
        Ok(steer) => steer,
        Err(other) => return other,
    };
    let map = &snapshot.maps[steer.map.0 as usize];
    let live_map = live.map(steer.map);
    let is_assumed = !question.assume.is_empty();
    let facts = assume(map, &live_map.facts, &question.assume);

    let key = Key::new(map, &snapshot.sites, steer.ecs, question);
    let site_id = map.deciding_site(&snapshot.sites, key.block);
    let decision = map.decide(&snapshot.sites, site_id, &facts);
    let known = &background.known;
    let now = Now::new(map, live_map, &decision, &facts, known, is_assumed);
    let unit = unit(map, &key);
    let given = now.given(map, &unit);

    let mut scout = Scout::new(map, &snapshot.sites, (!is_assumed).then_some(live_map), &facts);
    let (mut reach, mut scope) = scout.reach(key.block, decision.is_split());
    if let Some(folded) = key.subnet.filter(|_| key.from == KeySource::SourceForUnusable) {
        // What is told is how far the client's own block says nothing of a place.
        (reach, scope) = scout.reach(folded.block, false);
    }
    let scope = key.subnet.map_or(0, |folded| scope.saturating_add(folded.shift));

    let site = SiteView::new(map, &snapshot.sites, site_id, key.block);
    let stance = map.homes.stances.of(site_id);
    let class = Class::of(&snapshot.sites, site_id, &map.homes.stances);
    let field = Field {
        snapshot,
        map,
        stance,
        class,
        place: site.place,
        facts: &facts,
        decision: &decision,
        given: &given,
        background,
        assume: &question.assume,
    };
    let candidates = field.candidates();
    let measured = candidates.iter().any(|c| c.ranked.measured);
    let units = if decision.is_split() { scout.units(&decision, key.block) } else { 0 };
    let split = SplitView::new(map, &decision, unit_block(map, &key), given.serving().first(), units);
    let fails = given.serving().first().map(|first| {
        let mut facts = facts.clone();
        set_standing(&mut facts.members[usize::from(*first)], Standing::Unusable);
        facts.panic = facts::panic(&map.plan.shape, &facts.members, facts.panic);
        let decision = map.decide(&snapshot.sites, site_id, &facts);
        given::words(map, &decision)
    });
    let flips = Flips { if_it_fails: fails, by_cost: field.by_cost(&candidates) };
    let agrees = is_assumed || agrees(snapshot, map, live_map, &key, &decision, scope);
    Explained::Steered(Box::new(Steered {
        zone: way.zone.clone().unwrap_or_else(|| way.last.clone()),
        name: way.last.clone(),
        service: map.service.name.clone(),
        policy: map.policy.name.clone(),
        tiers: map.policy.tiers.len().max(1),
        applied: place::applied(map, stance, &site, key.block, measured),
        panic: facts.panic.map(tiers),
        lingering: lingering(map, &facts, background),
        addresses: given.addresses(),
        ttl: given.ttl,
        told: given.told,
        sent: sent(snapshot, map, &given, &way, steer, &question.name),
        then: then(snapshot, live, question, background, (steer, &given, &way), links),
        answer: now.answer.clone(),
        chain: way.links,
        key,
        site,
        candidates,
        split,
        scope,
        reach,
        flips,
        agrees,
    }))
}

/// The answer of a decision and, where it is dealt, the records of each member.
struct Now {
    answer: Answer,
    pieces: Option<Pieces>,
}

impl Now {
    /// As the live tables have it; made anew where only an assumption leads to it.
    fn new(
        map: &Map,
        live: &LiveMap,
        decision: &crate::steering::Decision,
        facts: &Facts,
        known: &Known,
        is_assumed: bool,
    ) -> Self {
        let lived = live.answers.iter().find(|answer| !is_assumed && answer.decision == *decision);
        let answer = lived.cloned().unwrap_or_else(|| Answer::prepare(decision.clone(), map, facts, known));
        let pieces = decision.is_split().then(|| match &live.pieces {
            Some(pieces) if !is_assumed => Pieces::clone(pieces),
            _ => Pieces::prepare(map, facts, known),
        });
        Self { answer, pieces }
    }

    fn given(&self, map: &Map, unit: &UnitKey) -> Given<'_> {
        Given::new(map, &self.answer, self.pieces.as_ref(), unit)
    }
}

impl Steered {
    /// The names of the PoPs of the A records, or of the AAAA records when there are no A, in the answer's order.
    pub fn pops(&self) -> Vec<&str> {
        let by = |place: fn(&Candidate) -> Option<usize>| {
            let mut list: Vec<_> = self.candidates.iter().filter_map(|c| Some((place(c)?, c.pop.as_str()))).collect();
            list.sort_unstable();
            list.into_iter().map(|(_, pop)| pop).collect::<Vec<_>>()
        };
        let v4 = by(|c| c.chosen_v4);
        if v4.is_empty() { by(|c| c.chosen_v6) } else { v4 }
    }

    /// The name that a service of names sends the client to.
    pub fn target(&self) -> Option<Name> {
        let sent = self.sent.iter().find(|sent| sent.rtype == Type::CNAME)?;
        match &sent.what {
            Said::Steered(_, rdata) => Name::from_wire(rdata.first()?),
            Said::Written(..) | Said::NoData | Said::Servfail | Said::Elsewhere => None,
        }
    }

    /// The scope of the whole answer: the longest of the decisions on its way (SEMANTICS §1.10).
    pub fn whole_scope(&self) -> u8 {
        match self.then.as_deref() {
            Some(Explained::Steered(next)) => self.scope.max(next.whole_scope()),
            _ => self.scope,
        }
    }

    /// Whether the live tables agree, here and at the names this one leads to.
    pub fn all_agree(&self) -> bool {
        self.agrees
            && match self.then.as_deref() {
                Some(Explained::Steered(next)) => next.all_agree(),
                _ => true,
            }
    }

    /// Whether this was told for either family.
    pub fn is_told(&self, told: Told) -> bool {
        self.told.contains(&told)
    }

    /// Why the TTL is what it is (SEMANTICS §3.8), in words.
    pub fn ttl_reason(&self) -> &'static str {
        let any = |told| self.told.contains(&told);
        let suspect = |c: &Candidate| {
            (c.chosen_v4.is_some() && c.facts.v4 == Standing::Suspect)
                || (c.chosen_v6.is_some() && c.facts.v6 == Standing::Suspect)
        };
        if any(Told::FailOpen) {
            "fail-open: no PoP is usable, so health is ignored"
        } else if any(Told::Panic) {
            "panic: too little of the tier is usable, so health is ignored"
        } else if any(Told::Fallback) {
            "fallback: no PoP is usable, so the policy's fallback addresses serve"
        } else if self.candidates.iter().any(suspect) {
            "suspect: a check of the chosen PoP has begun to fail"
        } else if any(Told::Away) {
            "away: the chosen PoP stands in for a better one"
        } else if any(Told::Home) {
            "home: the best PoP serves"
        } else {
            "nobody may serve"
        }
    }
}

/// What steers a name, or the name it leads to; `None` when nothing does.
pub fn steer_of(parts: &Parts, name: &Name) -> Option<Steer> {
    steered(&follow(parts, name, Type::A)).ok()
}

/// What steers the name at the end of a way.
fn steered(way: &Way<'_>) -> Result<Steer, Explained> {
    let first = way.links.is_empty();
    let zone = || way.zone.clone().unwrap_or_else(|| way.last.clone());
    let fixed = |what| Err(Explained::Static { zone: zone(), chain: way.links.clone(), what });
    match way.end {
        End::Steered { steer, .. } => Ok(steer),
        End::NotHosted if first => Err(Explained::NotHosted),
        End::NotHosted => fixed("leads out of the zones that are served here"),
        End::NotLoaded => Err(Explained::NotLoaded(zone())),
        End::Static(_) => fixed("static records"),
        End::Delegated => fixed("delegated to other name servers"),
        End::NoData => fixed("a name without addresses (NODATA)"),
        End::NxDomain => fixed("no such name (NXDOMAIN)"),
        End::Endless => fixed("goes round in a circle, or over too many links"),
    }
}

/// What is sent for each type.
fn sent(snapshot: &Snapshot, map: &Map, given: &Given<'_>, way: &Way<'_>, steer: Steer, asked: &Name) -> Vec<Sent> {
    if steer.cname {
        return vec![given::sent_name(map, given, way)];
    }
    let has_svcb = map.service.bindings.iter().any(|binding| Type(binding.rtype) == Type::SVCB);
    let types = [
        Some((SteeredType::A, Type::A)),
        Some((SteeredType::Aaaa, Type::AAAA)),
        Some((SteeredType::Https, Type::HTTPS)),
        has_svcb.then_some((SteeredType::Svcb, Type::SVCB)),
    ];
    let one = |(rtype, wire): (SteeredType, Type)| given::sent_of(map, given, &follow(snapshot, asked, wire), rtype);
    types.into_iter().flatten().map(one).collect()
}

/// What follows after the CNAME of a service of names.
fn then(
    snapshot: &Snapshot,
    live: &Live,
    question: &Question,
    background: &Background,
    (steer, given, way): (Steer, &Given<'_>, &Way<'_>),
    links: usize,
) -> Option<Box<Explained>> {
    if !steer.cname || way.is_aliased() {
        return None;
    }
    let left = links.checked_sub(way.links.len() + 1)?;
    let map = &snapshot.maps[steer.map.0 as usize];
    let Said::Steered(_, rdata) = given::sent_name(map, given, way).what else { return None };
    let name = Name::from_wire(rdata.first()?)?;
    let question = Question { name, ..question.clone() };
    Some(Box::new(explain_link(snapshot, live, &question, background, left)))
}

/// Whether the live tables give a key the same decision with the same scope.
fn agrees(
    snapshot: &Snapshot,
    map: &Map,
    live: &LiveMap,
    key: &Key,
    decision: &crate::steering::Decision,
    scope: u8,
) -> bool {
    use crate::live::AnswerId;
    let lived = match live.choose(map, &snapshot.sites, key.block).answer {
        AnswerId::RESOLVER => live.nowhere(),
        answer => live.answer(answer),
    };
    let told = key.subnet.map_or(0, |folded| {
        let chosen = live.choose(map, &snapshot.sites, folded.block);
        chosen.scope.saturating_add(folded.shift)
    });
    lived.decision == *decision && told == scope
}

/// What a client is dealt by.
fn unit(map: &Map, key: &Key) -> UnitKey {
    match key.from {
        _ if !map.plan.sticky => UnitKey::query(0, 0),
        KeySource::Subnet => map.plan.unit_of_subnet(key.block),
        KeySource::Source | KeySource::SourceForOff | KeySource::SourceForUnusable => {
            map.plan.unit_of_source(key.block)
        }
    }
}

/// The block that is dealt as one.
fn unit_block(map: &Map, key: &Key) -> Option<Block> {
    let address = key.block.address();
    let length = match key.from {
        KeySource::Subnet => map.plan.unit_length(key.block),
        _ if address.is_ipv4() => 32,
        _ => 64,
    };
    map.plan.sticky.then(|| Block::new(address, length))
}

/// What the members of a map are under assumptions.
pub fn assume(map: &Map, facts: &Facts, assume: &Assume) -> Facts {
    let mut facts = facts.clone();
    if assume.is_empty() {
        return facts;
    }
    let names = |list: &[String], pop: &str| names(list, &map.service.name, pop);
    for (name, member) in map.pops.iter().zip(&mut facts.members) {
        if names(&assume.up, name) {
            set_standing(member, Standing::Usable);
            *member = MemberFacts { forced_up: true, ..MemberFacts::of(member.v4, member.v6) };
        }
        if names(&assume.down, name) {
            set_standing(member, Standing::Unusable);
            member.forced_up = false;
        }
        member.drained |= names(&assume.drain, name);
    }
    facts.panic = facts::panic(&map.plan.shape, &facts.members, facts.panic);
    facts
}

/// Tiers by their bits.
fn tiers(set: u16) -> Vec<usize> {
    (0..16).filter(|tier| set >> tier & 1 == 1).collect()
}

/// See [`Steered::lingering`].
fn lingering(map: &Map, facts: &Facts, background: &Background) -> [Vec<usize>; 2] {
    if background.serving {
        return Default::default();
    }
    let at_most = facts::panic(&map.plan.shape, &facts.members, [u16::MAX; 2]);
    [0, 1].map(|family| tiers(at_most[family] & !facts.panic[family]))
}

/// Whether a list of `fra` and `web@fra` names a service at a PoP.
fn names(list: &[String], service: &str, pop: &str) -> bool {
    list.iter().any(|word| match word.split_once('@') {
        Some((of, at)) => of == service && at == pop,
        None => word == pop,
    })
}

/// Of the addresses that it has.
fn set_standing(member: &mut MemberFacts, to: Standing) {
    for standing in [&mut member.v4, &mut member.v6] {
        if *standing != Standing::Absent {
            *standing = to;
        }
    }
}

/// Of microseconds. Costs are far below what an `f64` holds exactly.
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(crate) fn milliseconds(microseconds: i64) -> f64 {
    microseconds as f64 / 1000.0
}
