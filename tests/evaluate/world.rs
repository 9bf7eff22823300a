//! A database of a few thousand addresses and five PoPs.

use std::sync::Arc;

use catchment::geo::value::Value;
use catchment::geo::writer::{Metadata, Writer};
use catchment::geo::{Database, SiteTable};
use catchment::net::Block;

pub(crate) const POPS: &str = "\
fra\t50.11\t8.68\tDE
ams\t52.37\t4.90\tNL
lhr\t51.47\t-0.46\tGB
iad\t38.95\t-77.45\tUS
sfo\t37.62\t-122.38\tUS
sin\t1.35\t103.99\tSG
";

/// Country and, where it is known, place of a block; of several that hold an address the longest holds.
type Record = (&'static str, &'static str, Option<(f64, f64)>);

const MUNICH: Option<(f64, f64)> = Some((48.14, 11.58));
const BOSTON: Option<(f64, f64)> = Some((42.36, -71.06));
const OSAKA: Option<(f64, f64)> = Some((34.69, 135.5));
const LONDON: Option<(f64, f64)> = Some((51.51, -0.13));

/// All within [`AREAS`].
pub(crate) const RECORDS: &[Record] = &[
    ("198.18.0.0/22", "DE", MUNICH),
    ("198.18.4.0/23", "GB", LONDON),
    ("198.18.5.0/26", "DE", MUNICH),
    ("198.18.5.77/32", "US", BOSTON),
    ("198.18.6.0/23", "US", BOSTON),
    ("198.18.8.0/25", "JP", None),
    ("198.18.8.128/25", "JP", OSAKA),
    ("198.18.9.0/26", "JP", OSAKA),
    ("203.0.114.0/25", "DE", MUNICH),
    ("2001:db8::/121", "DE", MUNICH),
    ("2001:db8::20/123", "US", BOSTON),
    ("2001:db8:1::/48", "JP", None),
];

pub(crate) const AREAS: [&str; 2] = ["198.18.0.0/20", "203.0.112.0/22"];

pub(crate) fn sites() -> Arc<SiteTable> {
    let database = Database::new(database()).unwrap();
    Arc::new(SiteTable::build(&[&database]).unwrap())
}

pub(crate) fn database() -> Vec<u8> {
    let mut writer = Writer::new();
    for (block, country, place) in RECORDS {
        let mut fields = vec![("country_code", Value::Text(country))];
        if let Some((latitude, longitude)) = place {
            fields.extend([("latitude", Value::Double(*latitude)), ("longitude", Value::Double(*longitude))]);
        }
        let id = writer.record(&Value::Map(fields));
        match Block::parse(block).unwrap() {
            Block::V4 { base, length } => writer.insert_v4(base, length, id),
            Block::V6 { base, length } => writer.insert_v6(base, length, id),
        }
    }
    writer.finish(&Metadata { kind: "Test-City".to_owned(), description: String::new(), build_epoch: 1_780_617_600 })
}
