//! Master files: what they mean, and every message.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::super::link_zone;
use super::super::master;
use super::super::model::Fleet;
use super::super::named::Named;
use super::super::{Parsed, Source, parse_with};
use crate::dns::{Name, Type, rdata};

/// Files that are there.
struct Files(HashMap<String, Vec<u8>>);

impl Files {
    fn of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect())
    }
}

impl Named for Files {
    fn read(&self, path: &str) -> Result<Arc<[u8]>, String> {
        self.0
            .get(path)
            .map(|octets| octets.as_slice().into())
            .ok_or_else(|| "cannot be read: it is not there".to_owned())
    }
}

/// Records of `z/db` among `files` for the zone example.com, then the findings.
fn read(files: &[(&str, &str)]) -> String {
    let files = Files::of(files);
    let octets = files.read("z/db").unwrap();
    let origin = Name::parse("example.com.", None).unwrap();
    let (read, findings) = master::parse(&"z/db".into(), &octets, &origin, &files);
    let mut out = String::new();
    if let Some((soa, serial, place)) = &read.soa {
        let numbers = [*serial, soa.refresh, soa.retry, soa.expire, soa.minimum];
        let _ = writeln!(out, "SOA {} {} {} {numbers:?} ; {place}", soa.ttl, soa.mname, soa.rname);
    }
    for r in read.records.iter() {
        let _ = writeln!(out, "{} {} {} {} ; {}", r.owner, r.ttl, r.rtype, rdata::show(r.rtype, r.rdata), r.location());
    }
    write!(out, "{findings}").unwrap();
    out
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "an Expect is written at the call")]
fn check(text: &str, expected: Expect) {
    expected.assert_eq(&read(&[("z/db", text)]));
}

