//! Plays the HTTP servers of the example PoPs in `zones/`, or of another directory of zone files, so that failover can be
//! seen on one machine.
//!
//! `cargo run --example pops -- --help` tells the rest.
#![expect(clippy::print_stderr, reason = "a program for a terminal")]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use catchment::health::{CheckKind, Known};
use catchment::reload::{Limits, Loader, Now, Options as Files, Wish};
use catchment::snapshot::Identity;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

const HELP: &str = "\
Plays the HTTP servers of the example PoPs in zones/: each answers GET /healthz with 200 and `ok NAME`.

usage: cargo run --example pops -- [--zones DIR] [--only NAMES] [--without NAMES] [--for TIME]

  --zones DIR        play the PoPs of these files: every address on this machine (127.0.0.0/8) that an
                     `http` check of the fleet probes
  --only fra,lhr     start these only (the others can be started later)
  --without fra      start all but these
  --for 60s          end after this time (s, m or h)
  --help             show this

While it runs, type a PoP's name and Enter to stop it (connections are then refused), and again to start it.
For scripts, a control address:

  curl http://127.0.0.1:8079/              what runs
  curl http://127.0.0.1:8079/stop/fra      stop one
  curl http://127.0.0.1:8079/start/fra     start one
  curl http://127.0.0.1:8079/stop          stop all; /start starts all

Ends on Ctrl-C or SIGTERM; goes on when its input ends.";

/// A PoP that is played.
#[derive(Debug)]
struct Pop {
    name: String,
    city: String,
    /// Where its HTTP servers listen.
    addresses: Vec<SocketAddr>,
}

/// The PoPs, in the order they are written.
static POPS: OnceLock<Vec<Pop>> = OnceLock::new();

fn pops() -> &'static [Pop] {
    POPS.get().map_or(&[], Vec::as_slice)
}

const CONTROL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8079);
/// Longest wait for a request line.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest request head.
const HEAD_LIMIT: u64 = 16 * 1024;

#[derive(Debug, PartialEq, Eq)]
struct Options {
    start: Vec<&'static str>,
    end_after: Option<Duration>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        say(HELP);
        return ExitCode::SUCCESS;
    }
    let options = match zones(&arguments).and_then(|zones| load(&zones)).and_then(|()| options(&arguments)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}\n  help: `--help` shows what there is");
            return ExitCode::from(2);
        }
    };
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `--option=value` in two words.
fn words(arguments: &[String]) -> impl Iterator<Item = &str> {
    arguments.iter().flat_map(|word| match word.split_once('=') {
        Some((key, value)) => vec![key, value],
        None => vec![word.as_str()],
    })
}

fn zones(arguments: &[String]) -> Result<PathBuf, String> {
    let mut words = words(arguments).skip_while(|word| *word != "--zones");
    match (words.next(), words.next()) {
        (None, _) => Ok("zones".into()),
        (Some(_), Some(directory)) => Ok(directory.into()),
        (Some(word), None) => Err(format!("`{word}` needs a value")),
    }
}

/// Reads who is probed where, as the server does.
fn load(zones: &Path) -> Result<(), String> {
    let mut loader = Loader::forgetful(Files {
        zones: zones.to_owned(),
        geodb: Vec::new(),
        state: None,
        grace: Duration::ZERO,
        identity: Identity::default(),
        limits: Limits::default(),
    });
    loader.load(Now { unix: 0, monotonic: 0 }, Wish::default(), &mut |_, _| Known::default());
    let mut pops: Vec<Pop> = Vec::new();
    for member in loader.generation.fleet.services.iter().flat_map(|service| &service.members) {
        let of_addresses = member.addresses.iter().flat_map(|address| &address.targets);
        for target in of_addresses.chain(&member.cname_targets) {
            let is_http = matches!(target.check.kind, CheckKind::Http(_));
            if !is_http || !target.address.ip().is_loopback() {
                continue;
            }
            match pops.iter_mut().find(|played| played.name == member.pop.name) {
                Some(played) if played.addresses.contains(&target.address) => {}
                Some(played) => played.addresses.push(target.address),
                None => pops.push(Pop {
                    name: member.pop.name.clone(),
                    city: member.pop.city.clone().unwrap_or_default(),
                    addresses: vec![target.address],
                }),
            }
        }
    }
    if pops.is_empty() {
        let directory = zones.display();
        return Err(format!(
            "no service of the fleet in {directory} has an `http` check that probes an address of this machine; \
             `catchment check --zones {directory}` says what is in it"
        ));
    }
    POPS.set(pops).map_err(|_| "read already".to_owned())
}

