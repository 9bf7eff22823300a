//! The short way: one question of class IN, at most an OPT record behind it, and a name whose answer the zone or the live
//! tables have ready. Header and question are copied, then what is ready, then the OPT record; no section is put together.
//!
//! Gives `None`, with `out` spoiled, for everything else: what is malformed or rare, errors (but REFUSED for names outside
//! every zone), and whatever does not fit whole.
//! Then [`super::respond_stepwise`] answers, which is also what tests hold this against. Decides nothing of its own: which
//! records, kinds, scopes and cookies are told comes from the same tables by the same functions.

use std::net::IpAddr;

use super::encode::{MAX_UDP, OUR_PAYLOAD, bake_cookie, limit};
use super::steer::Client;
use super::{Cookie, Ecs, Kind, Outcome, Response, Who};
use crate::dns::ecs::ClientSubnet;
use crate::dns::edns::{CookieOption, ExtendedError, OPT, Opt, ServerCookie, code};
use crate::dns::message::{HEADER, QUESTION};
use crate::dns::{Class, FoldedName, Rcode, Type};
use crate::live::{Live, MapId, Near, SteeredType, Told};
use crate::metrics::{Answered, Decided, Marks, Number};
use crate::net::{Block, Folded};
use crate::snapshot::{Ede, Snapshot, Steer};
use crate::zone::rrset::Records;
use crate::zone::{ChainEnd, Entry, Found, Reached, Ready, RrSet, Sections, SteerId, Zone};

/// The counts of a request with one question and nothing else.
const ONE_QUESTION: u64 = 1 << 48;

/// A request of the common kinds, and what has been found of it. Borrows nothing, so that it can be used again and again: what a
/// request does not have is written anew for each.
pub(super) struct Asked {
    /// The question's name; aliases lead it on.
    name: FoldedName,
    /// Whether it is of the common kinds; else nothing here means anything.
    common: bool,
    name_length: usize,
    qtype: Type,
    opt: Option<Seen>,
    /// Client subnet and cookie, as far as they are there.
    ecs: Option<Subnet>,
    cookie: Option<(u16, u16)>,
    inside: Option<Inside>,
    reached: Reached,
    /// Where a steered name's answer is decided; `None` until [`Asked::find`], and where that is not so simple.
    aimed: Option<Aimed>,
}

/// What an OPT record says besides its options.
#[derive(Clone, Copy)]
struct Seen {
    payload: u16,
    dnssec_ok: bool,
}

/// A client subnet, and where its option's data stands in the request: offset and length.
#[derive(Clone, Copy)]
struct Subnet {
    at: u16,
    length: u16,
    address: IpAddr,
    source: u8,
}

/// Where a name is.
#[derive(Clone, Copy)]
struct Inside {
    /// The zone's number.
    zone: u32,
    labels: usize,
    has_inner: bool,
    apex_hash: u64,
    /// [`Zone::hash_from`].
    hash: u64,
}

/// The place whose answer a client gets.
#[derive(Clone, Copy)]
struct Aimed {
    map: MapId,
    block: Block,
    /// Bits to add to a scope, and the width of the subnet's family; `None` where the packet's source decides.
    subnet: Option<(u8, u8)>,
}

impl Asked {
    /// Nothing read yet.
    pub(super) fn new() -> Self {
        Self {
            name: FoldedName::new(),
            common: false,
            name_length: 0,
            qtype: Type(0),
            opt: None,
            ecs: None,
            cookie: None,
            inside: None,
            reached: Reached::Nothing,
            aimed: None,
        }
    }

    /// Reads a request. `before` is another one: mostly its name is in the same zone.
    #[inline]
    pub(super) fn read(&mut self, snapshot: &Snapshot, before: Option<&Self>, heeded: Ecs, request: &[u8]) {
        self.common = self.reads(snapshot, before, heeded, request).is_some();
    }

