//! Datagrams in batches: all that wait, up to [`BATCH`], come in by one system call (`recvmmsg`), and their answers go out
//! by one (`sendmmsg`), each from the address that was asked.
//!
//! The unsafe code of the listeners, all of it: the headers of these calls are pointers into memory that one allocation
//! holds for the life of a [`Batch`], and nothing is allocated, moved or copied after that. An answer takes the header of
//! its request: the source is where it goes, and on a socket bound to a wildcard the packet info it came with, the interface
//! taken out, says from which address. nix's `recvmmsg` would do without unsafe code here, but leaves the lengths that
//! the kernel has shortened as they are (after one odd datagram a slot never gives an address again), wants the packet info of a
//! send to be one for all, and copies 128 octets of address twice a message. Figures: docs/performance.md, "Queries". Where
//! the calls are missing, [`Batch::supported`] says so and `io: portable` serves.
#![expect(unsafe_code, reason = "the batch calls take pointers; the reasons why they hold stand beside each use")]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::marker::PhantomData;
use std::mem::{offset_of, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::Arc;

use nix::errno::Errno;
use nix::libc::{
    self, AF_INET, AF_INET6, IP_PKTINFO, IPPROTO_IP, IPPROTO_IPV6, IPV6_PKTINFO, MSG_DONTWAIT, MSG_TRUNC,
    MSG_WAITFORONE, SO_MEMINFO, SOL_SOCKET, c_int, c_uint, cmsghdr, in_pktinfo, in6_pktinfo, iovec, mmsghdr,
    sockaddr_in, sockaddr_in6, socklen_t,
};

use super::engine::MAX_REQUEST;

/// Datagrams of one batch: what waits, at most, before its first answer leaves. By experiment 64 take 1 to 2 % less of the processor
/// than 32 under full load, and 128 no less than 64: after each system call code and tables are fetched into the nearest caches
/// anew.
pub(super) const BATCH: usize = 64;
/// Octets of the longest answer. The engine keeps to the client's size and 1232 (SEMANTICS §5.7).
pub(super) const MAX_ANSWER: usize = 4_096;

/// Room for one packet info of either family; whole words, as the kernel aligns them.
const CONTROL: usize = (size_of::<cmsghdr>() + size_of::<in6_pktinfo>()).next_multiple_of(8);

/// A datagram and its answer. As plain octets and integers it may be all zeros.
#[repr(C, align(64))]
struct Slot {
    source: sockaddr_in6,
    control: Control,
    incoming: iovec,
    outgoing: iovec,
    request: [u8; MAX_REQUEST],
    answer: [u8; MAX_ANSWER],
}

#[repr(C, align(8))]
struct Control([u8; CONTROL]);

// Not a multiple of a page: the first lines of all slots would share a few sets of the nearest cache.
const _: () = assert!(!size_of::<Slot>().is_multiple_of(4096));

#[repr(C)]
struct Memory {
    incoming: [mmsghdr; BATCH],
    outgoing: [mmsghdr; BATCH],
    slots: [Slot; BATCH],
}

/// A socket, and the memory its batches go through. Not `Send`: made in its thread.
pub(super) struct Batch {
    socket: Arc<UdpSocket>,
    /// What the socket is bound to; a wildcard learns the asked address from packet info.
    bound: IpAddr,
    memory: NonNull<Memory>,
    /// Datagrams of the last receive.
    received: usize,
    /// Answers marked for sending; at most one for each datagram of the last receive.
    marked: usize,
}

/// One datagram of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Datagram {
    /// From this client to this address.
    From(SocketAddr, IpAddr),
    /// Longer than [`MAX_REQUEST`]; the rest of it is lost.
    Long,
    /// No datagram: the socket was shut down.
    WakeUp,
    /// The kernel did not say where it came from, or went to.
    Unknown,
}

/// Whether a receive call may wait (as long as the socket's timeout).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    Yes,
    No,
}

/// The datagrams of a receive; their octets do not change as long as the [`Batch`] is borrowed for this.
#[derive(Clone, Copy)]
pub(super) struct Requests<'b> {
    memory: NonNull<Memory>,
    received: usize,
    bound: IpAddr,
    batch: PhantomData<&'b Memory>,
}

