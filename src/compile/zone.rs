//! One zone's model → the tables that answer.

use crate::config::model::ZoneModel;
use crate::config::{Diagnostic, Diagnostics, Location, Severity};
use crate::dns::Type;
use crate::zone::{Problem, SteerId, Zone, ZoneBuilder};

/// Compiles a zone. Its [`SteerId`]s are indices into `model.steers`, so that the zone does not depend on other zones and
/// can be kept from generation to generation.
pub fn zone(model: &ZoneModel, serial: u32) -> (Option<Zone>, Diagnostics) {
    // Tags: 0 is the zone as a whole, then the records, then the steered names.
    let mut builder = ZoneBuilder::new(&model.apex, 0);
    builder.add(&model.apex, Type::SOA, model.soa.ttl, &soa(model, serial), 0);
    for (index, record) in model.records.iter().enumerate() {
        builder.add(&record.owner, record.rtype, record.ttl, &record.rdata.wire, 1 + index as u32);
    }
    let steers = 1 + model.records.len() as u32;
    for (index, steer) in model.steers.iter().enumerate() {
        builder.steer(&steer.owner, SteerId(index as u32), steers + index as u32);
    }
    let (zone, problems, severity) = match builder.build() {
        Ok(built) => (Some(built.zone), built.warnings, Severity::Warning),
        Err(problems) => (None, problems, Severity::Error),
    };
    let diagnostics = problems.into_iter().map(|problem| locate(model, problem, severity)).collect();
    (zone, Diagnostics(diagnostics))
}

/// SOA RDATA (RFC 1035 §3.3.13).
fn soa(model: &ZoneModel, serial: u32) -> Vec<u8> {
    let soa = &model.soa;
    let mut rdata = [soa.mname.as_wire(), soa.rname.as_wire()].concat();
    for number in [serial, soa.refresh, soa.retry, soa.expire, soa.minimum] {
        rdata.extend_from_slice(&number.to_be_bytes());
    }
    rdata
}

fn locate(model: &ZoneModel, problem: Problem, severity: Severity) -> Diagnostic {
    let location: &Location = match problem.tag.checked_sub(1).map(|index| index as usize) {
        None => &model.location,
        Some(index) => match model.records.get(index) {
            Some(record) => &record.location,
            None => model.steers.get(index - model.records.len()).map_or(&model.location, |steer| &steer.location),
        },
    };
    Diagnostic { severity, location: location.clone(), message: problem.message, help: problem.help }
}
