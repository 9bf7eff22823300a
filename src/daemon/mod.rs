//! Builds the rooms; owns tasks, signals, and the order of start and stop.
//!
//! Start: load, a bounded first probe round, bind, log each address, ready. Stop: refuse new work, answer what has
//! arrived within a time of grace, say if it ran out. In between three loops: `epochs` turns what is `known` into
//! answers, `reloads` turns files into generations, `operator` takes orders that come in by the control socket.

mod canaries;
mod epochs;
mod fetching;
mod hot;
mod kept;
mod known;
mod operator;
mod pace;
mod reloads;
pub mod remembered;
mod secret;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

pub use self::hot::Reread;

use self::hot::Hot;
use self::known::Knowledge;
use crate::config::settings;
use crate::control::{self, Desk, Files, Phase, SocketError};
use crate::health::overrides::Overrides;
use crate::heap;
use crate::journal::{self, Journal};
use crate::metrics::{LimitClass, Metrics};
use crate::probe::{self, Prober};
use crate::reload::watch::{Asked, Cause, Watch};
use crate::reload::{Limits, Loader, Now, Options, Wish};
use crate::server::rrl::{self, Limiter};
use crate::server::{Beside, BindError, Drained, Engine, Io, Listen, Origin, Server, Settings, TcpSettings, names};
use crate::snapshot::{Current, Ede, Identity};
use crate::zone::Entry;

/// How long a stop waits for answers under way.
const GRACE: Duration = Duration::from_secs(5);
/// How long a stop waits for the query log and dnstap to be written.
const LAST_LINES: Duration = Duration::from_secs(2);
/// Orders that may wait: each is written to the disk before the next is taken.
const ORDERS: usize = 16;

/// Why the daemon could not start or go on.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// An address cannot be served.
    #[error("{0}\n  help: {help}", help = .0.help())]
    Bind(BindError),
    /// TLS for probes cannot be set up.
    #[error("TLS for probes cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The system gave no signal handler or thread.
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
    /// There is no directory of zones, and so nothing to serve.
    #[error(
        "{directory} cannot be read: {error}\n  help: make it and put a zone there, or name another with `--zones`"
    )]
    Zones {
        /// As shown.
        directory: PathBuf,
        /// What the system said; part of the message, so not its source as well.
        error: std::io::Error,
    },
    /// A server that runs has the state directory.
    #[error("{0}\n  help: stop it first, or give this one a `state` directory or `control: {{socket: …}}` of its own")]
    Control(SocketError),
    /// The loading thread died of a panic, which is a defect.
    #[error("loading failed unexpectedly; please report this")]
    Loading,
}

// Not `#[from]`: the message holds the cause already, with its help after it, so it must not be its source as well.
impl From<BindError> for DaemonError {
    fn from(error: BindError) -> Self {
        Self::Bind(error)
    }
}

/// What the daemon runs with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The settings file, flags applied.
    pub settings: settings::Settings,
    /// Whether the operator named the addresses; the default ones are skipped where there is no IPv6.
    pub listen_written: bool,
    /// How the settings are read again while serving; without it they stay.
    pub reread: Option<Reread>,
}

/// A service at a PoP that no client can be sent to any more.
#[derive(Debug)]
struct Fallen {
    service: String,
    pop: String,
}

/// What the loops share.
struct Shared {
    current: Arc<Current>,
    /// What answers are decided by.
    known: Knowledge,
    /// What the files are like.
    files: watch::Sender<Arc<Files>>,
    /// Told when a new snapshot was published.
    published: Notify,
    /// What is counted.
    metrics: Metrics,
    /// Between start and stop.
    phase: watch::Sender<Phase>,
    /// Services at PoPs that went down, for the operator's desk: of a service with `manual_resume` they stay out.
    fallen: mpsc::UnboundedSender<Fallen>,
    /// What the settings say of the control API.
    rules: watch::Sender<Arc<control::Rules>>,
    /// What answers go by on their way out.
    beside: Beside,
    /// Where health is remembered for a restart and for `explain`.
    health_file: Option<PathBuf>,
    /// Which databases are fetched.
    fetching: watch::Sender<fetching::Wanted>,
    /// What came of it.
    fetched: watch::Sender<Vec<control::Fetched>>,
}

