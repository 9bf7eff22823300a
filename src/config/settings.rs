//! `catchment.yaml`: the server's own settings. Every key has a default, so the file is needed only to change one.

mod control;
pub mod environment;
pub mod fetch;
mod journal;
mod keys;
mod probes;
pub mod reach;
mod rrl;
pub mod shown;
mod sockets;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::diagnostic::Diagnostics;
use super::file::{Source, Tree, read_tree};
use super::reader::{Fields, Sink, ecs, one_or_more, text, word};
use super::units::{duration, share};
use super::yaml::Node;
use crate::dns::ecs::Ecs;

pub use journal::{Dnstap, DnstapMessages, DnstapPlace, LogPlace, Only, QueryLog};
pub(super) use keys::SETTINGS;
use keys::{CONTROL, COOKIES, GEODB, HEALTH, IDENTITY, LISTEN, LOG, RELOAD, STARTUP};
pub use probes::Probes;
pub use rrl::{Rrl, RrlMode};
use sockets::{TCP, UDP, tcp, udp};
pub use sockets::{Tcp, Udp};

/// What the server does, every default filled in. Paths are as written: relative to where the server starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Addresses served over UDP and TCP. Default 127.0.0.1:5300 and `[::1]:5300`.
    pub listen: Vec<Listen>,
    /// Directory of zone and fleet files. Default `zones`.
    pub zones: PathBuf,
    /// Directories of databases, or database files, in order of precedence. Default `geodb`. Empty (`geodb: off`): clients
    /// are known by the operator's rules alone, also without the database in the program.
    pub geodb: Vec<PathBuf>,
    /// Directory of what survives a restart. Default `state`.
    pub state: PathBuf,
    /// Which listeners serve.
    pub io: Io,
    /// The log.
    pub log: Log,
    /// What the server tells about itself.
    pub identity: Identity,
    /// DNS cookies (RFC 7873).
    pub cookies: Cookies,
    /// Limits of TCP.
    pub tcp: Tcp,
    /// UDP.
    pub udp: Udp,
    /// How many UDP answers a network is sent in a second.
    pub rrl: Rrl,
    /// Answers as lines.
    pub query_log: QueryLog,
    /// Answers as dnstap frames.
    pub dnstap: Dnstap,
    /// What is known of targets, beside single probes.
    pub health: Health,
    /// Where commands reach the running server.
    pub control: Control,
    /// How long the start waits for first probe results. Default 2 s.
    pub first_probes: Duration,
    /// How probes are made.
    pub probes: Probes,
    /// How long a zone whose file vanished is kept. Default 30 s.
    pub vanish_grace: Duration,
    /// How changes of files are noticed. Default [`Watch::Auto`].
    pub watch: Watch,
    /// The largest share of clients that a reload may move at any name, in thousandths, unless it is forced. Default: any.
    pub max_move: Option<u16>,
    /// What becomes of a database that breaks an `expect:`. Default [`Broken::Warn`].
    pub geodb_expect: Broken,
    /// Databases that are fetched. Default none.
    pub fetch: Vec<fetch::Source>,
    /// How often the server fetches them, 1 h to 90 days; `None` (`off`): only `catchment geodb fetch` does. Default 1 day.
    pub fetch_every: Option<Duration>,
    /// How those who have them are reached.
    pub reach: reach::Reach,
}

/// How changes of files are noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watch {
    /// By the system's events, and by polling on network file systems.
    #[default]
    Auto,
    /// By polling.
    Poll,
}

/// What becomes of a database that breaks an `expect:`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Broken {
    /// It serves, and the log says so.
    #[default]
    Warn,
    /// The databases of before stay.
    Refuse,
}

/// An address that is served: `"192.0.2.53:53"`, or `{address: "192.0.2.53:53", ecs: off}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Address and port.
    pub address: SocketAddr,
    /// Off: client subnets are ignored there, and none is returned. Default on.
    pub ecs: Ecs,
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self { address, ecs: Ecs::On }
    }
}

/// Which listeners serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Io {
    /// Our own sockets, for Linux. Default there.
    Native,
    /// hickory-server's, for everywhere.
    Portable,
}

/// The log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// Least level that is logged. Default [`Level::Info`].
    pub level: Level,
    /// Default [`Format::Text`].
    pub format: Format,
}

/// Levels of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// What keeps something from working.
    Error,
    /// What will, if left alone.
    Warn,
    /// Every change of state, once.
    Info,
    /// Each probe.
    Debug,
    /// Everything.
    Trace,
}

