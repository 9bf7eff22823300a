//! Why a client gets what it gets: the decision made again, with every candidate, and held against the live tables.
//!
//! The same code answers `catchment explain` and checks the `expect:` assertions of zone files. Pure; prints nothing.

use std::net::IpAddr;

use crate::dns::ecs::Ecs;
use crate::dns::{FoldedName, Name, Type};
use crate::geo::{Place, Site};
use crate::health::Known;
use crate::live::{Answer, AnswerId, Dealt, Live, LiveMap, Map, Pieces, SteeredType, Told};
use crate::net::{Block, Folded};
use crate::snapshot::{Parts, Snapshot, Steer};
use crate::steering::decide::ranking;
use crate::steering::split::UnitKey;
use crate::steering::{Choice, Class, Facts, Family, MemberFacts, Ranked, Standing};
use crate::zone::{Entry, Lookup};

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

/// What is assumed of PoPs, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assume {
    /// No address of theirs is usable.
    pub down: Vec<String>,
    /// The operator prefers anyone else.
    pub drain: Vec<String>,
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
        /// The zone.
        zone: Name,
        /// What the zone says of the name.
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
    /// The names from the one that was asked to the steered one.
    pub chain: Vec<Name>,
    /// The service served there.
    pub service: String,
    /// The policy that chose.
    pub policy: String,
    /// What the decision was made by.
    pub key: Key,
    /// What is known of it.
    pub site: SiteView,
    /// Every PoP of the service, best first.
    pub candidates: Vec<CandidateView>,
    /// The decision's answer.
    pub answer: Answer,
    /// What the client is told of A and of AAAA, dealt where several PoPs share.
    pub told: [Told; 2],
    /// TTL in seconds.
    pub ttl: u32,
    /// Addresses of the answer, IPv4 then IPv6.
    pub addresses: Vec<IpAddr>,
    /// Scope prefix length as a response would carry it; 0 without a client subnet of its own.
    pub scope: u8,
    /// First and last address of the live range around the key.
    pub range: (IpAddr, IpAddr),
    /// Whether the live tables give the same. Without assumptions anything else is a defect.
    pub agrees: bool,
}

/// What a decision was made by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The block, IPv4-in-IPv6 folded.
    pub block: Block,
    /// Where it comes from.
    pub from: KeySource,
}

/// Where the key of a decision comes from (SEMANTICS §1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// The client subnet.
    Subnet,
    /// The packet's source; no client subnet was sent, or one of length 0.
    Source,
    /// The packet's source, as the zone heeds no client subnets (`ecs: off`).
    SourceForOff,
    /// The packet's source, as the client subnet says nothing of a place (private, loopback, …).
    SourceForUnusable,
}

/// What is known of the place of the key.
#[derive(Clone, Debug)]
pub struct SiteView {
    /// The site itself.
    pub site: Site,
    /// City, as the database has it.
    pub city: Option<String>,
    /// Subdivision, as the database has it.
    pub subdivision: Option<String>,
    /// Where it was taken to be.
    pub place: Option<Place>,
    /// Whether that is the country's place, for want of the site's own.
    pub by_country: bool,
    /// Whether another block of the same /24 (/56) lies elsewhere, so that the majority decided.
    pub majority: bool,
}

/// A PoP as a candidate.
#[derive(Clone, Debug)]
pub struct CandidateView {
    /// Its name.
    pub pop: String,
    /// Cost in microseconds, bias and rules included, where distance or latency gives one.
    pub cost_us: Option<i64>,
    /// Its place in the class's order, and why.
    pub ranked: Ranked,
    /// Distance in kilometers.
    pub kilometers: Option<f64>,
    /// How it stood.
    pub facts: MemberFacts,
    /// Its place in the answer's A records, from 0.
    pub chosen_v4: Option<usize>,
    /// Its place in the answer's AAAA records, from 0.
    pub chosen_v6: Option<usize>,
    /// Where it stands, for people.
    pub city: Option<String>,
}

