use proptest::prelude::*;

use super::*;

fn origin() -> Name {
    Name::parse("example.com.", None).unwrap()
}

fn hex(wire: &[u8]) -> String {
    wire.iter().flat_map(|o| [o >> 4, o & 15]).filter_map(|d| char::from_digit(u32::from(d), 16)).collect()
}

#[track_caller]
fn check(rtype: &str, text: &str, expected: &str) {
    let rtype = Type::parse(rtype).unwrap();
    let got = match parse(rtype, text, &origin()) {
        Ok(rdata) => hex(&rdata.wire),
        Err(e) => e.help.map_or(e.message.clone(), |help| format!("{} / {help}", e.message)),
    };
    assert_eq!(got, expected, "{rtype} {text}");
}

const MAIL: &str = "046d61696c076578616d706c6503636f6d00";

#[test]
fn numbers_names_and_addresses() {
    check("A", "192.0.2.1", "c0000201");
    check("AAAA", "2001:db8::1", "20010db8000000000000000000000001");
    check("MX", "10 mail", &format!("000a{MAIL}"));
    check("MX", "10 mail.", "000a046d61696c00");
    check("NS", "@", "076578616d706c6503636f6d00");
    check("SRV", "0 5 5060 mail", &format!("0000000513c4{MAIL}"));
    check("DNAME", "mail", MAIL);
    check("RP", "mail .", &format!("{MAIL}00"));
    check("SOA", "mail . ( 1 2 ; comment\n 3 4 5 )", &format!("{MAIL}000000000100000002000000030000000400000005"));
    check("NAPTR", "100 10 \"S\" SIP+D2U \"\" .", "0064000a0153075349502b4432550000");
    check("HINFO", "amd64 \"Debian 12\"", "05616d643634094465626961 6e203132".replace(' ', "").as_str());
}

#[test]
fn octets() {
    check("DS", "60485 5 250 2BB1 83af", "ec4505fa2bb183af");
    check(
        "DS",
        "60485 5 1 2BB1 83af",
        "a digest of this type has 20 octets, not 4 / resolvers refuse the whole answer otherwise: copy the digest whole",
    );
    check("DS", "\\# 5 ec45050112", "these 5 octets are not the data of type DS");
    check("DNSKEY", "256 3 5 AQPS KmyA", "0100030501 03d22a6c80".replace(' ', "").as_str());
    check("TLSA", "3 1 1 d2ab", "030101d2ab");
    check("SSHFP", "4 9 12 34", "04091234");
    check("OPENPGPKEY", "AQPS", "0103d2");
    check("EUI48", "00-00-5e-00-53-2a", "00005e00532a");
    check("URI", "10 1 \"ftp://a/\"", "000a00016674703a2f2f612f");
    check("OPENPGPKEY", "AQPSK", "`AQPSK` is not base64 / OPENPGPKEY wants `BASE64`, for example `mQENBFVHm5sBCAC6`");
}

#[test]
fn texts_as_semantics_6_10() {
    check("TXT", "v=spf1 -all; \\x", "0f763d73706631202d616c6c3b205c78");
    check("TXT", "\"a b\" \"c\\\"\\065\"", "03612062036322 41".replace(' ', "").as_str());
    check("TXT", "", "00");
    check("TXT", "\"\"", "00");
    let long = parse(Type::TXT, &"x".repeat(300), &origin()).unwrap();
    assert_eq!((long.wire.len(), long.wire[0], long.wire[256]), (302, 255, 45));
    check("TXT", "\"a", "`\"a`: a quotation mark is not closed");
}

#[test]
fn types_with_a_grammar_of_their_own() {
    check("HTTPS", "1 . alpn=h2,h3", "000100000100060268 32026833".replace(' ', "").as_str());
    check("HTTPS", "1 mail port=443 alpn=h2", &format!("0001{MAIL}0001000302683200030002 01bb").replace(' ', ""));
    check("SVCB", "16 . key667=\"hello\\210qoo\"", "001000029b000968656c6c6fd2716f6f");
    check("SVCB", "0 mail.", "0000046d61696c00");
    check("SVCB", "1 . ipv4hint=192.0.2.1 mandatory=ipv4hint", "00010000000002000400040004c0000201");
    check(
        "SVCB",
        "1 . mandatory=alpn",
        "`mandatory` names `alpn`, which is not given / SVCB wants `PRIORITY NAME [KEY=VALUE …]`, for example `1 . alpn=h2 port=8443`",
    );
    check("CAA", "0 issue \"ca.example.net\"", "000569737375656361 2e6578616d706c652e6e6574".replace(' ', "").as_str());
    check(
        "CAA",
        "0 \"\" 0",
        "`` is not a property like `issue`, `issuewild` or `iodef` / CAA wants `FLAGS TAG VALUE`, for example `0 issue \"ca.example.net\"`",
    );
    check("CSYNC", "66 3 A NS AAAA", "0000004200030004600000 08".replace(' ', "").as_str());
}