fn options(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options { start: pops().iter().map(|pop| pop.name.as_str()).collect(), end_after: None };
    let mut words = words(arguments);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("`{word}` needs a value"));
        match word {
            "--only" => options.start = names(value()?)?,
            "--without" => {
                let without = names(value()?)?;
                options.start.retain(|name| !without.contains(name));
            }
            "--zones" => {
                value()?;
            }
            "--for" => options.end_after = Some(duration(value()?)?),
            _ => return Err(format!("`{word}` is not an option")),
        }
    }
    Ok(options)
}

fn names(list: &str) -> Result<Vec<&'static str>, String> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(known).collect()
}

fn known(name: &str) -> Result<&'static str, String> {
    let mut names = pops().iter().map(|pop| pop.name.as_str());
    names.clone().find(|pop| pop.eq_ignore_ascii_case(name)).ok_or_else(|| {
        let names: Vec<_> = names.by_ref().collect();
        format!("`{name}` is not a PoP; there are {}", names.join(", "))
    })
}

fn duration(text: &str) -> Result<Duration, String> {
    let (digits, unit) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(format!("`{text}` is not a time such as `60s`, `5m` or `1h`")),
    };
    let count: Option<u64> = digits.parse().ok();
    let seconds = count.and_then(|count| count.checked_mul(factor));
    seconds.map(Duration::from_secs).ok_or_else(|| format!("`{text}` is not a time such as `60s`, `5m` or `1h`"))
}

async fn run(options: Options) -> Result<(), String> {
    let fleet = Arc::new(Fleet::default());
    let control = TcpListener::bind(CONTROL).await.map_err(|error| trouble(CONTROL, &error))?;
    let mut failed = Vec::new();
    for name in &options.start {
        if let Err(error) = fleet.start(name).await {
            failed.push(error);
        }
    }
    say(&fleet.table());
    for error in &failed {
        eprintln!("error: {error}");
    }
    if !failed.is_empty() && failed.len() == options.start.len() {
        return Err("no PoP could be started".to_owned());
    }
    say(&format!("\nType a PoP's name and Enter to stop or start it. Control: http://{CONTROL}/. Ctrl-C ends."));
    tokio::spawn(serve_control(control, Arc::clone(&fleet)));

    let mut lines = typed_lines();
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let ended = async {
        match options.end_after {
            Some(after) => tokio::time::sleep(after).await,
            None => std::future::pending().await,
        }
    };
    let mut ended = std::pin::pin!(ended);
    let mut typing = true;
    loop {
        tokio::select! {
            line = lines.recv(), if typing => match line {
                Some(line) if line.trim().is_empty() => say(&fleet.table()),
                Some(line) => say(&toggle(&fleet, line.trim()).await.unwrap_or_else(|error| error)),
                None => typing = false,
            },
            result = tokio::signal::ctrl_c() => return result.map_err(|error| error.to_string()),
            _ = terminate.recv() => return Ok(()),
            () = &mut ended => return Ok(()),
        }
    }
}

/// To the terminal, if there still is one: the PoPs go on when nobody looks.
fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{}", text.trim_end());
}

/// Lines typed, from a thread of their own: reading a terminal blocks.
fn typed_lines() -> mpsc::UnboundedReceiver<String> {
    let (send, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

async fn toggle(fleet: &Fleet, name: &str) -> Result<String, String> {
    let name = known(name)?;
    if fleet.runs(name) { fleet.stop(name).await } else { fleet.start(name).await }
}

/// The servers that run.
#[derive(Default)]
struct Fleet {
    running: Mutex<HashMap<&'static str, Vec<AbortHandle>>>,
    servers: tokio::sync::Mutex<JoinSet<()>>,
}

impl Fleet {
    async fn start(&self, name: &'static str) -> Result<String, String> {
        // Held to the end, so that two who start the same PoP do not both bind.
        let mut servers = self.servers.lock().await;
        if self.runs(name) {
            return Ok(format!("{name} runs already"));
        }
        let mut listeners = Vec::new();
        for address in addresses(name) {
            listeners.push(TcpListener::bind(address).await.map_err(|error| trouble(*address, &error))?);
        }
        let serve = |listener| servers.spawn(serve_pop(listener, name));
        let tasks = listeners.into_iter().map(serve).collect();
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(name, tasks);
        Ok(format!("{name} started on {}", listed(name)))
    }

    async fn stop(&self, name: &'static str) -> Result<String, String> {
        let mut servers = self.servers.lock().await;
        let Some(tasks) = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(name) else {
            return Ok(format!("{name} does not run"));
        };
        for task in &tasks {
            task.abort();
        }
        // Once a task is gone its listener and its connections are closed.
        while !tasks.iter().all(AbortHandle::is_finished) {
            servers.join_next().await;
        }
        Ok(format!("{name} stopped; {} refuses connections", listed(name).replace(" and ", ", ")))
    }

    fn runs(&self, name: &str) -> bool {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).contains_key(name)
    }

    fn table(&self) -> String {
        let longest = pops().iter().map(|pop| pop.name.len()).max().unwrap_or_default().max(3);
        let mut table = format!("{:longest$}  state    city, address\n", "PoP");
        for pop in pops() {
            let state = if self.runs(&pop.name) { "running" } else { "stopped" };
            // Writing to a `String` cannot fail.
            let _ = writeln!(table, "{:longest$}  {state}  {}, {}", pop.name, pop.city, listed(&pop.name));
        }
        table
    }
}

fn addresses(name: &str) -> &'static [SocketAddr] {
    pops().iter().find(|pop| pop.name == name).map_or(&[], |pop| &pop.addresses)
}

