//! The files' meaning: names resolved, units parsed, invalid states impossible. What `compile` reads.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::diagnostic::Location;
use super::file::policies::PolicyText;
use crate::dns::ecs::Ecs;
use crate::dns::{Name, Rdata, Type};
use crate::health::{Check, Formula, Target};
use crate::net::Block;
use crate::steering::{Binding, Policy, Pop, Ttls};

mod records;

pub use records::{Record, Records};

/// What all zones share: every file of `zones/` without a `zone:` key, taken together.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    /// PoPs by the order of files and lines.
    pub pops: Vec<FleetPop>,
    /// Services by the order of files and lines.
    pub services: Vec<Arc<ServiceModel>>,
    /// Checks by the order of files and lines, for services that stand in zone files.
    pub checks: Vec<CheckModel>,
    /// Policies of the operator by the order of files and lines; the built-in ones are not among them.
    pub policies: Vec<PolicyModel>,
    /// Blocks that may be probed although [`crate::health::forbidden`] has them; the settings' `probes.allow`.
    pub allow: Vec<Block>,
}

/// A check and where it was written.
#[derive(Clone, Debug)]
pub struct CheckModel {
    /// The operator's name for it.
    pub name: String,
    /// What it is.
    pub body: CheckBody,
    /// Where.
    pub location: Location,
}

/// What a check is.
#[derive(Clone, Debug)]
pub enum CheckBody {
    /// A probe.
    Probed {
        /// The check.
        check: Box<Check>,
        /// The port it connects to where an address's `probe` names none: as written, else the kind's own; `tcp` and
        /// `grpc` without TLS have none, kinds without ports have 0.
        port: Option<u16>,
    },
    /// Made of others by name; every formula in it is a name.
    Calculated(Formula<CheckName>),
}

/// The name of another check, and where it was written.
#[derive(Clone, Debug)]
pub struct CheckName {
    /// The name.
    pub name: String,
    /// Where.
    pub location: Location,
}

/// A policy and where it was written.
#[derive(Clone, Debug)]
pub struct PolicyModel {
    /// The policy.
    pub policy: Arc<Policy>,
    /// Where.
    pub location: Location,
    /// As written, with what it takes from those it extends: what a policy that extends this one starts from.
    pub(super) text: Arc<PolicyText>,
}

/// A PoP and where it was written.
#[derive(Clone, Debug)]
pub struct FleetPop {
    /// The PoP.
    pub pop: Pop,
    /// Where.
    pub location: Location,
}

/// A service with its PoPs, checks and policy resolved.
#[derive(Clone, Debug)]
pub struct ServiceModel {
    /// The operator's name for it.
    pub name: String,
    /// Where it was written.
    pub location: Location,
    /// Its PoPs in the order written, at least one.
    pub members: Vec<MemberModel>,
    /// The policy it names, `nearest` when it names none; an owner's `steer` may name another.
    pub policy: Arc<Policy>,
    /// Times to live of its answers.
    pub ttls: Ttls,
    /// Usable PoPs an override must leave; default 1.
    pub min_up: u16,
    /// A PoP that comes back gets its clients over this time; `None`: at once.
    pub slow_start: Option<Duration>,
    /// A PoP that went down stays out until the operator says otherwise; default no.
    pub manual_resume: bool,
    /// HTTPS and SVCB records of its owner names.
    pub bindings: Vec<Binding>,
    /// Names that `auto` hints of `bindings` stand for, with their places: steered by this service, as the owner is.
    pub(super) hinted: Vec<(Name, Location)>,
    /// Where `https` or `svcb` is written, by type.
    pub(super) binding_places: Vec<(Type, Location)>,
    /// The policy as written; `None` for a built-in one.
    pub(super) policy_text: Option<Arc<PolicyText>>,
}

/// A service at a PoP.
#[derive(Clone, Debug)]
pub struct MemberModel {
    /// The PoP itself (a fleet's, or the zone's own).
    pub pop: Pop,
    /// Where the member was written.
    pub location: Location,
    /// Addresses in the order written; none only with a `cname`.
    pub addresses: Vec<AddressModel>,
    /// Usable addresses of a family below which the PoP is not eligible for it, at least 1.
    pub min_addresses: u16,
    /// Its part of a split; default 1.
    pub weight: u32,
    /// What it counts for panic; default 1.
    pub capacity: u32,
    /// Instead of addresses: the name clients are sent to. At all members of a service or at none.
    pub cname: Option<Name>,
    /// What is probed for the `cname`.
    pub cname_targets: Vec<Target>,
}

/// An address and what is probed for it.
#[derive(Clone, Debug)]
pub struct AddressModel {
    /// What the answer holds.
    pub ip: IpAddr,
    /// Each check at the place it connects to (`probe`, else the address, with the check's port).
    pub targets: Vec<Target>,
}

