//! All zones, services and policies → the parts of a snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use super::labels::{self, Labels};
use crate::config::model::{Fleet, MemberModel, ServiceModel, SteerModel, ZoneModel};
use crate::dns::Name;
use crate::geo::SiteTable;
use crate::health::{Target, TargetId};
use crate::live::{Map, MapId, Source};
use crate::snapshot::{Identity, Parts, Reflect, Snapshot, Steer};
use crate::steering::{Member, Policy, Pop, PopId, Service, ServiceAddress, Ttls};
use crate::zone::{Entry, SteerId, Zone, ZoneSetBuilder};

/// What a snapshot is compiled from.
#[derive(Debug)]
pub struct Input<'a> {
    /// The new snapshot's number.
    pub generation: u64,
    /// What all zones share.
    pub fleet: &'a Fleet,
    /// Every configured zone.
    pub zones: Vec<ZoneInput<'a>>,
    /// Addresses → sites, by the databases alone.
    pub sites: Arc<SiteTable>,
    /// What the server says of itself.
    pub identity: Identity,
    /// The snapshot before, to share with.
    pub previous: Option<&'a Snapshot>,
}

/// A configured zone.
#[derive(Debug)]
pub struct ZoneInput<'a> {
    /// Its apex.
    pub apex: &'a Name,
    /// Its model and tables; `None` when it could not be loaded.
    pub loaded: Option<(&'a Arc<ZoneModel>, &'a Arc<Zone>)>,
}

/// Compiles the parts of a snapshot.
pub fn snapshot(input: Input<'_>) -> Parts {
    let mut tables = Tables::default();
    for pop in &input.fleet.pops {
        tables.pop(&pop.pop);
    }
    let mut zones = ZoneSetBuilder::with_capacity(input.zones.len());
    let mut steers = Vec::with_capacity(input.zones.len());
    let mut reflects = Vec::with_capacity(input.zones.len());
    for zone in &input.zones {
        let (entry, list): (_, Box<[Steer]>) = match zone.loaded {
            Some((model, compiled)) => {
                let steer = |s: &SteerModel| Steer {
                    map: tables.map(&s.service, &s.policy, s.ttls),
                    ecs: model.ecs,
                    cname: s.service.members.iter().any(|member| member.cname.is_some()),
                };
                (Entry::Loaded(Arc::clone(compiled)), model.steers.iter().map(steer).collect())
            }
            None => (Entry::NotLoaded, Box::default()),
        };
        let mirrors = zone.loaded.map_or_else(Box::default, |(model, _)| mirrors(model));
        if zones.add(zone.apex, entry) {
            steers.push(list);
            reflects.push(mirrors);
        }
    }
    let Tables { pops, targets, maps: plans, policies, .. } = tables;
    let Labels { overlay, by_policy } = labels::label(&policies);
    // The table of before is shared where nothing differs: homes and live tables are, only beside their own table.
    let before = input.previous.filter(|old| Arc::ptr_eq(&old.base, &input.sites) && old.overlay == overlay);
    let sites = match before {
        Some(old) => Arc::clone(&old.sites),
        None => SiteTable::overlaid(&input.sites, input.sites.asns(), &overlay),
    };
    let mut maps: Vec<Arc<Map>> = Vec::with_capacity(plans.len());
    for Plan { policy, service } in plans {
        let before = input.previous.iter().flat_map(|snapshot| &snapshot.maps);
        let homes = maps.iter().chain(before).map(|map| &map.homes);
        let source =
            Source { policy: Arc::clone(&policies[policy]), service, prefixes: Arc::clone(&by_policy[policy]) };
        let map = Map::compile(source, &pops, &sites, homes);
        maps.push(Arc::new(map));
    }
    Parts {
        generation: input.generation,
        zones: zones.build(),
        base: input.sites,
        overlay,
        sites,
        pops,
        maps,
        steers,
        reflects,
        targets,
        identity: input.identity,
    }
}

/// What the reflecting names of a zone tell: of the decisions, that of the zone's first steered name.
fn mirrors(model: &ZoneModel) -> Box<[Reflect]> {
    let steer = (!model.steers.is_empty()).then_some(SteerId(0));
    model.reflects.iter().map(|r| Reflect { allow: r.allow.as_slice().into(), steer, ecs: model.ecs }).collect()
}

/// Dense numbers for what the zones name.
#[derive(Default)]
struct Tables {
    pops: Vec<Pop>,
    /// Several PoPs may bear one name: a zone's own are private to it.
    pops_by_name: HashMap<String, Vec<PopId>>,
    targets: Vec<Target>,
    target_ids: HashMap<Target, TargetId>,
    maps: Vec<Plan>,
    map_ids: HashMap<MapKey, MapId>,
    policies: Vec<Arc<Policy>>,
    policy_ids: HashMap<Arc<Policy>, usize>,
}

struct Plan {
    /// Index of the policy.
    policy: usize,
    service: Service,
}

/// Services are told apart by the place they live at: within one generation a service is one `Arc`.
#[derive(PartialEq, Eq, Hash)]
struct MapKey {
    service: *const ServiceModel,
    policy: usize,
    ttls: Ttls,
}

impl Tables {
    fn pop(&mut self, pop: &Pop) -> PopId {
        let known = self.pops_by_name.entry(pop.name.clone()).or_default();
        if let Some(id) = known.iter().find(|id| self.pops[id.0 as usize] == *pop) {
            return *id;
        }
        let id = PopId(self.pops.len() as u32);
        known.push(id);
        self.pops.push(pop.clone());
        id
    }

    fn target(&mut self, target: &Target) -> TargetId {
        if let Some(id) = self.target_ids.get(target) {
            return *id;
        }
        let id = TargetId(self.targets.len() as u32);
        self.targets.push(target.clone());
        self.target_ids.insert(target.clone(), id);
        id
    }

    fn policy(&mut self, policy: &Arc<Policy>) -> usize {
        if let Some(&id) = self.policy_ids.get(policy) {
            return id;
        }
        let id = self.policies.len();
        self.policies.push(Arc::clone(policy));
        self.policy_ids.insert(Arc::clone(policy), id);
        id
    }

    fn map(&mut self, model: &Arc<ServiceModel>, policy: &Arc<Policy>, ttls: Ttls) -> MapId {
        let policy = self.policy(policy);
        let key = MapKey { service: Arc::as_ptr(model), policy, ttls };
        if let Some(id) = self.map_ids.get(&key) {
            return *id;
        }
        let members = model.members.iter().map(|member| self.member(member)).collect();
        let id = MapId(self.maps.len() as u32);
        let service = Service {
            name: model.name.clone(),
            members,
            ttls,
            min_up: model.min_up,
            slow_start: model.slow_start,
            bindings: model.bindings.clone(),
        };
        self.maps.push(Plan { policy, service });
        self.map_ids.insert(key, id);
        id
    }

    fn member(&mut self, model: &MemberModel) -> Member {
        let addresses = model
            .addresses
            .iter()
            .map(|address| ServiceAddress {
                ip: address.ip,
                targets: address.targets.iter().map(|target| self.target(target)).collect(),
            })
            .collect();
        Member {
            pop: self.pop(&model.pop),
            addresses,
            min_addresses: model.min_addresses,
            weight: model.weight,
            capacity: model.capacity,
            cname: model.cname.as_ref().map(|name| name.as_wire().into()),
            cname_targets: model.cname_targets.iter().map(|target| self.target(target)).collect(),
        }
    }
}
