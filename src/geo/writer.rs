//! Writes MaxMind-format databases: what `geodb build` makes, and what tests read back.
//!
//! One IPv6 tree with IPv4 under `::/96`, or an IPv4 tree. The same insertions give the same bytes.

use std::collections::HashMap;

use super::value::Value;

const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// The tree is as deep as addresses are long and no deeper, so this many bits address a node or record.
const WIDTH: u8 = 128;

/// Description of a database in its metadata.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// `database_type`.
    pub kind: String,
    /// English description.
    pub description: String,
    /// Seconds since 1970-01-01 UTC.
    pub build_epoch: u64,
}

/// A record that was put into the data section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordId(u32);

/// Where half a node leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Nothing,
    Node(u32),
    Record(RecordId),
}

/// A database while it is put together.
#[derive(Debug)]
pub struct Writer {
    nodes: Vec<[Slot; 2]>,
    data: Data,
}

impl Default for Writer {
    fn default() -> Self {
        Self { nodes: vec![[Slot::Nothing; 2]], data: Data::default() }
    }
}

impl Writer {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a record into the data section. The same record twice takes room twice: intern it outside.
    pub fn record(&mut self, value: &Value<'_>) -> RecordId {
        RecordId(self.data.add(value))
    }

    /// Lets an IPv6 block of `length` bits (1 to 128) at `base` lead to a record. Whatever was said inside the block
    /// before is replaced.
    pub fn insert_v6(&mut self, base: u128, length: u8, record: RecordId) {
        let mut node = 0;
        for depth in 0..length.min(WIDTH) {
            let side = (base >> (WIDTH - 1 - depth)) as usize & 1;
            if depth + 1 == length.min(WIDTH) {
                self.nodes[node][side] = Slot::Record(record);
                return;
            }
            node = match self.nodes[node][side] {
                Slot::Node(next) => next as usize,
                // What held for all of it goes on to hold for both halves.
                leaf => {
                    let next = self.nodes.len();
                    self.nodes.push([leaf; 2]);
                    self.nodes[node][side] = Slot::Node(next as u32);
                    next
                }
            };
        }
    }

    /// Lets an IPv4 block of `length` bits (0 to 32) at `base` lead to a record: a block of length 96 more in `::/96`.
    pub fn insert_v4(&mut self, base: u32, length: u8, record: RecordId) {
        self.insert_v6(u128::from(base), length + 96, record);
    }

    /// Lets the IPv6 block of `length` bits (1 to 128) at `base` lead to the IPv4 part under another name, as MaxMind's
    /// own files do for `::ffff:0:0/96` and `2002::/16`. Call it last; does nothing without any IPv4.
    pub fn alias(&mut self, base: u128, length: u8) {
        let mut slot = Slot::Node(0);
        for _ in 0..96 {
            let Slot::Node(node) = slot else { return };
            slot = self.nodes[node as usize][0];
        }
        let placeholder = RecordId(u32::MAX);
        self.insert_v6(base, length, placeholder);
        for node in &mut self.nodes {
            for side in node.iter_mut().filter(|side| **side == Slot::Record(placeholder)) {
                *side = slot;
            }
        }
    }

    /// The file: an IPv6 tree, whatever was inserted.
    pub fn finish(self, metadata: &Metadata) -> Vec<u8> {
        let nodes = self.nodes;
        file(&nodes, &self.data.bytes, 6, metadata)
    }

    /// The file as an IPv4 tree: only what was inserted for IPv4.
    pub fn finish_v4(self, metadata: &Metadata) -> Vec<u8> {
        let mut root = Slot::Node(0);
        for _ in 0..96 {
            root = match root {
                Slot::Node(node) => self.nodes[node as usize][0],
                leaf => leaf,
            };
        }
        // The nodes below the IPv4 root, renumbered in the order they are reached.
        let mut order = Vec::new();
        let mut numbers = HashMap::new();
        let mut queue = match root {
            Slot::Node(node) => vec![node],
            _ => Vec::new(),
        };
        while let Some(node) = queue.pop() {
            numbers.insert(node, order.len() as u32);
            order.push(node);
            queue.extend(self.nodes[node as usize].iter().rev().filter_map(|slot| match slot {
                Slot::Node(next) => Some(*next),
                _ => None,
            }));
        }
        let renumber = |slot: Slot| match slot {
            Slot::Node(node) => Slot::Node(numbers.get(&node).copied().unwrap_or(0)),
            leaf => leaf,
        };
        let mut nodes: Vec<[Slot; 2]> = order.iter().map(|node| self.nodes[*node as usize].map(renumber)).collect();
        if nodes.is_empty() {
            nodes.push([root; 2]);
        }
        file(&nodes, &self.data.bytes, 4, metadata)
    }
}

