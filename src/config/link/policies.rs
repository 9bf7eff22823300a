//! Policies: what each takes from those it extends, and whether the PoPs it names exist.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::file::policies::{AllDownText, OrOff, PanicText, PolicyText, RankText};
use super::super::model::PolicyModel;
use super::super::reader::{Sink, Spot};
use super::undefined;
use crate::steering::{OnAllDown, OnEmpty, Panic, Policy, Rank, Unit};

/// A policy that a service or a steered name asks for.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) policy: Arc<Policy>,
    /// As written; `None` for a built-in one.
    pub(super) text: Option<Arc<PolicyText>>,
}

impl Chosen {
    /// What serves where nothing is said.
    pub(super) fn nearest() -> Option<Self> {
        Some(Self { policy: Arc::new(Policy::built_in("nearest")?), text: None })
    }
}

/// How far `panic` reaches beyond its beginning where `resume` is not written, in thousandths.
const RESUME: u16 = 150;

/// Resolves policies among themselves and against those of the fleet, in the order given. One whose base is unknown is
/// told, and stands as it is written, so that naming it is no second error.
pub(super) fn resolve<'n>(
    own: &[Arc<PolicyText>],
    shared: &[PolicyModel],
    pops: impl Iterator<Item = &'n str>,
    broken: &[&HashSet<String>],
    sink: &mut Sink,
) -> Vec<PolicyModel> {
    if own.is_empty() {
        return Vec::new();
    }
    let pops: HashSet<&str> = pops.collect();
    for spot in own.iter().flat_map(|policy| policy.named()) {
        if !pops.contains(spot.text.as_str()) && !broken.iter().any(|names| names.contains(&spot.text)) {
            undefined("PoP", spot, pops.iter().copied(), "", sink);
        }
    }
    let texts = own.iter().map(|policy| (policy.name.as_str(), policy)).collect();
    let mut bases = Bases { texts, shared, broken, merged: HashMap::new(), path: Vec::new() };
    own.iter()
        .map(|policy| {
            let text = bases.merged(policy, sink);
            let policy = Arc::new(build(&text, sink));
            PolicyModel { policy, location: text.location.clone(), text }
        })
        .collect()
}

struct Bases<'b> {
    texts: HashMap<&'b str, &'b Arc<PolicyText>>,
    shared: &'b [PolicyModel],
    broken: &'b [&'b HashSet<String>],
    merged: HashMap<&'b str, Arc<PolicyText>>,
    /// Names on the way from the first that was asked for.
    path: Vec<&'b str>,
}

impl<'b> Bases<'b> {
    fn merged(&mut self, text: &'b Arc<PolicyText>, sink: &mut Sink) -> Arc<PolicyText> {
        if let Some(known) = self.merged.get(text.name.as_str()) {
            return Arc::clone(known);
        }
        self.path.push(&text.name);
        let base = text.extends.as_ref().and_then(|spot| self.base(spot, sink));
        self.path.pop();
        let merged = base.map_or_else(|| Arc::clone(text), |base| Arc::new(text.over(&base)));
        self.merged.insert(&text.name, Arc::clone(&merged));
        merged
    }

    fn base(&mut self, spot: &'b Spot, sink: &mut Sink) -> Option<Arc<PolicyText>> {
        let name = spot.text.as_str();
        if let Some(rank) = built_in(name) {
            return Some(Arc::new(PolicyText { rank: Some(rank), ..PolicyText::empty(name, spot.location.clone()) }));
        }
        if let Some(start) = self.path.iter().position(|known| *known == name) {
            let way: Vec<String> = self.path[start..].iter().chain([&name]).map(|name| format!("`{name}`")).collect();
            let message = format!("policy `{name}` extends itself: {}", way.join(" → "));
            sink.error_at(&spot.location, message, "take one `extends` out");
            return None;
        }
        if let Some(text) = self.texts.get(name).copied() {
            return Some(self.merged(text, sink));
        }
        if let Some(model) = self.shared.iter().find(|model| model.policy.name == name) {
            return Some(Arc::clone(&model.text));
        }
        if !self.broken.iter().any(|names| names.contains(name)) {
            let shared = self.shared.iter().map(|model| model.policy.name.as_str());
            undefined("policy", spot, self.texts.keys().copied().chain(shared), BUILT_IN, sink);
        }
        None
    }
}

