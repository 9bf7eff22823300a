//! Reading a YAML tree key by key: every finding is kept with its place, and reading goes on.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;

use super::diagnostic::{Also, Diagnostic, Diagnostics, Location, Severity};
use super::grammar::Keys;
use super::yaml::{Node, Position, Text};
use crate::dns::ecs::Ecs;

/// Most findings kept per file; what is beyond is counted. A broken template repeats itself.
pub(super) const MAX_FINDINGS: usize = 500;

/// A zone beyond what its tables can number.
pub(super) const TOO_LARGE: &str = "the zone has more than 4 GiB of names and data";

/// Collects what is wrong with one file.
#[derive(Debug)]
pub(super) struct Sink {
    file: Arc<str>,
    found: Vec<Diagnostic>,
    errors: usize,
    beyond: usize,
    /// A file of the fleet that is refused, so that names nobody defines may be its; told once.
    awaited: Option<Arc<str>>,
    awaits: bool,
}

impl Sink {
    pub(super) fn new(file: Arc<str>) -> Self {
        Self { file, found: Vec::new(), errors: 0, beyond: 0, awaited: None, awaits: false }
    }

    /// The same where names that nobody defines may be those of a refused file.
    pub(super) fn awaiting(file: Arc<str>, refused: &[Arc<str>]) -> Self {
        Self { awaited: refused.first().cloned(), ..Self::new(file) }
    }

    /// Whether a name that nobody defines is no news, because what is refused may define it. The first is told.
    pub(super) fn waits_for(&mut self, kind: &str, name: &str, location: &Location) -> bool {
        let Some(file) = self.awaited.clone() else { return false };
        if std::mem::replace(&mut self.awaits, true) {
            return true;
        }
        let message = format!("{kind} `{name}` is not defined, and {file}, which may define it, is refused");
        self.error_at(location, message, "correct that file first; what it may define is looked at again then");
        true
    }

    pub(super) fn location(&self, at: Position) -> Location {
        Location { file: Arc::clone(&self.file), line: at.line, column: at.column }
    }

    /// Reads another file in the course of this one: what is found in `read` is about that file.
    pub(super) fn within<T>(&mut self, file: &Arc<str>, read: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.file, Arc::clone(file));
        let result = read(self);
        self.file = outer;
        result
    }

    pub(super) fn error(&mut self, at: Position, message: impl Into<String>) {
        self.add(Severity::Error, self.location(at), message.into(), None);
    }

    pub(super) fn error_help(&mut self, at: Position, message: impl Into<String>, help: impl Into<String>) {
        self.add(Severity::Error, self.location(at), message.into(), Some(help.into()));
    }

    pub(super) fn warn_help(&mut self, at: Position, message: impl Into<String>, help: impl Into<String>) {
        self.add(Severity::Warning, self.location(at), message.into(), Some(help.into()));
    }

    /// The same at a place that was kept from an earlier reading.
    pub(super) fn error_at(&mut self, location: &Location, message: impl Into<String>, help: impl Into<String>) {
        self.add(Severity::Error, location.clone(), message.into(), Some(help.into()));
    }

    /// The same without help.
    pub(super) fn wrong(&mut self, location: &Location, message: impl Into<String>) {
        self.add(Severity::Error, location.clone(), message.into(), None);
    }

    /// The same, as a warning.
    pub(super) fn warn_at(&mut self, location: &Location, message: impl Into<String>, help: impl Into<String>) {
        self.add(Severity::Warning, location.clone(), message.into(), Some(help.into()));
    }

    fn add(&mut self, severity: Severity, location: Location, message: String, help: Option<String>) {
        self.errors += usize::from(severity == Severity::Error);
        if self.found.len() < MAX_FINDINGS {
            let (message, help) = (presentable(message), help.map(presentable));
            self.found.push(Diagnostic { severity, location, message, help, also: None });
        } else {
            self.beyond += 1;
        }
    }

    /// The finding that was added last is about another place, too.
    pub(super) fn also(&mut self, location: &Location, label: &'static str) {
        if let Some(last) = self.found.last_mut().filter(|_| self.beyond == 0) {
            last.also = Some(Box::new(Also { location: location.clone(), label }));
        }
    }

    pub(super) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// How many errors there are so far.
    pub(super) fn error_count(&self) -> usize {
        self.errors
    }

    /// All findings in file order.
    pub(super) fn finish(self) -> Diagnostics {
        let mut all = Diagnostics(self.found);
        all.sort();
        if self.beyond > 0 {
            let severity = if self.errors > 0 { Severity::Error } else { Severity::Warning };
            let location = Location { file: self.file, line: 0, column: 0 };
            let message = format!("{} more findings are not shown", self.beyond);
            all.push(Diagnostic { severity, location, message, help: None, also: None });
        }
        all
    }
}