fn listed(name: &str) -> String {
    addresses(name).iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(" and ")
}

/// Why an address cannot be listened on, and what helps.
fn trouble(address: SocketAddr, error: &io::Error) -> String {
    let ip = address.ip();
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "{address} is in use\n  help: does another `pops` run? `ss -ltnp 'sport = :{}'` shows who has it",
            address.port()
        ),
        io::ErrorKind::AddrNotAvailable => format!(
            "{address} is not an address of this machine\n  help: on macOS and BSD `sudo ifconfig lo0 alias {ip}` adds it"
        ),
        _ => format!("cannot listen on {address}: {error}"),
    }
}

/// Answers as one PoP until aborted, which also closes its connections.
async fn serve_pop(listener: TcpListener, name: &'static str) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_requests(stream, name));
                }
                // Out of file descriptors, say: give others time to end.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Answers the requests of one connection.
async fn serve_requests(stream: TcpStream, name: &str) {
    let mut stream = BufReader::new(stream);
    while let Some(Head { path, close }) = read_head(&mut stream).await {
        let (status, body) = match path.split('?').next() {
            Some("/healthz") => ("200 OK", format!("ok {name}\n")),
            _ => ("404 Not Found", format!("this is {name}; it knows /healthz only\n")),
        };
        let extra = format!("X-PoP: {name}\r\n");
        if respond(stream.get_mut(), status, &extra, &body, close).await.is_err() || close {
            return;
        }
    }
}

/// Obeys whoever asks on the control address.
async fn serve_control(listener: TcpListener, fleet: Arc<Fleet>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let fleet = Arc::clone(&fleet);
        tokio::spawn(async move {
            let mut stream = BufReader::new(stream);
            let Some(Head { path, .. }) = read_head(&mut stream).await else { return };
            let (status, body) = match obey(&fleet, &path).await {
                Ok(body) => ("200 OK", body),
                Err(body) => ("400 Bad Request", body),
            };
            // Who has left does not want to know.
            let _ = respond(stream.get_mut(), status, "", &format!("{}\n", body.trim_end()), true).await;
        });
    }
}

async fn obey(fleet: &Fleet, path: &str) -> Result<String, String> {
    let mut words = path.trim_matches('/').split('/');
    let (verb, name) = (words.next().unwrap_or_default(), words.next());
    let chosen = match name {
        Some(name) => vec![known(name)?],
        None => pops().iter().map(|pop| pop.name.as_str()).collect(),
    };
    let mut told = Vec::new();
    for name in chosen {
        let said = match verb {
            "" => return Ok(fleet.table()),
            "start" => fleet.start(name).await?,
            "stop" => fleet.stop(name).await?,
            _ => return Err("there are /, /start/NAME, /stop/NAME, /start and /stop".to_owned()),
        };
        say(&said);
        told.push(said);
    }
    Ok(told.join("\n"))
}

/// What is of interest in a request.
struct Head {
    path: String,
    /// Whether the client wants the connection closed after the answer.
    close: bool,
}

/// The next request of a connection; `None` when it ends, takes too long or sends no HTTP.
async fn read_head<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<Head> {
    use tokio::io::AsyncReadExt;
    let mut lines = stream.take(HEAD_LIMIT).lines();
    let head = async {
        let first = lines.next_line().await.ok()??;
        let mut words = first.split(' ');
        let (_, path, version) = (words.next()?, words.next()?.to_owned(), words.next()?);
        let mut close = version != "HTTP/1.1";
        loop {
            let line = lines.next_line().await.ok()??;
            if line.is_empty() {
                return Some(Head { path, close });
            }
            close |= line.to_ascii_lowercase().replace(' ', "") == "connection:close";
        }
    };
    timeout(PATIENCE, head).await.ok()?
}

async fn respond(stream: &mut TcpStream, status: &str, extra: &str, body: &str, close: bool) -> io::Result<()> {
    let connection = if close { "Connection: close\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n{extra}{connection}\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).await
}