impl<'b> Requests<'b> {
    /// Where a datagram of the last receive came from, and went to. Once for each; `index` is below what [`Batch::receive`] gave.
    #[inline]
    pub(super) fn datagram(self, index: usize) -> Datagram {
        assert!(index < self.received, "no such datagram");
        let at = self.memory.as_ptr();
        // SAFETY: as in `new`. Nobody else has a reference into these fields, as the octets of requests and answers are others; and
        // those made here end with this call.
        let (message, source_address, control) =
            unsafe { (&(*at).incoming[index], &(*at).slots[index].source, &mut (*at).slots[index].control) };
        let header = &message.msg_hdr;
        if header.msg_namelen == 0 {
            return Datagram::WakeUp;
        }
        if header.msg_flags & MSG_TRUNC != 0 {
            return Datagram::Long;
        }
        let asked = if header.msg_control.is_null() { Some(self.bound) } else { asked(control, header.msg_controllen) };
        match (source(source_address), asked) {
            (Some(source), Some(asked)) => Datagram::From(source, asked),
            _ => Datagram::Unknown,
        }
    }

    /// The octets of a datagram; `index` is below what [`Batch::receive`] gave.
    #[inline]
    pub(super) fn get(self, index: usize) -> &'b [u8] {
        assert!(index < self.received, "no such datagram");
        let at = self.memory.as_ptr();
        // SAFETY: as in `new`. The octets of a request are written by `receive` alone, which needs the batch that is borrowed for
        // `'b`; answers, which are written meanwhile, are other octets.
        let (length, request) = unsafe { ((*at).incoming[index].msg_len as usize, &(*at).slots[index].request) };
        &request[..length.min(MAX_REQUEST)]
    }
}

/// The rooms for answers to the datagrams of a receive.
pub(super) struct Answers<'b>(&'b mut Batch);

impl Answers<'_> {
    /// The room of a datagram's answer; `index` is below what [`Batch::receive`] gave.
    #[inline]
    pub(super) fn room(&mut self, index: usize) -> &mut [u8] {
        assert!(index < self.0.received, "no such datagram");
        // SAFETY: as in `new`. The octets of an answer are apart from all that [`Requests`] gives, and borrowed as long as `self` is.
        unsafe { &mut (*self.0.memory.as_ptr()).slots[index].answer }
    }

    /// Marks the first `length` octets of the room of a datagram to be sent to its source. Once for each datagram.
    #[inline]
    pub(super) fn send(&mut self, index: usize, length: usize) {
        let Batch { received, marked, memory, .. } = &mut *self.0;
        assert!(index < *received && *marked < *received, "no such datagram");
        let at = memory.as_ptr();
        // SAFETY: as in `new`. The header is that of the request, with the lengths that the kernel gave it; its part is the answer
        // of the same slot, whose length is at most its room.
        unsafe {
            let slot = &raw mut (*at).slots[index];
            (*slot).outgoing.iov_len = length.min(MAX_ANSWER);
            let header = &raw mut (*at).outgoing[*marked].msg_hdr;
            *header = (*at).incoming[index].msg_hdr;
            (*header).msg_iov = &raw mut (*slot).outgoing;
            (*header).msg_flags = 0;
        }
        *marked += 1;
    }
}

/// What became of the answers of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// Handed to the kernel.
    pub(super) sent: usize,
    /// Not: no route back, a full queue, a firewall.
    pub(super) unsent: usize,
}

impl Batch {
    /// Whether this kernel (or the sandbox around us) has the calls. Takes nothing from the socket but an error that waits.
    pub(super) fn supported(socket: &UdpSocket) -> bool {
        // SAFETY: a batch of no headers: the pointer is not followed.
        let result = unsafe { libc::recvmmsg(socket.as_raw_fd(), std::ptr::null_mut(), 0, MSG_DONTWAIT as _, NULL) };
        result >= 0 || !matches!(Errno::last(), Errno::ENOSYS | Errno::EOPNOTSUPP)
    }

