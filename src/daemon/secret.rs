//! `state/cookie-secret`: the secret of this server's DNS cookies (RFC 9018 §4) where the settings give none, so that the
//! cookies clients hold stay valid over a restart.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustls::crypto::ring::default_provider;
use tracing::warn;

use crate::config::settings::parse_secret;

/// The secret kept in the state directory, or a new one, kept there from now on. Without a source of randomness there is
/// none, and cookies are off.
pub(super) fn own(state: &Path) -> Vec<[u8; 16]> {
    let path = state.join("cookie-secret");
    if let Some(secret) = fs::read_to_string(&path).ok().and_then(|text| parse_secret(text.trim_end())) {
        return vec![secret];
    }
    let mut secret = [0; 16];
    if default_provider().secure_random.fill(&mut secret).is_err() {
        warn!("the system gives no random octets; DNS cookies are off");
        return Vec::new();
    }
    if let Err(error) = keep(&path, secret) {
        warn!(path = %path.display(), %error, "the secret of DNS cookies cannot be kept; a restart makes cookies invalid");
    }
    vec![secret]
}

/// Writes the secret for the owner's eyes only, whole or not at all.
fn keep(path: &Path, secret: [u8; 16]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)
        .and_then(|mut file| writeln!(file, "{:032x}", u128::from_be_bytes(secret)))
        .and_then(|()| fs::rename(&fresh, path));
    written.inspect_err(|_| {
        // The half-made file is of no use to anyone; that it may stay is all that can go wrong here.
        let _ = fs::remove_file(&fresh);
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_is_made_once_and_kept_from_others() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        let first = own(&state);
        assert_eq!(first.len(), 1);
        assert_ne!(first, own(&directory.path().join("other")));
        assert_eq!(own(&state), first);
        let path = state.join("cookie-secret");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1);

        fs::write(&path, "damaged\n").unwrap();
        let second = own(&state);
        assert_ne!(second, first);
        assert_eq!(own(&state), second);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn without_a_place_to_keep_it_there_is_one_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(own(&file).len(), 1);
    }
}
