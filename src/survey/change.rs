//! What moves between two sides: from whom to whom, in which countries, and how much farther.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use smallvec::SmallVec;

use super::ground::Ground;
use super::side::{Served, Server, Side};
use super::tally::Amounts;
use crate::geo::Country;

/// Clients who go from one server to another, or stay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flow {
    /// Who serves them before, by [`Change::pops`].
    pub from: Server,
    /// Who serves them after.
    pub to: Server,
    /// How many.
    pub amounts: Amounts,
    /// Mean kilometers before and after, of those of whom both are known.
    pub km: Option<[f64; 2]>,
}

/// What moves in a country.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CountryChange {
    /// Which; `None`: unknown.
    pub country: Option<Country>,
    /// All its clients.
    pub total: Amounts,
    /// Those who move.
    pub moved: Amounts,
    /// Mean kilometers of those before and after.
    pub km: Option<[f64; 2]>,
}

/// What moves between two sides of the same addresses.
#[derive(Clone, Debug)]
pub struct Change {
    /// Names of PoPs: those of the side after in their order, then those that only the side before has.
    pub pops: Vec<Arc<str>>,
    /// All clients.
    pub total: Amounts,
    /// Those who move.
    pub moved: Amounts,
    /// From whom to whom; those who stay have `from` = `to`. By server.
    pub flows: Vec<Flow>,
    /// By country code, unknown ones first.
    pub countries: Vec<CountryChange>,
    /// Mean kilometers of all clients before and after.
    pub km: Option<[f64; 2]>,
    /// The same of those who move.
    pub moved_km: Option<[f64; 2]>,
}

impl Change {
    /// Compares two sides on ground that was walked for both, or for one and the same map under two assumptions. Where clients
    /// are shared by weight on either side, as few as possible move; that is what dealing them does, but for chance.
    /// Kilometers are weighted by IPv4 addresses (records of IPv6 where there is no IPv4), and clients are where the side
    /// after says they are, else where the one before does.
    pub fn new(before: &Side<'_>, after: &Side<'_>, ground: &Ground) -> Self {
        let (pops, numbers) = names(before, after);
        let by_name = |server: Server| match server {
            Server::Pop(pop) => numbers.get(usize::from(pop)).map_or(Server::Nobody, |at| Server::Pop(*at)),
            other => other,
        };
        // Servers of the side before, by their number on both.
        let own: HashMap<Server, Server, FixedState> = (0..numbers.len() as u16)
            .map(|pop| (by_name(Server::Pop(pop)), Server::Pop(pop)))
            .chain([Server::Fallback, Server::Nobody].map(|server| (server, server)))
            .collect();
        let alike = std::ptr::eq(before.map, after.map);
        let mut flows = HashMap::<(Server, Server), Sum, FixedState>::default();
        let mut countries = HashMap::<Option<Country>, (Amounts, Sum), FixedState>::default();
        let (mut all, mut moved) = (Sum::default(), Sum::default());
        for cell in &ground.cells {
            let (was, is) = (before.served(cell.before.decider), after.served(cell.after.decider));
            if was.is_none() && is.is_none() {
                continue;
            }
            let of_country = countries.entry(cell.country).or_default();
            for (from, to, part) in moves(was, is, by_name) {
                let amounts = Amounts::of(&cell.weights, cell.people, part);
                let km = cell.vector.as_ref().and_then(|place| {
                    let was = own.get(&from).and_then(|from| before.kilometers(place, *from))?;
                    // Who stays is as far as before, but where the PoP itself has moved.
                    Some([was, if alike && from == to { was } else { after.kilometers(place, to)? }])
                });
                flows.entry((from, to)).or_default().add(amounts, km);
                all.add(amounts, km);
                of_country.0 += amounts;
                if from != to {
                    moved.add(amounts, km);
                    of_country.1.add(amounts, km);
                }
            }
        }
        let has_v4 = all.amounts.v4 > 0.0;
        let flow =
            |((from, to), sum): ((Server, Server), Sum)| Flow { from, to, amounts: sum.amounts, km: sum.km(has_v4) };
        let country = |(country, (total, sum)): (Option<Country>, (Amounts, Sum))| CountryChange {
            country,
            total,
            moved: sum.amounts,
            km: sum.km(has_v4),
        };
        let mut flows: Vec<Flow> = flows.into_iter().map(flow).collect();
        flows.sort_unstable_by_key(|flow| (flow.from, flow.to));
        let mut countries: Vec<CountryChange> = countries.into_iter().map(country).collect();
        countries.sort_unstable_by_key(|change| change.country);
        Self {
            pops,
            total: all.amounts,
            moved: moved.amounts,
            flows,
            countries,
            km: all.km(has_v4),
            moved_km: moved.km(has_v4),
        }
    }

