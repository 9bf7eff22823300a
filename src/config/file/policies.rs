//! `policies:` as written: each key of its own, so that a policy that `extends` another takes from it what it leaves out.

use std::net::IpAddr;
use std::sync::Arc;

use super::super::diagnostic::Location;
use super::super::grammar::{Keys, Shape, key, required};
use super::super::reader::{
    Fields, Sink, Spot, boolean, entries, integer, kind, name, one_or_more, quoted, spots, text, word,
};
use super::super::units::{Cost, cost, share, signed_cost, thousandths};
use super::super::yaml::Node;
use super::Context;
use super::latency::{self, LatencyText};
use super::rules::{self, Purpose, RulesText};
use super::services::ip;
use crate::steering::{Detail, OnEmpty, Policy};

/// A policy.
pub(super) const POLICY: Keys = Keys {
    what: "a policy",
    known: &[
        key(
            "extends",
            Shape::Reference("a policy"),
            "nearest",
            "Where what is not written here comes from. Maps merge by key, lists are replaced.",
        ),
        key(
            "tiers",
            Shape::List(&PLACES),
            "all PoPs in one",
            "A later tier serves a client only when the earlier ones have nobody for it. What is in no tier never serves. At most 16.",
        ),
        key("fence", Shape::List(&Shape::Map(&rules::FENCE)), "none", "Who may be sent where; never relaxed."),
        key("rules", Shape::List(&Shape::Map(&rules::RULE)), "none", "What some clients are given."),
        key(
            "rank",
            Shape::Either(&[Shape::Words(&["distance", "order", "weights"]), Shape::Map(&RANK)]),
            "distance",
            "What orders the PoPs of a tier. Ties: the order in `pops:` of the service.",
        ),
        key("ms_per_km", Shape::Number(0.000_001, 1.0), "0.0174", "What a kilometer costs, in milliseconds."),
        key(
            "default",
            PLACES,
            "the order in `pops:`",
            "For clients of whom neither place nor country is known; PoPs it does not name follow.",
        ),
        key(
            "bias",
            Shape::Named("a PoP", &Shape::Cost),
            "none",
            "Added to the PoP's cost for everyone; may be below zero.",
        ),
        key(
            "near",
            Shape::Either(&[Shape::Words(&["off"]), Shape::Cost]),
            "off",
            "PoPs that cost at most so much more than the best share its clients, by weight.",
        ),
        key("unit", Shape::Map(&UNIT), "20, 44", "Blocks that sharing never tears apart."),
        key(
            "sticky",
            Shape::Flag,
            "true",
            "Whether a client stays on its side of a split; else each query is dealt anew.",
        ),
        key("count", Shape::Whole(1, 8), "1", "PoPs in an answer."),
        key("skip", Shape::Whole(0, 7), "0", "How many of the best are passed over."),
        key(
            "panic",
            Shape::Either(&[Shape::Words(&["off"]), Shape::Share, Shape::Map(&PANIC)]),
            "off",
            "When so little of a tier's capacity is usable that health is ignored there.",
        ),
        key(
            "on_all_down",
            Shape::Either(&[Shape::Words(&["ignore-health", "servfail"]), Shape::Map(&ALL_DOWN)]),
            "ignore-health",
            "When no PoP is usable.",
        ),
        key(
            "on_empty",
            Shape::Words(&["static", "servfail"]),
            "static",
            "When fences and orders leave nobody: the `A` and `AAAA` beside `steer`, or SERVFAIL.",
        ),
        key("ecs", Shape::Map(&ECS), "exact", "How exact client-subnet scopes are."),
    ],
    planned: &["price", "load"],
};
const PLACES: Shape = Shape::OneOrMore(&Shape::Reference("a PoP"));
const UNIT: Keys = Keys {
    what: "`unit`",
    known: &[
        key("v4", Shape::Whole(16, 24), "20", "Prefix length of IPv4 units."),
        key("v6", Shape::Whole(32, 56), "44", "Prefix length of IPv6 units."),
    ],
    planned: &[],
};
const PANIC: Keys = Keys {
    what: "`panic`",
    known: &[
        required("below", Shape::Share, "Below this share of usable capacity in a tier, health is ignored there."),
        key("resume", Shape::Share, "15 points above", "Until this share is reached again."),
    ],
    planned: &[],
};
const ALL_DOWN: Keys = Keys {
    what: "`on_all_down`",
    known: &[required(
        "fallback",
        Shape::OneOrMore(&Shape::Address),
        "Addresses to answer with, at most 16, of every family the service has.",
    )],
    planned: &[],
};
const ECS: Keys = Keys {
    what: "`ecs` of a policy",
    known: &[key(
        "detail",
        Shape::Either(&[Shape::Words(&["exact"]), Shape::Map(&DETAIL)]),
        "exact",
        "Answering small odd blocks like what surrounds them saves entries in resolvers' caches.",
    )],
    planned: &[],
};
const DETAIL: Keys = Keys {
    what: "`detail`",
    known: &[
        key(
            "budget",
            Shape::Form("a distance in km", r"^[0-9]+(\.[0-9]{1,3})? *km$"),
            "",
            "For this detour on average, 0.001km to 1000km.",
        ),
        key("entries", Shape::Whole(1, 16_000_000), "", "Until so many blocks are left."),
    ],
    planned: &[],
};
const RANK: Keys = Keys {
    what: "`rank`",
    known: &[required(
        "latency",
        Shape::Either(&[Shape::Text, Shape::Map(&latency::LATENCY)]),
        "By measured round-trip times where they are known, else by distance; a file, or a map.",
    )],
    planned: &["load", "price"],
};

