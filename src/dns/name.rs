//! Owner names: [`Name`] owns one as it was written, [`FoldedName`] holds one lower-cased in a fixed buffer for the hot
//! path, with where its labels start and hashes of its suffixes.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use super::text;

/// Octets of the longest name, its root label included (RFC 1035 §2.3.4).
pub const MAX_NAME: usize = 255;
/// Octets of the longest label (RFC 1035 §2.3.4).
pub const MAX_LABEL: usize = 63;
/// Most labels a name can have, the root not counted: 127 of one octet each.
pub const MAX_LABELS: usize = 127;

/// A name in wire form: length-prefixed labels, ending in the root's 0, uncompressed, at most 255 octets, letters as
/// written. Equality, hash and order fold ASCII case (RFC 4343); the order is the canonical one of RFC 4034 §6.1.
#[derive(Clone)]
pub struct Name {
    wire: Box<[u8]>,
}

/// A name that lies in somebody else's octets: what [`Name`] is, without a box of its own.
#[derive(Clone, Copy)]
pub struct NameRef<'a> {
    wire: &'a [u8],
}

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was written.
    #[error("a name is empty; write `@` for the zone's own name")]
    Empty,
    /// Two dots in a row, or one at the start.
    #[error("`{0}` has an empty label; two dots stand side by side or one stands first")]
    EmptyLabel(String),
    /// A label is too long.
    #[error("`{0}` has a label of {1} octets; at most 63 fit")]
    LongLabel(String, usize),
    /// The name is too long, origin included.
    #[error("`{0}` is {1} octets long with its zone; at most 255 fit")]
    Long(String, usize),
    /// A backslash is not followed by a character or three digits up to 255.
    #[error("`{0}` has a bad escape; write `\\DDD` with three digits from 000 to 255, or `\\` and a character")]
    Escape(String),
    /// A relative name where no zone is known.
    #[error("`{0}` must end in a dot: there is no zone it could be relative to")]
    Relative(String),
    /// Unescaped space or control character, or a quotation mark.
    #[error("`{0}` has a character that a name holds only as an escape (`\\DDD`)")]
    Character(String),
}

impl Name {
    /// The root.
    pub fn root() -> Self {
        Self { wire: Box::new([0]) }
    }

    /// Reads presentation form (RFC 1035 §5.1): relative to `origin` unless it ends in a dot; `@` is the origin; `\DDD`
    /// and `\X` escapes. Characters beyond ASCII stand for their UTF-8 octets.
    pub fn parse(text: &str, origin: Option<&Self>) -> Result<Self, NameError> {
        let told = || text::excerpt(text);
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text == "@" {
            return origin.cloned().ok_or_else(|| NameError::Relative(told()));
        }
        if text == "." {
            return Ok(Self::root());
        }
        let mut wire: Vec<u8> = Vec::with_capacity(text.len() + 2 + origin.map_or(0, |o| o.wire.len()));
        let mut label: Vec<u8> = Vec::with_capacity(MAX_LABEL);
        let mut octets = text.bytes().peekable();
        let mut absolute = false;
        while let Some(octet) = octets.next() {
            match octet {
                b'.' => {
                    close(&mut wire, &mut label, told)?;
                    absolute = octets.peek().is_none();
                }
                b'\\' => label.push(text::escape(&mut octets).ok_or_else(|| NameError::Escape(told()))?),
                0..=b' ' | b'"' | 0x7f => return Err(NameError::Character(told())),
                _ => label.push(octet),
            }
        }
        if absolute {
            wire.push(0);
        } else {
            close(&mut wire, &mut label, told)?;
            wire.extend_from_slice(&origin.ok_or_else(|| NameError::Relative(told()))?.wire);
        }
        if wire.len() > MAX_NAME {
            return Err(NameError::Long(told(), wire.len()));
        }
        Ok(Self { wire: wire.into() })
    }

    /// Reads an uncompressed name that begins `octets`, and says how long it is. `None` when it is none.
    pub fn from_wire(octets: &[u8]) -> Option<Self> {
        let length = wire_length(octets)?;
        Some(Self { wire: octets.get(..length)?.into() })
    }

    /// The octets: labels as written, ending in 0.
    pub fn as_wire(&self) -> &[u8] {
        &self.wire
    }

