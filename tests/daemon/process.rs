//! A running `catchment`, its log, and questions for it.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};
use tempfile::TempDir;

/// Longer than anything here takes, shorter than anyone's patience.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A zone without steering, so that no database is needed.
pub(crate) const ZONE: &str = "\
zone: example.com
ttl: 5m
soa: {mname: ns1, rname: hostmaster, serial: 7, minimum: 60s}
ns: [ns1]
records:
  ns1: {A: 192.0.2.53}
  www: {A: 192.0.2.1, AAAA: \"2001:db8::1\"}
";

/// A process with a directory of its own; killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) directory: Arc<TempDir>,
    lines: Receiver<String>,
    /// What it listens on, in the order of `--listen`.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Where its control API answers over TCP, if it does.
    pub(crate) http: Option<SocketAddr>,
}

/// A directory with `zones/` holding these files, and an empty `geodb/`.
pub(crate) fn directory(zones: &[(&str, &str)]) -> TempDir {
    let directory = TempDir::new().unwrap();
    for name in ["zones", "geodb"] {
        std::fs::create_dir(directory.path().join(name)).unwrap();
    }
    for (name, text) in zones {
        std::fs::write(directory.path().join("zones").join(name), text).unwrap();
    }
    directory
}

/// `program` with `arguments`, then `--listen` for each address, in `directory`.
pub(crate) fn command(program: &[&str], directory: &Path, listen: &[&str], more: &[&str]) -> Command {
    let mut words = program.iter().copied().chain([env!("CARGO_BIN_EXE_catchment")]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words).args(listen.iter().flat_map(|address| ["--listen", address])).args(more);
    command.current_dir(directory).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_remove("CATCHMENT_LOG");
    // A fixed port by default: where the test does not say otherwise there is none.
    let settings = std::fs::read_to_string(directory.join("catchment.yaml")).unwrap_or_default();
    if !settings.contains("http:") {
        command.env("CATCHMENT_CONTROL_HTTP", "off");
    }
    command
}

/// Starts it with [`ZONE`] and waits until it is ready.
pub(crate) fn start(listen: &[&str], more: &[&str]) -> Daemon {
    start_with(&[], listen, more)
}

/// The same, behind words that run what follows them (`prlimit …`).
pub(crate) fn start_with(program: &[&str], listen: &[&str], more: &[&str]) -> Daemon {
    start_in(with_sites(directory(&[("example.com.yaml", ZONE)])), program, listen, more)
}

/// The same directory, with sites compiled already.
pub(crate) fn with_sites(directory: TempDir) -> TempDir {
    let state = directory.path().join("state");
    std::fs::create_dir(&state).unwrap();
    for entry in std::fs::read_dir(sites()).unwrap().map(Result::unwrap) {
        if entry.file_name().to_string_lossy().starts_with("sites.") {
            std::fs::copy(entry.path(), state.join(entry.file_name())).unwrap();
        }
    }
    directory
}

/// The state directory of a daemon that has compiled its sites: seconds in a debug build, so once for all tests.
fn sites() -> &'static Path {
    static STATE: OnceLock<PathBuf> = OnceLock::new();
    STATE.get_or_init(|| {
        // Kept between runs; the daemon itself tells whether it still fits.
        let state = Path::new(env!("CARGO_TARGET_TMPDIR")).join("daemon-state");
        let more = ["--state", state.to_str().unwrap()];
        let directory = directory(&[("example.com.yaml", ZONE)]);
        // Of several test processes each may make the sites; none minds the others.
        std::fs::write(directory.path().join("catchment.yaml"), "control: {socket: off}\n").unwrap();
        drop(start_in(directory, &[], &["127.0.0.1:0"], &more));
        state
    })
}

