//! The JSON Schemas and the reference: as checked in, and no stricter than the readers.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jsonschema::Validator;
use serde_json::Value;

use super::super::schema::{Kind, reference, schema};
use super::super::yaml::{self, Node, Text};

static VALIDATORS: Mutex<Option<HashMap<&'static str, &'static Validator>>> = Mutex::new(None);

fn validator(kind: Kind) -> &'static Validator {
    let mut made = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    let word = Kind::ALL.iter().find(|(_, known)| *known == kind).map_or("", |(word, _)| word);
    made.get_or_insert_default().entry(word).or_insert_with(|| {
        let read: Value = serde_json::from_str(&schema(kind)).unwrap();
        Box::leak(Box::new(jsonschema::draft202012::new(&read).unwrap()))
    })
}

/// What editors make of YAML: the core schema of YAML 1.2.
fn json(node: &Node<'_>) -> Value {
    match node {
        Node::Scalar(text) => scalar(text),
        Node::List(_, items) => items.iter().map(json).collect(),
        Node::Bulk(_, bulk) => bulk.iter().map(|(key, value)| (key.text.to_string(), json(&value))).collect(),
        Node::Map(_, entries) => entries.iter().map(|(key, value)| (key.text.to_string(), json(value))).collect(),
    }
}

fn scalar(written: &Text<'_>) -> Value {
    let text = &*written.text;
    let number = || {
        let digits = text.trim_start_matches(['+', '-']);
        let starts = digits.starts_with(|c: char| c.is_ascii_digit()) || digits.starts_with('.');
        let whole = text.trim_start_matches('+').parse::<i64>().ok().map(Value::from);
        starts.then(|| whole.or_else(|| text.parse::<f64>().ok().map(Value::from)))?
    };
    match text {
        _ if !written.plain => text.into(),
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => true.into(),
        "false" | "False" | "FALSE" => false.into(),
        _ => number().unwrap_or_else(|| text.into()),
    }
}

fn complaints(kind: Kind, text: &str) -> Vec<String> {
    let document = yaml::read(text).root.as_ref().map_or(Value::Null, json);
    validator(kind).iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Fails where the schema is stricter than the reader that accepted this.
#[track_caller]
pub(super) fn accepts(kind: Kind, path: &str, text: &str) {
    let complaints = complaints(kind, text);
    assert!(complaints.is_empty(), "{path} is accepted, and the schema complains: {complaints:#?}\n{text}");
}

#[track_caller]
fn refuses(kind: Kind, text: &str) {
    assert!(!complaints(kind, text).is_empty(), "the schema accepts\n{text}");
}

#[test]
fn what_is_checked_in_is_what_the_program_prints() {
    let files = [
        ("zones > schema/zones.json", include_str!("../../../schema/zones.json"), schema(Kind::Zones)),
        ("settings > schema/settings.json", include_str!("../../../schema/settings.json"), schema(Kind::Settings)),
        ("list > schema/list.json", include_str!("../../../schema/list.json"), schema(Kind::List)),
        ("--reference > docs/configuration.md", include_str!("../../../docs/configuration.md"), reference()),
    ];
    for (arguments, kept, made) in files {
        assert!(kept == made, "`cargo run -- schema {arguments}` writes it anew");
    }
}

/// What we ship is what the schemas accept.
#[test]
fn the_examples_hold() {
    const ZONES: [&str; 10] = [
        include_str!("../../../zones/example.com.yaml"),
        include_str!("../../../zones/fleet.yaml"),
        include_str!("../../../examples/cdn/zones/example.net.yaml"),
        include_str!("../../../examples/cdn/zones/fleet.yaml"),
        include_str!("../../../examples/cloud-regions/zones/example.org.yaml"),
        include_str!("../../../examples/cloud-regions/zones/fleet.yaml"),
        include_str!("../../../examples/enterprise/zones/corp.example.yaml"),
        include_str!("../../../examples/enterprise/zones/fleet.yaml"),
        include_str!("../../../examples/telecom/zones/fleet.yaml"),
        include_str!("../../../examples/telecom/zones/vod.example.yaml"),
    ];
    for text in ZONES {
        accepts(Kind::Zones, text.lines().next().unwrap_or_default(), text);
    }
    for text in [
        include_str!("../../../examples/enterprise/catchment.yaml"),
        include_str!("../../../examples/telecom/catchment.yaml"),
    ] {
        accepts(Kind::Settings, "catchment.yaml", text);
    }
}

/// Every link of the reference leads to a heading of it.
#[test]
fn the_references_links_lead_somewhere() {
    let text = reference();
    let anchors: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .map(|heading| heading.to_lowercase().replace('`', "").replace(' ', "-"))
        .collect();
    for link in text.split("](#").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(anchors.iter().any(|anchor| anchor == link), "#{link} of {anchors:?}");
    }
}

#[test]
fn mistakes_that_a_schema_can_see() {
    accepts(Kind::Settings, "nothing", "");
    for text in ["lisen: 127.0.0.1:53", "log: {level: loud}", "tcp: {connections: 0}", "listen: 53", "zones: [a]"] {
        refuses(Kind::Settings, text);
    }
    let zone = "zone: a.example\nns: [ns.b.example.]\n";
    accepts(Kind::Zone, "zone", zone);
    for text in [
        "records: {www: {a: 192.0.2.1}}",
        "records: {www: 192.0.2.1}",
        "ttl: 5 minutes",
        "expect: [{client: 192.0.2.1}]",
        "policies: {p: {count: 9}}",
        "checks: {c: {http: healthz}}",
        "pops: {fra: {at: [91, 0]}}",
    ] {
        refuses(Kind::Zone, &format!("{zone}{text}\n"));
    }
    refuses(Kind::Fleet, "zone: a.example\n");
    refuses(Kind::Zones, "zone: a.example\npop: {}\n");
    accepts(
        Kind::List,
        "rules",
        "- {match: {asn: [3320]}, prefer: {fra: 15ms}}\n- {match: {country: NO}, ms: {fra: 12.5}}\n",
    );
    refuses(Kind::List, "- {match: {as: 3320}}\n");
}
