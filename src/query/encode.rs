//! Sections → octets: owner names and RDATA with compression, the limit of the message, truncation of the whole, and the
//! OPT record, whose room is kept from the start.

use super::request::Request;
use super::{Cookie, Response, Said, Who};
use crate::dns::edns::{self, CookieOption, ExtendedError, ServerCookie, Verdict, code};
use crate::dns::message::{Owner, Section, Writer, flags};
use crate::dns::rdata::compressible;
use crate::dns::{Class, Rcode, Type};
use crate::metrics::{Answered, Marks};
use crate::snapshot::{Ede, Identity};
use crate::zone::rrset::Records;

/// The longest UDP answer (DNS flag day 2020): it passes every path without fragments.
pub(super) const MAX_UDP: usize = 1232;
/// The shortest limit a client can ask for (RFC 6891 §6.2.3), and that of clients without EDNS (RFC 1035 §4.2.1).
pub(super) const MIN_UDP: usize = 512;
/// The UDP payload size this server says it takes.
pub(super) const OUR_PAYLOAD: u16 = 1232;
/// Octets of an NSID that are told: with the longest name, a client subnet and a cookie it still fits into 512.
const MAX_NSID: usize = 128;
/// Responses on encrypted transports are padded to multiples of this (RFC 8467 §4.1).
const PADDED_TO: usize = 468;
/// TSIG error BADKEY (RFC 8945 §3).
const BADKEY: u16 = 17;

/// A response being written.
pub(super) struct Reply<'r, 'o> {
    request: &'r Request<'r>,
    who: &'r Who,
    identity: &'r Identity,
    writer: Writer<'o>,
    limit: usize,
    /// Octets the OPT record takes, without extended error and padding.
    opt_length: usize,
    cookie: Cookie,
    server_cookie: Option<ServerCookie>,
    /// Truncated whatever fits.
    cut: bool,
}

/// How long a response may be, whatever the buffer, to a client that takes UDP payloads of this size.
#[inline]
pub(super) fn limit(transport: super::Transport, payload: Option<u16>) -> usize {
    match (transport, payload) {
        (super::Transport::Udp, Some(payload)) => usize::from(payload).clamp(MIN_UDP, MAX_UDP),
        (super::Transport::Udp, None) => MIN_UDP,
        _ => usize::from(u16::MAX),
    }
}

/// The text that an extended error is told with; `None` where none is told.
#[inline]
pub(super) fn text(error: ExtendedError, told: Ede) -> Option<&'static str> {
    match told {
        Ede::Off => None,
        Ede::Codes => Some(""),
        Ede::Text => Some(error.text),
    }
}

/// Checks a request's cookie, and makes the one to give.
#[inline]
pub(super) fn bake_cookie(
    option: Option<&CookieOption<'_>>,
    who: &Who,
    identity: &Identity,
) -> (Cookie, Option<ServerCookie>) {
    let (Some(option), Some(secret)) = (option, identity.cookie_secrets.first()) else {
        return (Cookie::None, None);
    };
    let verdict = ServerCookie::check(&identity.cookie_secrets, option, who.now, who.source);
    let cookie = match (verdict, option.server.and_then(|cookie| cookie.try_into().ok())) {
        (Verdict::Good, Some(same)) => ServerCookie(same),
        _ => ServerCookie::new(secret, option.client, who.now, who.source),
    };
    (if verdict == Verdict::Bad { Cookie::New } else { Cookie::Valid }, Some(cookie))
}

impl<'r, 'o> Reply<'r, 'o> {
    /// Begins a response. `None` when `out` does not hold the question.
    #[inline]
    pub(super) fn new(
        request: &'r Request<'r>,
        who: &'r Who,
        identity: &'r Identity,
        out: &'o mut [u8],
    ) -> Option<Self> {
        let limit = limit(who.transport, request.opt.map(|opt| opt.payload)).min(out.len());
        let mut reply = Self {
            request,
            who,
            identity,
            writer: Writer::new(out, request.head, limit)?,
            limit,
            opt_length: 0,
            cookie: Cookie::None,
            server_cookie: None,
            cut: false,
        };
        if request.opt.is_some() {
            (reply.cookie, reply.server_cookie) = bake_cookie(request.options.cookie.as_ref(), who, identity);
            reply.opt_length = reply.measure_opt();
        }
        reply.writer.set_limit(limit.saturating_sub(reply.opt_length));
        Some(reply)
    }

