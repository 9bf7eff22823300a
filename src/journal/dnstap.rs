//! The thread that writes dnstap: answers as protobuf messages, in frames, to a socket or file. <https://dnstap.info/>

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use prost::Message as _;
use tracing::{info, warn};

use super::entry::{Entry, Fate};
use super::frames::{self, Control};
use super::log::Names;
use super::output::Named;
use super::tap::Tap;
use super::{DnstapSettings, FramePlace, Messages, line};
use crate::metrics::{JournalFate, JournalKind, Metrics};
use crate::query::Transport;
use crate::snapshot::{Current, Snapshot};

/// Octets of frames at which they are written.
const FULL: usize = 64 * 1024;
/// How long a reader of a socket may take for a write or a word. Then it is left.
const PATIENCE: Duration = Duration::from_secs(1);
/// Pauses between attempts to reach a reader: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(30);
/// As for the query log.
const MODE: u32 = 0o640;

/// `dnstap.Dnstap` of dnstap.proto.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Dnstap {
    #[prost(bytes = "vec", optional, tag = "1")]
    pub(super) identity: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(super) version: Option<Vec<u8>>,
    #[prost(message, optional, tag = "14")]
    pub(super) message: Option<Message>,
    /// 1: MESSAGE.
    #[prost(int32, required, tag = "15")]
    pub(super) r#type: i32,
}

/// `dnstap.Message`, those of its fields that an authoritative server has.
#[derive(Clone, PartialEq, prost::Message)]
#[expect(clippy::struct_field_names, reason = "they are those of dnstap.proto")]
pub(super) struct Message {
    /// 1: `AUTH_QUERY`, 2: `AUTH_RESPONSE`.
    #[prost(int32, required, tag = "1")]
    pub(super) r#type: i32,
    /// 1: INET, 2: INET6.
    #[prost(int32, optional, tag = "2")]
    pub(super) socket_family: Option<i32>,
    /// 1: UDP, 2: TCP, 3: DOT, 4: DOH, 7: DOQ.
    #[prost(int32, optional, tag = "3")]
    pub(super) socket_protocol: Option<i32>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub(super) query_address: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "5")]
    pub(super) response_address: Option<Vec<u8>>,
    #[prost(uint32, optional, tag = "6")]
    pub(super) query_port: Option<u32>,
    #[prost(uint32, optional, tag = "7")]
    pub(super) response_port: Option<u32>,
    #[prost(uint64, optional, tag = "8")]
    pub(super) query_time_sec: Option<u64>,
    #[prost(fixed32, optional, tag = "9")]
    pub(super) query_time_nsec: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "10")]
    pub(super) query_message: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "11")]
    pub(super) query_zone: Option<Vec<u8>>,
    #[prost(uint64, optional, tag = "12")]
    pub(super) response_time_sec: Option<u64>,
    #[prost(fixed32, optional, tag = "13")]
    pub(super) response_time_nsec: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "14")]
    pub(super) response_message: Option<Vec<u8>>,
}

/// Which of the two messages of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    Query = 1,
    Response = 2,
}

/// Writes until the tap is stopped.
pub(super) fn run(tap: &Tap<DnstapSettings>, current: &Arc<Current>, metrics: &Metrics) {
    let mut writer = Writer {
        names: Names::new(current),
        metrics,
        settings: None,
        place: None,
        frames: Vec::with_capacity(FULL),
        count: 0,
        failing: false,
    };
    tap.work(&mut writer, Writer::apply, Writer::write, Writer::rest);
}

struct Writer<'a> {
    names: Names<'a>,
    metrics: &'a Metrics,
    settings: Option<DnstapSettings>,
    place: Option<Open>,
    frames: Vec<u8>,
    /// How many they are.
    count: u64,
    /// Whether the last attempt failed: said once.
    failing: bool,
}

enum Open {
    File(Named),
    Socket(Reader),
}

/// A reader at a socket.
struct Reader {
    path: PathBuf,
    stream: Option<UnixStream>,
    tried: Option<Instant>,
    pause: Duration,
}