    /// The name, lent.
    pub fn by_ref(&self) -> NameRef<'_> {
        NameRef { wire: &self.wire }
    }

    /// The labels from left to right, without the root's.
    pub fn labels(&self) -> Labels<'_> {
        Labels { rest: &self.wire }
    }

    /// Number of labels, the root not counted.
    pub fn label_count(&self) -> usize {
        self.labels().count()
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.wire.len() == 1
    }

    /// Whether the leftmost label is `*` (RFC 4592 §2.1.1).
    pub fn is_wildcard(&self) -> bool {
        self.wire.starts_with(b"\x01*")
    }

    /// Whether this is `other` or a name below it.
    pub fn is_at_or_under(&self, other: &Self) -> bool {
        let Some(mut skip) = self.label_count().checked_sub(other.label_count()) else { return false };
        let mut labels = self.labels();
        while skip > 0 {
            labels.next();
            skip -= 1;
        }
        labels.rest.eq_ignore_ascii_case(&other.wire)
    }

    /// The name without its leftmost label; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        let mut labels = self.labels();
        labels.next()?;
        Some(Self { wire: labels.rest.into() })
    }

    /// The name with `label` (1 to 63 octets) put before it; `None` when it would not fit.
    pub fn child(&self, label: &[u8]) -> Option<Self> {
        if label.is_empty() || label.len() > MAX_LABEL || label.len() + 1 + self.wire.len() > MAX_NAME {
            return None;
        }
        let mut wire = Vec::with_capacity(label.len() + 1 + self.wire.len());
        wire.push(label.len() as u8);
        wire.extend_from_slice(label);
        wire.extend_from_slice(&self.wire);
        Some(Self { wire: wire.into() })
    }
}

/// Ends a label: moves it to the name with its length before it.
fn close(wire: &mut Vec<u8>, label: &mut Vec<u8>, told: impl Fn() -> String) -> Result<(), NameError> {
    match label.len() {
        0 => return Err(NameError::EmptyLabel(told())),
        length if length > MAX_LABEL => return Err(NameError::LongLabel(told(), length)),
        length => wire.push(length as u8),
    }
    wire.append(label);
    Ok(())
}

/// Length of the uncompressed name that begins `octets`, its 0 included; `None` when it runs past the end, is over 255
/// octets, or holds a compression pointer.
pub fn wire_length(octets: &[u8]) -> Option<usize> {
    let mut at = 0usize;
    loop {
        let length = usize::from(*octets.get(at)?);
        at += 1 + length;
        if length == 0 {
            return (at <= MAX_NAME).then_some(at);
        }
        if length > MAX_LABEL || at >= MAX_NAME {
            return None;
        }
    }
}

/// Labels of a name from left to right, without the root's.
#[derive(Clone, Debug)]
pub struct Labels<'a> {
    rest: &'a [u8],
}

impl<'a> Labels<'a> {
    /// Of a name in uncompressed wire form.
    pub fn of(wire: &'a [u8]) -> Self {
        Self { rest: wire }
    }
}

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (&length, rest) = self.rest.split_first()?;
        if length == 0 {
            return None;
        }
        let (label, rest) = rest.split_at_checked(usize::from(length))?;
        self.rest = rest;
        Some(label)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        // Length octets are at most 63 and so never letters: folding the whole wire form is folding its labels.
        self.wire.eq_ignore_ascii_case(&other.wire)
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for octet in &self.wire {
            state.write_u8(octet.to_ascii_lowercase());
        }
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b): (Vec<_>, Vec<_>) = (self.labels().collect(), other.labels().collect());
        let fold = |label: &[u8]| label.to_ascii_lowercase();
        a.iter().rev().map(|l| fold(l)).cmp(b.iter().rev().map(|l| fold(l)))
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<'a> NameRef<'a> {
    /// Of a name in uncompressed wire form, whole and nothing behind it.
    pub fn of_wire(wire: &'a [u8]) -> Self {
        debug_assert_eq!(wire_length(wire), Some(wire.len()));
        Self { wire }
    }

    /// The octets: labels as written, ending in 0.
    pub fn as_wire(self) -> &'a [u8] {
        self.wire
    }

    /// A name of its own.
    pub fn to_name(self) -> Name {
        Name { wire: self.wire.into() }
    }
}

impl<'a> From<&'a Name> for NameRef<'a> {
    fn from(name: &'a Name) -> Self {
        name.by_ref()
    }
}

impl PartialEq for NameRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.wire.eq_ignore_ascii_case(other.wire)
    }
}

impl Eq for NameRef<'_> {}

impl PartialEq<Name> for NameRef<'_> {
    fn eq(&self, other: &Name) -> bool {
        *self == other.by_ref()
    }
}

impl Hash for NameRef<'_> {
    /// As a [`Name`] hashes.
    fn hash<H: Hasher>(&self, state: &mut H) {
        for octet in self.wire {
            state.write_u8(octet.to_ascii_lowercase());
        }
    }
}