    /// `bound` is what `socket` is bound to.
    pub(super) fn new(socket: Arc<UdpSocket>, bound: IpAddr) -> Self {
        // SAFETY: `Memory` has a size above 0.
        let memory = NonNull::new(unsafe { alloc_zeroed(LAYOUT) }).unwrap_or_else(|| handle_alloc_error(LAYOUT));
        let memory = memory.cast::<Memory>();
        let at = memory.as_ptr();
        for index in 0..BATCH {
            // SAFETY: `at` is a live allocation of one `Memory`, zeroed, and all zeros are a value of each of its fields: octets,
            // integers, and pointers that may be null. Only addresses are taken, no references; `index` is below `BATCH`.
            unsafe {
                let slot = &raw mut (*at).slots[index];
                (*slot).incoming =
                    iovec { iov_base: (&raw mut (*slot).request).cast(), iov_len: size_of::<[u8; MAX_REQUEST]>() };
                (*slot).outgoing.iov_base = (&raw mut (*slot).answer).cast();
                let header = &raw mut (*at).incoming[index].msg_hdr;
                (*header).msg_name = (&raw mut (*slot).source).cast();
                (*header).msg_iov = &raw mut (*slot).incoming;
                (*header).msg_iovlen = 1;
            }
        }
        // All slots count as used: the first receive sets their lengths.
        Self { socket, bound, memory, received: BATCH, marked: 0 }
    }

    /// Receives what waits, or waits for the first; gives the number of datagrams. 0: nothing came in the time of the call.
    pub(super) fn receive(&mut self, wait: Wait) -> io::Result<usize> {
        let at = self.memory.as_ptr();
        let control = if self.bound.is_unspecified() { CONTROL } else { 0 };
        for index in 0..self.received {
            // SAFETY: as in `new`; nobody else has a pointer to this memory, and no reference to it outlives a call.
            unsafe {
                let header = &raw mut (*at).incoming[index].msg_hdr;
                (*header).msg_namelen = size_of::<sockaddr_in6>() as socklen_t;
                (*header).msg_control =
                    if control == 0 { std::ptr::null_mut() } else { (&raw mut (*at).slots[index].control).cast() };
                (*header).msg_controllen = control as _;
            }
        }
        (self.received, self.marked) = (0, 0);
        let flags = if wait == Wait::Yes { MSG_WAITFORONE } else { MSG_DONTWAIT };
        // SAFETY: `incoming` holds `BATCH` headers; each points to a name, control octets and one part of the lengths it says,
        // all in `memory`, which lives and is not touched otherwise during the call.
        let count = unsafe {
            libc::recvmmsg(self.socket.as_raw_fd(), (&raw mut (*at).incoming).cast(), BATCH as c_uint, flags as _, NULL)
        };
        match usize::try_from(count) {
            Ok(count) => self.received = count.min(BATCH),
            // The lengths are as they were set: nothing was received.
            Err(_) => match Errno::last() {
                Errno::EAGAIN | Errno::EINTR => {}
                errno => return Err(errno.into()),
            },
        }
        Ok(self.received)
    }

    /// The datagrams of the last receive, and the rooms for their answers.
    #[inline]
    pub(super) fn parts(&mut self) -> (Requests<'_>, Answers<'_>) {
        let Self { memory, received, bound, .. } = *self;
        (Requests { memory, received, bound, batch: PhantomData }, Answers(self))
    }

    /// Sends the marked answers; waits, as long as the socket's timeout, for room in its queue. Whatever the kernel does not
    /// take is given up: the client asks again.
    pub(super) fn send(&mut self) -> Sent {
        let mut result = Sent::default();
        let mut from = 0;
        while from < self.marked {
            // SAFETY: `outgoing[from..marked]` was filled by [`Answers::send`] since the last receive, and all it points to is in `memory`,
            // as above.
            let count = unsafe {
                libc::sendmmsg(
                    self.socket.as_raw_fd(),
                    (&raw mut (*self.memory.as_ptr()).outgoing).cast::<mmsghdr>().add(from),
                    (self.marked - from) as c_uint,
                    0,
                )
            };
            if let Ok(count @ 1..) = usize::try_from(count) {
                result.sent += count;
                from += count;
                continue;
            }
            match Errno::last() {
                Errno::EINTR => {}
                // The queue stayed full as long as a call may wait: the others would wait as long, one after the other.
                Errno::EAGAIN => break,
                _ => {
                    // The first of them failed; the others may have another way.
                    from += 1;
                }
            }
        }
        result.unsent = self.marked - result.sent;
        self.marked = 0;
        result
    }