    #[inline]
    fn reads(&mut self, snapshot: &Snapshot, before: Option<&Self>, heeded: Ecs, request: &[u8]) -> Option<()> {
        let (head, body) = request.split_first_chunk::<HEADER>()?;
        let [_, _, f0, _, counts @ ..] = *head;
        // Neither a response nor another opcode than QUERY; one question, and one more record at most.
        let records = u64::from_be_bytes(counts) ^ ONE_QUESTION;
        if f0 & 0xf8 != 0 || records > 1 {
            return None;
        }
        self.name_length = self.name.read(body)?;
        let (&[t0, t1, c0, c1], behind) = body.get(self.name_length..)?.split_first_chunk::<4>()?;
        self.qtype = Type(u16::from_be_bytes([t0, t1]));
        let class = Class(u16::from_be_bytes([c0, c1]));
        if class != Class::IN || matches!(self.qtype, Type::OPT | Type::DS | Type(128..256)) {
            return None;
        }
        (self.opt, self.ecs, self.cookie) = (None, None, None);
        if records == 0 {
            if !behind.is_empty() {
                return None;
            }
        } else {
            let opt = Opt::read_only(behind).filter(|opt| opt.version == 0)?;
            self.opt = Some(Seen { payload: opt.payload, dnssec_ok: opt.dnssec_ok });
            if opt.has_options() {
                self.read_options(&opt, heeded, request)?;
            }
        }
        self.inside = self.place(snapshot, before)?;
        Some(())
    }

    #[inline]
    fn read_options(&mut self, opt: &Opt<'_>, heeded: Ecs, request: &[u8]) -> Option<()> {
        // Most that have any have a client subnet, and nothing else.
        if heeded == Ecs::On
            && let Some(data) = opt.only_option(code::ECS)
        {
            let ecs = ClientSubnet::read(data).ok()?;
            let (at, length) = (request.len() - data.len(), data.len());
            self.ecs = Some(Subnet {
                at: u16::try_from(at).ok()?,
                length: length as u16,
                address: ecs.address(),
                source: ecs.source(),
            });
            return Some(());
        }
        self.read_all_options(opt, heeded, request)
    }

    #[inline(never)]
    fn read_all_options(&mut self, opt: &Opt<'_>, heeded: Ecs, request: &[u8]) -> Option<()> {
        let options = opt.options(heeded)?;
        if options.nsid | options.keepalive | options.padding {
            return None;
        }
        let place = |data: &[u8]| {
            let at = data.as_ptr().addr().checked_sub(request.as_ptr().addr())?;
            Some((u16::try_from(at).ok()?, data.len() as u16))
        };
        if let Some(ecs) = options.ecs {
            let (at, length) = place(ecs.data())?;
            self.ecs = Some(Subnet { at, length, address: ecs.address(), source: ecs.source() });
        }
        if let Some(cookie) = options.cookie {
            self.cookie = Some(place(cookie.data())?);
        }
        Some(())
    }

    /// Where the name is; `Some(None)` where it is outside every zone.
    #[inline]
    fn place(&self, snapshot: &Snapshot, before: Option<&Self>) -> Option<Option<Inside>> {
        if let Some(inside) = before.and_then(|before| before.inside.filter(|_| before.common))
            && !inside.has_inner
            && self.name.labels() >= inside.labels
            && let Some(zone) = loaded(snapshot, inside.zone)
            && self.name.suffix(inside.labels) == zone.apex_folded()
        {
            return Some(Some(Inside { hash: zone.hash_from(&self.name, inside.apex_hash), ..inside }));
        }
        let Some(Found { index, labels, hash, entry, has_inner }) = snapshot.zones.find(&self.name) else {
            return Some(None);
        };
        let Entry::Loaded(zone) = entry else { return None };
        let name_hash = zone.hash_from(&self.name, hash);
        Some(Some(Inside { zone: index, labels, has_inner, apex_hash: hash, hash: name_hash }))
    }