#[test]
fn rfc1035_s5_1_entries() {
    check(
        "\u{feff}@   IN  SOA  VENERA Action\\.domains ( ; comment (\n\
         \t20 ; SERIAL\n 7200 ; REFRESH\n 600\n 3600000;EXPIRE\n 60) ; MINIMUM\n\
         \n   ; nothing\n\
         \tNS VENERA\n\
         A 300 IN A 26.3.0.103\r\n\
           \tIN 60 AAAA 2001:db8::1\n\
         VENERA\tCLASS1 A 10.1.0.52 ; x\n\
         (\n*.w\n 1h30m ) TXT \"a;b ( \\\" \\\\\" c\\;d\\032e\n\
         a\\.b.example.com. TXT x\"y z\"\n\
         typ TYPE65400 \\# ( 2 be\n ef )\n\
         hex A \\# 4 C0000201\n\
         EXAMPLE.COM. mx 10 @",
        expect![[r#"
            SOA 60 VENERA.example.com. Action\.domains.example.com. [20, 7200, 600, 3600000, 60] ; z/db:1:1
            example.com. 60 NS VENERA.example.com. ; z/db:9:2
            A.example.com. 300 A 26.3.0.103 ; z/db:10:1
            A.example.com. 60 AAAA 2001:db8::1 ; z/db:11:2
            VENERA.example.com. 60 A 10.1.0.52 ; z/db:12:1
            *.w.example.com. 5400 TXT "a;b ( \" \\" "c;d e" ; z/db:14:1
            a\.b.example.com. 5400 TXT "x\"y z\"" ; z/db:16:1
            typ.example.com. 5400 TYPE65400 \# 2 BEEF ; z/db:17:1
            hex.example.com. 5400 A 192.0.2.1 ; z/db:19:1
            EXAMPLE.COM. 5400 MX 10 example.com. ; z/db:20:1
        "#]],
    );
}

#[test]
fn ttls_as_rfc_2308_s4_and_rfc_1035_s5_1() {
    // Nothing said: MINIMUM, then the last one stated.
    check(
        "@ SOA ns h 1 2 3 4 60\na A 192.0.2.1\nb 5m A 192.0.2.1\nc A 192.0.2.1\n",
        expect![[r#"
        SOA 60 ns.example.com. h.example.com. [1, 2, 3, 4, 60] ; z/db:1:1
        a.example.com. 60 A 192.0.2.1 ; z/db:2:1
        b.example.com. 300 A 192.0.2.1 ; z/db:3:1
        c.example.com. 300 A 192.0.2.1 ; z/db:4:1
    "#]],
    );
    // `$TTL` holds for what follows and has none.
    check(
        "$TTL 1d\n@ SOA ns h 1 2 3 4 60\nb 5 A 192.0.2.1\nc A 192.0.2.1\n$TTL 7\nd A 192.0.2.1\n",
        expect![[r#"
        SOA 86400 ns.example.com. h.example.com. [1, 2, 3, 4, 60] ; z/db:2:1
        b.example.com. 5 A 192.0.2.1 ; z/db:3:1
        c.example.com. 86400 A 192.0.2.1 ; z/db:4:1
        d.example.com. 7 A 192.0.2.1 ; z/db:6:1
    "#]],
    );
    check(
        "a A 192.0.2.1\n",
        expect![[r#"
        a.example.com. 3600 A 192.0.2.1 ; z/db:1:1
    "#]],
    );
    check(
        "a 2147483648 A 192.0.2.1\nb 1y A 192.0.2.1\n$TTL x\n$TTL\n",
        expect![[r#"
        z/db:1:3: error: the TTL cannot be `2147483648`
          help: at most 2147483647 seconds, some 68 years (RFC 2181 §8)
        z/db:2:3: error: the TTL cannot be `1y`
          help: seconds as a whole number, or with units: `90s`, `5m`, `1h30m`, `1d`, `1w`
        z/db:3:6: error: the TTL cannot be `x`
          help: seconds as a whole number, or with units: `90s`, `5m`, `1h30m`, `1d`, `1w`
        z/db:4:1: error: `$TTL` wants one time: `$TTL 3600`"#]],
    );
}

#[test]
fn origins_and_includes() {
    let files = [
        (
            "z/db",
            "a A 192.0.2.1\n$ORIGIN sub\nb A 192.0.2.2\n$INCLUDE more x\n\tA 192.0.2.9\nc A 192.0.2.3\n$INCLUDE \"dir/more\"\n",
        ),
        ("z/more", "\tTXT inherited\nin A 192.0.2.4\n$ORIGIN deep\n@ A 192.0.2.5\n$TTL 9\n$INCLUDE dir/more"),
        ("z/dir/more", "m A 192.0.2.6\n"),
    ];
    expect![[r#"
        a.example.com. 3600 A 192.0.2.1 ; z/db:1:1
        b.sub.example.com. 3600 A 192.0.2.2 ; z/db:3:1
        b.sub.example.com. 3600 TXT "inherited" ; z/more:1:2
        in.x.sub.example.com. 3600 A 192.0.2.4 ; z/more:2:1
        deep.x.sub.example.com. 3600 A 192.0.2.5 ; z/more:4:1
        m.deep.x.sub.example.com. 9 A 192.0.2.6 ; z/dir/more:1:1
        b.sub.example.com. 9 A 192.0.2.9 ; z/db:5:2
        c.sub.example.com. 9 A 192.0.2.3 ; z/db:6:1
        m.sub.example.com. 9 A 192.0.2.6 ; z/dir/more:1:1
    "#]]
    .assert_eq(&read(&files));
    let wrong = [
        (
            "z/db",
            "$INCLUDE ../db\n$INCLUDE /db\n$INCLUDE db\n$INCLUDE none\n$INCLUDE\n$INCLUDE a b c\n$INCLUDE a b..c\n$INCLUDE bad\n",
        ),
        ("z/bad", "x A\n"),
    ];
    expect![[r#"
        z/bad:1:3: error: A wants `ADDRESS`, for example `192.0.2.1`
        z/db:1:10: error: `../db` leads upward by `..`; only files beside this one or below it are read
          help: name a file beside this one, or below it, for example `db.example.com`
        z/db:2:10: error: `/db` is an absolute path; only files in the directory of zone files are read
          help: name a file beside this one, or below it, for example `db.example.com`
        z/db:3:10: error: z/db includes itself, by way of this line
          help: take one of the `$INCLUDE` out
        z/db:4:10: error: `z/none` cannot be read: it is not there
        z/db:5:1: error: `$INCLUDE` wants a file, and may have an origin: `$INCLUDE FILE [NAME]`
        z/db:6:1: error: `$INCLUDE` wants a file, and may have an origin: `$INCLUDE FILE [NAME]`
        z/db:7:12: error: `b..c` has an empty label; two dots stand side by side or one stands first"#]]
    .assert_eq(&read(&wrong));
}

#[test]
fn includes_that_multiply_come_to_an_end() {
    for (depth, told) in [
        (20, "z/14:1:10: error: `$INCLUDE` is nested deeper than 16 files"),
        (13, "error: more than 10000 `$INCLUDE` in one zone"),
    ] {
        let text = |n: i32| if n == depth { String::new() } else { format!("$INCLUDE {0}\n$INCLUDE {0}\n", n + 1) };
        let files: Vec<(String, String)> = (0..=depth).map(|n| (format!("z/{n}"), text(n))).collect();
        let mut files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        files.push(("z/db", "$INCLUDE 0\n"));
        let findings = read(&files);
        assert!(findings.contains(told) && findings.lines().count() == 1, "{findings}");
    }
}

#[test]
fn everything_wrong_at_once() {
    check(
        " A 192.0.2.1\n\
         www IN A 192.0.2.300\n\
         mail MX 10\n\
         x CH TXT y\n\
         y AAA 2001:db8::1\n\
         z\n\
         other.example.net. A 192.0.2.1\n\
         a..b A 192.0.2.1\n\
         \tAAAA ::1\n\
         q TXT \"open\n\
         ä TXT )\n\
         www.example.com A 192.0.2.1\n\
         www CNAME www.example.com\n\
         ok A 192.0.2.7\n\
         \t$TTL 3\n\
         $ORIGN x.\n\
         $GENERATE 1-9 h$ A 192.0.2.$\n\
         r RRSIG A 13 2 60 20300101000000 20200101000000 1 example.com. AAAA\n\
         s RRSIG x\n\
         t ANY x\n\
         sub SOA a b 1 2 3 4 5\n\
         @ SOA a b 1 2 3 4 5\n\
         @ SOA a b 1 2 3 4 5\n\
         u HTTPS 1 . alpm=h2\n\
         v TYPE65400 x\n\
         w A ( 192.0.2.1\n\
         lost A 192.0.2.1\n",
        expect![[r#"
            SOA 5 a.example.com. b.example.com. [1, 2, 3, 4, 5] ; z/db:22:1
            www.example.com.example.com. 3600 A 192.0.2.1 ; z/db:12:1
            www.example.com. 3600 CNAME www.example.com.example.com. ; z/db:13:1
            ok.example.com. 3600 A 192.0.2.7 ; z/db:14:1
            z/db:1:2: error: no record before this one has an owner name
              help: begin the line with the name the record belongs to; `@` is the zone's own
            z/db:2:10: error: `192.0.2.300` is not an IPv4 address
              help: for example `192.0.2.1`
            z/db:3:9: error: MX wants `PREFERENCE NAME`, for example `10 mail`
            z/db:4:3: error: class `CH` is not served; zones are of class IN
              help: leave the class out, or write `IN`
            z/db:5:3: error: `AAA` is not a type
              help: did you mean `AAAA`?
            z/db:6:1: error: this record has no type
              help: for example `www 3600 IN A 192.0.2.1`
            z/db:7:1: error: `other.example.net.` is not in zone `example.com.`
              help: a zone's file holds names at or below the zone's own; look for a forgotten `$ORIGIN`
            z/db:8:1: error: `a..b` has an empty label; two dots stand side by side or one stands first
            z/db:10:7: error: a quotation mark is not closed on its line
            z/db:11:7: error: a parenthesis is closed that was not opened
            z/db:12:1: warning: `www.example.com` is read as `www.example.com.example.com.`
              help: names are relative to the origin: end it in a dot, or leave the zone's name out
            z/db:13:11: warning: `www.example.com` is read as `www.example.com.example.com.`
              help: names are relative to the origin: end it in a dot, or leave the zone's name out
            z/db:15:2: error: `$TTL` is not a type
              help: `$ORIGIN`, `$TTL` and `$INCLUDE` begin their line, without white space before them
            z/db:16:1: error: `$ORIGN` is not a control entry
              help: did you mean `$ORIGIN`? accepted here: `$ORIGIN`, `$TTL`, `$INCLUDE`
            z/db:17:1: error: `$GENERATE` is not supported
              help: write its records out; `named-compilezone` does that for a whole file
            z/db:18:3: error: `RRSIG` comes with signing, which is planned, not in this version
              help: export the zone unsigned
            z/db:20:3: error: class `ANY` is not served; zones are of class IN
              help: leave the class out, or write `IN`
            z/db:21:1: error: `sub.example.com.` has an SOA, but the zone is `example.com.`
              help: a zone has one SOA, at its own name
            z/db:23:1: error: a second SOA; the first is at z/db:22:1
              help: a zone has one SOA, at its own name
            z/db:24:9: error: `alpm` is not a parameter
              help: `mandatory`, `alpn`, `no-default-alpn`, `port`, `ipv4hint`, `ech`, `ipv6hint`, `dohpath`, `ohttp`, or `key123=…` for any other
            z/db:25:13: error: TYPE65400 has no text form here
              help: write its octets as RFC 3597 has it: `\# LENGTH HEX`, for example `\# 2 beef`
            z/db:26:5: error: a parenthesis is not closed"#]],
    );
}

#[test]
fn findings_have_an_end() {
    let text = "x A y\n".repeat(2000);
    let told = read(&[("z/db", &text)]);
    assert_eq!(told.lines().filter(|line| line.contains("error")).count(), 501);
    assert!(told.ends_with("z/db: error: 1500 more findings are not shown"), "{}", told.lines().last().unwrap());
}

#[test]
fn octets_beyond_utf8_mean_themselves() {
    let origin = Name::parse("example.com.", None).unwrap();
    let (read, findings) =
        master::parse(&"db".into(), b"x TXT caf\xe9 \\\xe9 \"\xff\" ; \xfc\n", &origin, &Files::of(&[]));
    assert_eq!(findings.to_string(), "");
    assert_eq!(rdata::show(Type::TXT, read.records.get(0).unwrap().rdata), "\"caf\\233\" \"\\233\" \"\\255\"");
}

/// Findings of a zone in YAML with a master file, and what the zone is.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "an Expect is written at the call")]
fn both(yaml: &str, db: &str, expected: Expect) {
    let source = Source { path: "z/a.yaml".into(), text: format!("zone: example.com\nzonefile: db\n{yaml}").into() };
    let (parsed, mut findings) = parse_with(&source, &Files::of(&[("z/db", db)]), 0);
    let Some(Parsed::Zone(zone)) = parsed else { panic!("{findings}") };
    let (model, found) = link_zone(&zone, &Fleet::default());
    findings.extend(found);
    let told = model.map(|model| super::describe(&model)).unwrap_or_default();
    expected.assert_eq(&format!("{told}{findings}"));
}

#[test]
fn a_zone_in_two_files() {
    const DB: &str = "@ 60 SOA ns1 h 1 2 3 4 60\n NS ns1\nns1 A 192.0.2.1\n";
    both(
        "",
        DB,
        expect![[r#"
        example.com. 60 SOA ns1.example.com. h.example.com. Some(1) 2 3 4 60
        example.com. 60 NS \x03ns1\x07example\x03com\x00 ; z/db:2:2
        ns1.example.com. 60 A \xc0\x00\x02\x01 ; z/db:3:1
    "#]],
    );
    both(
        "soa: {minimum: 30}\nns: [ns.example.net.]\n",
        DB,
        expect![[r#"
        example.com. 3600 SOA ns.example.net. hostmaster.example.com. None 7200 1800 1209600 30
        example.com. 3600 NS \x02ns\x07example\x03net\x00 ; z/a.yaml:4:6
        ns1.example.com. 60 A \xc0\x00\x02\x01 ; z/db:3:1
        z/db:1:1: warning: this SOA is not served: `soa:` in z/a.yaml takes its place
          help: keep one of the two
        z/db:2:2: warning: the zone's NS here are not served: `ns:` in z/a.yaml takes their place
          help: keep one of the two"#]],
    );
    both(
        "ttl: 77\nns: [ns1]\n",
        "ns1 A 192.0.2.1\n",
        expect![[r#"
        example.com. 77 SOA ns1.example.com. hostmaster.example.com. None 7200 1800 1209600 300
        example.com. 77 NS \x03ns1\x07example\x03com\x00 ; z/a.yaml:4:6
        ns1.example.com. 77 A \xc0\x00\x02\x01 ; z/db:1:1
    "#]],
    );
    both(
        "records: {ns1: {A: 192.0.2.9, TXT: x}}\n",
        DB,
        expect![[r#"
        z/db:3:1: error: A of `ns1.example.com.` is already at z/a.yaml:3:20
          help: an RRset stands in one of the two files"#]],
    );
    both(
        "",
        "@ NS ns1\n",
        expect![[r#"
        example.com. 3600 SOA ns1.example.com. hostmaster.example.com. None 7200 1800 1209600 300
        example.com. 3600 NS \x03ns1\x07example\x03com\x00 ; z/db:1:1
        z/db:1:1: warning: name server `ns1.example.com.` has no address in this zone
          help: write its `A` or `AAAA` under `records`, or end the name in a dot when it lies elsewhere"#]],
    );
    both(
        "",
        "; nothing\n",
        expect![[r#"
        z/a.yaml:2:11: error: `z/db` holds no records
          help: to do without it, delete this line"#]],
    );
}

/// A second reader of entries, by the book and a character at a time: lines joined inside parentheses, comments dropped,
/// words of what is left. For texts without quotation marks and escapes.
fn naive(text: &str) -> Option<Vec<(bool, Vec<String>)>> {
    let mut out = Vec::new();
    let (mut depth, mut joined) = (0i32, String::new());
    for line in text.split('\n') {
        let line = line.split(';').next().unwrap_or_default();
        for c in line.chars() {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth < 0 {
                return None;
            }
            joined.push(if matches!(c, '(' | ')') { '\u{1}' } else { c });
        }
        if depth == 0 {
            let blank = joined.starts_with([' ', '\t']);
            let words: Vec<String> = joined
                .split(|c: char| c.is_ascii_whitespace() || c == '\u{1}')
                .filter(|w| !w.is_empty())
                .map(str::to_owned)
                .collect();
            if !words.is_empty() {
                out.push((blank, words));
            }
            joined.clear();
        } else {
            joined.push(' ');
        }
    }
    (depth == 0).then_some(out)
}

/// Entries of TXT records: a few words that may be owner, type and data.
fn entries() -> impl Strategy<Value = String> {
    let word =
        prop::sample::select(vec!["a", "b", "TXT", "IN", "60", " ", "\t", "\n", "(", ")", ";", "\n", " TXT x\n", "c "]);
    prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn the_naive_reader_agrees(text in entries()) {
        let origin = Name::parse("example.com.", None).unwrap();
        let (read, findings) = master::parse(&"db".into(), text.as_bytes(), &origin, &Files::of(&[]));
        let Some(entries) = naive(&text) else {
            prop_assert!(findings.has_errors());
            return Ok(());
        };
        let mut owner: Option<String> = None;
        let mut expected = Vec::new();
        for (blank, words) in entries {
            let mut rest = words.as_slice();
            if !blank {
                owner = Some(rest[0].clone());
                rest = &rest[1..];
            }
            let is_number = |w: &str| w.starts_with(|c: char| c.is_ascii_digit());
            let (mut ttl, mut class) = (false, false);
            while let Some((first, tail)) = rest.split_first() {
                if is_number(first) && !ttl && first.bytes().all(|b| b.is_ascii_digit()) && first.len() < 10 {
                    ttl = true;
                } else if first == "IN" && !class {
                    class = true;
                } else {
                    break;
                }
                rest = tail;
            }
            if let Some((rtype, data)) = rest.split_first()
                && rtype == "TXT" && !data.is_empty()
                && let Some(owner) = &owner
            {
                expected.push(format!("{owner}.example.com. {data:?}").replace('\n', ""));
            }
        }
        let got: Vec<String> = read.records.iter().filter(|r| r.rtype == Type::TXT).map(|r| {
            let shown = rdata::show(Type::TXT, r.rdata).replace("\" \"", "\", \"");
            format!("{} [{shown}]", r.owner)
        }).collect();
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn any_octets_are_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let origin = Name::parse("example.com.", None).unwrap();
        let _ = master::parse(&"db".into(), &octets, &origin, &Files::of(&[]));
    }

    #[test]
    fn pieces_of_master_files_are_read_or_refused(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "@", " ", "\n", "\t", "IN", "SOA", "a.b.", "(", ")", ";", "\"", "\\", "\\0", "\\255", "$ORIGIN", "$TTL",
                "$INCLUDE", "A", "192.0.2.1", "TXT", "1h", "60", "é", "\u{feff}", "\r", "\\#", "LOC", "SVCB", "1", ".", "=",
            ]),
            0..60,
        )
    ) {
        let origin = Name::parse("example.com.", None).unwrap();
        let text = pieces.concat();
        let (_, findings) = master::parse(&"db".into(), text.as_bytes(), &origin, &Files::of(&[]));
        for finding in &findings.0 {
            let line = text.split('\n').nth(finding.location.line as usize - 1);
            prop_assert!(line.is_some_and(|l| finding.location.column as usize <= l.chars().count() + 1), "{}", finding);
        }
    }
}
