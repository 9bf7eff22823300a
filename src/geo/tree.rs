//! The search tree of a MaxMind-format file, walked in address order straight from its bytes.
//!
//! The crate's own iteration resolves and wraps every network it yields; a walk over fifteen million of them is several
//! times faster here. Every access is checked against the bytes, and the walk has a bound, so a damaged tree is an error.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::net::Bits;

/// Addresses of one family as integers, and back.
pub trait Family: Bits {
    /// The address of these bits.
    fn address(self) -> IpAddr;
}

impl Family for u32 {
    fn address(self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(self))
    }
}

impl Family for u128 {
    fn address(self) -> IpAddr {
        IpAddr::V6(Ipv6Addr::from(self))
    }
}

/// What is wrong with a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A path that is longer than an address, or one part of the tree reached over and over.
    #[error("its search tree runs in circles")]
    Circular,
    /// A record that points past the data.
    #[error("its search tree points outside its data")]
    Outside,
}

/// A leaf: from `start` on (to the start of the next one) the tree says `pointer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf<K> {
    /// First address.
    pub start: K,
    /// Prefix length of the network.
    pub length: u8,
    /// Identifies the data record; 0 when there is none.
    pub pointer: u32,
}

/// A search tree, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Tree<'a> {
    /// The nodes, exactly `node_count` of them.
    nodes: &'a [u8],
    node_count: u32,
    /// Bits of one record: 24, 28 or 32.
    record_size: u16,
    /// First pointer past the data section.
    pointer_end: u64,
    /// Bits of an address in this tree: 32 or 128.
    width: u8,
    /// Where IPv4 starts: node 0 of an IPv4 file, the record at `::/96` of an IPv6 one; `None` when the tree ends before.
    ipv4: Option<u32>,
}

impl<'a> Tree<'a> {
    /// A tree that says nothing.
    pub const NOTHING: Self =
        Self { nodes: &[], node_count: 0, record_size: 32, pointer_end: 0, width: 32, ipv4: None };

    /// Reads the layout of a file with `node_count` nodes of two `record_size`-bit records; `data_end` is where its data
    /// section ends. `None` when these do not fit the bytes.
    pub fn new(bytes: &'a [u8], node_count: u32, record_size: u16, ip_version: u16, data_end: usize) -> Option<Self> {
        if !matches!(record_size, 24 | 28 | 32) {
            return None;
        }
        let size = usize::try_from(u64::from(node_count) * u64::from(record_size) / 4).ok()?;
        let data_length = data_end.checked_sub(size.checked_add(16)?)?;
        let width = if ip_version == 4 { 32 } else { 128 };
        let pointer_end = u64::from(node_count) + 16 + data_length as u64;
        let mut tree = Self { nodes: bytes.get(..size)?, node_count, record_size, pointer_end, width, ipv4: Some(0) };
        if width == 128 {
            let mut node = Some(0);
            for _ in 0..96 {
                node = node.filter(|node| *node < node_count).map(|node| tree.child(node, 0));
            }
            tree.ipv4 = node;
        }
        Some(tree)
    }

