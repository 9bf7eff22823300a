//! YAML text → a tree that keeps line and column of everything: the one file that names the YAML crate.
//!
//! Only the crate's event parser is used. Values stay the text that was written, so `NO`, `on`, `1.10`, `007` and
//! `1:20` mean nothing until a reader of a key says what it expects. What YAML allows and configuration does not need
//! (tags, merge keys, several documents, keys that are not text) is refused here, each with its place. After a syntax
//! error the tree holds what stood before it.

mod bulk;

use std::borrow::Cow;
use std::collections::HashMap;

use serde_saphyr::granit_parser::{
    ErrorKind, Event, Marker, Options, Parser, ScalarStyle, ScanError, Span, StructureStyle,
};

pub use self::bulk::Bulk;

/// Most bytes of one file: a million names with a line each, and twice that.
pub const MAX_BYTES: usize = 64 << 20;
/// Most values of one file besides the owner names under `records`, which are packed: a tree of them takes some 50 octets
/// for each. Copies that anchors keep count as well.
pub const MAX_VALUES: usize = 2_000_000;
/// The top-level key whose map may be large.
const LARGE: &str = "records";
/// Deepest nesting of lists and maps; the files' own grammar needs seven levels.
pub const MAX_DEPTH: usize = 32;
/// Most nodes that aliases may copy into one file, so that a short text cannot become a large tree.
pub const MAX_COPIES: usize = 100_000;

/// A place in a text: line and column in characters, both from 1; line 0 is the whole file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Position {
    /// The whole file.
    pub const FILE: Self = Self { line: 0, column: 0 };

    fn of(marker: Marker) -> Self {
        Self { line: marker.line() as u32, column: marker.col() as u32 + 1 }
    }
}

/// A scalar as it was written, quotes and escapes resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Text<'a> {
    /// The characters.
    pub text: Cow<'a, str>,
    /// Where it begins.
    pub at: Position,
    /// Written without quotes.
    pub plain: bool,
}

impl Text<'_> {
    /// Whether nothing was written: no value, `~` or `null`, without quotes.
    pub fn is_null(&self) -> bool {
        self.plain && matches!(&*self.text, "" | "~" | "null" | "Null" | "NULL")
    }
}

/// A value and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub enum Node<'a> {
    /// A scalar.
    Scalar(Text<'a>),
    /// A list.
    List(Position, Vec<Node<'a>>),
    /// A map in the order written; no key occurs twice.
    Map(Position, Vec<(Text<'a>, Node<'a>)>),
    /// The map of the top-level key `records`, which may be large: packed. Only one that has an anchor is not.
    Bulk(Position, Bulk<'a>),
}

impl Node<'_> {
    /// Where the value begins.
    pub fn at(&self) -> Position {
        match self {
            Node::Scalar(text) => text.at,
            Node::List(at, _) | Node::Map(at, _) | Node::Bulk(at, _) => *at,
        }
    }

    /// Whether nothing was written.
    pub fn is_null(&self) -> bool {
        matches!(self, Node::Scalar(text) if text.is_null())
    }

    fn move_to(&mut self, place: Position) {
        match self {
            Node::Scalar(text) => text.at = place,
            Node::List(at, _) | Node::Map(at, _) | Node::Bulk(at, _) => *at = place,
        }
    }
}

/// What is wrong with the text as YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub at: Position,
    /// What.
    pub message: String,
    /// How to fix it.
    pub help: Option<String>,
    /// Another place that it is about, and what is there.
    pub also: Option<(Position, &'static str)>,
}

/// A text, read.
#[derive(Debug)]
pub struct Document<'a> {
    /// The tree; after a syntax error, what stood before it. `None` when the file holds nothing.
    pub root: Option<Node<'a>>,
    /// Everything wrong with it, in file order.
    pub problems: Vec<Problem>,
    /// Whether the text was read to its end.
    pub whole: bool,
}

