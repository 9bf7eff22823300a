//! Canaries: addresses of others that are nearly always reachable. When none answers, it is this node that is cut off
//! (SEMANTICS §4.12). They are connected to by tasks of their own, whatever the prober is doing.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::health::guard::Canaries;

/// From the end of one probe to the start of the next: a mass failure is seen within an interval of the checks, commonly
/// some seconds, and the canaries' word must not be older.
const PAUSE: Duration = Duration::from_secs(1);
/// How long one may take.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Each canary, and whether it answered its last probe; `None` before the first.
type Seen = Vec<(SocketAddr, Option<bool>)>;

/// Those that are watched.
#[derive(Debug)]
pub(super) struct Watched {
    seen: Arc<watch::Sender<Seen>>,
    /// Ends those who watch the list of before.
    tasks: Mutex<CancellationToken>,
}

impl Watched {
    /// Watches these.
    pub(super) fn start(canaries: &[SocketAddr]) -> Self {
        let watched = Self { seen: Arc::new(watch::Sender::new(Seen::new())), tasks: Mutex::default() };
        watched.set(canaries);
        watched
    }

    /// Watches these from now on. What is known of those that stay is kept.
    pub(super) fn set(&self, canaries: &[SocketAddr]) {
        let stop = CancellationToken::new();
        std::mem::replace(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner), stop.clone()).cancel();
        self.seen.send_modify(|seen| {
            let known =
                |address: &SocketAddr| seen.iter().find(|(known, _)| known == address).and_then(|(_, was)| *was);
            *seen = canaries.iter().map(|address| (*address, known(address))).collect();
        });
        if canaries.is_empty() {
            info!(
                "no canaries are set (`health: {{canaries: …}}`): a node that is cut off will believe that all PoPs are down"
            );
        }
        for address in canaries.iter().copied() {
            let watching = watch_one(Arc::clone(&self.seen), address);
            let stop = stop.clone();
            tokio::spawn(async move { stop.run_until_cancelled(watching).await });
        }
    }

    /// What they say, to wait for changes.
    pub(super) fn subscribe(&self) -> watch::Receiver<Seen> {
        self.seen.subscribe()
    }

    /// What they say now.
    pub(super) fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.tasks.get_mut().unwrap_or_else(PoisonError::into_inner).cancel();
    }
}

/// What they say together.
pub(super) fn verdict(sightings: &[(SocketAddr, Option<bool>)]) -> Canaries {
    if sightings.is_empty() {
        Canaries::None
    } else if sightings.iter().all(|(_, answers)| *answers == Some(false)) {
        Canaries::Fail
    } else {
        Canaries::Answer
    }
}

async fn watch_one(sender: Arc<watch::Sender<Seen>>, address: SocketAddr) {
    loop {
        if let Some(answers) = probe(address).await {
            let changed = sender.send_if_modified(|list| {
                let known = list.iter_mut().find(|(known, _)| *known == address);
                known.is_some_and(|(_, was)| was.replace(answers) != Some(answers))
            });
            if changed {
                debug!(%address, answers, "canary");
            }
        }
        sleep(PAUSE).await;
    }
}

/// Whether it accepts a connection; `None` when that could not be tried for want of something here.
async fn probe(address: SocketAddr) -> Option<bool> {
    match timeout(TIMEOUT, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Some(true),
        // Somebody is there and says no: we are not cut off.
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => Some(true),
        Ok(Err(error)) if error.raw_os_error().is_some_and(ours) => None,
        Ok(Err(_)) | Err(_) => Some(false),
    }
}

/// Out of descriptors or memory.
fn ours(errno: i32) -> bool {
    use nix::errno::Errno;
    [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM, Errno::ENOBUFS].map(|errno| errno as i32).contains(&errno)
}
