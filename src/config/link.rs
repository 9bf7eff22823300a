//! Files together: names of PoPs, checks, services and policies become what they stand for.

mod checks;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::diagnostic::{Diagnostics, Location};
use super::file::checks::{Probe, documentation, forbidden};
use super::file::pops::{BUILT_IN, MAX_POPS, PLANNED_POLICIES};
use super::file::records::SteerText;
use super::file::services::{AddressText, MemberText, ServiceText};
use super::file::zone::{Contents, ExpectText};
use super::file::{FleetFile, Shared, ZoneFile, elsewhere};
use super::model::{
    AddressModel, CheckModel, Expect, Fleet, FleetPop, MemberModel, PolicyModel, ServiceModel, SteerModel, ZoneModel,
};
use super::reader::{Sink, Spot, quoted, suggest};
use crate::net::Block;
use crate::steering::{Policy, Rank};
use checks::{Checks, Missing};

/// Joins the pieces of the fleet, in the order given. `None` when there are errors, here or in a file itself.
pub fn link_fleet(files: &[Arc<FleetFile>]) -> (Option<Fleet>, Diagnostics) {
    link_fleet_allowing(files, &[])
}

/// The same where some blocks may be probed that otherwise must not (`probes.allow` of the settings); in zones that are
/// linked with this fleet, too.
pub fn link_fleet_allowing(files: &[Arc<FleetFile>], allow: &[Block]) -> (Option<Fleet>, Diagnostics) {
    let file = files.first().map_or_else(|| Arc::from("the fleet"), |file| Arc::clone(&file.path));
    let mut sink = Sink::new(file);
    let mut fleet = Fleet {
        pops: join(files, |s| &s.pops, |p| (&p.pop.name, &p.location), &mut sink),
        services: Vec::new(),
        checks: join(files, |s| &s.checks, |c| (&c.name, &c.location), &mut sink),
        policies: join(files, |s| &s.policies, |p| (&p.policy.name, &p.location), &mut sink),
        allow: allow.to_vec(),
    };
    if let Some(pop) = fleet.pops.get(MAX_POPS) {
        let message = format!("more than {MAX_POPS} PoPs in all fleet files");
        sink.error_at(&pop.location, message, "leave out those that no service is at");
    }
    let broken: Vec<&HashSet<String>> = files.iter().map(|file| &file.shared.broken).collect();
    checks::verify(&fleet.checks, &by_name([&fleet.checks]), &broken, &mut sink);
    let services = join(files, |s| &s.services, |s| (&s.name, &s.location), &mut sink);
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
    let Some(contents) = &zone.contents else { return (None, Diagnostics::default()) };
    let mut sink = Sink::new(Arc::clone(&zone.path));
    refuse_shadows(&contents.shared, fleet, &mut sink);
    if let Some(pop) = MAX_POPS.checked_sub(fleet.pops.len()).and_then(|room| contents.shared.pops.get(room)) {
        let message = format!("more than {MAX_POPS} PoPs, the fleet's included");
        sink.error_at(&pop.location, message, "leave out those that no service of this zone is at");
    }
    let services = private_services(contents, fleet, &mut sink);
    let names = Names { contents, fleet, services: &services };
    let mut memo = HashMap::new();
    let steers = contents.steers.iter().filter_map(|steer| names.steer(steer, &mut memo, &mut sink)).collect();
    let expects = contents.expects.iter().filter_map(|expect| names.expect(expect, &mut sink)).collect();
    let model = ZoneModel {
        apex: zone.origin.clone(),
        location: zone.location.clone(),
        serial: contents.serial,
        ecs: contents.ecs,
        soa: contents.soa.clone(),
        records: contents.records.clone(),
        steers,
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
        let shared = fleet.policies.iter().find(|p| p.policy.name == own.policy.name);
        refuse(&own.policy.name, &own.location, shared.map(|p| &p.location));
    }
}

