//! The Unix socket: whose it is, and limits on who talks.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use thiserror::Error;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::warn;

use super::reload::PATIENCE;
use super::routes::{Peer, router};
use super::{Desk, connection};

/// Connections at a time: a dozen terminals with `health --watch`, and then some.
const CONNECTIONS: usize = 32;
/// How long a connection may last: commands ask once, and the longest answer is that to a reload.
const LASTS: Duration = PATIENCE.saturating_add(Duration::from_secs(15));
/// Pause after accepting failed: out of descriptors.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Why there is no control socket.
#[derive(Debug, Error)]
pub enum SocketError {
    /// A server that runs answers there.
    #[error("another server answers at {}", .0.display())]
    Live(PathBuf),
    /// It cannot be made.
    #[error("the control socket {} cannot be made: {error}", path.display())]
    Bind {
        /// Where.
        path: PathBuf,
        /// What the system said; part of the message, so not its source as well.
        error: io::Error,
    },
}

/// Makes the socket and serves it until the returned task is aborted. The socket of a dead server is replaced.
///
/// # Errors
/// [`SocketError`]; then nothing is served there.
pub async fn serve(path: &Path, desk: Desk) -> Result<JoinHandle<()>, SocketError> {
    let listener = bind(path).await?;
    Ok(tokio::spawn(accept(listener, desk)))
}

/// Binds beside the path and renames, so that nobody finds the socket before its mode is set, or finds none.
async fn bind(path: &Path) -> Result<UnixListener, SocketError> {
    let failed = |error| SocketError::Bind { path: path.to_owned(), error };
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, "something else is there, not a socket")));
        }
        Ok(_) if UnixStream::connect(path).await.is_ok() => return Err(SocketError::Live(path.to_owned())),
        Ok(_) | Err(_) => {}
    }
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}", std::process::id()));
    let fresh = path.with_file_name(name);
    let bound = || {
        let listener = UnixListener::bind(&fresh)?;
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&fresh, path)?;
        Ok(listener)
    };
    bound().map_err(|error| {
        // A half-made socket is of no use to anyone; that it may stay is all that can go wrong here.
        let _ = std::fs::remove_file(&fresh);
        failed(error)
    })
}

async fn accept(listener: UnixListener, desk: Desk) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let router = router(desk);
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "accepting a control connection failed");
                sleep(BACK_OFF).await;
                continue;
            }
        };
        let router = router.clone().layer(Extension(Peer(who(&stream))));
        tokio::spawn(async move {
            connection::serve(stream, router, LASTS).await;
            drop(permit);
        });
    }
}

/// The user at the other end, as the system knows it.
fn who(stream: &UnixStream) -> String {
    let Ok(cred) = stream.peer_cred() else { return "unknown".to_owned() };
    let uid = nix::unistd::Uid::from_raw(cred.uid());
    match nix::unistd::User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => format!("uid {uid}"),
    }
}
