//! What a database is, and whether it may take the place of another: pure.

use serde::{Deserialize, Serialize};

use crate::geo::{Class, Database, DatabaseError};

/// What counts of a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// `database_type`.
    pub kind: String,
    /// `city`, `country`, `asn` or `unknown`.
    pub class: String,
    /// When it was built, seconds since 1970.
    pub built: u64,
    /// IPv4 networks with data.
    pub networks_v4: u64,
    /// IPv6 networks with data.
    pub networks_v6: u64,
    /// Distinct records.
    pub records: u64,
    /// Octets of the file.
    pub octets: u64,
}

impl Facts {
    /// Walks all of a database: whatever a lookup could meet is read once.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn of(database: &Database) -> Result<Self, DatabaseError> {
        let survey = database.survey()?;
        Ok(Self {
            kind: database.kind().to_owned(),
            class: database.class().to_string(),
            built: database.build_epoch(),
            networks_v4: survey.networks_v4,
            networks_v6: survey.networks_v6,
            records: survey.records as u64,
            octets: database.len() as u64,
        })
    }
}

/// Whether a database that was fetched may be used at all: whatever is asked for.
pub(super) fn usable(new: &Facts, database: &Database, now: u64) -> Result<(), String> {
    if new.class == Class::Unknown.to_string() {
        return Err("the database has neither places nor countries nor AS numbers".to_owned());
    }
    if new.networks_v4 + new.networks_v6 == 0 {
        return Err("the database says nothing of any address".to_owned());
    }
    database.built_in_the_future(now).map_or(Ok(()), |words| Err(format!("the database is {words}")))
}

/// Whether it may take the place of the one that is there; `--force` does not ask. `kind` is what it should be, where that is
/// known.
pub(super) fn may_replace(new: &Facts, old: Option<&Facts>, kind: Option<&str>) -> Result<(), String> {
    if let Some(kind) = kind.filter(|kind| *kind != new.kind) {
        return Err(format!("it is `{}`, not `{kind}`", new.kind));
    }
    let Some(old) = old else { return Ok(()) };
    if old.class != new.class {
        return Err(format!(
            "it is about {}, the one that is there about {}",
            subject(&new.class),
            subject(&old.class)
        ));
    }
    if new.built < old.built {
        return Err(format!("it was built {}, before the one that is there ({})", day(new.built), day(old.built)));
    }
    for (what, new, old) in [
        ("IPv4 networks", new.networks_v4, old.networks_v4),
        ("IPv6 networks", new.networks_v6, old.networks_v6),
        ("records", new.records, old.records),
    ] {
        if new < old.div_ceil(2) {
            return Err(format!("it has {new} {what}, less than half of the {old} that are there"));
        }
    }
    Ok(())
}

fn subject(class: &str) -> &str {
    match class {
        "city" => "places",
        "country" => "countries",
        "asn" => "AS numbers",
        _ => "something else",
    }
}

/// `2026-11-20`, UTC.
pub fn day(unix: u64) -> String {
    let moment = i64::try_from(unix).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    moment.map_or_else(|| unix.to_string(), |moment| moment.strftime("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            kind: "GeoLite2-City".to_owned(),
            class: "city".to_owned(),
            built: 1_795_000_000,
            networks_v4: 1001,
            networks_v6: 500,
            records: 300,
            octets: 1,
        }
    }

    #[track_caller]
    fn check(new: &Facts, expected: &str) {
        let said = may_replace(new, Some(&facts()), Some("GeoLite2-City"));
        assert_eq!(said.err().unwrap_or_default(), expected);
    }

    #[test]
    fn what_may_take_the_place() {
        check(&facts(), "");
        check(&Facts { networks_v4: 501, networks_v6: 250, records: 150, built: 1_795_000_001, ..facts() }, "");
        check(
            &Facts { networks_v4: 500, ..facts() },
            "it has 500 IPv4 networks, less than half of the 1001 that are there",
        );
        check(&Facts { networks_v6: 0, ..facts() }, "it has 0 IPv6 networks, less than half of the 500 that are there");
        check(&Facts { records: 149, ..facts() }, "it has 149 records, less than half of the 300 that are there");
        check(
            &Facts { built: 1_794_900_000, ..facts() },
            "it was built 2026-11-17, before the one that is there (2026-11-18)",
        );
        check(&Facts { kind: "GeoLite2-ASN".to_owned(), ..facts() }, "it is `GeoLite2-ASN`, not `GeoLite2-City`");
        check(
            &Facts { class: "asn".to_owned(), ..facts() },
            "it is about AS numbers, the one that is there about places",
        );
        assert_eq!(may_replace(&facts(), None, None), Ok(()));
    }
}
