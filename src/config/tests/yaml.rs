//! YAML's own traps.

use std::fmt::Write as _;

use expect_test::expect;

use super::super::yaml::{MAX_BYTES, MAX_COPIES, MAX_DEPTH, read};
use super::super::{Parsed, Source, parse};
use super::{describe, load, records, zone};
use crate::dns::Type;

#[test]
fn an_unquoted_at_sign() {
    records(
        "  @: {A: 192.0.2.1}\n",
        expect![[r#"
        z.yaml:4:3: error: text cannot begin with `@`
          help: quote it: `"@"` is the zone itself"#]],
    );
}

#[test]
fn an_unquoted_asterisk() {
    records(
        "  *: {A: 192.0.2.1}\n",
        expect![[r#"
        z.yaml:4:3: error: text cannot begin with `*`, which marks a YAML alias
          help: quote it: `"*"`"#]],
    );
    records(
        "  *.app: {CNAME: www}\n",
        expect![[r#"
        z.yaml:4:3: error: text cannot begin with `*`, which marks a YAML alias
          help: quote it: `"*.app"`"#]],
    );
    records(
        "  www: {CNAME: *}\n",
        expect![[r#"
        z.yaml:4:16: error: `*` alone is not text in YAML
          help: quote it: `"*"` is the wildcard"#]],
    );
    records(
        "  www: {CNAME: *x}\n",
        expect![[r#"
        z.yaml:4:16: error: text cannot begin with `*`, which marks a YAML alias
          help: quote it: `"*x"`"#]],
    );
}

#[test]
fn tabs() {
    records(
        "\twww: {A: 192.0.2.1}\n",
        expect![[r#"
        z.yaml:4:2: error: a tab where YAML allows only spaces
          help: indent with spaces"#]],
    );
    records(
        "  www:\n  \tA: 192.0.2.1\n",
        expect![[r#"
        z.yaml:5:4: error: a tab where YAML allows only spaces
          help: indent with spaces"#]],
    );
}

#[test]
fn brackets_and_quotes_left_open() {
    zone(
        "zone: example.com\nns: [ns1\nrecords:\n  www: {A: 192.0.2.1}\n",
        expect![[r#"
        z.yaml:2:5: error: `[` is not closed where line 3 goes on, column 8
          help: add the missing `]`"#]],
    );
    records(
        "  www: {A: 192.0.2.1\n  mail: {A: 192.0.2.2}\n",
        expect![[r#"
        z.yaml:4:8: error: `{` is not closed where line 5 goes on, column 7
          help: add the missing `}`"#]],
    );
    records(
        "  www: {A: 192.0.2.1}}\n",
        expect![[r#"
        z.yaml:4:22: error: a closing bracket without an opening one
          help: delete it, or add the opening one"#]],
    );
    records(
        "  www: {A: [192.0.2.1}\n",
        expect![[r#"
        z.yaml:4:12: error: `[` is closed by `}`
          help: close it with its own kind of bracket"#]],
    );
    records(
        "  www: {TXT: \"abc}\n  x: {A: 192.0.2.1}\n",
        expect![[r#"
        z.yaml:4:14: error: a quote that opens here or before is never closed
          help: close it, with the same kind of quote"#]],
    );
    records(
        "  www: {A: [192.0.2.1",
        expect![[r#"
        z.yaml:4:12: error: `[` is never closed
          help: add the missing `]`"#]],
    );
}

#[test]
fn colons() {
    records(
        "  www: {TXT: a: b}\n",
        expect![[r#"
        z.yaml:4:15: error: a `,` or `}` is missing before this
          help: inside `{…}` entries are separated by commas"#]],
    );
    records(
        "  www:\n    TXT: a: b\n",
        expect![[r#"
        z.yaml:5:11: error: a `:` that YAML does not allow here
          help: text with `: ` in it needs quotes; otherwise check the indentation of this line and the one above"#]],
    );
    records(
        "  www\n  x: {A: 192.0.2.1}\n",
        expect![[r#"
        z.yaml:5:4: error: a `:` that YAML does not allow here
          help: text with `: ` in it needs quotes; otherwise check the indentation of this line and the one above"#]],
    );
    records(
        "  www: {A:192.0.2.1}\n",
        expect![[r#"
        z.yaml:4:9: error: `A:192.0.2.1` is not a type, nor a key of an owner name
          help: a space is missing after the colon: `A: 192.0.2.1`"#]],
    );
    records(
        "  www: {TXT: \"a\" b}\n",
        expect![[r#"
        z.yaml:4:18: error: something follows the closing quote
          help: separate entries by commas or lines; inside double quotes write `\"` for a quote"#]],
    );
}

#[test]
fn indentation() {
    records(
        "  www:\n    A: 192.0.2.1\n   AAAA: ::1\n",
        expect![[r#"
        z.yaml:6:4: error: this does not fit the lines above it
          help: check its indentation: entries of one map or list begin in the same column"#]],
    );
    records(
        "  www:\n    A: 192.0.2.1\n mail: {A: 192.0.2.2}\n",
        expect![[r#"
        z.yaml:6:2: error: this does not fit the lines above it
          help: check its indentation: entries of one map or list begin in the same column"#]],
    );
}

#[test]
fn characters() {
    records(
        "  www: {TXT: %x}\n",
        expect![[r#"
        z.yaml:4:14: error: text cannot begin with `%`
          help: text that begins with this character needs quotes"#]],
    );
    records(
        "  www: {TXT: `x`}\n",
        expect![[r#"
        z.yaml:4:14: error: text cannot begin with a backtick
          help: text that begins with this character needs quotes"#]],
    );
    records(
        "  www: {TXT: \"a\\qb\"}\n",
        expect![[r#"
        z.yaml:4:14: error: an unknown `\` escape inside double quotes
          help: write `\\` for a backslash, or use single quotes"#]],
    );
    records(
        "  www: {TXT: a\0b}\n",
        expect![[r#"
        z.yaml:4:15: error: control character U+0000
          help: delete it; inside double quotes `\xNN` writes one"#]],
    );
    records(
        "  www: {TXT: \u{1b}[31m}\n",
        expect![[r#"
        z.yaml:4:14: error: control character U+001B
          help: delete it; inside double quotes `\xNN` writes one"#]],
    );
}

#[test]
fn documents() {
    zone(
        "zone: example.com\nns: [ns.example.net.]\n---\nzone: example.net\n",
        expect![[r#"
        z.yaml:3:1: error: a second document begins here
          help: a file holds one document: put the second into a file of its own"#]],
    );
    zone(
        "%YAML 1.1\n---\nzone: example.com\nns: [ns.example.net.]\n",
        expect![[r#"
        z.yaml:1:1: error: a line that begins with `%` is a YAML directive, and none is read
          help: text that begins with `%` needs quotes"#]],
    );
    zone(
        "",
        expect![[r#"
        z.yaml: error: the file holds nothing
          help: to take a zone out of service, delete its file"#]],
    );
    zone(
        "# only a comment\n",
        expect![[r#"
        z.yaml: error: the file holds nothing
          help: to take a zone out of service, delete its file"#]],
    );
    zone(
        "---\n",
        expect![[r#"
        z.yaml: error: the file holds nothing
          help: to take a zone out of service, delete its file"#]],
    );
    zone(
        "~",
        expect![[r#"
        z.yaml: error: the file holds nothing
          help: to take a zone out of service, delete its file"#]],
    );
    zone(
        "- zone: example.com\n",
        expect![[r#"
        z.yaml:1:1: error: a file is a map of keys
          help: a zone file begins with `zone: example.com`"#]],
    );
    zone(
        "hello\n",
        expect![[r#"
        z.yaml:1:1: error: a file is a map of keys
          help: a zone file begins with `zone: example.com`"#]],
    );
    zone("--- # a marker alone is fine\nzone: example.com\nns: [ns.example.net.]\n...\n", expect![]);
}

#[test]
fn a_byte_order_mark_is_no_column() {
    zone("\u{feff}zone: example.com\nns: [ns.example.net.]\n", expect![]);
    zone(
        "\u{feff}zoone: example.com\n",
        expect![[r#"
        z.yaml:1:1: error: `zoone` is not a key of a zone file
          help: did you mean `zone`?"#]],
    );
    zone(
        "\u{feff}\u{feff}zone: example.com\n",
        expect![[r#"
        z.yaml:1:7: error: the zone has no `ns`
          help: name the servers of the zone: `ns: [ns1, ns2]`, with addresses for both under `records`"#]],
    );
}

#[test]
fn line_ends_of_windows() {
    zone(
        "zone: example.com\r\nns: [ns.example.net.]\r\nrecords:\r\n  www: {A: 192.0.2.256}\r\n",
        expect![[r#"
        z.yaml:4:12: error: `192.0.2.256` is not an IPv4 address
          help: for example `192.0.2.1`"#]],
    );
}

#[test]
fn keys_written_twice_name_both_places() {
    zone(
        "zone: example.com\nns: [ns.example.net.]\nttl: 5\nttl: 6\nns: []\n",
        expect![[r#"
        z.yaml:4:1: error: `ttl` is written twice, first at line 3, column 1
          help: keep one of the two, or join their values
        z.yaml:5:1: error: `ns` is written twice, first at line 2, column 1
          help: keep one of the two, or join their values"#]],
    );
    records(
        "  www: {A: 192.0.2.1, A: 192.0.2.2}\n  www: {AAAA: ::1}\n  WWW: {TXT: x}\n",
        expect![[r#"
        z.yaml:4:23: error: `A` is written twice, first at line 4, column 9
          help: keep one of the two, or join their values
        z.yaml:5:3: error: `www` is written twice, first at line 4, column 3
          help: keep one of the two, or join their values
        z.yaml:6:3: error: `WWW.example.com.` is written twice, first at line 4, column 3
          help: letters of names have no case; join the two"#]],
    );
}

#[test]
fn what_yaml_allows_and_is_not_read() {
    records(
        "  www: {TXT: !text a}\n  <<: {a: b}\n  [a, b]: x\n  ? {c: d}\n  : y\n  : z\n",
        expect![[r#"
        z.yaml:4:14: error: YAML tags like `!text` are not read
          help: leave it out; text that begins with `!` needs quotes
        z.yaml:5:3: error: merge keys (`<<`) are not read
          help: write the keys out; a policy can say `extends:`, and services and checks are shared by name
        z.yaml:6:3: error: a key must be text, not a list or a map
          help: text that begins with `[` or `{` needs quotes
        z.yaml:7:5: error: a key must be text, not a list or a map
          help: text that begins with `[` or `{` needs quotes
        z.yaml:9:5: error: `~` is a map of types and `steer`, not a single value
          help: for example `~: {A: 192.0.2.1}`"#]],
    );
}

#[test]
fn anchors_and_aliases_are_read() {
    let text = "zone: example.com\nns: &ns [ns.example.net.]\nrecords:\n  sub: {NS: *ns}\n  a: &a {TXT: [&t hello, *t]}\n  b: *a\n";
    let loaded = load(&[("z.yaml", text)]);
    expect![[r#"
        z.yaml:5:26: warning: `hello` is written twice
          help: an RRset holds each value once (RFC 2181 §5)"#]]
    .assert_eq(&loaded.diagnostics.to_string());
    expect![[r#"
        example.com. 3600 SOA ns.example.net. hostmaster.example.com. None 7200 1800 1209600 300
        example.com. 3600 NS \x02ns\x07example\x03net\x00 ; z.yaml:2:10
        sub.example.com. 3600 NS \x02ns\x07example\x03net\x00 ; z.yaml:2:10
        a.example.com. 3600 TXT \x05hello ; z.yaml:5:19
        b.example.com. 3600 TXT \x05hello ; z.yaml:5:19
    "#]]
    .assert_eq(&describe(&loaded.zones[0]));
    records("  a: &a {TXT: *a}\n", expect!["z.yaml:4:15: error: this YAML alias lies inside what it refers to"]);
}

/// Values that other readers take for booleans, numbers, times or nothing.
#[test]
fn text_is_read_as_it_was_written() {
    let values = ["NO", "on", "yes", "1.10", "007", "1:20", "0x1F", "1e3", "2024-01-01", "y", "True", "1_000"];
    let mut text = "zone: example.com\nns: [ns.example.net.]\nrecords:\n".to_owned();
    for value in values {
        let _ = writeln!(text, "  {value}: {{TXT: {value}, CAA: 0 issue {value}}}");
    }
    let loaded = load(&[("z.yaml", &text)]);
    assert_eq!(loaded.diagnostics.to_string(), "");
    let texts: Vec<_> = loaded.zones[0].records.iter().filter(|r| r.rtype == Type::TXT).collect();
    assert_eq!(texts.len(), values.len());
    for (value, record) in values.iter().zip(texts) {
        assert_eq!(&record.rdata[1..], value.as_bytes());
        assert_eq!(record.owner.to_string(), format!("{value}.example.com."));
    }
}

#[test]
fn limits() {
    let deep = format!("a: {}{}", "[".repeat(MAX_DEPTH + 1), "]".repeat(MAX_DEPTH + 1));
    zone(&deep, expect!["z.yaml:1:36: error: lists and maps are nested more than 32 deep"]);
    let mut blocks = String::new();
    for level in 0..=MAX_DEPTH {
        let _ = writeln!(blocks, "{}a:", " ".repeat(level));
    }
    zone(&blocks, expect!["z.yaml:33:33: error: lists and maps are nested more than 32 deep"]);
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (before, after) in ('a'..'i').zip('b'..='i') {
        let _ = writeln!(bomb, "{after}: &{after} [{}]", vec![format!("*{before}"); 9].join(", "));
    }
    let document = read(&bomb);
    assert!(!document.whole);
    assert_eq!(document.problems[0].message, format!("YAML aliases copy more than {MAX_COPIES} values into this file"));
    let large = " ".repeat(MAX_BYTES + 1);
    zone(
        &large,
        expect![[r#"
        z.yaml: error: the file has 67108865 bytes, more than the 64 MiB a file may have
          help: split it into several files"#]],
    );
}

#[test]
fn the_origin_is_known_after_a_syntax_error() {
    for (text, origin) in [
        ("zone: example.com\nrecords:\n  @: x\n", Some("example.com.")),
        ("zone: example.com\nrecords: {", Some("example.com.")),
        ("zone: example.com\nns: 7 7 7\nfoo: 1\n", Some("example.com.")),
        ("records:\n  @: x\nzone: example.com\n", None),
        ("zone: {\n", None),
        ("zone: a..b\n", None),
    ] {
        let (parsed, found) = parse(&Source { path: "z.yaml".into(), text: text.into() });
        assert!(found.has_errors(), "{text}");
        assert_eq!(parsed.as_ref().and_then(Parsed::origin).map(ToString::to_string).as_deref(), origin, "{text}");
    }
}
