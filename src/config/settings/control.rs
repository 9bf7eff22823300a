//! `control`: where commands, scrapers and people reach the running server.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::reader::{Fields, Sink, one_or_more, text};
use super::super::units::duration;
use super::super::yaml::Node;
use super::{Control, ControlSocket};

pub(super) fn read(fields: &Fields<'_, '_>, to: &mut Control, sink: &mut Sink) {
    if let Some(written) = fields.get("socket").and_then(|node| text(node, "`socket`", sink)) {
        to.socket = if written == "off" { ControlSocket::Off } else { ControlSocket::At(written.into()) };
    }
    if let Some(node) = fields.get("http")
        && let Some(written) = text(node, "`http`", sink)
    {
        match written.parse::<SocketAddr>() {
            Ok(address) => to.http = Some(address),
            Err(_) if written == "off" => to.http = None,
            Err(_) => {
                let message = format!("`{written}` is not an address with a port");
                sink.error_help(node.at(), message, "for example `127.0.0.1:8053` or `\"[::1]:8053\"`; or `off`");
            }
        }
    }
    if let Some(written) = fields.get("tokens").and_then(|node| text(node, "`tokens`", sink)) {
        to.tokens = Some(written.into());
    }
    if let Some(node) = fields.get("hosts") {
        let items = one_or_more(node, "`hosts`", sink).unwrap_or_default();
        to.hosts = items.iter().filter_map(|item| host(item, sink)).collect();
    }
    if let Some(node) = fields.get("max_database_age") {
        let off = matches!(node, Node::Scalar(text) if text.text == "off");
        let range = Duration::from_hours(24)..=Duration::from_hours(24 * 10_000);
        to.max_database_age = if off { None } else { duration(node, "`max_database_age`", &range, sink) };
    }
}

fn host(node: &Node<'_>, sink: &mut Sink) -> Option<String> {
    let written = text(node, "a host", sink)?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if written.bytes().all(fits) {
        return Some(written.to_owned());
    }
    sink.error_help(
        node.at(),
        format!("`{written}` is not a host name"),
        "a name as in a URL, without scheme and port",
    );
    None
}