/// Reads one text of at most one document.
pub fn read(text: &str) -> Document<'_> {
    let refused = |problem| Document { root: None, problems: vec![problem], whole: false };
    if text.len() > MAX_BYTES {
        return refused(Problem {
            at: Position::FILE,
            message: format!(
                "the file has {} bytes, more than the {} MiB a file may have",
                text.len(),
                MAX_BYTES >> 20
            ),
            help: Some("split it into several files".to_owned()),
            also: None,
        });
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(problem) = control_character(text) {
        return refused(problem);
    }
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.disallow_directives = true;
    options.emit_unresolved_aliases = true;
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let mut builder = Builder { text, ..Builder::default() };
    let mut whole = true;
    for next in Parser::new_from_str_with_options(text, options) {
        let step = match next {
            Ok((event, span)) => builder.event(event, &span),
            Err(error) => Err(builder.left_open(&error).unwrap_or_else(|| syntax(text, &error))),
        };
        if let Err(problem) = step {
            builder.problems.push(problem);
            builder.close_all();
            whole = false;
            break;
        }
    }
    builder.problems.sort_by_key(|p| p.at);
    Document { root: builder.root, problems: builder.problems, whole }
}

/// The parser ends a text at the first NUL, and terminals act on the others; none is needed.
fn control_character(text: &str) -> Option<Problem> {
    let bad = |b: &u8| (*b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r')) || *b == 0x7f;
    let offset = text.as_bytes().iter().position(bad)?;
    let (line, column) = line_and_column(text, offset);
    Some(Problem {
        at: Position { line, column },
        message: format!("control character U+{:04X}", text.as_bytes()[offset]),
        help: Some("delete it; inside double quotes `\\xNN` writes one".to_owned()),
        also: None,
    })
}

fn line_and_column(text: &str, offset: usize) -> (u32, u32) {
    let before = &text[..offset];
    let start = before.rfind('\n').map_or(0, |i| i + 1);
    (before.matches('\n').count() as u32 + 1, before[start..].chars().count() as u32 + 1)
}

#[derive(Debug)]
enum Frame<'a> {
    List {
        at: Position,
        items: Vec<Node<'a>>,
        anchor: usize,
        style: StructureStyle,
    },
    Map {
        at: Position,
        entries: Vec<(Text<'a>, Node<'a>)>,
        key: Key<'a>,
        anchor: usize,
        style: StructureStyle,
    },
    /// `values` is what there was before it.
    Bulk {
        at: Position,
        entries: Bulk<'a>,
        key: Key<'a>,
        style: StructureStyle,
        values: usize,
    },
}

#[derive(Debug)]
enum Key<'a> {
    Awaited,
    Read(Text<'a>),
    /// A key that was refused; its value is dropped.
    Refused,
}

#[derive(Debug)]
struct Anchored<'a> {
    node: Node<'a>,
    size: usize,
    depth: usize,
}

#[derive(Debug, Default)]
struct Builder<'a> {
    text: &'a str,
    root: Option<Node<'a>>,
    stack: Vec<Frame<'a>>,
    anchors: HashMap<usize, Anchored<'a>>,
    copies: usize,
    /// Values that are in the tree or kept for aliases.
    values: usize,
    documents: usize,
    problems: Vec<Problem>,
}