fn private_services(contents: &Contents, fleet: &Fleet, sink: &mut Sink) -> Vec<Arc<ServiceModel>> {
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
        [&fleet.pops, &own.pops],
        [&fleet.checks, &own.checks],
        [&fleet.policies, &own.policies],
        vec![&own.broken],
        &fleet.allow,
    );
    own.services.iter().filter_map(|service| scope.service(service, sink)).map(Arc::new).collect()
}

/// What the names in a zone's records and assertions can mean.
struct Names<'n> {
    contents: &'n Contents,
    fleet: &'n Fleet,
    /// The zone's own.
    services: &'n [Arc<ServiceModel>],
}

impl<'n> Names<'n> {
    fn service(&self, name: &str) -> Option<&'n Arc<ServiceModel>> {
        self.services.iter().chain(&self.fleet.services).find(|service| service.name == name)
    }

    fn steer(
        &self,
        steer: &'n SteerText,
        memo: &mut HashMap<&'n str, Option<&'n Arc<ServiceModel>>>,
        sink: &mut Sink,
    ) -> Option<SteerModel> {
        let name = steer.service.text.as_str();
        let policy = match &steer.policy {
            Some(spot) => {
                let defined = self.contents.shared.policies.iter().chain(&self.fleet.policies);
                policy(spot, defined, &[&self.contents.shared.broken], sink)
            }
            None => None,
        };
        let Some(service) = *memo.entry(name).or_insert_with(|| self.service(name)) else {
            // A service of this zone that has errors has told them.
            let own = self.contents.shared.services.iter().map(|s| s.name.as_str());
            if !own.clone().any(|own| own == name) && !self.contents.shared.broken.contains(name) {
                let shared = self.fleet.services.iter().map(|s| s.name.as_str());
                undefined("service", &steer.service, own.chain(shared), "", sink);
            }
            return None;
        };
        if steer.policy.is_some() && policy.is_none() {
            return None;
        }
        if let Some(policy) = &policy
            && policy.rank == Rank::Distance
            && service.policy.rank != Rank::Distance
        {
            warn_without_place(&steer.location, policy, service, sink);
        }
        let mut policy = policy.unwrap_or_else(|| service.policy.clone());
        policy.count = steer.count.unwrap_or(policy.count);
        Some(SteerModel {
            owner: steer.owner.clone(),
            service: Arc::clone(service),
            policy,
            ttls: steer.ttls.over(service.ttls),
            location: steer.location.clone(),
        })
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

/// What the names in a service can mean.
struct Scope<'s> {
    pops: HashMap<&'s str, &'s FleetPop>,
    checks: Checks<'s>,
    policies: Vec<&'s PolicyModel>,
    broken: Vec<&'s HashSet<String>>,
    /// Blocks that may be probed whatever they are.
    allow: &'s [Block],
}