    /// The zone of its name, and the hash that this is found by there.
    #[inline]
    pub(super) fn inside<'s>(&self, snapshot: &'s Snapshot) -> Option<(&'s Zone, u64)> {
        let inside = self.inside.filter(|_| self.common)?;
        Some((loaded(snapshot, inside.zone)?, inside.hash))
    }

    /// Finds its name, and of a steered one where its answer is decided; says whether it is one.
    #[inline]
    pub(super) fn find(&mut self, snapshot: &Snapshot, live: &Live, who: &Who) -> bool {
        let Some(Inside { zone: index, apex_hash, hash, .. }) = self.inside.filter(|_| self.common) else {
            return false;
        };
        let Some(zone) = loaded(snapshot, index) else { return false };
        self.reached = zone.reach(&self.name, apex_hash, hash);
        self.aimed = match zone.steer(self.reached) {
            Some(steer) => aim(snapshot, live, index, steer, who, self.ecs.map(|ecs| (ecs.address, ecs.source))),
            None => None,
        };
        self.aimed.is_some()
    }

    /// Reads of the records it was found to have as much as brings them near. What it gives means nothing.
    #[inline]
    pub(super) fn touch(&self, snapshot: &Snapshot) -> u64 {
        self.inside(snapshot).map_or(0, |(zone, _)| zone.touch_records(self.reached))
    }

    /// Begins to look for the range that decides, and says where it is nearly.
    #[inline]
    pub(super) fn near(&self, live: &Live) -> Option<(MapId, Near)> {
        let Aimed { map, block, .. } = self.aimed?;
        Some((map, live.maps.get(map.0 as usize)?.near(block)?))
    }

    /// Answers it: the request that was read. Once.
    #[inline]
    pub(super) fn answer(
        &mut self,
        snapshot: &Snapshot,
        live: &Live,
        who: &Who,
        request: &[u8],
        out: &mut [u8],
    ) -> Option<Outcome> {
        if !self.common {
            return None;
        }
        let Self { name, name_length, qtype, opt, ecs, cookie, inside, reached, aimed, .. } = self;
        let (name_length, qtype, opt, aimed) = (*name_length, *qtype, *opt, *aimed);
        let question = request.get(..HEADER + name_length + 4)?;
        let data = |(at, length): (u16, u16)| request.get(at.into()..)?.get(..length.into());
        let ecs_data = match ecs {
            None => None,
            Some(ecs) => Some(data((ecs.at, ecs.length))?),
        };
        let (cookie, baked) = match *cookie {
            None => (Cookie::None, None),
            Some(place) => bake(data(place)?, who, snapshot),
        };
        let opt_length = match opt {
            None => 0,
            Some(_) => OPT + ecs_data.map_or(0, |data| 4 + data.len()) + baked.as_ref().map_or(0, |_| COOKIE_OPTION),
        };
        let Some(Inside { zone: index, apex_hash, has_inner, .. }) = *inside else {
            let echo = Echo { seen: opt, ecs: ecs_data, scope: 0, cookie: baked.as_ref() };
            return elsewhere(snapshot, question, qtype, &echo, cookie, out);
        };
        let zone = loaded(snapshot, index)?;
        let limit = limit(who.transport, opt.map(|opt| opt.payload)).min(out.len());
        let mut page = Page { out: out.get_mut(..limit.checked_sub(opt_length)?)?, at: 0, counts: [0; 3] };
        page.put(question)?;

        let mut answer = Answer {
            snapshot,
            live,
            index,
            zone,
            name_length,
            who,
            request,
            ecs: ecs.as_ref(),
            aimed,
            told: Said {
                rcode: Rcode::NOERROR,
                authoritative: true,
                kind: Kind::Static,
                decided: Decided::NOTHING,
                scope: 0,
                by_subnet: false,
            },
        };
        match zone.ready(*reached, qtype) {
            Ready::Chain(chain) => {
                // Its names may be another zone's.
                if has_inner {
                    return None;
                }
                let target = page.sections(&chain.links, name_length)?;
                match chain.end {
                    ChainEnd::Outside(end) => {
                        name.read(end)?;
                        if snapshot.zones.find(name).is_some() {
                            return None;
                        }
                    }
                    ChainEnd::Inside(place) => answer.end(place.ready(qtype), qtype, target, &mut page)?,
                }
            }
            Ready::Dname { labels, rrset } => {
                if has_inner {
                    return None;
                }
                let target = page.dname(name, labels, rrset, zone)?;
                // Aliases there may lead back: the longer way tells whether they do.
                match zone.ready(zone.reach(name, apex_hash, zone.hash_from(name, apex_hash)), qtype) {
                    Ready::Chain(_) | Ready::Dname { .. } => return None,
                    ready => answer.end(ready, qtype, target, &mut page)?,
                }
            }
            ready => answer.end(ready, qtype, QUESTION, &mut page)?,
        }

        let Answer { told, .. } = answer;
        let (mut at, [answers, authorities, mut additionals]) = (page.at, page.counts);
        if opt.is_some() {
            additionals += 1;
            let echo = Echo { seen: opt, ecs: ecs_data, scope: told.scope, cookie: baked.as_ref() };
            at = echo.write(out.get_mut(at..at + opt_length)?, at)?;
        }
        // The id, and RD, are there since the question was copied.
        let head = out.first_chunk_mut::<HEADER>()?;
        let [i0, i1, f0, ..] = *head;
        let aa = if told.authoritative { 0x84 } else { 0x80 };
        let ([an0, an1], [ns0, ns1], [ar0, ar1]) =
            (answers.to_be_bytes(), authorities.to_be_bytes(), additionals.to_be_bytes());
        *head = [i0, i1, aa | f0 & 1, told.rcode.0 as u8, 0, 1, an0, an1, ns0, ns1, ar0, ar1];
        Some(Outcome::Responded(Response {
            length: at,
            qtype: Some(qtype),
            answered: Answered {
                generation: snapshot.generation,
                zone: Number::of(index),
                decided: told.decided,
                rcode: told.rcode.0,
                kind: told.kind,
                marks: Marks::new(ecs_data.map(|_| told.scope), told.by_subnet, false, cookie),
            },
        }))
    }
}