impl<'a> Builder<'a> {
    fn event(&mut self, event: Event<'a>, span: &Span) -> Result<(), Problem> {
        let at = Position::of(span.start);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Problem {
                        at,
                        message: "a second document begins here".to_owned(),
                        help: Some("a file holds one document: put the second into a file of its own".to_owned()),
                        also: None,
                    });
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.as_deref().map(ToString::to_string), span);
                let node = Node::Scalar(Text { text, at, plain: style == ScalarStyle::Plain });
                self.complete(node, anchor)?;
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.refuse_tag(tag.as_deref().map(ToString::to_string), span);
                self.open(Frame::List { at, items: Vec::new(), anchor, style })?;
            }
            Event::MappingStart(style, anchor, tag) => {
                self.refuse_tag(tag.as_deref().map(ToString::to_string), span);
                let frame = if anchor == 0 && self.is_large() {
                    let entries = Bulk::new(self.text);
                    Frame::Bulk { at, entries, key: Key::Awaited, style, values: self.values }
                } else {
                    Frame::Map { at, entries: Vec::new(), key: Key::Awaited, anchor, style }
                };
                self.open(frame)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
            Event::Alias(id) => self.alias(id, at)?,
            Event::UnresolvedAlias(name) => {
                let key = name.strip_suffix(':');
                let name = key.unwrap_or(&name);
                let problem = Problem {
                    at,
                    message: "text cannot begin with `*`, which marks a YAML alias".to_owned(),
                    help: Some(format!("quote it: `\"*{name}\"`")),
                    also: None,
                };
                // An alias swallows the colon after it, and what follows makes no sense.
                if key.is_some() {
                    return Err(problem);
                }
                self.problems.push(problem);
                let text = Text { text: Cow::Owned(format!("*{name}")), at, plain: false };
                self.complete(Node::Scalar(text), 0)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn refuse_tag(&mut self, tag: Option<String>, span: &Span) {
        if let Some(tag) = tag {
            self.problems.push(Problem {
                at: Position::of(span.tag_start().unwrap_or(span.start)),
                message: format!("YAML tags like `{tag}` are not read"),
                help: Some("leave it out; text that begins with `!` needs quotes".to_owned()),
                also: None,
            });
        }
    }

    /// A bracket that was opened on an earlier line is the likelier mistake than the place where YAML noticed.
    fn left_open(&self, error: &ScanError) -> Option<Problem> {
        let noticed = Position::of(*error.marker());
        if matches!(error.kind(), ErrorKind::UnclosedQuotedScalar | ErrorKind::RecursionLimitExceeded) {
            return None;
        }
        let (at, bracket) = self.stack.iter().rev().find_map(|frame| match frame {
            Frame::List { at, style: StructureStyle::Flow, .. } => Some((*at, '[')),
            Frame::Map { at, style: StructureStyle::Flow, .. }
            | Frame::Bulk { at, style: StructureStyle::Flow, .. } => Some((*at, '{')),
            Frame::List { .. } | Frame::Map { .. } | Frame::Bulk { .. } => None,
        })?;
        (at.line < noticed.line).then(|| Problem {
            at,
            message: format!(
                "`{bracket}` is not closed where line {} goes on, column {}",
                noticed.line, noticed.column
            ),
            help: Some(format!("add the missing `{}`", if bracket == '[' { ']' } else { '}' })),
            also: Some((noticed, "noticed here")),
        })
    }

    /// Whether a map that begins now is that of the one key whose map may be large.
    fn is_large(&self) -> bool {
        matches!(self.stack.as_slice(), [Frame::Map { key: Key::Read(key), .. }] if key.text == LARGE)
    }

    fn open(&mut self, frame: Frame<'a>) -> Result<(), Problem> {
        if self.stack.len() >= MAX_DEPTH {
            let (Frame::List { at, .. } | Frame::Map { at, .. } | Frame::Bulk { at, .. }) = frame;
            return Err(too_deep(at));
        }
        self.stack.push(frame);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Problem> {
        match self.stack.pop() {
            Some(Frame::List { at, items, anchor, .. }) => self.complete(Node::List(at, items), anchor),
            Some(Frame::Map { at, entries, anchor, .. }) => {
                let entries = self.refuse_duplicates(entries);
                self.complete(Node::Map(at, entries), anchor)
            }
            Some(Frame::Bulk { at, mut entries, .. }) => {
                for (key, place) in entries.take_duplicates() {
                    self.problems.push(duplicate(&key, place));
                }
                self.complete(Node::Bulk(at, entries), 0)
            }
            None => Ok(()),
        }
    }

    fn close_all(&mut self) {
        while !self.stack.is_empty() {
            // What is wrong has been told.
            let _ = self.close();
        }
    }

    fn complete(&mut self, node: Node<'a>, anchor: usize) -> Result<(), Problem> {
        self.values += 1;
        if anchor != 0 {
            let (size, depth) = measure(&node);
            self.values += size;
            self.anchors.insert(anchor, Anchored { node: node.clone(), size, depth });
        }
        if self.values > MAX_VALUES {
            return Err(Problem {
                at: node.at(),
                message: format!("the file holds more than {MAX_VALUES} values"),
                help: Some("split it into several files; owner names under `records` may be more".to_owned()),
                also: None,
            });
        }
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Frame::List { items, .. }) => items.push(node),
            Some(Frame::Map { entries, key, .. }) => match std::mem::replace(key, Key::Awaited) {
                Key::Read(name) => entries.push((name, node)),
                Key::Refused => {}
                Key::Awaited => *key = accept_key(node, &mut self.problems),
            },
            Some(Frame::Bulk { entries, key, values, .. }) => match std::mem::replace(key, Key::Awaited) {
                Key::Read(name) => {
                    entries.push(&name, &node);
                    self.values = *values;
                }
                Key::Refused => self.values = *values,
                Key::Awaited => *key = accept_key(node, &mut self.problems),
            },
        }
        Ok(())
    }

    fn alias(&mut self, id: usize, at: Position) -> Result<(), Problem> {
        let Some(anchored) = self.anchors.get(&id) else {
            return Err(Problem {
                at,
                message: "this YAML alias lies inside what it refers to".to_owned(),
                help: None,
                also: None,
            });
        };
        if self.stack.len() + anchored.depth > MAX_DEPTH {
            return Err(too_deep(at));
        }
        self.copies += anchored.size;
        if self.copies > MAX_COPIES {
            return Err(Problem {
                at,
                message: format!("YAML aliases copy more than {MAX_COPIES} values into this file"),
                help: Some("write the values out, or name them once as a service or a policy".to_owned()),
                also: None,
            });
        }
        let mut node = anchored.node.clone();
        node.move_to(at);
        self.complete(node, 0)
    }

    fn refuse_duplicates(&mut self, entries: Vec<(Text<'a>, Node<'a>)>) -> Vec<(Text<'a>, Node<'a>)> {
        // Nearly every map is this small, and a table for each would cost more than all else here.
        const SMALL: usize = 8;
        let twice = |(index, (key, _)): (usize, &(Text<'a>, Node<'a>))| {
            entries[..index].iter().any(|(earlier, _)| earlier.text == key.text)
        };
        if entries.len() <= SMALL && !entries.iter().enumerate().any(twice) {
            return entries;
        }
        let mut first: HashMap<Cow<'a, str>, Position> = HashMap::with_capacity(entries.len());
        let mut kept = Vec::with_capacity(entries.len());
        for (key, node) in entries {
            if let Some(place) = first.get(&key.text) {
                self.problems.push(duplicate(&key, *place));
            } else {
                first.insert(key.text.clone(), key.at);
                kept.push((key, node));
            }
        }
        kept
    }
}

