//! How a policy orders the members of a service for one class of clients: what a rule puts first, then by cost, then in
//! written order (SEMANTICS §2.2, §2.3, §2.5).

use super::decide::Class;
use super::plan::{Given, Order, Shape};
use super::policy::LatencyMap;
use super::stance::{Level, Row};
use crate::geo::location::{Vector, chord_slack, cost_of_chord};

/// The order of the members for one class.
pub(super) struct Ranking<'p> {
    shape: &'p Shape,
    /// Members that a rule puts first.
    first: &'p [u16],
    costs: Costs<'p>,
}

/// Costs, as far as they are worked out. Those of distance are compared as squared chords, which order alike and take a tenth of
/// the time; integers are needed only of the nearest and of those so close that the integers may be equal.
enum Costs<'p> {
    /// Nothing but the written order.
    Written,
    /// By distance from here, if that is known, and the microseconds that bias and rules add.
    Distance(Option<Vector>, Option<Extras<'p>>),
    /// Integers; `None` without a place or measurement.
    Totals(Vec<Option<i64>>),
}

/// What is added to costs.
struct Extras<'p> {
    shape: &'p Shape,
    adjust: &'p [(u16, i32)],
    /// Nobody's is less.
    least: i64,
}

impl Extras<'_> {
    fn of(&self, index: u16) -> i64 {
        let adjust =
            self.adjust.iter().filter(|(member, _)| *member == index).map(|(_, us)| i64::from(*us)).sum::<i64>();
        i64::from(self.shape.members[usize::from(index)].bias) + adjust
    }
}

impl<'p> Ranking<'p> {
    pub(super) fn new(shape: &'p Shape, class: &Class<'p>) -> Self {
        let rule = class.stance.rule.and_then(|index| shape.given.get(index as usize));
        let first = match rule {
            Some(Given::Order(list)) => list.as_slice(),
            _ => &[],
        };
        let adjust = match rule {
            Some(Given::Adjust(list)) => list.as_slice(),
            _ => &[],
        };
        Self { shape, first, costs: Costs::new(shape, class, adjust) }
    }

    /// The best member that is wanted.
    pub(super) fn best(&self, wanted: impl Fn(u16) -> bool) -> Option<u16> {
        if let Some(index) = self.first.iter().find(|index| wanted(**index)) {
            return Some(*index);
        }
        let known = match &self.costs {
            Costs::Written => return (0..self.shape.members.len() as u16).find(|index| wanted(*index)),
            Costs::Distance(from, extras) => from.and_then(|from| self.nearest(&from, extras.as_ref(), &wanted)),
            Costs::Totals(totals) => {
                let wanted = |(index, total): (usize, &Option<i64>)| {
                    let total = (*total)?;
                    wanted(index as u16).then_some((total, index as u16))
                };
                totals.iter().enumerate().filter_map(wanted).min().map(|found| found.1)
            }
        };
        known.or_else(|| self.unknown(wanted))
    }

    /// The first wanted member without a cost.
    fn unknown(&self, wanted: impl Fn(u16) -> bool) -> Option<u16> {
        let wanted = |index: &u16| self.total(*index).is_none() && wanted(*index);
        let by_default = self.shape.default_order.iter().copied().find(wanted);
        by_default.or_else(|| (0..self.shape.members.len() as u16).find(wanted))
    }

    /// The cost of a member in microseconds, with all that is added.
    pub(super) fn total(&self, index: u16) -> Option<i64> {
        let at = usize::from(index);
        match &self.costs {
            Costs::Written => None,
            Costs::Distance(from, extras) => {
                let chord = from.as_ref()?.chord_squared(&self.shape.members[at].vector?);
                Some(self.with_extras(chord, index, extras.as_ref()))
            }
            Costs::Totals(totals) => totals[at],
        }
    }

    /// Whether a rule put this member first.
    pub(super) fn is_first(&self, index: u16) -> bool {
        self.first.contains(&index)
    }

    /// Whether costs are of measured latency.
    pub(super) fn is_measured(&self) -> bool {
        matches!(self.costs, Costs::Totals(_))
    }

    /// The wanted member with the smallest total, the first of those in case of a tie.
    fn nearest(&self, from: &Vector, extras: Option<&Extras<'_>>, wanted: &impl Fn(u16) -> bool) -> Option<u16> {
        let members = &self.shape.members;
        let places = members.iter().map(|member| member.vector);
        if let Some(few) = self.shape.nearby.few(from, members.len(), places)
            && let Some((index, limit)) = self.nearest_of(few.members.iter().copied(), from, extras, wanted)
            && limit < few.beyond
        {
            return Some(index);
        }
        self.nearest_of(0..members.len() as u16, from, extras, wanted).map(|found| found.0)
    }

