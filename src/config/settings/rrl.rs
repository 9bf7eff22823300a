//! `rrl:` of the settings: how many UDP answers a network is sent in a second.

use super::super::grammar::{Keys, Shape, key};
use super::super::reader::{Fields, Sink, integer, one_or_more, text, word};
use super::super::yaml::Node;
use crate::net::Block;

/// Response rate limiting (SEMANTICS §5.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rrl {
    /// What is done with answers over a rate. Default [`RrlMode::LogOnly`].
    pub mode: RrlMode,
    /// Answers with data a second to a /24 or /56; `None` (`off`): any number. Default 2,000.
    pub positive: Option<u32>,
    /// NODATA and referrals. Default 500.
    pub nodata: Option<u32>,
    /// NXDOMAIN, of each zone. Default 100.
    pub nxdomain: Option<u32>,
    /// Errors and refusals. Default 100.
    pub errors: Option<u32>,
    /// Of the answers over a rate one in so many goes out short (TC or BADCOOKIE); 0: none. Default 2.
    pub slip: u32,
    /// Networks without a limit. Default none.
    pub exempt: Vec<Block>,
    /// Whether loopback has no limit. Default true.
    pub exempt_loopback: bool,
}

/// What is done with answers over a rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RrlMode {
    /// Nothing is looked at.
    Off,
    /// They are sent; log and metrics say what would have become of them.
    #[default]
    LogOnly,
    /// They are not sent.
    On,
}

impl Default for Rrl {
    fn default() -> Self {
        Self {
            mode: RrlMode::LogOnly,
            positive: Some(2_000),
            nodata: Some(500),
            nxdomain: Some(100),
            errors: Some(100),
            slip: 2,
            exempt: Vec::new(),
            exempt_loopback: true,
        }
    }
}

/// The highest rate that can be written.
const MOST: u64 = 1_000_000;
const RATE: Shape = Shape::Either(&[Shape::Words(&["off"]), Shape::Whole(1, MOST)]);
const MODES: [(&str, RrlMode); 3] = [("off", RrlMode::Off), ("log-only", RrlMode::LogOnly), ("on", RrlMode::On)];

/// `rrl`.
pub(super) const RRL: Keys = Keys {
    what: "`rrl`",
    known: &[
        key(
            "mode",
            Shape::Words(&["off", "log-only", "on"]),
            "log-only",
            "What is done with UDP answers over a rate: nothing is looked at; they are sent, and log and metrics say what would have become of them; or they are not sent.",
        ),
        key(
            "positive",
            RATE,
            "2000",
            "Answers with data that a /24 (IPv6: /56) is sent in a second; `off`: any number.",
        ),
        key("nodata", RATE, "500", "NODATA and referrals."),
        key("nxdomain", RATE, "100", "NXDOMAIN, of each zone."),
        key("errors", RATE, "100", "Errors and refusals."),
        key(
            "slip",
            Shape::Whole(0, 10),
            "2",
            "Of the answers over a rate one in so many goes out short, so that a client that is there asks again by TCP or with a cookie. 0: none, 1: all.",
        ),
        key(
            "exempt",
            Shape::OneOrMore(&Shape::Block),
            "none",
            "Blocks of clients without a limit, such as your own resolvers.",
        ),
        key(
            "loopback",
            Shape::Words(&["exempt", "limited"]),
            "exempt",
            "Whether clients on this machine are limited, too: for tests.",
        ),
    ],
    planned: &["table", "window"],
};

/// What is written, over what held before.
pub(super) fn read(node: &Node<'_>, mut rrl: Rrl, sink: &mut Sink) -> Rrl {
    let Some(fields) = Fields::open(node, &RRL, sink) else { return rrl };
    if let Some(node) = fields.get("mode") {
        rrl.mode = word(node, "`mode`", &MODES, sink).unwrap_or(rrl.mode);
    }
    let rates = [
        ("positive", &mut rrl.positive),
        ("nodata", &mut rrl.nodata),
        ("nxdomain", &mut rrl.nxdomain),
        ("errors", &mut rrl.errors),
    ];
    for (key, rate) in rates {
        let Some(node) = fields.get(key) else { continue };
        let off = matches!(node, Node::Scalar(text) if text.text == "off");
        *rate = if off { None } else { integer(node, &format!("`{key}`"), &(1..=MOST as u32), sink).or(*rate) };
    }
    if let Some(node) = fields.get("slip") {
        rrl.slip = integer(node, "`slip`", &(0..=10), sink).unwrap_or(rrl.slip);
    }
    if let Some(node) = fields.get("exempt") {
        rrl.exempt = blocks(node, "`exempt`", sink);
    }
    if let Some(node) = fields.get("loopback") {
        rrl.exempt_loopback = word(node, "`loopback`", &[("exempt", true), ("limited", false)], sink).unwrap_or(true);
    }
    rrl
}

/// Blocks of addresses.
pub(super) fn blocks(node: &Node<'_>, what: &str, sink: &mut Sink) -> Vec<Block> {
    let mut blocks = Vec::new();
    for item in one_or_more(node, what, sink).unwrap_or_default() {
        let Some(written) = text(item, what, sink) else { continue };
        match Block::parse(written) {
            Ok(block) => blocks.push(block),
            Err(why) => {
                let help = format!("{why}; a block of addresses, for example `192.0.2.0/24`");
                sink.error_help(item.at(), format!("{what} cannot be `{written}`"), help);
            }
        }
    }
    blocks
}

impl Rrl {
    /// Every key with its value as it would be written.
    pub(super) fn shown(&self) -> Vec<(&'static str, String)> {
        let rate = |rate: Option<u32>| rate.map_or_else(|| "off".to_owned(), |rate| rate.to_string());
        let mode = MODES.iter().find(|(_, mode)| *mode == self.mode).map_or("", |(word, _)| word);
        let exempt: Vec<_> = self.exempt.iter().map(ToString::to_string).collect();
        vec![
            ("rrl.mode", mode.to_owned()),
            ("rrl.positive", rate(self.positive)),
            ("rrl.nodata", rate(self.nodata)),
            ("rrl.nxdomain", rate(self.nxdomain)),
            ("rrl.errors", rate(self.errors)),
            ("rrl.slip", self.slip.to_string()),
            ("rrl.exempt", if exempt.is_empty() { "none".to_owned() } else { exempt.join(", ") }),
            ("rrl.loopback", if self.exempt_loopback { "exempt" } else { "limited" }.to_owned()),
        ]
    }
}
