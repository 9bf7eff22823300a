//! One zone's model → the tables that answer.

use crate::config::model::ZoneModel;
use crate::config::{Also, Diagnostic, Diagnostics, Location, Severity};
use crate::dns::Type;
use crate::zone::{Problem, ReflectId, SteerId, Zone, ZoneBuilder};

/// Compiles a zone. Its [`SteerId`]s are indices into `model.steers`, so that the zone does not depend on other zones and
/// can be kept from generation to generation.
pub fn zone(model: &ZoneModel, serial: u32) -> (Option<Zone>, Diagnostics) {
    // Tags: 0 is the zone as a whole, then the records, then the steered names, then the ALIAS, then the reflecting names.
    let mut builder = ZoneBuilder::new(&model.apex, 0);
    builder.add(&model.apex, Type::SOA, model.soa.ttl, &soa(model, serial), 0);
    for (index, record) in model.records.iter().enumerate() {
        builder.add(record.owner, record.rtype, record.ttl, record.rdata, 1 + index as u32);
    }
    let steers = 1 + model.records.len() as u32;
    for (index, steer) in model.steers.iter().enumerate() {
        builder.steer(&steer.owner, SteerId(index as u32), steers + index as u32);
    }
    let aliases = steers + model.steers.len() as u32;
    for (index, alias) in model.aliases.iter().enumerate() {
        builder.alias(&alias.owner, &alias.target, alias.ttl, aliases + index as u32);
    }
    let reflects = aliases + model.aliases.len() as u32;
    for (index, reflect) in model.reflects.iter().enumerate() {
        builder.reflect(&reflect.owner, ReflectId(index as u32), reflects + index as u32);
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
    let place = |tag: u32| {
        tag.checked_sub(1).and_then(|index| place(model, index as usize)).unwrap_or_else(|| model.location.clone())
    };
    let also = problem.other.map(|(tag, label)| Box::new(Also { location: place(tag), label }));
    Diagnostic { severity, location: place(problem.tag), message: problem.message, help: problem.help, also }
}

/// Where the thing of a tag, less 1, is written.
fn place(model: &ZoneModel, index: usize) -> Option<Location> {
    let Some(index) = index.checked_sub(model.records.len()) else {
        return model.records.get(index).map(|r| r.location());
    };
    let Some(index) = index.checked_sub(model.steers.len()) else {
        return model.steers.get(index).map(|s| s.location.clone());
    };
    let Some(index) = index.checked_sub(model.aliases.len()) else {
        return model.aliases.get(index).map(|alias| alias.location.clone());
    };
    model.reflects.get(index).map(|reflect| reflect.location.clone())
}