    /// Shares of clients who move, of 1: by IPv4 addresses, records and people.
    pub fn moved_share(&self) -> Amounts {
        self.moved.share_of(&self.total)
    }

    /// The clients of a server before and after.
    pub fn clients(&self, server: Server) -> [Amounts; 2] {
        let (mut before, mut after) = (Amounts::default(), Amounts::default());
        for flow in &self.flows {
            if flow.from == server {
                before += flow.amounts;
            }
            if flow.to == server {
                after += flow.amounts;
            }
        }
        [before, after]
    }

    /// A server in words: a PoP by its name.
    pub fn name(&self, server: Server) -> &str {
        match server {
            Server::Pop(pop) => self.pops.get(usize::from(pop)).map_or("?", |name| name),
            Server::Fallback => "fallback",
            Server::Nobody => "nobody",
        }
    }
}

/// All names, and the number among them of each PoP of the side before.
fn names(before: &Side<'_>, after: &Side<'_>) -> (Vec<Arc<str>>, Vec<u16>) {
    let mut pops = after.pops().to_vec();
    let numbers = before.pops().iter().map(|name| {
        let at = pops.iter().position(|other| other == name).unwrap_or_else(|| {
            pops.push(Arc::clone(name));
            pops.len() - 1
        });
        at as u16
    });
    let numbers = numbers.collect();
    (pops, numbers)
}

/// From whom to whom the clients of a cell go, with their parts: as many as can stay do, and the others go to those who gain, by
/// what they gain.
fn moves(
    was: Option<&Served>,
    is: Option<&Served>,
    by_name: impl Fn(Server) -> Server,
) -> SmallVec<[(Server, Server, f64); 1]> {
    let shares = |served: Option<&Served>| match served {
        Some(served) => served.shares.clone(),
        // Left to the resolver's address: nobody in particular.
        None => std::iter::once((Server::Nobody, 1.0)).collect(),
    };
    let mut was = shares(was);
    let mut is = shares(is);
    for (server, _) in &mut was {
        *server = by_name(*server);
    }
    if let ([(from, _)], [(to, _)]) = (&was[..], &is[..]) {
        return std::iter::once((*from, *to, 1.0)).collect();
    }
    let mut list = SmallVec::new();
    for (from, part) in &mut was {
        if let Some((_, gets)) = is.iter_mut().find(|(to, _)| to == from) {
            let stay = part.min(*gets);
            list.push((*from, *from, stay));
            *part -= stay;
            *gets -= stay;
        }
    }
    let gained: f64 = is.iter().map(|item| item.1).sum();
    for (from, part) in was.iter().filter(|item| item.1 > 0.0) {
        for (to, gets) in is.iter().filter(|item| item.1 > 0.0) {
            list.push((*from, *to, part * gets / gained));
        }
    }
    list.retain(|item: &mut (Server, Server, f64)| item.2 > 0.0);
    list
}

/// Clients, and the kilometers of those of whom they are known.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    amounts: Amounts,
    /// By IPv4 addresses, then by records of IPv6: the weight, and kilometers before and after times it.
    km: [[f64; 3]; 2],
}

impl Sum {
    fn add(&mut self, amounts: Amounts, km: Option<[f64; 2]>) {
        self.amounts += amounts;
        let Some([before, after]) = km else { return };
        for (sum, weight) in self.km.iter_mut().zip([amounts.v4, amounts.v6]) {
            sum[0] += weight;
            sum[1] += weight * before;
            sum[2] += weight * after;
        }
    }

    fn km(&self, by_v4: bool) -> Option<[f64; 2]> {
        let [weight, before, after] = self.km[usize::from(!by_v4)];
        (weight > 0.0).then(|| [before / weight, after / weight])
    }
}