    /// Datagrams that the kernel has dropped for want of room in this socket's receive buffer, since it was made; the count
    /// wraps. `None` where it does not say.
    pub(super) fn overflows(&self) -> Option<u32> {
        // SK_MEMINFO_DROPS is the last of nine (linux/sock_diag.h).
        let mut numbers = [0u32; 9];
        let mut length = size_of_val(&numbers) as socklen_t;
        // SAFETY: both pointers are to locals that live during the call, and `length` is the size of the first.
        let result = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                SOL_SOCKET,
                SO_MEMINFO,
                (&raw mut numbers).cast(),
                &raw mut length,
            )
        };
        (result == 0 && length as usize == size_of_val(&numbers)).then_some(numbers[8])
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, and freed once.
        unsafe { dealloc(self.memory.as_ptr().cast(), LAYOUT) }
    }
}

const LAYOUT: Layout = Layout::new::<Memory>();
/// No timeout of `recvmmsg`'s own: it is looked at only between datagrams (recvmmsg(2), BUGS).
const NULL: *mut libc::timespec = std::ptr::null_mut();

/// Where a datagram came from.
#[inline]
fn source(address: &sockaddr_in6) -> Option<SocketAddr> {
    let port = u16::from_be(address.sin6_port);
    match c_int::from(address.sin6_family) {
        AF_INET => {
            // The port stands at the same place in both (POSIX leaves that open; Linux does not), the IPv4 address where IPv6
            // has its flow.
            const _: () = assert!(
                offset_of!(sockaddr_in, sin_port) == offset_of!(sockaddr_in6, sin6_port)
                    && offset_of!(sockaddr_in, sin_addr) == offset_of!(sockaddr_in6, sin6_flowinfo)
            );
            let ip = Ipv4Addr::from(address.sin6_flowinfo.to_ne_bytes());
            Some(SocketAddrV4::new(ip, port).into())
        }
        AF_INET6 => {
            let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, port, address.sin6_flowinfo, address.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// The address a datagram was sent to. Its packet info is made fit for the answer: from that address, by whatever interface
/// the routing table says, but for link-local addresses, which are of an interface.
#[inline]
fn asked(control: &mut Control, length: usize) -> Option<IpAddr> {
    const HEAD: usize = size_of::<cmsghdr>();
    // SAFETY: `Control` is at least as large as the header and aligned as it, and every octet of it is set.
    let head = unsafe { control.0.as_ptr().cast::<cmsghdr>().read_unaligned() };
    let data = control.0.get_mut(HEAD..length.min(CONTROL))?;
    match (head.cmsg_level, head.cmsg_type) {
        (IPPROTO_IP, IP_PKTINFO) => {
            // `ipi_spec_dst` is an address of ours even where the packet was sent to a broadcast address.
            let at = offset_of!(in_pktinfo, ipi_spec_dst);
            let address: [u8; 4] = data.get(at..at + 4)?.try_into().ok()?;
            data.get_mut(offset_of!(in_pktinfo, ipi_ifindex)..)?.get_mut(..4)?.fill(0);
            Some(Ipv4Addr::from(address).into())
        }
        (IPPROTO_IPV6, IPV6_PKTINFO) => {
            let at = offset_of!(in6_pktinfo, ipi6_addr);
            let address: [u8; 16] = data.get(at..at + 16)?.try_into().ok()?;
            let address = Ipv6Addr::from(address);
            if !address.is_unicast_link_local() {
                data.get_mut(offset_of!(in6_pktinfo, ipi6_ifindex)..)?.get_mut(..4)?.fill(0);
            }
            Some(address.into())
        }
        _ => None,
    }
}
