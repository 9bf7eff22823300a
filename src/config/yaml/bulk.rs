//! The entries of a large map, packed: what a tree takes ten times the text for takes it twice.
//!
//! An entry is packed when it is complete and unpacked when it is read, so that of a million owner names one is a tree at a
//! time. Nothing is lost on the way: [`Bulk::iter`] gives what was put in.

use std::borrow::Cow;

use super::{Node, Position, Text};

/// Entries of a map in the order written. No key occurs twice in a document that was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bulk<'a> {
    /// The text that scalars lie in.
    source: &'a str,
    /// Scalars that are not written as they read: with escapes, or over several lines.
    owned: String,
    /// By node: kind and length, its place, and what it holds. A scalar: where it begins; a list: its items; a map:
    /// keys and values by turns. An entry is a key and a value.
    words: Vec<u32>,
}

/// Kinds, in the lowest bits of a node's first word.
const SCALAR: u32 = 0;
const LIST: u32 = 1;
const MAP: u32 = 2;
const KIND: u32 = 3;
/// A scalar without quotes.
const PLAIN: u32 = 4;
/// A scalar in `owned`.
const OWNED: u32 = 8;
/// The octets of a scalar or the number of children stand above these.
const SHIFT: u32 = 4;
/// Most of either; a text of so many octets is refused before.
const MOST: usize = 1 << (32 - SHIFT);

impl<'a> Bulk<'a> {
    /// No entries; scalars that are borrowed lie in `source`.
    pub(super) fn new(source: &'a str) -> Self {
        Self { source, owned: String::new(), words: Vec::new() }
    }

    /// Nodes that the entries have.
    pub(super) fn size(&self) -> usize {
        self.words.len() / 3
    }

    /// Adds an entry.
    pub(super) fn push(&mut self, key: &Text<'_>, value: &Node<'_>) {
        self.pack_text(key);
        self.pack(value);
    }

    /// The entries, each unpacked when it is asked for.
    pub fn iter(&self) -> Entries<'_> {
        Entries { bulk: self, at: 0 }
    }

    /// Drops entries whose key was written before, and gives these keys, each with the place of the first.
    pub(super) fn take_duplicates(&mut self) -> Vec<(Text<'static>, Position)> {
        let hash = foldhash::fast::FixedState::default();
        let mut keys = Vec::new();
        let mut at = 0;
        while at < self.words.len() {
            let start = at;
            if let Some(key) = self.text(&mut at) {
                keys.push((std::hash::BuildHasher::hash_one(&hash, &*key.text), start as u32));
            }
            self.pass(&mut at);
        }
        keys.sort_unstable();
        // Where equal hashes stand side by side, texts are compared.
        let mut twice: Vec<(u32, u32)> = Vec::new();
        for same in keys.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
            let mut firsts: Vec<(Text<'_>, u32)> = Vec::new();
            for (_, start) in same {
                let Some(key) = self.text(&mut (*start as usize)) else { continue };
                match firsts.iter().find(|(first, _)| first.text == key.text) {
                    Some((_, first)) => twice.push((*start, *first)),
                    None => firsts.push((key, *start)),
                }
            }
        }
        drop(keys);
        twice.sort_unstable();
        let told = twice.iter().filter_map(|(start, first)| {
            let key = self.text(&mut (*start as usize))?;
            let first = self.text(&mut (*first as usize))?.at;
            Some((Text { text: Cow::Owned(key.text.into_owned()), at: key.at, plain: key.plain }, first))
        });
        let told = told.collect();
        // From the last: what stands before keeps its place.
        let mut kept = Vec::with_capacity(if twice.is_empty() { 0 } else { self.words.len() });
        let mut from = 0;
        for (start, _) in &twice {
            kept.extend_from_slice(self.words.get(from..*start as usize).unwrap_or_default());
            from = *start as usize;
            self.pass(&mut from);
            self.pass(&mut from);
        }
        if !twice.is_empty() {
            kept.extend_from_slice(self.words.get(from..).unwrap_or_default());
            self.words = kept;
        }
        told
    }

    fn pack(&mut self, node: &Node<'_>) {
        match node {
            Node::Scalar(text) => self.pack_text(text),
            Node::List(at, items) => {
                self.open(LIST, items.len(), *at);
                for item in items {
                    self.pack(item);
                }
            }
            Node::Map(at, entries) => {
                self.open(MAP, entries.len(), *at);
                for (key, value) in entries {
                    self.push(key, value);
                }
            }
            // Only the map of a top-level key is packed, and what it holds is no such map.
            Node::Bulk(at, _) => self.open(MAP, 0, *at),
        }
    }

    fn open(&mut self, kind: u32, length: usize, at: Position) {
        self.words.extend([kind | (length.min(MOST - 1) as u32) << SHIFT, at.line, at.column]);
    }

    fn pack_text(&mut self, text: &Text<'_>) {
        let offset = match &text.text {
            // Where it lies in the source, if it does.
            Cow::Borrowed(piece) => (piece.as_ptr() as usize).checked_sub(self.source.as_ptr() as usize),
            Cow::Owned(_) => None,
        };
        let length = text.text.len();
        let inside = |offset: &usize| {
            self.source.get(*offset..).and_then(|rest| rest.get(..length)).is_some_and(|there| *there == *text.text)
        };
        let kind = SCALAR | if text.plain { PLAIN } else { 0 };
        if let Some(offset) = offset.filter(inside) {
            self.open(kind, length, text.at);
            self.words.push(offset as u32);
        } else {
            self.open(kind | OWNED, length, text.at);
            self.words.push(self.owned.len() as u32);
            self.owned.push_str(&text.text);
        }
    }

    /// Passes over a node.
    fn pass(&self, at: &mut usize) {
        let mut left = 1u64;
        while left > 0 {
            let Some(word) = self.words.get(*at) else { return };
            left -= 1;
            match word & KIND {
                SCALAR => *at += 4,
                kind => {
                    *at += 3;
                    left += u64::from(word >> SHIFT) * if kind == MAP { 2 } else { 1 };
                }
            }
        }
    }

    fn text(&self, at: &mut usize) -> Option<Text<'_>> {
        let [word, line, column, offset] = *self.words.get(*at..)?.first_chunk()?;
        *at += 4;
        let texts = if word & OWNED == 0 { self.source } else { self.owned.as_str() };
        let text = texts.get(offset as usize..)?.get(..(word >> SHIFT) as usize)?;
        Some(Text { text: Cow::Borrowed(text), at: Position { line, column }, plain: word & PLAIN != 0 })
    }

    fn node(&self, at: &mut usize) -> Option<Node<'_>> {
        let [word, line, column] = *self.words.get(*at..)?.first_chunk()?;
        let (place, count) = (Position { line, column }, (word >> SHIFT) as usize);
        match word & KIND {
            SCALAR => self.text(at).map(Node::Scalar),
            LIST => {
                *at += 3;
                let mut items = Vec::with_capacity(count.min(self.words.len()));
                for _ in 0..count {
                    items.push(self.node(at)?);
                }
                Some(Node::List(place, items))
            }
            _ => {
                *at += 3;
                let mut entries = Vec::with_capacity(count.min(self.words.len()));
                for _ in 0..count {
                    entries.push((self.text(at)?, self.node(at)?));
                }
                Some(Node::Map(place, entries))
            }
        }
    }
}