/// Where a steered name's answer is decided for a client. `None` where that depends on more than its range: clients are sent to
/// names or shared out, or the operator keeps some from a PoP.
#[inline]
fn aim(
    snapshot: &Snapshot,
    live: &Live,
    zone: u32,
    steer: SteerId,
    who: &Who,
    ecs: Option<(IpAddr, u8)>,
) -> Option<Aimed> {
    let Steer { map, ecs: heeded, cname } = *snapshot.steer(zone, steer)?;
    let live = live.maps.get(map.0 as usize)?;
    if cname || live.ordered || live.pieces.is_some() {
        return None;
    }
    Some(match ecs.filter(|(_, source)| *source > 0 && heeded == Ecs::On) {
        Some((address, source)) => {
            let Folded { block, shift } = Folded::new(address, source);
            Aimed { map, block, subnet: Some((shift, if address.is_ipv4() { 32 } else { 128 })) }
        }
        None => Aimed { map, block: Block::host(who.source), subnet: None },
    })
}

/// The zone of a number.
#[inline]
fn loaded(snapshot: &Snapshot, zone: u32) -> Option<&Zone> {
    match snapshot.zones.get(zone)?.1 {
        Entry::Loaded(zone) => Some(zone),
        Entry::NotLoaded => None,
    }
}

/// A request's cookie by the octets of its option: what it is worth, and what the answer's has: client's part and ours.
#[inline(never)]
fn bake(data: &[u8], who: &Who, snapshot: &Snapshot) -> (Cookie, Option<Baked>) {
    let option = CookieOption::read(data);
    let (cookie, server) = bake_cookie(option.as_ref(), who, &snapshot.identity);
    (cookie, option.zip(server).map(|(option, server)| Baked { client: option.client, server }))
}

/// Both parts of an answer's cookie.
struct Baked {
    client: [u8; 8],
    server: ServerCookie,
}