/// Most addresses of a fallback: what fits a UDP response beside names.
const MAX_FALLBACK: usize = 16;

/// A policy as far as it is written.
#[derive(Clone, Debug)]
pub(crate) struct PolicyText {
    pub(crate) name: String,
    pub(crate) location: Location,
    pub(crate) extends: Option<Spot>,
    pub(crate) tiers: Option<Vec<Vec<Spot>>>,
    pub(crate) fences: Option<Arc<RulesText>>,
    pub(crate) rules: Option<Arc<RulesText>>,
    pub(crate) rank: Option<RankText>,
    pub(crate) ns_per_km: Option<u32>,
    pub(crate) default_order: Option<Vec<Spot>>,
    pub(crate) bias: Vec<(Spot, Cost)>,
    pub(crate) near: Option<OrOff<Cost>>,
    pub(crate) unit_v4: Option<u8>,
    pub(crate) unit_v6: Option<u8>,
    pub(crate) sticky: Option<bool>,
    pub(crate) count: Option<u8>,
    pub(crate) skip: Option<u8>,
    pub(crate) panic: Option<OrOff<PanicText>>,
    pub(crate) on_all_down: Option<(AllDownText, Location)>,
    pub(crate) on_empty: Option<(OnEmpty, Location)>,
    pub(crate) detail: Option<Detail>,
}

/// What may be taken away again by a policy that extends another.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OrOff<T> {
    Off,
    On(T),
}

impl<T> OrOff<T> {
    pub(crate) fn on(&self) -> Option<&T> {
        match self {
            Self::Off => None,
            Self::On(value) => Some(value),
        }
    }

    /// `off`, or what `read` makes of it.
    fn read(node: &Node<'_>, read: impl FnOnce() -> Option<T>) -> Option<Self> {
        if matches!(node, Node::Scalar(text) if text.text == "off") { Some(Self::Off) } else { read().map(Self::On) }
    }
}

/// What orders PoPs.
#[derive(Clone, Debug)]
pub(crate) enum RankText {
    Distance,
    Order,
    Weights,
    Latency(LatencyText),
}

/// When health is ignored, in thousandths.
#[derive(Clone, Debug)]
pub(crate) struct PanicText {
    pub(crate) below: Option<u16>,
    pub(crate) resume: Option<u16>,
    pub(crate) location: Location,
}