/// Serves until SIGTERM or SIGINT. SIGHUP looks at all files again, SIGUSR2 does and lets vanished zones go.
///
/// # Errors
/// [`DaemonError`], before anything was served.
pub async fn run(setup: Setup) -> Result<(), DaemonError> {
    heap::set_up();
    let began = Instant::now();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let hangup = signal(SignalKind::hangup())?;
    let confirm = signal(SignalKind::user_defined2())?;
    let settings = &setup.settings;
    raise_descriptors();
    // While serving, a directory that goes away takes nothing with it; but a start without one is a mistake.
    std::fs::read_dir(&settings.zones)
        .map_err(|error| DaemonError::Zones { directory: settings.zones.clone(), error })?;

    let mut loader = loader(&setup);
    let places =
        operator::Places { overrides: loader.state.path("overrides.json"), audit: loader.state.path("audit.log") };
    let overrides = said_before(&places);
    let recalled = remembered::recall(loader.state.path("health.json").as_deref(), settings.health.remember);
    let prober = Prober::start(&probe_settings(settings))?;
    let known = Knowledge::new(prober, overrides, canaries::Watched::start(&settings.health.canaries));

    // Load everything and put the plan to the prober.
    let runtime = Handle::current();
    let (known, loader, loaded) = tokio::task::spawn_blocking(move || {
        let _runtime = runtime.enter();
        let loaded = loader.load(now(began), Wish::default(), &mut |generation, targets| {
            let recall = |target: &crate::health::Target| recalled.of(target);
            let count = known.prober.replace_remembering(generation, targets.to_vec(), recall);
            if count > 0 {
                info!(targets = count, "health of the run before is remembered");
            }
            known.known(generation, targets).unwrap_or_default()
        });
        heap::give_back();
        (known, loader, loaded)
    })
    .await
    .map_err(|_| DaemonError::Loading)?;
    reloads::log(&loaded, &loader.databases);
    // The first look always makes a snapshot, if only one that refuses everything.
    let snapshot = loaded.snapshot.clone().ok_or(DaemonError::Loading)?;

    let first = known.prober.first_round(settings.first_probes).await;
    if first.targets > 0 {
        info!(targets = first.targets, good = first.good, bad = first.bad, untried = first.untried, "first probes");
    }
    if let Some(known) = known.known(snapshot.generation, &snapshot.targets) {
        snapshot.advance(&known);
    }
    // As many as there are changes of state; the desk looks at each but for a moment.
    let (fallen, falls) = mpsc::unbounded_channel();
    let (current, metrics) = (Arc::new(ArcSwap::new(snapshot)), Metrics::new());
    let shared = Arc::new(Shared {
        beside: Beside {
            limiter: Arc::new(Limiter::new(&rate_limits(settings))),
            journal: Arc::new(Journal::new(Arc::clone(&current), metrics.clone())),
        },
        current,
        known,
        files: watch::Sender::new(Arc::new(reloads::files(&loader, &loaded, known::unix_ms()))),
        published: Notify::new(),
        metrics,
        phase: watch::Sender::new(Phase::Starting),
        fallen,
        rules: watch::Sender::new(Arc::new(rules(settings))),
        health_file: loader.state.path("health.json"),
        fetching: watch::Sender::new(fetching::Wanted::of(settings)),
        fetched: watch::Sender::default(),
    });
    shared.metrics.name_with(names(Arc::clone(&shared.current)));
    let epochs = tokio::spawn(epochs::run(Arc::clone(&shared)));

    let (watch, words) = Watch::start(&watched(settings, setup.reread.as_ref()), settings.watch);
    for words in words {
        warn!("{words}");
    }
    let asker = watch.asker();
    let (orders, taken) = mpsc::channel(ORDERS);
    let operator = tokio::spawn(operator::run(Arc::clone(&shared), places, taken, falls));
    let desk = desk(&shared, orders, asker.clone());
    let control = control(settings, desk.clone()).await?;
    let http = control_over_http(settings, desk).await;

    shared.beside.journal.set(&journal_settings(settings))?;
    let engine = Arc::new(Engine::new(Arc::clone(&shared.current)));
    let server = Server::start(&server_settings(&setup), engine, &shared.beside, &shared.metrics, &Handle::current())?;
    let limited = tokio::spawn(rrl::watch(Arc::clone(&shared.beside.limiter), shared.metrics.clone()));

    let reloads = {
        let (shared, runtime) = (Arc::clone(&shared), Handle::current());
        // At once: what was written between the first look and the first watch has made no event.
        let again = Some(0);
        let hot = Hot::new(settings.clone(), setup.reread.clone(), server.tcp_limits());
        let thread = move || {
            let _runtime = runtime.enter();
            reloads::run(&shared, hot, loader, watch, began, again);
        };
        std::thread::Builder::new().name("reload".to_owned()).spawn(thread)?
    };
    let fetching = fetching::run(shared.fetching.subscribe(), settings.state.join("fetch"), shared.fetched.clone());
    let fetching = tokio::spawn(fetching);
    let signals = tokio::spawn(forward(hangup, confirm, asker.clone()));
    shared.phase.send_replace(Phase::Serving);
    say_ready(&shared, began);

    let name = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    info!(signal = name, "stopping: no new work is taken, answers under way are finished");
    shared.phase.send_replace(Phase::Draining);
    signals.abort();
    // Nobody is told any more that an order is in force.
    if let Some((task, path)) = control {
        task.abort();
        // What stays is replaced at the next start.
        let _ = std::fs::remove_file(path);
    }
    match server.drain(GRACE).await {
        Drained::Complete => {}
        Drained::GraceRanOut { connections } => {
            warn!(connections, grace = ?GRACE, "the grace time ran out; connections were cut");
        }
    }
    let journal = Arc::clone(&shared.beside.journal);
    // Everything that was answered is written, if that can be done soon.
    let _ = tokio::task::spawn_blocking(move || journal.stop(LAST_LINES)).await;
    // The reload thread may be compiling; it holds nothing that a stop must wait for longer than this.
    let _ = asker.send(Cause::Stop);
    epochs.abort();
    operator.abort();
    limited.abort();
    fetching.abort();
    let joined = tokio::time::timeout(GRACE, tokio::task::spawn_blocking(move || reloads.join())).await;
    if joined.is_err() {
        warn!("a reload under way was cut short");
    }
    // The last to go: until now it told load balancers that this server stops.
    if let Some(http) = http {
        http.abort();
    }
    remembered::write(&shared.known.prober, &shared.known.guard_view.borrow(), shared.health_file.as_deref());
    info!("stopped");
    Ok(())
}