/// REFUSED for a name outside every zone (SEMANTICS §5.2), in at most 352 octets: they fit whatever the client's limit is.
fn elsewhere(
    snapshot: &Snapshot,
    question: &[u8],
    qtype: Type,
    echo: &Echo<'_>,
    cookie: Cookie,
    out: &mut [u8],
) -> Option<Outcome> {
    const ERROR: ExtendedError = ExtendedError::NOT_AUTHORITATIVE;
    const { assert!(ERROR.text.is_empty()) };
    let at = question.len();
    out.get_mut(..at)?.copy_from_slice(question);
    let mut end = at;
    if echo.seen.is_some() {
        let told = if snapshot.identity.ede == Ede::Off { 0 } else { 6 };
        end += OPT + echo.ecs.map_or(0, |data| 4 + data.len()) + echo.cookie.map_or(0, |_| COOKIE_OPTION) + told;
        let room = out.get_mut(at..end)?;
        echo.write(room, at)?;
        if told > 0 {
            let ([c0, c1], [e0, e1]) = (code::EDE.to_be_bytes(), ERROR.code.to_be_bytes());
            *room.last_chunk_mut::<6>()? = [c0, c1, 0, 2, e0, e1];
        }
    }
    let head = out.first_chunk_mut::<HEADER>()?;
    let [i0, i1, f0, ..] = *head;
    *head = [i0, i1, 0x80 | f0 & 1, Rcode::REFUSED.0 as u8, 0, 1, 0, 0, 0, 0, 0, u8::from(echo.seen.is_some())];
    Some(Outcome::Responded(Response {
        length: end,
        qtype: Some(qtype),
        answered: Answered {
            generation: snapshot.generation,
            zone: Number::NONE,
            decided: Decided::NOTHING,
            rcode: Rcode::REFUSED.0,
            kind: Kind::Refused,
            marks: Marks::new(echo.ecs.map(|_| 0), false, false, cookie),
        },
    }))
}

/// Octets of a whole cookie option: code, length, the client's part and ours.
const COOKIE_OPTION: usize = CookieOption::ECHO;
const _: () = assert!(MAX_UDP < 0x4000, "what is ready has pointers into itself");

/// What an answer says besides its records.
#[derive(Clone, Copy)]
struct Said {
    rcode: Rcode,
    authoritative: bool,
    kind: Kind,
    /// What steering decided, for counting.
    decided: Decided,
    scope: u8,
    by_subnet: bool,
}

struct Answer<'a> {
    snapshot: &'a Snapshot,
    live: &'a Live,
    /// The zone's number.
    index: u32,
    zone: &'a Zone,
    name_length: usize,
    who: &'a Who,
    request: &'a [u8],
    ecs: Option<&'a Subnet>,
    /// Of the question's own name, if that is steered.
    aimed: Option<Aimed>,
    told: Said,
}

