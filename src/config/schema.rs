//! JSON Schemas (draft 2020-12) of the files, for completion and checks while typing, and the reference for people: both made
//! from the grammar that the readers check keys against. A schema says less than `check`: it knows no references, and no
//! keys that exclude each other.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::file::{FLEET, LISTS, ZONE};
use super::grammar::{Key, Keys, Shape};
use super::settings::SETTINGS;

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A `.yaml` of the zones directory: a zone where it has a `zone:` key, else a piece of the fleet.
    Zones,
    /// A zone.
    Zone,
    /// A piece of the fleet.
    Fleet,
    /// `catchment.yaml`.
    Settings,
    /// A YAML list that `file:` or `map:` names.
    List,
}

impl Kind {
    /// Each kind with its word.
    pub const ALL: [(&'static str, Self); 5] = [
        ("zones", Self::Zones),
        ("zone", Self::Zone),
        ("fleet", Self::Fleet),
        ("settings", Self::Settings),
        ("list", Self::List),
    ];
}

/// The schema of a kind of file, as pretty-printed JSON with a final newline.
pub fn schema(kind: Kind) -> String {
    let mut maker = Maker::default();
    let (title, body) = match kind {
        Kind::Zones => (
            "A file of Catchment's zones directory",
            json!({
                "if": {"type": "object", "required": ["zone"]},
                "then": maker.map(ZONE),
                "else": maker.map(&FLEET),
            }),
        ),
        Kind::Zone => ("A zone of Catchment", maker.map(ZONE)),
        Kind::Fleet => ("A piece of Catchment's fleet", maker.map(&FLEET)),
        Kind::Settings => ("Catchment's settings", json!({"anyOf": [maker.map(&SETTINGS), {"type": "null"}]})),
        Kind::List => {
            let items: Vec<Value> = LISTS.into_iter().map(|keys| maker.map(keys)).collect();
            ("Rules, fences or latency rows of Catchment", json!({"type": "array", "items": {"anyOf": items}}))
        }
    };
    let mut whole = Map::new();
    whole.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    whole.insert("title".into(), title.into());
    if let Value::Object(body) = body {
        whole.extend(body);
    }
    whole.insert(
        "$defs".into(),
        maker.definitions.into_iter().map(|(name, made)| (name, made.unwrap_or_default())).collect(),
    );
    format!("{:#}\n", Value::Object(whole))
}

/// Collects a definition for every kind of map.
#[derive(Default)]
struct Maker {
    /// By name; `None` while it is being made.
    definitions: BTreeMap<String, Option<Value>>,
}

impl Maker {
    /// A reference to the definition of these keys, which is made at the first call.
    fn map(&mut self, keys: &Keys) -> Value {
        let name = definition(keys);
        if !self.definitions.contains_key(&name) {
            self.definitions.insert(name.clone(), None);
            let mut object = self.keys(keys);
            object.insert("additionalProperties".into(), false.into());
            self.definitions.insert(name.clone(), Some(Value::Object(object)));
        }
        json!({"$ref": format!("#/$defs/{name}")})
    }

    fn keys(&mut self, keys: &Keys) -> Map<String, Value> {
        let properties: Map<String, Value> =
            keys.known.iter().map(|key| (key.name.to_owned(), self.key(key))).collect();
        let required: Vec<&str> = keys.known.iter().filter(|key| key.required).map(|key| key.name).collect();
        let mut object = Map::new();
        // Nothing after the colon is a map without keys.
        object.insert("type".into(), json!(["object", "null"]));
        object.insert("properties".into(), Value::Object(properties));
        if !required.is_empty() {
            object.insert("required".into(), required.into());
        }
        object
    }

    fn key(&mut self, key: &Key) -> Value {
        let default = if key.default.is_empty() { String::new() } else { format!(" Default: {}.", key.default) };
        let description = format!("{}{default}", key.doc);
        match self.shape(key.shape) {
            Value::Object(mut object) => {
                object.insert("description".into(), description.into());
                Value::Object(object)
            }
            other => other,
        }
    }

