//! Distance and latency held against each other, with measured round-trip times between cities: some cities are PoPs, the others
//! are clients, and every policy sends each client somewhere.
//!
//! Decisions by distance and by latency map are made by the policies that serve (`nearest`, `rank: {latency: …}` with a margin),
//! over a table in which every city is a network of its own. What a map would know of a client is learned from other cities:
//! none has measured itself.

pub mod cities;
pub mod countries;

use std::sync::Arc;

use serde_json::{Value, json};

use self::cities::City;
use self::countries::Countries;
use super::first;
use super::fleet;
use super::oracle::Point;
use super::random::Random;
use super::report::Table;
use crate::geo::{DEFAULT_MS_PER_KM, Place, Ranges, Site, SiteTable};
use crate::health::Known;
use crate::live::{LiveMap, Map, Source, epoch};
use crate::net::Block;
use crate::steering::{City as CityKey, Effect, LatencyMap, Margin, Match, Origin, Policy, Pop, Rank, Rule, Rules};

/// A city is a PoP of the list when it is the nearest to it and no farther than this.
const NEAR_KM: f64 = 60.0;
/// As fast as the best, in milliseconds.
const AS_FAST_MS: f64 = 1.0;
/// Random sets of PoPs, and how many are in each.
const SETS: usize = 200;
const IN_A_SET: usize = 20;

/// Estimated milliseconds from a client to each PoP.
type Estimate<'a> = dyn Fn(usize) -> Vec<Option<f64>> + 'a;

/// How a policy does.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Which policy.
    pub policy: String,
    /// Share of the clients at a PoP that is as fast as the best, 0 to 1.
    pub best: f64,
    /// Mean milliseconds.
    pub mean_ms: f64,
    /// Mean milliseconds above the best.
    pub excess_ms: f64,
    /// 95 % of the clients have at most so many milliseconds above the best.
    pub p95_ms: f64,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Latency {
    /// Cities that are PoPs.
    pub pops: usize,
    /// Cities that are clients: measured to every PoP.
    pub clients: usize,
    /// Policy by policy.
    pub rows: Vec<Row>,
    /// When a client's PoP fails: mean milliseconds that the next nearest is above the best that is left.
    pub after_failure_ms: f64,
    /// Nearest in random sets of PoPs.
    pub random_sets: Row,
}