impl<'s> Scope<'s> {
    fn new<const N: usize>(
        pops: [&'s [FleetPop]; N],
        checks: [&'s [CheckModel]; N],
        policies: [&'s [PolicyModel]; N],
        broken: Vec<&'s HashSet<String>>,
        allow: &'s [Block],
    ) -> Self {
        Self {
            pops: pops.into_iter().flatten().map(|p| (p.pop.name.as_str(), p)).collect(),
            checks: by_name(checks),
            policies: policies.into_iter().flatten().collect(),
            broken,
            allow,
        }
    }

    /// Why no probe may go to this address, if none may.
    fn forbidden(&self, ip: IpAddr) -> Option<&'static str> {
        let host = Block::host(ip);
        let within = |block: &Block| {
            let same_family = block.address().is_ipv4() == host.address().is_ipv4();
            same_family && block.length() <= host.length() && Block::new(host.address(), block.length()) == *block
        };
        forbidden(ip).filter(|_| !self.allow.iter().any(within))
    }

    fn undefined<'c>(&self, kind: &str, spot: &Spot, defined: impl Iterator<Item = &'c str>, sink: &mut Sink) {
        if !self.broken.iter().any(|names| names.contains(&spot.text)) {
            undefined(kind, spot, defined, "", sink);
        }
    }

    fn service(&self, text: &ServiceText, sink: &mut Sink) -> Option<ServiceModel> {
        let mut linker = ServiceLinker { scope: self, text, without_port: HashSet::new(), documentation: Vec::new() };
        let service_checks = linker.checks(&text.checks, sink);
        let members: Vec<MemberModel> =
            text.members.iter().filter_map(|member| linker.member(member, &service_checks, sink)).collect();
        linker.warn_documentation(sink);
        warn_same_address(text, sink);
        let policy = match &text.policy {
            Some(spot) => policy(spot, self.policies.iter().copied(), &self.broken, sink)?,
            None => Policy::built_in("nearest")?,
        };
        let service = ServiceModel {
            name: text.name.clone(),
            location: text.location.clone(),
            members,
            policy,
            ttls: text.ttls,
            min_up: text.min_up,
        };
        if service.policy.rank == Rank::Distance {
            warn_without_place(&text.location, &service.policy, &service, sink);
        }
        (!service.members.is_empty()).then_some(service)
    }
}

struct ServiceLinker<'l> {
    scope: &'l Scope<'l>,
    text: &'l ServiceText,
    /// Checks whose missing port was told.
    without_port: HashSet<&'l str>,
    /// Addresses of the documentation that would be probed.
    documentation: Vec<(IpAddr, Location)>,
}

impl<'l> ServiceLinker<'l> {
    fn checks(&self, spots: &[Spot], sink: &mut Sink) -> Vec<&'l CheckModel> {
        let mut found: Vec<&'l CheckModel> = Vec::with_capacity(spots.len());
        for spot in spots {
            match self.scope.checks.get(spot.text.as_str()) {
                Some(check) if found.iter().any(|c| c.name == check.name) => {
                    sink.error_at(
                        &spot.location,
                        format!("check `{}` is named twice", spot.text),
                        "keep one of the two",
                    );
                }
                Some(check) => found.push(check),
                None => self.scope.undefined("check", spot, self.scope.checks.keys().copied(), sink),
            }
        }
        found
    }

    fn member(&mut self, text: &'l MemberText, inherited: &[&'l CheckModel], sink: &mut Sink) -> Option<MemberModel> {
        let pop = self.scope.pops.get(text.pop.text.as_str());
        if pop.is_none() {
            self.scope.undefined("PoP", &text.pop, self.scope.pops.keys().copied(), sink);
        }
        let own = text.checks.as_ref().map(|spots| self.checks(spots, sink));
        let inherited = own.as_deref().unwrap_or(inherited);
        let addresses = text.addresses.iter().map(|a| self.address(a, text.probe.as_ref(), inherited, sink)).collect();
        Some(MemberModel {
            pop: pop?.pop.clone(),
            location: text.pop.location.clone(),
            addresses,
            min_addresses: self.text.min_addresses,
        })
    }

    fn address(
        &mut self,
        text: &'l AddressText,
        pop_probe: Option<&Probe>,
        inherited: &[&'l CheckModel],
        sink: &mut Sink,
    ) -> AddressModel {
        let own = text.checks.as_ref().map(|spots| self.checks(spots, sink));
        let checks = own.as_deref().unwrap_or(inherited);
        let probe = text.probe.as_ref().or(pop_probe);
        let (ip, location) = probe.map_or((text.ip, &text.location), |p| (p.ip, &p.location));
        match probe {
            Some(probe) if checks.is_empty() => {
                sink.warn_at(
                    &probe.location,
                    "`probe` without a check: nothing is probed",
                    "name a check, or leave `probe` out",
                );
            }
            _ => {}
        }
        let mut targets = Vec::with_capacity(checks.len());
        for check in checks {
            match checks::target(check, ip, probe.and_then(|p| p.port), &self.scope.checks) {
                Ok(target) => targets.push(target),
                Err(Missing::Told) => {}
                Err(Missing::TooLarge(place)) => {
                    let message = format!("check `{}` comes to more than 1000 probes of an address", check.name);
                    sink.error_at(&check.location, message, format!("the one too many is at {place}"));
                }
                Err(Missing::Port(check)) => {
                    if self.without_port.insert(&check.name) {
                        let help = format!(
                            "write `port: 5432` in the check, or a port in `probe`: `\"{}\"`",
                            SocketAddr::new(ip, 5432)
                        );
                        sink.error_at(location, format!("check `{}` has no port for this address", check.name), help);
                    }
                }
            }
        }
        if targets.iter().any(|target| target.check.kind.contacts()) {
            if probe.is_none() && documentation(ip) {
                self.documentation.push((ip, location.clone()));
            }
            if let Some(why) = self.scope.forbidden(ip) {
                let help = "probe another address with `probe`, or none with `checks: []`";
                sink.error_at(location, format!("`{ip}` cannot be probed: {why}"), help);
            }
        }
        AddressModel { ip: text.ip, targets }
    }

    fn warn_documentation(&self, sink: &mut Sink) {
        let Some((ip, location)) = self.documentation.first() else { return };
        let others = match self.documentation.len() {
            1 => String::new(),
            n => format!(", like {} more of this service", n - 1),
        };
        let message = format!("`{ip}` is an address of documentation, where no probe is answered{others}");
        sink.warn_at(location, message, "say where to connect with `probe: \"127.0.0.10:8080\"`, or `checks: []`");
    }
}