impl Answer<'_> {
    /// What is at the end of a chain, or at once. `owner` points to its name.
    #[inline]
    fn end(&mut self, ready: Ready<'_>, qtype: Type, owner: u16, page: &mut Page<'_>) -> Option<()> {
        match ready {
            Ready::Records(rrset) => page.records(owner, rrset.count, rrset.bytes)?,
            Ready::Steered(steer) => self.steered(steer, qtype, owner, page)?,
            Ready::NoData => {
                self.told.kind = Kind::NoData;
                page.sections(&self.zone.ready_soa()?, self.name_length)?;
            }
            Ready::NxDomain => {
                (self.told.rcode, self.told.kind) = (Rcode::NXDOMAIN, Kind::NxDomain);
                page.sections(&self.zone.ready_soa()?, self.name_length)?;
            }
            Ready::Referral(sections) => {
                (self.told.authoritative, self.told.kind) = (false, Kind::Referral);
                page.sections(&sections, self.name_length)?;
            }
            Ready::Chain(_) | Ready::Dname { .. } | Ready::Other => return None,
        }
        Some(())
    }

    /// Addresses by decision, where health is as it should be.
    #[inline]
    fn steered(&mut self, steer: SteerId, qtype: Type, owner: u16, page: &mut Page<'_>) -> Option<()> {
        let rtype = match qtype {
            Type::A => SteeredType::A,
            Type::AAAA => SteeredType::Aaaa,
            _ => return None,
        };
        let aimed = match self.aimed {
            Some(aimed) => Some(aimed),
            None => {
                let ecs = self.ecs.map(|ecs| (ecs.address, ecs.source));
                aim(self.snapshot, self.live, self.index, steer, self.who, ecs)
            }
        };
        if let Some(Aimed { map: id, block, subnet }) = aimed {
            let (map, live) = (self.snapshot.maps.get(id.0 as usize)?, self.live.maps.get(id.0 as usize)?);
            let chosen = live.choose(map, &self.snapshot.sites, block);
            // There is none where the resolver's address is to decide.
            if let Some(answer) = live.answers.get(usize::from(chosen.answer.0)) {
                let (told, records) = answer.of(rtype);
                page.records(owner, records.count, &records.bytes)?;
                if let Some((shift, width)) = subnet {
                    self.told.scope = chosen.scope.saturating_add(shift).clamp(1, width);
                    self.told.by_subnet = true;
                }
                self.told.kind = normal(told)?;
                self.told.decided = Decided::new(id.0, answer.member(rtype), self.told.kind);
                return Some(());
            }
        }
        self.dealt(steer, rtype, owner, page)
    }

    /// The same where it depends on more than the range of the client.
    #[inline(never)]
    fn dealt(&mut self, steer: SteerId, rtype: SteeredType, owner: u16, page: &mut Page<'_>) -> Option<()> {
        if self.snapshot.steer(self.index, steer)?.cname {
            return None;
        }
        let ecs = match self.ecs {
            Some(&Subnet { at, length, .. }) => {
                Some(ClientSubnet::read(self.request.get(at.into()..)?.get(..length.into())?).ok()?)
            }
            None => None,
        };
        let id = u16::from_be_bytes(*self.request.first_chunk()?);
        let client = Client::new(self.who, id, ecs.as_ref());
        let steered = client.steer(self.snapshot, self.live, self.index, steer)?;
        (self.told.scope, self.told.by_subnet) = (steered.scope, steered.by_subnet);
        for records in steered.records(rtype) {
            page.records(owner, records.count, &records.bytes)?;
        }
        self.told.kind = steered.kind(normal(steered.told(rtype))?, rtype);
        self.told.decided = Decided::new(steered.map.0, steered.member(rtype), self.told.kind);
        Some(())
    }
}

/// The kind of an answer that is given with health as it should be.
#[inline]
fn normal(told: Told) -> Option<Kind> {
    match told {
        Told::Home => Some(Kind::Home),
        Told::Away => Some(Kind::Away),
        Told::Panic | Told::FailOpen | Told::Fallback | Told::Absent | Told::Empty | Told::Servfail => None,
    }
}

/// What is written so far, of at most as many octets as the answer may have before its OPT record.
struct Page<'o> {
    out: &'o mut [u8],
    at: usize,
    counts: [u16; 3],
}