/// What the operator told the server of this state directory, for commands beside it, and the moment in milliseconds
/// since 1970.
pub fn overrides_kept(state: &Path) -> (Overrides, u64) {
    (kept::peek(&state.join("overrides.json")), known::unix_ms())
}

/// What the operator said before; what has ended meanwhile is said and taken out.
fn said_before(places: &operator::Places) -> Overrides {
    let Some(path) = &places.overrides else { return Overrides::default() };
    let mut overrides = kept::read(path);
    let ended = overrides.prune(known::unix_ms());
    for item in &ended {
        operator::say_ended(item);
    }
    if let (false, Some(audit)) = (ended.is_empty(), &places.audit) {
        let lines: Vec<_> = ended.iter().map(kept::Line::of_end).collect();
        if let Err(error) = kept::write(path, &overrides).and_then(|()| kept::audit(audit, &lines)) {
            warn!(path = %path.display(), %error, "overrides that have ended could not be taken out of their file");
        }
    }
    for item in overrides.list() {
        let (target, word, by, reason) = (item.scope.to_string(), item.word.to_string(), &item.by, &item.reason);
        info!(target, word, by, reason, until = item.until.map(kept::moment), "override in force");
    }
    overrides
}

/// What the control API reads.
fn desk(shared: &Shared, orders: mpsc::Sender<control::Request>, reloads: std::sync::mpsc::Sender<Cause>) -> Desk {
    Desk {
        current: Arc::clone(&shared.current),
        prober: Arc::clone(&shared.known.prober),
        overrides: shared.known.overrides.subscribe(),
        guard: shared.known.guard_view.subscribe(),
        files: shared.files.subscribe(),
        orders,
        reloads,
        metrics: shared.metrics.clone(),
        phase: shared.phase.subscribe(),
        rules: shared.rules.subscribe(),
        fetched: shared.fetched.subscribe(),
        started: known::unix_ms() / 1000,
    }
}

