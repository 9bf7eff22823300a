//! Files together: names of PoPs, checks, services and policies become what they stand for.

mod checks;
mod fit;
mod nodata;
mod policies;
mod services;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use self::checks::Checks;
use self::policies::{BUILT_IN, Chosen};
use self::services::Scope;
use super::diagnostic::{Diagnostics, Location};
use super::file::expect::ExpectText;
use super::file::pops::MAX_POPS;
use super::file::records::SteerText;
use super::file::services::ServiceText;
use super::file::zone::Contents;
use super::file::{FleetFile, Shared, ZoneFile, elsewhere};
use super::model::{CheckModel, Expect, Fleet, PolicyModel, Record, ServiceModel, SteerModel, ZoneModel};
use super::reader::{Sink, Spot, quoted, suggest};
use crate::dns::{Name, NameRef, Type};
use crate::net::Block;
use crate::steering::Policy;

/// Joins the pieces of the fleet, in the order given. `None` when there are errors, here or in a file itself.
pub fn link_fleet(files: &[Arc<FleetFile>]) -> (Option<Fleet>, Diagnostics) {
    link_fleet_with(files, &[], &[])
}

/// The same where some blocks may be probed that otherwise must not (`probes.allow` of the settings; in
/// zones that are linked with this fleet, too), and where some files of the fleet are `refused`, so that nobody knows what they define.
pub fn link_fleet_with(
    files: &[Arc<FleetFile>],
    allow: &[Block],
    refused: &[Arc<str>],
) -> (Option<Fleet>, Diagnostics) {
    let file = files.first().map_or_else(|| Arc::from("the fleet"), |file| Arc::clone(&file.path));
    let mut sink = Sink::awaiting(file, refused);
    let mut fleet = Fleet {
        pops: join(files, |s| &s.pops, |p| (&p.pop.name, &p.location), &mut sink),
        services: Vec::new(),
        checks: join(files, |s| &s.checks, |c| (&c.name, &c.location), &mut sink),
        policies: Vec::new(),
        allow: allow.to_vec(),
    };
    if let Some(pop) = fleet.pops.get(MAX_POPS) {
        let message = format!("more than {MAX_POPS} PoPs in all fleet files");
        sink.error_at(&pop.location, message, "leave out those that no service is at");
    }
    let broken: Vec<&HashSet<String>> = files.iter().map(|file| &file.shared.broken).collect();
    checks::verify(&fleet.checks, &by_name([&fleet.checks]), &broken, &mut sink);
    let services = join(files, |s| &s.services, |s| (&s.name, &s.location), &mut sink);
    let policies = join(files, |s| &s.policies, |p| (&p.name, &p.location), &mut sink);
    let pops = fleet.pops.iter().map(|p| p.pop.name.as_str());
    fleet.policies = policies::resolve(&policies, &[], pops, &broken, &mut sink);
    let scope =
        Scope::new([fleet.pops.as_slice()], [fleet.checks.as_slice()], [fleet.policies.as_slice()], broken, allow);
    let linked: Vec<Arc<ServiceModel>> =
        services.iter().filter_map(|s| scope.service(s, &mut sink)).map(Arc::new).collect();
    fleet.services = linked;
    let good = !sink.has_errors() && files.iter().all(|file| file.good);
    (good.then_some(fleet), sink.finish())
}

/// Everything of one kind in all files; the same name twice is an error.
fn join<T: Clone>(
    files: &[Arc<FleetFile>],
    section: impl Fn(&Shared) -> &Vec<T>,
    named: impl Fn(&T) -> (&String, &Location),
    sink: &mut Sink,
) -> Vec<T> {
    let mut first: HashMap<&String, &Location> = HashMap::new();
    let mut all = Vec::new();
    for item in files.iter().flat_map(|file| section(&file.shared)) {
        let (name, location) = named(item);
        if let Some(place) = first.get(name) {
            sink.error_at(
                location,
                elsewhere(name, place),
                "names are shared by all fleet files: take another, or delete one",
            );
            sink.also(place, "first here");
        } else {
            first.insert(name, location);
            all.push(item.clone());
        }
    }
    all
}