/// Explains what a client is told.
pub fn explain(snapshot: &Snapshot, live: &Live, question: &Question) -> Explained {
    let (zone, steer, chain) = match find(snapshot, &question.name) {
        Ok(found) => found,
        Err(other) => return other,
    };
    let map = &snapshot.maps[steer.map.0 as usize];
    let live_map = live.map(steer.map);
    let assumed = !question.assume.down.is_empty() || !question.assume.drain.is_empty();
    let facts = assume(map, &live_map.facts, &question.assume);

    let (key, scope, chosen) = choose(snapshot, map, live_map, steer.ecs, question);
    let site_id = map.deciding_site(&snapshot.sites, key.block);
    let decision = map.decide(&snapshot.sites, site_id, &facts);
    let lived = chosen.map_or_else(|| live_map.nowhere(), |id| live_map.answer(id));
    let agrees = lived.decision == decision;
    let answer = match live_map.answers.iter().find(|answer| answer.decision == decision) {
        Some(answer) => answer.clone(),
        // Only an assumption leads to a decision that nobody gets now.
        None => Answer::prepare(decision.clone(), map, &facts, &Known::default()),
    };
    let unit = match key.from {
        _ if !map.plan.sticky => UnitKey::query(0, 0),
        KeySource::Subnet => map.plan.unit_of_subnet(key.block),
        KeySource::Source | KeySource::SourceForOff | KeySource::SourceForUnusable => {
            map.plan.unit_of_source(key.block)
        }
    };
    let given = Given::new(map, live_map, &answer, &facts, &unit);

    let mut site = snapshot.sites.site(site_id);
    let place = site.place.or_else(|| site.country.and_then(crate::geo::Country::place));
    let class = Class::of(&snapshot.sites, site_id, &map.homes.stances);
    let place_of = |v: &[u16], index: u16| v.iter().position(|&i| i == index);
    let candidates = ranking(&map.plan.shape, &class)
        .into_iter()
        .map(|ranked| {
            let index = ranked.member;
            let pop = &snapshot.pops[map.service.members[usize::from(index)].pop.0 as usize];
            CandidateView {
                pop: pop.name.clone(),
                cost_us: ranked.cost,
                kilometers: pop.place.zip(place).map(|(pop, client)| pop.kilometers_to(client)),
                facts: facts.members[usize::from(index)],
                chosen_v4: place_of(&given.v4, index),
                chosen_v6: place_of(&given.v6, index),
                city: pop.city.clone(),
                ranked,
            }
        })
        .collect();

    // Sites hold only those AS numbers that policies name.
    site.asn = snapshot.sites.describe(key.block.address()).asn;
    let text = |id| snapshot.sites.text(id).to_owned();
    Explained::Steered(Box::new(Steered {
        zone,
        chain,
        service: map.service.name.clone(),
        policy: map.policy.name.clone(),
        key,
        site: SiteView {
            site,
            city: site.city.map(text),
            subdivision: site.subdivision_name.or(site.subdivision).map(text),
            place,
            by_country: site.place.is_none() && site.country.is_some(),
            majority: site_id != map.deciding_site(&snapshot.sites, Block::host(key.block.address())),
        },
        candidates,
        addresses: given.addresses,
        ttl: given.ttl,
        told: given.told,
        answer,
        scope,
        range: live_map.range(map, &snapshot.sites, key.block),
        agrees: agrees || assumed,
    }))
}

/// The PoPs a client is sent to with every target unknown but for what is assumed, best first, by their A records (by AAAA
/// where the service has no IPv4): what an `expect:` of a zone file is about.
///
/// # Errors
/// What the name is instead of steered.
pub fn expected(parts: &Parts, name: &Name, client: Block, assumed: &Assume) -> Result<Vec<String>, Explained> {
    let (_, steer, _) = find(parts, name)?;
    let map = &parts.maps[steer.map.0 as usize];
    let facts = assume(map, &map.facts(&Known::default(), None), assumed);
    let block = Folded::new(client.address(), client.length()).block;
    let site = map.deciding_site(&parts.sites, block);
    let decision = map.decide(&parts.sites, site, &facts);
    let answer = Answer::prepare(decision, map, &facts, &Known::default());
    let given =
        Given::of(map, &answer, &Pieces::prepare(map, &facts, &Known::default()), &map.plan.unit_of_subnet(block));
    let list = if given.told[0] == Told::Absent { given.v6 } else { given.v4 };
    Ok(list.iter().map(|index| map.pops[usize::from(*index)].to_string()).collect())
}

/// What one client is told.
struct Given {
    v4: Vec<u16>,
    v6: Vec<u16>,
    told: [Told; 2],
    ttl: u32,
    addresses: Vec<IpAddr>,
}

impl Given {
    fn new(map: &Map, live: &LiveMap, answer: &Answer, facts: &Facts, unit: &UnitKey) -> Self {
        match &live.pieces {
            Some(pieces) if live.facts == *facts => Self::of(map, answer, pieces, unit),
            _ => Self::of(map, answer, &Pieces::prepare(map, facts, &Known::default()), unit),
        }
    }

    fn of(map: &Map, answer: &Answer, pieces: &Pieces, unit: &UnitKey) -> Self {
        let both = [SteeredType::A, SteeredType::Aaaa];
        if answer.decision.is_split() {
            let dealt = Dealt::new(&map.plan, answer, pieces, unit);
            return Self {
                v4: dealt.members(Family::V4).to_vec(),
                v6: dealt.members(Family::V6).to_vec(),
                told: both.map(|rtype| dealt.told(rtype)),
                ttl: dealt.ttl(&map.service.ttls),
                addresses: both.iter().flat_map(|rtype| dealt.records(*rtype)).flat_map(addresses).collect(),
            };
        }
        let members = |choice: &Choice| match choice {
            Choice::Members { members, .. } => members.to_vec(),
            Choice::Absent | Choice::Empty | Choice::Servfail | Choice::Fallback | Choice::Split(_) => Vec::new(),
        };
        Self {
            v4: members(&answer.decision.v4),
            v6: members(&answer.decision.v6),
            told: both.map(|rtype| answer.of(rtype).0),
            ttl: answer.ttl,
            addresses: both.iter().flat_map(|rtype| addresses(answer.of(*rtype).1)).collect(),
        }
    }
}

