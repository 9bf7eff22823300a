//! The short way: one question of class IN, at most an OPT record behind it, and a name whose answer the zone or the live
//! tables have ready. Header and question are copied, then what is ready, then the OPT record; no section is put together.
//!
//! Gives `None`, with `out` spoiled, for everything else: what is malformed or rare, errors (but REFUSED for names outside
//! every zone), and whatever does not fit whole.
//! Then [`super::respond_stepwise`] answers, which is also what tests hold this against. Decides nothing of its own: which
//! records, kinds, scopes and cookies are told comes from the same tables by the same functions.

use super::encode::{MAX_UDP, OUR_PAYLOAD, bake_cookie, limit};
use super::steer::Client;
use super::{Cookie, Kind, Outcome, Response, Who};
use crate::dns::edns::{ExtendedError, OPT, Opt, Options, ServerCookie, code};
use crate::dns::message::{HEADER, QUESTION};
use crate::dns::{Class, FoldedName, Rcode, Type};
use crate::live::{Live, SteeredType, Told};
use crate::metrics::{Answered, Decided, Marks, Number};
use crate::snapshot::{Ede, Snapshot};
use crate::zone::rrset::Records;
use crate::zone::{ChainEnd, Entry, Found, Ready, RrSet, Sections, SteerId, Zone};

/// The counts of a request with one question and nothing else.
const ONE_QUESTION: u64 = 1 << 48;

/// Answers a request of the common kinds.
#[inline]
pub(super) fn respond(snapshot: &Snapshot, live: &Live, who: &Who, request: &[u8], out: &mut [u8]) -> Option<Outcome> {
    let (head, body) = request.split_first_chunk::<HEADER>()?;
    let [i0, i1, f0, _, counts @ ..] = *head;
    // Neither a response nor another opcode than QUERY; one question, and one more record at most.
    let records = u64::from_be_bytes(counts) ^ ONE_QUESTION;
    if f0 & 0xf8 != 0 || records > 1 {
        return None;
    }
    let mut name = FoldedName::new();
    let name_length = name.read(body)?;
    let (&[t0, t1, c0, c1], behind) = body.get(name_length..)?.split_first_chunk::<4>()?;
    let (qtype, class) = (Type(u16::from_be_bytes([t0, t1])), Class(u16::from_be_bytes([c0, c1])));
    if class != Class::IN || matches!(qtype, Type::OPT | Type::DS | Type(128..256)) {
        return None;
    }
    let mut options = Options::default();
    let opt = if records == 0 {
        if !behind.is_empty() {
            return None;
        }
        None
    } else {
        let opt = Opt::read_only(behind).filter(|opt| opt.version == 0)?;
        opt.read_options(who.ecs, &mut options)?;
        Some(opt)
    };
    let options = options;
    if options.nsid | options.keepalive | options.padding {
        return None;
    }
    let (cookie, server_cookie) = match &options.cookie {
        None => (Cookie::None, None),
        cookie => bake_cookie(cookie.as_ref(), who, &snapshot.identity),
    };
    let opt_length = opt.map_or(0, |_| {
        OPT + options.ecs.map_or(0, |ecs| ecs.echo_length()) + server_cookie.map_or(0, |_| COOKIE_OPTION)
    });
    let Some(found) = snapshot.zones.find(&name) else {
        let asked =
            Asked { head: request.get(..HEADER + name_length + 4)?, qtype, opt, options, cookie, server_cookie };
        return asked.elsewhere(snapshot, out);
    };
    let Entry::Loaded(zone) = found.entry else { return None };
    let limit = limit(who.transport, opt.as_ref()).min(out.len());
    let question = HEADER + name_length + 4;
    let mut page = Page { out: out.get_mut(..limit.checked_sub(opt_length)?)?, at: 0, counts: [0; 3] };
    page.put(request.get(..question)?)?;

    let client = || Client::new(who, u16::from_be_bytes([i0, i1]), options.ecs.as_ref());
    let mut answer = Answer {
        snapshot,
        live,
        found,
        zone,
        name_length,
        told: Said {
            rcode: Rcode::NOERROR,
            authoritative: true,
            kind: Kind::Static,
            decided: Decided::NOTHING,
            scope: 0,
            by_subnet: false,
        },
    };
    match zone.ready(&name, found.hash, qtype) {
        Ready::Chain(chain) => {
            // Its names may be another zone's.
            if found.has_inner {
                return None;
            }
            let target = page.sections(&chain.links, name_length)?;
            match chain.end {
                ChainEnd::Outside(end) => {
                    name.read(end)?;
                    if snapshot.zones.find(&name).is_some() {
                        return None;
                    }
                }
                ChainEnd::Inside(place) => answer.end(place.ready(qtype), qtype, target, client, &mut page)?,
            }
        }
        Ready::Dname { labels, rrset } => {
            if found.has_inner {
                return None;
            }
            let target = page.dname(&mut name, labels, rrset, zone)?;
            // Aliases there may lead back: the longer way tells whether they do.
            match zone.ready(&name, found.hash, qtype) {
                Ready::Chain(_) | Ready::Dname { .. } => return None,
                ready => answer.end(ready, qtype, target, client, &mut page)?,
            }
        }
        ready => answer.end(ready, qtype, QUESTION, client, &mut page)?,
    }

    let Answer { told, .. } = answer;
    let (mut at, [answers, authorities, mut additionals]) = (page.at, page.counts);
    if let Some(opt) = opt {
        additionals += 1;
        at = write_opt(out.get_mut(at..at + opt_length)?, at, &opt, &options, told.scope, server_cookie.as_ref())?;
    }
    let aa = if told.authoritative { 0x84 } else { 0x80 };
    let ([an0, an1], [ns0, ns1], [ar0, ar1]) =
        (answers.to_be_bytes(), authorities.to_be_bytes(), additionals.to_be_bytes());
    *out.first_chunk_mut::<HEADER>()? = [i0, i1, aa | f0 & 1, told.rcode.0 as u8, 0, 1, an0, an1, ns0, ns1, ar0, ar1];
    Some(Outcome::Responded(Response {
        length: at,
        qtype: Some(qtype),
        answered: Answered::usual(
            snapshot.generation,
            Number::of(found.index),
            told.kind,
            told.decided,
            Marks::new(options.ecs.map(|_| told.scope), told.by_subnet, false, cookie),
        ),
    }))
}

