//! The owner names of a zone file, each once: where it is written, and whether it has addresses. Without a box for each.

use super::super::yaml::Position;
use crate::dns::name::wire_length;
use crate::dns::{FoldedName, Name, NameRef};
use crate::zone::Index;

/// Owner names in file order, and found by name.
#[derive(Debug, Default)]
pub(super) struct Owners {
    rows: Vec<Row>,
    /// Their wire forms.
    names: Vec<u8>,
    index: Index,
    folded: FoldedName,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    name: u32,
    at: Position,
    addressed: bool,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner<'o> {
    pub(super) name: NameRef<'o>,
    /// Where it is written.
    pub(super) at: Position,
    /// Whether addresses are written for it, or it is steered or an ALIAS, with errors or without.
    pub(super) addressed: bool,
}

impl Owners {
    /// Takes a name in and gives its number, or where it was written before.
    pub(super) fn insert(&mut self, name: &Name, at: Position) -> Result<usize, Position> {
        let hash = self.hash(name);
        if let Some(known) = self.number(name, hash).and_then(|number| self.rows.get(number)) {
            return Err(known.at);
        }
        let number = self.rows.len();
        // A text of 64 MiB has fewer names, and these fewer octets, than 32 bits count.
        self.rows.push(Row { name: self.names.len() as u32, at, addressed: false });
        self.names.extend_from_slice(name.as_wire());
        self.index.insert(hash, number as u32);
        Ok(number)
    }

    /// Says that addresses are written for the name of a number.
    pub(super) fn address(&mut self, number: usize) {
        if let Some(row) = self.rows.get_mut(number) {
            row.addressed = true;
        }
    }

    /// Whether addresses are written for a name.
    pub(super) fn is_addressed(&mut self, name: &Name) -> bool {
        let hash = self.hash(name);
        self.number(name, hash).and_then(|number| self.rows.get(number)).is_some_and(|row| row.addressed)
    }

    /// All of them, in the order written.
    pub(super) fn iter(&self) -> impl Iterator<Item = Owner<'_>> {
        self.rows.iter().map(|row| Owner { name: self.name(row), at: row.at, addressed: row.addressed })
    }

    fn hash(&mut self, name: &Name) -> u64 {
        self.folded.read(name.as_wire());
        self.folded.hash(self.folded.labels())
    }

    fn number(&self, name: &Name, hash: u64) -> Option<usize> {
        let same = |number: u32| self.rows.get(number as usize).is_some_and(|row| self.name(row) == *name);
        self.index.find(hash, same).map(|number| number as usize)
    }

    fn name(&self, row: &Row) -> NameRef<'_> {
        let names = self.names.get(row.name as usize..).unwrap_or_default();
        NameRef::of_wire(wire_length(names).and_then(|length| names.get(..length)).unwrap_or(&[0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_there_once_whatever_its_case() {
        let mut owners = Owners::default();
        let at = |line| Position { line, column: 3 };
        let name = |number: u32| Name::parse(&format!("Host{number}.example."), None).unwrap();
        for number in 0..1000 {
            assert_eq!(owners.insert(&name(number), at(number)), Ok(number as usize));
        }
        assert_eq!(owners.insert(&Name::parse("hOST7.Example.", None).unwrap(), at(2000)), Err(at(7)));
        assert_eq!(owners.insert(&Name::root(), at(3000)), Ok(1000));
        owners.address(7);
        assert!(owners.is_addressed(&name(7)) && !owners.is_addressed(&name(8)) && !owners.is_addressed(&name(1000)));
        assert_eq!(owners.iter().filter(|owner| owner.addressed).count(), 1);
        assert!(owners.iter().take(1000).enumerate().all(|(index, owner)| owner.at == at(index as u32)));
    }
}