    fn shape(&mut self, shape: Shape) -> Value {
        // Numbers and words that YAML takes for something else are text wherever text is expected.
        let text = json!(["string", "number", "boolean"]);
        match shape {
            Shape::Text | Shape::Name | Shape::Reference(_) => json!({"type": text}),
            Shape::Flag => json!({"type": "boolean"}),
            Shape::Whole(from, to) => json!({"type": "integer", "minimum": from, "maximum": to}),
            Shape::Number(from, to) => json!({"type": "number", "minimum": from, "maximum": to}),
            Shape::Time(..) => form(TIME, "integer"),
            Shape::Ttl => form(TTL, "integer"),
            Shape::Cost => pattern(COST),
            Shape::Share => pattern(SHARE),
            Shape::Address => json!({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}),
            Shape::Endpoint => pattern(r"^([0-9.]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$"),
            Shape::Block => pattern(r"^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$"),
            // To editors that read YAML 1.1, Norway is false.
            Shape::Country => json!({"type": ["string", "boolean"], "pattern": "^[A-Za-z]{2}$"}),
            Shape::Form(_, regex) => json!({"type": ["string", "number"], "pattern": regex}),
            Shape::Words(words) => {
                // `1` and `2` are numbers to YAML, `on` and `off` truth values to some.
                let numbers = words.iter().filter_map(|word| word.parse::<u64>().ok()).map(Value::from);
                let flags = words.iter().filter_map(|word| match *word {
                    "on" => Some(Value::from(true)),
                    "off" => Some(Value::from(false)),
                    _ => None,
                });
                let all: Vec<Value> = words.iter().map(|word| Value::from(*word)).chain(numbers).chain(flags).collect();
                json!({"enum": all})
            }
            Shape::Place => json!({
                "type": "array",
                "prefixItems": [
                    {"type": "number", "minimum": -90, "maximum": 90, "description": "latitude"},
                    {"type": "number", "minimum": -180, "maximum": 180, "description": "longitude"}
                ],
                "minItems": 2,
                "maxItems": 2
            }),
            Shape::Nothing => json!({"type": "null"}),
            Shape::List(item) => json!({"type": "array", "items": self.shape(*item)}),
            Shape::OneOrMore(item) => {
                let item = self.shape(*item);
                json!({"anyOf": [item, {"type": "array", "items": item}]})
            }
            Shape::Map(keys) => self.map(keys),
            Shape::Named(_, value) => json!({"type": ["object", "null"], "additionalProperties": self.shape(*value)}),
            Shape::Owners(keys, rrset) => {
                let rrset = self.shape(*rrset);
                let mut owner = self.keys(keys);
                owner.insert("patternProperties".into(), json!({r"^([A-Z][A-Z0-9-]*|TYPE[0-9]+)$": rrset}));
                owner.insert("additionalProperties".into(), false.into());
                let name = definition(keys);
                self.definitions.insert(name.clone(), Some(Value::Object(owner)));
                json!({"type": ["object", "null"], "additionalProperties": {"$ref": format!("#/$defs/{name}")}})
            }
            Shape::Either(shapes) => {
                json!({"anyOf": shapes.iter().map(|shape| self.shape(*shape)).collect::<Vec<_>>()})
            }
        }
    }
}

const TIME: &str = "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$";
const TTL: &str = "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$";
const COST: &str = r"^[+-]?[0-9]+(\.[0-9]{1,3})? *(ms|km)$";
const SHARE: &str = r"^[0-9]+(\.[0-9])? *%$";

fn pattern(regex: &str) -> Value {
    json!({"type": "string", "pattern": regex})
}

/// Text of a form, or a plain number.
fn form(regex: &str, number: &str) -> Value {
    json!({"anyOf": [{"type": number, "minimum": 0}, pattern(regex)]})
}

/// The words of what a map describes, without articles: `item-of-listen`.
fn definition(keys: &Keys) -> String {
    let words = keys.what.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    words.filter(|word| !matches!(*word, "a" | "an" | "the" | "at")).collect::<Vec<_>>().join("-").to_lowercase()
}

/// The reference: a table for every kind of map, those of the settings, the fleet and the zone first, each followed by what
/// it is made of.
pub fn reference() -> String {
    let mut out = String::from(PREFACE);
    let mut told: Vec<String> = Vec::new();
    for (title, keys) in [("The settings: `catchment.yaml`", &SETTINGS), ("The fleet", &FLEET), ("A zone", ZONE)] {
        let _ = write!(out, "\n## {title}\n");
        table(&mut out, keys, &mut told, true);
    }
    out
}

const PREFACE: &str = "\
# Configuration, key by key

Made from the grammar that the program reads files by: `catchment schema --reference`. What the parts are for, with examples:
[zone files](zone-files.md), [operations](operations.md). Editors complete and check while typing with the JSON Schemas in
[`schema/`](../schema/) (`catchment schema zones`, `settings`, `list`).

Times are whole seconds, or numbers with units: `90s`, `5m`, `1h30m`, `1d`, `250ms`. Costs are times (`5ms`) or distances (`200km`), shares are
percent (`34%`). Settings can also come from the environment, where `tcp.idle` is `CATCHMENT_TCP_IDLE` and a list has commas between its items; variables win
over the file, flags over variables, and `catchment config show` tells what holds and where it is from. Where one value or a list may stand, a list of one is the same. Unknown keys are errors. Words are taken as written: `NO` is Norway,
not *no*.
";

fn table(out: &mut String, keys: &Keys, told: &mut Vec<String>, top: bool) {
    let name = definition(keys);
    if told.contains(&name) || keys.known.is_empty() {
        return;
    }
    told.push(name);
    if !top {
        let mut title = keys.what.to_owned();
        if let Some(first) = title.get(..1) {
            title.replace_range(..1, &first.to_uppercase());
        }
        let _ = write!(out, "\n### {title}\n");
    }
    out.push_str("\n| key | takes | default | meaning |\n|---|---|---|---|\n");
    let mut within: Vec<&Keys> = Vec::new();
    for key in keys.known {
        let takes = words(key.shape, &mut within);
        let default = match (key.required, key.default) {
            (true, _) => "**required**",
            (false, default) => default,
        };
        let _ = writeln!(out, "| `{}` | {takes} | {default} | {} |", key.name, key.doc.replace('|', "\\|"));
    }
    for keys in within {
        table(out, keys, told, false);
    }
}

/// What a shape takes, for people; the maps in it are collected.
fn words(shape: Shape, within: &mut Vec<&'static Keys>) -> String {
    match shape {
        Shape::Text => "text".into(),
        Shape::Reference(what) => format!("{what}'s name"),
        Shape::Flag => "`true`, `false`".into(),
        Shape::Whole(from, to) => format!("{from} to {to}"),
        Shape::Number(from, to) => format!("{from} to {to}"),
        Shape::Time(from, to) => format!("a time, {from} to {to}"),
        Shape::Ttl => "a time in seconds".into(),
        Shape::Cost => "a cost".into(),
        Shape::Share => "a share".into(),
        Shape::Address => "an address".into(),
        Shape::Endpoint => "address and port".into(),
        Shape::Block => "a block or an address".into(),
        Shape::Name => "a name".into(),
        Shape::Country => "a country code".into(),
        Shape::Form(what, _) => what.into(),
        Shape::Words(list) => list.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Shape::Place => "`[latitude, longitude]`".into(),
        Shape::Nothing => "nothing".into(),
        Shape::List(item) => format!("a list of: {}", words(*item, within)),
        Shape::OneOrMore(item) => format!("{}; or a list", words(*item, within)),
        Shape::Map(keys) if keys.known.is_empty() => "a map without keys".into(),
        Shape::Map(keys) => {
            within.push(keys);
            format!("[{}](#{})", keys.what, anchor(keys.what))
        }
        Shape::Named(what, value) => format!("{what}'s name: {}", words(*value, within)),
        Shape::Owners(keys, rrset) => {
            within.push(keys);
            format!("owner name: [{}](#{}), and types with {}", keys.what, anchor(keys.what), words(*rrset, within))
        }
        Shape::Either(shapes) => shapes.iter().map(|shape| words(*shape, within)).collect::<Vec<_>>().join(", or "),
    }
}

/// A heading's anchor, as code hosts make it.
fn anchor(heading: &str) -> String {
    let lower = heading.to_lowercase();
    lower
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}