/// What happens when no PoP is usable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AllDownText {
    IgnoreHealth,
    Servfail,
    Fallback(Vec<IpAddr>),
}

impl PolicyText {
    /// Of which nothing is written.
    pub(crate) fn empty(name: &str, location: Location) -> Self {
        Self {
            name: name.to_owned(),
            location,
            extends: None,
            tiers: None,
            fences: None,
            rules: None,
            rank: None,
            ns_per_km: None,
            default_order: None,
            bias: Vec::new(),
            near: None,
            unit_v4: None,
            unit_v6: None,
            sticky: None,
            count: None,
            skip: None,
            panic: None,
            on_all_down: None,
            on_empty: None,
            detail: None,
        }
    }

    /// This policy, and where nothing is written `base`: maps merge by key, lists are replaced.
    pub(crate) fn over(&self, base: &Self) -> Self {
        let mut bias = base.bias.clone();
        for (pop, cost) in &self.bias {
            match bias.iter_mut().find(|(known, _)| known.text == pop.text) {
                Some(known) => *known = (pop.clone(), *cost),
                None => bias.push((pop.clone(), *cost)),
            }
        }
        let rank = match (&self.rank, &base.rank) {
            (Some(RankText::Latency(own)), Some(RankText::Latency(base))) => Some(RankText::Latency(own.over(base))),
            (own, base) => own.clone().or_else(|| base.clone()),
        };
        let panic = match (&self.panic, &base.panic) {
            (Some(OrOff::On(own)), Some(OrOff::On(base))) => Some(OrOff::On(PanicText {
                below: own.below.or(base.below),
                resume: own.resume.or(base.resume),
                location: own.location.clone(),
            })),
            (own, base) => own.clone().or_else(|| base.clone()),
        };
        Self {
            name: self.name.clone(),
            location: self.location.clone(),
            extends: self.extends.clone(),
            tiers: self.tiers.clone().or_else(|| base.tiers.clone()),
            fences: self.fences.clone().or_else(|| base.fences.clone()),
            rules: self.rules.clone().or_else(|| base.rules.clone()),
            rank,
            ns_per_km: self.ns_per_km.or(base.ns_per_km),
            default_order: self.default_order.clone().or_else(|| base.default_order.clone()),
            bias,
            near: self.near.or(base.near),
            unit_v4: self.unit_v4.or(base.unit_v4),
            unit_v6: self.unit_v6.or(base.unit_v6),
            sticky: self.sticky.or(base.sticky),
            count: self.count.or(base.count),
            skip: self.skip.or(base.skip),
            panic,
            on_all_down: self.on_all_down.clone().or_else(|| base.on_all_down.clone()),
            on_empty: self.on_empty.clone().or_else(|| base.on_empty.clone()),
            detail: self.detail.or(base.detail),
        }
    }

    /// Every PoP that is named, perhaps several times.
    pub(crate) fn named(&self) -> impl Iterator<Item = &Spot> {
        let latency: &[Spot] = match &self.rank {
            Some(RankText::Latency(latency)) => latency::named(latency),
            Some(RankText::Distance | RankText::Order | RankText::Weights) | None => &[],
        };
        let rules = [&self.fences, &self.rules].into_iter().flatten().flat_map(|rules| &rules.named);
        let tiers = self.tiers.iter().flatten().flatten();
        let lists = tiers.chain(self.default_order.iter().flatten()).chain(self.bias.iter().map(|(spot, _)| spot));
        lists.chain(rules).chain(latency)
    }
}

pub(super) fn read(node: &Node<'_>, context: &Context<'_>, sink: &mut Sink) -> Vec<Arc<PolicyText>> {
    let mut policies = Vec::new();
    for (key, value) in entries(node, "`policies`", sink).unwrap_or_default() {
        let named = name(key, "a policy", sink);
        if Policy::BUILT_IN.contains(&&*key.text) {
            let help = format!("take another name, and say `extends: {}`", key.text);
            sink.error_help(key.at, format!("`{}` is the name of a built-in policy", key.text), help);
            continue;
        }
        let mut policy = PolicyText::empty(&key.text, sink.location(key.at));
        let Some(fields) = Fields::open(value, &POLICY, sink) else { continue };
        fill(&mut policy, &fields, context, sink);
        if named {
            policies.push(Arc::new(policy));
        }
    }
    policies
}