impl fmt::Display for NameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, self.wire)
    }
}

impl fmt::Debug for NameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, self.wire)
    }
}

impl fmt::Display for Name {
    /// Presentation form with the final dot; octets that need it as `\X` or `\DDD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, &self.wire)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, &self.wire)
    }
}

fn write_name(f: &mut fmt::Formatter<'_>, wire: &[u8]) -> fmt::Result {
    if wire == [0] {
        return f.write_str(".");
    }
    for label in Labels::of(wire) {
        for &octet in label {
            match octet {
                b'.' | b'\\' | b'"' | b';' | b'@' | b'$' | b'(' | b')' => write!(f, "\\{}", char::from(octet))?,
                0x21..=0x7e => write!(f, "{}", char::from(octet))?,
                _ => write!(f, "\\{octet:03}")?,
            }
        }
        f.write_str(".")?;
    }
    Ok(())
}

/// A name lower-cased in a fixed buffer, with the starts of its labels: what the hot path compares and hashes. Reused
/// from name to name; nothing of it is on the heap.
pub struct FoldedName {
    /// The wire form, then enough octets to read eight at a time from any of the first 256: what is behind the name is of no
    /// meaning.
    octets: [u8; ROOM],
    /// Where each label starts, from left to right, the root's last.
    starts: [u8; MAX_LABELS + 1],
    length: u8,
    labels: u8,
}

/// Octets of the buffer of a [`FoldedName`]: 256, eight more, and whole sixteens.
const ROOM: usize = 272;

impl Default for FoldedName {
    fn default() -> Self {
        Self::new()
    }
}

impl FoldedName {
    /// The root.
    #[inline]
    pub fn new() -> Self {
        Self { octets: [0; ROOM], starts: [0; MAX_LABELS + 1], length: 1, labels: 0 }
    }

    /// The folded form of a name.
    pub fn of(name: &Name) -> Self {
        let mut folded = Self::new();
        folded.read(name.as_wire());
        folded
    }

    /// Reads the uncompressed name that begins `octets`, and says how long it is. `None`, and this is the root, when it
    /// runs past the end, is over 255 octets, or holds a compression pointer.
    #[inline]
    pub fn read(&mut self, octets: &[u8]) -> Option<usize> {
        // A last label that ends at the 255th octet leaves no room for the root's.
        let octets = octets.get(..MAX_NAME).unwrap_or(octets);
        let (mut at, mut labels) = (0usize, 0usize);
        let length = loop {
            match octets.get(at) {
                // One comparison for both ends: 0 wraps.
                Some(&length) if usize::from(length.wrapping_sub(1)) < MAX_LABEL => {
                    // No more than 127 fit into 255 octets.
                    if let Some(start) = self.starts.get_mut(labels & MAX_LABELS) {
                        *start = at as u8;
                    }
                    labels += 1;
                    at += usize::from(length) + 1;
                }
                Some(0) => break at + 1,
                _ => {
                    self.become_root();
                    return None;
                }
            }
        };
        if let Some(start) = self.starts.get_mut(labels & MAX_LABELS) {
            *start = at as u8;
        }
        self.fold(octets.get(..length)?);
        (self.length, self.labels) = (length as u8, labels as u8);
        Some(length)
    }

    #[cold]
    fn become_root(&mut self) {
        (self.octets, self.starts, self.length, self.labels) = ([0; ROOM], [0; MAX_LABELS + 1], 1, 0);
    }

    /// Takes the octets of a whole name in lower case, sixteen at a time. Length octets are at most 63, below all letters.
    #[inline]
    fn fold(&mut self, name: &[u8]) {
        let (whole, rest) = name.as_chunks::<16>();
        let mut to = self.octets.as_chunks_mut::<16>().0.iter_mut();
        // In this order: the end of the name is noticed before one more sixteen is taken.
        for (from, to) in whole.iter().zip(to.by_ref()) {
            *to = lower(*from);
        }
        if let Some(to) = to.next() {
            let mut last = [0; 16];
            if let Some(room) = last.get_mut(..rest.len()) {
                room.copy_from_slice(rest);
            }
            *to = lower(last);
        }
    }

