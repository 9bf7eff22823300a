//! A list of places as a service: PoPs by distance, for comparisons without files of an operator.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::rtt::countries;
use crate::dns::{Name, Type, rdata};
use crate::geo::{Country, Overlay, Place, SiteTable};
use crate::health::{Check, CheckKind, Known, Target, TargetId};
use crate::live::{Map, MapId, Source};
use crate::snapshot::{Identity, Parts, Snapshot, Steer};
use crate::steering::{Member, Policy, Pop, PopId, Service, ServiceAddress};
use crate::zone::{Entry, SteerId, ZoneBuilder, ZoneSetBuilder};

/// The name that leads to the service.
pub const NAME: &str = "www.example.com.";
const APEX: &str = "example.com.";

/// Most PoPs of a list: one for each address of 198.18.0.0/16, with room to spare.
const MOST: usize = 10_000;

/// What is wrong with a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// A line is no PoP.
    #[error("line {line}: {what}; a line is name, latitude, longitude and country, with tabs between them")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// None, or too many.
    #[error("it has {0} PoPs; 1 to {MOST} are possible")]
    Count(usize),
}

/// Reads a list: a line per PoP with its name, latitude and longitude in degrees, and a country, with tabs between them.
/// More columns, empty lines and lines that begin with `#` are passed over. A country is a code or an English name; what is neither is none.
///
/// # Errors
/// The first line that is wrong.
pub fn read(text: &str) -> Result<Vec<Pop>, ListError> {
    let mut pops = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |what| ListError::Line { line: index + 1, what };
        let mut columns = line.split('\t').map(str::trim);
        let name = columns.next().filter(|name| !name.is_empty()).ok_or(wrong("the name is missing"))?;
        let mut degrees = || columns.next().and_then(|text| text.parse::<f64>().ok());
        let place = degrees().zip(degrees()).and_then(|(latitude, longitude)| Place::from_degrees(latitude, longitude));
        let place = place.ok_or(wrong("latitude or longitude is not a number of degrees"))?;
        let country = columns.next().and_then(|text| Country::new(text).or_else(|| countries::code(text)));
        if pops.iter().any(|pop: &Pop| pop.name == name) {
            return Err(wrong("the name is there twice"));
        }
        pops.push(Pop { name: name.to_owned(), place: Some(place), city: None, country, drained: false });
    }
    if pops.is_empty() || pops.len() > MOST { Err(ListError::Count(pops.len())) } else { Ok(pops) }
}

/// A service at these PoPs, each with an address of either family and a target of its own: PoP n has target n.
pub fn service(pops: &[Pop]) -> Service {
    let member = |index: usize| {
        let number = index as u16 + 1;
        let v4 = IpAddr::V4(Ipv4Addr::from(0xc612_0000 | u32::from(number)));
        let v6 = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number));
        let targets = vec![TargetId(index as u32)];
        let address = |ip| ServiceAddress { ip, targets: targets.clone() };
        Member::new(PopId(index as u32), vec![address(v4), address(v6)])
    };
    Service::new("list", (0..pops.len()).map(member).collect())
}

/// A snapshot in which [`NAME`] is steered to these PoPs by a policy. `None` if our own zone does not hold together.
pub fn snapshot(pops: Vec<Pop>, policy: Policy, sites: &Arc<SiteTable>) -> Option<Snapshot> {
    let apex = Name::parse(APEX, None).ok()?;
    let mut zone = ZoneBuilder::new(&apex, 0);
    for (rtype, data) in [(Type::SOA, "ns1 hostmaster 1 7200 1800 1209600 300"), (Type::NS, "ns1")] {
        zone.add(&apex, rtype, 3600, &rdata::parse(rtype, data, &apex).ok()?.wire, 0);
    }
    let server = Name::parse("ns1", Some(&apex)).ok()?;
    zone.add(&server, Type::A, 3600, &rdata::parse(Type::A, "192.0.2.53", &apex).ok()?.wire, 0);
    zone.steer(&Name::parse(NAME, None).ok()?, SteerId(0), 0);
    let mut zones = ZoneSetBuilder::with_capacity(1);
    zones.add(&apex, Entry::Loaded(Arc::new(zone.build().ok()?.zone)));
    let service = service(&pops);
    let target = |member: &Member| {
        let address = member.addresses.first().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip);
        Target { address: (address, 443).into(), check: Check::new(CheckKind::Tcp) }
    };
    let targets = service.members.iter().map(target).collect();
    let maps = vec![Arc::new(Map::compile(Source::new(policy, service), &pops, sites, []))];
    let steer = Steer { map: MapId(0), ecs: crate::dns::ecs::Ecs::On, cname: false };
    let parts = Parts {
        generation: 1,
        zones: zones.build(),
        base: Arc::clone(sites),
        overlay: Overlay::default(),
        sites: Arc::clone(sites),
        pops,
        maps,
        steers: vec![Box::new([steer])],
        reflects: Vec::new(),
        targets,
        identity: Identity::default(),
    };
    Some(Snapshot::new(parts, &Known::default(), None))
}
