//! What an epoch knows of the members of a service.

use super::plan::{Members, Shape};
use crate::health::{Effect, Forced};

/// How a member stands for one address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It has no address of this family.
    Absent,
    /// Too few of its addresses are usable.
    Unusable,
    /// Usable; an address of it has begun to fail.
    Suspect,
    /// Usable.
    Usable,
}

impl Standing {
    /// Whether clients may be sent there.
    pub fn usable(self) -> bool {
        matches!(self, Self::Usable | Self::Suspect)
    }
}

/// What an epoch knows of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemberFacts {
    /// For A.
    pub v4: Standing,
    /// For AAAA.
    pub v6: Standing,
    /// The operator prefers anyone else.
    pub drained: bool,
    /// The operator's `down`: never relaxed.
    pub forced_down: bool,
    /// The operator's `up`: what is measured does not count.
    pub forced_up: bool,
    /// How much of its clients it keeps, in thousandths: below 1000 while it is drained or comes back gradually.
    pub share: u16,
}

impl MemberFacts {
    /// All of its clients.
    pub const WHOLE: u16 = 1000;

    /// A member of which only health is known.
    pub fn of(v4: Standing, v6: Standing) -> Self {
        Self { v4, v6, drained: false, forced_down: false, forced_up: false, share: Self::WHOLE }
    }

    /// Adds the operator's word to what was measured.
    pub fn apply(&mut self, effect: &Effect) {
        match effect.forced {
            Some(Forced::Up) => {
                self.forced_up = true;
                for standing in [&mut self.v4, &mut self.v6] {
                    if *standing != Standing::Absent {
                        *standing = Standing::Usable;
                    }
                }
            }
            Some(Forced::Down) => self.forced_down = true,
            None => {}
        }
        self.drained |= effect.drained;
        self.share = self.share.min(effect.share);
    }

    /// Whether the operator prefers anyone else, or it has no share of its clients yet.
    #[inline]
    pub fn avoided(&self) -> bool {
        self.drained || self.share == 0
    }

    /// Whether the operator keeps clients from it, all of them or some.
    pub fn is_ordered_away(&self) -> bool {
        self.drained || self.forced_down || self.share < Self::WHOLE
    }

    /// How it stands for one family.
    #[inline]
    pub fn standing(&self, family: Family) -> Standing {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }
}

/// An address family of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// A.
    V4,
    /// AAAA.
    V6,
}

/// What an epoch knows of all members of a service, by their index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Facts {
    /// One entry per member.
    pub members: Vec<MemberFacts>,
    /// Tiers in which health is ignored, as bits, for A and for AAAA.
    pub panic: [u16; 2],
}

impl Facts {
    /// The same members with health and drains ignored: what makes a PoP a site's *home*.
    #[must_use]
    pub fn healthy(&self) -> Self {
        let well = |s: Standing| if s == Standing::Absent { s } else { Standing::Usable };
        let members = self
            .members
            .iter()
            .map(|m| MemberFacts { forced_down: m.forced_down, ..MemberFacts::of(well(m.v4), well(m.v6)) })
            .collect();
        Self { members, panic: [0; 2] }
    }

    /// Whether health is ignored in a tier.
    #[inline]
    pub fn panics(&self, tier: usize, family: Family) -> bool {
        self.panic[family as usize] >> tier & 1 == 1
    }

    /// Whether health is ignored in any tier.
    #[inline]
    pub fn any_panic(&self) -> bool {
        self.panic != [0; 2]
    }
}

/// In which tiers health is ignored now (SEMANTICS §3.3): begins below one share of usable capacity and ends at another, so it
/// depends on whether it was.
pub fn panic(shape: &Shape, members: &[MemberFacts], before: [u16; 2]) -> [u16; 2] {
    let Some(limits) = shape.panic else { return [0; 2] };
    let mut now = [0; 2];
    for family in [Family::V4, Family::V6] {
        for (tier, set) in shape.tiers.iter().enumerate() {
            let (usable, all) = capacity(shape, set, members, family);
            let was = before[family as usize] >> tier & 1 == 1;
            let limit = if was { limits.resume } else { limits.below };
            if all > 0 && usable * 1000 < all * u64::from(limit) {
                now[family as usize] |= 1 << tier;
            }
        }
    }
    now
}

/// The capacity of a tier that is usable, and all of it that is eligible.
fn capacity(shape: &Shape, tier: &Members, members: &[MemberFacts], family: Family) -> (u64, u64) {
    let (mut usable, mut all) = (0, 0);
    for (index, (fact, member)) in members.iter().zip(&shape.members).enumerate() {
        let standing = fact.standing(family);
        if tier.contains(index as u16) && standing != Standing::Absent && !fact.forced_down {
            all += u64::from(member.capacity);
            usable += if standing.usable() { u64::from(member.capacity) } else { 0 };
        }
    }
    (usable, all)
}
