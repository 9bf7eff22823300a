//! A master file cut into entries and tokens (RFC 1035 §5.1): parentheses, comments, quotation marks, escapes.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::super::yaml::Position;
use crate::dns::text::Token;

/// One entry: a record or a control entry, over as many lines as its parentheses span.
#[derive(Debug, Default)]
pub(super) struct Entry<'a> {
    /// Its tokens, at least one.
    pub(super) tokens: Vec<Token<'a>>,
    /// Where each of them begins.
    places: Vec<Place>,
    /// Whether the line begins with white space: the owner name is that of the entry before.
    pub(super) blank: bool,
}

/// Octet offsets of a line and of a place in it; columns in characters are counted when somebody asks.
#[derive(Clone, Copy, Debug)]
struct Place {
    line: u32,
    line_start: usize,
    at: usize,
}

/// Reads entries one by one.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    line_start: usize,
}

/// Octets that end a token which is not quoted, or mean something in it.
const SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut index = 0;
    let special = b" \t\r\n\x0b\x0c;()\"\\";
    while index < special.len() {
        table[special[index] as usize] = true;
        index += 1;
    }
    table
};

/// The text of a master file. Octets that are no UTF-8 become the escapes that stand for them, so that old files in
/// Latin-1 mean what they say.
pub(super) fn text(octets: &[u8]) -> Cow<'_, str> {
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    if let Ok(text) = std::str::from_utf8(octets) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(octets.len() + octets.len() / 8);
    for chunk in octets.utf8_chunks() {
        out.push_str(chunk.valid());
        for octet in chunk.invalid() {
            // A backslash before it is an escape of the same octet.
            let backslashes = out.len() - out.trim_end_matches('\\').len();
            if backslashes % 2 == 1 {
                out.pop();
            }
            // Writing to a string cannot fail.
            let _ = write!(out, "\\{octet:03}");
        }
    }
    Cow::Owned(out)
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, line: 1, line_start: 0 }
    }

    /// Reads the next entry; `false` at the end. After an error, which has its place, reading goes on with the next line.
    pub(super) fn next(&mut self, entry: &mut Entry<'a>) -> Result<bool, (Position, &'static str)> {
        let octets = self.text.as_bytes();
        entry.tokens.clear();
        entry.places.clear();
        let mut open: Vec<Place> = Vec::new();
        let mut line_begins = true;
        while let Some(&octet) = octets.get(self.at) {
            if line_begins {
                entry.blank = matches!(octet, b' ' | b'\t');
                line_begins = false;
            }
            match octet {
                b'\n' => {
                    self.at += 1;
                    self.line += 1;
                    self.line_start = self.at;
                    if open.is_empty() {
                        if !entry.tokens.is_empty() {
                            return Ok(true);
                        }
                        line_begins = true;
                    }
                }
                b' ' | b'\t' | b'\r' | b'\x0b' | b'\x0c' => self.at += 1,
                b';' => self.skip_line(),
                b'(' => {
                    open.push(self.place());
                    self.at += 1;
                }
                b')' => {
                    if open.pop().is_none() {
                        return Err(self.fail(self.place(), "a parenthesis is closed that was not opened"));
                    }
                    self.at += 1;
                }
                b'"' => {
                    let place = self.place();
                    let end = self.quoted(place)?;
                    let text = self.text.get(place.at + 1..end).unwrap_or_default();
                    entry.tokens.push(Token { text, quoted: true });
                    entry.places.push(place);
                }
                _ => {
                    let place = self.place();
                    self.plain(place)?;
                    let text = self.text.get(place.at..self.at).unwrap_or_default();
                    entry.tokens.push(Token { text, quoted: false });
                    entry.places.push(place);
                }
            }
        }
        match open.first() {
            Some(place) => Err(self.fail(*place, "a parenthesis is not closed")),
            None => Ok(!entry.tokens.is_empty()),
        }
    }

    /// Goes over a token that is not quoted as a whole; `key="a b"` is one.
    fn plain(&mut self, place: Place) -> Result<(), (Position, &'static str)> {
        let octets = self.text.as_bytes();
        while let Some(&octet) = octets.get(self.at) {
            if !SPECIAL[usize::from(octet)] {
                self.at += 1;
                continue;
            }
            match octet {
                // What is escaped, unless the line ends: that is for the reader of the token to refuse.
                b'\\' => match octets.get(self.at + 1) {
                    None | Some(b'\n') => self.at += 1,
                    // An escaped character of several octets goes on with octets that are not special.
                    Some(_) => self.at += 2,
                },
                b'"' => {
                    self.quoted(place)?;
                }
                _ => break,
            }
        }
        Ok(())
    }

    /// Goes over quotation marks and what stands between; where the second one stands.
    fn quoted(&mut self, place: Place) -> Result<usize, (Position, &'static str)> {
        let octets = self.text.as_bytes();
        self.at += 1;
        while let Some(&octet) = octets.get(self.at) {
            match octet {
                b'"' => {
                    self.at += 1;
                    return Ok(self.at - 1);
                }
                b'\n' => break,
                b'\\' if octets.get(self.at + 1).is_some_and(|o| *o != b'\n') => self.at += 2,
                _ => self.at += 1,
            }
        }
        Err(self.fail(place, "a quotation mark is not closed on its line"))
    }

    fn skip_line(&mut self) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += rest.iter().position(|o| *o == b'\n').unwrap_or(rest.len());
    }

    fn place(&self) -> Place {
        Place { line: self.line, line_start: self.line_start, at: self.at }
    }

    fn fail(&mut self, place: Place, message: &'static str) -> (Position, &'static str) {
        self.skip_line();
        (position(self.text, place), message)
    }

    /// Where a token of an entry of this text begins; past the last one, where the last one does.
    pub(super) fn position(&self, entry: &Entry<'a>, token: usize) -> Position {
        let place = entry.places.get(token).or(entry.places.last());
        place.map_or(Position::FILE, |place| position(self.text, *place))
    }
}

fn position(text: &str, place: Place) -> Position {
    let before = text.as_bytes().get(place.line_start..place.at).unwrap_or_default();
    // Octets that go on with a character are no columns.
    let column = before.iter().filter(|octet| **octet & 0xc0 != 0x80).count() as u32 + 1;
    Position { line: place.line, column }
}