/// Warnings that only all files together can tell: checks of the fleet that no service uses.
pub fn unused(fleet_files: &[Arc<FleetFile>], zones: &[Arc<ZoneFile>]) -> Diagnostics {
    let mut used: HashSet<&str> = HashSet::new();
    let shared = fleet_files.iter().map(|file| &file.shared);
    let private = zones.iter().filter_map(|zone| zone.contents.as_ref()).map(|contents| &contents.shared);
    for service in shared.chain(private).flat_map(|shared| &shared.services) {
        used.extend(checks_of(service));
    }
    let fleet = fleet_files.iter().map(|file| &file.shared);
    let zones = zones.iter().filter_map(|zone| zone.contents.as_ref()).map(|contents| &contents.shared);
    used.extend(fleet.chain(zones).flat_map(|shared| &shared.checks).flat_map(names_in));
    let file = fleet_files.first().map_or_else(|| Arc::from("the fleet"), |file| Arc::clone(&file.path));
    let mut sink = Sink::new(file);
    for check in fleet_files.iter().flat_map(|file| &file.shared.checks) {
        warn_unused(check, &used, &mut sink);
    }
    sink.finish()
}

fn warn_unused(check: &CheckModel, used: &HashSet<&str>, sink: &mut Sink) {
    if !used.contains(check.name.as_str()) {
        let help = "name it in `checks` of a service, or delete it";
        sink.warn_at(&check.location, format!("no service uses check `{}`", check.name), help);
    }
}

fn names_in(check: &CheckModel) -> impl Iterator<Item = &str> {
    checks::parts(check).into_iter().map(|part| part.name.as_str())
}

fn by_name<const N: usize>(checks: [&[CheckModel]; N]) -> Checks<'_> {
    checks.into_iter().flatten().map(|check| (check.name.as_str(), check)).collect()
}

fn checks_of(service: &ServiceText) -> impl Iterator<Item = &str> {
    let of_members = service
        .members
        .iter()
        .flat_map(|m| m.checks.iter().flatten().chain(m.addresses.iter().flat_map(|a| a.checks.iter().flatten())));
    service.checks.iter().chain(of_members).map(|spot| spot.text.as_str())
}

/// Resolves a zone against the fleet. `None` when there are errors, here or in the file itself.
pub fn link_zone(zone: &ZoneFile, fleet: &Fleet) -> (Option<ZoneModel>, Diagnostics) {
    link_zone_beside(zone, fleet, &[])
}

/// The same beside files of the fleet that are `refused`, so that nobody knows what they define.
pub fn link_zone_beside(zone: &ZoneFile, fleet: &Fleet, refused: &[Arc<str>]) -> (Option<ZoneModel>, Diagnostics) {
    let Some(contents) = &zone.contents else { return (None, Diagnostics::default()) };
    let mut sink = Sink::awaiting(Arc::clone(&zone.path), refused);
    refuse_shadows(&contents.shared, fleet, &mut sink);
    if let Some(pop) = MAX_POPS.checked_sub(fleet.pops.len()).and_then(|room| contents.shared.pops.get(room)) {
        let message = format!("more than {MAX_POPS} PoPs, the fleet's included");
        sink.error_at(&pop.location, message, "leave out those that no service of this zone is at");
    }
    let own = &contents.shared;
    let pops = fleet.pops.iter().chain(&own.pops).map(|p| p.pop.name.as_str());
    let policies = policies::resolve(&own.policies, &fleet.policies, pops, &[&own.broken], &mut sink);
    let services = private_services(contents, &policies, fleet, &mut sink);
    let names = Names { contents, fleet, services: &services, policies: &policies };
    let steers = names.steers(&zone.origin, &mut sink);
    refuse_beside_reflect(contents, &steers, &mut sink);
    let expects = contents.expects.iter().filter_map(|expect| names.expect(expect, &mut sink)).collect();
    let model = ZoneModel {
        apex: zone.origin.clone(),
        location: zone.location.clone(),
        serial: contents.serial,
        ecs: contents.ecs,
        soa: contents.soa.clone(),
        records: Arc::clone(&contents.records),
        steers,
        reflects: contents.reflects.clone(),
        aliases: contents.aliases.clone(),
        expects,
    };
    let good = zone.good && !sink.has_errors();
    (good.then_some(model), sink.finish())
}

