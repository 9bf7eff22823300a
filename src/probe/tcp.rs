//! `tcp`: the target accepts a connection. Also how most other checks begin.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpSocket, TcpStream};

use super::attempt::{Failure, Stage};

/// Connects to exactly this address, from `source` if one is given.
pub(crate) async fn connect(address: SocketAddr, source: Option<IpAddr>) -> Result<TcpStream, Failure> {
    let connected = match source {
        None => TcpStream::connect(address).await,
        Some(source) => match bound(source) {
            Ok(socket) => socket.connect(address).await,
            Err(error) => Err(error),
        },
    };
    let stream = connected.map_err(|error| Failure::of_connection(&error, Stage::Connect))?;
    // On loopback a connection to a free port in the ephemeral range may meet itself: the kernel picks the very port
    // it connects to as the source, and both ends open at once. Nobody listens there.
    if stream.local_addr().is_ok_and(|local| local == address) {
        return Err(Failure::of_connection(&io::ErrorKind::ConnectionRefused.into(), Stage::Connect));
    }
    // A request is one small write; waiting to fill a segment would only distort the latency shown.
    if let Err(error) = stream.set_nodelay(true) {
        return Err(Failure::of_connection(&error, Stage::Connect));
    }
    Ok(stream)
}

fn bound(source: IpAddr) -> io::Result<TcpSocket> {
    let socket = if source.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // The port is chosen when the destination is known: otherwise each probe would keep a port of this address for
    // itself until its connection is forgotten, and a large plan would run out of them.
    #[cfg(target_os = "linux")]
    nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::IpBindAddressNoPort, &true)?;
    socket.bind(SocketAddr::new(source, 0))?;
    Ok(socket)
}
