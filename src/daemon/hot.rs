//! The settings file, taken up again while serving: what needs no new socket holds from then on, of the rest the log says that it
//! waits for a restart.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tracing::{error, info, warn};

use super::fetching::Wanted;
use super::{Shared, identity, journal_settings, limits, probe_settings, rate_limits, rules, tcp_settings};
use crate::config::settings::{Settings, shown};
use crate::reload::Loader;
use crate::server::TcpLimits;

/// How the settings are read again.
#[derive(Clone)]
pub struct Reread {
    /// The file, whether it is there or not.
    pub file: PathBuf,
    /// Reads it, with the environment and the flags of this process over it. The error is for the log.
    pub read: Arc<dyn Fn() -> Result<Settings, String> + Send + Sync>,
    /// Logs at another level from now on; the error is for the log.
    pub log: SetLog,
}

/// Has the log go by settings.
type SetLog = Arc<dyn Fn(&Settings) -> Result<(), String> + Send + Sync>;

impl fmt::Debug for Reread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reread").field("file", &self.file).finish_non_exhaustive()
    }
}

/// Keys that are read at start only, with what they wait for: sockets, threads, and where everything is.
const AT_START: [&str; 12] = [
    "listen",
    "zones",
    "state",
    "io",
    "log.format",
    "udp.threads",
    "udp.receive_buffer",
    "udp.pin",
    "udp.busy_poll",
    "reload.watch",
    "control.socket",
    "control.http",
];

/// The settings in force, and the text they were last read from.
pub(super) struct Hot {
    reread: Option<Reread>,
    text: Option<Vec<u8>>,
    settings: Settings,
    /// `None` where the listeners keep the limits they began with.
    tcp: Option<TcpLimits>,
}

impl Hot {
    /// Those that the server has started with.
    pub(super) fn new(settings: Settings, reread: Option<Reread>, tcp: Option<TcpLimits>) -> Self {
        let text = reread.as_ref().and_then(|reread| std::fs::read(&reread.file).ok());
        Self { reread, text, settings, tcp }
    }

    /// Looks at the file, and takes up what changed. Gives the places to watch if those are others now.
    pub(super) fn look(&mut self, shared: &Shared, loader: &mut Loader) -> Option<Vec<PathBuf>> {
        let reread = self.reread.clone()?;
        let text = std::fs::read(&reread.file).ok();
        if text == self.text {
            return None;
        }
        self.text = text;
        let file = reread.file.display();
        if self.text.is_none() {
            // The same as with zones: what goes away takes nothing with it.
            warn!(%file, "the settings file is gone; the settings stay as they are until a restart");
            return None;
        }
        if self.text.as_deref().is_some_and(|text| text.trim_ascii().is_empty()) {
            // Being written, most likely: as with zones, what holds nothing now is no news.
            warn!(%file, "the settings file is empty; the settings stay as they are until something is written or a restart");
            return None;
        }
        let new = match (reread.read)() {
            Ok(new) => new,
            Err(words) => {
                error!("{words}\nthe settings stay as they are");
                return None;
            }
        };
        let differs = shown::changed(&self.settings, &new);
        let (changed, waiting): (Vec<&str>, Vec<&str>) = differs.into_iter().partition(|key| !self.waits(key));
        self.take(new, &changed, shared, loader, &reread);
        if !changed.is_empty() {
            info!(%file, settings = changed.join(", "), "settings changed");
        }
        if !waiting.is_empty() {
            warn!(%file, settings = waiting.join(", "), "these settings hold from the next start on");
        }
        changed.contains(&"geodb").then(|| super::watched(&self.settings, self.reread.as_ref()))
    }

    fn waits(&self, key: &str) -> bool {
        AT_START.contains(&key) || (self.tcp.is_none() && key.starts_with("tcp."))
    }

    fn take(&mut self, new: Settings, changed: &[&str], shared: &Shared, loader: &mut Loader, reread: &Reread) {
        let any = |begin: &str| changed.iter().any(|key| key.starts_with(begin));
        // What is read at start only stays as it is until then, also where other settings come from it.
        let old = std::mem::replace(&mut self.settings, new);
        let now = &mut self.settings;
        (now.listen, now.zones, now.state, now.io) = (old.listen, old.zones, old.state, old.io);
        (now.udp, now.watch) = (old.udp, old.watch);
        (now.control.socket, now.control.http) = (old.control.socket, old.control.http);
        now.log.format = old.log.format;
        if self.tcp.is_none() {
            now.tcp = old.tcp;
        }
        let now = &self.settings;
        if any("log.")
            && let Err(words) = (reread.log)(now)
        {
            error!("{words}");
        }
        if any("probes.") {
            if let Err(error) = shared.known.prober.set(&probe_settings(now)) {
                error!(%error, "the new settings of probes cannot be used");
            }
            loader.generation.allow_probes(&now.probes);
        }
        if any("rrl.") {
            shared.beside.limiter.set(&rate_limits(now));
        }
        if (any("query_log.") || any("dnstap.") || any("identity.name"))
            && let Err(error) = shared.beside.journal.set(&journal_settings(now))
        {
            error!(%error, "the new settings of query log and dnstap cannot be used");
        }
        if any("health.canaries") {
            shared.known.canaries.set(&now.health.canaries);
        }
        loader.set(now.vanish_grace, identity(now), limits(now));
        if let Some(limits) = &self.tcp {
            limits.set(tcp_settings(now));
        }
        shared.rules.send_replace(Arc::new(rules(now)));
        if any("geodb") {
            loader.databases.look_in(&now.geodb);
            shared.fetching.send_replace(Wanted::of(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_a_start_are_keys() {
        let shown = Settings::default().shown();
        for key in AT_START {
            assert!(shown.iter().any(|(known, _)| *known == key), "{key}");
        }
    }
}