fn refuse_shadows(own: &Shared, fleet: &Fleet, sink: &mut Sink) {
    const HELP: &str = "names in a zone file are its own and cannot replace the fleet's: take another";
    let mut refuse = |name: &str, location: &Location, shared: Option<&Location>| {
        if let Some(place) = shared {
            sink.error_at(location, elsewhere(name, place), HELP);
            sink.also(place, "first here");
        }
    };
    for own in &own.pops {
        let shared = fleet.pops.iter().find(|p| p.pop.name == own.pop.name);
        refuse(&own.pop.name, &own.location, shared.map(|p| &p.location));
    }
    for own in &own.checks {
        refuse(&own.name, &own.location, fleet.checks.iter().find(|c| c.name == own.name).map(|c| &c.location));
    }
    for own in &own.services {
        refuse(&own.name, &own.location, fleet.services.iter().find(|s| s.name == own.name).map(|s| &s.location));
    }
    for own in &own.policies {
        let shared = fleet.policies.iter().find(|p| p.policy.name == own.name);
        refuse(&own.name, &own.location, shared.map(|p| &p.location));
    }
}

fn private_services(
    contents: &Contents,
    policies: &[PolicyModel],
    fleet: &Fleet,
    sink: &mut Sink,
) -> Vec<Arc<ServiceModel>> {
    let own = &contents.shared;
    let used = own.services.iter().flat_map(checks_of).chain(own.checks.iter().flat_map(names_in)).collect();
    checks::verify(&own.checks, &by_name([&fleet.checks, &own.checks]), &[&own.broken], sink);
    for check in &own.checks {
        warn_unused(check, &used, sink);
    }
    if own.services.is_empty() {
        return Vec::new();
    }
    let scope = Scope::new(
        [fleet.pops.as_slice(), &own.pops],
        [fleet.checks.as_slice(), &own.checks],
        [fleet.policies.as_slice(), policies],
        vec![&own.broken],
        &fleet.allow,
    );
    own.services.iter().filter_map(|service| scope.service(service, sink)).map(Arc::new).collect()
}

/// What `reflect` cannot stand beside, as far as it is written elsewhere.
fn refuse_beside_reflect(contents: &Contents, steers: &[SteerModel], sink: &mut Sink) {
    for reflect in &contents.reflects {
        let steered = steers.iter().find(|steer| steer.owner == reflect.owner);
        if let Some(steer) = steered.filter(|steer| steer.service.members.iter().any(|member| member.cname.is_some())) {
            let message = format!("`reflect` beside service `{}`, which has a `cname`", steer.service.name);
            sink.error_at(&reflect.location, message, "a name is an alias or has data of its own (RFC 2181 §10.1)");
        }
        let beside = |record: &Record<'_>| {
            record.owner == reflect.owner
                && matches!(record.rtype, Type::TXT | Type::CNAME | Type::DNAME)
                && record.location().file != reflect.location.file
        };
        if let Some(record) = contents.records.iter().find(beside) {
            let message = format!("`{}` has {} here and `reflect` at {}", record.owner, record.rtype, reflect.location);
            sink.error_at(&record.location(), message, "the name answers with a TXT of its own: take another name");
            sink.also(&reflect.location, "`reflect` here");
        }
    }
}

/// What the names in a zone's records and assertions can mean.
struct Names<'n> {
    contents: &'n Contents,
    fleet: &'n Fleet,
    /// The zone's own.
    services: &'n [Arc<ServiceModel>],
    /// The zone's own.
    policies: &'n [PolicyModel],
}