/// The same, in a directory from [`directory`].
pub(crate) fn start_in(directory: impl Into<Arc<TempDir>>, program: &[&str], listen: &[&str], more: &[&str]) -> Daemon {
    let directory = directory.into();
    let mut child = command(program, directory.path(), listen, more).spawn().unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || stderr.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok()));
    let mut daemon = Daemon { child, directory, lines, addresses: Vec::new(), http: None };
    for line in daemon.until(" ready ") {
        if let Some((_, rest)) = line.split_once("listening address=") {
            daemon.addresses.push(rest.split(' ').next().unwrap().parse().unwrap());
        }
        if let Some((_, rest)) = line.split_once("control over HTTP address=") {
            daemon.http = Some(rest.split(' ').next().unwrap().parse().unwrap());
        }
    }
    daemon
}

impl Daemon {
    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// The lines up to the one that contains `text`.
    #[track_caller]
    pub(crate) fn until(&self, text: &str) -> Vec<String> {
        let (deadline, mut seen) = (Instant::now() + LIMIT, Vec::new());
        while !seen.last().is_some_and(|line: &String| line.contains(text)) {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("no line with `{text}` in:\n{}", seen.join("\n"));
            };
            seen.push(line);
        }
        seen
    }

    /// Writes a file of `zones/` as editors do: beside it, then renamed.
    pub(crate) fn write_zone(&self, name: &str, text: &str) {
        let path = self.directory.path().join("zones").join(name);
        let beside = path.with_extension("new~");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, path).unwrap();
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal: `TERM`, `HUP`.
    pub(crate) fn signal(&self, signal: &str) {
        // The shell's own `kill`: every machine has it.
        let kill = format!("kill -{signal} {}", self.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Runs another command where it runs: exit code, standard output, standard error.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_catchment"));
        command.args(arguments).current_dir(self.directory.path()).env_remove("CATCHMENT_LOG").env_remove("SUDO_USER");
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Kills it, without a chance to say anything; its directory is left.
    pub(crate) fn kill(mut self) -> Arc<TempDir> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Arc::clone(&self.directory)
    }

    /// Stops it by SIGTERM; its lines since the last look, and how it ended.
    pub(crate) fn stop(mut self) -> (Vec<String>, ExitStatus) {
        self.signal("TERM");
        let lines = self.until(" stopped");
        (lines, self.child.wait().unwrap())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A query with an OPT.
pub(crate) fn query(name: &str, rtype: RecordType) -> Vec<u8> {
    let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), rtype));
    let mut edns = Edns::new();
    edns.set_max_payload(1_232);
    message.set_edns(edns);
    message.to_vec().unwrap()
}

/// Asks over UDP.
#[track_caller]
pub(crate) fn over_udp(server: SocketAddr, request: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind(if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }).unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    socket.send(request).unwrap();
    let mut answer = vec![0; 65_535];
    let length = socket.recv(&mut answer).unwrap();
    answer.truncate(length);
    answer
}

/// Asks over TCP, on a connection of its own.
#[track_caller]
pub(crate) fn over_tcp(server: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(&[&(request.len() as u16).to_be_bytes()[..], request].concat()).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut answer).unwrap();
    answer
}

/// RCODE, AA and the answer section, a line each.
pub(crate) fn text(answer: &[u8]) -> String {
    let message = Message::from_vec(answer).unwrap();
    assert_eq!(message.metadata.id, 0x1234);
    let mut text = format!("{:?}", message.metadata.response_code);
    if message.metadata.authoritative {
        text.push_str(" aa");
    }
    for record in &message.answers {
        write!(text, "\n{record}").unwrap();
    }
    text
}

/// Asks over UDP and TCP, which must agree, and compares the text.
#[track_caller]
pub(crate) fn check(server: SocketAddr, name: &str, rtype: RecordType, expected: &str) {
    let request = query(name, rtype);
    let udp = text(&over_udp(server, &request));
    assert_eq!(udp, expected);
    assert_eq!(text(&over_tcp(server, &request)), udp);
}

/// The address of www.example.com, over UDP.
pub(crate) fn www(server: SocketAddr) -> String {
    text(&over_udp(server, &query("www.example.com.", RecordType::A)))
}

/// Whether `[::1]` can be bound; says so where not.
pub(crate) fn has_ipv6() -> bool {
    let here = UdpSocket::bind("[::1]:0").is_ok();
    if !here {
        println!("skipped: no IPv6 on this machine");
    }
    here
}