fn fill(policy: &mut PolicyText, fields: &Fields<'_, '_>, context: &Context<'_>, sink: &mut Sink) {
    policy.extends = fields.get("extends").and_then(|node| Spot::read(node, "`extends`", sink));
    policy.tiers = fields.get("tiers").and_then(|node| tiers(node, sink));
    let mut list = |key, purpose| fields.get(key).map(|node| Arc::new(rules::read(node, purpose, context, sink)));
    policy.fences = list("fence", Purpose::Fences);
    policy.rules = list("rules", Purpose::Rules);
    policy.rank = fields.get("rank").and_then(|node| rank(node, context, sink));
    policy.ns_per_km = fields.get("ms_per_km").and_then(|node| ns_per_km(node, sink));
    policy.default_order = fields.get("default").and_then(|node| order(node, "`default`", sink));
    policy.bias = fields.get("bias").map(|node| bias(node, sink)).unwrap_or_default();
    policy.near = fields.get("near").and_then(|node| OrOff::read(node, || cost(node, "`near`", sink)));
    if let Some(unit) = fields.get("unit").and_then(|node| Fields::open(node, &UNIT, sink)) {
        policy.unit_v4 = unit.get("v4").and_then(|node| integer(node, "`v4`", &(16..=24), sink));
        policy.unit_v6 = unit.get("v6").and_then(|node| integer(node, "`v6`", &(32..=56), sink));
    }
    policy.sticky = fields.get("sticky").and_then(|node| boolean(node, "`sticky`", sink));
    policy.count = fields.get("count").and_then(|node| count(node, sink));
    policy.skip = fields.get("skip").and_then(|node| skip(node, sink));
    policy.panic = fields.get("panic").and_then(|node| OrOff::read(node, || panic(node, sink)));
    policy.on_all_down =
        fields.get("on_all_down").and_then(|node| Some((on_all_down(node, sink)?, sink.location(node.at()))));
    policy.on_empty = fields.get("on_empty").and_then(|node| {
        let what = [("static", OnEmpty::Static), ("servfail", OnEmpty::Servfail)];
        Some((word(node, "`on_empty`", &what, sink)?, sink.location(node.at())))
    });
    policy.detail = fields.get("ecs").and_then(|node| detail(node, sink));
}

fn tiers(node: &Node<'_>, sink: &mut Sink) -> Option<Vec<Vec<Spot>>> {
    const HELP: &str = "lists of PoPs, the first to serve first: `tiers: [[fra, ams], [iad]]`";
    let Node::List(at, items) = node else {
        sink.error_help(node.at(), format!("`tiers` is a list of lists, not {}", kind(node)), HELP);
        return None;
    };
    if items.is_empty() {
        sink.error_help(*at, "`tiers` has no tier", HELP);
        return None;
    }
    if items.len() > Policy::MAX_TIERS {
        let message = format!("{} tiers, more than {}", items.len(), Policy::MAX_TIERS);
        sink.error_help(*at, message, "PoPs of one tier are ranked among themselves: join some");
        return None;
    }
    let mut tiers: Vec<Vec<Spot>> = Vec::with_capacity(items.len());
    for item in items {
        if let Node::Scalar(text) = item
            && !text.is_null()
        {
            sink.error_help(item.at(), format!("tier `{}` is no list", text.text), format!("write `[{}]`", text.text));
            continue;
        }
        let tier = spots(item, "a tier", sink)?;
        if tier.is_empty() {
            sink.error_help(item.at(), "a tier without PoPs", "name some, or leave the tier out");
        }
        for (index, spot) in tier.iter().enumerate() {
            let earlier = tiers.iter().flatten().chain(&tier[..index]).find(|known| known.text == spot.text);
            if let Some(earlier) = earlier {
                let message = format!("PoP `{}` is in a tier already, at {}", spot.text, earlier.location);
                sink.error_at(&spot.location, message, "a PoP is in one tier");
                sink.also(&earlier.location, "first here");
            }
        }
        tiers.push(tier);
    }
    Some(tiers)
}