    /// All leaves of the IPv4 part in address order, covering the whole space. One empty leaf when the file has none.
    pub fn ipv4(self) -> Walk<'a, u32> {
        Walk::new(self, self.ipv4.unwrap_or(self.node_count))
    }

    /// All leaves of the IPv6 part in address order, covering the whole space. IPv4 in `::/96` and the other places where
    /// the same subtree hangs (`::ffff:0:0/96`, `2002::/16` …) are empty here. One empty leaf for an IPv4 file.
    pub fn ipv6(self) -> Walk<'a, u128> {
        Walk::new(self, if self.width == 128 { 0 } else { self.node_count })
    }

    /// The leaf of [`Tree::ipv4`] that holds an address.
    pub fn find_ipv4(&self, address: u32) -> Result<Leaf<u32>, TreeError> {
        self.find(self.ipv4.unwrap_or(self.node_count), address)
    }

    /// The leaf of [`Tree::ipv6`] that holds an address.
    pub fn find_ipv6(&self, address: u128) -> Result<Leaf<u128>, TreeError> {
        self.find(if self.width == 128 { 0 } else { self.node_count }, address)
    }

    fn find<K: Bits>(&self, root: u32, address: K) -> Result<Leaf<K>, TreeError> {
        let mut node = root;
        for length in 0..=K::WIDTH {
            let start = address.first(length);
            if let Some(leaf) = self.leaf(node, start, length)? {
                return Ok(leaf);
            }
            if length < K::WIDTH {
                // The address lies in the left half if the half that begins like it begins where the whole does.
                node = self.child(node, u32::from(address.first(length + 1) != start));
            }
        }
        Err(TreeError::Circular)
    }

    /// The leaf a record is, or `None` when it is a node to enter.
    #[inline]
    fn leaf<K: Bits>(&self, node: u32, start: K, length: u8) -> Result<Option<Leaf<K>>, TreeError> {
        if node == self.node_count || (K::WIDTH == 128 && self.is_ipv4(node, start == K::ZERO, length)) {
            return Ok(Some(Leaf { start, length, pointer: 0 }));
        }
        if node < self.node_count {
            return Ok(None);
        }
        let inside = (u64::from(self.node_count) + 16..self.pointer_end).contains(&u64::from(node));
        if inside { Ok(Some(Leaf { start, length, pointer: node })) } else { Err(TreeError::Outside) }
    }

    /// Whether anything is said of IPv4.
    pub fn has_ipv4(&self) -> bool {
        self.ipv4.is_some_and(|node| node != self.node_count)
    }

    /// Whether a record of the tree is the IPv4 part, seen from the IPv6 side at this depth.
    fn is_ipv4(&self, node: u32, start_is_zero: bool, depth: u8) -> bool {
        match self.ipv4 {
            // The true place, whatever hangs there.
            Some(_) if start_is_zero && depth == 96 => true,
            // Another name for it; a leaf is no alias, many networks may share a record.
            Some(ipv4) => node == ipv4 && node < self.node_count && node != 0,
            None => false,
        }
    }

    /// The left (0) or right (1) record of a node; the "nothing here" record when the node does not exist.
    #[inline]
    fn child(&self, node: u32, side: u32) -> u32 {
        let read = |offset: usize| -> Option<u32> {
            let bytes: [u8; 4] = self.nodes.get(offset..offset.checked_add(4)?)?.try_into().ok()?;
            Some(u32::from_be_bytes(bytes))
        };
        let (node, side_index) = (node as usize, side as usize);
        let record = match self.record_size {
            // Both four-byte windows stay inside the six-byte node.
            24 => read(node * 6 + side_index * 2).map(|word| (word >> ((1 - side) * 8)) & 0x00ff_ffff),
            // The fourth byte of seven holds the high nibbles of both records.
            28 if side == 0 => read(node * 7).map(|word| (word >> 8) | ((word << 20) & 0x0f00_0000)),
            28 => read(node * 7 + 3).map(|word| word & 0x0fff_ffff),
            _ => read(node * 8 + side_index * 4),
        };
        record.unwrap_or(self.node_count)
    }
}

/// The leaves of one family, in address order. After an error it is over.
#[derive(Debug)]
pub struct Walk<'a, K> {
    tree: Tree<'a>,
    stack: Vec<(u32, K, u8)>,
    /// Nodes that may still be entered: a tree enters each once, a shared subtree more often, a circle without end.
    budget: u64,
}

impl<'a, K: Bits> Walk<'a, K> {
    fn new(tree: Tree<'a>, root: u32) -> Self {
        let budget = u64::from(tree.node_count) * 4 + 4096;
        let mut stack = Vec::with_capacity(usize::from(K::WIDTH) + 1);
        stack.push((root, K::ZERO, 0));
        Self { tree, stack, budget }
    }

    fn fail(&mut self, error: TreeError) -> TreeError {
        self.stack.clear();
        error
    }
}

impl<K: Bits> Iterator for Walk<'_, K> {
    type Item = Result<Leaf<K>, TreeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (mut node, start, mut length) = self.stack.pop()?;
        loop {
            match self.tree.leaf(node, start, length) {
                Ok(Some(leaf)) => return Some(Ok(leaf)),
                Err(error) => return Some(Err(self.fail(error))),
                Ok(None) => {}
            }
            if length >= K::WIDTH || self.budget == 0 {
                return Some(Err(self.fail(TreeError::Circular)));
            }
            self.budget -= 1;
            length += 1;
            // The first address of the right half: one past the last of the left half.
            if let Some(middle) = start.last(length).next() {
                self.stack.push((self.tree.child(node, 1), middle, length));
            }
            node = self.tree.child(node, 0);
        }
    }
}