fn warn_same_address(text: &ServiceText, sink: &mut Sink) {
    let mut first: HashMap<IpAddr, &str> = HashMap::new();
    for member in &text.members {
        for address in &member.addresses {
            let pop = first.entry(address.ip).or_insert(&member.pop.text);
            if *pop != member.pop.text {
                let message = format!("`{}` is an address of PoP `{pop}` as well", address.ip);
                sink.warn_at(
                    &address.location,
                    message,
                    "clients cannot be steered between PoPs that share an address",
                );
            }
        }
    }
}

fn warn_without_place(location: &Location, policy: &Policy, service: &ServiceModel, sink: &mut Sink) {
    let without: Vec<&str> =
        service.members.iter().filter(|m| m.pop.place.is_none()).map(|m| m.pop.name.as_str()).collect();
    if !without.is_empty() {
        let (pops, comes) = if without.len() == 1 { ("PoP", "comes") } else { ("PoPs", "come") };
        let message = format!(
            "{pops} {} without `at` {comes} last for everyone under policy `{}`",
            quoted(&without),
            policy.name
        );
        sink.warn_at(location, message, "write latitude and longitude: `at: [50.11, 8.68]`");
    }
}

fn policy<'p>(
    spot: &Spot,
    defined: impl Iterator<Item = &'p PolicyModel> + Clone,
    broken: &[&HashSet<String>],
    sink: &mut Sink,
) -> Option<Policy> {
    if let Some(policy) = Policy::built_in(&spot.text) {
        return Some(policy);
    }
    if let Some(found) = defined.clone().find(|p| p.policy.name == spot.text) {
        return Some(found.policy.clone());
    }
    if PLANNED_POLICIES.contains(&spot.text.as_str()) {
        let message = format!("policy `{}` is planned, not in this version", spot.text);
        sink.error_at(&spot.location, message, format!("built in: {}", quoted(BUILT_IN)));
        return None;
    }
    if broken.iter().any(|names| names.contains(&spot.text)) {
        return None;
    }
    let built_in = format!("built in: {}", quoted(BUILT_IN));
    undefined("policy", spot, defined.map(|p| p.policy.name.as_str()), &built_in, sink);
    None
}

/// Reports a name that nothing has. `built_in` is told beside what is defined.
fn undefined<'c>(kind: &str, spot: &Spot, defined: impl Iterator<Item = &'c str>, built_in: &str, sink: &mut Sink) {
    let mut defined: Vec<&str> = defined.collect();
    defined.sort_unstable();
    let extra: &[&str] = if built_in.is_empty() { &[] } else { &BUILT_IN };
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