/// PoPs, best first, none twice.
fn order(node: &Node<'_>, what: &str, sink: &mut Sink) -> Option<Vec<Spot>> {
    let list = spots(node, what, sink)?;
    if list.is_empty() {
        sink.error_help(node.at(), format!("{what} names no PoP"), "name at least one, or leave the key out");
        return None;
    }
    for (index, spot) in list.iter().enumerate() {
        if list[..index].iter().any(|known| known.text == spot.text) {
            sink.wrong(&spot.location, format!("PoP `{}` is named twice", spot.text));
        }
    }
    Some(list)
}

fn rank(node: &Node<'_>, context: &Context<'_>, sink: &mut Sink) -> Option<RankText> {
    if let Node::Map(at, _) = node {
        let fields = Fields::open(node, &RANK, sink)?;
        let Some(latency) = fields.get("latency") else {
            if fields.all_known(&RANK) {
                sink.error_help(*at, "`rank` says nothing", "for example `rank: {latency: {map: maps/latency.csv}}`");
            }
            return None;
        };
        return latency::read(latency, context, sink).map(RankText::Latency);
    }
    if matches!(node, Node::Scalar(text) if text.text == "latency") {
        let help = "say where they are: `rank: {latency: {map: maps/latency.csv}}`";
        sink.error_help(node.at(), "`rank: latency` without measurements", help);
        return None;
    }
    let by = [("distance", 0), ("order", 1), ("weights", 2)];
    Some(match word(node, "`rank`", &by, sink)? {
        0 => RankText::Distance,
        1 => RankText::Order,
        _ => RankText::Weights,
    })
}

