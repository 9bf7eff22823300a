//! The settings as text, key by key: what holds, and what of it was written.

use std::path::Path;
use std::sync::Arc;

use super::super::diagnostic::Location;
use super::super::file::{Source, read_tree};
use super::super::reader::Sink;
use super::super::units::{show, show_share};
use super::super::yaml::Node;
use super::{Broken, ControlSocket, Cookies, Ede, Format, Io, Settings, Watch};
use crate::dns::ecs::Ecs;

impl Settings {
    /// Every key that takes a value, in the order of the reference, and the value that holds, as it would be written. Secrets
    /// are counted, not shown.
    pub fn shown(&self) -> Vec<(&'static str, String)> {
        let path = |path: &Path| path.display().to_string();
        let list = |items: Vec<String>| match items.as_slice() {
            [] => "none".to_owned(),
            items => items.join(", "),
        };
        let word = |text: &Option<String>, other: &str| text.clone().unwrap_or_else(|| other.to_owned());
        let listen = self.listen.iter().map(|listen| match listen.ecs {
            Ecs::On => listen.address.to_string(),
            Ecs::Off => format!("{} (ecs: off)", listen.address),
        });
        let (cookies, secrets) = match &self.cookies {
            Cookies::Off => ("off", "none".to_owned()),
            Cookies::Own => ("on", "one of its own, in `state/`".to_owned()),
            Cookies::Shared(secrets) => ("on", format!("{} (not shown)", secrets.len())),
        };
        let before = vec![
            ("listen", list(listen.collect())),
            ("zones", path(&self.zones)),
            (
                "geodb",
                if self.geodb.is_empty() { "off".into() } else { list(self.geodb.iter().map(|p| path(p)).collect()) },
            ),
            (
                "geodb.expect",
                match self.geodb_expect {
                    Broken::Warn => "warn",
                    Broken::Refuse => "refuse",
                }
                .into(),
            ),
            ("geodb.fetch", list(self.fetch.iter().map(ToString::to_string).collect())),
            ("geodb.every", self.fetch_every.map_or_else(|| "off".to_owned(), show)),
        ];
        let sockets = vec![
            ("state", path(&self.state)),
            (
                "io",
                match self.io {
                    Io::Native => "native",
                    Io::Portable => "portable",
                }
                .into(),
            ),
            ("log.level", self.log.level.as_str().into()),
            (
                "log.format",
                match self.log.format {
                    Format::Text => "text",
                    Format::Json => "json",
                }
                .into(),
            ),
            ("identity.name", word(&self.identity.name, "none")),
            ("identity.nsid", word(&self.identity.nsid, "as `identity.name`")),
            ("identity.version", word(&self.identity.version, "off")),
            (
                "identity.ede",
                match self.identity.ede {
                    Ede::Off => "off",
                    Ede::Codes => "codes",
                    Ede::Text => "text",
                }
                .into(),
            ),
            ("cookies", cookies.into()),
            ("cookies.secrets", secrets),
            ("tcp.connections", self.tcp.connections.to_string()),
            ("tcp.per_client", self.tcp.per_client.to_string()),
            ("tcp.idle", show(self.tcp.idle)),
            ("tcp.write", show(self.tcp.write)),
            ("udp.threads", self.udp.threads.map_or_else(|| "auto".to_owned(), |threads| threads.to_string())),
            ("udp.receive_buffer", self.udp.receive_buffer.to_string()),
            ("udp.pin", self.udp.pin.to_string()),
            ("udp.busy_poll", self.udp.busy_poll.to_string()),
        ];
        let after = vec![
            ("startup.first_probes", show(self.first_probes)),
            ("probes.in_flight", self.probes.in_flight.map_or_else(|| "auto".to_owned(), |most| most.to_string())),
            ("probes.exec", self.probes.exec.to_string()),
            ("probes.allow", list(self.probes.allow.iter().map(ToString::to_string).collect())),
            ("probes.authorities", self.probes.authorities.as_deref().map_or_else(|| "none".to_owned(), path)),
            ("reload.vanish_grace", show(self.vanish_grace)),
            (
                "reload.watch",
                match self.watch {
                    Watch::Auto => "auto",
                    Watch::Poll => "poll",
                }
                .into(),
            ),
            ("reload.max_move", self.max_move.map_or_else(|| "off".into(), show_share)),
            ("health.remember", show(self.health.remember)),
            ("health.canaries", list(self.health.canaries.iter().map(ToString::to_string).collect())),
            (
                "control.socket",
                match &self.control.socket {
                    ControlSocket::Off => "off".into(),
                    ControlSocket::InState | ControlSocket::At(_) => {
                        self.control_socket().map_or_else(String::new, |at| path(&at))
                    }
                },
            ),
            ("control.http", self.control.http.map_or_else(|| "off".to_owned(), |at| at.to_string())),
            ("control.tokens", self.control.tokens.as_deref().map_or_else(|| "none".to_owned(), path)),
            ("control.hosts", list(self.control.hosts.clone())),
            ("control.max_database_age", self.control.max_database_age.map_or_else(|| "off".to_owned(), show)),
        ];
        [before, self.reach.shown(), sockets, self.rrl.shown(), self.query_log.shown(), self.dnstap.shown(), after]
            .concat()
    }
}

/// The keys whose values differ.
pub fn changed(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let (was, is) = (old.shown(), new.shown());
    let mut keys: Vec<_> = was.iter().zip(&is).filter(|(a, b)| a != b).map(|(_, (key, _))| *key).collect();
    // Their values are not shown.
    if old.cookies != new.cookies && !keys.iter().any(|key| key.starts_with("cookies")) {
        keys.push("cookies.secrets");
    }
    // They are shown in short.
    if old.fetch != new.fetch && !keys.contains(&"geodb.fetch") {
        keys.push("geodb.fetch");
    }
    // Without its password.
    if old.reach.proxy != new.reach.proxy && !keys.contains(&"geodb.proxy") {
        keys.push("geodb.proxy");
    }
    keys
}

/// Where each key of a settings file is written, by its path (`tcp.idle`).
pub fn written(source: &Source) -> Vec<(String, Location)> {
    fn within(node: &Node<'_>, before: &str, file: &Arc<str>, out: &mut Vec<(String, Location)>) {
        let Node::Map(_, entries) = node else { return };
        for (key, value) in entries {
            let path = format!("{before}{}", key.text);
            within(value, &format!("{path}."), file, out);
            out.push((path, Location { file: Arc::clone(file), line: key.at.line, column: key.at.column }));
        }
    }
    let mut out = Vec::new();
    let mut unheard = Sink::new(Arc::clone(&source.path));
    if let Some(root) = read_tree(source, &mut unheard).and_then(|tree| tree.root) {
        within(&root, "", &source.path, &mut out);
    }
    out
}