#[test]
fn any_type_as_octets() {
    check("TYPE65400", "\\# 2 beef", "beef");
    check("TYPE65400", "\\# 0", "");
    check("A", "\\# 4 c000 0201", "c0000201");
    check("A", "\\# 2 beef", "these 2 octets are not the data of type A");
    check("MX", "\\# 3 000a00", "000a00");
    check("MX", "\\# 5 000a00c000", "these 5 octets are not the data of type MX");
    check(
        "TYPE65400",
        "\\# 3 beef",
        "the length says 3 octets, but 2 are written / RFC 3597 data is `\\# LENGTH HEX`, for example `\\# 2 beef`",
    );
}

#[test]
fn errors_in_words() {
    check("A", "300.1.2.3", "`300.1.2.3` is not an IPv4 address / for example `192.0.2.1`");
    check("A", "2001:db8::1", "`2001:db8::1` is not an IPv4 address / addresses of the other family go under `AAAA`");
    check("A", "192.0.2.1 192.0.2.2", "A wants `ADDRESS`, for example `192.0.2.1`");
    check("MX", "mail", "`mail` is not a number from 0 to 65535 / MX wants `PREFERENCE NAME`, for example `10 mail`");
    check("MX", "10", "MX wants `PREFERENCE NAME`, for example `10 mail`");
    check(
        "SRV",
        "0 5 70000 x",
        "`70000` is not a number from 0 to 65535 / SRV wants `PRIORITY WEIGHT PORT NAME`, for example `0 5 5060 sip`",
    );
    check("CNAME", "a..b", "`a..b` has an empty label; two dots stand side by side or one stands first");
    check("ANY", "x", "ANY is asked for, never written in a zone");
    check(
        "TYPE65400",
        "x",
        "TYPE65400 has no text form here / write its octets as RFC 3597 has it: `\\# LENGTH HEX`, for example `\\# 2 beef`",
    );
    check("HTTPS", "1", "HTTPS wants `PRIORITY NAME [KEY=VALUE …]`, for example `1 . alpn=h2,h3`");
}

/// Every type with a text form here.
fn written() -> Vec<Type> {
    (0..300u16).map(Type).filter(|t| usage(*t).is_some()).collect()
}

#[test]
fn every_example_reads() {
    for rtype in written() {
        let example = usage(rtype).unwrap().1;
        let rdata = parse(rtype, example, &origin()).unwrap_or_else(|e| panic!("{rtype}: {e}"));
        let generic = format!("\\# {} {}", rdata.wire.len(), hex(&rdata.wire));
        assert_eq!(parse(rtype, &generic, &origin()).unwrap(), rdata, "{rtype}");
        assert_eq!(parse(rtype, &show(rtype, &rdata.wire), &origin()).unwrap(), rdata, "{rtype}");
    }
}

/// hickory's reading of what it can read, as oracle of the table.
#[test]
fn the_table_agrees_with_hickory() {
    use hickory_proto::rr::{RData, RecordType};
    use hickory_proto::serialize::binary::BinEncodable;
    for (rtype, text) in [
        (Type::MX, "10 mail.example.com."),
        (Type::SOA, "ns1.a. h.b. 1 2 3 4 5"),
        (Type::SRV, "1 2 3 a.b."),
        (Type::NAPTR, "100 10 \"S\" \"SIP+D2U\" \"!^.*$!x!\" a.b."),
        (Type::TLSA, "3 1 1 d2abde240d7cd3ee"),
        (Type::SSHFP, "1 1 123456789abcdef67890123456789abcdef67890"),
        (Type::HINFO, "\"a\" \"b\""),
        (Type::AAAA, "2001:db8::1"),
        (Type::TXT, "\"a b\" \"c\""),
    ] {
        let theirs = RData::try_from_str(RecordType::from(rtype.0), text).unwrap().to_bytes().unwrap();
        assert_eq!(hex(&parse(rtype, text, &origin()).unwrap().wire), hex(&theirs), "{rtype} {text}");
    }
}