/// Milliseconds per kilometer with up to six digits after the point, in nanoseconds.
fn ns_per_km(node: &Node<'_>, sink: &mut Sink) -> Option<u32> {
    let written = text(node, "`ms_per_km`", sink)?;
    let (whole, part) = written.split_once('.').unwrap_or((written, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let good = !whole.is_empty() && whole.len() < 5 && part.len() <= 6 && digits(whole) && digits(part);
    let ns = good.then(|| format!("{whole}{part:0<6}").parse::<u32>().ok()).flatten();
    let ns = ns.filter(|ns| (1..=1_000_000).contains(ns));
    if ns.is_none() {
        let help = "milliseconds of round trip per kilometer, from 0.000001 to 1, for example `0.0174`";
        sink.error_help(node.at(), format!("`ms_per_km` cannot be `{written}`"), help);
    }
    ns
}

fn bias(node: &Node<'_>, sink: &mut Sink) -> Vec<(Spot, Cost)> {
    let mut list = Vec::new();
    for (pop, value) in entries(node, "`bias`", sink).unwrap_or_default() {
        if let Some(cost) = signed_cost(value, &format!("the bias of `{}`", pop.text), sink) {
            list.push((Spot { text: pop.text.to_string(), location: sink.location(pop.at) }, cost));
        }
    }
    list
}

/// How many PoPs an answer holds.
pub(super) fn count(node: &Node<'_>, sink: &mut Sink) -> Option<u8> {
    integer(node, "`count`", &(1..=Policy::MAX_COUNT), sink)
}

/// How many PoPs are passed over.
pub(super) fn skip(node: &Node<'_>, sink: &mut Sink) -> Option<u8> {
    integer(node, "`skip`", &(0..=Policy::MAX_SKIP), sink)
}

fn panic(node: &Node<'_>, sink: &mut Sink) -> Option<PanicText> {
    let location = sink.location(node.at());
    if !matches!(node, Node::Map(..)) {
        return Some(PanicText { below: Some(share(node, "`panic`", sink)?), resume: None, location });
    }
    let fields = Fields::open(node, &PANIC, sink)?;
    let mut get = |key| fields.get(key).and_then(|node| share(node, &format!("`{key}`"), sink));
    let (below, resume) = (get("below"), get("resume"));
    // What is written and wrong is told; what is not written may come from the policy that is extended.
    (below.is_some() || fields.get("below").is_none()).then_some(PanicText { below, resume, location })
}

fn on_all_down(node: &Node<'_>, sink: &mut Sink) -> Option<AllDownText> {
    const HELP: &str = "addresses to answer then: `{fallback: [192.0.2.1, \"2001:db8::1\"]}`";
    if !matches!(node, Node::Map(..)) {
        if matches!(node, Node::Scalar(text) if text.text == "fallback") {
            sink.error_help(node.at(), "`fallback` without addresses", HELP);
            return None;
        }
        let ignore = word(node, "`on_all_down`", &[("ignore-health", true), ("servfail", false)], sink)?;
        return Some(if ignore { AllDownText::IgnoreHealth } else { AllDownText::Servfail });
    }
    let fields = Fields::open(node, &ALL_DOWN, sink)?;
    let list = fields.get("fallback")?;
    let items = one_or_more(list, "`fallback`", sink)?;
    if items.is_empty() {
        sink.error_help(list.at(), "`fallback` has no address", HELP);
        return None;
    }
    if items.len() > MAX_FALLBACK {
        sink.error(list.at(), format!("{} addresses in `fallback`, more than {MAX_FALLBACK}", items.len()));
    }
    let mut addresses: Vec<IpAddr> = Vec::with_capacity(items.len());
    for item in items {
        let Some(address) = ip(item, sink) else { continue };
        if addresses.contains(&address) {
            sink.error(item.at(), format!("`{address}` is written twice"));
        } else {
            addresses.push(address);
        }
    }
    Some(AllDownText::Fallback(addresses))
}

fn detail(node: &Node<'_>, sink: &mut Sink) -> Option<Detail> {
    if let Node::Scalar(text) = node
        && matches!(&*text.text, "on" | "off")
    {
        let help =
            "client subnets are heeded by zone (`ecs: off` in a zone file) and by listener; a policy has `detail`";
        sink.error_help(node.at(), format!("`ecs` of a policy cannot be `{}`", text.text), help);
        return None;
    }
    let fields = Fields::open(node, &ECS, sink)?;
    let node = fields.get("detail")?;
    if !matches!(node, Node::Map(..)) {
        return word(node, "`detail`", &[("exact", Detail::Exact)], sink);
    }
    let fields = Fields::open(node, &DETAIL, sink)?;
    match (fields.get("budget"), fields.get("entries")) {
        (Some(node), None) => budget(node, sink),
        (None, Some(node)) => integer(node, "`entries`", &(1..=16_000_000), sink).map(Detail::Entries),
        (Some(_), Some(node)) => {
            sink.error_help(node.at(), "`entries` beside `budget`", "keep one of the two");
            None
        }
        (None, None) => {
            if fields.all_known(&DETAIL) {
                let help = format!("one of {}, or `detail: exact`", quoted(DETAIL.names()));
                sink.error_help(node.at(), "`detail` says nothing", help);
            }
            None
        }
    }
}

fn budget(node: &Node<'_>, sink: &mut Sink) -> Option<Detail> {
    let written = text(node, "`budget`", sink)?;
    let meters = written.strip_suffix("km").and_then(|number| thousandths(number.trim_end()));
    let meters = meters.and_then(|m| u32::try_from(m).ok()).filter(|meters| (1..=1_000_000).contains(meters));
    if meters.is_none() {
        let help = "an average detour from `0.001km` to `1000km`, for example `5km`";
        sink.error_help(node.at(), format!("`budget` cannot be `{written}`"), help);
    }
    meters.map(Detail::Budget)
}
