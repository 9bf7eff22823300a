//! Tables as spreadsheets write them (RFC 4180): a line of headings, then rows. Fields stand between commas; between
//! semicolons or tabs where the headings do, as spreadsheets of many countries write them. Lines that begin with `#` and
//! rows without any content are passed over.

use std::borrow::Cow;

use super::super::yaml::Position;

/// A field of a row.
#[derive(Clone, Debug)]
pub(super) struct Cell<'t> {
    /// What is written, without the spaces around it and without quotes.
    pub(super) text: Cow<'t, str>,
    line: u32,
    line_start: usize,
    start: usize,
}

/// What is wrong with the text as a table.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) at: Position,
    pub(super) message: &'static str,
    pub(super) help: &'static str,
}

/// Reads one row after another.
#[derive(Debug)]
pub(super) struct Table<'t> {
    text: &'t str,
    delimiter: u8,
    at: usize,
    line: u32,
    line_start: usize,
}

impl<'t> Table<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let first = text.lines().find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
        let delimiter = first.bytes().find(|b| matches!(b, b',' | b';' | b'\t')).unwrap_or(b',');
        Self { text, delimiter, at: 0, line: 1, line_start: 0 }
    }

    /// Where a field begins.
    pub(super) fn position(&self, cell: &Cell<'_>) -> Position {
        let column = self.text.get(cell.line_start..cell.start).map_or(0, |before| before.chars().count());
        Position { line: cell.line, column: column as u32 + 1 }
    }

    /// Reads the next row that has any content into `row`; `None` at the end.
    pub(super) fn next(&mut self, row: &mut Vec<Cell<'t>>) -> Option<Result<(), Problem>> {
        while self.at < self.text.len() {
            row.clear();
            if self.rest().starts_with('#') {
                self.skip_line();
                continue;
            }
            loop {
                match self.cell() {
                    Ok((cell, more)) => {
                        row.push(cell);
                        if !more {
                            break;
                        }
                    }
                    Err(problem) => return Some(Err(problem)),
                }
            }
            if row.iter().any(|cell| !cell.text.is_empty()) {
                return Some(Ok(()));
            }
        }
        None
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_line(&mut self) {
        self.at += self.rest().bytes().position(|b| b == b'\n').map_or(self.rest().len(), |end| end + 1);
        self.new_line();
    }

    fn new_line(&mut self) {
        self.line += 1;
        self.line_start = self.at;
    }

    /// A field, and whether another follows in its row.
    fn cell(&mut self) -> Result<(Cell<'t>, bool), Problem> {
        let blanks = self.rest().bytes().take_while(|b| *b == b' ').count();
        self.at += blanks;
        let (line, line_start, start) = (self.line, self.line_start, self.at);
        let cell = |text| Cell { text, line, line_start, start };
        if !self.rest().starts_with('"') {
            let delimiter = self.delimiter;
            let length = self.rest().bytes().position(|b| b == delimiter || b == b'\n').unwrap_or(self.rest().len());
            let text = self.rest().get(..length).unwrap_or_default();
            self.at += length;
            return Ok((cell(Cow::Borrowed(text.trim())), self.ends_cell()));
        }
        let text = self.quoted(line, line_start)?;
        let blanks = self.rest().bytes().take_while(|b| matches!(b, b' ' | b'\r')).count();
        self.at += blanks;
        let next = self.rest().bytes().next();
        if next.is_some_and(|b| b != self.delimiter && b != b'\n') {
            let column = self.text.get(self.line_start..self.at).map_or(0, |before| before.chars().count());
            return Err(Problem {
                at: Position { line: self.line, column: column as u32 + 1 },
                message: "something follows the closing quote",
                help: "a quote inside a quoted field is written twice",
            });
        }
        Ok((cell(text), self.ends_cell()))
    }

    /// Takes the delimiter or the end of the line. Whether it was a delimiter.
    fn ends_cell(&mut self) -> bool {
        match self.rest().bytes().next() {
            Some(b'\n') => {
                self.at += 1;
                self.new_line();
                false
            }
            Some(_) => {
                self.at += 1;
                true
            }
            None => false,
        }
    }

    fn quoted(&mut self, line: u32, line_start: usize) -> Result<Cow<'t, str>, Problem> {
        let open = self.at;
        self.at += 1;
        let start = self.at;
        let mut doubled = false;
        while let Some(octet) = self.text.as_bytes().get(self.at) {
            match octet {
                b'"' if self.text.as_bytes().get(self.at + 1) == Some(&b'"') => {
                    doubled = true;
                    self.at += 2;
                }
                b'"' => {
                    let text = self.text.get(start..self.at).unwrap_or_default();
                    self.at += 1;
                    let text = text.trim();
                    return Ok(if doubled { text.replace("\"\"", "\"").into() } else { text.into() });
                }
                b'\n' => {
                    self.at += 1;
                    self.new_line();
                }
                _ => self.at += 1,
            }
        }
        let column = self.text.get(line_start..open).map_or(0, |before| before.chars().count());
        Err(Problem {
            at: Position { line, column: column as u32 + 1 },
            message: "a quote that opens here is never closed",
            help: "close it at the end of the field",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expected: &[&[(u32, u32, &str)]]) {
        let mut table = Table::new(text);
        let mut row = Vec::new();
        let mut rows = Vec::new();
        while let Some(next) = table.next(&mut row) {
            next.unwrap();
            let place =
                |cell: &Cell<'_>| (table.position(cell).line, table.position(cell).column, cell.text.to_string());
            rows.push(row.iter().map(place).collect::<Vec<_>>());
        }
        let expected: Vec<Vec<(u32, u32, String)>> =
            expected.iter().map(|row| row.iter().map(|(l, c, t)| (*l, *c, (*t).to_owned())).collect()).collect();
        assert_eq!(rows, expected);
    }

    #[test]
    fn rows_and_places() {
        check("a,b\n1, 2 \r\n", &[&[(1, 1, "a"), (1, 3, "b")], &[(2, 1, "1"), (2, 4, "2")]]);
        check("# c\n\na;b,c\n1;2", &[&[(3, 1, "a"), (3, 3, "b,c")], &[(4, 1, "1"), (4, 3, "2")]]);
        check("a\tb\n,\t\n", &[&[(1, 1, "a"), (1, 3, "b")], &[(2, 1, ","), (2, 3, "")]]);
        check(
            "ä,b\n,\n,,\n \"x \"\"y\"\"\n z\" ,é\n",
            &[&[(1, 1, "ä"), (1, 3, "b")], &[(4, 2, "x \"y\"\n z"), (5, 6, "é")]],
        );
        check("", &[]);
        check("\n#\n,,\n", &[]);
    }

    #[test]
    fn what_is_no_table() {
        let first = |text: &str| Table::new(text).next(&mut Vec::new()).unwrap().unwrap_err();
        assert_eq!(first("a,\"b").at, Position { line: 1, column: 3 });
        assert_eq!(first("a,\"b\" c").at, Position { line: 1, column: 7 });
    }

    proptest! {
        #[test]
        fn any_text_comes_to_an_end(text in "[a,;\"#\\t\\n é]*") {
            let mut table = Table::new(&text);
            let mut row = Vec::new();
            for _ in 0..=text.len() {
                match table.next(&mut row) {
                    None | Some(Err(_)) => return Ok(()),
                    Some(Ok(())) => {}
                }
            }
            prop_assert!(false, "more rows than octets");
        }

        #[test]
        fn what_is_written_reads_back(rows in prop::collection::vec(prop::collection::vec("[a-z,\"\\n]{1,4}[x]", 2), 1..5)) {
            let quoted = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
            let text: String = rows.iter().map(|row| row.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n").collect();
            let text = format!("h,h\n{text}");
            let mut table = Table::new(&text);
            let mut row = Vec::new();
            prop_assert!(table.next(&mut row).is_some());
            for expected in &rows {
                prop_assert!(matches!(table.next(&mut row), Some(Ok(()))));
                let got: Vec<String> = row.iter().map(|cell| cell.text.to_string()).collect();
                prop_assert_eq!(got, expected.iter().map(|cell| cell.trim().to_owned()).collect::<Vec<_>>());
            }
        }
    }
}
