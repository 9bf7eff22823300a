//! Laws for any text: nothing panics, every finding has a place in the file, and errors mean nothing is used.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::{Parsed, Source, Style, parse, render, settings};
use super::{load, refs, shipped};

fn laws(text: &str) {
    let source = Source { path: "z.yaml".into(), text: text.into() };
    let (parsed, found) = parse(&source);
    let lines = text.matches(['\n', '\r']).count() as u32 + 1;
    assert!(
        found.0.iter().all(|d| d.location.line <= lines && (d.location.line == 0 || d.location.column > 0)),
        "{found}"
    );
    assert!(found.0.is_sorted_by_key(|d| &d.location));
    match parsed {
        Some(Parsed::Zone(zone)) => assert_eq!(zone.is_good(), !found.has_errors()),
        Some(Parsed::Fleet(fleet)) => assert_eq!(fleet.is_good(), !found.has_errors()),
        None => assert!(found.has_errors()),
    }
    let loaded = load(&[("z.yaml", text)]);
    let _ = render(&loaded.diagnostics, Style { width: Some(80), color: true }, &|_| Some(Arc::clone(&source.text)));
    let (settings, found) = settings::parse(&source);
    assert_eq!(settings.is_none(), found.has_errors());
}

/// One edit of a text, as a slip of the keyboard makes it.
fn edited(text: &str, at: usize, edit: usize, insert: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let at = at % (chars.len() + 1);
    let end = (at + edit / 3 % 20).min(chars.len());
    match edit % 3 {
        0 => drop(chars.drain(at..end)),
        1 => drop(chars.splice(at..at, insert.chars())),
        _ => drop(chars.splice(at..end, insert.chars())),
    }
    chars.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in any::<String>()) {
        laws(&text);
    }

    #[test]
    fn any_yaml_like_text(text in "([ \\n]{0,4}(zone|records|pops|services|checks|www|A|steer|[-?:{}\\[\\],&*!|>'\"%@`#~]|: |- |1|fra| )){0,40}") {
        laws(&text);
    }

    #[test]
    fn the_shipped_example_with_slips(
        file in any::<prop::sample::Index>(),
        slips in prop::collection::vec((any::<usize>(), any::<usize>(), "[-a-z0-9:{}\\[\\],&*!|>'\"%@`#~ \\n\\t]{0,6}"), 1..4),
    ) {
        let mut files = shipped();
        let index = file.index(files.len());
        for (at, edit, insert) in slips {
            files[index].1 = edited(&files[index].1, at, edit, &insert);
        }
        laws(&files[index].1);
        let loaded = load(&refs(&files));
        prop_assert!(loaded.fleet.is_some() || loaded.diagnostics.has_errors());
    }
}