/// Text of a file may hold what a terminal acts on, or fill it: control characters are escaped, and of a very long text
/// the beginning and the end are kept.
fn presentable(text: String) -> String {
    const LONGEST: usize = 600;
    if text.len() <= LONGEST && !text.contains(char::is_control) {
        return text;
    }
    let mut shown = String::new();
    let left_out = text.chars().count().saturating_sub(LONGEST);
    for (index, c) in text.chars().enumerate() {
        if left_out > 0 && index == LONGEST / 2 {
            shown.push('…');
        }
        if index >= LONGEST / 2 && index < LONGEST / 2 + left_out {
            continue;
        }
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A map whose keys were checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'n, 'a> {
    entries: &'n [(Text<'a>, Node<'a>)],
}

impl<'n, 'a> Fields<'n, 'a> {
    /// Reads a map, reporting what is not a known key. Nothing written counts as an empty map; anything but a map is
    /// an error and `None`.
    pub(super) fn open(node: &'n Node<'a>, keys: &Keys, sink: &mut Sink) -> Option<Self> {
        let entries = entries(node, keys.what, sink)?;
        for (key, _) in entries {
            if !keys.knows(&key.text) {
                unknown_key(key, keys, sink);
            }
        }
        Some(Self { entries })
    }

    /// Whether every key is one that is read.
    pub(super) fn all_known(&self, keys: &Keys) -> bool {
        self.entries.iter().all(|(key, _)| keys.knows(&key.text))
    }

    /// The value of a key. A key with nothing written after it is there, as null.
    pub(super) fn get(&self, key: &str) -> Option<&'n Node<'a>> {
        self.entries.iter().find(|(k, _)| k.text == key).map(|(_, node)| node)
    }
}

/// The entries of a map whose keys are names; nothing written is an empty map.
pub(super) fn entries<'n, 'a>(node: &'n Node<'a>, what: &str, sink: &mut Sink) -> Option<&'n [(Text<'a>, Node<'a>)]> {
    match node {
        Node::Map(_, entries) => Some(entries),
        Node::Scalar(text) if text.is_null() => Some(&[]),
        other => {
            sink.error_help(
                other.at(),
                format!("{what} is a map, not {}", kind(other)),
                "write `key: value` lines below it, or `{key: value, …}`",
            );
            None
        }
    }
}

/// Reports a key that is not read.
pub(super) fn unknown_key(key: &Text<'_>, keys: &Keys, sink: &mut Sink) {
    let word = &*key.text;
    let accepted = format!("accepted here: {}", quoted(keys.names()));
    if keys.planned.contains(&word) {
        sink.error_help(
            key.at,
            format!("`{word}` is planned, not in this version"),
            format!("leave it out; {accepted}"),
        );
        return;
    }
    let help = match suggest(word, keys.names()) {
        Some(near) => format!("did you mean `{near}`? {accepted}"),
        None => accepted,
    };
    sink.error_help(key.at, format!("`{word}` is not a key of {}", keys.what), help);
}

/// The word of `candidates` that was probably meant: equal but for case, or at most a third of its letters away.
pub(super) fn suggest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // Longer than any key or name, and a distance takes the product of the lengths.
    if word.len() > 2 * MAX_NAME {
        return None;
    }
    let lower = word.to_lowercase();
    candidates
        .into_iter()
        .map(|c| (strsim::osa_distance(&lower, &c.to_lowercase()), c))
        .filter(|(distance, c)| *distance * 3 <= c.chars().count().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}

/// `` `a`, `b` and so on ``; at most twenty.
pub(super) fn quoted<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> String {
    const SHOWN: usize = 20;
    let mut list = String::new();
    for (index, word) in words.into_iter().enumerate() {
        if index == SHOWN {
            list.push_str(", …");
            break;
        }
        if index > 0 {
            list.push_str(", ");
        }
        list.push('`');
        list.push_str(word.as_ref());
        list.push('`');
    }
    list
}

/// What a node is, for messages.
pub(super) fn kind(node: &Node<'_>) -> &'static str {
    match node {
        Node::Scalar(text) if text.is_null() => "nothing",
        Node::Scalar(_) => "a single value",
        Node::List(..) => "a list",
        Node::Map(..) | Node::Bulk(..) => "a map",
    }
}

/// A scalar's text; anything else is an error. `what` is the key, in backticks.
pub(super) fn text<'n>(node: &'n Node<'_>, what: &str, sink: &mut Sink) -> Option<&'n str> {
    match node {
        Node::Scalar(text) if text.is_null() => {
            sink.error(text.at, format!("{what} has no value"));
            None
        }
        Node::Scalar(text) => Some(&text.text),
        other => {
            sink.error(other.at(), format!("{what} is a single value, not {}", kind(other)));
            None
        }
    }
}

/// A list's items, or the one scalar in its place; nothing written is an error.
pub(super) fn one_or_more<'n, 'a>(node: &'n Node<'a>, what: &str, sink: &mut Sink) -> Option<&'n [Node<'a>]> {
    match node {
        Node::List(_, items) => Some(items),
        Node::Scalar(text) if text.is_null() => {
            sink.error(text.at, format!("{what} has no value"));
            None
        }
        Node::Scalar(_) => Some(std::slice::from_ref(node)),
        Node::Map(at, _) | Node::Bulk(at, _) => {
            sink.error(*at, format!("{what} is a value or a list of values, not a map"));
            None
        }
    }
}

/// `true` or `false`.
pub(super) fn boolean(node: &Node<'_>, what: &str, sink: &mut Sink) -> Option<bool> {
    let written = text(node, what, sink)?;
    match written {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => {
            let help = match &*written.to_lowercase() {
                "yes" | "on" | "y" => "did you mean `true`?",
                "no" | "off" | "n" => "did you mean `false`?",
                _ => "write `true` or `false`",
            };
            sink.error_help(node.at(), format!("{what} is `true` or `false`, not `{written}`"), help);
            None
        }
    }
}

/// A whole number in decimal digits, within a range.
pub(super) fn integer<N>(node: &Node<'_>, what: &str, range: &RangeInclusive<N>, sink: &mut Sink) -> Option<N>
where
    N: FromStr + PartialOrd + std::fmt::Display,
{
    let written = text(node, what, sink)?;
    let digits = !written.is_empty() && written.bytes().all(|b| b.is_ascii_digit());
    let plain = digits && (written.len() == 1 || !written.starts_with('0'));
    let number = written.parse::<N>().ok().filter(|n| plain && range.contains(n));
    if number.is_none() {
        let help = format!("a whole number from {} to {}, in decimal digits", range.start(), range.end());
        sink.error_help(node.at(), format!("{what} cannot be `{written}`"), help);
    }
    number
}

/// `on` or `off`, of client subnets.
pub(super) fn ecs(node: &Node<'_>, sink: &mut Sink) -> Option<Ecs> {
    word(node, "`ecs`", &[("on", Ecs::On), ("off", Ecs::Off)], sink)
}

/// One of a few words.
pub(super) fn word<T: Copy>(node: &Node<'_>, what: &str, words: &[(&str, T)], sink: &mut Sink) -> Option<T> {
    let written = text(node, what, sink)?;
    if let Some((_, value)) = words.iter().find(|(w, _)| *w == written) {
        return Some(*value);
    }
    let accepted = format!("accepted here: {}", quoted(words.iter().map(|(w, _)| *w)));
    let help = match suggest(written, words.iter().map(|(w, _)| *w)) {
        Some(near) => format!("did you mean `{near}`? {accepted}"),
        None => accepted,
    };
    sink.error_help(node.at(), format!("{what} cannot be `{written}`"), help);
    None
}

/// Longest name of a PoP, check, service or policy: a label of a metric, a word of a command.
const MAX_NAME: usize = 63;

/// Checks the name an operator gives to a thing: ASCII letters, digits, `-`, `_` and `.`, beginning with a letter or
/// digit, at most 63. `false` after reporting.
pub(super) fn name(key: &Text<'_>, what: &str, sink: &mut Sink) -> bool {
    let bytes = key.text.as_bytes();
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let good =
        bytes.first().is_some_and(u8::is_ascii_alphanumeric) && bytes.iter().all(allowed) && bytes.len() <= MAX_NAME;
    if !good {
        let help = format!("letters, digits, `-`, `_` and `.`, beginning with a letter or digit, at most {MAX_NAME}");
        sink.error_help(key.at, format!("`{}` cannot be the name of {what}", key.text.escape_debug()), help);
    }
    good
}

/// A word with its place, kept for linking.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub(super) text: String,
    pub(super) location: Location,
}

impl Spot {
    pub(super) fn read(node: &Node<'_>, what: &str, sink: &mut Sink) -> Option<Self> {
        let written = text(node, what, sink)?.to_owned();
        Some(Self { text: written, location: sink.location(node.at()) })
    }
}

/// A list of words, or one word.
pub(super) fn spots(node: &Node<'_>, what: &str, sink: &mut Sink) -> Option<Vec<Spot>> {
    let items = one_or_more(node, what, sink)?;
    Some(items.iter().filter_map(|item| Spot::read(item, what, sink)).collect())
}
