//! The files exactly as written: every key read or refused, values in their own types, references still names.
//!
//! A file with a `zone:` key is a zone, any other a piece of the fleet. What one file alone can tell is checked here,
//! so that it is done once per edit and in parallel; [`super::link`] does what needs the others.

pub(super) mod bindings;
pub(super) mod checks;
pub(super) mod expect;
mod keys;
mod latency;
mod owners;
pub(super) mod policies;
pub(super) mod pops;
pub(super) mod records;
mod reflect;
mod rulefile;
mod rules;
pub(super) mod services;
mod table;
pub(super) mod zone;
mod zonefile;

use std::collections::HashSet;
use std::sync::Arc;

use super::diagnostic::{Diagnostics, Location};
use super::grammar::{Keys, Shape, key};
use super::model::{CheckModel, FleetPop};
use super::named::{Named, NoFiles};
use super::reader::{Fields, Sink, suggest};
use super::yaml::{self, Node, Position};
use crate::dns::Name;

pub use zone::ZoneFile;

/// A file's path as shown to the operator, and its text.
#[derive(Clone, Debug)]
pub struct Source {
    /// For example `zones/example.com.yaml`.
    pub path: Arc<str>,
    /// The text.
    pub text: Arc<str>,
}

/// A file that was read. Cheap to keep and to reuse while its text stays the same.
#[derive(Clone, Debug)]
pub enum Parsed {
    /// It has a `zone:` key. With errors elsewhere in the file it still tells its origin, and links to no model.
    Zone(Arc<ZoneFile>),
    /// It has none. With errors it links to no fleet.
    Fleet(Arc<FleetFile>),
}

impl Parsed {
    /// When it must be read again though no text changed, in seconds since 1970: measurements that it holds grow old.
    pub fn expires(&self) -> Option<u64> {
        let shared = match self {
            Self::Zone(zone) => &zone.contents.as_ref()?.shared,
            Self::Fleet(fleet) => &fleet.shared,
        };
        let latencies = shared.policies.iter().filter_map(|policy| match &policy.rank {
            Some(policies::RankText::Latency(latency)) => latency.expires(),
            _ => None,
        });
        latencies.min()
    }

    /// The apex of a zone file.
    pub fn origin(&self) -> Option<&Name> {
        match self {
            Self::Zone(zone) => Some(&zone.origin),
            Self::Fleet(_) => None,
        }
    }
}

/// A piece of the fleet as written.
#[derive(Clone, Debug)]
pub struct FleetFile {
    pub(super) path: Arc<str>,
    pub(super) shared: Shared,
    /// Whether the file has no errors of its own.
    pub(super) good: bool,
}

impl FleetFile {
    /// The path as shown to the operator.
    pub fn path(&self) -> &Arc<str> {
        &self.path
    }

    /// Whether the file has no errors of its own.
    pub fn is_good(&self) -> bool {
        self.good
    }
}

/// The sections that may stand in either kind of file.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared {
    pub(super) pops: Vec<FleetPop>,
    pub(super) checks: Vec<CheckModel>,
    pub(super) services: Vec<services::ServiceText>,
    pub(super) policies: Vec<Arc<policies::PolicyText>>,
    /// Names whose entries have errors: told once, so that naming them elsewhere is no second error.
    pub(super) broken: HashSet<String>,
}

/// A fleet file.
pub(super) const FLEET: Keys = Keys {
    what: "a fleet file",
    known: &[
        key("pops", POPS, "none", "Points of presence: places that serve users."),
        key("checks", CHECKS, "none", "How the health of addresses is found out."),
        key("services", SERVICES, "none", "What is served, at which PoPs, by which addresses."),
        key("policies", POLICIES, "none", "Who goes to which PoP; `nearest`, `failover` and `weighted` are built in."),
    ],
    planned: &["views"],
};
const POPS: Shape = Shape::Named("a PoP", &Shape::Either(&[Shape::Map(&pops::POP), Shape::Nothing]));
const CHECKS: Shape = Shape::Named("a check", &Shape::Map(&checks::CHECK));
const SERVICES: Shape = Shape::Named("a service", &Shape::Map(&services::SERVICE));
const POLICIES: Shape = Shape::Named("a policy", &Shape::Either(&[Shape::Map(&policies::POLICY), Shape::Nothing]));
/// Files that others name: lists of rules, of fences, of latency rows.
pub(super) const LISTS: [&Keys; 3] = [&rules::RULE, &rules::FENCE, &latency::ROW];
/// A zone file.
pub(super) const ZONE: &Keys = &zone::ZONE;

/// Keys that only a zone file has: a file with one of them lost its `zone:`.
const ZONE_ONLY: [&str; 6] = ["records", "soa", "ns", "ttl", "zonefile", "expect"];

/// What reading a section needs beside its text.
pub(super) struct Context<'c> {
    /// The file, as shown.
    pub(super) path: &'c Arc<str>,
    /// The apex, in a zone file.
    pub(super) origin: Option<&'c Name>,
    /// Gives the files that this one names.
    pub(super) files: &'c dyn Named,
    /// Seconds since 1970.
    pub(super) now: u64,
}

