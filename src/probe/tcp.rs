//! `tcp`: the target accepts a connection. Also how the other checks begin.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::attempt::{Failure, Stage};

/// Connects to exactly this address.
pub(crate) async fn connect(address: SocketAddr) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect(address).await.map_err(|error| Failure::of_connection(&error, Stage::Connect))?;
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
