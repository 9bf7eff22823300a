//! What the documentation names exists.

#![expect(clippy::unwrap_used, reason = "a panic here is the report")]

use std::path::{Path, PathBuf};

/// Every Rust file below a directory.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Functions of a file that have a test attribute.
fn tests_of(text: &str) -> Vec<&str> {
    let mut tests = Vec::new();
    let mut attributed = false;
    for line in text.lines().map(str::trim_start) {
        let is_test = ["#[test]", "#[tokio::test"].iter().any(|attribute| line.starts_with(attribute));
        attributed |= is_test;
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        if let Some((name, _)) = function.and_then(|rest| rest.split_once('('))
            && std::mem::take(&mut attributed)
        {
            tests.push(name);
        }
    }
    tests
}

/// `tests/rfc/rfc1034.rs` holds `rfc1034::…` and `rfc::rfc1034::…`.
fn is_module(path: &Path, module: &[&str]) -> bool {
    let path = path.with_extension("");
    let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.len() >= module.len() && parts[parts.len() - module.len()..] == *module
}

/// The words between backquotes that look like paths of functions.
fn named(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).filter(|word| word.contains("::") && !word.contains(' ')).collect()
}

#[test]
fn every_test_named_in_rfcs_md_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("docs/rfcs.md")).unwrap();
    let mut paths = Vec::new();
    for directory in ["src", "tests"] {
        sources(&root.join(directory), &mut paths);
    }
    let files: Vec<(PathBuf, String)> =
        paths.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect();
    let missing: Vec<&str> = named(&text)
        .into_iter()
        .filter(|name| {
            let module: Vec<&str> = name.split("::").collect();
            let (function, module) = module.split_last().unwrap();
            !files.iter().any(|(path, text)| is_module(path, module) && tests_of(text).contains(function))
        })
        .collect();
    assert!(missing.is_empty(), "docs/rfcs.md names tests that do not exist: {missing:#?}");
    assert!(named(&text).len() > 60);
}

/// The rows of the tables of what is implemented have a test each.
#[test]
fn every_row_of_rfcs_md_has_a_test() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rfcs.md")).unwrap();
    let implemented = text.split("## Not implemented").next().unwrap();
    let rows: Vec<_> =
        implemented.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| RFC ")).collect();
    assert!(rows.len() > 40);
    for row in rows {
        assert!(!named(row).is_empty(), "no test in: {row}");
        assert_eq!(row.matches(" | ").count(), 4, "five columns in: {row}");
    }
}
