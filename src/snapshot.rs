//! The immutable tables one query reads, and the pointers that publish them.
//!
//! A *generation* is one state of the files and databases: a [`Snapshot`], swapped whole. An *epoch* is one state of
//! health inside it: its [`Live`], swapped on its own. A query loads one snapshot and then its live tables, so it never
//! mixes two of either.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use crate::dns::ecs::Ecs;
use crate::geo::{Country, Overlay, SiteTable};
use crate::health::{Known, Target};
use crate::live::{self, Answer, Dealt, Live, Map, MapId};
use crate::net::Block;
use crate::steering::{Choice, Family, Pop};
use crate::zone::{ReflectId, SteerId, ZoneSet};

/// Everything a query reads: the fixed parts, and the live tables of the epoch.
#[derive(Debug)]
pub struct Snapshot {
    parts: Parts,
    live: ArcSwap<Live>,
}

/// What does not change as long as the files stay as they are.
#[derive(Debug)]
pub struct Parts {
    /// Counts from 1 in the life of a process.
    pub generation: u64,
    /// Static data and the owner names that are steered.
    pub zones: ZoneSet,
    /// Addresses → sites by the databases alone.
    pub base: Arc<SiteTable>,
    /// What policies tell apart by prefix and AS number …
    pub overlay: Overlay,
    /// … and addresses → sites with that.
    pub sites: Arc<SiteTable>,
    /// By `PopId`.
    pub pops: Vec<Pop>,
    /// The static part of each map, by `MapId`.
    pub maps: Vec<Arc<Map>>,
    /// By zone (its index in `zones`), then by `SteerId`.
    pub steers: Vec<Box<[Steer]>>,
    /// By zone (its index in `zones`), then by `ReflectId`; a zone without any may be missing.
    pub reflects: Vec<Box<[Reflect]>>,
    /// What is probed, by `TargetId`.
    pub targets: Vec<Target>,
    /// What the server says of itself.
    pub identity: Identity,
}

/// What a steered owner name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steer {
    /// The map that chooses.
    pub map: MapId,
    /// Whether the zone heeds client subnets.
    pub ecs: Ecs,
    /// Whether the service sends clients to names (CNAME) instead of addresses.
    pub cname: bool,
}

/// What an owner name tells clients of themselves (SEMANTICS §3.11).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reflect {
    /// Packet sources that are told; others are refused. Empty: nobody is told.
    pub allow: Box<[Block]>,
    /// The steered name of the same zone whose decision is told; `None`: none.
    pub steer: Option<SteerId>,
    /// Whether the zone heeds client subnets.
    pub ecs: Ecs,
}

/// What is known of the class of a client, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassView<'a> {
    /// ISO 3166 code of its country.
    pub country: Option<Country>,
    /// City, as the database has it.
    pub city: Option<&'a str>,
    /// Its AS number, 0 when unknown.
    pub asn: u32,
}

/// What the server says of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// `id.server` and `hostname.bind` (RFC 4892); `None` refuses them.
    pub name: Option<String>,
    /// NSID (RFC 5001), of which 128 octets are told; `None` leaves it out.
    pub nsid: Option<String>,
    /// `version.bind`; `None` refuses it.
    pub version: Option<String>,
    /// Whether extended DNS errors (RFC 8914) are sent, and with texts.
    pub ede: Ede,
    /// How long an idle connection is kept, in units of 100 ms: what a client that asks is told (RFC 7828).
    pub keepalive: u16,
    /// DNS cookie secrets (RFC 9018), the first for making, all for checking; empty: cookies are ignored.
    pub cookie_secrets: Vec<[u8; 16]>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Secrets are counted, not shown.
        let Self { name, nsid, version, ede, keepalive, cookie_secrets } = self;
        let mut shown = f.debug_struct("Identity");
        shown.field("name", name).field("nsid", nsid).field("version", version).field("ede", ede);
        shown.field("keepalive", keepalive).field("cookie_secrets", &cookie_secrets.len()).finish()
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            name: None,
            nsid: None,
            version: Some(concat!("catchment ", env!("CARGO_PKG_VERSION")).to_owned()),
            ede: Ede::Text,
            keepalive: 100,
            cookie_secrets: Vec::new(),
        }
    }
}

