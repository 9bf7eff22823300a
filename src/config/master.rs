//! Master files (RFC 1035 §5) → records, or every finding with its place.
//!
//! Everything the RFC has: parentheses, comments, quoted strings, escapes, a blank owner name, `@`, relative names, TTL and
//! class in either order, `$ORIGIN`, `$INCLUDE`; besides `$TTL` (RFC 2308 §4), data of any type (RFC 3597), times with
//! units. Included files come through [`Named`]; their depth, number and size have limits, and no file includes itself.

mod lexer;

use std::sync::Arc;

use self::lexer::{Entry, Lexer};
use super::diagnostic::{Diagnostics, Location};
use super::file::records::SIGNED;
use super::model::{Records, SoaModel};
use super::named::{Named, resolve};
use super::reader::{Sink, TOO_LARGE, suggest};
use super::units::MAX_TTL;
use super::yaml::Position;
use crate::dns::{Name, Rdata, Type, rdata, text};

/// TTL of records where nothing says any: that of zones in YAML.
pub(super) const DEFAULT_TTL: u32 = 3600;
/// Deepest nesting of `$INCLUDE`.
const MAX_DEPTH: usize = 16;
/// Most `$INCLUDE` of one zone, so that a few short files that include each other twice cannot fill the memory.
const MAX_INCLUDES: usize = 10_000;
/// Most octets that one zone's files may have together, repetitions counted.
const MAX_TOTAL: usize = 1 << 30;

/// What a master file and its includes hold.
#[derive(Clone, Debug, Default)]
pub struct Master {
    /// The SOA, its serial, and where it stands.
    pub soa: Option<(SoaModel, u32, Location)>,
    /// Every other record, in the order of the files.
    pub records: Records,
}

/// Reads the master file `octets`, shown as `path`, of the zone `origin`. What can be read is given also beside errors.
pub fn parse(path: &Arc<str>, octets: &[u8], origin: &Name, files: &dyn Named) -> (Master, Diagnostics) {
    let mut sink = Sink::new(Arc::clone(path));
    let master = read(path, octets, origin, None, files, &mut sink);
    (master, sink.finish())
}

/// The same with the zone's `ttl`, if one is written, as what holds until `$TTL`.
pub(super) fn read(
    path: &Arc<str>,
    octets: &[u8],
    origin: &Name,
    zone_ttl: Option<u32>,
    files: &dyn Named,
    sink: &mut Sink,
) -> Master {
    let mut reader = Reader {
        zone: origin,
        doubled: Name::parse(origin.to_string().trim_end_matches('.'), Some(origin)).ok(),
        zone_ttl,
        files,
        origin: origin.clone(),
        owner: Owner::None,
        dollar_ttl: None,
        last_ttl: None,
        stack: Vec::new(),
        includes: 0,
        total: 0,
        signed: Vec::new(),
        out: Master::default(),
        sink,
    };
    reader.file(path, octets);
    reader.out
}

/// The owner name that a line without one has.
#[derive(Clone)]
enum Owner {
    None,
    /// It had errors, which are told.
    Bad,
    Good(Name),
}

struct Reader<'r> {
    zone: &'r Name,
    /// What a name becomes whose final dot was forgotten.
    doubled: Option<Name>,
    zone_ttl: Option<u32>,
    files: &'r dyn Named,
    origin: Name,
    owner: Owner,
    /// `$TTL`, if there was one.
    dollar_ttl: Option<u32>,
    /// The last TTL that was stated (RFC 1035 §5.1).
    last_ttl: Option<u32>,
    /// The files being read, the outermost first.
    stack: Vec<Arc<str>>,
    includes: usize,
    total: usize,
    /// Types of signing that were refused: told once each.
    signed: Vec<Type>,
    out: Master,
    sink: &'r mut Sink,
}

/// An entry being read: the file it stands in, and the place of each token.
struct At<'e, 'a> {
    path: &'e Arc<str>,
    lexer: &'e Lexer<'a>,
    entry: &'e Entry<'a>,
}

impl At<'_, '_> {
    fn position(&self, token: usize) -> Position {
        self.lexer.position(self.entry, token)
    }

    fn location(&self, token: usize) -> Location {
        let Position { line, column } = self.position(token);
        Location { file: Arc::clone(self.path), line, column }
    }
}