impl Writer<'_> {
    fn apply(&mut self, settings: Option<DnstapSettings>) {
        self.flush();
        let same =
            self.settings.as_ref().map(|settings| &settings.to) == settings.as_ref().map(|settings| &settings.to);
        self.settings = settings;
        if !same {
            self.close();
            self.place = self.settings.as_ref().map(|settings| match &settings.to {
                FramePlace::File(path) => Open::File(Named::new(path.clone())),
                FramePlace::Socket(path) => {
                    Open::Socket(Reader { path: path.clone(), stream: None, tried: None, pause: FIRST_PAUSE })
                }
            });
        }
        self.open(true);
    }

    /// Opens a file, or looks for a reader, if it is time to.
    fn open(&mut self, at_once: bool) {
        let result = match &mut self.place {
            Some(Open::File(named)) => {
                if !named.is_due(at_once) {
                    return;
                }
                if let Some(mut before) = named.file.take() {
                    // Moved away: a whole stream for whoever has it now.
                    let _ = before.write_all(&Control::Stop.octets());
                }
                begin(named.path()).map(|file| named.file = Some(file))
            }
            Some(Open::Socket(reader)) if reader.is_due() => reader.connect(),
            Some(Open::Socket(_)) | None => return,
        };
        match result {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    info!("dnstap is written again");
                }
            }
            Err(error) => self.fail(&error),
        }
    }

    fn close(&mut self) {
        match self.place.take() {
            Some(Open::File(Named { file: Some(mut file), .. })) => {
                // The stream is read to its end without it, too.
                let _ = file.write_all(&Control::Stop.octets());
            }
            Some(Open::Socket(Reader { stream: Some(mut stream), .. })) => {
                let _ = frames::leave(&mut stream);
            }
            _ => {}
        }
    }

    fn write(&mut self, entry: &Entry) {
        let Some(settings) = &self.settings else { return };
        let halves: &[Half] = match (settings.messages, entry.fate) {
            (Messages::Queries, _) | (Messages::Both, Fate::Dropped) => &[Half::Query],
            (Messages::Responses, Fate::Dropped) => &[],
            (Messages::Responses, _) => &[Half::Response],
            (Messages::Both, _) => &[Half::Query, Half::Response],
        };
        let identity = settings.identity.as_deref();
        for half in halves {
            let frame = frame(entry, *half, identity, self.names.of(entry.answered.generation));
            frames::put(&mut self.frames, &frame.encode_to_vec());
            self.count += 1;
        }
        if self.frames.len() >= FULL {
            self.flush();
        }
    }

    fn rest(&mut self) {
        self.open(false);
        self.flush();
        self.names.look();
    }

    fn flush(&mut self) {
        if self.frames.is_empty() {
            return;
        }
        let result = match &mut self.place {
            Some(Open::File(Named { file: Some(file), .. })) => file.write_all(&self.frames),
            Some(Open::Socket(reader)) => reader.write(&self.frames),
            Some(Open::File(_)) | None => Err(io::ErrorKind::NotConnected.into()),
        };
        let fate = match result {
            Ok(()) => JournalFate::Written,
            Err(error) => {
                if self.place.is_some() && error.kind() != io::ErrorKind::NotConnected {
                    self.fail(&error);
                }
                JournalFate::Lost
            }
        };
        self.metrics.journaled(JournalKind::Dnstap, fate, self.count);
        self.count = 0;
        self.frames.clear();
    }

    fn fail(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            let path = match &self.place {
                Some(Open::File(named)) => named.path().display().to_string(),
                Some(Open::Socket(reader)) => reader.path.display().to_string(),
                None => String::new(),
            };
            warn!(path, %error, "dnstap cannot be written; its frames are lost until it can");
        }
    }
}

impl Reader {
    fn is_due(&self) -> bool {
        self.stream.is_none() && self.tried.is_none_or(|tried| tried.elapsed() >= self.pause)
    }

    /// Reaches the reader and greets it; the pause before the next attempt grows with each that fails.
    fn connect(&mut self) -> io::Result<()> {
        self.tried = Some(Instant::now());
        let greeted = UnixStream::connect(&self.path).and_then(|mut stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            frames::greet(&mut stream).map(|()| stream)
        });
        match greeted {
            Ok(stream) => {
                (self.stream, self.pause) = (Some(stream), FIRST_PAUSE);
                Ok(())
            }
            Err(error) => {
                self.pause = (self.pause * 2).min(LAST_PAUSE);
                Err(error)
            }
        }
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Err(io::ErrorKind::NotConnected.into()) };
        let written = stream.write_all(octets);
        if written.is_err() {
            // Part of a frame may be with it: the stream cannot go on.
            self.stream = None;
        }
        written
    }
}

/// A file with the beginning of a stream. A reader ends where a stream does, so what is there is put aside.
fn begin(path: &Path) -> io::Result<File> {
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0) {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".old");
        std::fs::rename(path, aside)?;
    }
    let mut file = OpenOptions::new().append(true).create(true).mode(MODE).open(path)?;
    file.write_all(&Control::Start.octets())?;
    Ok(file)
}

/// An answer's frame. The query is taken to have come when the answer was made, less the time that took where it was measured.
fn frame(entry: &Entry, half: Half, identity: Option<&str>, snapshot: Option<&Snapshot>) -> Dnstap {
    let since = |time: std::time::SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let answered = since(entry.when);
    let asked = answered.saturating_sub(entry.took.unwrap_or_default());
    let octets = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let is_response = half == Half::Response;
    let message = Message {
        r#type: half as i32,
        socket_family: Some(if entry.source.is_ipv4() { 1 } else { 2 }),
        socket_protocol: Some(match entry.transport {
            Transport::Udp => 1,
            Transport::Tcp => 2,
            Transport::Tls => 3,
            Transport::Https => 4,
            Transport::Quic => 7,
        }),
        query_address: Some(octets(entry.source)),
        response_address: Some(octets(entry.destination)),
        query_port: Some(entry.source_port.into()),
        response_port: Some(entry.port.into()),
        query_time_sec: Some(asked.as_secs()),
        query_time_nsec: Some(asked.subsec_nanos()),
        query_message: (!is_response).then(|| entry.request.clone()),
        query_zone: line::zone(entry.answered.zone(), snapshot).map(|zone| zone.as_wire().to_vec()),
        response_time_sec: is_response.then_some(answered.as_secs()),
        response_time_nsec: is_response.then_some(answered.subsec_nanos()),
        response_message: is_response.then(|| entry.answer.clone()),
    };
    Dnstap {
        identity: identity.map(|name| name.as_bytes().to_vec()),
        version: Some(concat!("catchment ", env!("CARGO_PKG_VERSION")).as_bytes().to_vec()),
        message: Some(message),
        r#type: 1,
    }
}
