//! What is known of the place of a key, from which database, and what the policy says of it.

use super::scope;
use crate::geo::{Country, Place, Site, SiteId, SiteTable, Source};
use crate::live::Map;
use crate::net::Block;
use crate::steering::rule::{City, Effect, Match, Rule};
use crate::steering::{Level, Origin, Rank, Stance};

/// What is known of the place of the key.
#[derive(Clone, Debug)]
pub struct SiteView {
    /// The site itself, with the AS number that databases have even if no policy names it.
    pub site: Site,
    /// City, as the database has it.
    pub city: Option<String>,
    /// Subdivision, as the database has it.
    pub subdivision: Option<String>,
    /// Where it was taken to be.
    pub place: Option<Place>,
    /// Whether that is the country's place, for want of the site's own.
    pub by_country: bool,
    /// The block of the database's record.
    pub network: Block,
    /// The database that the place is from.
    pub source: Option<Source>,
    /// The block of the AS number, and the database it is from.
    pub asn_network: Block,
    /// The database that the AS number is from.
    pub asn_source: Option<Source>,
}

impl SiteView {
    /// Of the site that decides for a block.
    pub(super) fn new(map: &Map, sites: &SiteTable, id: SiteId, block: Block) -> Self {
        // Of a mixed block, the record that decides is that of its largest site, not that of its first address.
        let address = scope::address_of(map, sites, block, id).unwrap_or(block.address());
        let record = sites.describe(address);
        let mut site = sites.site(id);
        site.asn = record.asn;
        let text = |id| sites.text(id).to_owned();
        Self {
            city: site.city.map(text),
            subdivision: site.subdivision_name.or(site.subdivision).map(text),
            place: site.place.or_else(|| site.country.and_then(Country::place)),
            by_country: site.place.is_none() && site.country.is_some(),
            network: record.network,
            source: record.source.cloned(),
            asn_network: record.asn_network,
            asn_source: record.asn_source.cloned(),
            site,
        }
    }
}

/// A rule, fence or latency row that holds for the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What it is.
    pub what: What,
    /// What the client is known by.
    pub level: Level,
    /// The key that matched: `193.0.6.0/24`, `AS3333`, `NL`, …
    pub by: String,
    /// What it gives: `order fra, ams`, `only fra`, …
    pub gives: String,
    /// Where it was written.
    pub origin: Origin,
    /// Whether it was of effect. A latency row is not when its gain does not exceed the margin.
    pub counts: bool,
}

/// A kind of rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The rule of the most specific level.
    Rule,
    /// One of the fences; all apply.
    Fence,
    /// The latency row of the most specific level.
    Latency,
}

/// `FILE:LINE`.
pub(super) fn place_of(origin: &Origin) -> String {
    format!("{}:{}", origin.file, origin.line)
}

/// The rule or fence of this number: fences follow after rules.
pub(super) fn rule(map: &Map, number: u32) -> Option<&Rule> {
    let rules = map.policy.rules.list();
    rules.get(number as usize).or_else(|| map.policy.fences.get((number as usize).checked_sub(rules.len())?))
}

/// The latency row that holds, if the policy has any.
pub(super) fn latency<'a>(map: &'a Map, stance: &Stance) -> Option<&'a Rule> {
    match &map.policy.rank {
        Rank::Latency(rows) => rows.rows.list().get(stance.latency?.index as usize),
        Rank::Distance | Rank::Order | Rank::Weights => None,
    }
}

/// All that holds for a site.
pub(super) fn applied(map: &Map, stance: &Stance, view: &SiteView, block: Block, measured: bool) -> Vec<Applied> {
    let make = |what, rule: &Rule, counts| Applied {
        what,
        level: level(&rule.class),
        by: matched(&rule.class, view, block),
        gives: gives(&rule.effect),
        origin: rule.origin.clone(),
        counts,
    };
    let mut list = Vec::new();
    list.extend(stance.rule.and_then(|number| rule(map, number)).map(|rule| make(What::Rule, rule, true)));
    list.extend(stance.fences.iter().filter_map(|number| rule(map, *number)).map(|rule| make(What::Fence, rule, true)));
    list.extend(latency(map, stance).map(|row| make(What::Latency, row, measured)));
    list
}

fn level(class: &Match) -> Level {
    match class {
        Match::Prefix(_) => Level::Prefix,
        Match::Asn(_) => Level::Asn,
        Match::City(_) => Level::City,
        Match::Subdivision(_) => Level::Subdivision,
        Match::Country(_) => Level::Country,
        Match::Continent(_) => Level::Continent,
    }
}

/// The word for a level.
pub fn level_word(level: Level) -> &'static str {
    match level {
        Level::Prefix => "prefix",
        Level::Asn => "ASN",
        Level::City => "city",
        Level::Subdivision => "subdivision",
        Level::Country => "country",
        Level::Continent => "continent",
    }
}

fn matched(class: &Match, view: &SiteView, block: Block) -> String {
    let country = view.site.country.map(|country| country.to_string()).unwrap_or_default();
    match class {
        Match::Prefix(list) => {
            let around = list.iter().filter(|prefix| holds(**prefix, block)).max_by_key(|prefix| prefix.length());
            around.map_or_else(|| block.to_string(), ToString::to_string)
        }
        Match::Asn(_) => format!("AS{}", view.site.asn),
        Match::City(list) if list.iter().any(|city| matches!(city, City::Id(id) if *id == view.site.city_id)) => {
            format!("{} ({})", view.city.as_deref().unwrap_or("GeoNames"), view.site.city_id)
        }
        Match::City(_) => format!("{}, {country}", view.city.as_deref().unwrap_or("?")),
        Match::Subdivision(_) => format!("{}, {country}", view.subdivision.as_deref().unwrap_or("?")),
        Match::Country(_) => country,
        Match::Continent(_) => {
            let continent = view.site.country.and_then(Country::continent);
            continent.map_or("?", |continent| continent.code()).to_owned()
        }
    }
}

/// Whether a block lies in another.
fn holds(outer: Block, inner: Block) -> bool {
    outer.address().is_ipv4() == inner.address().is_ipv4()
        && Block::new(inner.address(), outer.length()) == outer
        && outer.length() <= inner.length()
}

fn gives(effect: &Effect) -> String {
    let milliseconds = |us: i64| format!("{:.3} ms", super::milliseconds(us));
    match effect {
        Effect::Order(pops) => format!("order {}", pops.join(", ")),
        Effect::Only(pops) if pops.is_empty() => "only nobody".to_owned(),
        Effect::Only(pops) => format!("only {}", pops.join(", ")),
        Effect::Never(pops) => format!("never {}", pops.join(", ")),
        Effect::Adjust(list) => {
            let one = |(pop, us): &(String, i32)| {
                let word = if *us < 0 { "prefer" } else { "avoid" };
                format!("{word} {pop} by {}", milliseconds(i64::from(*us).abs()))
            };
            list.iter().map(one).collect::<Vec<_>>().join(", ")
        }
        Effect::Latency(list) => {
            let one = |(pop, us): &(String, u32)| format!("{pop} {}", milliseconds(i64::from(*us)));
            let shown: Vec<_> = list.iter().take(6).map(one).collect();
            let more = list.len().saturating_sub(6);
            format!("{}{}", shown.join(", "), if more > 0 { format!(", and {more} more") } else { String::new() })
        }
    }
}