/// A request for a name outside every zone.
struct Asked<'r> {
    /// Header and question.
    head: &'r [u8],
    qtype: Type,
    opt: Option<Opt<'r>>,
    options: Options<'r>,
    cookie: Cookie,
    server_cookie: Option<ServerCookie>,
}

impl Asked<'_> {
    /// REFUSED (SEMANTICS §5.2), in at most 352 octets: they fit whatever the client's limit is.
    fn elsewhere(self, snapshot: &Snapshot, out: &mut [u8]) -> Option<Outcome> {
        const ERROR: ExtendedError = ExtendedError::NOT_AUTHORITATIVE;
        const { assert!(ERROR.text.is_empty()) };
        let at = self.head.len();
        out.get_mut(..at)?.copy_from_slice(self.head);
        let mut end = at;
        if let Some(opt) = &self.opt {
            let told = if snapshot.identity.ede == Ede::Off { 0 } else { 6 };
            let ecs = self.options.ecs.map_or(0, |ecs| ecs.echo_length());
            end += OPT + ecs + self.server_cookie.map_or(0, |_| COOKIE_OPTION) + told;
            let room = out.get_mut(at..end)?;
            write_opt(room, at, opt, &self.options, 0, self.server_cookie.as_ref())?;
            if told > 0 {
                let ([c0, c1], [e0, e1]) = (code::EDE.to_be_bytes(), ERROR.code.to_be_bytes());
                *room.last_chunk_mut::<6>()? = [c0, c1, 0, 2, e0, e1];
            }
        }
        let head = out.first_chunk_mut::<HEADER>()?;
        let [_, _, f0, _, ..] = head;
        *f0 = 0x80 | *f0 & 1;
        let [.., answers, authorities, additionals] = head.as_chunks_mut::<2>().0 else { return None };
        (*answers, *authorities, *additionals) = ([0; 2], [0; 2], [0, u8::from(self.opt.is_some())]);
        head[3] = Rcode::REFUSED.0 as u8;
        Some(Outcome::Responded(Response {
            length: end,
            qtype: Some(self.qtype),
            answered: Answered::usual(
                snapshot.generation,
                Number::NONE,
                Kind::Refused,
                Decided::NOTHING,
                Marks::new(self.options.ecs.map(|_| 0), false, false, self.cookie),
            ),
        }))
    }
}

