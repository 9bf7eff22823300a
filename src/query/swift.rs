//! The short way: one question of class IN, at most an OPT record behind it, and a name whose answer the zone or the live
//! tables have ready. Header and question are copied, then what is ready, then the OPT record; no section is put together.
//!
//! Gives `None`, with `out` spoiled, for everything else: what is malformed or rare, errors (but REFUSED for names outside
//! every zone), and whatever does not fit whole.
//! Then [`super::respond_stepwise`] answers, which is also what tests hold this against. Decides nothing of its own: which
//! records, kinds, scopes and cookies are told comes from the same tables by the same functions.

use std::net::IpAddr;

use super::encode::{MAX_UDP, limit, text};
use super::{Cookie, Ecs, Kind, Outcome, Response, Who};
use crate::dns::ecs::ClientSubnet;
use crate::dns::edns::{ExtendedError, Opt, code};
use crate::dns::message::{HEADER, QUESTION};
use crate::dns::{Class, FoldedName, Rcode, Type};
use crate::live::{Live, MapId, Near};
use crate::metrics::{Answered, Decided, Marks, Number};
use crate::snapshot::Snapshot;
use crate::zone::{ChainEnd, Entry, Found, Reached, Ready, Zone};

mod answer;
mod page;

use answer::{Aimed, Answer, Said, aim};
use page::{Echo, Page, bake};

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
        self.aimed = None;
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
        self.locate(snapshot, before)
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

    /// Finds out where the name is. `None` where that is a zone which could not be loaded.
    #[inline]
    fn locate(&mut self, snapshot: &Snapshot, before: Option<&Self>) -> Option<()> {
        if let Some(inside) = before.and_then(|before| before.inside.filter(|_| before.common))
            && !inside.has_inner
            && self.name.labels() >= inside.labels
            && let Some(zone) = loaded(snapshot, inside.zone)
            && self.name.suffix(inside.labels) == zone.apex_folded()
        {
            self.inside = Some(Inside { hash: zone.hash_from(&self.name, inside.apex_hash), ..inside });
            return Some(());
        }
        self.inside = match snapshot.zones.find(&self.name) {
            None => None,
            Some(Found { index, labels, hash: apex_hash, entry: Entry::Loaded(zone), has_inner }) => {
                let hash = zone.hash_from(&self.name, apex_hash);
                Some(Inside { zone: index, labels, has_inner, apex_hash, hash })
            }
            Some(Found { entry: Entry::NotLoaded, .. }) => return None,
        };
        Some(())
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
        let mut echo = Echo { seen: opt, ecs: ecs_data, scope: 0, cookie: baked.as_ref(), error: None };
        let Some(Inside { zone: index, apex_hash, has_inner, .. }) = *inside else {
            return elsewhere(snapshot, question, qtype, echo, cookie, out);
        };
        let zone = loaded(snapshot, index)?;
        let limit = limit(who.transport, opt.map(|opt| opt.payload)).min(out.len());
        let mut page = Page { out: out.get_mut(..limit.checked_sub(echo.length())?)?, at: 0, counts: [0; 3] };
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
                error: None,
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
            echo.scope = told.scope;
            if let Some(error) = told.error {
                echo.error = text(error, snapshot.identity.ede).map(|text| (error.code, text));
            }
            // The longer way leaves text out, or all of the error, where there is no room.
            at = echo.write(out.get_mut(..limit)?.get_mut(at..at + echo.length())?, at)?;
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
            answered: Answered::usual(
                snapshot.generation,
                Number::of(index),
                told.kind,
                told.decided,
                Marks::new(ecs_data.map(|_| told.scope), told.by_subnet, false, cookie),
            ),
        }))
    }
}

/// The zone of a number.
#[inline]
fn loaded(snapshot: &Snapshot, zone: u32) -> Option<&Zone> {
    match snapshot.zones.get(zone)?.1 {
        Entry::Loaded(zone) => Some(zone),
        Entry::NotLoaded => None,
    }
}

/// REFUSED for a name outside every zone (SEMANTICS §5.2), in at most 352 octets: they fit whatever the client's limit is.
fn elsewhere(
    snapshot: &Snapshot,
    question: &[u8],
    qtype: Type,
    mut echo: Echo<'_>,
    cookie: Cookie,
    out: &mut [u8],
) -> Option<Outcome> {
    const ERROR: ExtendedError = ExtendedError::NOT_AUTHORITATIVE;
    const { assert!(ERROR.text.is_empty()) };
    let at = question.len();
    out.get_mut(..at)?.copy_from_slice(question);
    let mut end = at;
    if echo.seen.is_some() {
        echo.error = text(ERROR, snapshot.identity.ede).map(|text| (ERROR.code, text));
        end = echo.write(out.get_mut(at..at + echo.length())?, at)?;
    }
    let head = out.first_chunk_mut::<HEADER>()?;
    let [i0, i1, f0, ..] = *head;
    *head = [i0, i1, 0x80 | f0 & 1, Rcode::REFUSED.0 as u8, 0, 1, 0, 0, 0, 0, 0, u8::from(echo.seen.is_some())];
    Some(Outcome::Responded(Response {
        length: end,
        qtype: Some(qtype),
        answered: Answered::usual(
            snapshot.generation,
            Number::NONE,
            Kind::Refused,
            Decided::NOTHING,
            Marks::new(echo.ecs.map(|_| 0), false, false, cookie),
        ),
    }))
}

const _: () = assert!(MAX_UDP < 0x4000, "what is ready has pointers into itself");
