//! How good the steering of a map is, by figures that anyone can work out again: who is sent to the nearest PoP and how much
//! farther the others go ([`nearest`]), what becomes of failures ([`failures`]), what resolvers have to keep ([`caches`]), and
//! whether the same inputs give the same answers ([`same`]). [`rtt`] holds distance and measured latency against each other.
//!
//! The judge is an oracle with a distance of its own ([`oracle`]). What is judged are the answers that packets get: blocks are
//! looked up in the live tables, as the packet path does. Weights are those of [`crate::survey`]. Scopes are judged by
//! `catchment scope-audit`, which asks packet by packet.
//!
//! Pure: knows nothing of files, clocks or terminals; random clients come from a seed.

pub mod caches;
pub mod failures;
pub mod fleet;
pub mod nearest;
pub mod oracle;
pub mod random;
pub mod report;
pub mod rtt;
pub mod same;

use std::sync::Arc;

use crate::explain::Assume;
use crate::geo::{Site, SiteId, SiteTable};
use crate::health::Known;
use crate::live::{AnswerId, LiveMap, Map, MapId};
use crate::net::Block;
use crate::snapshot::Snapshot;
use crate::steering::{Choice, Decision};
use crate::survey::{Ground, Side};

pub use oracle::Oracle;
pub use report::{Report, Scopes};

/// A map, and the live tables that its answers are looked up in: all targets unknown, and what the files drain drained.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The map as the survey sees it.
    pub side: Side<'a>,
    /// The map itself.
    pub map: &'a Arc<Map>,
    /// What packets are answered from.
    pub live: &'a LiveMap,
    /// What is known of health: nothing.
    known: Known,
    /// First member by answer.
    firsts: Vec<Option<u16>>,
}

impl<'a> Asked<'a> {
    /// Of a snapshot that was filled with nothing known. `None` for the number of another snapshot, and without scope tables.
    pub fn new(snapshot: &'a Snapshot, live: &'a LiveMap, map: MapId) -> Option<Self> {
        let side = Side::new(snapshot, map, &Assume::default())?;
        live.table.as_ref()?;
        let firsts = live.answers.iter().map(|answer| first(&answer.decision)).collect();
        let map = snapshot.maps.get(map.0 as usize)?;
        Some(Self { side, map, live, known: Known::default(), firsts })
    }

    /// The first PoP that a block of clients is told; `None` where the resolver's address decides, nobody serves, or several
    /// share them by weight.
    pub fn pop(&self, block: Block) -> Option<u16> {
        let AnswerId(id) = self.live.choose(self.map, self.side.sites(), block).answer;
        self.firsts.get(usize::from(id)).copied().flatten()
    }

    /// The scope that a block of clients is told.
    pub fn scope(&self, block: Block) -> u8 {
        self.live.choose(self.map, self.side.sites(), block).scope
    }
}

/// The first member of an answer: of A where the service has it, else of AAAA.
fn first(decision: &Decision) -> Option<u16> {
    let choice = if decision.v4 == Choice::Absent { &decision.v6 } else { &decision.v4 };
    match choice {
        Choice::Members { members, .. } => members.first().copied(),
        Choice::Absent | Choice::Empty | Choice::Servfail | Choice::Fallback | Choice::Split(_) => None,
    }
}

/// Whether anything is known of the addresses of a site.
fn is_known(sites: &SiteTable, id: SiteId) -> bool {
    id != SiteId::UNUSABLE && sites.site(id) != Site::default()
}

/// What is measured next, for those who wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The oracle ranks PoPs for every site.
    Oracle,
    /// Every range is looked up.
    Nearest,
    /// This many failures are tried.
    Failures(usize),
    /// One of them is done.
    Failure,
    /// Clients ask through caches.
    Caches,
    /// Everything is decided again.
    Again,
}

/// Measures all but scopes.
pub fn measure(asked: &Asked<'_>, seed: u64, progress: &mut dyn FnMut(Step)) -> Report {
    progress(Step::Oracle);
    let side = &asked.side;
    let places: Vec<_> = (0..side.pops().len() as u16).map(|pop| side.pop_place(pop)).collect();
    let oracle = Oracle::new(side.sites(), &places);
    let ground = Ground::of(side);
    progress(Step::Nearest);
    let nearest = nearest::Nearest::measure(asked, &oracle, &ground);
    progress(Step::Failures(failures::count(asked, &oracle)));
    let failures = failures::measure(asked, &oracle, &ground, &mut || progress(Step::Failure));
    progress(Step::Caches);
    let caches = [caches::v4(asked, seed), caches::v6(asked, seed)];
    progress(Step::Again);
    let same = same::measure(asked);
    Report { policy: asked.map.policy.name.clone(), pops: places.len(), nearest, failures, caches, same, scopes: None }
}