fn duplicate(key: &Text<'_>, first: Position) -> Problem {
    Problem {
        at: key.at,
        message: format!("`{}` is written twice, first at line {}, column {}", key.text, first.line, first.column),
        help: Some("keep one of the two, or join their values".to_owned()),
        also: Some((first, "first here")),
    }
}

fn accept_key<'a>(node: Node<'a>, problems: &mut Vec<Problem>) -> Key<'a> {
    let at = node.at();
    let (message, help) = match node {
        Node::Scalar(text) if text.plain && text.text == "<<" => (
            "merge keys (`<<`) are not read",
            "write the keys out; a policy can say `extends:`, and services and checks are shared by name",
        ),
        Node::Scalar(text) if text.plain && text.text.is_empty() => {
            ("there is no key before this `:`", "write the key's name before it")
        }
        Node::Scalar(text) => return Key::Read(text),
        Node::List(..) | Node::Map(..) | Node::Bulk(..) => {
            ("a key must be text, not a list or a map", "text that begins with `[` or `{` needs quotes")
        }
    };
    problems.push(Problem { at, message: message.to_owned(), help: Some(help.to_owned()), also: None });
    Key::Refused
}

/// Nodes in a tree, and its depth counted in lists and maps.
fn measure(node: &Node<'_>) -> (usize, usize) {
    let children: Vec<&Node<'_>> = match node {
        Node::Scalar(_) => return (1, 0),
        Node::List(_, items) => items.iter().collect(),
        Node::Map(_, entries) => entries.iter().map(|(_, node)| node).collect(),
        Node::Bulk(_, bulk) => return (bulk.size(), MAX_DEPTH),
    };
    let (size, depth) =
        children.into_iter().map(measure).fold((1, 0), |(s, d), (size, depth)| (s + size, d.max(depth)));
    (size, depth + 1)
}

