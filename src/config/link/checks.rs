//! Checks by name: those made of others resolved down to what is probed (SEMANTICS §4.9).

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use super::super::diagnostic::Location;
use super::super::model::{CheckBody, CheckModel, CheckName};
use super::super::reader::{Sink, Spot};
use super::undefined;
use crate::health::{Check, CheckKind, Formula, Target};

/// What the names of checks can mean.
pub(super) type Checks<'c> = HashMap<&'c str, &'c CheckModel>;

/// Reports names in calculated checks that nothing has, and checks that are made of themselves. `own` are looked at;
/// `broken` were told already.
pub(super) fn verify(own: &[CheckModel], all: &Checks<'_>, broken: &[&HashSet<String>], sink: &mut Sink) {
    let mut told: HashSet<&str> = HashSet::new();
    for check in own {
        for part in parts(check) {
            if !all.contains_key(part.name.as_str()) && !broken.iter().any(|names| names.contains(&part.name)) {
                let spot = Spot { text: part.name.clone(), location: part.location.clone() };
                undefined("check", &spot, all.keys().copied(), "", sink);
            }
        }
        if !told.contains(check.name.as_str())
            && let Some(circle) = circle(check, all)
        {
            let names: Vec<String> = circle.iter().map(|link| format!("`{}`", link.name)).collect();
            let message = format!("check `{}` is made of itself: {} → `{}`", check.name, names.join(" → "), check.name);
            sink.error_at(&check.location, message, "a calculated check is made of probed ones in the end");
            told.extend(circle.iter().map(|link| link.name.as_str()));
        }
    }
}

/// The names in a calculated check; none in others.
pub(super) fn parts(check: &CheckModel) -> Vec<&CheckName> {
    match &check.body {
        CheckBody::Probed { .. } => Vec::new(),
        CheckBody::Calculated(formula) => formula.parts(),
    }
}

/// The way from a check back to itself, if there is one. Each check is looked at once.
fn circle<'c>(from: &'c CheckModel, all: &Checks<'c>) -> Option<Vec<&'c CheckModel>> {
    let mut seen: HashSet<&str> = HashSet::new();
    let mut ways: Vec<Vec<&CheckModel>> = vec![vec![from]];
    while let Some(way) = ways.pop() {
        let Some(last) = way.last() else { continue };
        for part in parts(last) {
            if part.name == from.name {
                return Some(way);
            }
            if let Some(next) = all.get(part.name.as_str())
                && seen.insert(&next.name)
            {
                ways.push(way.iter().copied().chain([*next]).collect());
            }
        }
    }
    None
}

/// Most probed checks that one calculated check may come to when those in it are written out.
const MAX_PARTS: usize = 1000;

/// Why a check has no target at an address.
pub(super) enum Missing<'c> {
    /// This probed check has no port.
    Port(&'c CheckModel),
    /// It comes to more than [`MAX_PARTS`] probes.
    TooLarge(Location),
    /// A finding that [`verify`] reports.
    Told,
}

/// What a check probes at this address; `port` stands above the check's own.
pub(super) fn target<'c>(
    check: &'c CheckModel,
    ip: IpAddr,
    port: Option<u16>,
    all: &Checks<'c>,
) -> Result<Target, Missing<'c>> {
    match &check.body {
        CheckBody::Probed { check: body, port: own } => {
            let port = if body.kind.has_port() { port.or(*own) } else { Some(0) };
            let port = port.ok_or(Missing::Port(check))?;
            Ok(Target { address: SocketAddr::new(ip, port), check: body.as_ref().clone() })
        }
        CheckBody::Calculated(_) => {
            let mut count = 0;
            let formula = formula(check, ip, port, all, &mut Vec::new(), &mut count)?;
            let check = Check::new(CheckKind::Calculated(Box::new(formula)));
            Ok(Target { address: SocketAddr::new(ip, 0), check })
        }
    }
}

fn formula<'c>(
    check: &'c CheckModel,
    ip: IpAddr,
    port: Option<u16>,
    all: &Checks<'c>,
    above: &mut Vec<&'c str>,
    count: &mut usize,
) -> Result<Formula<Target>, Missing<'c>> {
    let written = match &check.body {
        CheckBody::Probed { .. } => {
            *count += 1;
            if *count > MAX_PARTS {
                return Err(Missing::TooLarge(check.location.clone()));
            }
            return Ok(Formula::Of(target(check, ip, port, all)?));
        }
        CheckBody::Calculated(written) => written,
    };
    if above.contains(&check.name.as_str()) {
        return Err(Missing::Told);
    }
    above.push(&check.name);
    let mut part = |part: &Formula<CheckName>| match part {
        Formula::Of(name) => match all.get(name.name.as_str()) {
            Some(named) => formula(named, ip, port, all, above, count),
            None => Err(Missing::Told),
        },
        // What is written names checks only: nothing is nested in it.
        _ => Err(Missing::Told),
    };
    let mut list = |parts: &'c [Formula<CheckName>]| parts.iter().map(&mut part).collect::<Result<Vec<_>, _>>();
    let made = match written {
        Formula::Of(_) => return Err(Missing::Told),
        Formula::All(parts) => Formula::All(list(parts)?),
        Formula::Any(parts) => Formula::Any(list(parts)?),
        Formula::AtLeast(n, parts) => Formula::AtLeast(*n, list(parts)?),
        Formula::Not(one) => Formula::Not(Box::new(part(one)?)),
    };
    above.pop();
    Ok(made)
}