/// What is said in extended DNS errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ede {
    /// Nothing.
    Off,
    /// Codes alone.
    Codes,
    /// Codes and texts of at most 24 octets.
    Text,
}

impl Parts {
    /// What a steered owner name of a zone (by its index in `zones`) leads to. `None` for a number of another snapshot.
    #[inline]
    pub fn steer(&self, zone: u32, id: SteerId) -> Option<&Steer> {
        self.steers.get(zone as usize)?.get(id.0 as usize)
    }
}

impl Parts {
    /// What an owner name of a zone reflects. `None` for a number of another snapshot.
    pub fn reflect(&self, zone: u32, id: ReflectId) -> Option<&Reflect> {
        self.reflects.get(zone as usize)?.get(id.0 as usize)
    }

    /// What is known of the class of a client, a folded block. Allocates nothing.
    pub fn class(&self, client: Block) -> ClassView<'_> {
        let described = self.sites.describe(client.address());
        let site = self.sites.site(described.site);
        ClassView { country: site.country, city: site.city.map(|id| self.sites.text(id)), asn: described.asn }
    }

    /// The PoP that serves a client one address family (A, else AAAA) by a map's answer, dealt where several share.
    pub fn pop(&self, map: MapId, answer: &Answer, dealt: Option<&Dealt<'_>>, v4: bool) -> Option<&str> {
        let family = if v4 { Family::V4 } else { Family::V6 };
        let choice = if v4 { &answer.decision.v4 } else { &answer.decision.v6 };
        let index = match (dealt, choice) {
            (Some(dealt), _) => dealt.members(family).first(),
            (None, Choice::Members { members, .. }) => members.first(),
            (None, Choice::Absent | Choice::Empty | Choice::Servfail | Choice::Fallback | Choice::Split(_)) => None,
        };
        self.maps.get(map.0 as usize)?.pops.get(usize::from(*index?)).map(AsRef::as_ref)
    }
}

impl Deref for Snapshot {
    type Target = Parts;

    #[inline]
    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl Snapshot {
    /// Fills the live tables, scopes included, for what is known, taking over what the previous snapshot has alike.
    pub fn new(parts: Parts, known: &Known, previous: Option<&Self>) -> Self {
        let before = previous.map(|snapshot| (snapshot, snapshot.live.load_full()));
        let before = before.as_ref().map(|(snapshot, live)| (snapshot.maps.as_slice(), live.as_ref()));
        let first = live::epoch::first(&parts.maps, &parts.sites, known, before);
        let live = ArcSwap::from_pointee(live::complete(&first, &parts.maps, &parts.sites));
        Self { parts, live }
    }

    /// The live tables now.
    #[inline]
    pub fn live(&self) -> Guard<Arc<Live>> {
        self.live.load()
    }

    /// Publishes the answers of a new state of health; their exact scopes follow with [`Snapshot::complete_some`] and
    /// [`Snapshot::publish`]. One task swaps, so that swaps do not race. Returns whether anything changed.
    pub fn advance(&self, known: &Known) -> bool {
        let old = self.live.load_full();
        let new = live::advance(&old, &self.maps, &self.sites, known);
        let changed = new.maps.iter().zip(&old.maps).any(|(a, b)| !Arc::ptr_eq(&a.answers, &b.answers));
        if changed {
            self.live.store(Arc::new(new));
        }
        changed
    }

    /// Builds scope tables that [`Snapshot::advance`] left out of `live`, for maps from this one on, until it is `enough`; gives
    /// the map to go on with, too. Takes its time; meanwhile queries are answered with the narrower scopes of the site ranges.
    pub fn complete_some(&self, live: &Live, from: usize, enough: &dyn Fn() -> bool) -> (Live, usize) {
        live::complete_some(live, &self.parts.maps, &self.parts.sites, from, enough)
    }

    /// Publishes completed tables of maps that still decide as they did. By the same task as [`Snapshot::advance`].
    pub fn publish(&self, completed: &Live) -> bool {
        let adopted = live::adopt(&self.live.load(), completed);
        adopted.is_some_and(|live| {
            self.live.store(Arc::new(live));
            true
        })
    }
}

/// The pointer all threads read the current snapshot from.
pub type Current = ArcSwap<Snapshot>;