fn too_deep(at: Position) -> Problem {
    Problem { at, message: format!("lists and maps are nested more than {MAX_DEPTH} deep"), help: None, also: None }
}

/// The crate's error in the operator's words.
fn syntax(text: &str, error: &ScanError) -> Problem {
    let at = Position::of(*error.marker());
    let line = (at.line as usize).checked_sub(1).and_then(|i| text.lines().nth(i)).unwrap_or_default();
    let (message, help): (String, &str) = match error.kind() {
        ErrorKind::RecursionLimitExceeded => return too_deep(at),
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar => ("a tab where YAML allows only spaces".into(), "indent with spaces"),
        ErrorKind::DirectiveDisallowed => (
            "a line that begins with `%` is a YAML directive, and none is read".into(),
            "text that begins with `%` needs quotes",
        ),
        ErrorKind::UnexpectedCharacter { character } => {
            let shown =
                if *character == '`' { "a backtick".to_owned() } else { format!("`{}`", character.escape_default()) };
            let help = match character {
                '@' => "quote it: `\"@\"` is the zone itself",
                '*' => "quote it: text that begins with `*` needs quotes",
                _ => "text that begins with this character needs quotes",
            };
            return Problem {
                at,
                message: format!("text cannot begin with {shown}"),
                help: Some(help.to_owned()),
                also: None,
            };
        }
        ErrorKind::UnclosedQuotedScalar => {
            ("a quote that opens here or before is never closed".into(), "close it, with the same kind of quote")
        }
        ErrorKind::UnclosedFlowCollection { open } => (
            format!("`{open}` is never closed"),
            if *open == '{' { "add the missing `}`" } else { "add the missing `]`" },
        ),
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => {
            (format!("`{open}` is closed by `{close}`"), "close it with its own kind of bracket")
        }
        ErrorKind::MisplacedFlowCollectionEnd => {
            ("a closing bracket without an opening one".into(), "delete it, or add the opening one")
        }
        ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofImplicitFlowMapping => {
            ("the file ends inside `[…]` or `{…}`".into(), "close the bracket")
        }
        ErrorKind::ExpectedFlowMappingSeparator => {
            ("a `,` or `}` is missing before this".into(), "inside `{…}` entries are separated by commas")
        }
        ErrorKind::ExpectedFlowSequenceSeparator => {
            ("a `,` or `]` is missing before this".into(), "inside `[…]` entries are separated by commas")
        }
        ErrorKind::MissingAnchorOrAliasName if line.contains('*') => {
            ("`*` alone is not text in YAML".into(), "quote it: `\"*\"` is the wildcard")
        }
        ErrorKind::InvalidTrailingSingleQuotedScalar | ErrorKind::InvalidTrailingDoubleQuotedScalar => (
            "something follows the closing quote".into(),
            "separate entries by commas or lines; inside double quotes write `\\\"` for a quote",
        ),
        ErrorKind::UnknownQuotedScalarEscape => {
            ("an unknown `\\` escape inside double quotes".into(), "write `\\\\` for a backslash, or use single quotes")
        }
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement | ErrorKind::MappingKeyNotAllowed => (
            "a `:` that YAML does not allow here".into(),
            "text with `: ` in it needs quotes; otherwise check the indentation of this line and the one above",
        ),
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => (
            "this line has no `:` after its key".into(),
            "a map's lines are `key: value`, with a space after the colon",
        ),
        ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::InvalidIndentation
        | ErrorKind::InvalidFlowScalarIndent
        | ErrorKind::InvalidQuotedScalarIndent
        | ErrorKind::BlockSequenceEntryNotAllowed
        | ErrorKind::InvalidBlockScalarIndent => (
            "this does not fit the lines above it".into(),
            "check its indentation: entries of one map or list begin in the same column",
        ),
        ErrorKind::BomInsideDocument => {
            ("a byte-order mark inside the text".into(), "delete it; editors show it as nothing")
        }
        _ => ("this is not YAML".into(), "check brackets, quotes and indentation here and on the line above"),
    };
    Problem { at, message, help: Some(help.to_owned()), also: None }
}