fn file(nodes: &[[Slot; 2]], data: &[u8], ip_version: u16, metadata: &Metadata) -> Vec<u8> {
    let count = nodes.len() as u32;
    let highest = u64::from(count) + 16 + data.len() as u64;
    let record_size: u16 = if highest < 1 << 24 {
        24
    } else if highest < 1 << 28 {
        28
    } else {
        32
    };
    let number = |slot: Slot| match slot {
        Slot::Nothing => count,
        Slot::Node(node) => node,
        Slot::Record(RecordId(offset)) => count + 16 + offset,
    };
    let mut out = Vec::with_capacity(nodes.len() * usize::from(record_size) / 4 + data.len() + 512);
    for node in nodes {
        let (left, right) = (number(node[0]), number(node[1]));
        let ([l0, l1, l2, l3], [r0, r1, r2, r3]) = (left.to_be_bytes(), right.to_be_bytes());
        match record_size {
            24 => out.extend_from_slice(&[l1, l2, l3, r1, r2, r3]),
            28 => out.extend_from_slice(&[l1, l2, l3, l0 << 4 | r0, r1, r2, r3]),
            _ => out.extend_from_slice(&[l0, l1, l2, l3, r0, r1, r2, r3]),
        }
    }
    out.extend_from_slice(&[0; 16]);
    out.extend_from_slice(data);
    out.extend_from_slice(MARKER);

    // Readers insist on the widths of these integers.
    control(&mut out, MAP, 9);
    let mut entry = |key: &str, write: &dyn Fn(&mut Vec<u8>)| {
        text(&mut out, key);
        write(&mut out);
    };
    entry("binary_format_major_version", &|out| unsigned(out, UINT16, 2));
    entry("binary_format_minor_version", &|out| unsigned(out, UINT16, 0));
    entry("build_epoch", &|out| unsigned(out, UINT64, metadata.build_epoch));
    entry("database_type", &|out| text(out, &metadata.kind));
    entry("description", &|out| {
        control(out, MAP, 1);
        text(out, "en");
        text(out, &metadata.description);
    });
    entry("ip_version", &|out| unsigned(out, UINT16, u64::from(ip_version)));
    entry("languages", &|out| {
        control(out, ARRAY, 1);
        text(out, "en");
    });
    entry("node_count", &|out| unsigned(out, UINT32, u64::from(count)));
    entry("record_size", &|out| unsigned(out, UINT16, u64::from(record_size)));
    out
}

// Type numbers of the format's data section.
const POINTER: u8 = 1;
const TEXT: u8 = 2;
const DOUBLE: u8 = 3;
const BYTES: u8 = 4;
const UINT16: u8 = 5;
const UINT32: u8 = 6;
const MAP: u8 = 7;
const INT32: u8 = 8;
const UINT64: u8 = 9;
const UINT128: u8 = 10;
const ARRAY: u8 = 11;
const FLAG: u8 = 14;
const FLOAT: u8 = 15;

/// The data section. Texts, doubles and maps of one entry are written once and pointed to afterwards: keys, country
/// codes, and coordinates of which a rounded set has few.
#[derive(Debug, Default)]
struct Data {
    bytes: Vec<u8>,
    shared: HashMap<Vec<u8>, u32>,
}

impl Data {
    /// Writes a record; returns its offset.
    fn add(&mut self, value: &Value<'_>) -> u32 {
        let encoded = self.encode(value);
        let offset = self.bytes.len() as u32;
        self.bytes.extend_from_slice(&encoded);
        offset
    }

