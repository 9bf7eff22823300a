//! What is ready becomes octets: records and sections as they are, and the OPT record behind them. `None` where there is no room.

use super::super::encode::{OUR_PAYLOAD, bake_cookie};
use super::super::{Cookie, Who};
use super::Seen;
use crate::dns::edns::{CookieOption, OPT, ServerCookie, code};
use crate::dns::message::QUESTION;
use crate::dns::{Class, FoldedName, Type};
use crate::snapshot::Snapshot;
use crate::zone::rrset::Records;
use crate::zone::{RrSet, Sections, Zone};

/// What is written so far, of at most as many octets as the answer may have before its OPT record.
pub(super) struct Page<'o> {
    pub(super) out: &'o mut [u8],
    pub(super) at: usize,
    /// Records of the answer, authority and additional section.
    pub(super) counts: [u16; 3],
}

impl Page<'_> {
    #[inline]
    pub(super) fn put(&mut self, octets: &[u8]) -> Option<()> {
        let end = self.at + octets.len();
        self.out.get_mut(self.at..end)?.copy_from_slice(octets);
        self.at = end;
        Some(())
    }

    /// Records of one owner, without names that are compressed.
    #[inline]
    pub(super) fn records(&mut self, owner: u16, count: u16, bytes: &[u8]) -> Option<()> {
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
    pub(super) fn dname(&mut self, name: &mut FoldedName, labels: usize, rrset: RrSet<'_>, zone: &Zone) -> Option<u16> {
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
    ///
    /// Left to the compiler it is a call in some builds, which makes answers without records dearer by 4 %.
    #[expect(clippy::inline_always, reason = "see above: measured")]
    #[inline(always)]
    pub(super) fn sections(&mut self, sections: &Sections<'_>, name_length: usize) -> Option<u16> {
        let written = sections.write(self.out, self.at, name_length)?;
        self.at = written.end;
        for (count, more) in self.counts.iter_mut().zip(sections.counts) {
            *count += more;
        }
        Some(written.target)
    }
}

/// The OPT record of an answer.
#[derive(Clone, Copy)]
pub(super) struct Echo<'a> {
    /// The request's; where it has none there is none in the answer.
    pub(super) seen: Option<Seen>,
    /// The data of its client subnet.
    pub(super) ecs: Option<&'a [u8]>,
    pub(super) scope: u8,
    pub(super) cookie: Option<&'a Baked>,
    /// INFO-CODE and EXTRA-TEXT of an extended error.
    pub(super) error: Option<(u16, &'static str)>,
}

impl Echo<'_> {
    /// Octets that it takes.
    #[inline]
    pub(super) fn length(&self) -> usize {
        if self.seen.is_none() {
            return 0;
        }
        OPT + self.ecs.map_or(0, |data| 4 + data.len())
            + self.cookie.map_or(0, |_| CookieOption::ECHO)
            + self.error.map_or(0, |(_, text)| 6 + text.len())
    }

    /// Writes it into room of its length, which ends the message at what is given.
    #[inline]
    pub(super) fn write(&self, room: &mut [u8], at: usize) -> Option<usize> {
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
            let (to, rest) = rest.split_first_chunk_mut::<16>()?;
            *to = server.0;
            room = rest;
        }
        if let Some((code, text)) = self.error {
            let (head, rest) = room.split_first_chunk_mut::<6>()?;
            let ([c0, c1], [e0, e1]) = (code::EDE.to_be_bytes(), code.to_be_bytes());
            *head = [c0, c1, 0, 2 + text.len() as u8, e0, e1];
            rest.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        }
        Some(end)
    }
}

/// A request's cookie by the octets of its option: what it is worth, and what the answer's has: client's part and ours.
#[inline(never)]
pub(super) fn bake(data: &[u8], who: &Who, snapshot: &Snapshot) -> (Cookie, Option<Baked>) {
    let option = CookieOption::read(data);
    let (cookie, server) = bake_cookie(option.as_ref(), who, &snapshot.identity);
    (cookie, option.zip(server).map(|(option, server)| Baked { client: option.client, server }))
}

/// Both parts of an answer's cookie.
pub(super) struct Baked {
    client: [u8; 8],
    server: ServerCookie,
}