/// What was found for one steered name and holds for others.
#[derive(Default)]
struct Memo<'n> {
    services: HashMap<&'n str, Option<&'n Arc<ServiceModel>>>,
    /// By policy and service.
    gaps: HashMap<(String, &'n str), Option<nodata::Gap>>,
}

impl<'n> Names<'n> {
    fn service(&self, name: &str) -> Option<&'n Arc<ServiceModel>> {
        self.services.iter().chain(&self.fleet.services).find(|service| service.name == name)
    }

    fn steers(&self, apex: &Name, sink: &mut Sink) -> Vec<SteerModel> {
        let mut written: HashMap<NameRef<'_>, Vec<(Type, Location)>> =
            self.contents.steers.iter().map(|steer| (steer.owner.by_ref(), Vec::new())).collect();
        if !written.is_empty() {
            for record in self.contents.records.iter() {
                if let Some(types) = written.get_mut(&record.owner)
                    && types.last().is_none_or(|(last, _)| *last != record.rtype)
                {
                    types.push((record.rtype, record.location()));
                }
            }
        }
        let mut memo = Memo::default();
        let steers = self.contents.steers.iter().filter_map(|steer| {
            let types = written.get(&steer.owner.by_ref()).map(Vec::as_slice).unwrap_or_default();
            self.steer(steer, apex, types, &mut memo, sink)
        });
        steers.collect()
    }

    fn steer(
        &self,
        steer: &'n SteerText,
        apex: &Name,
        types: &[(Type, Location)],
        memo: &mut Memo<'n>,
        sink: &mut Sink,
    ) -> Option<SteerModel> {
        let name = steer.service.text.as_str();
        let own = match &steer.policy {
            Some(spot) => {
                let defined = self.policies.iter().chain(&self.fleet.policies);
                Some(choose(spot, defined, &[&self.contents.shared.broken], sink))
            }
            None => None,
        };
        let Some(service) = *memo.services.entry(name).or_insert_with(|| self.service(name)) else {
            // A service of this zone that has errors has told them.
            let own = self.contents.shared.services.iter().map(|s| s.name.as_str());
            if !own.clone().any(|own| own == name) && !self.contents.shared.broken.contains(name) {
                let shared = self.fleet.services.iter().map(|s| s.name.as_str());
                undefined("service", &steer.service, own.chain(shared), "", sink);
            }
            return None;
        };
        let own_policy = own.is_some();
        let chosen = match own {
            Some(chosen) => chosen?,
            None => Chosen { policy: Arc::clone(&service.policy), text: service.policy_text.clone() },
        };
        if own_policy && fit::needs_places(&chosen.policy) && !fit::needs_places(&service.policy) {
            fit::warn_without_place(&steer.location, &chosen.policy, service, sink);
        }
        let pair = (chosen.policy.name.clone(), name);
        let gap = memo.gaps.entry(pair).or_insert_with(|| {
            if own_policy {
                let all = || self.fleet.pops.iter().chain(&self.contents.shared.pops);
                let defined = |pop: &str| all().any(|known| known.pop.name == pop);
                fit::check(&steer.location, &chosen, service, &defined, sink);
            }
            // What of it the service's own policy has to tell is told with the service: repetitions fall together.
            let spot = steer.policy.as_ref().map_or(&service.location, |spot| &spot.location);
            let mut unheard = Sink::new(Arc::clone(&spot.file));
            nodata::check_policy(spot, &chosen, service, if own_policy { &mut *sink } else { &mut unheard })
        });
        let owner =
            nodata::Owner { name: &steer.owner, is_apex: steer.owner == *apex, types, location: &steer.location };
        nodata::check_owner(&owner, &chosen.policy, gap, service, sink);
        self.hints(service, apex, sink);
        let mut policy = chosen.policy;
        let (count, skip) = (steer.count.unwrap_or(policy.count), steer.skip.unwrap_or(policy.skip));
        if (count, skip) != (policy.count, policy.skip) {
            if skip != policy.skip {
                fit::skip(&steer.location, skip, service, sink);
            }
            policy = Arc::new(Policy { count, skip, ..Policy::clone(&policy) });
        }
        Some(SteerModel {
            owner: steer.owner.clone(),
            service: Arc::clone(service),
            policy,
            ttls: steer.ttls.over(service.ttls),
            location: steer.location.clone(),
        })
    }

    /// Names whose addresses stand in `auto` hints are steered by the same service in this zone.
    fn hints(&self, service: &ServiceModel, apex: &Name, sink: &mut Sink) {
        for (target, location) in &service.hinted {
            if !self.contents.steers.iter().any(|s| s.owner == *target && s.service.text == service.name) {
                let message = format!(
                    "hints cannot be `auto` for `{target}`: zone `{apex}` does not steer it by service `{}`",
                    service.name
                );
                let help = "hints are the addresses that clients find under that name (RFC 9460 §7.3): write `.` for the \
                            owner name itself, steer that name in this zone, or write the hints out";
                sink.error_at(location, message, help);
            }
        }
    }

    fn expect(&self, text: &ExpectText, sink: &mut Sink) -> Option<Expect> {
        let steer = self.contents.steers.iter().find(|steer| steer.owner == text.expect.name);
        let service = steer.and_then(|steer| self.service(&steer.service.text));
        let mut good = true;
        for spot in &text.pops {
            let all = self.fleet.pops.iter().chain(&self.contents.shared.pops);
            if self.contents.shared.broken.contains(&spot.text) {
                good = false;
            } else if !all.clone().any(|p| p.pop.name == spot.text) {
                undefined("PoP", spot, all.map(|p| p.pop.name.as_str()), "", sink);
                good = false;
            } else if let Some(service) = service
                && !service.members.iter().any(|m| m.pop.name == spot.text)
            {
                let help = format!("its PoPs: {}", quoted(service.members.iter().map(|m| &m.pop.name)));
                sink.error_at(
                    &spot.location,
                    format!("service `{}` is not at PoP `{}`", service.name, spot.text),
                    help,
                );
                good = false;
            }
        }
        good.then(|| text.expect.clone())
    }
}

