//! Octets → a request that passed every check of its form, in the order of SEMANTICS §5.6.

use super::{Decided, Drop, Number, Said};
use crate::dns::ecs::Ecs;
use crate::dns::edns::{ExtendedError, Opt, Options};
use crate::dns::message::{HEADER, Header, Reader, RecordRef, split_name};
use crate::dns::{Class, FoldedName, Opcode, Rcode, Type};

/// A request, as far as it could be read.
#[derive(Debug)]
pub(super) struct Request<'p> {
    pub(super) header: Header,
    pub(super) opcode: Opcode,
    /// The octets a response repeats: header and question, or the header alone.
    pub(super) head: &'p [u8],
    /// What was asked; the name is beside it, folded.
    pub(super) asked: Option<(Type, Class)>,
    /// Present whenever the response has to carry an OPT record.
    pub(super) opt: Option<Opt<'p>>,
    pub(super) options: Options<'p>,
    /// A transaction signature; always of an unknown key.
    pub(super) tsig: Option<Tsig<'p>>,
}

/// What of a TSIG record (RFC 8945 §4.2) goes into the error that answers it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tsig<'p> {
    /// The key's name, uncompressed.
    pub(super) key: &'p [u8],
    /// The algorithm's name.
    pub(super) algorithm: &'p [u8],
    /// Time signed and fudge.
    pub(super) time: &'p [u8],
}

/// What became of a packet.
#[derive(Debug)]
pub(super) enum Read<'p> {
    Dropped(Drop),
    /// An error to be told, with what could be read.
    Refused(Request<'p>, Said),
    Asked(Request<'p>),
}

/// Reads a packet. The question's name goes into `name`. With `ecs` off its client subnets are not read.
#[inline]
pub(super) fn read<'p>(packet: &'p [u8], ecs: Ecs, name: &mut FoldedName) -> Read<'p> {
    let (Some(header), Some(fixed)) = (Header::read(packet), packet.get(..HEADER)) else {
        return Read::Dropped(Drop::Short);
    };
    if header.is_response() {
        return Read::Dropped(Drop::Response);
    }
    let opcode = header.opcode();
    let mut request =
        Request { header, opcode, head: fixed, asked: None, opt: None, options: Options::default(), tsig: None };
    let form = request.read_body(packet, ecs, name);
    if !matches!(opcode, Opcode::QUERY | Opcode::NOTIFY | Opcode::UPDATE) {
        return Read::Refused(request, Said::error(Rcode::NOTIMP, None));
    }
    match form {
        Ok(()) => Read::Asked(request),
        Err(said) => Read::Refused(request, said),
    }
}

impl<'p> Request<'p> {
    /// Question, records, OPT, version, options. What was read before an error stays.
    #[inline]
    fn read_body(&mut self, packet: &'p [u8], ecs: Ecs, name: &mut FoldedName) -> Result<(), Said> {
        const FORMERR: Said = Said {
            rcode: Rcode::FORMERR,
            authoritative: false,
            kind: super::Kind::Error,
            zone: Number::NONE,
            scope: 0,
            by_subnet: false,
            error: None,
            decided: Decided::NOTHING,
        };
        let [questions, answers, authorities, additionals] = self.header.counts;
        let mut reader = Reader::new(packet, HEADER);
        if questions > 1 {
            return Err(FORMERR);
        }
        if questions == 1 {
            reader.take_name(name).ok_or(FORMERR)?;
            let (qtype, class) = reader.take_u16().zip(reader.take_u16()).ok_or(FORMERR)?;
            self.asked = Some((Type(qtype), Class(class)));
            self.head = packet.get(..reader.at()).unwrap_or(self.head);
        }
        let mut twice = false;
        for _ in 0..u32::from(answers) + u32::from(authorities) {
            let record = reader.take_record().ok_or(FORMERR)?;
            if matches!(record.rtype, Type::OPT | Type::TSIG) {
                return Err(FORMERR);
            }
        }
        for left in (0..additionals).rev() {
            let record = reader.take_record().ok_or(FORMERR)?;
            match record.rtype {
                Type::OPT => {
                    twice |= self.opt.is_some();
                    self.opt = Some(Opt::read(&record).ok_or(FORMERR)?);
                }
                Type::TSIG if left > 0 => return Err(FORMERR),
                Type::TSIG => self.tsig = Some(Tsig::read(&record).ok_or(FORMERR)?),
                _ => {}
            }
        }
        if !reader.is_at_end() || twice {
            return Err(FORMERR);
        }
        if let Some(opt) = self.opt {
            if opt.version > 0 {
                return Err(Said::error(Rcode::BADVERS, None));
            }
            self.options = opt.options(ecs).ok_or(FORMERR)?;
        }
        if questions == 0 && self.options.cookie.is_none() {
            return Err(FORMERR);
        }
        if self.tsig.is_some() {
            return Err(Said::error(Rcode::NOTAUTH, None));
        }
        if matches!(self.opcode, Opcode::NOTIFY | Opcode::UPDATE) {
            return Err(Said::error(Rcode::REFUSED, Some(ExtendedError::PROHIBITED)));
        }
        Ok(())
    }
}

impl<'p> Tsig<'p> {
    /// `None` unless the record has the form of RFC 8945 §4.2, its names uncompressed.
    fn read(record: &RecordRef<'p>) -> Option<Self> {
        let (key, rest) = split_name(record.owner)?;
        let (algorithm, data) = split_name(record.rdata)?;
        let mut reader = Reader::new(data, 0);
        let time = reader.take(8)?;
        let mac = reader.take_u16()?;
        reader.take(usize::from(mac))?;
        reader.take(4)?;
        let other = reader.take_u16()?;
        reader.take(usize::from(other))?;
        let whole = rest.is_empty() && reader.is_at_end() && record.class == Class::ANY && record.ttl == 0;
        whole.then_some(Self { key, algorithm, time })
    }
}
