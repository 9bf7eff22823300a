//! PoPs: they answer probes until they are told to fail.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::SockRef;

/// How a PoP fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing listens: connections are refused.
    Refused,
    /// The queue of connections is full: who connects waits in vain.
    Blackhole,
    /// Connections are accepted, and requests never answered.
    Hung,
}

/// A listener that probes connect to.
pub(crate) struct Pop {
    pub(crate) address: SocketAddr,
    listener: Option<TcpListener>,
    /// One connection of our own that is never accepted: with it a queue of length 0 is full.
    queued: Option<TcpStream>,
    hangs: Option<Arc<AtomicBool>>,
}

impl Pop {
    /// For `tcp` checks. Connections stay in the queue, which holds far more than are made before the next failure.
    pub(crate) fn tcp(ip: Ipv4Addr) -> Self {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let queued = TcpStream::connect(address).unwrap();
        Self { address, listener: Some(listener), queued: Some(queued), hangs: None }
    }

    /// For `http` checks.
    pub(crate) fn http(ip: Ipv4Addr) -> Self {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let hangs = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&hangs);
        // Ends with the process.
        std::thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                if told.load(Ordering::Relaxed) {
                    held.push(stream);
                    continue;
                }
                held.clear();
                // A prober that has gone is no concern of a server.
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            }
        });
        Self { address, listener: None, queued: None, hangs: Some(hangs) }
    }

    /// The check that asks it.
    pub(crate) fn check(&self) -> &'static str {
        if self.hangs.is_some() { "http" } else { "tcp" }
    }

    pub(crate) fn fail(&mut self, fault: Fault) {
        match fault {
            Fault::Refused => self.listener = None,
            Fault::Blackhole => SockRef::from(self.listener.as_ref().unwrap()).listen(0).unwrap(),
            Fault::Hung => self.hangs.as_ref().unwrap().store(true, Ordering::Relaxed),
        }
    }

    pub(crate) fn heal(&mut self) {
        if let Some(hangs) = &self.hangs {
            hangs.store(false, Ordering::Relaxed);
            return;
        }
        // The old one first: two cannot have the address.
        self.listener = None;
        self.listener = Some(TcpListener::bind(self.address).unwrap());
        self.queued = Some(TcpStream::connect(self.address).unwrap());
    }
}
