//! Rules and fences as written: `- {match: {country: [DE]}, only: [fra]}`, inline or in files of their own.
//!
//! A rule file is a table (`prefix,prefer` …) or, with `.yaml` at its end, a list of the same rules. PoPs stay names;
//! every name that occurs is kept once, with its first place, so that linking can look each up.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::diagnostic::Location;
use super::super::grammar::{Keys, Shape, key};
use super::super::named::resolve;
use super::super::reader::{Fields, Sink, Spot, entries, kind, one_or_more, quoted, spots, text};
use super::super::units::{Cost, cost};
use super::super::yaml::{self, Node, Position};
use super::Context;
use super::keys::{self, Kind, Refused};
use crate::net::Block;
use crate::steering::{Effect, Match, Origin, Policy, Rule, Rules};

/// Most rules of a list, those of its files included: ten times what the largest networks peer with.
pub(crate) const MAX_RULES: usize = 1_000_000;

/// What a list of rules is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// `rules:`, all effects.
    Rules,
    /// `fence:`, only the hard ones.
    Fences,
}

impl Purpose {
    /// The effects that may be written.
    pub(super) fn effects(self) -> &'static [&'static str] {
        match self {
            Self::Rules => &["order", "prefer", "avoid", "only", "never"],
            Self::Fences => &["only", "never"],
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Rules => "a rule",
            Self::Fences => "a fence",
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::Rules => "for example `{match: {asn: [3320]}, prefer: {fra: 15ms}}`",
            Self::Fences => "for example `{match: {country: [DE, AT]}, only: [fra, ams]}`",
        }
    }
}

/// A rule.
pub(super) const RULE: Keys = Keys {
    what: "a rule",
    known: &[
        key(
            "match",
            Shape::Map(&MATCH),
            "",
            "Which clients. The most specific that matches wins, inside it the first written, of prefixes the longest.",
        ),
        key("order", POPS, "none", "These first, in this order, the rest by cost."),
        key("prefer", COSTS, "none", "Taken from the PoP's cost."),
        key("avoid", COSTS, "none", "Added to the PoP's cost."),
        key("only", POPS, "none", "A fence: nobody else serves them. All fences that match apply."),
        key("never", POPS, "none", "A fence: these do not serve them."),
        key(
            "file",
            Shape::Text,
            "none",
            "Instead of all this: rules from a file, relative to this one; a table, or a YAML list.",
        ),
    ],
    planned: &["split", "weights", "price"],
};
/// A fence.
pub(super) const FENCE: Keys = Keys {
    what: "a fence",
    known: &[
        key("match", Shape::Map(&MATCH), "", "Which clients."),
        key("only", POPS, "none", "Nobody else serves them."),
        key("never", POPS, "none", "These do not serve them."),
        key("file", Shape::Text, "none", "Instead of all this: fences from a file, relative to this one."),
    ],
    planned: &[],
};
const POPS: Shape = Shape::OneOrMore(&Shape::Reference("a PoP"));
const COSTS: Shape = Shape::Named("a PoP", &Shape::Cost);
/// Which clients.
pub(super) const MATCH: Keys = Keys {
    what: "`match`",
    known: &[
        key(
            "prefix",
            Shape::OneOrMore(&Shape::Block),
            "",
            "Blocks of addresses, of the client subnet or the packet's source.",
        ),
        key(
            "asn",
            Shape::OneOrMore(&Shape::Form("an AS number", "^(AS)?[0-9]+$")),
            "",
            "AS numbers, from a database of these.",
        ),
        key(
            "city",
            Shape::OneOrMore(&Shape::Either(&[Shape::Text, Shape::List(&Shape::Text)])),
            "",
            "GeoNames ids, or `[DE, Munich]`, `[DE, Bavaria, Munich]`.",
        ),
        key(
            "subdivision",
            Shape::OneOrMore(&Shape::Either(&[Shape::Text, Shape::List(&Shape::Text)])),
            "",
            "ISO 3166-2 codes (`US-CA`), or `[US, California]`.",
        ),
        key("country", Shape::OneOrMore(&Shape::Country), "", "ISO 3166-1 codes."),
        key(
            "continent",
            Shape::OneOrMore(&Shape::Words(&["AF", "AN", "AS", "EU", "NA", "OC", "SA"])),
            "",
            "Continents.",
        ),
    ],
    planned: &["resolver", "not", "all", "any"],
};