/// The policy of a name.
fn choose<'p>(
    spot: &Spot,
    defined: impl Iterator<Item = &'p PolicyModel> + Clone,
    broken: &[&HashSet<String>],
    sink: &mut Sink,
) -> Option<Chosen> {
    if let Some(policy) = Policy::built_in(&spot.text) {
        return Some(Chosen { policy: Arc::new(policy), text: None });
    }
    if let Some(found) = defined.clone().find(|p| p.policy.name == spot.text) {
        return Some(Chosen { policy: Arc::clone(&found.policy), text: Some(Arc::clone(&found.text)) });
    }
    if !broken.iter().any(|names| names.contains(&spot.text)) {
        undefined("policy", spot, defined.map(|p| p.policy.name.as_str()), BUILT_IN, sink);
    }
    None
}

/// Reports a name that nothing has. `built_in` is told beside what is defined.
fn undefined<'c>(kind: &str, spot: &Spot, defined: impl Iterator<Item = &'c str>, built_in: &str, sink: &mut Sink) {
    if sink.waits_for(kind, &spot.text, &spot.location) {
        return;
    }
    let mut defined: Vec<&str> = defined.collect();
    defined.sort_unstable();
    let extra: &[&str] = if built_in.is_empty() { &[] } else { &Policy::BUILT_IN };
    let mut help = match suggest(&spot.text, defined.iter().chain(extra).copied()) {
        Some(near) => format!("did you mean `{near}`? "),
        None => String::new(),
    };
    if !built_in.is_empty() {
        help.push_str(built_in);
        help.push_str("; ");
    }
    if defined.is_empty() {
        help.push_str("none is defined");
    } else {
        help.push_str("defined: ");
        help.push_str(&quoted(&defined));
    }
    sink.error_at(&spot.location, format!("{kind} `{}` is not defined", spot.text), help);
}
