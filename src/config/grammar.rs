//! What may be written where: the keys of each kind of map, what each takes, its default and what it means. Readers check
//! keys against this, and the JSON Schemas and the reference (`docs/configuration.md`) are made from it, so that a key which is read is
//! one that is documented.

/// The keys of one kind of map.
#[derive(Debug)]
pub(super) struct Keys {
    /// What the map describes, with its article: `a check`.
    pub(super) what: &'static str,
    /// What this version reads.
    pub(super) known: &'static [Key],
    /// What the grammar has and this version lacks.
    pub(super) planned: &'static [&'static str],
}

/// A key of a map.
#[derive(Debug)]
pub(super) struct Key {
    /// As written.
    pub(super) name: &'static str,
    /// What it takes.
    pub(super) shape: Shape,
    /// What holds where it is not written, for people; empty where nothing does.
    pub(super) default: &'static str,
    /// What it means, in one or two sentences.
    pub(super) doc: &'static str,
    /// Whether it must be written.
    pub(super) required: bool,
}

/// A key that may be left out.
pub(super) const fn key(name: &'static str, shape: Shape, default: &'static str, doc: &'static str) -> Key {
    Key { name, shape, default, doc, required: false }
}

/// A key that must be written.
pub(super) const fn required(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, shape, default: "", doc, required: true }
}

impl Keys {
    /// The names of what is read.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.known.iter().map(|key| key.name)
    }

    /// Whether a key is read.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.known.iter().any(|key| key.name == name)
    }
}

/// What may be written at a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// Any text.
    Text,
    /// A name of this kind, defined elsewhere: `a PoP`.
    Reference(&'static str),
    /// `true` or `false`.
    Flag,
    /// A whole number from, to.
    Whole(u64, u64),
    /// A number with a fraction, from, to.
    Number(f64, f64),
    /// A time in seconds, or with units down to milliseconds; from, to, as written.
    Time(&'static str, &'static str),
    /// A time in whole seconds, or with units (RFC 2181 §8).
    Ttl,
    /// A time of a round trip or a distance.
    Cost,
    /// A part of a whole in percent.
    Share,
    /// An IP address.
    Address,
    /// An IP address and a port.
    Endpoint,
    /// A block of addresses, or one address.
    Block,
    /// A domain name, relative to the zone unless it ends in a dot.
    Name,
    /// A country's code (ISO 3166-1).
    Country,
    /// Text of this form: what it is, and a regular expression (ECMA-262) for it.
    Form(&'static str, &'static str),
    /// One of these words.
    Words(&'static [&'static str]),
    /// Latitude and longitude in degrees.
    Place,
    /// Nothing after the colon.
    Nothing,
    /// A list.
    List(&'static Shape),
    /// One, or a list.
    OneOrMore(&'static Shape),
    /// A map of these keys.
    Map(&'static Keys),
    /// A map from names of this kind to what each stands for.
    Named(&'static str, &'static Shape),
    /// A map of owner names: the keys of one, and besides them record types with this.
    Owners(&'static Keys, &'static Shape),
    /// Any of these.
    Either(&'static [Shape]),
}
