//! The portable listeners (`io: portable`): hickory-server's, with our engine behind them. The one file that names it.
//!
//! hickory reads a request, hands its octets to the engine, and encodes the engine's answer again from its own types.
//! What differs from the native listeners, all of it in hickory-server 0.26:
//! - names are compressed hickory's way: nothing points into the question, so the first owner name is written out
//!   again. Records, flags and options are the same, those whose codes hickory does not know included. Where that makes
//!   a UDP answer too long it becomes a TC answer without records, as SEMANTICS §5.7 wants (hickory itself would cut
//!   RRsets in two and lose the OPT);
//! - the question echoed is the one hickory parsed, with its letter case;
//! - a request hickory cannot parse is answered FORMERR by hickory itself, without question or OPT, even with QR set, and
//!   is not counted; neither are requests it drops (under 12 octets, source port 0);
//! - on a wildcard address the answer leaves from wherever the routing table says, and the engine sees the wildcard as
//!   destination: configure each address instead;
//! - TCP has the idle timeout, but no limit on connections; answers go out each in its own write; running out of
//!   descriptors makes the listener spin, and an aborted connection may end it (logged when all of an address ended);
//! - stopping cuts what is in flight.

use std::net::IpAddr;
use std::slice::Iter;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hickory_proto::op::{Edns, Header, HeaderCounts, Message, MessageType, Metadata};
use hickory_proto::rr::Record;
use hickory_proto::serialize::binary::BinEncoder;
use hickory_server::net::runtime::Time;
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo, Server};
use hickory_server::zone_handler::{MessageResponse, MessageResponseBuilder};
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::error;

use super::Beside;
use super::bind::{BindError, Bound};
use super::engine::{Answer, MAX_REQUEST, Way, ask, ask_closer, unix_now};
use super::rrl::Limiter;
use crate::journal::Pen;
use crate::metrics::{Cause, End, Metrics, SharedWriter, Transport};
use crate::query::{self, Ecs, Who};

/// What hickory may log unless asked for more, as directives of a filter: it has two lines per response at `info`.
pub const QUIET: &str = "hickory_server=warn,hickory_net=warn,hickory_proto=warn";

/// Answers one connection may have waiting in hickory before it stops reading.
const RESPONSES: usize = 32;
/// Octets of the longest answer, by transport.
const MAX_UDP_ANSWER: usize = 4_096;
const MAX_TCP_ANSWER: usize = 65_535;

/// Octets a UDP client takes at least (RFC 1035 §4.2.1), and those we send at most (SEMANTICS §5.7).
const MIN_UDP_LIMIT: u16 = 512;
const MAX_UDP_LIMIT: u16 = 1_232;

/// The running listeners: a hickory server for each address, so that its handler knows which address was asked.
#[derive(Debug)]
pub(super) struct Portable {
    stop: Vec<CancellationToken>,
    servers: TaskTracker,
}

impl Portable {
    /// Starts to answer. Called inside the runtime.
    pub(super) fn start<E: Answer>(
        bound: Vec<Bound>,
        engine: &Arc<E>,
        beside: &Beside,
        metrics: &Metrics,
        idle: Duration,
    ) -> Result<Self, BindError> {
        let mut portable = Self { stop: Vec::new(), servers: TaskTracker::new() };
        let (udp, tcp) = (metrics.shared_writer(Transport::Udp), metrics.shared_writer(Transport::Tcp));
        for Bound { address, ecs, udp: sockets, tcp: listener } in bound {
            let failed = |transport| move |source| BindError::Other { address, transport, source };
            let mut server = Server::new(Adapter {
                engine: Arc::clone(engine),
                limiter: Arc::clone(&beside.limiter),
                pen: beside.journal.pen(),
                destination: address.ip(),
                port: address.port(),
                ecs,
                udp: udp.clone(),
                tcp: tcp.clone(),
            });
            for socket in sockets {
                socket.set_nonblocking(true).map_err(failed("UDP"))?;
                server.register_socket(UdpSocket::from_std(socket).map_err(failed("UDP"))?);
            }
            server.register_listener(TcpListener::from_std(listener).map_err(failed("TCP"))?, idle, RESPONSES);
            portable.stop.push(server.shutdown_token().clone());
            portable.servers.spawn(async move {
                if let Err(error) = server.block_until_done().await {
                    error!(%address, %error, "the portable listeners of an address ended");
                }
            });
        }
        portable.servers.close();
        Ok(portable)
    }

