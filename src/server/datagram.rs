//! One UDP socket: datagrams in with the address that was asked, answers out from that address.
//!
//! A socket bound to a wildcard learns the asked address from packet info and sends from it again; others need neither.
//! This is the one file to change for batches (`recvmmsg`, `sendmmsg`): its caller knows only [`Datagram`]s. Nothing is
//! allocated after [`Endpoint::new`].

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmsg, sendmmsg,
};

/// A socket and what its calls need, made once. Not `Send` (it holds the kernel's headers): made in its thread.
pub(super) struct Endpoint {
    socket: Arc<UdpSocket>,
    mode: Mode,
}

enum Mode {
    /// Bound to one address.
    Fixed(IpAddr),
    /// Bound to `0.0.0.0` or `::`.
    Wildcard { control: Vec<u8>, headers: MultiHeaders<SockaddrStorage> },
}

/// Where a datagram came from and what it asked, enough to answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Datagram {
    /// Octets of it in the buffer.
    pub(super) length: usize,
    /// Whom to answer.
    pub(super) source: SocketAddr,
    /// The address that was asked, and will be the source of the answer.
    pub(super) destination: IpAddr,
    /// The interface a link-local destination belongs to; 0 leaves the way back to the routing table.
    interface: u32,
}

/// What a receive call came back with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// A datagram of at least one octet.
    Datagram(Datagram),
    /// No octet: an empty datagram, or the socket was shut down.
    Empty,
    /// Nothing came in the time of the call.
    Nothing,
}

/// Whether a receive call may wait (as long as the socket's timeout).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    Yes,
    No,
}

impl Endpoint {
    /// `address` is what `socket` is bound to.
    pub(super) fn new(socket: Arc<UdpSocket>, address: IpAddr) -> Self {
        let mode = if address.is_unspecified() {
            // Room for either family; the size of what is sent must be exact, or the kernel reads a second message.
            let headers = match address {
                IpAddr::V4(_) => MultiHeaders::preallocate(1, Some(cmsg_space!(in_pktinfo))),
                IpAddr::V6(_) => MultiHeaders::preallocate(1, Some(cmsg_space!(in6_pktinfo))),
            };
            Mode::Wildcard { control: cmsg_space!(in6_pktinfo), headers }
        } else {
            Mode::Fixed(address)
        };
        Self { socket, mode }
    }

    /// Receives one datagram into `buffer`; of a longer one, the first `buffer.len()` octets.
    pub(super) fn receive(&mut self, buffer: &mut [u8], wait: Wait) -> io::Result<Received> {
        let flags = if wait == Wait::Yes { MsgFlags::empty() } else { MsgFlags::MSG_DONTWAIT };
        let mut parts = [IoSliceMut::new(buffer)];
        let (fixed, control) = match &mut self.mode {
            Mode::Fixed(address) => (Some(*address), None),
            Mode::Wildcard { control, .. } => (None, Some(control.as_mut_slice())),
        };
        let message = match recvmsg::<SockaddrStorage>(self.socket.as_raw_fd(), &mut parts, control, flags) {
            Ok(message) => message,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(Received::Nothing),
            Err(errno) => return Err(errno.into()),
        };
        if message.bytes == 0 {
            // After a shutdown there is no source address either: it must not be looked at.
            return Ok(Received::Empty);
        }
        let (destination, interface) = match fixed {
            Some(address) => (address, 0),
            None => message
                .cmsgs()?
                .find_map(|message| asked(&message))
                .ok_or_else(|| io::Error::other("a datagram without packet info"))?,
        };
        let source = message.address.as_ref().and_then(std_address).ok_or_else(|| io::Error::other("no source"))?;
        Ok(Received::Datagram(Datagram { length: message.bytes, source, destination, interface }))
    }

    /// Sends `answer` to where `datagram` came from, from the address it asked.
    pub(super) fn send(&mut self, answer: &[u8], datagram: &Datagram) -> io::Result<()> {
        let Mode::Wildcard { headers, .. } = &mut self.mode else {
            return self.socket.send_to(answer, datagram.source).map(drop);
        };
        let (v4, v6);
        let from = match datagram.destination {
            IpAddr::V4(address) => {
                v4 = in_pktinfo {
                    ipi_ifindex: datagram.interface.cast_signed(),
                    ipi_spec_dst: in_addr { s_addr: u32::from_ne_bytes(address.octets()) },
                    ipi_addr: in_addr { s_addr: 0 },
                };
                ControlMessage::Ipv4PacketInfo(&v4)
            }
            IpAddr::V6(address) => {
                v6 =
                    in6_pktinfo { ipi6_addr: in6_addr { s6_addr: address.octets() }, ipi6_ifindex: datagram.interface };
                ControlMessage::Ipv6PacketInfo(&v6)
            }
        };
        // `sendmsg` of this crate allocates for control messages; a batch of one in preallocated headers does not.
        let to = [Some(SockaddrStorage::from(datagram.source))];
        let parts = [[IoSlice::new(answer)]];
        sendmmsg(self.socket.as_raw_fd(), headers, &parts, to, [from], MsgFlags::empty())?;
        Ok(())
    }
}

/// The address a datagram was sent to, and its interface where that is needed to answer.
fn asked(message: &ControlMessageOwned) -> Option<(IpAddr, u32)> {
    match message {
        // `ipi_spec_dst` is an address of ours even where the packet was sent to a broadcast address.
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some((Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()).into(), 0))
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
            Some((address.into(), if address.is_unicast_link_local() { info.ipi6_ifindex } else { 0 }))
        }
        _ => None,
    }
}

fn std_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddrV4::from(*v4).into());
    }
    address.as_sockaddr_in6().map(|v6| SocketAddrV6::from(*v6).into())
}