/// Octets of a whole cookie option: code, length, the client's part and ours.
const COOKIE_OPTION: usize = crate::dns::edns::CookieOption::ECHO;
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
    found: Found<'a>,
    zone: &'a Zone,
    name_length: usize,
    told: Said,
}

impl Answer<'_> {
    /// What is at the end of a chain, or at once. `owner` points to its name.
    #[inline]
    fn end<'c>(
        &mut self,
        ready: Ready<'_>,
        qtype: Type,
        owner: u16,
        client: impl FnOnce() -> Client<'c>,
        page: &mut Page<'_>,
    ) -> Option<()> {
        match ready {
            Ready::Records(rrset) => page.records(owner, rrset.count, rrset.bytes)?,
            Ready::Steered(steer) => self.steered(steer, qtype, owner, &client(), page)?,
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
    fn steered(
        &mut self,
        steer: SteerId,
        qtype: Type,
        owner: u16,
        client: &Client<'_>,
        page: &mut Page<'_>,
    ) -> Option<()> {
        let rtype = match qtype {
            Type::A => SteeredType::A,
            Type::AAAA => SteeredType::Aaaa,
            _ => return None,
        };
        if self.snapshot.steer(self.found.index, steer)?.cname {
            return None;
        }
        let steered = client.steer(self.snapshot, self.live, self.found.index, steer)?;
        (self.told.scope, self.told.by_subnet) = (steered.scope, steered.by_subnet);
        // One answer for all its clients, mostly.
        let told = if steered.dealt.is_none() {
            let (told, records) = steered.answer.of(rtype);
            page.records(owner, records.count, &records.bytes)?;
            told
        } else {
            for records in steered.records(rtype) {
                page.records(owner, records.count, &records.bytes)?;
            }
            steered.told(rtype)
        };
        self.told.kind = match told {
            Told::Home => steered.kind(Kind::Home, rtype),
            Told::Away => steered.kind(Kind::Away, rtype),
            Told::Panic | Told::FailOpen | Told::Fallback | Told::Absent | Told::Empty | Told::Servfail => return None,
        };
        self.told.decided = Decided::new(steered.map.0, steered.member(rtype), self.told.kind);
        Some(())
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

/// Writes the OPT record into room of its length, which ends the message at what is given.
#[inline]
fn write_opt(
    room: &mut [u8],
    at: usize,
    opt: &Opt<'_>,
    options: &Options<'_>,
    scope: u8,
    cookie: Option<&ServerCookie>,
) -> Option<usize> {
    let end = at + room.len();
    let [p0, p1] = OUR_PAYLOAD.to_be_bytes();
    let [l0, l1] = ((room.len() - OPT) as u16).to_be_bytes();
    let (fixed, mut room) = room.split_first_chunk_mut::<OPT>()?;
    *fixed = [0, 0, 41, p0, p1, 0, 0, u8::from(opt.dnssec_ok) << 7, 0, l0, l1];
    if let Some(ecs) = &options.ecs {
        let (before, after) = ecs.echo();
        let &[f0, f1, source] = before.as_array::<3>()?;
        let [c0, c1] = code::ECS.to_be_bytes();
        let [l0, l1] = ((4 + after.len()) as u16).to_be_bytes();
        let (fixed, rest) = room.split_first_chunk_mut::<8>()?;
        *fixed = [c0, c1, l0, l1, f0, f1, source, scope];
        let (address, rest) = rest.split_at_mut_checked(after.len())?;
        address.copy_from_slice(after);
        room = rest;
    }
    if let (Some(option), Some(server)) = (&options.cookie, cookie) {
        let (head, rest) = room.split_first_chunk_mut::<4>()?;
        let [c0, c1] = code::COOKIE.to_be_bytes();
        *head = [c0, c1, 0, 24];
        let (client, rest) = rest.split_first_chunk_mut::<8>()?;
        *client = option.client;
        *rest.first_chunk_mut::<16>()? = server.0;
    }
    Some(end)
}
