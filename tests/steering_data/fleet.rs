//! Services over lists of places, as maps and live tables.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use catchment::geo::{Database, Place, SiteId, SiteTable};
use catchment::health::{Known, State, TargetId};
use catchment::live::{AnswerId, Live, LiveMap, Map, MapId, Source, complete, epoch};
use catchment::steering::{Choice, Member, Policy, Pop, PopId, Service, ServiceAddress};

/// A service with an address of each family at each of these places; target n is PoP n's.
pub fn of(places: &[Place]) -> (Service, Vec<Pop>) {
    let pop = |(index, place): (usize, &Place)| Pop {
        name: format!("pop{index}"),
        place: Some(*place),
        city: None,
        country: None,
        drained: false,
    };
    let member = |pop: u32| {
        let addresses = [format!("198.18.{}.{}", pop >> 8, pop & 255), format!("2001:db8::{pop:x}")];
        let address = |ip: String| ServiceAddress { ip: ip.parse().unwrap(), targets: vec![TargetId(pop)] };
        Member::new(PopId(pop), addresses.map(address).into())
    };
    let service = Service::new("web", (0..places.len() as u32).map(member).collect());
    (service, places.iter().enumerate().map(pop).collect())
}

/// All are up but these.
pub fn known(count: usize, down: &[u16]) -> Known {
    let state = |pop: u16| if down.contains(&pop) { State::Down } else { State::Up };
    Known::of((0..count as u16).map(state).collect::<Vec<_>>())
}

pub fn nearest() -> Policy {
    Policy::built_in("nearest").unwrap()
}

/// A map alone, well, with its exact scopes.
pub struct Steered {
    pub sites: Arc<SiteTable>,
    pub maps: [Arc<Map>; 1],
    pub live: Live,
}

impl Steered {
    pub fn new(policy: Policy, service: Service, pops: &[Pop], sites: &Arc<SiteTable>) -> Self {
        let count = pops.len();
        let maps = [Arc::new(Map::compile(Source::new(policy, service), pops, sites, []))];
        let live = complete(&epoch::first(&maps, sites, &known(count, &[]), None), &maps, sites);
        Self { sites: Arc::clone(sites), maps, live }
    }

    pub fn map(&self) -> &Map {
        &self.maps[0]
    }

    pub fn live(&self) -> &LiveMap {
        self.live.map(MapId(0))
    }
}

/// The first PoP of an answer, the same for both families; `None` where the resolver's address decides.
pub fn first(live: &LiveMap, answer: AnswerId) -> Option<u16> {
    if answer == AnswerId::RESOLVER {
        return None;
    }
    let decision = &live.answer(answer).decision;
    let first = |choice: &Choice| match choice {
        Choice::Members { members, .. } => members[0],
        other => panic!("{other:?}"),
    };
    assert_eq!(first(&decision.v4), first(&decision.v6));
    Some(first(&decision.v4))
}

/// The first PoP by answer number; that of [`AnswerId::RESOLVER`] is not in it.
pub fn firsts(live: &LiveMap) -> Vec<Option<u16>> {
    (0..live.answers.len() as u16).map(|id| first(live, AnswerId(id))).collect()
}

pub fn of_site(live: &LiveMap, firsts: &[Option<u16>], site: u32) -> Option<u16> {
    match live.by_site[SiteId(site).0 as usize] {
        AnswerId::RESOLVER => None,
        answer => firsts[usize::from(answer.0)],
    }
}

/// The site table of every `.mmdb` file of a folder, in the order of their names.
pub fn read_sites(folder: PathBuf) -> Arc<SiteTable> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "mmdb")).collect();
    files.sort();
    let databases: Vec<_> = files.iter().map(|path| Database::new(fs::read(path).unwrap()).unwrap()).collect();
    Arc::new(SiteTable::build(&databases.iter().collect::<Vec<_>>()).unwrap())
}

/// Seconds of processor time that this process took, all threads together, in hundredths. What the clock says depends on who else
/// is there.
pub fn processor_time() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // After the name, which may hold anything: utime and stime are the 12th and 13th word.
    let words: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (words[11].parse::<f64>().unwrap() + words[12].parse::<f64>().unwrap()) / 100.0
}

/// xorshift64: the same numbers in every run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// An address or more bits than one.
    pub fn wide(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }
}
