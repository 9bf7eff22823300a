//! Presentation text cut into tokens (RFC 1035 §5.1), escapes undone, and what a message may quote of it.

use std::iter::Peekable;

/// Characters of the operator's text that a message quotes at most.
const EXCERPT: usize = 60;

/// What a message quotes of a text: all of it, or its beginning and an ellipsis.
pub fn excerpt(text: &str) -> String {
    let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut out: String = text.chars().take(EXCERPT).map(printable).collect();
    if text.chars().nth(EXCERPT).is_some() {
        out.push('…');
    }
    out
}

/// The octet that an escape stands for, its backslash already taken: `DDD` from 000 to 255, or any other character.
pub fn escape(octets: &mut Peekable<impl Iterator<Item = u8>>) -> Option<u8> {
    let first = octets.next()?;
    if !first.is_ascii_digit() {
        return (first >= b' ').then_some(first);
    }
    let mut value = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = octets.next_if(u8::is_ascii_digit)?;
        value = value * 10 + u16::from(digit - b'0');
    }
    u8::try_from(value).ok()
}

/// A token of presentation text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// As written, without its quotation marks.
    pub text: &'a str,
    /// Whether it stood in quotation marks.
    pub quoted: bool,
}

impl Token<'_> {
    /// The octets it stands for, escapes undone; `None` for a bad escape.
    pub fn octets(&self) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(self.text.len());
        let mut octets = self.text.bytes().peekable();
        while let Some(octet) = octets.next() {
            out.push(if octet == b'\\' { escape(&mut octets)? } else { octet });
        }
        Some(out)
    }
}

/// Why presentation text cannot be cut into tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// A quotation mark is not closed.
    #[error("a quotation mark is not closed")]
    Quote,
    /// A parenthesis has no partner.
    #[error("a parenthesis has no partner")]
    Parenthesis,
}

/// Cuts presentation text into tokens: separated by white space; quoted ones may hold it; parentheses only group lines;
/// `;` begins a comment up to the end of its line. `key="value"` is one token with its inner quotation marks.
pub fn tokens(text: &str) -> Result<Vec<Token<'_>>, TokenError> {
    let mut out = Vec::new();
    let mut open = 0usize;
    let mut chars = text.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        match c {
            c if c.is_ascii_whitespace() => {}
            '(' => open += 1,
            ')' => open = open.checked_sub(1).ok_or(TokenError::Parenthesis)?,
            ';' => while chars.next_if(|(_, c)| *c != '\n').is_some() {},
            '"' => {
                let end = quoted_end(&mut chars)?;
                out.push(Token { text: text.get(start + 1..end).unwrap_or_default(), quoted: true });
            }
            first => {
                let mut end = start + first.len_utf8();
                let mut escaped = first == '\\';
                while let Some((at, c)) = chars.next_if(|(_, c)| {
                    escaped || !(c.is_ascii_whitespace() || matches!(c, '(' | ')' | ';'))
                }) {
                    end = at + c.len_utf8();
                    if !escaped && c == '"' {
                        end = quoted_end(&mut chars)? + 1;
                    }
                    escaped = !escaped && c == '\\';
                }
                out.push(Token { text: text.get(start..end).unwrap_or_default(), quoted: false });
            }
        }
    }
    if open > 0 { Err(TokenError::Parenthesis) } else { Ok(out) }
}

/// Where the closing quotation mark stands, which is taken.
fn quoted_end(chars: &mut Peekable<std::str::CharIndices<'_>>) -> Result<usize, TokenError> {
    let mut escaped = false;
    for (at, c) in chars.by_ref() {
        match c {
            '"' if !escaped => return Ok(at),
            _ => escaped = !escaped && c == '\\',
        }
    }
    Err(TokenError::Quote)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&[&str], &str>) {
        let cut = tokens(text).map_err(|e| e.to_string());
        let cut = cut.as_ref().map(|list| list.iter().map(|t| t.text).collect::<Vec<_>>());
        assert_eq!(cut.as_deref().map_err(|e| e.as_str()), expected);
    }

    #[test]
    fn cutting() {
        check("10 mail", Ok(&["10", "mail"]));
        check(" \"a b\" c\\ d ; rest", Ok(&["a b", "c\\ d"]));
        check("( 1\n 2 ; two\n 3 )", Ok(&["1", "2", "3"]));
        check("1 . alpn=\"h2,h3\" k=\"a b\"", Ok(&["1", ".", "alpn=\"h2,h3\"", "k=\"a b\""]));
        check("\"a\\\"b\"", Ok(&["a\\\"b"]));
        check("\"\"", Ok(&[""]));
        check("\"a", Err("a quotation mark is not closed"));
        check("a)", Err("a parenthesis has no partner"));
        check("(a", Err("a parenthesis has no partner"));
    }
}