/// Evaluates the cities nearest to some PoPs. `None` when fewer than two PoPs have a city, or nobody is left as a client.
pub fn measure(cities: &[City], pops: &[Pop], countries: Option<&Countries>) -> Option<Latency> {
    let world = World::new(cities, cities_of(cities, pops))?;
    let mut rows = vec![
        world.row("best by measurement", &world.best(|_| true)),
        world.row("nearest", &world.nearest()),
        world.row("squared degrees of latitude and longitude", &world.by(degrees_squared)),
        world.row("best map of countries, with hindsight", &world.country_map()),
    ];
    let means = |client: usize| world.means(client);
    let medians = |client: usize| world.medians(client);
    let learned: [(&str, &Estimate<'_>); 2] =
        [("means of 3 cities within 1,000 km", &means), ("medians of 5 within 2,000 km, beyond distance", &medians)];
    for (name, row) in learned {
        for margin in [0, 5, 10, 30] {
            rows.push(world.row(&format!("latency map, {name}; margin {margin} ms"), &world.by_map(margin, row)));
        }
    }
    if let Some(countries) = countries {
        let of_countries = |client: usize| world.of_countries(client, countries, 1.0);
        for margin in [0, 10, 20, 30] {
            let name = format!("latency map, means of countries; margin {margin} ms");
            rows.push(world.row(&name, &world.by_map(margin, &of_countries)));
        }
        let half = |client: usize| world.of_countries(client, countries, 0.5);
        rows.push(world.row("half distance, half latency of countries", &world.by_map(0, &half)));
    }
    let (pops, clients) = (world.pops.len(), world.clients.len());
    Some(Latency { pops, clients, rows, after_failure_ms: world.after_failure(), random_sets: random_sets(cities) })
}

/// The nearest city of each PoP, each once.
fn cities_of(cities: &[City], pops: &[Pop]) -> Vec<usize> {
    let mut chosen = Vec::new();
    for place in pops.iter().filter_map(|pop| pop.place) {
        let km = |city: &City| Point::of(city.at.0, city.at.1).km(&Point::from(place));
        let near = cities.iter().map(km).enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((index, _)) = near.filter(|(index, km)| *km <= NEAR_KM && !chosen.contains(index)) {
            chosen.push(index);
        }
    }
    chosen
}

/// What `pickclosest` of `PowerDNS` compares.
fn degrees_squared(client: &City, pop: &City) -> f64 {
    (client.at.0 - pop.at.0).powi(2) + (client.at.1 - pop.at.1).powi(2)
}

/// Cities as PoPs and clients.
struct World<'a> {
    cities: &'a [City],
    pops: Vec<usize>,
    /// Everyone else who was measured to every PoP.
    clients: Vec<usize>,
    sites: Arc<SiteTable>,
    members: Vec<Pop>,
}

impl<'a> World<'a> {
    fn new(cities: &'a [City], pops: Vec<usize>) -> Option<Self> {
        let whole = |city: &City| pops.iter().all(|pop| city.rtt_ms.get(*pop).copied().flatten().is_some());
        let clients: Vec<usize> =
            (0..cities.len()).filter(|index| !pops.contains(index) && whole(&cities[*index])).collect();
        if pops.len() < 2 || clients.is_empty() {
            return None;
        }
        let place = |city: &City| Place::from_degrees(city.at.0, city.at.1);
        // City n is site n + 2, in 1.0.n.0/24, and named by the number n + 1.
        let mut ranges = Ranges::new(0);
        let mut list = Vec::new();
        for (index, city) in cities.iter().enumerate() {
            ranges.push(network(index), index as u32 + 2);
            list.push(Site { place: place(city), city_id: index as u32 + 1, ..Site::default() });
        }
        ranges.push(network(cities.len()), 0);
        let sites = Arc::new(SiteTable::from_ranges(ranges, Ranges::new(0), &list)?);
        let member = |index: &usize| Pop {
            name: cities[*index].name.clone(),
            place: place(&cities[*index]),
            city: None,
            country: None,
            drained: false,
        };
        let members = pops.iter().map(member).collect();
        Some(Self { cities, pops, clients, sites, members })
    }

    /// Milliseconds from a client to a PoP, both by their numbers here.
    fn ms(&self, client: usize, pop: usize) -> f64 {
        self.cities[self.clients[client]].rtt_ms[self.pops[pop]].unwrap_or(f64::INFINITY)
    }

    /// For each client the PoP with the least of something.
    fn by(&self, value: impl Fn(&City, &City) -> f64) -> Vec<usize> {
        let city = |client: &usize| {
            let least = |pop: &usize| value(&self.cities[*client], &self.cities[*pop]);
            first_of(self.pops.iter().map(least))
        };
        self.clients.iter().map(city).collect()
    }

    /// For each client the fastest PoP of some.
    fn best(&self, may: impl Fn(usize) -> bool) -> Vec<usize> {
        let ms = |client, pop| if may(pop) { self.ms(client, pop) } else { f64::INFINITY };
        (0..self.clients.len()).map(|client| first_of((0..self.pops.len()).map(|pop| ms(client, pop)))).collect()
    }

    /// What a policy answers each client.
    fn steered(&self, policy: Policy) -> Vec<usize> {
        let map = Map::compile(Source::new(policy, fleet::service(&self.members)), &self.members, &self.sites, []);
        let maps = [Arc::new(map)];
        let live = epoch::first(&maps, &self.sites, &Known::default(), None);
        let Some(live) = live.maps.first() else { return Vec::new() };
        let pop = |client: &usize| usize::from(self.told(&maps[0], live, *client).unwrap_or(0));
        self.clients.iter().map(pop).collect()
    }

    fn told(&self, map: &Map, live: &LiveMap, city: usize) -> Option<u16> {
        let answer = live.choose(map, &self.sites, Block::V4 { base: network(city), length: 24 }).answer;
        first(&live.answers.get(usize::from(answer.0))?.decision)
    }

    fn nearest(&self) -> Vec<usize> {
        Policy::built_in("nearest").map(|policy| self.steered(policy)).unwrap_or_default()
    }

    /// By a latency map with a row for each client, and a margin in milliseconds that it must gain. A row has estimated
    /// milliseconds by PoP.
    fn by_map(&self, margin_ms: u32, row: &Estimate<'_>) -> Vec<usize> {
        let rule = |client: usize| {
            let cells = row(client);
            let us = |(pop, ms): (usize, &Option<f64>)| {
                #[expect(clippy::cast_sign_loss, reason = "times are positive")]
                ms.map(|ms| (self.members[pop].name.clone(), (ms * 1e3).round() as u32))
            };
            let measured: Vec<_> = cells.iter().enumerate().filter_map(us).collect();
            (!measured.is_empty()).then(|| Rule {
                class: Match::City(vec![CityKey::Id(self.clients[client] as u32 + 1)]),
                effect: Arc::new(Effect::Latency(measured)),
                origin: Origin { file: "cities".into(), line: client as u32 + 1 },
            })
        };
        let rows = Rules::new((0..self.clients.len()).filter_map(rule).collect());
        let margin = margin_ms * 1000;
        let margin = Margin { prefix: margin, asn: margin, region: margin };
        let rank = Rank::Latency(Arc::new(LatencyMap { rows, margin }));
        Policy::built_in("nearest").map(|policy| self.steered(Policy { rank, ..policy })).unwrap_or_default()
    }

    /// Other clients that are near, nearest first.
    fn teachers(&self, client: usize, most: usize, within_km: f64) -> Vec<(f64, usize)> {
        let own = &self.cities[self.clients[client]];
        let others = (0..self.clients.len()).filter(|other| *other != client);
        let mut near: Vec<(f64, usize)> =
            others.map(|other| (own.km(&self.cities[self.clients[other]]), other)).collect();
        near.retain(|(km, _)| *km <= within_km);
        near.sort_by(|a, b| a.0.total_cmp(&b.0));
        near.truncate(most);
        near
    }

    /// What the three nearest others measured, if they are within 1,000 km: means.
    fn means(&self, client: usize) -> Vec<Option<f64>> {
        let near = self.teachers(client, 3, 1_000.0);
        let mean = |pop| near.iter().map(|(_, other)| self.ms(*other, pop)).sum::<f64>() / float(near.len());
        (0..self.pops.len()).map(|pop| (!near.is_empty()).then(|| mean(pop))).collect()
    }

    /// What the five nearest others within 2,000 km measured beyond their distance: medians, and the client's own distance.
    fn medians(&self, client: usize) -> Vec<Option<f64>> {
        let near = self.teachers(client, 5, 2_000.0);
        let line = |client: usize, pop: usize| {
            DEFAULT_MS_PER_KM * self.cities[self.clients[client]].km(&self.cities[self.pops[pop]])
        };
        let median = |pop: usize| {
            let mut beyond: Vec<f64> = near.iter().map(|(_, other)| self.ms(*other, pop) - line(*other, pop)).collect();
            beyond.sort_by(f64::total_cmp);
            let middle = beyond.len() / 2;
            let upper = *beyond.get(middle)?;
            let lower = if beyond.len().is_multiple_of(2) { *beyond.get(middle.checked_sub(1)?)? } else { upper };
            Some((f64::midpoint(lower, upper) + line(client, pop)).max(0.0))
        };
        (0..self.pops.len()).map(median).collect()
    }

    /// Means between the countries of client and PoP, with the line through distances as the rest; nothing for countries that
    /// have a PoP. Of PoPs of one country the nearest is a trace faster.
    fn of_countries(&self, client: usize, countries: &Countries, part: f64) -> Vec<Option<f64>> {
        let own = &self.cities[self.clients[client]];
        let estimate = |pop: &usize| {
            let pop = &self.cities[*pop];
            let ms = countries.ms(countries::code(&own.country)?, countries::code(&pop.country)?)?;
            let km = own.km(pop);
            Some(part * ms + (1.0 - part) * (26.7 + DEFAULT_MS_PER_KM * km) + km * 1e-5)
        };
        // The mean over a country says nothing of a PoP inside it.
        let at_home = self.pops.iter().any(|pop| self.cities[*pop].country == own.country);
        let row: Vec<Option<f64>> = self.pops.iter().map(estimate).collect();
        // Half a row would be on two scales.
        if at_home || row.iter().any(Option::is_none) { vec![None; row.len()] } else { row }
    }

    /// For each country the PoP that is best for its clients together.
    fn country_map(&self) -> Vec<usize> {
        let country = |client: usize| &self.cities[self.clients[client]].country;
        let choose = |client: usize| {
            let same: Vec<usize> = (0..self.clients.len()).filter(|other| country(*other) == country(client)).collect();
            first_of((0..self.pops.len()).map(|pop| same.iter().map(|client| self.ms(*client, pop)).sum()))
        };
        (0..self.clients.len()).map(choose).collect()
    }

    fn row(&self, policy: &str, chosen: &[usize]) -> Row {
        let best = self.best(|_| true);
        let all = float(self.clients.len());
        let times: Vec<(f64, f64)> =
            (0..chosen.len()).map(|client| (self.ms(client, chosen[client]), self.ms(client, best[client]))).collect();
        let mut excess: Vec<f64> = times.iter().map(|(own, best)| own - best).collect();
        excess.sort_by(f64::total_cmp);
        let fast = float(excess.iter().filter(|ms| **ms <= AS_FAST_MS).count());
        Row {
            policy: policy.to_owned(),
            best: fast / all,
            mean_ms: times.iter().map(|time| time.0).sum::<f64>() / all,
            excess_ms: excess.iter().sum::<f64>() / all,
            p95_ms: quantile(&excess, 95),
        }
    }

    fn after_failure(&self) -> f64 {
        let mut sum = 0.0;
        for (client, gone) in self.nearest().into_iter().enumerate() {
            let own = &self.cities[self.clients[client]];
            let left = |pop: usize, value: f64| if pop == gone { f64::INFINITY } else { value };
            let next = first_of(self.pops.iter().enumerate().map(|(pop, city)| left(pop, own.km(&self.cities[*city]))));
            let best = first_of((0..self.pops.len()).map(|pop| left(pop, self.ms(client, pop))));
            sum += self.ms(client, next) - self.ms(client, best);
        }
        sum / float(self.clients.len())
    }
}

/// Nearest with PoPs at random.
fn random_sets(cities: &[City]) -> Row {
    let mut random = Random::new(1);
    let mut rows = Vec::new();
    for _ in 0..SETS {
        let mut left: Vec<usize> = (0..cities.len()).collect();
        let mut pops = Vec::new();
        while pops.len() < IN_A_SET && !left.is_empty() {
            pops.push(left.swap_remove(random.below(left.len() as u64) as usize));
        }
        if let Some(world) = World::new(cities, pops) {
            rows.push(world.row("", &world.nearest()));
        }
    }
    let mean = |value: fn(&Row) -> f64| rows.iter().map(value).sum::<f64>() / float(rows.len().max(1));
    Row {
        policy: format!("nearest, mean of {SETS} random sets of {IN_A_SET} PoPs"),
        best: mean(|row| row.best),
        mean_ms: mean(|row| row.mean_ms),
        excess_ms: mean(|row| row.excess_ms),
        p95_ms: mean(|row| row.p95_ms),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred")]
fn float(count: usize) -> f64 {
    count as f64
}

fn network(city: usize) -> u32 {
    0x0100_0000 + ((city as u32) << 8)
}

/// Where the least of some numbers stands, the first of equals.
fn first_of(values: impl Iterator<Item = f64>) -> usize {
    values.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(index, _)| index)
}

/// Of sorted numbers, that which a percentage of them does not exceed.
fn quantile(sorted: &[f64], percent: usize) -> f64 {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(0.0)
}

impl Latency {
    /// What was measured, in a sentence.
    pub fn about(&self) -> String {
        format!(
            "{} cities are PoPs, {} others are clients. When a client's nearest PoP fails, the next nearest is {:.1} ms above the \
             best that is left, on average.",
            self.pops, self.clients, self.after_failure_ms
        )
    }

    /// Policy by policy.
    pub fn table(&self) -> Table {
        let head = ["policy", "best PoP within 1 ms", "mean RTT", "mean above best", "p95 above best"];
        let mut table = Table::new("Round-trip times, in milliseconds", &head);
        for row in self.rows.iter().chain([&self.random_sets]) {
            table.row([
                row.policy.clone(),
                format!("{:.1} %", row.best * 100.0),
                format!("{:.1}", row.mean_ms),
                format!("{:.1}", row.excess_ms),
                format!("{:.0}", row.p95_ms),
            ]);
        }
        table
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "policy": row.policy, "best_within_1_ms": row.best, "mean_ms": row.mean_ms,
                "excess_ms": {"mean": row.excess_ms, "p95": row.p95_ms},
            })
        };
        json!({
            "pops": self.pops, "clients": self.clients, "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "after_failure_excess_ms": self.after_failure_ms, "random_sets": row(&self.random_sets),
        })
    }
}
