//! The keys of `catchment.yaml`: what each takes, its default and what it means.

use super::super::grammar::{Keys, Shape, key, required};
use super::fetch::SOURCES;
use super::journal::{DNSTAP, QUERY_LOG};
use super::probes::PROBES;
use super::rrl::RRL;
use super::sockets::{TCP, UDP};

/// The settings.
pub(in super::super) const SETTINGS: Keys = Keys {
    what: "the settings",
    known: &[
        key(
            "listen",
            Shape::OneOrMore(&Shape::Either(&[Shape::Endpoint, Shape::Map(&LISTEN)])),
            "127.0.0.1:5300 and [::1]:5300",
            "Addresses and ports to serve over UDP and TCP.",
        ),
        key("zones", Shape::Text, "zones", "Directory of zone and fleet files."),
        key(
            "geodb",
            Shape::Either(&[PLACES, Shape::Map(&GEODB)]),
            "geodb",
            "Databases, or directories of them, in order of precedence. `off`: none at all, not even the one in the program. The same as `geodb: {from: …}`.",
        ),
        key("state", Shape::Text, "state", "Directory of what survives a restart."),
        key(
            "io",
            Shape::Words(&["native", "portable"]),
            "native on Linux",
            "Which listeners serve: our own, or hickory-server's, for everywhere.",
        ),
        key("log", Shape::Map(&LOG), "", "The log, on standard error."),
        key("identity", Shape::Map(&IDENTITY), "", "What the server tells about itself."),
        key(
            "cookies",
            Shape::Either(&[Shape::Words(&["off"]), Shape::Map(&COOKIES)]),
            "a secret of its own",
            "DNS cookies (RFC 7873, RFC 9018). Servers behind one address share secrets.",
        ),
        key("tcp", Shape::Map(&TCP), "", "Limits of TCP."),
        key("udp", Shape::Map(&UDP), "", "UDP."),
        key(
            "rrl",
            Shape::Map(&RRL),
            "",
            "How many UDP answers a network is sent in a second (response rate limiting).",
        ),
        key("query_log", Shape::Map(&QUERY_LOG), "", "Answers as lines of JSON."),
        key("dnstap", Shape::Map(&DNSTAP), "", "Answers as dnstap frames."),
        key("startup", Shape::Map(&STARTUP), "", "The start."),
        key("probes", Shape::Map(&PROBES), "", "How probes are made, for all targets."),
        key("reload", Shape::Map(&RELOAD), "", "How files are taken up."),
        key("health", Shape::Map(&HEALTH), "", "What is known of targets, beside single probes."),
        key("control", Shape::Map(&CONTROL), "", "Where commands reach the running server."),
    ],
    planned: &[
        "cluster", "limits", "tls", "dot", "doh", "doq", "dnssec", "anycast", "ecs", "views", "metrics", "user",
        "group",
    ],
};
/// Where databases are.
const PLACES: Shape = Shape::Either(&[Shape::Words(&["off"]), Shape::OneOrMore(&Shape::Text)]);
pub(super) const GEODB: Keys = Keys {
    what: "`geodb`",
    known: &[
        key("from", PLACES, "geodb", "Databases, or directories of them, in order of precedence; `off`: none."),
        key(
            "expect",
            Shape::Words(&["warn", "refuse"]),
            "warn",
            "What becomes of new databases that break an `expect:` of a zone: they serve with a warning, or those of before stay.",
        ),
        key(
            "fetch",
            SOURCES,
            "none",
            "Databases to fetch, each `maxmind`, `maxmind:EDITION`, `dbip`, `ipinfo` or an address in short, or a map. The server does, and `catchment geodb fetch` at once.",
        ),
        key(
            "every",
            Shape::Either(&[Shape::Time("1h", "90d"), Shape::Words(&["off"])]),
            "1d",
            "How often the server asks for new ones; `off`: only the command does.",
        ),
        key(
            "authorities",
            Shape::Text,
            "none",
            "A file of certificate authorities (PEM) that are trusted besides the public ones when databases are fetched.",
        ),
        key(
            "proxy",
            Shape::Text,
            "`https_proxy`, `all_proxy` of the environment",
            "The HTTP proxy that databases are fetched through: `http://proxy.example.com:3128`, `http://NAME:PASSWORD@…`; `off`: none.",
        ),
        key(
            "no_proxy",
            Shape::OneOrMore(&Shape::Text),
            "`no_proxy` of the environment",
            "Hosts, with all below them, addresses and blocks that are asked without the proxy; `*`: all.",
        ),
    ],
    planned: &["max_age"],
};
pub(super) const LOG: Keys = Keys {
    what: "`log`",
    known: &[
        key("level", Shape::Words(&["error", "warn", "info", "debug", "trace"]), "info", "Least level that is logged."),
        key("format", Shape::Words(&["text", "json"]), "text", "Lines for people, or JSON objects."),
    ],
    planned: &["file", "queries"],
};
pub(super) const LISTEN: Keys = Keys {
    what: "an item of `listen`",
    known: &[
        required("address", Shape::Endpoint, "Address and port."),
        key("ecs", Shape::Words(&["on", "off"]), "on", "Off: client subnets are ignored there, and none is returned."),
    ],
    planned: &["tls", "io"],
};
pub(super) const COOKIES: Keys = Keys {
    what: "`cookies`",
    known: &[key(
        "secrets",
        Shape::OneOrMore(&Shape::Form("32 hexadecimal digits", "^[0-9A-Fa-f]{32}$")),
        "one of its own, in `state/`",
        "The first makes cookies, all are accepted.",
    )],
    planned: &[],
};
pub(super) const IDENTITY: Keys = Keys {
    what: "`identity`",
    known: &[
        key(
            "name",
            Shape::Text,
            "none",
            "`id.server` and `hostname.bind` (RFC 4892), at most 255 octets; also the NSID unless that is written.",
        ),
        key("nsid", Shape::Text, "as `name`", "The NSID (RFC 5001), at most 128 octets."),
        key("version", Shape::Text, "this version", "`version.bind`; `off` refuses."),
        key("ede", Shape::Words(&["off", "codes", "text"]), "text", "How much extended errors (RFC 8914) say."),
    ],
    planned: &[],
};
pub(super) const STARTUP: Keys = Keys {
    what: "`startup`",
    known: &[key("first_probes", Shape::Time("0s", "1m"), "2s", "How long the start waits for first probe results.")],
    planned: &[],
};
pub(super) const HEALTH: Keys = Keys {
    what: "`health`",
    known: &[
        key(
            "remember",
            Shape::Time("0s", "1d"),
            "5m",
            "States whose last result is younger are what targets begin with after a restart.",
        ),
        key(
            "canaries",
            Shape::OneOrMore(&Shape::Endpoint),
            "none: the guard is off",
            "Two to 16 addresses that are not yours and nearly always answer: when they fail together with most targets, this node is cut off, and health freezes.",
        ),
    ],
    planned: &["freeze"],
};
pub(super) const CONTROL: Keys = Keys {
    what: "`control`",
    known: &[
        key("socket", Shape::Text, "control.sock in `state`", "A path, or `off`."),
        key(
            "http",
            Shape::Text,
            "127.0.0.1:8053",
            "Where the control API and `/metrics` answer over TCP as well: an address and port, or `off`. Whoever reaches it may \
             read.",
        ),
        key(
            "tokens",
            Shape::Text,
            "",
            "A file with a line `NAME TOKEN` for everyone who may change something over TCP. Read at each use. Without it nobody may.",
        ),
        key(
            "hosts",
            Shape::OneOrMore(&Shape::Text),
            "",
            "Names by which it may be asked over TCP, besides addresses and `localhost`: others are refused, as web pages could \
             point them here.",
        ),
        key(
            "max_database_age",
            Shape::Either(&[Shape::Time("1d", "10000d"), Shape::Words(&["off"])]),
            "off",
            "A database that is older makes `/readyz` say no. The one in the program does not count.",
        ),
    ],
    planned: &["tls"],
};
pub(super) const RELOAD: Keys = Keys {
    what: "`reload`",
    known: &[
        key("vanish_grace", Shape::Time("0s", "1d"), "30s", "How long a zone whose file vanished is kept."),
        key(
            "watch",
            Shape::Words(&["auto", "poll"]),
            "auto",
            "How changes of files are noticed: by the system's events, and by polling (every 2 s) on network file systems, where others write unseen; or by polling everywhere.",
        ),
        key(
            "max_move",
            Shape::Either(&[Shape::Words(&["off"]), Shape::Share]),
            "off",
            "The largest share of clients (by IPv4 addresses, IPv6 records or people) that a reload may move at any name. What would move more is refused, unless `catchment reload --force` asks for it.",
        ),
    ],
    planned: &["quiet"],
};