impl<'s> IntoIterator for &'s Bulk<'_> {
    type Item = (Text<'s>, Node<'s>);
    type IntoIter = Entries<'s>;

    fn into_iter(self) -> Entries<'s> {
        self.iter()
    }
}

/// What [`Bulk::iter`] gives.
#[derive(Clone, Debug)]
pub struct Entries<'s> {
    bulk: &'s Bulk<'s>,
    at: usize,
}

impl<'s> Iterator for Entries<'s> {
    type Item = (Text<'s>, Node<'s>);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.bulk.text(&mut self.at)?, self.bulk.node(&mut self.at)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    /// The same entries as a tree, and as packed: `records` is packed, any other key is not.
    #[track_caller]
    fn check(entries: &str) {
        let indented = format!("  {}\n", entries.replace('\n', "\n  "));
        let (packed, tree) = (format!("records:\n{indented}"), format!("another:\n{indented}"));
        let (packed, tree) = (read(&packed), read(&tree));
        let all = |node: &Option<Node<'_>>| -> Vec<String> {
            let Some(Node::Map(_, root)) = node else { panic!("a map: {node:?}") };
            match &root[0].1 {
                Node::Bulk(_, bulk) => bulk.iter().map(|entry| format!("{entry:?}")).collect(),
                Node::Map(_, entries) => entries.iter().map(|entry| format!("{entry:?}")).collect(),
                other => panic!("a map of entries: {other:?}"),
            }
        };
        assert_eq!(all(&packed.root), all(&tree.root));
        assert_eq!(packed.problems, tree.problems);
        let Some(Node::Map(_, root)) = &packed.root else { panic!("a map") };
        assert!(matches!(root[0].1, Node::Bulk(..)));
    }

    #[test]
    fn what_is_packed_reads_as_a_tree_does() {
        check("www: {A: 192.0.2.1}");
        check("\"@\": {steer: web, MX: [10 mail, \"20 m\\x41il\"], TXT: {ttl: 5m, values: ['it''s', \"a\\\n    b\"]}}");
        check("a:\n  A:\n    - 192.0.2.1\n    - 192.0.2.2\n  AAAA: 2001:db8::1\nb: ~\nc:\nd: []\ne: {}");
        check("größe: {TXT: \"ÄÖÜ \\u00e4\"}\nx: &y {A: 192.0.2.1}\nz: *y");
        check("a: {A: 192.0.2.1}\nb: {A: 192.0.2.2}\na: {A: 192.0.2.3}\n\"b\": {A: 192.0.2.4}\na: 1\nc: {d: 1, d: 2}");
        check("t: >\n  folded\n  text\nu: |\n  kept\n  text\n? v\n: w\n[a]: b");
    }
}
