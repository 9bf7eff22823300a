//! `reflect` names (SEMANTICS §3.11): a TXT that tells a client what is seen of it, the standard tool when a client lands
//! somewhere odd.
//!
//! One TXT record with TTL 0, a character-string each: `source=` the packet's source, `ecs=` the client subnet as received
//! (`none` without one), `country=`, `city=` and `asn=` as far as the database knows them, and of the service that is shown
//! `service=`, `pop=` (and `pop6=` where AAAA has another), `kind=` and `scope=`; then `server=` and `state=` GENERATION.EPOCH.
//! The scope of the answer is the source prefix length: it is meant for nobody else. Written into a fixed buffer.

use std::fmt::{self, Write};
use std::net::IpAddr;

use super::Step;
use crate::dns::edns::ExtendedError;
use crate::dns::message::{Owner, Section};
use crate::dns::{Class, Rcode, Type};
use crate::live::{SteeredType, Told};
use crate::query::{Ecs, Said};
use crate::zone::{ReflectId, SteerId};

/// Octets of a record before its RDATA: TYPE, CLASS, TTL, RDLENGTH.
const FIXED: usize = 10;
/// Octets of the longest record: twelve texts, each short but for names of city, service, PoPs and server.
const LONGEST: usize = 900;
/// Octets of the longest text with its key; longer ones are cut, at a character.
const LONGEST_TEXT: usize = 120;

impl Step<'_, '_, '_, '_> {
    /// Tells clients that may know; refuses others.
    #[cold]
    pub(super) fn reflect(&mut self, reflect: ReflectId, owner: Owner<'_>) {
        let zone = self.said.zone.get().unwrap_or(u32::MAX);
        let reflect = self.snapshot.reflect(zone, reflect);
        let allowed = reflect.filter(|reflect| reflect.allow.iter().any(|block| self.client.comes_from(*block)));
        let Some(reflect) = allowed else {
            self.reply.clear();
            *self.said = Said { zone: self.said.zone, ..Said::error(Rcode::REFUSED, Some(ExtendedError::PROHIBITED)) };
            return;
        };
        let mut record = Record::new();
        record.text(format_args!("source={}", self.client.source));
        match self.client.sent {
            Some(ecs) => record.text(format_args!("ecs={}/{}", ecs.address(), ecs.source())),
            None => record.text(format_args!("ecs=none")),
        }
        let steered = reflect.steer.and_then(|steer| Some((steer, self.steer(steer)?)));
        let heeded = reflect.ecs == Ecs::On && steered.is_none_or(|(_, steered)| steered.by_subnet);
        self.class(heeded, &mut record);
        if let Some((id, steered)) = steered {
            self.decision(zone, id, &steered, &mut record);
        }
        if let Some(name) = &self.snapshot.identity.name {
            record.text(format_args!("server={name}"));
        }
        record.text(format_args!("state={}.{}", self.snapshot.generation, self.live.epoch));
        let length =
            self.client.sent.filter(|_| reflect.ecs == Ecs::On).map_or(0, crate::dns::ecs::ClientSubnet::source);
        self.said.scope = self.said.scope.max(length);
        self.reply.records(Section::Answer, owner, Type::TXT, 1, record.finish());
    }

    fn class(&self, heeded: bool, record: &mut Record) {
        let class = self.snapshot.class(self.client.block(heeded));
        if let Some(country) = class.country {
            record.text(format_args!("country={country}"));
        }
        if let Some(city) = class.city {
            record.text(format_args!("city={city}"));
        }
        if class.asn != 0 {
            record.text(format_args!("asn={}", class.asn));
        }
    }

    fn decision(&self, zone: u32, id: SteerId, steered: &super::super::steer::Steered<'_>, record: &mut Record) {
        let Some(map) = self.snapshot.steer(zone, id).map(|steer| steer.map) else { return };
        let Some(of_map) = self.snapshot.maps.get(map.0 as usize) else { return };
        record.text(format_args!("service={}", of_map.service.name));
        let pop = |v4| self.snapshot.pop(map, steered.answer, steered.dealt.as_ref(), v4);
        match (pop(true), pop(false)) {
            (Some(pop), other) => {
                record.text(format_args!("pop={pop}"));
                if let Some(other) = other.filter(|other| *other != pop) {
                    record.text(format_args!("pop6={other}"));
                }
            }
            (None, Some(pop)) => record.text(format_args!("pop={pop}")),
            (None, None) => {}
        }
        let told = match steered.told(SteeredType::A) {
            Told::Absent => steered.told(SteeredType::Aaaa),
            told => told,
        };
        let kind = match told {
            Told::Absent | Told::Empty => "nobody",
            Told::Servfail => "servfail",
            Told::Home => "home",
            Told::Away => "away",
            Told::Panic => "panic",
            Told::FailOpen => "fail-open",
            Told::Fallback => "fallback",
        };
        record.text(format_args!("kind={kind}"));
        if self.client.sent.is_some() {
            record.text(format_args!("scope={}", steered.scope));
        }
    }
}

impl super::Client<'_> {
    /// Whether the packet's source lies in a block.
    fn comes_from(&self, block: crate::net::Block) -> bool {
        let holds = |address: IpAddr| {
            address.is_ipv4() == block.address().is_ipv4()
                && crate::net::Block::new(address, block.length()).address() == block.address()
        };
        // IPv4 that came over an IPv6 socket is IPv4.
        holds(self.source) || holds(self.block(false).address())
    }
}

/// A TXT record being written.
struct Record {
    octets: [u8; LONGEST],
    length: usize,
}

impl Record {
    fn new() -> Self {
        let mut octets = [0; LONGEST];
        let [t0, t1] = Type::TXT.0.to_be_bytes();
        let [c0, c1] = Class::IN.0.to_be_bytes();
        // TTL 0, and RDLENGTH is filled in at the end.
        for (octet, value) in octets.iter_mut().zip([t0, t1, c0, c1]) {
            *octet = value;
        }
        Self { octets, length: FIXED }
    }

    /// Adds a character-string; one that does not fit is left out.
    fn text(&mut self, text: fmt::Arguments<'_>) {
        let mut string = Text { octets: [0; LONGEST_TEXT], length: 0 };
        // What does not fit is cut.
        let _ = string.write_fmt(text);
        let Some(written) = string.octets.get(..string.length) else { return };
        let end = self.length + 1 + written.len();
        let Some([length, room @ ..]) = self.octets.get_mut(self.length..end) else { return };
        *length = written.len() as u8;
        room.copy_from_slice(written);
        self.length = end;
    }

    fn finish(&mut self) -> &[u8] {
        let length = (self.length - FIXED) as u16;
        if let Some(field) = self.octets.get_mut(FIXED - 2..FIXED) {
            field.copy_from_slice(&length.to_be_bytes());
        }
        self.octets.get(..self.length).unwrap_or_default()
    }
}

/// A text that is cut where its room ends.
struct Text {
    octets: [u8; LONGEST_TEXT],
    length: usize,
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = text.floor_char_boundary(LONGEST_TEXT - self.length);
        let Some(part) = text.as_bytes().get(..end) else { return Err(fmt::Error) };
        if let Some(room) = self.octets.get_mut(self.length..self.length + part.len()) {
            room.copy_from_slice(part);
            self.length += part.len();
        }
        if end < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}
