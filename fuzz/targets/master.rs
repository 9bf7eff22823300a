//! Any octets as a master file, which may include a second one: findings have places, records lie in the zone and have TTLs
//! that fit, and what was read reads back from the form that `catchment export` writes, once and for good.
//!
//! The input is the file, and after an octet 0 the one it may include under any name but `none` and what ends in `/self`;
//! that is the file again.

#![no_main]

use std::cell::Cell;
use std::sync::Arc;

use catchment::config::Named;
use catchment::config::master::{Master, parse};
use catchment::dns::{Name, rdata};
use libfuzzer_sys::fuzz_target;

/// What can be included.
struct Included<'i> {
    whole: &'i [u8],
    other: &'i [u8],
    /// How often anything still is: files that include each other come to 10,000, which are as slow as they are alike.
    left: Cell<u32>,
}

impl Named for Included<'_> {
    fn read(&self, path: &str) -> Result<Arc<[u8]>, String> {
        let left = self.left.get().checked_sub(1).ok_or("cannot be read: enough")?;
        self.left.set(left);
        match path {
            "zones/none" => Err("cannot be read: there is no such file".to_owned()),
            path if path.ends_with("/self") => Ok(self.whole.into()),
            _ => Ok(self.other.into()),
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(2, |octet| *octet == 0);
    let (whole, other) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let files = Included { whole, other, left: Cell::new(40) };
    let path: Arc<str> = "zones/db".into();
    let origin = Name::parse("example.com.", None).expect("a name");
    let (master, found) = parse(&path, files.whole, &origin, &files);
    let lines = |octets: &[u8]| octets.split(|octet| *octet == b'\n').count() as u32;
    let most = lines(files.whole).max(lines(files.other));
    for diagnostic in &found.0 {
        let at = &diagnostic.location;
        assert!(at.line <= most && (at.line == 0 || at.column > 0), "{diagnostic}");
    }
    for record in master.records.iter() {
        assert!(
            record.owner.to_name().is_at_or_under(&origin) && record.ttl <= i32::MAX as u32 && record.rtype.is_data()
        );
    }
    let text = exported(&master, &origin);
    let (again, found) = parse(&path, text.as_bytes(), &origin, &files);
    assert!(!found.has_errors(), "{found}\n{text}");
    assert_eq!(exported(&again, &origin), text);
    let wire = |master: &Master| -> Vec<_> {
        master.records.iter().map(|r| (r.owner.to_name(), r.ttl, r.rtype, r.rdata.to_vec())).collect()
    };
    assert_eq!(wire(&again), wire(&master), "{text}");
    assert_eq!(again.soa.map(|soa| (soa.0, soa.1)), master.soa.map(|soa| (soa.0, soa.1)));
});

/// The form of `catchment export`.
fn exported(master: &Master, origin: &Name) -> String {
    let mut out = String::new();
    if let Some((soa, serial, _)) = &master.soa {
        out += &format!(
            "{origin} {} IN SOA {} {} {serial} {} {} {} {}\n",
            soa.ttl, soa.mname, soa.rname, soa.refresh, soa.retry, soa.expire, soa.minimum
        );
    }
    for record in master.records.iter() {
        let data = rdata::show(record.rtype, record.rdata);
        out += &format!("{} {} IN {} {data}\n", record.owner, record.ttl, record.rtype);
    }
    out
}