impl Level {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What the server tells about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `id.server` and `hostname.bind` (RFC 4892), at most 255 octets, and the NSID (RFC 5001) unless that is written.
    /// `None` tells nothing.
    pub name: Option<String>,
    /// The NSID, at most 128 octets; `None` tells as many of `name`.
    pub nsid: Option<String>,
    /// `version.bind`; `None` (`version: off`) refuses.
    pub version: Option<String>,
    /// How much extended errors (RFC 8914) say.
    pub ede: Ede,
}

/// How much extended errors (RFC 8914) say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ede {
    /// None is sent.
    Off,
    /// The code alone.
    Codes,
    /// Code and text. Default.
    Text,
}

/// DNS cookies (RFC 7873, RFC 9018): `cookies: off`, or `cookies: {secrets: […]}`.
#[derive(Clone, PartialEq, Eq)]
pub enum Cookies {
    /// Cookies are ignored.
    Off,
    /// With a secret of this server's own, made at the first start and kept in `state/cookie-secret`. Default.
    Own,
    /// With these, at least one, each of 32 hexadecimal digits: the first makes, all check. Servers behind one address
    /// share them. A new secret is put last everywhere, then first everywhere, then the old one is taken out (RFC 9018
    /// §5).
    Shared(Vec<[u8; 16]>),
}

impl fmt::Debug for Cookies {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("Off"),
            Self::Own => f.write_str("Own"),
            Self::Shared(secrets) => write!(f, "Shared({} secrets)", secrets.len()),
        }
    }
}

/// What is known of targets, beside single probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// States that are younger when a server starts are what its targets begin with, 0 to 1 day; 0 forgets. Default
    /// 5 min (SEMANTICS §4.4).
    pub remember: Duration,
    /// Addresses of others that are nearly always reachable, two or more: when none of them accepts a TCP connection, it
    /// is this node that is cut off (SEMANTICS §4.12). None by default: then that is not looked at.
    pub canaries: Vec<SocketAddr>,
}

/// Where commands reach the running server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The Unix socket of the control API. Default `control.sock` in the state directory.
    pub socket: ControlSocket,
    /// Where it answers over TCP as well; `None`: nowhere. Default 127.0.0.1:8053.
    pub http: Option<SocketAddr>,
    /// The file of tokens that allow changes over TCP. Default none: then nothing can be changed there.
    pub tokens: Option<PathBuf>,
    /// Names by which it may be asked over TCP, besides addresses and `localhost`. Default none.
    pub hosts: Vec<String>,
    /// Age of a database above which `/readyz` says no; `None`: no age is too high. Default `None`.
    pub max_database_age: Option<Duration>,
}

/// The Unix socket of the control API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlSocket {
    /// `control.sock` in the state directory.
    InState,
    /// Here.
    At(PathBuf),
    /// None: `status`, `health`, `drain` and the like have nobody to ask.
    Off,
}

impl Settings {
    /// Where the control socket is, if there is to be one.
    pub fn control_socket(&self) -> Option<PathBuf> {
        match &self.control.socket {
            ControlSocket::InState => Some(self.state.join("control.sock")),
            ControlSocket::At(path) => Some(path.clone()),
            ControlSocket::Off => None,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]
                .map(|ip| SocketAddr::new(ip, 5300).into())
                .into(),
            zones: "zones".into(),
            geodb: vec!["geodb".into()],
            state: "state".into(),
            io: Io::Native,
            log: Log { level: Level::Info, format: Format::Text },
            identity: Identity {
                name: None,
                nsid: None,
                version: Some(concat!("catchment ", env!("CARGO_PKG_VERSION")).to_owned()),
                ede: Ede::Text,
            },
            cookies: Cookies::Own,
            tcp: Tcp {
                connections: 1000,
                per_client: 100,
                idle: Duration::from_secs(10),
                write: Duration::from_secs(5),
            },
            udp: Udp { threads: None, receive_buffer: 1024 * 1024, pin: false, busy_poll: 0 },
            rrl: Rrl::default(),
            query_log: QueryLog::default(),
            dnstap: Dnstap::default(),
            health: Health { remember: Duration::from_mins(5), canaries: Vec::new() },
            control: Control {
                socket: ControlSocket::InState,
                http: Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8053)),
                tokens: None,
                hosts: Vec::new(),
                max_database_age: None,
            },
            first_probes: Duration::from_secs(2),
            probes: Probes::default(),
            vanish_grace: Duration::from_secs(30),
            watch: Watch::Auto,
            max_move: None,
            geodb_expect: Broken::Warn,
            fetch: Vec::new(),
            fetch_every: Some(Duration::from_hours(24)),
            reach: reach::Reach::default(),
        }
    }
}