/// An effect, and the costs it was made from.
type Priced = (Arc<Effect>, Vec<(String, Cost)>);

/// A list of rules whose PoPs are still names.
#[derive(Clone, Debug, Default)]
pub(crate) struct RulesText {
    /// With costs in distance at the default of `ms_per_km`.
    rules: Rules,
    /// Effects with costs in distance.
    by_distance: Vec<Priced>,
    /// Every PoP that is named, once.
    pub(crate) named: Vec<Spot>,
}

impl RulesText {
    /// The rules, where a kilometer costs this many nanoseconds.
    pub(crate) fn rules(&self, ns_per_km: u32) -> Rules {
        if self.by_distance.is_empty() || ns_per_km == Policy::NS_PER_KM {
            return self.rules.clone();
        }
        let changed: HashMap<*const Effect, Arc<Effect>> = self
            .by_distance
            .iter()
            .map(|(effect, costs)| (Arc::as_ptr(effect), Arc::new(adjust(costs, ns_per_km))))
            .collect();
        let rule = |rule: &Rule| Rule {
            effect: Arc::clone(changed.get(&Arc::as_ptr(&rule.effect)).unwrap_or(&rule.effect)),
            ..rule.clone()
        };
        Rules::new(self.rules.list().iter().map(rule).collect())
    }
}

/// A list of rules in the making.
#[derive(Debug, Default)]
pub(super) struct Collector {
    rules: Vec<Rule>,
    columns: Vec<u32>,
    /// By prefix, the rule that answers it.
    prefixes: HashMap<Block, u32, foldhash::fast::FixedState>,
    by_distance: Vec<Priced>,
    seen: HashSet<String>,
    named: Vec<Spot>,
    /// Whether it was told that there are too many.
    told: bool,
}

impl Collector {
    pub(super) fn finish(self) -> RulesText {
        RulesText { rules: Rules::new(self.rules), by_distance: self.by_distance, named: self.named }
    }

    /// How many rules there are.
    pub(super) fn len(&self) -> usize {
        self.rules.len()
    }

    /// Notes that a PoP is named.
    pub(super) fn pop(&mut self, name: &str, location: impl FnOnce() -> Location) {
        if !self.seen.contains(name) {
            self.seen.insert(name.to_owned());
            self.named.push(Spot { text: name.to_owned(), location: location() });
        }
    }

    /// An effect of costs in microseconds or kilometers; those of `avoid` as written, those of `prefer` below zero.
    pub(super) fn adjust(&mut self, costs: Vec<(String, Cost)>) -> Arc<Effect> {
        let effect = Arc::new(adjust(&costs, Policy::NS_PER_KM));
        if costs.iter().any(|(_, cost)| matches!(cost, Cost::Meters(_))) {
            self.by_distance.push((Arc::clone(&effect), costs));
        }
        effect
    }

    /// Adds a rule per effect. Two different answers to the same prefix are an error.
    pub(super) fn add(&mut self, class: Match, effects: &[Arc<Effect>], location: &Location, sink: &mut Sink) {
        let Some((last, others)) = effects.split_last() else { return };
        for effect in others {
            self.one(class.clone(), effect, location, sink);
        }
        self.one(class, last, location, sink);
    }

    fn one(&mut self, class: Match, effect: &Arc<Effect>, location: &Location, sink: &mut Sink) {
        if self.rules.len() >= MAX_RULES {
            if !self.told {
                self.told = true;
                sink.error_at(location, format!("more than {MAX_RULES} rules"), "join prefixes, or leave some out");
            }
            return;
        }
        let is_fence = matches!(**effect, Effect::Only(_) | Effect::Never(_));
        if let (Match::Prefix(blocks), false) = (&class, is_fence) {
            let index = self.rules.len() as u32;
            for block in blocks {
                let first = *self.prefixes.entry(*block).or_insert(index);
                let Some(known) = self.rules.get(first as usize).filter(|known| known.effect != *effect) else {
                    continue;
                };
                let column = self.columns.get(first as usize).copied().unwrap_or_default();
                let place = &known.origin;
                let message = format!("`{block}` has another answer at {}:{}:{column}", place.file, place.line);
                sink.error_at(location, message, "the longest prefix wins, and these are equally long: keep one");
                sink.also(&Location { file: Arc::clone(&place.file), line: place.line, column }, "the other answer");
            }
        }
        let origin = Origin { file: Arc::clone(&location.file), line: location.line };
        self.rules.push(Rule { class, effect: Arc::clone(effect), origin });
        self.columns.push(location.column);
    }
}