/// Opens the control socket. That there is none is no reason not to serve; that another server answers there is: two
/// servers with one state directory would undo each other's work.
async fn control(settings: &settings::Settings, desk: Desk) -> Result<Option<(JoinHandle<()>, PathBuf)>, DaemonError> {
    let Some(path) = settings.control_socket() else { return Ok(None) };
    match control::serve(&path, desk).await {
        Ok(task) => {
            info!(socket = %path.display(), "control");
            Ok(Some((task, path)))
        }
        Err(error @ SocketError::Live(_)) => Err(DaemonError::Control(error)),
        Err(error @ SocketError::Bind { .. }) => {
            warn!(%error, "no control socket: `status`, `health`, `drain` and the like have nobody to ask");
            Ok(None)
        }
    }
}

/// Opens the control API over TCP. That its port is taken is no reason not to serve.
async fn control_over_http(settings: &settings::Settings, desk: Desk) -> Option<JoinHandle<()>> {
    let address = settings.control.http?;
    match control::serve_http(address, desk).await {
        Ok((address, task)) => {
            info!(%address, "control over HTTP");
            if !address.ip().is_loopback() {
                warn!(%address, "whoever reaches this address may read metrics, names of zones and PoPs, and addresses of targets");
            }
            Some(task)
        }
        Err(error) => {
            warn!(%address, %error, "no control over HTTP: nobody can read metrics there; see `control: {{http: …}}`");
            None
        }
    }
}

fn say_ready(shared: &Shared, began: Instant) {
    let snapshot = shared.current.load();
    let loaded = |(_, entry): &(&crate::dns::Name, &Entry)| matches!(entry, Entry::Loaded(_));
    let zones = snapshot.zones.iter().filter(loaded).count();
    let not_loaded = snapshot.zones.len() - zones;
    if snapshot.zones.is_empty() {
        warn!("there are no zones: every query is REFUSED until a zone file appears");
    } else if not_loaded > 0 {
        warn!(not_loaded, "zones that could not be loaded are answered with SERVFAIL");
    }
    info!(zones, generation = snapshot.generation, after_ms = began.elapsed().as_millis() as u64, "ready");
}

/// How probes are made. A file of authorities that cannot be read is logged, and the public ones are left.
fn probe_settings(settings: &settings::Settings) -> probe::Settings {
    let written = &settings.probes;
    let authorities = written.authorities.as_deref().map(|file| (file, probe::authorities(file)));
    let authorities = match authorities {
        Some((file, Err(error))) => {
            warn!(file = %file.display(), error, "certificate authorities for probes cannot be read");
            Vec::new()
        }
        Some((_, Ok(authorities))) => authorities,
        None => Vec::new(),
    };
    probe::Settings {
        in_flight: written.in_flight,
        authorities,
        exec: written.exec,
        push: Some(settings.state.join("push")),
    }
}

/// The loader of these settings; without a state directory if that cannot be made.
pub fn loader(setup: &Setup) -> Loader {
    let settings = &setup.settings;
    let mut options = Options {
        zones: settings.zones.clone(),
        geodb: settings.geodb.clone(),
        state: Some(settings.state.clone()),
        grace: settings.vanish_grace,
        identity: identity(settings),
        limits: limits(settings),
    };
    let mut loader = match Loader::new(options.clone()) {
        Ok(loader) => loader,
        Err(error) => {
            let directory = settings.state.display();
            warn!(%directory, %error, "the state directory cannot be used; a restart will not remember anything");
            options.state = None;
            Loader::forgetful(options)
        }
    };
    loader.generation.allow_probes(&settings.probes);
    loader.thrifty()
}

/// What a reload may not do.
fn limits(settings: &settings::Settings) -> Limits {
    Limits { max_move: settings.max_move, databases: settings.geodb_expect }
}

