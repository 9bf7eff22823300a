//! Any text as a zone file, a fleet file, or the settings: findings have places in the file, errors mean nothing is used,
//! and every finding renders.

#![no_main]

use std::sync::Arc;

use catchment::config::{Parsed, Source, Style, link_fleet, link_zone, parse, render, settings, unused};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let source = Source { path: "z.yaml".into(), text: text.into() };
    let (parsed, mut found) = parse(&source);
    let lines = text.matches(['\n', '\r']).count() as u32 + 1;
    for diagnostic in &found.0 {
        let at = &diagnostic.location;
        assert!(at.line <= lines && (at.line == 0 || at.column > 0), "{found}");
    }
    let (mut fleets, mut zones) = (Vec::new(), Vec::new());
    match parsed {
        Some(Parsed::Zone(zone)) => {
            assert_eq!(zone.is_good(), !found.has_errors());
            zones.push(zone);
        }
        Some(Parsed::Fleet(fleet)) => {
            assert_eq!(fleet.is_good(), !found.has_errors());
            fleets.push(fleet);
        }
        None => assert!(found.has_errors()),
    }
    let (fleet, more) = link_fleet(&fleets);
    found.extend(more);
    if let Some(fleet) = &fleet {
        for zone in &zones {
            found.extend(link_zone(zone, fleet).1);
        }
        found.extend(unused(&fleets, &zones));
    }
    found.sort();
    let style = Style { width: Some(80), color: true };
    let _ = render(&found, style, &|_| Some(Arc::clone(&source.text)));
    let (settings, found) = settings::parse(&source);
    assert_eq!(settings.is_none(), found.has_errors());
});