    /// Replaces the last `suffix` labels by the uncompressed name `target` (RFC 6672 §2.2). `false`, and the name is
    /// as before, when the result would be over 255 octets.
    pub fn substitute(&mut self, suffix: usize, target: &[u8]) -> bool {
        let keep = self.suffix_start(suffix);
        let Some(length) = wire_length(target).map(|l| l + keep).filter(|l| *l <= MAX_NAME) else { return false };
        let mut joined = [0u8; MAX_NAME + 1];
        let (Some(head), Some(tail)) = (self.octets.get(..keep), target.get(..length - keep)) else { return false };
        if let Some((a, b)) = joined.get_mut(..length).and_then(|j| j.split_at_mut_checked(keep)) {
            a.copy_from_slice(head);
            b.copy_from_slice(tail);
        }
        self.read(&joined).is_some()
    }

    /// The lower-cased wire form.
    #[inline]
    pub fn as_wire(&self) -> &[u8] {
        self.octets.get(..usize::from(self.length)).unwrap_or(&[0])
    }

    /// Number of labels, the root not counted.
    #[inline]
    pub fn labels(&self) -> usize {
        usize::from(self.labels)
    }

    /// Where the suffix of `labels` labels starts in the wire form; of more labels than there are, 0.
    #[inline]
    pub fn suffix_start(&self, labels: usize) -> usize {
        usize::from(self.start(labels))
    }

    #[inline]
    fn start(&self, labels: usize) -> u8 {
        let index = usize::from(self.labels).saturating_sub(labels) & MAX_LABELS;
        self.starts.get(index).copied().unwrap_or(0)
    }

    /// The wire form of the suffix of `labels` labels.
    #[inline]
    pub fn suffix(&self, labels: usize) -> &[u8] {
        self.octets.get(self.suffix_start(labels)..usize::from(self.length)).unwrap_or(&[0])
    }

    /// Hash of the suffix of `labels` labels, from that of the suffix of one label less. The hash of the root is
    /// [`FoldedName::ROOT_HASH`]; `labels` is 1 to [`FoldedName::labels`].
    #[inline]
    pub fn extend_hash(&self, hash: u64, labels: usize) -> u64 {
        let mut at = self.start(labels);
        let mut left = self.octets.get(usize::from(at)).map_or(0, |length| u32::from(*length)) + 1;
        let mut hash = hash;
        while left > 8 {
            hash = mix(hash, self.eight(at));
            (at, left) = (at.wrapping_add(8), left - 8);
        }
        // 1 to 8 octets of the last eight.
        mix(hash, self.eight(at) << (64 - 8 * left))
    }

    /// The eight octets from here.
    #[inline]
    fn eight(&self, at: u8) -> u64 {
        let at = usize::from(at);
        self.octets.get(at..at + 8).and_then(|octets| octets.try_into().ok()).map_or(0, u64::from_le_bytes)
    }

    /// Hash of the suffix of `labels` labels.
    #[inline]
    pub fn hash(&self, labels: usize) -> u64 {
        let mut hash = Self::ROOT_HASH;
        for count in 1..=labels {
            hash = self.extend_hash(hash, count);
        }
        hash
    }

    /// Hash of the root.
    pub const ROOT_HASH: u64 = 0x9e37_79b9_7f4a_7c15;

    /// The owned name, lower-cased.
    pub fn to_name(&self) -> Name {
        Name { wire: self.as_wire().into() }
    }
}

impl fmt::Debug for FoldedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, self.as_wire())
    }
}

/// In lower case.
#[inline]
fn lower(mut octets: [u8; 16]) -> [u8; 16] {
    // A plain loop becomes one operation on all sixteen; `map` and `make_ascii_lowercase` did not.
    for octet in &mut octets {
        *octet |= u8::from(octet.wrapping_sub(b'A') < 26) << 5;
    }
    octets
}