impl Page<'_> {
    #[inline]
    fn put(&mut self, octets: &[u8]) -> Option<()> {
        let end = self.at + octets.len();
        self.out.get_mut(self.at..end)?.copy_from_slice(octets);
        self.at = end;
        Some(())
    }

    /// Records of one owner, without names that are compressed.
    #[inline]
    fn records(&mut self, owner: u16, count: u16, bytes: &[u8]) -> Option<()> {
        let [answers, ..] = &mut self.counts;
        *answers += count;
        if count == 1 {
            self.put(&owner.to_be_bytes())?;
            return self.put(bytes);
        }
        for record in Records::new(bytes) {
            self.put(&owner.to_be_bytes())?;
            self.put(record)?;
        }
        Some(())
    }

    /// A DNAME of the zone, `labels` from the right, and the CNAME made up for it (RFC 6672 §3.1); `name` becomes its target.
    /// Gives a pointer to that.
    fn dname(&mut self, name: &mut FoldedName, labels: usize, rrset: RrSet<'_>, zone: &Zone) -> Option<u16> {
        self.counts[0] += 2;
        self.put(&(QUESTION + name.suffix_start(labels) as u16).to_be_bytes())?;
        self.put(rrset.bytes)?;
        let apex = zone.apex_labels();
        let apex_at = QUESTION + name.suffix_start(apex) as u16;
        if !name.substitute(labels, rrset.first()) {
            return None;
        }
        self.put(&QUESTION.to_be_bytes())?;
        let [t0, t1, t2, t3] = rrset.ttl.to_be_bytes();
        let [y0, y1] = Type::CNAME.0.to_be_bytes();
        let [c0, c1] = Class::IN.0.to_be_bytes();
        // The apex stands in the question already; outside the zone the longer way goes on.
        let own = name.as_wire().get(..name.suffix_start(apex))?;
        let [l0, l1] = (own.len() as u16 + 2).to_be_bytes();
        self.put(&[y0, y1, c0, c1, t0, t1, t2, t3, l0, l1])?;
        let target = 0xc000 | self.at as u16;
        self.put(own)?;
        self.put(&apex_at.to_be_bytes())?;
        (name.labels() > apex && name.suffix(apex) == zone.apex_folded()).then_some(target)
    }

    /// Sections that are ready. Gives a pointer to the last name in their RDATA.
    #[inline]
    fn sections(&mut self, sections: &Sections<'_>, name_length: usize) -> Option<u16> {
        let written = sections.write(self.out, self.at, name_length)?;
        self.at = written.end;
        for (count, more) in self.counts.iter_mut().zip(sections.counts) {
            *count += more;
        }
        Some(written.target)
    }
}

/// The OPT record of an answer, extended errors aside.
struct Echo<'a> {
    /// The request's; `None` where it has none, and then nothing is written.
    seen: Option<Seen>,
    /// The data of its client subnet.
    ecs: Option<&'a [u8]>,
    scope: u8,
    cookie: Option<&'a Baked>,
}

impl Echo<'_> {
    /// Writes it into room of its length, which ends the message at what is given.
    #[inline]
    fn write(&self, room: &mut [u8], at: usize) -> Option<usize> {
        let end = at + room.len();
        let [p0, p1] = OUR_PAYLOAD.to_be_bytes();
        let [l0, l1] = ((room.len() - OPT) as u16).to_be_bytes();
        let (fixed, mut room) = room.split_first_chunk_mut::<OPT>()?;
        *fixed = [0, 0, 41, p0, p1, 0, 0, u8::from(self.seen?.dnssec_ok) << 7, 0, l0, l1];
        if let Some(data) = self.ecs {
            let (&[f0, f1, source, _], address) = data.split_first_chunk::<4>()?;
            let [c0, c1] = code::ECS.to_be_bytes();
            let [l0, l1] = (data.len() as u16).to_be_bytes();
            let (fixed, rest) = room.split_first_chunk_mut::<8>()?;
            *fixed = [c0, c1, l0, l1, f0, f1, source, self.scope];
            let (to, rest) = rest.split_at_mut_checked(address.len())?;
            match (to.as_mut_array::<3>(), address.as_array::<3>()) {
                // What most resolvers send, without a call.
                (Some(to), Some(address)) => *to = *address,
                _ => to.copy_from_slice(address),
            }
            room = rest;
        }
        if let Some(Baked { client, server }) = self.cookie {
            let (head, rest) = room.split_first_chunk_mut::<4>()?;
            let [c0, c1] = code::COOKIE.to_be_bytes();
            *head = [c0, c1, 0, 24];
            let (to, rest) = rest.split_first_chunk_mut::<8>()?;
            *to = *client;
            *rest.first_chunk_mut::<16>()? = server.0;
        }
        Some(end)
    }
}
