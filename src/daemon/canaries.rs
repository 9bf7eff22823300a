//! Canaries: addresses of others that are nearly always reachable. When none answers, it is this node that is cut off
//! (SEMANTICS §4.12). They are connected to by tasks of their own, whatever the prober is doing.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{debug, info};

use crate::health::guard::Canaries;

/// From the end of one probe to the start of the next: a mass failure is seen within an interval of the checks, commonly
/// some seconds, and the canaries' word must not be older.
const PAUSE: Duration = Duration::from_secs(1);
/// How long one may take.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Each canary, and whether it answered its last probe; `None` before the first.
pub(super) type Sightings = watch::Receiver<Seen>;
type Seen = Vec<(SocketAddr, Option<bool>)>;

/// Probes them until nobody looks any more.
pub(super) fn start(canaries: &[SocketAddr]) -> Sightings {
    let first = canaries.iter().map(|address| (*address, None)).collect();
    let sender = Arc::new(watch::Sender::new(first));
    let sightings = sender.subscribe();
    if canaries.is_empty() {
        info!(
            "no canaries are set (`health: {{canaries: …}}`): a node that is cut off will believe that all PoPs are down"
        );
    }
    for (index, address) in canaries.iter().copied().enumerate() {
        tokio::spawn(watch_one(Arc::clone(&sender), index, address));
    }
    sightings
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

async fn watch_one(sender: Arc<watch::Sender<Seen>>, index: usize, address: SocketAddr) {
    while !sender.is_closed() {
        if let Some(answers) = probe(address).await {
            let changed = sender.send_if_modified(|list| {
                let was = list.get_mut(index).map(|(_, was)| was.replace(answers));
                was != Some(Some(answers))
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