impl Reader<'_> {
    fn file(&mut self, path: &Arc<str>, octets: &[u8]) {
        self.total += octets.len();
        self.stack.push(Arc::clone(path));
        let text = lexer::text(octets);
        let mut lexer = Lexer::new(&text);
        let mut entry = Entry::default();
        loop {
            match lexer.next(&mut entry) {
                Ok(true) => self.entry(&At { path, lexer: &lexer, entry: &entry }),
                Ok(false) => break,
                Err((Position { line, column }, message)) => {
                    self.sink.wrong(&Location { file: Arc::clone(path), line, column }, message);
                }
            }
        }
        self.stack.pop();
    }

    fn entry(&mut self, at: &At<'_, '_>) {
        let tokens = &at.entry.tokens;
        let mut next = 0;
        if !at.entry.blank
            && let Some(first) = tokens.first()
        {
            if !first.quoted && first.text.starts_with('$') {
                return self.directive(at);
            }
            next = 1;
            self.owner = match Name::parse(first.text, Some(&self.origin)) {
                Ok(name) if name.is_at_or_under(self.zone) => {
                    if !first.text.ends_with('.') {
                        self.forgotten_dot(at, 0, name.as_wire());
                    }
                    Owner::Good(name)
                }
                Ok(name) => {
                    let help = "a zone's file holds names at or below the zone's own; look for a forgotten `$ORIGIN`";
                    self.sink.error_at(&at.location(0), format!("`{name}` is not in zone `{}`", self.zone), help);
                    Owner::Bad
                }
                Err(error) => {
                    self.sink.wrong(&at.location(0), error.to_string());
                    Owner::Bad
                }
            };
        }
        self.record(at, next);
    }

    /// `[TTL] [CLASS] TYPE RDATA`, or class before TTL.
    fn record(&mut self, at: &At<'_, '_>, mut next: usize) {
        let tokens = &at.entry.tokens;
        let (mut ttl, mut class) = (None, false);
        let rtype = loop {
            let Some(token) = tokens.get(next) else {
                let help = "for example `www 3600 IN A 192.0.2.1`";
                return self.sink.error_at(&at.location(next), "this record has no type", help);
            };
            let digit = !token.quoted && token.text.starts_with(|c: char| c.is_ascii_digit());
            if digit && ttl.is_none() {
                let Some(seconds) = self.ttl(at, next) else { return };
                ttl = Some(seconds);
            } else if !class && !token.quoted && is_class(token.text) {
                class = true;
                if !token.text.eq_ignore_ascii_case("IN") && !token.text.eq_ignore_ascii_case("CLASS1") {
                    let message = format!("class `{}` is not served; zones are of class IN", text::excerpt(token.text));
                    return self.sink.error_at(&at.location(next), message, "leave the class out, or write `IN`");
                }
            } else {
                match Type::parse(token.text).filter(|_| !token.quoted) {
                    Some(rtype) => break rtype,
                    None => return self.not_a_type(at, next),
                }
            }
            next += 1;
        };
        if !self.may_stand(at, next, rtype) {
            return;
        }
        let fields = tokens.get(next + 1..).unwrap_or_default();
        let data = match rdata::parse_tokens(rtype, fields, &self.origin) {
            Ok(data) => data,
            Err(error) => {
                let place = at.location(next + 1);
                return match error.help {
                    Some(help) => self.sink.error_at(&place, error.message, help),
                    None => self.sink.wrong(&place, error.message),
                };
            }
        };
        if rdata::compressible(rtype).is_some() && !tokens.last().is_some_and(|t| t.text.ends_with('.')) {
            self.forgotten_dot(at, tokens.len() - 1, &data.wire);
        }
        let owner = match &self.owner {
            Owner::Good(owner) => owner.clone(),
            Owner::Bad => return,
            Owner::None => {
                let help = "begin the line with the name the record belongs to; `@` is the zone's own";
                return self.sink.error_at(&at.location(0), "no record before this one has an owner name", help);
            }
        };
        if rtype == Type::SOA {
            return self.soa(at, &owner, ttl, &data);
        }
        if ttl.is_some() {
            self.last_ttl = ttl;
        }
        let ttl = ttl.or(self.dollar_ttl).or(self.last_ttl).or(self.zone_ttl).unwrap_or(DEFAULT_TTL);
        if !self.out.records.push(owner.by_ref(), rtype, ttl, &data.wire, &at.location(0)) {
            self.sink.wrong(&at.location(0), TOO_LARGE);
        }
    }

    fn soa(&mut self, at: &At<'_, '_>, owner: &Name, ttl: Option<u32>, data: &Rdata) {
        if owner != self.zone {
            let message = format!("`{owner}` has an SOA, but the zone is `{}`", self.zone);
            return self.sink.error_at(&at.location(0), message, "a zone has one SOA, at its own name");
        }
        if let Some((_, _, place)) = &self.out.soa {
            let message = format!("a second SOA; the first is at {place}");
            let place = place.clone();
            self.sink.error_at(&at.location(0), message, "a zone has one SOA, at its own name");
            return self.sink.also(&place, "the first");
        }
        let Some((mut soa, serial)) = soa_of(data) else { return };
        // Where nothing else tells, MINIMUM is the TTL of all records, as it was before RFC 2308 §4.
        let ttl = ttl.or(self.dollar_ttl).or(self.zone_ttl).unwrap_or(soa.minimum.min(MAX_TTL));
        self.last_ttl = Some(ttl);
        soa.ttl = ttl;
        self.out.soa = Some((soa, serial, at.location(0)));
    }

    fn not_a_type(&mut self, at: &At<'_, '_>, token: usize) {
        let word = at.entry.tokens.get(token).map_or("", |token| token.text);
        let shown = text::excerpt(word);
        let help = if word.starts_with('$') {
            "`$ORIGIN`, `$TTL` and `$INCLUDE` begin their line, without white space before them".to_owned()
        } else if token == 0 {
            "the line begins with white space, so the owner name is the one before; a record is `[TTL] [IN] TYPE DATA`"
                .to_owned()
        } else {
            suggest(word, Type::mnemonics()).map_or_else(
                || "a record is `NAME [TTL] [IN] TYPE DATA`, for example `www 3600 IN A 192.0.2.1`".to_owned(),
                |near| format!("did you mean `{near}`?"),
            )
        };
        self.sink.error_at(&at.location(token), format!("`{shown}` is not a type"), help);
    }

    fn may_stand(&mut self, at: &At<'_, '_>, token: usize, rtype: Type) -> bool {
        if SIGNED.contains(&rtype) {
            if !self.signed.contains(&rtype) {
                self.signed.push(rtype);
                let message = format!("`{rtype}` comes with signing, which is planned, not in this version");
                self.sink.error_at(&at.location(token), message, "export the zone unsigned");
            }
            return false;
        }
        if !rtype.is_data() {
            self.sink.wrong(&at.location(token), format!("`{rtype}` is asked for, never written in a zone"));
            return false;
        }
        true
    }

    fn ttl(&mut self, at: &At<'_, '_>, token: usize) -> Option<u32> {
        let written = at.entry.tokens.get(token).map_or("", |token| token.text);
        let seconds = text::seconds(written);
        if seconds.is_some_and(|s| s <= MAX_TTL) {
            return seconds;
        }
        let help = match seconds {
            Some(_) => format!("at most {MAX_TTL} seconds, some 68 years (RFC 2181 §8)"),
            None => "seconds as a whole number, or with units: `90s`, `5m`, `1h30m`, `1d`, `1w`".to_owned(),
        };
        self.sink.error_at(&at.location(token), format!("the TTL cannot be `{}`", text::excerpt(written)), help);
        None
    }

    /// `www.example.com` in zone `example.com`, meant as `www.example.com.`
    fn forgotten_dot(&mut self, at: &At<'_, '_>, token: usize, wire: &[u8]) {
        let Some(doubled) = &self.doubled else { return };
        let ends = wire.len().checked_sub(doubled.as_wire().len());
        if !ends.and_then(|start| wire.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(doubled.as_wire())) {
            return;
        }
        let written = at.entry.tokens.get(token).map_or("", |token| token.text);
        let Ok(name) = Name::parse(written, Some(&self.origin)) else { return };
        if name.is_at_or_under(doubled) {
            let message = format!("`{}` is read as `{name}`", text::excerpt(written));
            let help = "names are relative to the origin: end it in a dot, or leave the zone's name out";
            self.sink.warn_at(&at.location(token), message, help);
        }
    }

    fn directive(&mut self, at: &At<'_, '_>) {
        let words: Vec<&str> = at.entry.tokens.iter().map(|token| token.text).collect();
        let Some((first, rest)) = words.split_first() else { return };
        match (first.to_ascii_uppercase().as_str(), rest) {
            ("$ORIGIN", [name]) => {
                if let Some(name) = self.name(at, name, 1) {
                    self.origin = name;
                }
            }
            ("$TTL", [_]) => {
                if let Some(seconds) = self.ttl(at, 1) {
                    self.dollar_ttl = Some(seconds);
                }
            }
            ("$INCLUDE", [file]) => self.include(at, file, None),
            ("$INCLUDE", [file, origin]) => {
                if let Some(origin) = self.name(at, origin, 2) {
                    self.include(at, file, Some(origin));
                }
            }
            ("$ORIGIN", _) => self.sink.wrong(&at.location(0), "`$ORIGIN` wants one name: `$ORIGIN example.com.`"),
            ("$TTL", _) => self.sink.wrong(&at.location(0), "`$TTL` wants one time: `$TTL 3600`"),
            ("$INCLUDE", _) => {
                self.sink
                    .wrong(&at.location(0), "`$INCLUDE` wants a file, and may have an origin: `$INCLUDE FILE [NAME]`");
            }
            ("$GENERATE", _) => {
                let help = "write its records out; `named-compilezone` does that for a whole file";
                self.sink.error_at(&at.location(0), "`$GENERATE` is not supported", help);
            }
            (word, _) => {
                let near = suggest(word, ["$ORIGIN", "$TTL", "$INCLUDE"]);
                let help = "accepted here: `$ORIGIN`, `$TTL`, `$INCLUDE`";
                let help = near.map_or_else(|| help.to_owned(), |near| format!("did you mean `{near}`? {help}"));
                self.sink.error_at(&at.location(0), format!("`{}` is not a control entry", text::excerpt(first)), help);
            }
        }
    }

    fn name(&mut self, at: &At<'_, '_>, written: &str, token: usize) -> Option<Name> {
        match Name::parse(written, Some(&self.origin)) {
            Ok(name) => Some(name),
            Err(error) => {
                self.sink.wrong(&at.location(token), error.to_string());
                None
            }
        }
    }

    /// Another file's records stand here. Origin and owner name are afterwards what they were (RFC 1035 §5.1, and what
    /// BIND does); a `$TTL` in it holds on, as "all records appearing after the directive" says (RFC 2308 §4).
    fn include(&mut self, at: &At<'_, '_>, written: &str, origin: Option<Name>) {
        let path = match resolve(at.path, written) {
            Ok(path) => path,
            Err((message, help)) => return self.sink.error_at(&at.location(1), message, help),
        };
        if self.stack.contains(&path) {
            let message = format!("{path} includes itself, by way of this line");
            return self.sink.error_at(&at.location(1), message, "take one of the `$INCLUDE` out");
        }
        if self.includes > MAX_INCLUDES {
            return;
        }
        self.includes += 1;
        if self.stack.len() >= MAX_DEPTH {
            return self.give_up(at, format!("`$INCLUDE` is nested deeper than {MAX_DEPTH} files"));
        }
        if self.includes > MAX_INCLUDES {
            return self.give_up(at, format!("more than {MAX_INCLUDES} `$INCLUDE` in one zone"));
        }
        let octets = match self.files.read(&path) {
            Ok(octets) => octets,
            Err(words) => return self.sink.wrong(&at.location(1), format!("`{path}` {words}")),
        };
        if self.total + octets.len() > MAX_TOTAL {
            return self.give_up(at, format!("the files of this zone have more than {} MiB together", MAX_TOTAL >> 20));
        }
        let kept = (self.origin.clone(), self.owner.clone());
        if let Some(origin) = origin {
            self.origin = origin;
        }
        self.file(&path, &octets);
        (self.origin, self.owner) = kept;
    }

    /// Past a limit nothing more is included, and nothing more is said of it.
    fn give_up(&mut self, at: &At<'_, '_>, message: String) {
        self.includes = MAX_INCLUDES + 1;
        self.sink.wrong(&at.location(1), message);
    }
}

/// `IN`, the other classes, and `CLASS123` (RFC 3597 §5).
fn is_class(word: &str) -> bool {
    let known = ["IN", "CH", "HS", "CS", "NONE", "ANY"];
    let number = word.get(..5).is_some_and(|head| head.eq_ignore_ascii_case("CLASS"));
    known.iter().any(|class| class.eq_ignore_ascii_case(word))
        || (number && word.get(5..).is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())))
}

/// The fields of an SOA's data, and its serial; its TTL is for the caller to fill in.
fn soa_of(data: &Rdata) -> Option<(SoaModel, u32)> {
    let mname = Name::from_wire(&data.wire)?;
    let rest = data.wire.get(mname.as_wire().len()..)?;
    let rname = Name::from_wire(rest)?;
    let rest = rest.get(rname.as_wire().len()..)?;
    let numbers: Vec<u32> = rest.as_chunks::<4>().0.iter().map(|n| u32::from_be_bytes(*n)).collect();
    let [serial, refresh, retry, expire, minimum] = *numbers.as_slice() else { return None };
    Some((SoaModel { mname, rname, ttl: 0, refresh, retry, expire, minimum }, serial))
}
