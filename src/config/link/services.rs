//! Services: what the PoPs, checks and policies they name stand for, and what is probed.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::super::diagnostic::Location;
use super::super::file::checks::{Probe, documentation, forbidden};
use super::super::file::services::{AddressText, MemberText, ServiceText};
use super::super::model::{AddressModel, CheckModel, FleetPop, MemberModel, PolicyModel, ServiceModel};
use super::super::reader::{Sink, Spot};
use super::checks::{self, Checks, Missing};
use super::policies::Chosen;
use super::{by_name, choose, fit, nodata, undefined};
use crate::dns::Type;
use crate::health::Target;
use crate::net::Block;

/// What the names in a service can mean.
pub(super) struct Scope<'s> {
    pops: HashMap<&'s str, &'s FleetPop>,
    checks: Checks<'s>,
    policies: Vec<&'s PolicyModel>,
    broken: Vec<&'s HashSet<String>>,
    /// Blocks that may be probed whatever they are.
    allow: &'s [Block],
}

impl<'s> Scope<'s> {
    pub(super) fn new<const N: usize>(
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

    pub(super) fn service(&self, text: &ServiceText, sink: &mut Sink) -> Option<ServiceModel> {
        let mut linker = ServiceLinker { scope: self, text, without_port: HashSet::new(), documentation: Vec::new() };
        let service_checks = linker.checks(&text.checks, sink);
        let members: Vec<MemberModel> =
            text.members.iter().filter_map(|member| linker.member(member, &service_checks, sink)).collect();
        linker.warn_documentation(sink);
        warn_same_address(text, sink);
        let chosen = match &text.policy {
            Some(spot) => choose(spot, self.policies.iter().copied(), &self.broken, sink)?,
            None => Chosen::nearest()?,
        };
        let mut binding_places: Vec<(Type, Location)> = Vec::new();
        for binding in &text.bindings {
            let rtype = Type(binding.binding.rtype);
            if !binding_places.iter().any(|(known, _)| *known == rtype) {
                binding_places.push((rtype, binding.location.clone()));
            }
        }
        let hinted = text.bindings.iter().filter(|binding| binding.is_auto());
        let service = ServiceModel {
            name: text.name.clone(),
            location: text.location.clone(),
            members,
            policy: Arc::clone(&chosen.policy),
            policy_text: chosen.text.clone(),
            ttls: text.ttls,
            min_up: text.min_up,
            slow_start: text.slow_start,
            manual_resume: text.manual_resume,
            bindings: text.bindings.iter().map(|binding| binding.binding.clone()).collect(),
            hinted: hinted.filter_map(|b| Some((b.target.clone()?, b.location.clone()))).collect(),
            binding_places,
        };
        if service.members.is_empty() {
            return None;
        }
        let place = text.policy.as_ref().map_or(&text.location, |spot| &spot.location);
        if fit::needs_places(&chosen.policy) {
            fit::warn_without_place(&text.location, &chosen.policy, &service, sink);
        }
        fit::check(place, &chosen, &service, &|pop| self.pops.contains_key(pop), sink);
        nodata::check_policy(place, &chosen, &service, sink);
        nodata::warn_lonely(&service, sink);
        Some(service)
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
        let mut cname_targets = Vec::new();
        if text.cname.is_some() && !inherited.is_empty() {
            cname_targets = self.cname_targets(text, inherited, sink);
        }
        let addresses = text.addresses.iter().map(|a| self.address(a, text.probe.as_ref(), inherited, sink)).collect();
        Some(MemberModel {
            pop: pop?.pop.clone(),
            location: text.pop.location.clone(),
            addresses,
            min_addresses: self.text.min_addresses,
            weight: text.weight,
            capacity: text.capacity,
            cname: text.cname.as_ref().map(|(name, _)| name.clone()),
            cname_targets,
        })
    }

    /// A name has no address of its own that could be probed.
    fn cname_targets(&mut self, text: &'l MemberText, checks: &[&'l CheckModel], sink: &mut Sink) -> Vec<Target> {
        let Some(probe) = &text.probe else {
            if let Some((_, location)) = &text.cname {
                let message = format!("PoP `{}` has a `cname` and checks, and no `probe`", text.pop.text);
                let help = "say where to connect with `probe: \"127.0.0.10:8080\"`, or `checks: []`";
                sink.error_at(location, message, help);
            }
            return Vec::new();
        };
        let targets = self.targets(probe.ip, probe.port, &probe.location, checks, sink);
        if contacts(&targets)
            && let Some(why) = self.scope.forbidden(probe.ip)
        {
            let message = format!("`{}` cannot be probed: {why}", probe.ip);
            sink.error_at(&probe.location, message, "probe another address, or none with `checks: []`");
        }
        targets
    }

    /// Each check at the place it connects to.
    fn targets(
        &mut self,
        ip: IpAddr,
        port: Option<u16>,
        location: &Location,
        named: &[&'l CheckModel],
        sink: &mut Sink,
    ) -> Vec<Target> {
        let mut targets = Vec::with_capacity(named.len());
        for check in named {
            match checks::target(check, ip, port, &self.scope.checks) {
                Ok(target) => targets.push(target),
                Err(Missing::Told) => {}
                Err(Missing::TooLarge(place)) => {
                    let message = format!("check `{}` comes to more than 1000 probes of an address", check.name);
                    sink.error_at(&check.location, message, format!("the one too many is at {place}"));
                    sink.also(&place, "one too many");
                }
                Err(Missing::Port(check)) => {
                    if self.without_port.insert(&check.name) {
                        let example = SocketAddr::new(ip, 5432);
                        let help = format!("write `port: 5432` in the check, or a port in `probe`: `\"{example}\"`");
                        sink.error_at(location, format!("check `{}` has no port for this address", check.name), help);
                    }
                }
            }
        }
        targets
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
        let targets = self.targets(ip, probe.and_then(|p| p.port), location, checks, sink);
        if contacts(&targets) {
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

/// Whether any of these talks to the address.
fn contacts(targets: &[Target]) -> bool {
    targets.iter().any(|target| target.check.kind.contacts())
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