/// Reads the settings. `None` when there are errors; an empty file is all defaults.
pub fn parse(source: &Source) -> (Option<Settings>, Diagnostics) {
    let mut sink = Sink::new(Arc::clone(&source.path));
    let settings = match read_tree(source, &mut sink) {
        Some(Tree { root: Some(root), .. }) => read(&root, Settings::default(), &mut sink),
        Some(Tree { root: None, .. }) => Some(Settings::default()),
        None => None,
    };
    let good = !sink.has_errors();
    (settings.filter(|_| good), sink.finish())
}

/// What is written, over what held before.
fn read(root: &Node<'_>, mut settings: Settings, sink: &mut Sink) -> Option<Settings> {
    if let Node::Map(_, entries) = root
        && let Some((key, _)) =
            entries.iter().find(|(key, _)| matches!(&*key.text, "zone" | "records" | "pops" | "services"))
    {
        let message = format!("`{}` belongs into a file of the zones directory, not into the settings", key.text);
        sink.error_help(key.at, message, "move it there, for example to `zones/fleet.yaml`");
        return None;
    }
    let fields = Fields::open(root, &SETTINGS, sink)?;
    if let Some(node) = fields.get("listen") {
        settings.listen = listen(node, sink);
    }
    path(fields.get("zones"), "`zones`", &mut settings.zones, sink);
    path(fields.get("state"), "`state`", &mut settings.state, sink);
    if let Some(node) = fields.get("geodb") {
        geodb(node, &mut settings, sink);
    }
    if let Some(node) = fields.get("io") {
        settings.io =
            word(node, "`io`", &[("native", Io::Native), ("portable", Io::Portable)], sink).unwrap_or(Io::Native);
    }
    if let Some(fields) = fields.get("log").and_then(|node| Fields::open(node, &LOG, sink)) {
        log(&fields, &mut settings.log, sink);
    }
    if let Some(fields) = fields.get("identity").and_then(|node| Fields::open(node, &IDENTITY, sink)) {
        identity(&fields, &mut settings.identity, sink);
    }
    if let Some(node) = fields.get("cookies") {
        settings.cookies = cookies(node, sink).unwrap_or(settings.cookies);
    }
    if let Some(fields) = fields.get("tcp").and_then(|node| Fields::open(node, &TCP, sink)) {
        tcp(&fields, &mut settings.tcp, sink);
    }
    if let Some(fields) = fields.get("udp").and_then(|node| Fields::open(node, &UDP, sink)) {
        udp(&fields, &mut settings.udp, sink);
    }
    if let Some(node) = fields.get("rrl") {
        settings.rrl = rrl::read(node, settings.rrl, sink);
    }
    if let Some(node) = fields.get("query_log") {
        settings.query_log = journal::query_log(node, settings.query_log, sink);
    }
    if let Some(node) = fields.get("dnstap") {
        settings.dnstap = journal::dnstap(node, settings.dnstap, sink);
    }
    if let Some(fields) = fields.get("startup").and_then(|node| Fields::open(node, &STARTUP, sink)) {
        time(fields.get("first_probes"), "`first_probes`", 60, &mut settings.first_probes, sink);
    }
    if let Some(node) = fields.get("probes") {
        settings.probes = probes::read(node, settings.probes, sink);
    }
    if let Some(fields) = fields.get("reload").and_then(|node| Fields::open(node, &RELOAD, sink)) {
        time(fields.get("vanish_grace"), "`vanish_grace`", 86_400, &mut settings.vanish_grace, sink);
        if let Some(node) = fields.get("watch") {
            let words = [("auto", Watch::Auto), ("poll", Watch::Poll)];
            settings.watch = word(node, "`watch`", &words, sink).unwrap_or_default();
        }
        if let Some(node) = fields.get("max_move") {
            let off = matches!(node, Node::Scalar(text) if text.text == "off");
            settings.max_move = if off { None } else { share(node, "`max_move`", sink) };
        }
    }
    if let Some(fields) = fields.get("health").and_then(|node| Fields::open(node, &HEALTH, sink)) {
        time(fields.get("remember"), "`remember`", 86_400, &mut settings.health.remember, sink);
        if let Some(node) = fields.get("canaries") {
            settings.health.canaries = canaries(node, sink);
        }
    }
    if let Some(fields) = fields.get("control").and_then(|node| Fields::open(node, &CONTROL, sink)) {
        control::read(&fields, &mut settings.control, sink);
    }
    Some(settings)
}