fn adjust(costs: &[(String, Cost)], ns_per_km: u32) -> Effect {
    Effect::Adjust(costs.iter().map(|(pop, cost)| (pop.clone(), cost.microseconds(ns_per_km))).collect())
}

/// Turns a cost around.
pub(super) fn negative(cost: Cost) -> Cost {
    match cost {
        Cost::Microseconds(us) => Cost::Microseconds(-us),
        Cost::Meters(m) => Cost::Meters(-m),
    }
}

/// Reads `rules:` or `fence:`.
pub(super) fn read(node: &Node<'_>, purpose: Purpose, context: &Context<'_>, sink: &mut Sink) -> RulesText {
    let mut collector = Collector::default();
    for item in list(node, purpose, sink) {
        let file = match item {
            Node::Map(_, entries) => entries.iter().find(|(key, _)| key.text == "file"),
            Node::Scalar(_) | Node::List(..) | Node::Bulk(..) => None,
        };
        match file {
            Some((_, value)) => {
                if let Node::Map(_, entries) = item
                    && let Some((key, _)) = entries.iter().find(|(key, _)| key.text != "file")
                {
                    let message = format!("`{}` beside `file`", key.text);
                    sink.error_help(key.at, message, "an entry is a rule or the name of a file: make two of it");
                }
                rule_file(value, purpose, &mut collector, context, sink);
            }
            None => rule(item, purpose, &mut collector, sink),
        }
    }
    collector.finish()
}

fn list<'n, 'a>(node: &'n Node<'a>, purpose: Purpose, sink: &mut Sink) -> &'n [Node<'a>] {
    match node {
        Node::List(_, items) => items,
        node if node.is_null() => &[],
        node => {
            let what = if purpose == Purpose::Rules { "`rules`" } else { "`fence`" };
            sink.error_help(node.at(), format!("{what} is a list, not {}", kind(node)), purpose.example());
            &[]
        }
    }
}

/// A file that another names, opened.
pub(super) struct Opened {
    /// As shown.
    pub(super) path: Arc<str>,
    octets: Arc<[u8]>,
}

impl Opened {
    /// Finds and reads the file that `node` names.
    pub(super) fn new(node: &Node<'_>, what: &str, context: &Context<'_>, sink: &mut Sink) -> Option<Self> {
        let written = text(node, what, sink)?;
        let path = match resolve(context.path, written) {
            Ok(path) => path,
            Err((message, _)) => {
                sink.error_help(node.at(), message, "name a file beside this one, or below it: `maps/peering.csv`");
                return None;
            }
        };
        match context.files.read(&path) {
            Ok(octets) => Some(Self { path, octets }),
            Err(words) => {
                sink.error(node.at(), format!("`{path}` {words}"));
                None
            }
        }
    }

    /// Its text, without a byte-order mark.
    pub(super) fn text(&self, sink: &mut Sink) -> Option<&str> {
        match std::str::from_utf8(&self.octets) {
            Ok(text) => Some(text.strip_prefix('\u{feff}').unwrap_or(text)),
            Err(error) => {
                let good = self.octets.get(..error.valid_up_to()).unwrap_or_default();
                let line = good.split(|b| *b == b'\n').count() as u32;
                let location = Location { file: Arc::clone(&self.path), line, column: 1 };
                sink.error_at(&location, "this line is not UTF-8", "save the file as UTF-8");
                None
            }
        }
    }

    pub(super) fn is_yaml(&self) -> bool {
        let end = self.path.rsplit_once('.').map(|(_, end)| end);
        matches!(end, Some("yaml" | "yml"))
    }