    /// Stops; what is in flight is cut.
    pub(super) async fn stop(&self) {
        self.cancel();
        self.servers.wait().await;
    }

    fn cancel(&self) {
        self.stop.iter().for_each(CancellationToken::cancel);
    }
}

impl Drop for Portable {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// Our engine as a hickory handler.
struct Adapter<E> {
    engine: Arc<E>,
    limiter: Arc<Limiter>,
    pen: Pen,
    destination: IpAddr,
    port: u16,
    ecs: Ecs,
    udp: SharedWriter,
    tcp: SharedWriter,
}

#[async_trait]
impl<E: Answer> RequestHandler for Adapter<E> {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut handle: R) -> ResponseInfo {
        let (writer, transport, room) = match request.protocol() {
            Protocol::Udp => (&self.udp, query::Transport::Udp, MAX_UDP_ANSWER),
            _ => (&self.tcp, query::Transport::Tcp, MAX_TCP_ANSWER),
        };
        let closer = writer.received();
        if request.as_slice().len() > MAX_REQUEST {
            writer.ended(End::Dropped(Cause::Long));
            return nothing(request);
        }
        let source = request.src();
        let who = Who {
            source: source.ip(),
            source_port: source.port(),
            destination: self.destination,
            transport,
            ecs: self.ecs,
            now: unix_now(),
        };
        let mut answer = vec![0; room];
        let mut counter = writer;
        let engine = &*self.engine;
        let limiter = (transport == query::Transport::Udp).then_some(&*self.limiter);
        let way = Way { engine, limiter, pen: &self.pen, port: self.port };
        let octets = request.as_slice();
        let answers = |room: &mut [u8]| engine.answer(&who, octets, room);
        let ask = if closer { ask_closer } else { ask };
        let asked = ask(answers, &way, &who, octets, &mut answer, &mut counter);
        let Some(length) = asked else { return nothing(request) };
        // What we encoded, hickory can read: but if not, the client is told nothing rather than something else.
        let Ok(message) = Message::from_vec(&answer[..length]) else {
            writer.unsent(1);
            return nothing(request);
        };
        let mut metadata = message.metadata;
        let mut sections = [&message.answers[..], &message.authorities, &message.additionals];
        let limit = request.edns.as_ref().map_or(MIN_UDP_LIMIT, Edns::max_payload).clamp(MIN_UDP_LIMIT, MAX_UDP_LIMIT);
        if transport == query::Transport::Udp {
            let mut octets = Vec::with_capacity(room);
            let mut encoder = BinEncoder::new(&mut octets);
            encoder.set_max_size(limit);
            let encoded = respond(request, &message, metadata, sections).destructive_emit(&mut encoder);
            if !encoded.is_ok_and(|header| header.truncation == metadata.truncation) {
                metadata.truncation = true;
                sections = [&[]; 3];
            }
        }
        if let Ok(sent) = handle.send_response(respond(request, &message, metadata, sections)).await {
            writer.sent(1);
            sent
        } else {
            writer.unsent(1);
            nothing(request)
        }
    }
}

/// The answer in hickory's terms, with these sections (answer, authority, additional) instead of its own.
fn respond<'a>(
    request: &'a Request,
    message: &'a Message,
    metadata: Metadata,
    [answers, authorities, additionals]: [&'a [Record]; 3],
) -> MessageResponse<'a, 'a, Iter<'a, Record>, Iter<'a, Record>, Iter<'a, Record>, Iter<'a, Record>> {
    // hickory takes the SOA of a negative answer apart from the other authorities; ours has it among them.
    const NO_SOA: &[Record] = &[];
    MessageResponseBuilder::new(&request.queries, message.edns.as_ref()).build(
        metadata,
        answers,
        authorities,
        NO_SOA,
        additionals,
    )
}

/// What hickory wants to hear of a request that got no answer; it only logs it.
fn nothing(request: &Request) -> ResponseInfo {
    ResponseInfo::from(Header {
        metadata: Metadata::new(request.metadata.id, MessageType::Response, request.metadata.op_code),
        counts: HeaderCounts::default(),
    })
}