/// Most canaries: each is connected to once a second.
const MAX_CANARIES: usize = 16;

fn canaries(node: &Node<'_>, sink: &mut Sink) -> Vec<SocketAddr> {
    const HELP: &str = "addresses and ports that are not yours and nearly always answer, two or more";
    let mut canaries: Vec<SocketAddr> = Vec::new();
    let items = one_or_more(node, "`canaries`", sink).unwrap_or_default();
    for item in items {
        let Some(written) = text(item, "a canary", sink) else { continue };
        match written.parse::<SocketAddr>() {
            Ok(address) if canaries.contains(&address) => {
                sink.error(item.at(), format!("`{written}` is written twice"));
            }
            Ok(address) => canaries.push(address),
            Err(_) => sink.error_help(item.at(), format!("`{written}` is not an address with a port"), HELP),
        }
    }
    if items.len() == 1 || items.len() > MAX_CANARIES {
        let message = if items.len() == 1 {
            "one canary is too few".to_owned()
        } else {
            format!("{} canaries are too many", items.len())
        };
        sink.error_help(node.at(), message, format!("2 to {MAX_CANARIES}: one may be down by itself"));
    }
    canaries
}

fn geodb(node: &Node<'_>, settings: &mut Settings, sink: &mut Sink) {
    let mut places = |node: &Node<'_>, sink: &mut Sink| {
        if matches!(node, Node::Scalar(text) if text.text == "off") {
            settings.geodb.clear();
        } else {
            let items = one_or_more(node, "`geodb`", sink).unwrap_or_default();
            settings.geodb = items.iter().filter_map(|item| text(item, "`geodb`", sink)).map(PathBuf::from).collect();
        }
    };
    if !matches!(node, Node::Map(..)) {
        return places(node, sink);
    }
    let Some(fields) = Fields::open(node, &GEODB, sink) else { return };
    if let Some(node) = fields.get("from") {
        places(node, sink);
    }
    if let Some(node) = fields.get("expect") {
        let words = [("warn", Broken::Warn), ("refuse", Broken::Refuse)];
        settings.geodb_expect = word(node, "`expect`", &words, sink).unwrap_or_default();
    }
    if let Some(node) = fields.get("fetch") {
        settings.fetch = fetch::read(node, sink);
    }
    if let Some(node) = fields.get("every") {
        let off = matches!(node, Node::Scalar(text) if text.text == "off");
        let range = Duration::from_hours(1)..=Duration::from_hours(24 * 90);
        settings.fetch_every = if off { None } else { duration(node, "`every`", &range, sink) };
    }
    reach::read(&fields, &mut settings.reach, sink);
}

fn time(node: Option<&Node<'_>>, what: &str, most_seconds: u64, to: &mut Duration, sink: &mut Sink) {
    if let Some(node) = node {
        *to = duration(node, what, &(Duration::ZERO..=Duration::from_secs(most_seconds)), sink).unwrap_or(*to);
    }
}

fn path(node: Option<&Node<'_>>, what: &str, to: &mut PathBuf, sink: &mut Sink) {
    if let Some(written) = node.and_then(|node| text(node, what, sink)) {
        *to = written.into();
    }
}