/// How much a network is sent.
fn rate_limits(settings: &settings::Settings) -> rrl::Limits {
    let written = &settings.rrl;
    rrl::Limits {
        mode: match written.mode {
            settings::RrlMode::Off => rrl::Mode::Off,
            settings::RrlMode::LogOnly => rrl::Mode::LogOnly,
            settings::RrlMode::On => rrl::Mode::On,
        },
        rates: LimitClass::ALL.map(|class| match class {
            LimitClass::Positive => written.positive,
            LimitClass::NoData => written.nodata,
            LimitClass::NxDomain => written.nxdomain,
            LimitClass::Error => written.errors,
        }),
        slip: written.slip,
        exempt: written.exempt.iter().map(|block| (block.address(), block.length())).collect(),
        loopback: if written.exempt_loopback { rrl::Loopback::Exempt } else { rrl::Loopback::Limited },
    }
}

/// What is taken down of answers.
fn journal_settings(settings: &settings::Settings) -> journal::Settings {
    let only = |only: &settings::Only| journal::Only {
        kinds: only.kinds.clone(),
        clients: only.clients.clone(),
        names: only.names.clone(),
    };
    let (log, tap) = (&settings.query_log, &settings.dnstap);
    let place = match &log.to {
        settings::LogPlace::Off => None,
        settings::LogPlace::Stdout => Some(journal::Place::Stdout),
        settings::LogPlace::Stderr => Some(journal::Place::Stderr),
        settings::LogPlace::File(path) => Some(journal::Place::File(path.clone())),
    };
    let frames = match &tap.to {
        settings::DnstapPlace::Off => None,
        settings::DnstapPlace::Socket(path) => Some(journal::FramePlace::Socket(path.clone())),
        settings::DnstapPlace::File(path) => Some(journal::FramePlace::File(path.clone())),
    };
    journal::Settings {
        log: place.map(|to| journal::LogSettings {
            to,
            sample: log.sample,
            only: only(&log.only),
            client: if log.whole_clients { journal::Shown::Full } else { journal::Shown::Prefix },
        }),
        dnstap: frames.map(|to| journal::DnstapSettings {
            to,
            sample: tap.sample,
            only: only(&tap.only),
            messages: match tap.messages {
                settings::DnstapMessages::Queries => journal::Messages::Queries,
                settings::DnstapMessages::Responses => journal::Messages::Responses,
                settings::DnstapMessages::Both => journal::Messages::Both,
            },
            identity: settings.identity.name.clone(),
        }),
    }
}

/// What the server says of itself, and checks cookies with.
fn identity(settings: &settings::Settings) -> Identity {
    let told = &settings.identity;
    Identity {
        name: told.name.clone(),
        nsid: told.nsid.clone().or_else(|| told.name.clone()),
        version: told.version.clone(),
        ede: match told.ede {
            settings::Ede::Off => Ede::Off,
            settings::Ede::Codes => Ede::Codes,
            settings::Ede::Text => Ede::Text,
        },
        keepalive: u16::try_from(settings.tcp.idle.as_millis() / 100).unwrap_or(u16::MAX),
        cookie_secrets: match &settings.cookies {
            settings::Cookies::Off => Vec::new(),
            settings::Cookies::Own => secret::own(&settings.state),
            settings::Cookies::Shared(secrets) => secrets.clone(),
        },
    }
}

fn server_settings(setup: &Setup) -> Settings {
    let settings = &setup.settings;
    let origin = if setup.listen_written { Origin::Configured } else { Origin::Default };
    let listen = |listen: &settings::Listen| Listen { address: listen.address, origin, ecs: listen.ecs };
    Settings {
        listen: settings.listen.iter().map(listen).collect(),
        io: match settings.io {
            settings::Io::Native => Io::Native,
            settings::Io::Portable => Io::Portable,
        },
        udp_threads: settings
            .udp
            .threads
            .and_then(|threads| NonZeroUsize::new(usize::from(threads)))
            .unwrap_or_else(|| Settings::default().udp_threads),
        tcp: tcp_settings(settings),
        receive_buffer: settings.udp.receive_buffer as usize,
        busy_poll: settings.udp.busy_poll.into(),
        pin: settings.udp.pin,
    }
}

