//! `icmp`: an echo request (RFC 792, RFC 4443 §4) from an unprivileged datagram socket.
//!
//! Linux lets a process have such a socket when a group of it is within `net.ipv4.ping_group_range`. Where it is not, the
//! check says nothing of its target.

use std::borrow::Cow;
use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::attempt::{Failure, Progress, Stage, plain};
use super::tools::Tools;

const FORBIDDEN: &str =
    "ICMP sockets are not permitted: `net.ipv4.ping_group_range` does not hold a group of this process";

/// Sends one echo request and waits for its reply.
pub(crate) async fn echo(
    target: IpAddr,
    source: Option<IpAddr>,
    tools: &Tools,
    progress: &mut Progress,
) -> Result<Cow<'static, str>, Failure> {
    let socket = match socket(target, source) {
        Ok(socket) => socket,
        Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported) => {
            tools.say_once(FORBIDDEN);
            return Err(Failure::of_ours(format!("not probed: {FORBIDDEN}")));
        }
        // What a family is missing here is no fault of the target.
        Err(error) => return Err(Failure::of_ours(format!("not probed: {}", plain(&error)))),
    };
    progress.enter(Stage::Response);
    let request = request(target, tools.random());
    let failed = |error: &io::Error| Failure::of_connection(error, Stage::Response);
    socket.send(&request).await.map_err(|error| failed(&error))?;
    let mut reply = [0; 64];
    loop {
        let length = socket.recv(&mut reply).await.map_err(|error| failed(&error))?;
        if is_reply(target, &request, &reply[..length]) {
            progress.enter(Stage::Done);
            return Ok("echo reply".into());
        }
    }
}

fn socket(target: IpAddr, source: Option<IpAddr>) -> io::Result<UdpSocket> {
    let (domain, protocol) = match target {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(protocol))?;
    socket.set_nonblocking(true)?;
    if let Some(source) = source {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    socket.connect(&SocketAddr::new(target, 0).into())?;
    UdpSocket::from_std(socket.into())
}

/// Type, code, checksum and identifier (both are the kernel's to fill in), sequence number, and twice that as data.
fn request(target: IpAddr, sequence: u16) -> [u8; 12] {
    let [a, b] = sequence.to_be_bytes();
    let kind = if target.is_ipv4() { 8 } else { 128 };
    [kind, 0, 0, 0, 0, 0, a, b, a, b, a, b]
}

/// Whether this is the reply: its type, and the request's sequence number and data.
fn is_reply(target: IpAddr, request: &[u8], reply: &[u8]) -> bool {
    let kind = if target.is_ipv4() { 0 } else { 129 };
    reply.first() == Some(&kind) && reply.get(6..) == request.get(6..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies() {
        for (target, asked, kind) in [("127.0.0.1", 8, 0), ("::1", 128, 129)] {
            let target = target.parse().unwrap();
            let request = request(target, 0x1234);
            assert_eq!(request[0], asked);
            let mut reply = request;
            (reply[0], reply[2], reply[4]) = (kind, 7, 9);
            assert!(is_reply(target, &request, &reply));
            assert!(!is_reply(target, &request, &request));
            assert!(!is_reply(target, &request, &reply[..8]));
            reply[7] = 0;
            assert!(!is_reply(target, &request, &reply));
        }
    }
}
