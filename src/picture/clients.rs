//! Who is served where: PoPs, and clients gathered by place.

use std::collections::BTreeMap;

use crate::geo::{Country, Place};
use crate::survey::{Ground, Server, Side, Tally};

/// How a PoP stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It serves.
    Up,
    /// It prefers others to serve.
    Drained,
    /// It is assumed to be down.
    Down,
}

/// A PoP on a map.
#[derive(Clone, Debug, PartialEq)]
pub struct PopMark {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub place: Option<Place>,
    /// How it stands.
    pub state: State,
    /// Its share of IPv4 addresses, 0 to 1.
    pub v4: f64,
    /// Its share of IPv6 records.
    pub v6: f64,
    /// Its share of people.
    pub people: f64,
}

/// Clients of one country who are close together.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientPlace {
    /// Where most of them are.
    pub place: Place,
    /// Their country.
    pub country: Option<Country>,
    /// Who serves most of them, by index among the PoPs; `None`: no PoP.
    pub pop: Option<u16>,
    /// The part of them that is served by that one.
    pub share: f64,
    /// IPv4 addresses.
    pub v4: f64,
    /// Records of IPv6.
    pub v6: f64,
    /// People.
    pub people: f64,
}

/// Who is served where.
#[derive(Clone, Debug, Default)]
pub struct Catchments {
    /// What it is about: a name or a service.
    pub title: String,
    /// How it was decided, in words.
    pub subtitle: String,
    /// All PoPs of the service, in its order.
    pub pops: Vec<PopMark>,
    /// Clients whose place is known, from south to north.
    pub clients: Vec<ClientPlace>,
    /// The clients served by no PoP, as a share of IPv4.
    pub nobody: f64,
    /// Credits for the data.
    pub credits: Vec<String>,
}

/// Clients within so many millionths of a degree are gathered: 0.25°.
const CLOSE: i32 = 250_000;

/// What is gathered at one place.
#[derive(Default)]
struct Gathered {
    /// Weight, place and amounts of the largest site.
    largest: Option<(f64, Place)>,
    by_server: BTreeMap<Server, f64>,
    v4: f64,
    v6: f64,
    people: f64,
}

impl Catchments {
    /// Of a side and its sums. Whether a PoP is down or drained is told beside them.
    pub fn of(side: &Side<'_>, ground: &Ground, tally: &Tally, state: impl Fn(u16) -> State) -> Self {
        let mut places = BTreeMap::<(i32, i32, Option<Country>), Gathered>::new();
        for cell in &ground.cells {
            let (Some(served), Some(place)) = (side.served(cell.after.decider), side.place(cell.after.site)) else {
                continue;
            };
            let country = cell.country;
            let (latitude, longitude) = place.microdegrees();
            let key = (latitude.div_euclid(CLOSE), longitude.div_euclid(CLOSE), country);
            let gathered = places.entry(key).or_default();
            let amounts = crate::survey::Amounts::of(&cell.weights, cell.people, 1.0);
            // Records of IPv6 decide where there is nothing else.
            let weight = amounts.v4 + amounts.v6;
            if gathered.largest.is_none_or(|(most, _)| weight > most) {
                gathered.largest = Some((weight, place));
            }
            for (server, part) in &served.shares {
                *gathered.by_server.entry(*server).or_default() += weight * part;
            }
            gathered.v4 += amounts.v4;
            gathered.v6 += amounts.v6;
            gathered.people += amounts.people;
        }
        let client = |((_, _, country), gathered): ((i32, i32, Option<Country>), Gathered)| {
            let (_, place) = gathered.largest?;
            let all: f64 = gathered.by_server.values().sum();
            // The first of equals.
            let most = gathered.by_server.iter().rev().max_by(|a, b| a.1.total_cmp(b.1))?;
            let pop = match most.0 {
                Server::Pop(pop) => Some(*pop),
                Server::Fallback | Server::Nobody => None,
            };
            let share = if all > 0.0 { most.1 / all } else { 1.0 };
            let Gathered { v4, v6, people, .. } = gathered;
            Some(ClientPlace { place, country, pop, share, v4, v6, people })
        };
        let mark = |(pop, name): (usize, &std::sync::Arc<str>)| {
            let pop = pop as u16;
            let amounts = tally.row(Server::Pop(pop)).map(|row| row.amounts).unwrap_or_default();
            let share = amounts.share_of(&tally.total);
            PopMark {
                name: name.to_string(),
                place: side.pop_place(pop),
                state: state(pop),
                v4: share.v4,
                v6: share.v6,
                people: share.people,
            }
        };
        let others = [Server::Fallback, Server::Nobody].into_iter().filter_map(|server| tally.row(server));
        Self {
            pops: side.pops().iter().enumerate().map(mark).collect(),
            clients: places.into_iter().filter_map(client).collect(),
            nobody: others.map(|row| row.amounts.share_of(&tally.total).v4).sum(),
            ..Self::default()
        }
    }
}
