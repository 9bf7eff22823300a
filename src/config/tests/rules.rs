//! Rules and fences, inline, in tables and in lists.

use expect_test::{Expect, expect};

use super::{fleet, load_with};
use crate::steering::{Effect, Match, Policy};

const POPS: &str = "\
pops: {fra: {at: [50, 8.6]}, ams: {at: [52.3, 4.8]}, iad: {at: [38.9, -77.4]}}
services: {web: {policy: p, pops: {fra: 192.0.2.1, ams: 192.0.2.2, iad: 192.0.2.3}}}
";

/// Findings of the rules of one policy.
#[track_caller]
fn rules(text: &str, expected: Expect) {
    fleet(&format!("{POPS}policies:\n  p:\n    rules:\n{text}"), expected);
}

fn with_file(key: &str, name: &str, text: &str) -> super::Loaded {
    let fleet = format!("{POPS}policies: {{p: {{{key}: [{{file: {name}}}]}}}}\n");
    load_with(&[("z/f.yaml", &fleet)], &[(&format!("z/{name}"), text)], 0)
}

/// Findings of a table of rules.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "an Expect is written at the call")]
fn table(text: &str, expected: Expect) {
    expected.assert_eq(&with_file("rules", "t.csv", text).diagnostics.to_string());
}

fn policy(loaded: super::Loaded) -> Policy {
    assert_eq!(loaded.diagnostics.to_string(), "");
    Policy::clone(&loaded.fleet.unwrap().policies[0].policy)
}

