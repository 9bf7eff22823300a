//! What only all zones together can tell of an ALIAS: whether it leads to an address.

use std::sync::Arc;

use crate::config::model::{AliasModel, ZoneModel};
use crate::config::{Diagnostic, Diagnostics};
use crate::dns::{Name, Type};
use crate::zone::{Alias, End, Entry, Zone, ZoneSetBuilder};

/// Warns of each ALIAS without an address. `zones` are all that are configured, in any order, with `None` for those that
/// could not be loaded, which say for themselves what is wrong. Never an error: zones load, change and go independently.
pub fn aliases<'z>(
    zones: &(impl Iterator<Item = (&'z Name, Option<(&'z ZoneModel, &'z Arc<Zone>)>)> + Clone),
) -> Diagnostics {
    let all = || zones.clone().filter_map(|(_, loaded)| loaded).flat_map(|(model, _)| &model.aliases);
    let mut found = Diagnostics::default();
    if all().next().is_none() {
        return found;
    }
    let mut builder = ZoneSetBuilder::default();
    for (apex, loaded) in zones.clone() {
        builder.add(apex, loaded.map_or(Entry::NotLoaded, |(_, zone)| Entry::Loaded(Arc::clone(zone))));
    }
    let set = builder.build();
    for alias in all() {
        let from = Alias { ttl: alias.ttl, target: alias.target.as_wire() };
        let ends = [Type::A, Type::AAAA].map(|rtype| set.follow(from, rtype));
        if let Some((words, help)) = ends.iter().all(is_empty).then(|| why(&ends[0])).flatten() {
            found.push(warning(alias, words, help));
        }
    }
    found
}

fn is_empty(end: &End<'_>) -> bool {
    !matches!(end, End::Static { .. } | End::Steered { .. })
}

fn why(end: &End<'_>) -> Option<(&'static str, &'static str)> {
    const SERVFAIL: &str =
        "clients are told SERVFAIL; lead it to a name that has `A`, `AAAA` or `steer` in a zone here";
    const NODATA: &str = "clients are told that there is none; write its `A`, `AAAA` or `steer`";
    match end {
        End::Static { .. } | End::Steered { .. } | End::NotLoaded => None,
        End::Nothing => Some(("which has no address", NODATA)),
        End::Outside => Some(("which leads out of the zones that are loaded here", SERVFAIL)),
        End::Delegated => Some(("which is delegated to other name servers", SERVFAIL)),
        End::Endless => Some(("which leads round in a circle, or over too many aliases", SERVFAIL)),
    }
}

fn warning(alias: &AliasModel, words: &str, help: &str) -> Diagnostic {
    let message = format!("`{}` is an ALIAS of `{}`, {words}", alias.owner, alias.target);
    Diagnostic::warning(alias.location.clone(), message).help(help)
}