/// One zone file, resolved against the fleet.
#[derive(Clone, Debug)]
pub struct ZoneModel {
    /// The apex.
    pub apex: Name,
    /// Where `zone:` was written.
    pub location: Location,
    /// The serial as written; `None` is kept automatically.
    pub serial: Option<u32>,
    /// Whether client subnets are heeded. Default on.
    pub ecs: Ecs,
    /// The SOA without its serial.
    pub soa: SoaModel,
    /// Every record but the SOA, `ns:` included, in file order. Where the source is no longer kept ([`ZoneFile::compiled`]),
    /// only what linking asks for.
    ///
    /// [`ZoneFile::compiled`]: super::ZoneFile::compiled
    pub records: Arc<Records>,
    /// Every steered owner name, in file order.
    pub steers: Vec<SteerModel>,
    /// Owner names that tell a client what is seen of it, in file order.
    pub reflects: Vec<ReflectModel>,
    /// Every ALIAS, in file order.
    pub aliases: Vec<AliasModel>,
    /// Assertions a reload must keep.
    pub expects: Vec<Expect>,
}

/// The SOA's fields; times in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoaModel {
    /// Primary name server.
    pub mname: Name,
    /// Mailbox as a name.
    pub rname: Name,
    /// The SOA's own TTL.
    pub ttl: u32,
    /// REFRESH.
    pub refresh: u32,
    /// RETRY.
    pub retry: u32,
    /// EXPIRE.
    pub expire: u32,
    /// MINIMUM: the TTL of negative answers (RFC 2308 §4).
    pub minimum: u32,
}

/// One record on its own.
#[derive(Clone, Debug)]
pub struct RecordModel {
    /// Owner name.
    pub owner: Name,
    /// Type.
    pub rtype: Type,
    /// TTL in seconds.
    pub ttl: u32,
    /// RDATA in wire form.
    pub rdata: Rdata,
    /// Where it was written.
    pub location: Location,
}

/// An owner name with the addresses of another hosted name.
#[derive(Clone, Debug)]
pub struct AliasModel {
    /// Owner name.
    pub owner: Name,
    /// The name whose addresses it has.
    pub target: Name,
    /// The longest TTL of the answers, in seconds, where the target's addresses are written.
    pub ttl: u32,
    /// Where it was written.
    pub location: Location,
}

/// A steered owner name.
#[derive(Clone, Debug)]
pub struct SteerModel {
    /// Owner name.
    pub owner: Name,
    /// What is served there.
    pub service: Arc<ServiceModel>,
    /// The service's policy, or the owner's own, with the owner's `count` and `skip` applied.
    pub policy: Arc<Policy>,
    /// The service's TTLs, or the owner's own (`steer.ttl`).
    pub ttls: Ttls,
    /// Where it was written.
    pub location: Location,
}

/// An owner name whose TXT tells source, client subnet, class and PoP (SEMANTICS §3.11). May be steered as well.
#[derive(Clone, Debug)]
pub struct ReflectModel {
    /// Owner name.
    pub owner: Name,
    /// Packet sources that are told; others are answered as if it were not there.
    pub allow: Vec<Block>,
    /// Where it was written.
    pub location: Location,
}

/// One `expect:` entry: an assertion checked on the candidate snapshot with every target unknown.
#[derive(Clone, Debug)]
pub struct Expect {
    /// Owner name asked.
    pub name: Name,
    /// Type asked.
    pub rtype: Type,
    /// The packet's source.
    pub source: IpAddr,
    /// The client subnet, if one is sent.
    pub subnet: Option<Block>,
    /// Who asks, in one; `None` when nobody was named.
    pub client: Option<Block>,
    /// PoPs assumed down.
    pub down: Vec<String>,
    /// PoPs assumed drained.
    pub drain: Vec<String>,
    /// PoPs assumed up and not drained.
    pub up: Vec<String>,
    /// The PoPs of the answer, in order; empty: whatever.
    pub pops: Vec<String>,
    /// Whether only the first of the answer's PoPs counts.
    pub only_first: bool,
    /// The answer; `None`: whatever.
    pub answer: Option<Wanted>,
    /// Its TTL.
    pub ttl: Option<u32>,
    /// Its scope prefix length.
    pub scope: Option<u8>,
    /// Where it was written.
    pub location: Location,
}

/// An answer that is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// These records, RDATA in wire form, in any order.
    Records(Vec<Box<[u8]>>),
    /// The name exists, and has nothing of the type.
    NoData,
    /// There is no such name.
    NxDomain,
    /// SERVFAIL.
    Servfail,
}
