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

/// A time in seconds as master files have it: digits, or numbers with the units `w`, `d`, `h`, `m`, `s` of any case, as in
/// `1h30m`. `None` for anything else, and beyond 32 bits.
pub fn seconds(text: &str) -> Option<u32> {
    let mut total = 0u64;
    let mut number: Option<u64> = None;
    let mut units = false;
    for octet in text.bytes() {
        let unit = match octet.to_ascii_lowercase() {
            digit @ b'0'..=b'9' => {
                let value = number.unwrap_or(0).checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
                number = Some(value);
                continue;
            }
            b'w' => 604_800,
            b'd' => 86_400,
            b'h' => 3600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
        units = true;
    }
    match number {
        Some(_) if units => None,
        Some(value) => u32::try_from(value).ok(),
        None if units => u32::try_from(total).ok(),
        None => None,
    }
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
    cut(text, &mut false)
}

/// Whether presentation text that can be cut holds a comment.
pub fn has_comment(text: &str) -> bool {
    let mut found = false;
    text.contains(';') && cut(text, &mut found).is_ok() && found
}

fn cut<'a>(text: &'a str, comment: &mut bool) -> Result<Vec<Token<'a>>, TokenError> {
    let mut out = Vec::new();
    let mut open = 0usize;
    let mut chars = text.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        match c {
            c if c.is_ascii_whitespace() => {}
            '(' => open += 1,
            ')' => open = open.checked_sub(1).ok_or(TokenError::Parenthesis)?,
            ';' => {
                *comment = true;
                while chars.next_if(|(_, c)| *c != '\n').is_some() {}
            }
            '"' => {
                let end = quoted_end(&mut chars)?;
                out.push(Token { text: text.get(start + 1..end).unwrap_or_default(), quoted: true });
            }
            first => {
                let mut end = start + first.len_utf8();
                let mut escaped = first == '\\';
                while let Some((at, c)) =
                    chars.next_if(|(_, c)| escaped || !(c.is_ascii_whitespace() || matches!(c, '(' | ')' | ';')))
                {
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
    fn times() {
        for (text, expected) in [
            ("0", Some(0)),
            ("4294967295", Some(u32::MAX)),
            ("4294967296", None),
            ("1h30M", Some(5400)),
            ("1w2d", Some(777_600)),
            ("90s", Some(90)),
            ("", None),
            ("h", None),
            ("1h30", None),
            ("1x", None),
            ("-1", None),
            ("99999999999999999999", None),
            ("99999999999w", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
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
        assert!(has_comment("0 issue a;b") && has_comment("a ; b"));
        assert!(!has_comment("0 issue \"a;b\"") && !has_comment("a\\;b") && !has_comment("x=\";\""));
    }
}
