//! An explanation as JSON: the same for `explain --json` and whoever else shows it. Keys are stable; all are always there,
//! `null` where there is nothing.

use serde_json::{Value, json};

use super::place::{What, level_word};
use super::text::{date, standing};
use super::{Background, Candidate, Explained, KeySource, Link, Neighbor, Question, Said, Sent, Steered};
use crate::dns::rdata;
use crate::geo::{Place, Source};
use crate::live::Told;

/// The whole.
pub fn json(question: &Question, explained: &Explained, background: &Background) -> Value {
    let name = question.name.to_string();
    match explained {
        Explained::NotHosted => json!({"name": name, "kind": "not-hosted"}),
        Explained::NotLoaded(zone) => json!({"name": name, "kind": "not-loaded", "zone": zone.to_string()}),
        Explained::Static { zone, chain, what } => {
            json!({"name": name, "kind": "static", "zone": zone.to_string(), "chain": links(chain), "what": what, "scope": 0})
        }
        Explained::Steered(s) => steered(question, s, background),
    }
}

fn steered(question: &Question, s: &Steered, background: &Background) -> Value {
    json!({
        "name": question.name.to_string(),
        "kind": "steered",
        "zone": s.zone.to_string(),
        "chain": links(&s.chain),
        "steered_name": s.name.to_string(),
        "service": s.service,
        "policy": s.policy,
        "key": {
            "block": s.key.block.to_string(),
            "unfolded": s.key.unfolded.map(|(address, length)| format!("{address}/{length}")),
            "from": match s.key.from {
                KeySource::Subnet => "subnet",
                KeySource::Source => "source",
                KeySource::SourceForOff => "source-for-ecs-off",
                KeySource::SourceForUnusable => "source-for-unusable-subnet",
            },
        },
        "site": {
            "latitude": s.site.place.map(Place::latitude),
            "longitude": s.site.place.map(Place::longitude),
            "by": match (s.site.place, s.site.by_country) {
                (None, _) => "nowhere",
                (Some(_), true) => "country",
                (Some(_), false) => "record",
            },
            "country": s.site.site.country.map(|c| c.to_string()),
            "subdivision": s.site.subdivision,
            "city": s.site.city,
            "network": s.site.network.to_string(),
            "database": s.site.source.as_ref().map(source),
            "asn": s.site.site.asn,
            "asn_network": s.site.asn_network.to_string(),
            "asn_database": s.site.asn_source.as_ref().map(source),
        },
        "applied": s.applied.iter().map(|applied| json!({
            "what": match applied.what { What::Rule => "rule", What::Fence => "fence", What::Latency => "latency" },
            "level": level_word(applied.level),
            "by": applied.by,
            "gives": applied.gives,
            "file": &*applied.origin.file,
            "line": applied.origin.line,
            "counts": applied.counts,
        })).collect::<Vec<_>>(),
        "pops": s.pops(),
        "addresses": s.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "answers": s.sent.iter().map(sent).collect::<Vec<_>>(),
        "ttl": s.ttl,
        "ttl_reason": s.ttl_reason(),
        "fail_open": s.is_told(Told::FailOpen),
        "fallback": s.is_told(Told::Fallback),
        "on_empty": s.is_told(Told::Empty),
        "panic": {"a": tiers(&s.panic[0]), "aaaa": tiers(&s.panic[1])},
        "panic_if_begun": {"a": tiers(&s.lingering[0]), "aaaa": tiers(&s.lingering[1])},
        "split": s.split.as_ref().map(|split| json!({
            "unit": split.unit.map(|unit| unit.to_string()),
            "units": split.units,
            "won": split.won,
            "group": split.group.iter().map(|part| json!({
                "pop": part.pop,
                "weight": part.weight,
                "home_weight": part.home,
                "percent": rounded(part.percent),
                "deviation_points": rounded(part.deviation),
            })).collect::<Vec<_>>(),
        })),
        "scope": s.scope,
        "scope_bound": s.reach.bound.words(),
        "range": [s.reach.range.0.to_string(), s.reach.range.1.to_string()],
        "before": s.reach.neighbors[0].as_ref().map(neighbor),
        "after": s.reach.neighbors[1].as_ref().map(neighbor),
        "mixed": s.reach.mixed.as_ref().map(|mixed| {
            mixed.parts.iter().map(|(gets, permille)| json!({"gets": gets, "permille": permille})).collect::<Vec<_>>()
        }),
        "if_it_fails": s.flips.if_it_fails,
        "cost_flip": s.flips.by_cost.as_ref().map(|flip| json!({
            "pop": flip.pop,
            "cheaper_us": flip.microseconds,
            "shares": flip.shares,
        })),
        "assumed": {
            "down": question.assume.down,
            "drain": question.assume.drain,
            "up": question.assume.up,
        },
        "health_age_seconds": background.age.map(|age| age.as_secs()),
        "agrees_with_live": s.agrees,
        "candidates": s.candidates.iter().map(candidate).collect::<Vec<_>>(),
        "then": s.then.as_ref().map(|then| {
            let name = s.target().unwrap_or_else(|| question.name.clone());
            json(&Question { name, ..question.clone() }, then, background)
        }),
    })
}

