//! The control API over TCP: for Prometheus, load balancers and people with a browser. Reads for whoever reaches the address,
//! writes for those with a token (`gate`).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, middleware};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::warn;

use super::gate::{Gate, Remote, gate};
use super::routes::router;
use super::{Desk, connection};

/// How long a connection may last: clients ask once.
const LASTS: Duration = Duration::from_secs(15);
/// Connections at a time; the next waits in the kernel until one ends.
const CONNECTIONS: usize = 64;
/// Pause after accepting failed: out of descriptors.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Listens there and serves until the returned task is aborted; the address with the port that 0 became.
///
/// # Errors
/// What the system says of the address; then nothing is served there.
pub async fn serve(address: SocketAddr, desk: Desk) -> io::Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((address, tokio::spawn(accept(listener, desk))))
}

async fn accept(listener: TcpListener, desk: Desk) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let rules = Arc::new(Gate::new(desk.rules.clone()));
    let router = router(desk).layer(middleware::from_fn_with_state(rules, gate));
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "accepting a control connection failed");
                sleep(BACK_OFF).await;
                continue;
            }
        };
        let router = router.clone().layer(Extension(Remote(remote.ip())));
        tokio::spawn(async move {
            connection::serve(stream, router, LASTS).await;
            drop(permit);
        });
    }
}