/// Reads one file. Everything wrong with it comes in file order; the first part is `None` when nothing of the file can be
/// used.
pub fn parse(source: &Source) -> (Option<Parsed>, Diagnostics) {
    parse_with(source, &NoFiles, 0)
}

/// The same for a file that may name others (`zonefile:`, `file:`), which `files` gives. `now`, in seconds since 1970, is
/// held against `max_age` of measurements.
pub fn parse_with(source: &Source, files: &dyn Named, now: u64) -> (Option<Parsed>, Diagnostics) {
    let mut sink = Sink::new(Arc::clone(&source.path));
    let context = Context { path: &source.path, origin: None, files, now };
    let parsed = parse_into(source, &context, &mut sink);
    (parsed, sink.finish())
}

fn parse_into(source: &Source, context: &Context<'_>, sink: &mut Sink) -> Option<Parsed> {
    let Tree { root, whole } = read_tree(source, sink)?;
    let Some(root) = root else {
        sink.error_help(Position::FILE, "the file holds nothing", "to take a zone out of service, delete its file");
        return None;
    };
    let has_zone = matches!(&root, Node::Map(_, entries) if entries.iter().any(|(key, _)| key.text == "zone"));
    if has_zone {
        return zone::read(&root, whole, context, sink).map(|zone| Parsed::Zone(Arc::new(zone)));
    }
    if !whole || lost_its_zone(&root, sink) {
        return None;
    }
    let fields = Fields::open(&root, &FLEET, sink)?;
    let shared = read_shared(&fields, context, sink);
    let file = FleetFile { path: Arc::clone(&source.path), shared, good: !sink.has_errors() };
    Some(Parsed::Fleet(Arc::new(file)))
}

/// What a file holds.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    /// A map; `None` when the file holds nothing.
    pub(super) root: Option<Node<'a>>,
    /// Whether it was read to its end.
    pub(super) whole: bool,
}

/// Reads the YAML of a file. `None` when there is no map to read keys from.
pub(super) fn read_tree<'a>(source: &'a Source, sink: &mut Sink) -> Option<Tree<'a>> {
    let document = yaml::read(&source.text);
    for problem in document.problems {
        match problem.help {
            Some(help) => sink.error_help(problem.at, problem.message, help),
            None => sink.error(problem.at, problem.message),
        }
        if let Some((at, label)) = problem.also {
            sink.also(&sink.location(at), label);
        }
    }
    match document.root {
        Some(root @ Node::Map(..)) => Some(Tree { root: Some(root), whole: document.whole }),
        _ if !document.whole => None,
        Some(node) if !node.is_null() => {
            sink.error_help(node.at(), "a file is a map of keys", "a zone file begins with `zone: example.com`");
            None
        }
        _ => Some(Tree { root: None, whole: true }),
    }
}

fn lost_its_zone(root: &Node<'_>, sink: &mut Sink) -> bool {
    let Node::Map(_, entries) = root else { return false };
    let near = |word: &str| !FLEET.knows(word) && suggest(word, ["zone"]).is_some();
    if let Some((key, _)) = entries.iter().find(|(key, _)| near(&key.text)) {
        sink.error_help(key.at, format!("`{}` is not a key of a zone file", key.text), "did you mean `zone`?");
        return true;
    }
    let Some((key, _)) = entries.iter().find(|(key, _)| ZONE_ONLY.contains(&&*key.text)) else { return false };
    let help = "begin the file with its zone, for example `zone: example.com`";
    sink.error_help(key.at, format!("`{}` needs a `zone:` in the same file", key.text), help);
    true
}

pub(super) fn read_shared(fields: &Fields<'_, '_>, context: &Context<'_>, sink: &mut Sink) -> Shared {
    let mut shared = Shared {
        pops: fields.get("pops").map(|node| pops::read(node, sink)).unwrap_or_default(),
        checks: fields.get("checks").map(|node| checks::read(node, sink)).unwrap_or_default(),
        services: fields.get("services").map(|node| services::read(node, context, sink)).unwrap_or_default(),
        policies: fields.get("policies").map(|node| policies::read(node, context, sink)).unwrap_or_default(),
        broken: HashSet::new(),
    };
    let mut broken = HashSet::new();
    let mut missing = |section: &str, read: HashSet<&str>| {
        if let Some(Node::Map(_, entries)) = fields.get(section) {
            broken
                .extend(entries.iter().map(|(key, _)| &*key.text).filter(|key| !read.contains(key)).map(str::to_owned));
        }
    };
    missing("pops", shared.pops.iter().map(|p| p.pop.name.as_str()).collect());
    missing("checks", shared.checks.iter().map(|c| c.name.as_str()).collect());
    missing("services", shared.services.iter().map(|s| s.name.as_str()).collect());
    missing("policies", shared.policies.iter().map(|p| p.name.as_str()).collect());
    shared.broken = broken;
    shared
}

/// `NAME at FILE:LINE:COLUMN`, for messages that show a second place.
pub(super) fn elsewhere(name: &str, location: &Location) -> String {
    format!("`{name}` is already at {location}")
}
