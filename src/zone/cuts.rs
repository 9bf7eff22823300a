//! Glue, tied to its zone cuts when the zone is built (RFC 9471).

use super::tree::{ALIAS, APEX, CUT, NONE, Node, Zone};
use crate::dns::{FoldedName, Type};

/// The glue of one cut: a stretch of `Zone::glue`.
#[derive(Clone, Copy, Debug)]
pub(super) struct CutGlue {
    pub(super) node: u32,
    pub(super) start: u32,
    pub(super) count: u32,
}

/// A name server with addresses below a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GlueNode {
    pub(super) node: u32,
    pub(super) required: bool,
}

/// A name server that the zone should know the address of, and does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    /// The cut, or the apex.
    pub(super) owner: u32,
    /// The name server.
    pub(super) target: FoldedTarget,
}

/// A name server's wire form as written.
pub(super) type FoldedTarget = Box<[u8]>;

impl Zone {
    /// The glue of a cut's node.
    pub(super) fn glue_of(&self, node: u32) -> &[GlueNode] {
        let Ok(index) = self.cuts.binary_search_by_key(&node, |cut| cut.node) else { return &[] };
        let cut = self.cuts[index];
        &self.glue[cut.start as usize..][..cut.count as usize]
    }

    /// Finds the glue of every cut, and the name servers whose glue is missing.
    pub(super) fn tie_glue(&mut self) -> Vec<Missing> {
        let (mut cuts, mut glue, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        let mut folded = FoldedName::new();
        for (id, node) in self.nodes.iter().enumerate() {
            let id = id as u32;
            let is_cut = node.flags & CUT != 0;
            if !is_cut && id != APEX {
                continue;
            }
            let Some(ns) = self.set(node, Type::NS) else { continue };
            let (mut required, mut sibling) = (Vec::new(), Vec::new());
            for target in ns.rdata() {
                if folded.read(target).is_none() || folded.suffix(self.apex_labels()) != self.name_of(self.node(APEX)) {
                    continue;
                }
                let found = self.find(&folded, folded.labels(), folded.hash(folded.labels()));
                let stop = self.stop_above(&folded, found);
                let addresses = found.filter(|f| self.has_address(self.node(*f)));
                match addresses {
                    Some(target) if is_cut && stop == id => required.push(GlueNode { node: target, required: true }),
                    Some(target) if is_cut && self.is_cut(stop) => {
                        sibling.push(GlueNode { node: target, required: false });
                    }
                    Some(_) => {}
                    // An address can be steered or another name's; a name below another cut is that zone's affair.
                    None if found.is_some_and(|f| is_tailored(self.node(f))) || (stop != NONE && stop != id) => {}
                    None => missing.push(Missing { owner: id, target: target.into() }),
                }
            }
            required.append(&mut sibling);
            required.dedup();
            if !required.is_empty() {
                cuts.push(CutGlue { node: id, start: glue.len() as u32, count: required.len() as u32 });
                glue.append(&mut required);
            }
        }
        (self.cuts, self.glue) = (cuts.into(), glue.into());
        missing
    }

    fn is_cut(&self, id: u32) -> bool {
        id != NONE && self.node(id).flags & CUT != 0
    }

    fn has_address(&self, node: &Node) -> bool {
        self.set(node, Type::A).or_else(|| self.set(node, Type::AAAA)).is_some()
    }

    /// The topmost cut at or above a name, whether it exists or not.
    fn stop_above(&self, name: &FoldedName, found: Option<u32>) -> u32 {
        if let Some(id) = found {
            return self.node(id).stop;
        }
        let longest = (self.apex_labels()..name.labels()).rev();
        let encloser = longest.map(|labels| self.find(name, labels, name.hash(labels))).find_map(|found| found);
        encloser.map_or(NONE, |id| self.node(id).stop)
    }
}

fn is_tailored(node: &Node) -> bool {
    node.steer().is_some() || node.flags & ALIAS != 0
}