/// For messages.
pub(super) const BUILT_IN: &str = "built in: `nearest`, `failover`, `weighted`";

fn built_in(name: &str) -> Option<RankText> {
    Some(match Policy::built_in(name)?.rank {
        Rank::Order => RankText::Order,
        Rank::Weights => RankText::Weights,
        Rank::Distance | Rank::Latency(_) => RankText::Distance,
    })
}

fn build(text: &PolicyText, sink: &mut Sink) -> Policy {
    let names = |spots: &Vec<Spot>| spots.iter().map(|spot| spot.text.clone()).collect::<Vec<_>>();
    let ns_per_km = text.ns_per_km.unwrap_or(Policy::NS_PER_KM);
    let rank = match &text.rank {
        None | Some(RankText::Distance) => Rank::Distance,
        Some(RankText::Order) => Rank::Order,
        Some(RankText::Weights) => Rank::Weights,
        // Without rows, which is told, distance decides.
        Some(RankText::Latency(latency)) => {
            latency.build(ns_per_km, sink).map_or(Rank::Distance, |map| Rank::Latency(Arc::new(map)))
        }
    };
    let unit = Unit::default();
    Policy {
        name: text.name.clone(),
        tiers: text.tiers.iter().flatten().map(names).collect(),
        fences: text.fences.as_ref().map(|fences| fences.rules(ns_per_km).list().to_vec()).unwrap_or_default(),
        rules: text.rules.as_ref().map(|rules| rules.rules(ns_per_km)).unwrap_or_default(),
        rank,
        default_order: text.default_order.as_ref().map(names).unwrap_or_default(),
        ns_per_km,
        bias: text.bias.iter().map(|(pop, cost)| (pop.text.clone(), cost.microseconds(ns_per_km))).collect(),
        near: text.near.as_ref().and_then(OrOff::on).map(|cost| cost.microseconds(ns_per_km).unsigned_abs()),
        unit: Unit { v4: text.unit_v4.unwrap_or(unit.v4), v6: text.unit_v6.unwrap_or(unit.v6) },
        sticky: text.sticky.unwrap_or(true),
        count: text.count.unwrap_or(1),
        skip: text.skip.unwrap_or(0),
        panic: text.panic.as_ref().and_then(OrOff::on).and_then(|written| panic(written, sink)),
        on_all_down: match text.on_all_down.as_ref().map(|written| &written.0) {
            None | Some(AllDownText::IgnoreHealth) => OnAllDown::IgnoreHealth,
            Some(AllDownText::Servfail) => OnAllDown::Servfail,
            Some(AllDownText::Fallback(addresses)) => OnAllDown::Fallback(addresses.clone()),
        },
        on_empty: text.on_empty.as_ref().map_or(OnEmpty::Static, |written| written.0),
        detail: text.detail.unwrap_or(crate::steering::Detail::Exact),
    }
}

fn panic(written: &PanicText, sink: &mut Sink) -> Option<Panic> {
    let percent = |n: u16| format!("{}%", f64::from(n) / 10.0);
    let Some(below) = written.below else {
        let help = "below which share health is ignored: `panic: {below: 34%, resume: 50%}`";
        sink.error_at(&written.location, "`panic` has no `below`", help);
        return None;
    };
    let resume = written.resume.unwrap_or((below + RESUME).min(1000));
    if resume < below {
        let message = format!("panic ends at {}, and begins below {}", percent(resume), percent(below));
        sink.error_at(&written.location, message, "`resume` is at least `below`");
    }
    Some(Panic { below, resume })
}