    /// The bytes of a value, with pointers for what is shared.
    fn encode(&mut self, value: &Value<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        match value {
            Value::Text(string) => text(&mut out, string),
            Value::Single(number) => {
                control(&mut out, FLOAT, 4);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Value::Double(number) => {
                control(&mut out, DOUBLE, 8);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Value::Whole(number) => whole(&mut out, *number),
            Value::Flag(flag) => control(&mut out, FLAG, usize::from(*flag)),
            Value::Bytes(bytes) => {
                control(&mut out, BYTES, bytes.len());
                out.extend_from_slice(bytes);
            }
            Value::Map(entries) => {
                control(&mut out, MAP, entries.len());
                for (key, value) in entries {
                    let key = self.share(&Value::Text(key));
                    out.extend_from_slice(&key);
                    let value = self.share(value);
                    out.extend_from_slice(&value);
                }
            }
            Value::List(items) => {
                control(&mut out, ARRAY, items.len());
                for value in items {
                    let value = self.share(value);
                    out.extend_from_slice(&value);
                }
            }
            Value::Deep => control(&mut out, MAP, 0),
        }
        out
    }

    /// The bytes of a value inside another: a pointer where sharing pays.
    fn share(&mut self, value: &Value<'_>) -> Vec<u8> {
        let encoded = self.encode(value);
        let sharable = match value {
            Value::Text(_) | Value::Double(_) => true,
            Value::Map(entries) => entries.len() == 1,
            _ => false,
        };
        if !sharable || encoded.len() <= 4 {
            return encoded;
        }
        let next = self.bytes.len() as u32;
        let offset = *self.shared.entry(encoded.clone()).or_insert(next);
        if offset == next {
            self.bytes.extend_from_slice(&encoded);
        }
        pointer(offset)
    }
}

fn control(out: &mut Vec<u8>, kind: u8, size: usize) {
    let first = if kind <= 7 { kind << 5 } else { 0 };
    let (short, rest): (u8, &[u8]) = match size {
        0..29 => (size as u8, &[]),
        29..285 => (29, &[(size - 29) as u8]),
        285..65_821 => (30, &((size - 285) as u16).to_be_bytes()),
        _ => (31, &((size - 65_821) as u32).to_be_bytes()[1..]),
    };
    out.push(first | short);
    if kind > 7 {
        out.push(kind - 7);
    }
    out.extend_from_slice(rest);
}

fn text(out: &mut Vec<u8>, text: &str) {
    control(out, TEXT, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn unsigned(out: &mut Vec<u8>, kind: u8, number: u64) {
    let bytes = number.to_be_bytes();
    let zeros = number.leading_zeros() as usize / 8;
    control(out, kind, 8 - zeros);
    out.extend_from_slice(&bytes[zeros..]);
}

fn whole(out: &mut Vec<u8>, number: i128) {
    if let Ok(number) = u32::try_from(number) {
        unsigned(out, UINT32, u64::from(number));
    } else if let Ok(number) = u64::try_from(number) {
        unsigned(out, UINT64, number);
    } else if let Ok(number) = i32::try_from(number) {
        control(out, INT32, 4);
        out.extend_from_slice(&number.to_be_bytes());
    } else {
        let bytes = number.to_be_bytes();
        control(out, UINT128, 16);
        out.extend_from_slice(&bytes);
    }
}

fn pointer(offset: u32) -> Vec<u8> {
    let first = POINTER << 5;
    match offset {
        0..2048 => vec![first | (offset >> 8) as u8, offset as u8],
        2048..526_336 => {
            let [_, high, middle, low] = (offset - 2048).to_be_bytes();
            vec![first | 1 << 3 | high, middle, low]
        }
        526_336..134_744_064 => {
            let [top, high, middle, low] = (offset - 526_336).to_be_bytes();
            vec![first | 2 << 3 | top, high, middle, low]
        }
        _ => {
            let [top, high, middle, low] = offset.to_be_bytes();
            vec![first | 3 << 3, top, high, middle, low]
        }
    }
}