/// The text of RDATA as `domain` has it, a codec that shares no code with ours.
fn second_codec(rtype: Type, wire: &[u8]) -> String {
    use domain::base::{Message, ParsedName};
    use domain::rdata::AllRecordData;
    let mut message = vec![0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0];
    message.extend(rtype.0.to_be_bytes());
    message.extend([0, 1, 0, 0, 0, 60]);
    message.extend((wire.len() as u16).to_be_bytes());
    message.extend(wire);
    let message = Message::from_octets(message).unwrap();
    let record = message.answer().unwrap().next().unwrap().unwrap();
    match record.into_any_record::<AllRecordData<&[u8], ParsedName<&[u8]>>>() {
        Ok(record) => record.data().to_string(),
        Err(error) => format!("refused: {error}"),
    }
}

/// Every type people host: text as it is written, as `show` has it, and as the second codec has it (`=`: the same).
#[test]
fn every_type_to_wire_and_back_by_two_codecs() {
    let rows = include_str!("every_type.txt");
    let mut seen = std::collections::HashSet::new();
    let mut differ = Vec::new();
    for row in rows.lines().filter(|row| !row.starts_with('#') && !row.is_empty()) {
        let (rtype, row) = row.split_once(' ').unwrap();
        let rtype = Type::parse(rtype).unwrap();
        seen.insert(rtype);
        let columns: Vec<&str> = row.split(" | ").map(str::trim).collect();
        let [written, ours, theirs] = columns.as_slice() else { panic!("{row}") };
        let rdata = parse(rtype, written, &origin()).unwrap_or_else(|e| panic!("{rtype} {written}: {e}"));
        let shown = show(rtype, &rdata.wire);
        let same = |column: &str, other: &str| if column == "=" { other.to_owned() } else { column.to_owned() };
        assert_eq!(shown, same(ours, written), "{rtype} {written}");
        let second = second_codec(rtype, &rdata.wire).trim_end().to_owned();
        if second != same(theirs, &shown) {
            differ.push(format!("{rtype} {written}: {second}"));
        }
        assert_eq!(parse(rtype, &shown, &Name::root()).unwrap(), rdata, "{rtype} {written}");
    }
    assert!(differ.is_empty(), "the second codec says otherwise:\n{}", differ.join("\n"));
    let missing: Vec<_> = written().into_iter().filter(|t| !seen.contains(t)).collect();
    assert_eq!(missing, [], "every type with a text form stands in the table");
}