fn candidate(c: &Candidate) -> Value {
    json!({
        "pop": c.pop,
        "city": c.city,
        "tier": c.ranked.tier.map(|tier| tier + 1),
        "kilometers": c.kilometers.map(rounded),
        "base_us": c.parts.map(|parts| parts.base),
        "measured": c.parts.is_some_and(|parts| parts.measured),
        "bias_us": c.parts.map(|parts| parts.bias),
        "rule_us": c.parts.map(|parts| parts.rule),
        "cost_us": c.ranked.cost,
        "put_first": c.ranked.first,
        "weight": c.weight,
        "share_permille": c.share,
        "a": word(standing(c.facts.v4)),
        "aaaa": word(standing(c.facts.v6)),
        "drained": c.facts.drained,
        "forced_down": c.facts.forced_down,
        "forced_up": c.facts.forced_up,
        "chosen": c.is_chosen(),
        "place_in_a": c.chosen_v4,
        "place_in_aaaa": c.chosen_v6,
        "why": c.why.word(),
        "words": c.words(),
    })
}

fn word(standing: &str) -> &str {
    if standing == "–" { "absent" } else { standing }
}

fn links(chain: &[Link]) -> Vec<Value> {
    let link =
        |link: &Link| json!({"owner": link.owner.to_string(), "by": link.by.word(), "target": link.target.to_string()});
    chain.iter().map(link).collect()
}

fn source(source: &Source) -> Value {
    json!({"path": source.path, "kind": source.kind, "built": date(source.built)})
}

fn sent(sent: &Sent) -> Value {
    let texts = |list: &[Vec<u8>]| list.iter().map(|data| rdata::show(sent.rtype, data)).collect::<Vec<_>>();
    let (what, ttl, records) = match &sent.what {
        Said::Steered(ttl, list) => ("steered", Some(ttl), texts(list)),
        Said::Written(ttl, list) => ("written", Some(ttl), texts(list)),
        Said::NoData => ("nodata", None, Vec::new()),
        Said::Servfail => ("servfail", None, Vec::new()),
        Said::Elsewhere => ("elsewhere", None, Vec::new()),
    };
    json!({"type": sent.rtype.to_string(), "what": what, "ttl": ttl, "records": records, "extended_error": sent.error})
}

fn neighbor(neighbor: &Neighbor) -> Value {
    json!({"first": neighbor.first.to_string(), "last": neighbor.last.to_string(), "gets": neighbor.gets})
}

fn tiers(list: &[usize]) -> Vec<usize> {
    list.iter().map(|tier| tier + 1).collect()
}

/// To a tenth: what is printed should not differ between machines in the last bit.
fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}