fn listen(node: &Node<'_>, sink: &mut Sink) -> Vec<Listen> {
    let items = match node {
        Node::Map(..) => std::slice::from_ref(node),
        _ => one_or_more(node, "`listen`", sink).unwrap_or_default(),
    };
    if items.is_empty() && matches!(node, Node::List(..)) {
        sink.error_help(node.at(), "`listen` names no address", "for example `[\"127.0.0.1:5300\", \"[::1]:5300\"]`");
    }
    let mut addresses: Vec<Listen> = Vec::with_capacity(items.len());
    for item in items {
        let (mut item, mut heeded) = (item, Ecs::On);
        if let Node::Map(at, _) = item {
            let Some(fields) = Fields::open(item, &LISTEN, sink) else { continue };
            heeded = fields.get("ecs").and_then(|node| ecs(node, sink)).unwrap_or_default();
            let Some(address) = fields.get("address") else {
                sink.error_help(
                    *at,
                    "this item has no `address`",
                    "for example `{address: \"192.0.2.53:53\", ecs: off}`",
                );
                continue;
            };
            item = address;
        }
        let Some(written) = text(item, "`listen`", sink) else { continue };
        match written.parse::<SocketAddr>() {
            Ok(address) if addresses.iter().any(|listen| listen.address == address) => {
                sink.error(item.at(), format!("`{written}` is written twice"));
            }
            Ok(address) => addresses.push(Listen { address, ecs: heeded }),
            Err(_) => {
                let help = match (written.parse::<IpAddr>(), written.parse::<u16>()) {
                    (Ok(ip), _) => format!("the port is missing: `\"{}\"`", SocketAddr::new(ip, 53)),
                    (_, Ok(port)) => format!("the address is missing: `\"127.0.0.1:{port}\"`, `\"[::1]:{port}\"`"),
                    _ => "an address and a port, in quotes: `\"192.0.2.53:53\"`, `\"[2001:db8::53]:53\"`".to_owned(),
                };
                sink.error_help(item.at(), format!("cannot listen on `{written}`"), help);
            }
        }
    }
    addresses
}

fn log(fields: &Fields<'_, '_>, log: &mut Log, sink: &mut Sink) {
    const LEVELS: [Level; 5] = [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
    if let Some(node) = fields.get("level") {
        log.level = word(node, "`level`", &LEVELS.map(|level| (level.as_str(), level)), sink).unwrap_or(log.level);
    }
    if let Some(node) = fields.get("format") {
        let formats = [("text", Format::Text), ("json", Format::Json)];
        log.format = word(node, "`format`", &formats, sink).unwrap_or(log.format);
    }
}

/// Longest text the server tells about itself: a character string of a TXT record (RFC 1035 §3.3).
const MAX_TOLD: usize = 255;
/// Longest NSID: beside the longest question, a client subnet and a cookie it fits into 512 octets.
const MAX_NSID: usize = 128;

fn identity(fields: &Fields<'_, '_>, identity: &mut Identity, sink: &mut Sink) {
    let mut told = |key: &str, most: usize| {
        let node = fields.get(key)?;
        let written = text(node, &format!("`{key}`"), sink)?;
        if written.len() > most {
            sink.error(node.at(), format!("`{key}` is {} octets long; at most {most} fit", written.len()));
        }
        Some(written.to_owned())
    };
    if let Some(name) = told("name", MAX_TOLD) {
        identity.name = Some(name);
    }
    if let Some(nsid) = told("nsid", MAX_NSID) {
        identity.nsid = Some(nsid);
    }
    if let Some(version) = told("version", MAX_TOLD) {
        identity.version = (version != "off").then_some(version);
    }
    if let Some(node) = fields.get("ede") {
        let words = [("off", Ede::Off), ("codes", Ede::Codes), ("text", Ede::Text)];
        identity.ede = word(node, "`ede`", &words, sink).unwrap_or(identity.ede);
    }
}

fn cookies(node: &Node<'_>, sink: &mut Sink) -> Option<Cookies> {
    const HELP: &str = "32 hexadecimal digits, for example from `openssl rand -hex 16`";
    if matches!(node, Node::Scalar(text) if text.text == "off") {
        return Some(Cookies::Off);
    }
    let fields = Fields::open(node, &COOKIES, sink)?;
    let Some(node) = fields.get("secrets") else { return Some(Cookies::Own) };
    let items = one_or_more(node, "`secrets`", sink)?;
    if items.is_empty() {
        sink.error_help(node.at(), "`secrets` has none", HELP);
    }
    let mut secrets: Vec<[u8; 16]> = Vec::with_capacity(items.len());
    for item in items {
        let Some(written) = text(item, "a secret", sink) else { continue };
        // The secret itself is not repeated.
        match parse_secret(written) {
            Some(secret) if secrets.contains(&secret) => sink.error(item.at(), "this secret is written twice"),
            Some(secret) => secrets.push(secret),
            None => sink.error_help(item.at(), "this is not a cookie secret", HELP),
        }
    }
    Some(Cookies::Shared(secrets))
}

/// A cookie secret: 32 hexadecimal digits.
pub fn parse_secret(written: &str) -> Option<[u8; 16]> {
    let digits = written.len() == 32 && written.bytes().all(|digit| digit.is_ascii_hexdigit());
    u128::from_str_radix(written, 16).ok().filter(|_| digits).map(u128::to_be_bytes)
}