#[test]
fn service_parameters() {
    const WANTS: &str = " / SVCB wants `PRIORITY NAME [KEY=VALUE …]`, for example `1 . alpn=h2 port=8443`";
    let wrong = |text: &str, message: &str| check("SVCB", text, &format!("{message}{WANTS}"));
    // RFC 9460 appendix D.2, the last two: both ways of writing a comma and a backslash.
    let odd = "0010000001000c08665c6f6f2c6261720268 32".replace(' ', "");
    check("SVCB", r#"16 . alpn="f\\\\oo\\,bar,h2""#, &odd);
    check("SVCB", r"16 . alpn=f\\\092oo\092,bar,h2", &odd);
    // Appendix D.3.
    wrong("1 . key123=abc key123=def", "parameter `key123` stands twice");
    wrong("1 . mandatory", "`mandatory`: its value is missing");
    wrong("1 . alpn", "`alpn`: its value is missing");
    wrong("1 . port", "`port`: its value is missing");
    wrong("1 . ipv4hint", "`ipv4hint`: its value is missing");
    wrong("1 . no-default-alpn=abc", "`no-default-alpn=abc`: it has no value");
    wrong("1 . mandatory=key123", "`mandatory` names `key123`, which is not given");
    wrong("1 . mandatory=mandatory", "`mandatory=mandatory`: each is a parameter, once, and not `mandatory`");
    wrong(
        "1 . mandatory=key123,key123 key123=abc",
        "`mandatory=key123,key123`: each is a parameter, once, and not `mandatory`",
    );
    wrong("1 . no-default-alpn", "`no-default-alpn` without `alpn` leaves no protocol");
    wrong("1 . ipv4hint=auto", "`ipv4hint=auto`: IPv4 addresses, between commas");
    wrong("1 . key3=abc", "`key3=abc` is not the value of `port`");
    wrong("1 . port=65536", "`port=65536`: a port is a number from 0 to 65535");
    wrong("1 . alpn=h2,,h3", "`alpn=h2,,h3`: values stand between commas, none empty; a comma in one is `\\\\,`");
    check(
        "HTTPS",
        "1 . apln=h2",
        "`apln` is not a parameter / `mandatory`, `alpn`, `no-default-alpn`, `port`, `ipv4hint`, `ech`, `ipv6hint`, `dohpath`, `ohttp`, or `key123=…` for any other",
    );
    check(
        "SVCB",
        "1 . key65535=x",
        "`key65535` is not a parameter / `mandatory`, `alpn`, `no-default-alpn`, `port`, `ipv4hint`, `ech`, `ipv6hint`, `dohpath`, `ohttp`, or `key123=…` for any other",
    );
}

#[test]
fn places() {
    const WANTS: &str = " / LOC wants `DEGREES [MINUTES [SECONDS]] N|S DEGREES [MINUTES [SECONDS]] E|W ALTITUDE[m] [SIZE[m] \
        [HORIZONTAL[m] [VERTICAL[m]]]]`, for example `52 22 23.000 N 4 53 32.000 E -2.00m 1m 10000m 10m`";
    // RFC 1876 §4, SW1A2AA.UK.
    check("LOC", "51 30 12.748 N 00 07 39.611 W 0.00m 0.00m 0.00m 0.00m", "000000008b0d2c8c7ff8fca500989680");
    check("LOC", "90 N 180 W 42849672.95m 90000000m", "00991613934fd90059604e00ffffffff");
    check("LOC", "91 N 0 E 0", &format!("`91` is not degrees from 0 to 90{WANTS}"));
    check("LOC", "90 0 0.001 N 0 E 0", "more than 90 degrees N");
    check("LOC", "1 60 N 0 E 0", &format!("`60` is not minutes from 0 to 59{WANTS}"));
    check(
        "LOC",
        "1 N 0 E -100000.01",
        &format!("`-100000.01` is not an altitude from -100000.00m to 42849672.95m{WANTS}"),
    );
    check("LOC", "1 N 0 E 0 90000001", &format!("`90000001` is not a size from 0m to 90000000.00m{WANTS}"));
    check("LOC", "1 N 0 E", WANTS.strip_prefix(" / ").unwrap());
}

proptest! {
    /// Whatever octets a record holds, its text reads back to the same, and the second codec agrees on what is malformed
    /// where it looks.
    #[test]
    fn any_octets_show_and_read_back(index in 0usize..64, wire in prop::collection::vec(any::<u8>(), 0..40)) {
        let types = written();
        let rtype = types[index % types.len()];
        if is_well_formed(rtype, &wire) {
            prop_assert_eq!(&*parse(rtype, &show(rtype, &wire), &Name::root()).unwrap().wire, wire.as_slice());
        } else {
            prop_assert!(show(rtype, &wire).starts_with("\\# "));
        }
    }

    #[test]
    fn any_text_reads_or_says_why(index in 0usize..64, text in "\\PC{0,40}") {
        let types = written();
        let rtype = types[index % types.len()];
        if let Ok(rdata) = parse(rtype, &text, &origin()) {
            prop_assert!(is_well_formed(rtype, &rdata.wire));
            prop_assert_eq!(parse(rtype, &show(rtype, &rdata.wire), &origin()), Ok(rdata));
        }
    }

    #[test]
    fn texts_like_records(index in 0usize..64, text in "[0-9a-z\"\\\\=,. #:;()/+-]{0,40}") {
        let types = written();
        let rtype = types[index % types.len()];
        if let Ok(rdata) = parse(rtype, &text, &origin()) {
            prop_assert!(is_well_formed(rtype, &rdata.wire));
            prop_assert_eq!(parse(rtype, &show(rtype, &rdata.wire), &origin()), Ok(rdata));
        }
    }
}