    /// The items of a YAML file that is a list, each given to `read`. Findings are about that file.
    pub(super) fn items(&self, what: &str, sink: &mut Sink, mut read: impl FnMut(&Node<'_>, &mut Sink)) {
        let Some(text) = self.text(sink) else { return };
        sink.within(&self.path, |sink| {
            let document = yaml::read(text);
            for problem in document.problems {
                match problem.help {
                    Some(help) => sink.error_help(problem.at, problem.message, help),
                    None => sink.error(problem.at, problem.message),
                }
            }
            match document.root {
                Some(Node::List(_, items)) => items.iter().for_each(|item| read(item, sink)),
                Some(node) if !node.is_null() => {
                    let message = format!("a file of {what} is a list, not {}", kind(&node));
                    sink.error_help(node.at(), message, "each begins with `- `");
                }
                _ => {}
            }
        });
    }
}

fn rule_file(node: &Node<'_>, purpose: Purpose, collector: &mut Collector, context: &Context<'_>, sink: &mut Sink) {
    let Some(file) = Opened::new(node, "`file`", context, sink) else { return };
    let (before, errors) = (collector.len(), sink.error_count());
    if file.is_yaml() {
        file.items("rules", sink, |item, sink| rule(item, purpose, collector, sink));
    } else {
        super::rulefile::read(&file, purpose, collector, sink);
    }
    if collector.len() == before && sink.error_count() == errors {
        // A file that an editor or a full disk has emptied must not take the rules away (SEMANTICS §6.3).
        sink.error_help(node.at(), format!("`{}` holds no rules", file.path), "to do without it, delete this line");
    }
}

/// An inline rule, or one of a YAML file.
fn rule(node: &Node<'_>, purpose: Purpose, collector: &mut Collector, sink: &mut Sink) {
    let keys = if purpose == Purpose::Rules { &RULE } else { &FENCE };
    let Some(fields) = Fields::open(node, keys, sink) else { return };
    if let Some(file) = fields.get("file") {
        return sink.error_help(file.at(), "a rule file names no other file", "name both in the policy");
    }
    let Some(classes) = fields.get("match") else {
        let message = format!("{} has no `match`", purpose.what());
        return sink.error_help(node.at(), message, purpose.example());
    };
    let class = class(classes, sink);
    let errors = sink.error_count();
    let effects = effects(&fields, collector, sink);
    if effects.is_empty() && sink.error_count() == errors && fields.all_known(keys) {
        let message = format!("{} says nothing", purpose.what());
        sink.error_help(node.at(), message, format!("add one of {}", quoted(purpose.effects())));
    }
    if let Some(class) = class {
        let location = sink.location(node.at());
        collector.add(class, &effects, &location, sink);
    }
}

fn effects(fields: &Fields<'_, '_>, collector: &mut Collector, sink: &mut Sink) -> Vec<Arc<Effect>> {
    let mut effects = Vec::new();
    let mut costs: Vec<(String, Cost)> = Vec::new();
    for (key, turn) in [("prefer", negative as fn(Cost) -> Cost), ("avoid", |cost| cost)] {
        let Some(node) = fields.get(key) else { continue };
        let Some(written) = entries(node, &format!("`{key}`"), sink) else { continue };
        if written.is_empty() {
            sink.error_help(node.at(), format!("`{key}` names no PoP"), format!("for example `{key}: {{fra: 15ms}}`"));
        }
        for (pop, value) in written {
            collector.pop(&pop.text, || sink.location(pop.at));
            let Some(cost) = cost(value, &format!("the cost of `{}`", pop.text), sink) else { continue };
            if costs.iter().any(|(known, _)| *known == pop.text) {
                sink.error(pop.at, format!("`{}` is preferred and avoided at once", pop.text));
            } else {
                costs.push((pop.text.to_string(), turn(cost)));
            }
        }
    }
    if let Some(node) = fields.get("order")
        && let Some(pops) = pops(node, "`order`", collector, sink)
    {
        if costs.is_empty() {
            effects.push(Arc::new(Effect::Order(pops)));
        } else {
            let help =
                "an order leaves nothing to costs among the PoPs it names: make two rules, or keep one of the two";
            sink.error_help(node.at(), "`order` beside `prefer` or `avoid`", help);
        }
    }
    if !costs.is_empty() {
        effects.push(collector.adjust(costs));
    }
    if let Some(pops) = fields.get("only").and_then(|node| pops(node, "`only`", collector, sink)) {
        effects.push(Arc::new(Effect::Only(pops)));
    }
    if let Some(pops) = fields.get("never").and_then(|node| pops(node, "`never`", collector, sink)) {
        effects.push(Arc::new(Effect::Never(pops)));
    }
    effects
}

/// A list of PoPs, none twice, at least one.
fn pops(node: &Node<'_>, what: &str, collector: &mut Collector, sink: &mut Sink) -> Option<Vec<String>> {
    let spots = spots(node, what, sink)?;
    if spots.is_empty() {
        sink.error_help(node.at(), format!("{what} names no PoP"), "name at least one");
        return None;
    }
    let mut names: Vec<String> = Vec::with_capacity(spots.len());
    for spot in spots {
        collector.pop(&spot.text, || spot.location.clone());
        if names.contains(&spot.text) {
            sink.wrong(&spot.location, format!("PoP `{}` is named twice", spot.text));
        } else {
            names.push(spot.text);
        }
    }
    Some(names)
}

/// Reads `match:`: one level, any number of keys.
pub(super) fn class(node: &Node<'_>, sink: &mut Sink) -> Option<Match> {
    let fields = Fields::open(node, &MATCH, sink)?;
    let written = entries(node, "`match`", sink)?;
    let known: Vec<_> = written.iter().filter_map(|(key, value)| Some((Kind::new(&key.text)?, key, value))).collect();
    let (kind, key, value) = match known.as_slice() {
        [one] => *one,
        [] => {
            if fields.all_known(&MATCH) {
                let help = format!("one of {}", quoted(Kind::WORDS));
                sink.error_help(node.at(), "`match` names nobody", help);
            }
            return None;
        }
        [_, second, ..] => {
            let message = format!("`{}` beside another key of `match`", second.1.text);
            sink.error_help(second.1.at, message, "a rule is for clients of one level: make a rule for each");
            return None;
        }
    };
    let what = format!("`{}`", key.text);
    match kind {
        Kind::City | Kind::Subdivision => places(kind, value, &what, sink),
        Kind::Prefix => Some(Match::Prefix(each(value, &what, keys::prefix, sink)?)),
        Kind::Asn => Some(Match::Asn(each(value, &what, keys::asn, sink)?)),
        Kind::Country => Some(Match::Country(each(value, &what, keys::country, sink)?)),
        Kind::Continent => Some(Match::Continent(each(value, &what, keys::continent, sink)?)),
    }
}

fn each<T>(node: &Node<'_>, what: &str, read: impl Fn(&str) -> Result<T, Refused>, sink: &mut Sink) -> Option<Vec<T>> {
    let items = one_or_more(node, what, sink)?;
    let mut found = Vec::with_capacity(items.len());
    for item in items {
        let Some(written) = text(item, what, sink) else { continue };
        match read(written) {
            Ok(key) => found.push(key),
            Err(refused) => sink.error_help(item.at(), refused.message, refused.help),
        }
    }
    some(found, items.is_empty(), node.at(), what, sink)
}

fn some<T>(found: Vec<T>, nothing: bool, at: Position, what: &str, sink: &mut Sink) -> Option<Vec<T>> {
    if nothing {
        sink.error_help(at, format!("{what} is an empty list"), "it would match nobody: delete the rule");
    }
    (!found.is_empty()).then_some(found)
}

/// Cities and subdivisions: an id or code, a list of them, or one place in a list of its parts, or a list of such.
fn places(kind: Kind, node: &Node<'_>, what: &str, sink: &mut Sink) -> Option<Match> {
    let items = one_or_more(node, what, sink)?;
    let alone = |item: &Node<'_>| match item {
        Node::Scalar(text) if kind == Kind::City => text.text.bytes().all(|b| b.is_ascii_digit()),
        Node::Scalar(text) => text.text.contains('-'),
        Node::List(..) | Node::Map(..) | Node::Bulk(..) => true,
    };
    // `[DE, Munich]` is one city; `[2867714, 2950159]` and `[[DE, Munich], [DE, Berlin]]` are two.
    let one = matches!(node, Node::List(..)) && items.len() > 1 && !items.iter().any(alone);
    let whole = std::slice::from_ref(node);
    let groups: &[Node<'_>] = if one { whole } else { items };
    let (mut cities, mut subdivisions) = (Vec::new(), Vec::new());
    for group in groups {
        let Some(parts) = one_or_more(group, what, sink) else { continue };
        let parts: Vec<&str> = parts.iter().filter_map(|part| text(part, what, sink)).collect();
        let refused = if kind == Kind::City {
            keys::city(&parts).map(|city| cities.push(city))
        } else {
            keys::subdivision(&parts).map(|subdivision| subdivisions.push(subdivision))
        };
        if let Err(refused) = refused {
            sink.error_help(group.at(), refused.message, refused.help);
        }
    }
    if kind == Kind::City {
        Some(Match::City(some(cities, items.is_empty(), node.at(), what, sink)?))
    } else {
        Some(Match::Subdivision(some(subdivisions, items.is_empty(), node.at(), what, sink)?))
    }
}