    /// The same among some members, rising, and the longest chord that could win there. Totals are worked out only of members
    /// whose chord is no longer: nobody's total is below the cost of its chord plus `least`.
    fn nearest_of(
        &self,
        some: impl Iterator<Item = u16> + Clone,
        from: &Vector,
        extras: Option<&Extras<'_>>,
        wanted: &impl Fn(u16) -> bool,
    ) -> Option<(u16, f64)> {
        let chord = |index: u16| Some(from.chord_squared(&self.shape.members[usize::from(index)].vector?));
        let mut shortest = f64::INFINITY;
        let mut first = 0;
        for index in some.clone() {
            if let Some(chord) = chord(index)
                && chord < shortest
                && wanted(index)
            {
                (shortest, first) = (chord, index);
            }
        }
        if shortest == f64::INFINITY {
            return None;
        }
        let slack = chord_slack(self.shape.ms_per_km);
        let limit = match extras {
            None => shortest.sqrt() + slack,
            Some(extras) => longest_chord(self.with_extras(shortest, first, Some(extras)) - extras.least, slack),
        };
        let near = some.filter_map(|index| {
            let chord = chord(index)?;
            (chord <= limit * limit && wanted(index)).then(|| (self.with_extras(chord, index, extras), index))
        });
        near.min().map(|(_, index)| (index, limit))
    }

    /// The total of a squared chord.
    fn with_extras(&self, chord: f64, index: u16, extras: Option<&Extras<'_>>) -> i64 {
        i64::from(cost_of_chord(chord, self.shape.ms_per_km)) + extras.map_or(0, |extras| extras.of(index))
    }
}

impl<'p> Costs<'p> {
    fn new(shape: &'p Shape, class: &Class<'p>, adjust: &'p [(u16, i32)]) -> Self {
        match shape.order {
            Order::Written | Order::Weights => return Self::Written,
            Order::Distance | Order::Latency(_) => {}
        }
        let least = i64::from(shape.least_bias) + adjust.iter().map(|(_, us)| i64::from(*us).min(0)).sum::<i64>();
        let extras = Extras { shape, adjust, least };
        if let (Order::Latency(margin), Some(row)) = (shape.order, class.stance.latency) {
            let chord = |vector: Option<Vector>| Some(class.vector?.chord_squared(&vector?));
            let chords: Vec<_> = shape.members.iter().map(|member| chord(member.vector)).collect();
            if let Some(totals) = measured(shape, &chords, row, &extras, &margin) {
                return Self::Totals(totals);
            }
        }
        Self::Distance(class.vector, (shape.is_biased || !adjust.is_empty()).then_some(extras))
    }
}

/// Total costs by a latency row, where its gain over the choice by distance exceeds the margin of its key. Members that the
/// row does not cover take the line that was fitted through measurements, so that all are on one scale.
fn measured(
    shape: &Shape,
    chords: &[Option<f64>],
    row: Row,
    extras: &Extras<'_>,
    margin: &super::policy::Margin,
) -> Option<Vec<Option<i64>>> {
    let Given::Latency(values) = shape.latency.get(row.index as usize)? else { return None };
    if values.is_empty() {
        return None;
    }
    let line = |at: usize| chords[at].map(|c| LatencyMap::CONSTANT_US + i64::from(cost_of_chord(c, shape.ms_per_km)));
    let value = |at: usize| values.iter().find(|v| usize::from(v.0) == at).map(|v| i64::from(v.1)).or_else(|| line(at));
    let total = |at: usize| value(at).map(|us| us + extras.of(at as u16));
    let all = 0..shape.members.len();
    let by_distance =
        all.clone().filter_map(|at| Some((line(at)? + extras.of(at as u16), at))).min().map(|best| best.1);
    let best = all.clone().filter_map(total).min()?;
    if let Some(nearest) = by_distance {
        let margin = match row.level {
            Level::Prefix => margin.prefix,
            Level::Asn => margin.asn,
            Level::City | Level::Subdivision | Level::Country | Level::Continent => margin.region,
        };
        if total(nearest)? - best <= i64::from(margin) {
            return None;
        }
    }
    Some(all.map(total).collect())
}

/// An upper bound of the chords whose cost is at most this many microseconds. `slack` is the angle of two microseconds.
fn longest_chord(cost: i64, slack: f64) -> f64 {
    if cost < 0 {
        return 0.0;
    }
    // The largest cost is far below what an f64 holds exactly.
    #[expect(clippy::cast_precision_loss, reason = "costs are below 2^41")]
    let angle = (cost + 2) as f64 * slack / 2.0;
    if angle >= std::f64::consts::PI { 2.0 + slack } else { 2.0 * libm::sin(angle / 2.0) + slack }
}