impl Steered {
    /// The names of the PoPs of the A records, or of the AAAA records when there are no A, in the answer's order.
    pub fn pops(&self) -> Vec<&str> {
        let by = |place: fn(&CandidateView) -> Option<usize>| {
            let mut list: Vec<_> = self.candidates.iter().filter_map(|c| Some((place(c)?, c.pop.as_str()))).collect();
            list.sort_unstable();
            list.into_iter().map(|(_, pop)| pop).collect::<Vec<_>>()
        };
        let v4 = by(|c| c.chosen_v4);
        if v4.is_empty() { by(|c| c.chosen_v6) } else { v4 }
    }

    /// Why the TTL is what it is (SEMANTICS §3.8), in words.
    pub fn ttl_reason(&self) -> &'static str {
        let any = |told| self.told.contains(&told);
        let suspect = |c: &CandidateView| {
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
        } else {
            "home: the best PoP serves"
        }
    }
}

/// The zone, what the name leads to and the names on the way to a steered name.
fn find(snapshot: &Parts, name: &Name) -> Result<(Name, Steer, Vec<Name>), Explained> {
    const LINKS: usize = 16;
    let mut chain = vec![name.clone()];
    loop {
        let name = chain.last().unwrap_or(name);
        let folded = FoldedName::of(name);
        let Some(found) = snapshot.zones.find(&folded) else {
            return Err(Explained::NotHosted);
        };
        let apex = snapshot.zones.get(found.index).map_or_else(|| name.clone(), |(apex, _)| apex.clone());
        let Entry::Loaded(zone) = found.entry else {
            return Err(Explained::NotLoaded(apex));
        };
        let fixed = |what| Err(Explained::Static { zone: apex.clone(), what });
        match zone.lookup(&folded, Type::A) {
            Lookup::Steered { steer, .. } => {
                return match snapshot.steer(found.index, steer) {
                    Some(steer) => Ok((apex, *steer, chain)),
                    None => Err(Explained::NotLoaded(apex)),
                };
            }
            Lookup::Cname(rrset) => match Name::from_wire(rrset.first()) {
                Some(target) if chain.len() <= LINKS && !chain.contains(&target) => chain.push(target),
                _ => return fixed("an alias (CNAME) that leads nowhere"),
            },
            Lookup::Alias { alias, .. } => match Name::from_wire(alias.target) {
                Some(target) if chain.len() <= LINKS && !chain.contains(&target) => chain.push(target),
                _ => return fixed("an ALIAS that leads nowhere"),
            },
            Lookup::Dname { .. } => return fixed("below a DNAME"),
            Lookup::Answer(_) => return fixed("static records"),
            Lookup::Referral(_) => return fixed("delegated to other name servers"),
            Lookup::NoData => return fixed("a name without addresses (NODATA)"),
            Lookup::NxDomain => return fixed("no such name (NXDOMAIN)"),
        }
    }
}

/// The key, the scope a response would carry and the live answer (`None`: that for clients of nowhere).
fn choose(
    snapshot: &Snapshot,
    map: &Map,
    live: &LiveMap,
    ecs: Ecs,
    question: &Question,
) -> (Key, u8, Option<AnswerId>) {
    let by_source = |from, scope| {
        let block = Block::host(question.source);
        let chosen = live.choose(map, &snapshot.sites, block);
        let answer = (chosen.answer != AnswerId::RESOLVER).then_some(chosen.answer);
        (Key { block, from }, scope, answer)
    };
    match question.subnet {
        Some(_) if ecs == Ecs::Off => by_source(KeySource::SourceForOff, 0),
        Some((address, length)) if length > 0 => {
            let Folded { block, shift } = Folded::new(address, length);
            let chosen = live.choose(map, &snapshot.sites, block);
            let scope = chosen.scope + shift;
            if chosen.answer == AnswerId::RESOLVER {
                return by_source(KeySource::SourceForUnusable, scope);
            }
            (Key { block, from: KeySource::Subnet }, scope, Some(chosen.answer))
        }
        _ => by_source(KeySource::Source, 0),
    }
}

fn assume(map: &Map, facts: &Facts, assume: &Assume) -> Facts {
    let mut facts = facts.clone();
    for (name, member) in map.pops.iter().zip(&mut facts.members) {
        if assume.down.iter().any(|pop| **pop == **name) {
            for standing in [&mut member.v4, &mut member.v6] {
                if *standing != Standing::Absent {
                    *standing = Standing::Unusable;
                }
            }
        }
        member.drained |= assume.drain.iter().any(|pop| **pop == **name);
    }
    facts
}

/// The addresses of A or AAAA records.
fn addresses(records: &crate::live::Prepared) -> impl Iterator<Item = IpAddr> {
    records.rdata().filter_map(|rdata| {
        let v4 = <[u8; 4]>::try_from(rdata).map(IpAddr::from);
        v4.or_else(|_| <[u8; 16]>::try_from(rdata).map(IpAddr::from)).ok()
    })
}
