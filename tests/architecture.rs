//! Holds the arrows of `docs/ARCHITECTURE.md`: which room may import which. Reads every `crate::` path in `src/`, in
//! `use` lines and in the middle of code, and compares it with the table below. Test modules count too: a room's unit
//! tests need no other rooms than the room itself.
#![allow(clippy::unwrap_used, reason = "a panic is a test's report")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Room ← the rooms it may import, besides itself and `metrics`. `*` is any room.
const ARROWS: &[(&str, &[&str])] = &[
    ("cli", &["*"]),
    (
        "daemon",
        &[
            "dns", "net", "metrics", "mapped", "heap", "zone", "geo", "health", "steering", "live", "config",
            "snapshot", "compile", "query", "explain", "journal", "server", "probe", "reload", "control", "fetch",
        ],
    ),
    ("dns", &[]),
    ("net", &[]),
    ("metrics", &[]),
    ("mapped", &[]),
    ("heap", &[]),
    ("tls", &[]),
    ("zone", &["dns"]),
    ("geo", &["mapped", "net"]),
    ("health", &["net"]),
    ("steering", &["net", "geo", "health"]),
    ("live", &["net", "geo", "health", "steering"]),
    ("config", &["dns", "net", "zone", "geo", "health", "steering"]),
    ("snapshot", &["dns", "net", "zone", "geo", "health", "steering", "live"]),
    ("compile", &["dns", "net", "zone", "geo", "health", "steering", "live", "config", "snapshot"]),
    ("query", &["dns", "net", "zone", "live", "snapshot"]),
    ("explain", &["dns", "net", "zone", "geo", "health", "steering", "live", "snapshot"]),
    ("evaluate", &["dns", "net", "zone", "geo", "health", "steering", "live", "snapshot", "explain", "survey"]),
    ("survey", &["dns", "zone", "net", "geo", "health", "steering", "live", "snapshot", "explain"]),
    ("picture", &["geo", "survey"]),
    ("journal", &["dns", "net", "query", "snapshot"]),
    ("server", &["query", "snapshot", "journal"]),
    ("probe", &["health", "snapshot", "tls"]),
    ("fetch", &["geo", "config", "tls"]),
    (
        "reload",
        &["dns", "zone", "geo", "health", "heap", "mapped", "config", "compile", "explain", "snapshot", "survey"],
    ),
    (
        "control",
        &[
            "dns", "net", "zone", "geo", "health", "steering", "live", "config", "snapshot", "explain", "survey",
            "probe", "reload",
        ],
    ),
];

/// Rooms that hold no clock, randomness, I/O or tokio: `now`, `seed` and the files' bytes are arguments.
const PURE: &[&str] = &[
    "dns", "net", "zone", "geo", "health", "steering", "live", "config", "snapshot", "compile", "query", "explain",
    "survey", "picture", "evaluate",
];

/// What a pure room never names outside its tests.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::io::stdin",
    "std::process",
    "std::thread::sleep",
    "tokio::",
    "Instant::now",
    "SystemTime::now",
    "rand::",
];

/// Crates that only one file names.
const ONE_FILE: &[(&str, &str)] = &[
    ("serde_saphyr", "src/config/yaml.rs"),
    ("hickory_server", "src/server/portable.rs"),
    ("memmap2", "src/mapped.rs"),
    ("tiny_skia", "src/picture/png.rs"),
    ("prost::", "src/journal/dnstap.rs"),
    ("utoipa::openapi", "src/control/openapi.rs"),
];

/// The files with unsafe code: each small, with a safe face, the reasons beside each use, and a way without it.
const UNSAFE: &[&str] = &["src/heap.rs", "src/mapped.rs", "src/server/batch.rs"];

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(directory: &Path, found: &mut Vec<(PathBuf, String)>) {
        let mut entries: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    walk(&root.join("src"), &mut found);
    found.into_iter().map(|(path, text)| (path.strip_prefix(root).unwrap().to_owned(), text)).collect()
}

/// The room of a file: the first folder or file name under `src/`. `lib.rs` and `main.rs` belong to none.
fn room(path: &Path) -> Option<String> {
    let first = path.components().nth(1)?.as_os_str().to_str()?;
    let room = first.trim_end_matches(".rs");
    (room != "lib" && room != "main").then(|| room.to_owned())
}

/// Code without comments, with test modules (which stand last in a file) cut off when `tests` is false.
fn code(text: &str, tests: bool) -> String {
    let end = if tests { text.len() } else { text.find("#[cfg(test)]").unwrap_or(text.len()) };
    text[..end]
        .lines()
        .map(|line| line.find("//").map_or(line, |comment| &line[..comment]))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Every room named by a `crate::…` path, braces included: `crate::{geo::Site, net::Block}`.
fn imports(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0usize;
            let mut word = String::new();
            let mut fresh = true;
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => fresh = true,
                    c if depth == 0 && fresh && (c.is_alphanumeric() || c == '_') => word.push(c),
                    _ => {
                        if !word.is_empty() {
                            fresh = false;
                        }
                    }
                }
                if (!fresh || c == ',') && !word.is_empty() {
                    rooms.insert(std::mem::take(&mut word));
                }
            }
            if !word.is_empty() {
                rooms.insert(word);
            }
        } else {
            rooms.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    rooms
}

#[test]
fn rooms_import_only_what_the_map_allows() {
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Some(room) = room(&path) else { continue };
        let Some(allowed) = arrows.get(room.as_str()) else {
            wrong.push(format!("{}: the room `{room}` is not in the table of tests/architecture.rs", path.display()));
            continue;
        };
        for import in imports(&code(&text, true)) {
            let fine = import == room || import == "metrics" || allowed.contains(&"*") || allowed.contains(&&*import);
            // `cli` stands on top: nobody imports it, whatever the table says.
            if !fine || (import == "cli" && room != "cli") {
                wrong.push(format!("{}: `{room}` must not import `{import}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_rooms_have_no_clock_and_no_io() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        if room(&path).is_some_and(|room| PURE.contains(&room.as_str())) {
            let code = code(&text, false);
            for word in IMPURE.iter().filter(|word| code.contains(**word)) {
                wrong.push(format!("{}: a pure room names `{word}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_with_one_door_are_named_in_one_file() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        for (name, file) in ONE_FILE {
            if path != Path::new(file) && code(&text, true).contains(name) {
                wrong.push(format!("{}: only {file} may name `{name}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_is_in_its_files_only_with_a_reason_at_each_use() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let code = code(&text, true);
        let uses = code.matches("unsafe {").count() + code.matches("unsafe impl").count();
        let reasons = text.matches("// SAFETY:").count();
        if code.contains("unsafe_code") != UNSAFE.contains(&path.to_str().unwrap()) {
            wrong.push(format!("{}: not in the list of tests/architecture.rs, or there for nothing", path.display()));
        }
        if uses > reasons {
            wrong.push(format!("{}: {uses} uses of unsafe code, {reasons} reasons", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_every_form() {
    let expected = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(imports("use crate::geo::{self, Site};"), expected(&["geo"]));
    assert_eq!(imports("use crate::{dns, geo::{Site, Place}, net::Block};"), expected(&["dns", "geo", "net"]));
    assert_eq!(imports("let x = crate::probe::run();"), expected(&["probe"]));
    assert_eq!(imports("use std::fmt;"), expected(&[]));
}