#[test]
fn what_is_matched() {
    rules(
        "
      - {match: {}, order: fra}
      - {match: {asn: 1, country: DE}, order: fra}
      - {match: {cuntry: DE}, order: fra}
      - {order: fra}
      - {match: {prefix: [192.0.2.1/24, x, 10/8]}, order: fra}
      - {match: {asn: [0, x, AS4294967296]}, order: fra}
      - {match: {country: [UK, EU, ZZ, Germany, XK]}, order: fra}
      - {match: {continent: [Europe, XX, EU]}, order: fra}
      - {match: {subdivision: [California, UK-LND]}, order: fra}
      - {match: {subdivision: [US, California]}, order: fra}
      - {match: {city: [Munich]}, order: fra}
      - {match: {city: [UK, London]}, order: fra}
      - {match: {city: [[DE, Bavaria, Munich, Center], 0, [DE, Berlin]]}, order: fra}
      - {match: {country: []}, order: fra}
      - {match: {city: []}, order: fra}
      - {match: {city: {}}, order: fra}
",
        expect![[r#"
            f.yaml:7:17: error: `match` names nobody
              help: one of `prefix`, `asn`, `city`, `subdivision`, `country`, `continent`
            f.yaml:8:26: error: `country` beside another key of `match`
              help: a rule is for clients of one level: make a rule for each
            f.yaml:9:18: error: `cuntry` is not a key of `match`
              help: did you mean `country`? accepted here: `prefix`, `asn`, `city`, `subdivision`, `country`, `continent`
            f.yaml:10:9: error: a rule has no `match`
              help: for example `{match: {asn: [3320]}, prefer: {fra: 15ms}}`
            f.yaml:11:27: error: `192.0.2.1/24` has bits set past its length; did you mean `192.0.2.0/24`?
              help: for example `192.0.2.0/24` or `2001:db8::/32`
            f.yaml:11:41: error: `x` is not an IP address
              help: for example `192.0.2.0/24` or `2001:db8::/32`
            f.yaml:11:44: error: `10` is not an IP address
              help: for example `192.0.2.0/24` or `2001:db8::/32`
            f.yaml:12:24: error: `0` is not an AS number
              help: a whole number from 1 to 4294967295, for example `3320`
            f.yaml:12:27: error: `x` is not an AS number
              help: a whole number from 1 to 4294967295, for example `3320`
            f.yaml:12:30: error: `AS4294967296` is not an AS number
              help: a whole number from 1 to 4294967295, for example `3320`
            f.yaml:13:28: error: `UK` is not a country code
              help: did you mean `GB`? the code of the United Kingdom in ISO 3166
            f.yaml:13:32: error: `EU` is not a country code
              help: the European Union is no country, and no continent: list its countries
            f.yaml:13:36: error: `ZZ` is not a country code
              help: ISO 3166 assigns no country to it
            f.yaml:13:40: error: `Germany` is not a country code
              help: two letters as in ISO 3166, for example `NL`
            f.yaml:14:30: error: `Europe` is not the code of a continent
              help: did you mean `EU`? accepted here: `AF`, `AN`, `AS`, `EU`, `NA`, `OC`, `SA`
            f.yaml:14:38: error: `XX` is not the code of a continent
              help: accepted here: `AF`, `AN`, `AS`, `EU`, `NA`, `OC`, `SA`
            f.yaml:15:32: error: `California` is not a subdivision
              help: as in ISO 3166-2, `US-CA`, or country and name: `[US, California]`, in a table `US/California`
            f.yaml:15:44: error: `UK` is not a country code
              help: did you mean `GB`? the code of the United Kingdom in ISO 3166
            f.yaml:17:25: error: `Munich` is not a city
              help: its GeoNames id, or country and name: `[DE, Munich]`, `[DE, Bavaria, Munich]`, in a table `DE/Munich`
            f.yaml:18:24: error: `UK` is not a country code
              help: did you mean `GB`? the code of the United Kingdom in ISO 3166
            f.yaml:19:25: error: `DE, Bavaria, Munich, Center` is not a city
              help: its GeoNames id, or country and name: `[DE, Munich]`, `[DE, Bavaria, Munich]`, in a table `DE/Munich`
            f.yaml:19:56: error: `0` is not a city
              help: its GeoNames id, or country and name: `[DE, Munich]`, `[DE, Bavaria, Munich]`, in a table `DE/Munich`
            f.yaml:20:27: error: `country` is an empty list
              help: it would match nobody: delete the rule
            f.yaml:21:24: error: `city` is an empty list
              help: it would match nobody: delete the rule
            f.yaml:22:24: error: `city` is a value or a list of values, not a map"#]],
    );
}

#[test]
fn what_is_given() {
    rules(
        "
      - {match: {asn: 1}}
      - {match: {asn: 2}, order: fra, prefer: {ams: 1ms}}
      - {match: {asn: 3}, prefer: {ams: 1ms}, avoid: {ams: 2ms}}
      - {match: {asn: 4}, prefer: {ams: -1ms}, avoid: {fra: 2}}
      - {match: {asn: 5}, only: [], never: [fra, fra]}
      - {match: {asn: 6}, prefer: {}}
      - {match: {asn: 7}, prefer: fra}
      - {match: {asn: 8}, onyl: fra}
      - fra
",
        expect![[r#"
            f.yaml:7:9: error: a rule says nothing
              help: add one of `order`, `prefer`, `avoid`, `only`, `never`
            f.yaml:8:34: error: `order` beside `prefer` or `avoid`
              help: an order leaves nothing to costs among the PoPs it names: make two rules, or keep one of the two
            f.yaml:9:55: error: `ams` is preferred and avoided at once
            f.yaml:10:41: error: the cost of `ams` cannot be `-1ms`
              help: not below zero, for example `5ms` or `200km`
            f.yaml:10:61: error: the cost of `fra` cannot be `2`
              help: a time or a distance with its unit, for example `5ms` or `200km`
            f.yaml:11:33: error: `only` names no PoP
              help: name at least one
            f.yaml:11:50: error: PoP `fra` is named twice
            f.yaml:12:35: error: `prefer` names no PoP
              help: for example `prefer: {fra: 15ms}`
            f.yaml:13:35: error: `prefer` is a map, not a single value
              help: write `key: value` lines below it, or `{key: value, …}`
            f.yaml:14:27: error: `onyl` is not a key of a rule
              help: did you mean `only`? accepted here: `match`, `order`, `prefer`, `avoid`, `only`, `never`, `file`
            f.yaml:15:9: error: a rule is a map, not a single value
              help: write `key: value` lines below it, or `{key: value, …}`"#]],
    );
    fleet(
        &format!(
            "{POPS}policies: {{p: {{fence: [{{match: {{asn: 1}}, order: fra}}, {{match: {{asn: 1}}}}], rules: {{}}}}}}\n"
        ),
        expect![[r#"
            f.yaml:3:42: error: `order` is not a key of a fence
              help: accepted here: `match`, `only`, `never`, `file`
            f.yaml:3:55: error: a fence says nothing
              help: add one of `only`, `never`
            f.yaml:3:82: error: `rules` is a list, not a map
              help: for example `{match: {asn: [3320]}, prefer: {fra: 15ms}}`"#]],
    );
}

#[test]
fn a_prefix_with_two_answers() {
    rules(
        "
      - {match: {prefix: [192.0.2.0/24, 198.51.100.0/24]}, order: fra}
      - {match: {prefix: 192.0.2.0/25}, order: ams}
      - {match: {prefix: 192.0.2.0/24}, only: [ams]}
      - {match: {prefix: [203.0.113.0/24, 198.51.100.0/24]}, order: ams}
      - {match: {prefix: 192.0.2.0/24}, order: [fra]}
",
        expect![[r#"
            f.yaml:10:9: error: `198.51.100.0/24` has another answer at f.yaml:7:9
              help: the longest prefix wins, and these are equally long: keep one"#]],
    );
}

#[test]
fn cities_and_subdivisions() {
    let fleet = format!(
        "{POPS}policies:\n  p:\n    rules:\n      - {{match: {{city: [DE, Munich]}}, order: fra}}\n      - {{match: {{city: [2867714, [DE, Bavaria, Munich]]}}, order: fra}}\n      - {{match: {{subdivision: [US-CA, US-NV]}}, only: fra}}\n      - {{match: {{subdivision: [NO, Viken]}}, never: fra, avoid: {{ams: 1ms}}}}\n"
    );
    let policy = policy(load_with(&[("z/f.yaml", &fleet)], &[], 0));
    expect![[r#"
        City([Named { country: Country([68, 69]), subdivision: None, name: "Munich" }]) Order(["fra"])
        City([Id(2867714), Named { country: Country([68, 69]), subdivision: Some("Bavaria"), name: "Munich" }]) Order(["fra"])
        Subdivision([Subdivision { country: Country([85, 83]), name: "CA" }, Subdivision { country: Country([85, 83]), name: "NV" }]) Only(["fra"])
        Subdivision([Subdivision { country: Country([78, 79]), name: "Viken" }]) Adjust([("ams", 1000)])
        Subdivision([Subdivision { country: Country([78, 79]), name: "Viken" }]) Never(["fra"])"#]].assert_eq(
        &policy.rules.list().iter().map(|rule| format!("{:?} {:?}", rule.class, rule.effect)).collect::<Vec<_>>().join("\n"),
    );
}

#[test]
fn a_table() {
    let text = "\
\u{feff}# from the peering database
prefix;country;prefer;avoid;only;note
192.0.2.0/24 2001:db8::/32;;fra=15ms,ams=3ms;iad=100km;;\"two; and \"\"more\"\"\"
198.51.100.0/24;;\"fra=15ms ams=3ms\";;;

;DE AT;;;fra ams
";
    let loaded = with_file("rules", "t.csv", &text.replace("fra=15ms,ams", "fra=15ms ams"));
    let policy = policy(loaded);
    let shown: Vec<String> = policy
        .rules
        .list()
        .iter()
        .map(|rule| format!("{}:{} {:?} {:?}", rule.origin.file, rule.origin.line, rule.class, rule.effect))
        .collect();
    expect![[r#"
        z/t.csv:3 Prefix([V4 { base: 3221225984, length: 24 }, V6 { base: 42540766411282592856903984951653826560, length: 32 }]) Adjust([("fra", -15000), ("ams", -3000), ("iad", 1740)])
        z/t.csv:4 Prefix([V4 { base: 3325256704, length: 24 }]) Adjust([("fra", -15000), ("ams", -3000)])
        z/t.csv:6 Country([Country([68, 69]), Country([65, 84])]) Only(["fra", "ams"])"#]].assert_eq(&shown.join("\n"));
}

#[test]
fn headings() {
    table(
        "",
        expect![[r#"
        z/f.yaml:3:31: error: `z/t.csv` holds no rules
          help: to do without it, delete this line"#]],
    );
    table(
        "\n# nothing\n,,\n",
        expect![[r#"
        z/f.yaml:3:31: error: `z/t.csv` holds no rules
          help: to do without it, delete this line"#]],
    );
    table(
        "prefix,order\n",
        expect![[r#"
        z/f.yaml:3:31: error: `z/t.csv` holds no rules
          help: to do without it, delete this line"#]],
    );
    table(
        "order,note\nfra,x\n",
        expect![[r#"
        z/t.csv:1:1: error: the headings name no column of keys
          help: name at least one of `prefix`, `asn`, `city`, `subdivision`, `country`, `continent`"#]],
    );
    table(
        "asn,note\n1,x\n",
        expect![[r#"
        z/t.csv:1:1: error: the headings name no column of effects
          help: name at least one of `order`, `prefer`, `avoid`, `only`, `never`"#]],
    );
    table(
        "Prefx,order\n192.0.2.0/24,fra\n",
        expect![[r#"
        z/t.csv:1:1: error: `Prefx` is not a column of a rule file
          help: did you mean `prefix`? accepted here: `prefix`, `asn`, `city`, `subdivision`, `country`, `continent`, `order`, `prefer`, `avoid`, `only`, `never`, `note`"#]],
    );
    expect![[r#"
        z/t.csv:1:5: error: `order` is not a column of a rule file
          help: accepted here: `prefix`, `asn`, `city`, `subdivision`, `country`, `continent`, `only`, `never`, `note`"#]].assert_eq(&with_file("fence", "t.csv", "asn,order\n1,fra\n").diagnostics.to_string());
    assert_eq!(policy(with_file("fence", "t.csv", "ASN,Only\n1,fra\n")).fences.len(), 1);
}

#[test]
fn rows() {
    table(
        "\
prefix,asn,order,prefer,avoid,never
,,fra,,,
192.0.2.0/24,1,fra
192.0.2.0/24,
192.0.2.1/24,,fra
192.0.2.0/24,,fra lhr fra
198.51.100.0/24,,,fra,,
198.51.100.0/24,,,fra=15,ams=-1ms,
198.51.100.0/24,,,fra=15ms,fra=3ms,
198.51.100.0/24,,fra,fra=15ms,,
203.0.113.0/24,,fra,ams
203.0.113.0/24,,fra,,,,ams
192.0.2.0/24,,ams
192.0.2.0/25,,,\"fra=1ms\"x
",
        expect![[r#"
            z/t.csv:2:1: error: this row says nobody it is for
              help: fill one of the columns of keys
            z/t.csv:3:14: error: this row has two keys
              help: a row is for clients of one level: make two of it
            z/t.csv:4:1: error: this row gives nothing
              help: fill one of `order`, `prefer`, `avoid`, `only`, `never`
            z/t.csv:5:1: error: `192.0.2.1/24` has bits set past its length; did you mean `192.0.2.0/24`?
              help: for example `192.0.2.0/24` or `2001:db8::/32`
            z/t.csv:6:15: error: PoP `fra` is named twice
              help: once is enough
            z/t.csv:6:15: error: PoP `lhr` is not defined
              help: defined: `ams`, `fra`, `iad`
            z/t.csv:7:19: error: `fra` is not a PoP with a cost
              help: PoP and cost, for example `fra=15ms`; several stand between spaces
            z/t.csv:8:19: error: the cost of `fra` cannot be `15`
              help: a time or a distance with its unit, for example `5ms` or `200km`
            z/t.csv:8:26: error: the cost of `ams` cannot be `-1ms`
              help: not below zero, for example `5ms` or `200km`
            z/t.csv:9:28: error: `fra` has two costs in this row
              help: keep one
            z/t.csv:10:18: error: `order` beside `prefer` or `avoid`
              help: make two rows, or keep one of the two
            z/t.csv:11:21: error: `ams` is not a PoP with a cost
              help: PoP and cost, for example `fra=15ms`; several stand between spaces
            z/t.csv:12:24: error: `ams` stands under no heading
              help: several values of one field stand between spaces, not commas
            z/t.csv:13:1: error: `192.0.2.0/24` has another answer at z/t.csv:6:1
              help: the longest prefix wins, and these are equally long: keep one
            z/t.csv:14:25: error: something follows the closing quote
              help: a quote inside a quoted field is written twice"#]],
    );
    table(
        "asn,order\n1,\"fra\n",
        expect![[r#"
        z/t.csv:2:3: error: a quote that opens here is never closed
          help: close it at the end of the field"#]],
    );
}

/// A table in Latin-1.
struct Latin;

impl super::Named for Latin {
    fn read(&self, _: &str) -> Result<std::sync::Arc<[u8]>, String> {
        Ok(b"asn,order\n1,fra\n2,\xfcberall\n".as_slice().into())
    }
}

#[test]
fn a_file_that_is_no_table() {
    let beside = |fleet: &str, named: &[(&str, &str)], expected: Expect| {
        let fleet = format!("{POPS}policies: {{p: {{rules: [{fleet}]}}}}\n");
        expected.assert_eq(&load_with(&[("z/f.yaml", &fleet)], named, 0).diagnostics.to_string());
    };
    beside("{file: none.csv}", &[], expect!["z/f.yaml:3:31: error: `z/none.csv` cannot be read: no such file"]);
    beside(
        "{file: ../x.csv}",
        &[],
        expect![[r#"
        z/f.yaml:3:31: error: `../x.csv` leads upward by `..`; only files beside this one or below it are read
          help: name a file beside this one, or below it: `maps/peering.csv`"#]],
    );
    beside("{file: }", &[], expect!["z/f.yaml:3:29: error: `file` has no value"]);
    beside(
        "{file: t.csv, order: fra}",
        &[("z/t.csv", "asn,order\n1,fra\n")],
        expect![[r#"
        z/f.yaml:3:38: error: `order` beside `file`
          help: an entry is a rule or the name of a file: make two of it"#]],
    );
    beside(
        "{file: t.yaml}",
        &[("z/t.yaml", "- {match: {asn: 1}, order: frra}\n- {file: x}\n")],
        expect![[r#"
            z/t.yaml:1:28: error: PoP `frra` is not defined
              help: did you mean `fra`? defined: `ams`, `fra`, `iad`
            z/t.yaml:2:10: error: a rule file names no other file
              help: name both in the policy"#]],
    );
    beside(
        "{file: t.yaml}",
        &[("z/t.yaml", "pops: {}\n")],
        expect![[r#"
        z/t.yaml:1:1: error: a file of rules is a list, not a map
          help: each begins with `- `"#]],
    );
    beside(
        "{file: t.yaml}",
        &[("z/t.yaml", "")],
        expect![[r#"
        z/f.yaml:3:31: error: `z/t.yaml` holds no rules
          help: to do without it, delete this line"#]],
    );
    beside(
        "{file: t.yaml}",
        &[("z/t.yaml", "- [")],
        expect![[r#"
        z/t.yaml:1:3: error: `[` is never closed
          help: add the missing `]`"#]],
    );
    let fleet = format!("{POPS}policies: {{p: {{rules: [{{file: t.csv}}]}}}}\n");
    let source = super::Source { path: "f.yaml".into(), text: fleet.into() };
    expect![[r#"
        t.csv:3:1: error: this line is not UTF-8
          help: save the file as UTF-8"#]]
    .assert_eq(&super::parse_with(&source, &Latin, 0).1.to_string());
}

#[test]
fn a_list_in_yaml() {
    let text = "- {match: {asn: [1]}, order: fra}\n- match: {country: NO}\n  avoid: {iad: 1ms}\n";
    let policy = policy(with_file("rules", "t.yaml", text));
    assert_eq!(policy.rules.list()[1].class, Match::Country(vec![crate::geo::Country::new("NO").unwrap()]));
    assert_eq!(*policy.rules.list()[1].effect, Effect::Adjust(vec![("iad".into(), 1000)]));
    assert_eq!((&*policy.rules.list()[1].origin.file, policy.rules.list()[1].origin.line), ("z/t.yaml", 2));
}
