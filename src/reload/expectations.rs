//! The operators' own assertions (`expect:`), held against the tables that are about to serve (SEMANTICS §6.7).

use std::fmt::Write as _;

use crate::config::model::{Expect, Wanted, ZoneModel};
use crate::config::{Diagnostic, Diagnostics};
use crate::dns::rdata;
use crate::explain::{Assume, Outlook, Question, Said, outlook};
use crate::snapshot::Parts;

/// Every assertion of a zone that does not hold.
pub(super) fn failures(parts: &Parts, model: &ZoneModel) -> Diagnostics {
    let mut failures = Diagnostics::default();
    for expect in &model.expects {
        let question = Question {
            name: expect.name.clone(),
            source: expect.source,
            subnet: expect.subnet.map(|block| (block.address(), block.length())),
            assume: Assume { down: expect.down.clone(), drain: expect.drain.clone(), up: expect.up.clone() },
        };
        let told = outlook(parts, &question, expect.rtype);
        for message in differences(expect, &told) {
            failures.push(
                Diagnostic::error(expect.location.clone(), message)
                    .help("`catchment explain` shows why; correct the zone, or the expectation"),
            );
        }
    }
    failures
}

/// What is not as expected, a sentence each.
fn differences(expect: &Expect, told: &Outlook) -> Vec<String> {
    let who =
        format!("{}{}", expect.client.map_or_else(String::new, |client| format!(" client {client}")), assumed(expect));
    let mut found = Vec::new();
    if !expect.pops.is_empty() {
        let wanted = format!("expected{} to go to {}{}", client(expect), quoted(&expect.pops), assumed(expect));
        match &told.pops {
            None => {
                found.push(format!("{wanted}, but `{}` is not steered: {}", expect.name, what(told)));
                return found;
            }
            Some(pops) if pops.is_empty() => found.push(format!("{wanted}, but nobody serves it")),
            Some(pops) => {
                let seen = if expect.only_first { &pops[..1] } else { pops };
                if *seen != expect.pops {
                    found.push(format!("{wanted}, but it goes to {}", quoted(seen)));
                }
            }
        }
    }
    if let Some(answer) = &expect.answer
        && !is_told(answer, told)
    {
        let wanted = match answer {
            Wanted::Records(records) => listed(expect.rtype, records.iter().map(|record| &**record)),
            Wanted::NoData => "no data".to_owned(),
            Wanted::NxDomain => "NXDOMAIN".to_owned(),
            Wanted::Servfail => "SERVFAIL".to_owned(),
        };
        found.push(format!(
            "expected {wanted} as {} of `{}`{}, but there is {}",
            expect.rtype,
            expect.name,
            for_whom(&who),
            what(told)
        ));
    }
    let ttl = match &told.said {
        Said::Steered(ttl, _) | Said::Written(ttl, _) => Some(*ttl),
        Said::NoData | Said::Servfail | Said::Elsewhere => None,
    };
    if let Some(wanted) = expect.ttl
        && ttl != Some(wanted)
    {
        let got = ttl.map_or_else(|| format!("there is {}", what(told)), |ttl| format!("it is {ttl} s"));
        found.push(format!("expected a TTL of {wanted} s of `{}`{}, but {got}", expect.name, for_whom(&who)));
    }
    if let Some(wanted) = expect.scope
        && told.scope != wanted
    {
        found.push(format!(
            "expected scope /{wanted} of `{}`{}, but it is /{}",
            expect.name,
            for_whom(&who),
            told.scope
        ));
    }
    found
}

fn client(expect: &Expect) -> String {
    expect.client.map_or_else(String::new, |client| format!(" client {client}"))
}

fn for_whom(who: &str) -> String {
    if who.is_empty() { String::new() } else { format!(" for{who}") }
}

/// What is assumed, in words.
fn assumed(expect: &Expect) -> String {
    let mut words = String::new();
    for (list, state) in [(&expect.down, "down"), (&expect.drain, "drained"), (&expect.up, "up")] {
        if !list.is_empty() {
            let with = if words.is_empty() { "with" } else { "and" };
            // Writing to a String cannot fail.
            let _ = write!(words, " {with} {} {state}", quoted(list));
        }
    }
    words
}

fn quoted(names: &[String]) -> String {
    format!("`{}`", names.join("`, `"))
}

fn is_told(wanted: &Wanted, told: &Outlook) -> bool {
    match (wanted, &told.said) {
        (Wanted::Records(wanted), Said::Steered(_, got) | Said::Written(_, got)) => {
            wanted.len() == got.len() && wanted.iter().all(|record| got.iter().any(|other| **other == **record))
        }
        (Wanted::NoData, Said::NoData) => told.exists,
        (Wanted::NxDomain, Said::NoData) => !told.exists,
        (Wanted::Servfail, Said::Servfail) => true,
        (Wanted::Records(_) | Wanted::NoData | Wanted::NxDomain | Wanted::Servfail, _) => false,
    }
}

/// What is told, in words.
fn what(told: &Outlook) -> String {
    match &told.said {
        Said::Steered(_, records) | Said::Written(_, records) => listed(told.rtype, records.iter().map(Vec::as_slice)),
        Said::NoData if told.exists => "no data".to_owned(),
        Said::NoData => "no such name".to_owned(),
        Said::Servfail => "SERVFAIL".to_owned(),
        Said::Elsewhere => "nothing in a loaded zone".to_owned(),
    }
}

fn listed<'r>(rtype: crate::dns::Type, records: impl Iterator<Item = &'r [u8]>) -> String {
    let shown: Vec<String> = records.map(|record| format!("`{}`", rdata::show(rtype, record))).collect();
    shown.join(", ")
}
