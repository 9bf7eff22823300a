//! `query_log:` and `dnstap:` of the settings: answers taken down singly.

use std::path::PathBuf;

use super::super::grammar::{Keys, Shape, key};
use super::super::reader::{Fields, Sink, one_or_more, quoted, suggest, text, word};
use super::super::yaml::Node;
use super::rrl::blocks;
use crate::dns::Name;
use crate::metrics::Kind;
use crate::net::Block;

/// The query log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryLog {
    /// Where lines go. Default nowhere.
    pub to: LogPlace,
    /// One answer in so many of those that `only` leaves, 1 to 1,000,000,000. Default 1,000.
    pub sample: u32,
    /// Whether clients' addresses are written whole. Default false: the /24 or /56.
    pub whole_clients: bool,
    /// Which answers. Default all.
    pub only: Only,
}

/// Where lines go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogPlace {
    /// Nowhere.
    #[default]
    Off,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The end of this file.
    File(PathBuf),
}

/// dnstap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dnstap {
    /// Where frames go. Default nowhere.
    pub to: DnstapPlace,
    /// As [`QueryLog::sample`]. Default 1.
    pub sample: u32,
    /// Default both.
    pub messages: DnstapMessages,
    /// Which answers. Default all.
    pub only: Only,
}

/// Where frames go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DnstapPlace {
    /// Nowhere.
    #[default]
    Off,
    /// A Unix socket that a reader listens at.
    Socket(PathBuf),
    /// A file.
    File(PathBuf),
}

/// Which messages are sent by dnstap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DnstapMessages {
    /// `AUTH_QUERY`.
    Queries,
    /// `AUTH_RESPONSE`.
    Responses,
    /// Both.
    #[default]
    Both,
}

/// Which answers are taken down. An empty list is no condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Only {
    /// Sorts of answers.
    pub kinds: Vec<Kind>,
    /// Blocks that clients are in.
    pub clients: Vec<Block>,
    /// Names that are asked for, or that what is asked for is below.
    pub names: Vec<Name>,
}

impl Default for QueryLog {
    fn default() -> Self {
        Self { to: LogPlace::Off, sample: 1_000, whole_clients: false, only: Only::default() }
    }
}

impl Default for Dnstap {
    fn default() -> Self {
        Self { to: DnstapPlace::Off, sample: 1, messages: DnstapMessages::Both, only: Only::default() }
    }
}

/// The highest number of a sample.
const MOST: u32 = 1_000_000_000;
const SAMPLE: Shape = Shape::Form("one in so many, such as 1/1000", "^1/[1-9][0-9]{0,9}$");
const MESSAGES: [(&str, DnstapMessages); 3] =
    [("queries", DnstapMessages::Queries), ("responses", DnstapMessages::Responses), ("both", DnstapMessages::Both)];
/// The words of [`Kind::label`], in their order.
const KINDS: [&str; Kind::ALL.len()] = [
    "static",
    "home",
    "away",
    "panic",
    "fail-open",
    "fallback",
    "on-empty",
    "override",
    "error",
    "referral",
    "nodata",
    "nxdomain",
    "identity",
    "cookie",
    "refused",
];

/// `query_log`.
pub(super) const QUERY_LOG: Keys = Keys {
    what: "`query_log`",
    known: &[
        key(
            "to",
            Shape::Text,
            "off",
            "Where lines go: `stdout`, `stderr` or a file, which is opened anew when it was renamed; or `off`.",
        ),
        key("sample", SAMPLE, "1/1000", "One answer in so many of those that `only` leaves is written."),
        key(
            "client",
            Shape::Words(&["prefix", "full"]),
            "prefix",
            "How much of clients' addresses is written: the /24 (IPv6: /56), or all of it with the port.",
        ),
        key("only", Shape::Map(&ONLY), "", "Which answers."),
    ],
    planned: &[],
};

/// `dnstap`.
pub(super) const DNSTAP: Keys = Keys {
    what: "`dnstap`",
    known: &[
        key(
            "to",
            Shape::Text,
            "off",
            "Where frames go: `unix:PATH`, a socket that a reader listens at, or a file; or `off`. Clients' addresses are in there whole.",
        ),
        key("sample", SAMPLE, "1/1", "One answer in so many of those that `only` leaves is sent."),
        key("messages", Shape::Words(&["queries", "responses", "both"]), "both", "Which messages of an answer."),
        key("only", Shape::Map(&ONLY), "", "Which answers."),
    ],
    planned: &[],
};

const ONLY: Keys = Keys {
    what: "`only`",
    known: &[
        key(
            "kind",
            Shape::OneOrMore(&Shape::Words(&KINDS)),
            "any",
            "Sorts of answers, as `catchment_queries_total` has them.",
        ),
        key("client", Shape::OneOrMore(&Shape::Block), "any", "Blocks that the packet's source is in."),
        key("name", Shape::OneOrMore(&Shape::Text), "any", "Names that are asked for, with all that is below."),
    ],
    planned: &[],
};

/// What is written of the query log, over what held before.
pub(super) fn query_log(node: &Node<'_>, mut log: QueryLog, sink: &mut Sink) -> QueryLog {
    let Some(fields) = Fields::open(node, &QUERY_LOG, sink) else { return log };
    if let Some(written) = fields.get("to").and_then(|node| text(node, "`to`", sink)) {
        log.to = match written {
            "off" => LogPlace::Off,
            "stdout" => LogPlace::Stdout,
            "stderr" => LogPlace::Stderr,
            path => LogPlace::File(path.into()),
        };
    }
    log.sample = sample(fields.get("sample"), log.sample, sink);
    if let Some(node) = fields.get("client") {
        let words = [("prefix", false), ("full", true)];
        log.whole_clients = word(node, "`client`", &words, sink).unwrap_or_default();
    }
    log.only = only(fields.get("only"), log.only, sink);
    log
}