    fn measure_opt(&self) -> usize {
        let options = &self.request.options;
        edns::OPT
            + options.ecs.map_or(0, |ecs| ecs.echo_length())
            + self.nsid().map_or(0, |name| 4 + name.len())
            + self.server_cookie.map_or(0, |_| CookieOption::ECHO)
            + if self.has_keepalive() { 6 } else { 0 }
    }

    fn nsid(&self) -> Option<&'r [u8]> {
        let name = self.identity.nsid.as_ref().filter(|_| self.request.options.nsid)?.as_bytes();
        name.get(..name.len().min(MAX_NSID))
    }

    fn has_keepalive(&self) -> bool {
        self.request.options.keepalive && self.who.transport.has_keepalive()
    }

    /// Whether a record did not fit already, so that the answer will go without any.
    pub(super) fn overflowed(&self) -> bool {
        self.writer.overflowed()
    }

    /// Truncates the response, as if its records had not fit.
    pub(super) fn cut(&mut self) {
        self.cut = true;
    }

    /// Whether the client sent a cookie, and gets one back.
    pub(super) fn has_cookie(&self) -> bool {
        self.server_cookie.is_some()
    }

    /// Takes back all records.
    pub(super) fn clear(&mut self) {
        self.writer.clear();
    }

    /// Writes prepared records of one RRset under an owner name. Gives a pointer to the last name in their RDATA, if they
    /// have names that are compressed.
    #[inline]
    pub(super) fn records(
        &mut self,
        section: Section,
        owner: Owner<'_>,
        rtype: Type,
        count: u16,
        bytes: &[u8],
    ) -> Option<u16> {
        self.writer.count(section, count);
        self.writer.records(owner, compressible(rtype), Records::new(bytes))
    }

    /// Writes prepared records of one RRset without names in their RDATA into the answer section, with another TTL.
    pub(super) fn records_for(&mut self, ttl: u32, owner: Owner<'_>, count: u16, bytes: &[u8]) {
        self.writer.count(Section::Answer, count);
        let mut owner = owner;
        for record in Records::new(bytes) {
            // TYPE and CLASS; RDLENGTH and RDATA.
            let (Some(before), Some(after)) = (record.get(..4), record.get(8..)) else { return };
            owner = self.writer.owner(owner).map_or(owner, Owner::At);
            self.writer.put(before);
            self.writer.put(&ttl.to_be_bytes());
            self.writer.put(after);
        }
    }

    /// Writes a CNAME that was made up for a DNAME (RFC 6672 §3.1). Gives a pointer to its target.
    pub(super) fn synthesized_cname(&mut self, owner: Owner<'_>, ttl: u32, target: &[u8]) -> Option<u16> {
        let writer = &mut self.writer;
        writer.count(Section::Answer, 1);
        writer.owner(owner);
        writer.put(&Type::CNAME.0.to_be_bytes());
        writer.put(&Class::IN.0.to_be_bytes());
        writer.put(&ttl.to_be_bytes());
        let length_at = writer.reserve_u16();
        let target = writer.name(target);
        writer.fill_length(length_at);
        target
    }

    /// Writes a text of the server about itself, of class CHAOS and TTL 0; at most 255 octets of it.
    pub(super) fn chaos_text(&mut self, text: &[u8]) {
        let text = text.get(..text.len().min(255)).unwrap_or_default();
        let writer = &mut self.writer;
        writer.count(Section::Answer, 1);
        writer.owner(Owner::At(crate::dns::message::QUESTION));
        writer.put(&Type::TXT.0.to_be_bytes());
        writer.put(&Class::CH.0.to_be_bytes());
        writer.put(&[0; 4]);
        writer.put(&(text.len() as u16 + 1).to_be_bytes());
        writer.put(&[text.len() as u8]);
        writer.put(text);
    }

    /// Writes records that may as well be missing: all of them, or none.
    pub(super) fn optional(&mut self, write: impl FnOnce(&mut Self)) {
        if self.overflowed() {
            return;
        }
        let mark = self.writer.mark();
        write(self);
        if self.overflowed() {
            self.writer.rewind(mark);
        }
    }

    /// Truncates the whole if anything did not fit, adds OPT and TSIG, and fills in the header.
    #[inline]
    pub(super) fn finish(&mut self, said: &Said, generation: u64) -> Response {
        let truncated = self.cut || self.writer.overflowed();
        if truncated {
            self.writer.clear();
        }
        self.writer.set_limit(self.limit);
        // Without this record the client has no room for options either.
        if let Some(opt) = self.request.opt {
            self.optional(|reply| reply.opt(said, opt.dnssec_ok));
        }
        if self.request.tsig.is_some() {
            self.optional(Self::tsig_error);
        }
        let mut bits = flags::QR | u16::from(self.request.opcode.0) << 11 | self.request.header.flags & flags::RD;
        if said.authoritative {
            bits |= flags::AA;
        }
        if truncated {
            bits |= flags::TC;
        }
        Response {
            length: self.writer.finish(self.request.header.id, bits, said.rcode),
            qtype: self.request.asked.map(|asked| asked.0),
            answered: Answered::new(
                generation,
                said.zone,
                said.kind,
                said.rcode.0,
                said.decided,
                Marks::new(self.request.options.ecs.map(|_| said.scope), said.by_subnet, truncated, self.cookie),
            ),
        }
    }

    fn opt(&mut self, said: &Said, dnssec_ok: bool) {
        self.writer.count(Section::Additional, 1);
        self.writer.put(&[0]);
        self.writer.put(&Type::OPT.0.to_be_bytes());
        self.writer.put(&OUR_PAYLOAD.to_be_bytes());
        // Upper bits of RCODE, version 0, DO and no other flag.
        self.writer.put(&[(said.rcode.0 >> 4) as u8, 0, if dnssec_ok { 0x80 } else { 0 }, 0]);
        let length_at = self.writer.reserve_u16();
        if said.rcode != Rcode::BADVERS {
            self.options(said);
        }
        self.extended_error(said);
        if self.request.options.padding && self.who.transport.is_encrypted() {
            self.pad();
        }
        self.writer.fill_length(length_at);
    }

    fn options(&mut self, said: &Said) {
        if let Some(ecs) = &self.request.options.ecs {
            let (before, after) = ecs.echo();
            self.option(code::ECS, before.len() + 1 + after.len());
            self.writer.put(before);
            self.writer.put(&[said.scope]);
            self.writer.put(after);
        }
        if let Some(name) = self.nsid() {
            self.option(code::NSID, name.len());
            self.writer.put(name);
        }
        if let (Some(option), Some(server)) = (&self.request.options.cookie, self.server_cookie) {
            self.option(code::COOKIE, 24);
            self.writer.put(&option.client);
            self.writer.put(&server.0);
        }
        if self.has_keepalive() {
            self.option(code::KEEPALIVE, 2);
            self.writer.put(&self.identity.keepalive.to_be_bytes());
        }
    }

    fn option(&mut self, code: u16, length: usize) {
        self.writer.put(&code.to_be_bytes());
        self.writer.put(&(length as u16).to_be_bytes());
    }

    /// The extended error with its text, or without where that does not fit or is not wanted, or not at all.
    fn extended_error(&mut self, said: &Said) {
        let Some(error) = said.error else { return };
        let Some(text) = text(error, self.identity.ede) else { return };
        for text in [text, ""] {
            if self.writer.room() >= 6 + text.len() {
                self.option(code::EDE, 2 + text.len());
                self.writer.put(&error.code.to_be_bytes());
                self.writer.put(text.as_bytes());
                return;
            }
        }
    }

    /// Pads the message, whose last octets these are, to a multiple of [`PADDED_TO`], or to its limit.
    fn pad(&mut self) {
        let unpadded = self.writer.length() + 4;
        let padded = unpadded.next_multiple_of(PADDED_TO).min(self.limit);
        let Some(length) = padded.checked_sub(unpadded) else { return };
        self.option(code::PADDING, length);
        for _ in 0..length {
            self.writer.put(&[0]);
        }
    }

    /// An unsigned TSIG record that says the key is unknown (RFC 8945 §5.2.1, §5.3.2).
    fn tsig_error(&mut self) {
        let Some(tsig) = self.request.tsig else { return };
        let writer = &mut self.writer;
        writer.count(Section::Additional, 1);
        writer.put(tsig.key);
        writer.put(&Type::TSIG.0.to_be_bytes());
        writer.put(&Class::ANY.0.to_be_bytes());
        writer.put(&[0; 4]);
        let length_at = writer.reserve_u16();
        writer.put(tsig.algorithm);
        writer.put(tsig.time);
        writer.put(&[0; 2]);
        writer.put(&self.request.header.id.to_be_bytes());
        writer.put(&BADKEY.to_be_bytes());
        writer.put(&[0; 2]);
        writer.fill_length(length_at);
    }
}
