//! How members and addresses stand, by what is known of their targets (SEMANTICS §4.1).

use std::net::IpAddr;

use crate::health::{Known, State, TargetId};
use crate::steering::{Member, MemberFacts, Standing};

/// What health says of a member, both families. One with a `cname` stands for both as its targets do.
pub(super) fn member_facts(member: &Member, known: &Known) -> MemberFacts {
    if member.cname.is_some() {
        let standing = address(&member.cname_targets, known);
        return MemberFacts::of(standing, standing);
    }
    MemberFacts::of(family(member, known, IpAddr::is_ipv4), family(member, known, IpAddr::is_ipv6))
}

/// How an address stands by its targets: unusable when one of them is, suspect when one of them is.
pub(super) fn address(targets: &[TargetId], known: &Known) -> Standing {
    let mut standing = Standing::Usable;
    for target in targets {
        match known.state(*target) {
            State::Down | State::Recovering => return Standing::Unusable,
            State::Suspect => standing = Standing::Suspect,
            State::Unknown | State::Up => {}
        }
    }
    standing
}

fn family(member: &Member, known: &Known, family: impl Fn(&IpAddr) -> bool) -> Standing {
    let (mut present, mut usable, mut suspect) = (false, 0u16, false);
    for of_family in member.addresses.iter().filter(|a| family(&a.ip)) {
        present = true;
        match address(&of_family.targets, known) {
            Standing::Usable => usable += 1,
            Standing::Suspect => {
                usable += 1;
                suspect = true;
            }
            Standing::Absent | Standing::Unusable => {}
        }
    }
    match (present, usable >= member.min_addresses.max(1), suspect) {
        (false, _, _) => Standing::Absent,
        (true, false, _) => Standing::Unusable,
        (true, true, true) => Standing::Suspect,
        (true, true, false) => Standing::Usable,
    }
}
