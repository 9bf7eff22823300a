//! What only policies and databases together can tell: rules and fences that no range comes under.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::{Diagnostic, Diagnostics, Location};
use crate::snapshot::Parts;
use crate::steering::rule::{Match, Rule};

/// Warns of the rules and fences that match no range of the loaded databases: once per file and policy, with the count
/// (SEMANTICS §2.5). A typing error looks like this, and so does a database without the data.
pub fn unmatched(parts: &Parts) -> Diagnostics {
    let mut found = Diagnostics::default();
    let mut policies: Vec<(&Arc<crate::steering::Policy>, Vec<bool>)> = Vec::new();
    for map in &parts.maps {
        let count = map.policy.rules.list().len() + map.policy.fences.len();
        if count == 0 {
            continue;
        }
        let used = map.homes.stances.used(count);
        match policies.iter_mut().find(|(policy, _)| **policy == map.policy) {
            Some((_, all)) => all.iter_mut().zip(used).for_each(|(all, used)| *all |= used),
            None => policies.push((&map.policy, used)),
        }
    }
    for (policy, used) in policies {
        // By file: how many there are, how many match nothing, and the first of those.
        let mut files: HashMap<&Arc<str>, (usize, usize, Option<&Rule>)> = HashMap::new();
        for (rule, used) in policy.rules.list().iter().chain(&policy.fences).zip(used) {
            let (all, unused, first) = files.entry(&rule.origin.file).or_default();
            *all += 1;
            if !used {
                *unused += 1;
                first.get_or_insert(rule);
            }
        }
        for (all, unused, first) in files.into_values() {
            if let Some(rule) = first {
                found.push(warning(&policy.name, rule, unused, all, parts.sites.asns().is_some()));
            }
        }
    }
    found.sort();
    found
}

fn warning(policy: &str, rule: &Rule, unused: usize, all: usize, asns: bool) -> Diagnostic {
    let location = Location { file: Arc::clone(&rule.origin.file), line: rule.origin.line, column: 1 };
    let message = match (unused, all) {
        (1, _) => format!("this rule of policy `{policy}` matches no address of the loaded databases"),
        _ => format!(
            "{unused} of {all} rules of policy `{policy}` match no address of the loaded databases; this is the first"
        ),
    };
    let help = match rule.class {
        Match::Asn(_) if !asns => "no database with AS numbers is loaded",
        Match::Asn(_) => "the databases know no address of that AS, or a more specific rule takes all of them",
        Match::Prefix(_) => "more specific rules take all of it",
        Match::City(_) | Match::Subdivision(_) => {
            "names are those of the database: see `catchment geodb lookup ADDRESS`; or a more specific rule takes all of them"
        }
        Match::Country(_) | Match::Continent(_) => {
            "the databases know no address there, or a more specific rule takes all of them"
        }
    };
    Diagnostic::warning(location, message).help(help)
}