fn tcp_settings(settings: &settings::Settings) -> TcpSettings {
    TcpSettings {
        connections: settings.tcp.connections as usize,
        per_client: settings.tcp.per_client as usize,
        idle: settings.tcp.idle,
        write: settings.tcp.write,
    }
}

fn rules(settings: &settings::Settings) -> control::Rules {
    let settings::Control { hosts, tokens, max_database_age, .. } = &settings.control;
    control::Rules { hosts: hosts.clone(), tokens: tokens.clone(), max_database_age: *max_database_age }
}

fn watched(settings: &settings::Settings, reread: Option<&Reread>) -> Vec<PathBuf> {
    let file = reread.map(|reread| &reread.file);
    std::iter::once(&settings.zones).chain(&settings.geodb).chain(file).cloned().collect()
}

/// Both clocks. The monotonic one counts from the start of the daemon.
fn now(began: Instant) -> Now {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    Now { unix, monotonic: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX) }
}

async fn forward(mut hangup: Signal, mut confirm: Signal, asker: std::sync::mpsc::Sender<Cause>) {
    loop {
        let wish = tokio::select! {
            Some(()) = hangup.recv() => Wish::default(),
            Some(()) = confirm.recv() => Wish { confirm_removals: true, ..Wish::default() },
            else => return,
        };
        if asker.send(Cause::Asked(Asked { wish, ..Asked::default() })).is_err() {
            error!("the reload thread is gone; files are not looked at any more");
            return;
        }
    }
}

/// Sockets, connections and probes need descriptors; the soft limit is commonly 1,024, the hard one far above.
fn raise_descriptors() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        let wanted = hard.min(1 << 20);
        if soft < wanted { setrlimit(Resource::RLIMIT_NOFILE, wanted, hard) } else { Ok(()) }
    });
    if let Err(error) = raised {
        warn!(%error, "the limit of open files stays as it is");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Ecs;

    #[test]
    fn settings_reach_the_rooms() {
        let text = "\
listen: [\"127.0.0.1:0\", {address: \"[::1]:0\", ecs: off}]
identity: {name: fra1, nsid: fra1.example}
cookies: {secrets: [00000000000000000000000000000001, 00000000000000000000000000000002]}
tcp: {connections: 3, per_client: 2, idle: 1500ms, write: 700ms}
udp: {threads: 4, receive_buffer: 65536, pin: true, busy_poll: 50}
";
        let source = crate::config::Source { path: "catchment.yaml".into(), text: text.into() };
        let settings = settings::parse(&source).0.unwrap();
        let identity = identity(&settings);
        assert_eq!((identity.name.as_deref(), identity.nsid.as_deref()), (Some("fra1"), Some("fra1.example")));
        assert_eq!(identity.keepalive, 15);
        assert_eq!(identity.cookie_secrets.iter().map(|secret| secret[15]).collect::<Vec<_>>(), [1, 2]);

        let server = server_settings(&Setup { settings, listen_written: true, reread: None });
        assert_eq!(server.listen.iter().map(|listen| listen.ecs).collect::<Vec<_>>(), [Ecs::On, Ecs::Off]);
        assert!(server.listen.iter().all(|listen| listen.origin == Origin::Configured));
        assert_eq!((server.udp_threads.get(), server.receive_buffer), (4, 65_536));
        assert_eq!((server.pin, server.busy_poll), (true, 50));
        assert_eq!(rate_limits(&settings::Settings::default()), rrl::Limits::default());
        let (idle, write) = (Duration::from_millis(1500), Duration::from_millis(700));
        assert_eq!(server.tcp, TcpSettings { connections: 3, per_client: 2, idle, write });
    }

    #[test]
    fn a_name_without_nsid_is_the_nsid_too() {
        let mut settings = settings::Settings { cookies: settings::Cookies::Off, ..settings::Settings::default() };
        assert_eq!(identity(&settings).nsid, None);
        settings.identity.name = Some("fra1".to_owned());
        assert_eq!(identity(&settings).nsid.as_deref(), Some("fra1"));
        assert!(identity(&settings).cookie_secrets.is_empty());
    }
}