/// What is written of dnstap, over what held before.
pub(super) fn dnstap(node: &Node<'_>, mut dnstap: Dnstap, sink: &mut Sink) -> Dnstap {
    let Some(fields) = Fields::open(node, &DNSTAP, sink) else { return dnstap };
    if let Some(node) = fields.get("to")
        && let Some(written) = text(node, "`to`", sink)
    {
        dnstap.to = match (written, written.strip_prefix("unix:")) {
            ("off", _) => DnstapPlace::Off,
            (_, Some("")) => {
                sink.error_help(node.at(), "`unix:` has no path", "for example `unix:/run/dnstap.sock`");
                dnstap.to
            }
            (_, Some(path)) => DnstapPlace::Socket(path.into()),
            (path, None) => DnstapPlace::File(path.into()),
        };
    }
    dnstap.sample = sample(fields.get("sample"), dnstap.sample, sink);
    if let Some(node) = fields.get("messages") {
        dnstap.messages = word(node, "`messages`", &MESSAGES, sink).unwrap_or_default();
    }
    dnstap.only = only(fields.get("only"), dnstap.only, sink);
    dnstap
}

fn sample(node: Option<&Node<'_>>, before: u32, sink: &mut Sink) -> u32 {
    let Some(node) = node else { return before };
    let Some(written) = text(node, "`sample`", sink) else { return before };
    let number = written.strip_prefix("1/").and_then(|number| number.parse::<u32>().ok());
    if let Some(number) = number.filter(|number| (1..=MOST).contains(number)) {
        return number;
    }
    let message = format!("`sample` cannot be `{written}`");
    sink.error_help(node.at(), message, "one in so many, from `1/1` (all) to `1/1000000000`");
    before
}

fn only(node: Option<&Node<'_>>, mut only: Only, sink: &mut Sink) -> Only {
    let Some(fields) = node.and_then(|node| Fields::open(node, &ONLY, sink)) else { return only };
    if let Some(node) = fields.get("kind") {
        only.kinds.clear();
        for item in one_or_more(node, "`kind`", sink).unwrap_or_default() {
            let Some(written) = text(item, "a kind", sink) else { continue };
            if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.label() == written) {
                only.kinds.push(kind);
            } else {
                let help = match suggest(written, KINDS) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("one of {}", quoted(KINDS)),
                };
                sink.error_help(item.at(), format!("`{written}` is not a kind of answer"), help);
            }
        }
    }
    if let Some(node) = fields.get("client") {
        only.clients = blocks(node, "`client`", sink);
    }
    if let Some(node) = fields.get("name") {
        only.names.clear();
        for item in one_or_more(node, "`name`", sink).unwrap_or_default() {
            let Some(written) = text(item, "a name", sink) else { continue };
            match Name::parse(written, Some(&Name::root())) {
                Ok(name) => only.names.push(name),
                Err(why) => sink.error(item.at(), why.to_string()),
            }
        }
    }
    only
}

impl QueryLog {
    /// Every key with its value as it would be written.
    pub(super) fn shown(&self) -> Vec<(&'static str, String)> {
        let to = match &self.to {
            LogPlace::Off => "off".to_owned(),
            LogPlace::Stdout => "stdout".to_owned(),
            LogPlace::Stderr => "stderr".to_owned(),
            LogPlace::File(path) => path.display().to_string(),
        };
        let [kinds, clients, names] = self.only.shown();
        vec![
            ("query_log.to", to),
            ("query_log.sample", format!("1/{}", self.sample)),
            ("query_log.client", if self.whole_clients { "full" } else { "prefix" }.to_owned()),
            ("query_log.only.kind", kinds),
            ("query_log.only.client", clients),
            ("query_log.only.name", names),
        ]
    }
}

impl Dnstap {
    /// Every key with its value as it would be written.
    pub(super) fn shown(&self) -> Vec<(&'static str, String)> {
        let to = match &self.to {
            DnstapPlace::Off => "off".to_owned(),
            DnstapPlace::Socket(path) => format!("unix:{}", path.display()),
            DnstapPlace::File(path) => path.display().to_string(),
        };
        let messages = MESSAGES.iter().find(|(_, messages)| *messages == self.messages).map_or("", |(word, _)| word);
        let [kinds, clients, names] = self.only.shown();
        vec![
            ("dnstap.to", to),
            ("dnstap.sample", format!("1/{}", self.sample)),
            ("dnstap.messages", messages.to_owned()),
            ("dnstap.only.kind", kinds),
            ("dnstap.only.client", clients),
            ("dnstap.only.name", names),
        ]
    }
}

impl Only {
    fn shown(&self) -> [String; 3] {
        let list = |items: Vec<String>| if items.is_empty() { "any".to_owned() } else { items.join(", ") };
        [
            list(self.kinds.iter().map(|kind| kind.label().to_owned()).collect()),
            list(self.clients.iter().map(ToString::to_string).collect()),
            list(self.names.iter().map(ToString::to_string).collect()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_those_of_the_metrics() {
        assert_eq!(KINDS, Kind::ALL.map(Kind::label));
    }
}
