//! Sums per PoP and per country of one side.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use super::ground::{Cell, Ground, Weights, float};
use super::side::{Server, Side};
use crate::geo::Country;

/// Sums of weights. Exact while nobody shares clients by weight, people aside.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Amounts {
    /// IPv4 addresses.
    pub v4: f64,
    /// Records of IPv4.
    pub v4_records: f64,
    /// Records of IPv6.
    pub v6: f64,
    /// People.
    pub people: f64,
}

impl Amounts {
    /// Part of the weights of a cell.
    pub fn of(weights: &Weights, people: f64, part: f64) -> Self {
        Self {
            v4: float(weights.v4) * part,
            v4_records: float(weights.v4_records) * part,
            v6: float(weights.v6_records) * part,
            people: people * part,
        }
    }

    /// Shares of a whole, 0 to 1; 0 where the whole is nothing.
    #[must_use]
    pub fn share_of(&self, all: &Self) -> Self {
        let share = |part: f64, all: f64| if all > 0.0 { part / all } else { 0.0 };
        Self {
            v4: share(self.v4, all.v4),
            v4_records: share(self.v4_records, all.v4_records),
            v6: share(self.v6, all.v6),
            people: share(self.people, all.people),
        }
    }
}

impl AddAssign for Amounts {
    fn add_assign(&mut self, other: Self) {
        self.v4 += other.v4;
        self.v4_records += other.v4_records;
        self.v6 += other.v6;
        self.people += other.people;
    }
}

/// Great-circle kilometers from clients to who serves them. Weighted by IPv4 addresses, or by records of IPv6 where there is no
/// IPv4 at all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distances {
    /// Mean.
    pub mean: f64,
    /// Half of the clients are at most as far.
    pub p50: f64,
    /// 95 % of them are.
    pub p95: f64,
    /// The farthest.
    pub max: f64,
}

/// One server's part.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Who.
    pub server: Server,
    /// Its clients.
    pub amounts: Amounts,
    /// Those of them for whom it stands in for a better one.
    pub away: Amounts,
    /// How far they are; `None` when the place of it, or of all of them, is unknown.
    pub km: Option<Distances>,
}

/// Everything of one side.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Every PoP of the service in its order, also one without clients; then fallback and nobody where they occur.
    pub rows: Vec<Row>,
    /// All clients.
    pub total: Amounts,
    /// Those for whom somebody stands in for a better one.
    pub away: Amounts,
    /// Those whose place is unknown.
    pub unplaced: Amounts,
    /// How far all of them are.
    pub km: Option<Distances>,
    /// By country (`None`: unknown), then by server.
    pub countries: BTreeMap<Option<Country>, BTreeMap<Server, Amounts>>,
}

impl Tally {
    /// Sums up a side on ground that was walked for it, or for the same map under other assumptions.
    pub fn new(side: &Side<'_>, ground: &Ground) -> Self {
        let mut sums = BTreeMap::<Server, Sums>::new();
        for pop in 0..side.pops().len() as u16 {
            sums.insert(Server::Pop(pop), Sums::default());
        }
        let (mut total, mut away, mut unplaced) = (Amounts::default(), Amounts::default(), Amounts::default());
        let mut countries = BTreeMap::<_, BTreeMap<Server, Amounts>>::new();
        for cell in &ground.cells {
            let Some(served) = side.served(cell.after.decider) else { continue };
            let (country, vector) = (cell.country, cell.vector);
            for (server, part) in &served.shares {
                let amounts = Amounts::of(&cell.weights, cell.people, *part);
                let sums = sums.entry(*server).or_default();
                sums.amounts += amounts;
                total += amounts;
                if served.away {
                    sums.away += amounts;
                    away += amounts;
                }
                if let Some(km) = vector.as_ref().and_then(|from| side.kilometers(from, *server)) {
                    sums.distances.push((km, amounts.v4, amounts.v6));
                }
                if vector.is_none() {
                    unplaced += amounts;
                }
                *countries.entry(country).or_default().entry(*server).or_default() += amounts;
            }
        }
        let mut all = Vec::new();
        let row = |(server, mut sums): (Server, Sums)| {
            let km = Distances::of(&mut sums.distances);
            all.append(&mut sums.distances);
            Row { server, amounts: sums.amounts, away: sums.away, km }
        };
        let rows = sums.into_iter().map(row).collect();
        Self { rows, total, away, unplaced, km: Distances::of(&mut all), countries }
    }

    /// The row of a server.
    pub fn row(&self, server: Server) -> Option<&Row> {
        self.rows.iter().find(|row| row.server == server)
    }
}

#[derive(Default)]
struct Sums {
    amounts: Amounts,
    away: Amounts,
    /// Kilometers with weights of IPv4 and IPv6.
    distances: Vec<(f64, f64, f64)>,
}

impl Distances {
    /// Of kilometers with their weights by IPv4 addresses and by records of IPv6; sorts them.
    pub fn of(list: &mut [(f64, f64, f64)]) -> Option<Self> {
        let (v4, v6) = list.iter().fold((0.0, 0.0), |sum, item| (sum.0 + item.1, sum.1 + item.2));
        let weight = |item: &(f64, f64, f64)| if v4 > 0.0 { item.1 } else { item.2 };
        let all = if v4 > 0.0 { v4 } else { v6 };
        list.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let max = list.iter().rev().find(|item| weight(item) > 0.0)?.0;
        let mean = list.iter().map(|item| item.0 * weight(item)).sum::<f64>() / all;
        let quantile = |part: f64| {
            let mut sum = 0.0;
            let reached = |item: &&(f64, f64, f64)| {
                sum += weight(item);
                sum >= part * all
            };
            list.iter().find(reached).map_or(max, |item| item.0)
        };
        Some(Self { mean, p50: quantile(0.5), p95: quantile(0.95), max })
    }
}

/// The weights of a cell by themselves.
impl From<&Cell> for Amounts {
    fn from(cell: &Cell) -> Self {
        Self::of(&cell.weights, 0.0, 1.0)
    }
}