/// One round of a folded multiplication, as in wyhash: two halves of a 128-bit product, exclusive-ored.
#[inline]
fn mix(hash: u64, chunk: u64) -> u64 {
    let product = u128::from(hash ^ chunk) * u128::from(0xa076_1d64_78bd_642f_u64 | 1);
    (product as u64) ^ ((product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text, None).unwrap()
    }

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let origin = name("Example.com.");
        let parsed = Name::parse(text, Some(&origin)).map(|n| n.to_string()).map_err(|e| e.to_string());
        assert_eq!(parsed, expected.map(str::to_owned).map_err(str::to_owned));
    }

    #[test]
    fn presentation_form() {
        check("@", Ok("Example.com."));
        check("www", Ok("www.Example.com."));
        check("www.", Ok("www."));
        check(".", Ok("."));
        check("*", Ok("*.Example.com."));
        check(r"a\.b\032c\\", Ok(r"a\.b\032c\\.Example.com."));
        check(r"\0689", Ok("D9.Example.com."));
        check("bücher.", Ok(r"b\195\188cher."));
        check("_sip._tcp", Ok("_sip._tcp.Example.com."));
        check(r"\@.", Ok(r"\@."));
        check("", Err("a name is empty; write `@` for the zone's own name"));
        check("a..b", Err("`a..b` has an empty label; two dots stand side by side or one stands first"));
        check(".a", Err("`.a` has an empty label; two dots stand side by side or one stands first"));
        check(
            r"a\256",
            Err(r"`a\256` has a bad escape; write `\DDD` with three digits from 000 to 255, or `\` and a character"),
        );
        check("a b", Err(r"`a b` has a character that a name holds only as an escape (`\DDD`)"));
        let long = "a".repeat(64);
        assert!(matches!(Name::parse(&format!("{long}."), None), Err(NameError::LongLabel(_, 64))));
        assert!(matches!(Name::parse("a", None), Err(NameError::Relative(_))));
    }

    #[test]
    fn limits_of_length() {
        let longest = "a.".repeat(127);
        let parsed = name(&longest);
        assert_eq!((parsed.as_wire().len(), parsed.label_count()), (255, 127));
        assert!(matches!(Name::parse(&"a.".repeat(128), None), Err(NameError::Long(_, 257))));
        let mut folded = FoldedName::new();
        assert_eq!(folded.read(parsed.as_wire()), Some(255));
        assert_eq!(folded.labels(), 127);
        let mut over = b"\x01a".repeat(128);
        over.push(0);
        assert_eq!(folded.read(&over), None);
        assert_eq!((folded.labels(), folded.as_wire()), (0, &[0][..]));
        assert_eq!(wire_length(&over), None);
        assert_eq!(wire_length(b"\x01a\xc0\x00"), None);
        assert_eq!(wire_length(b"\x01"), None);
    }

    #[test]
    fn equality_and_order_fold_case() {
        assert_eq!(name("WWW.example."), name("www.EXAMPLE."));
        // RFC 4034 §6.1's list.
        let sorted = [
            "example.",
            "a.example.",
            "yljkjljk.a.example.",
            "Z.a.example.",
            "zABC.a.EXAMPLE.",
            "z.example.",
            r"\001.z.example.",
            "*.z.example.",
            r"\200.z.example.",
        ];
        for pair in sorted.windows(2) {
            assert!(name(pair[0]) < name(pair[1]), "{pair:?}");
        }
        assert!(name("a.b.example.").is_at_or_under(&name("B.Example.")));
        assert!(name("b.example.").is_at_or_under(&name("b.example.")));
        assert!(name("b.example.").is_at_or_under(&name(".")));
        assert!(!name("ab.example.").is_at_or_under(&name("b.example.")));
        assert_eq!(name("a.b.").parent(), Some(name("b.")));
        assert_eq!(name(".").parent(), None);
    }

    #[test]
    fn suffixes_of_a_folded_name() {
        let folded = FoldedName::of(&name("WwW.Example.Com."));
        assert_eq!(folded.as_wire(), b"\x03www\x07example\x03com\0");
        assert_eq!(folded.suffix(0), b"\0");
        assert_eq!(folded.suffix(1), b"\x03com\0");
        assert_eq!(folded.suffix(3), folded.as_wire());
        assert_eq!(folded.hash(2), FoldedName::of(&name("example.com.")).hash(2));
        assert_ne!(folded.hash(3), folded.hash(2));
        let mut dname = FoldedName::of(&name("a.b.old."));
        assert!(dname.substitute(1, name("New.Example.").as_wire()));
        assert_eq!(dname.as_wire(), name("a.b.new.example.").as_wire());
        let mut long = FoldedName::of(&name(&"a.".repeat(127)));
        assert!(!long.substitute(1, name("bb.").as_wire()));
        assert_eq!(long.labels(), 127);
    }

    proptest::proptest! {
        #[test]
        fn any_wire_name_survives_text(labels in proptest::collection::vec(proptest::collection::vec(0u8.., 1..20), 0..8)) {
            let mut wire = Vec::new();
            for label in &labels {
                wire.push(label.len() as u8);
                wire.extend_from_slice(label);
            }
            wire.push(0);
            let read = Name::from_wire(&wire).unwrap();
            let again = Name::parse(&read.to_string(), None).unwrap();
            proptest::prop_assert_eq!(again.as_wire(), read.as_wire());
        }

        #[test]
        fn any_text_parses_or_says_why(text in "\\PC*") {
            if let Ok(read) = Name::parse(&text, Some(&Name::root())) {
                proptest::prop_assert_eq!(wire_length(read.as_wire()), Some(read.as_wire().len()));
            }
        }
    }
}
