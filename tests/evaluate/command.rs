//! The command itself.

use std::fs;
use std::process::{Command, Output};

use crate::world;

fn run(arguments: &[&str]) -> (Output, String, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("geodb")).unwrap();
    fs::write(path("geodb/small.mmdb"), world::database()).unwrap();
    fs::write(path("pops.tsv"), world::POPS).unwrap();
    fs::write(path("bad.tsv"), "fra\n").unwrap();
    fs::create_dir(path("zones")).unwrap();
    let zone = "zone: example.com\nns: [ns1]\nrecords:\n  ns1: {A: 192.0.2.53}\n  www: {steer: web}\n  api: {steer: {service: web, policy: failover}}\n  one: {steer: less}\n";
    let fleet = "pops:\n  fra: {at: [50.11, 8.68]}\n  iad: {at: [38.95, -77.45]}\nservices:\n  web: {pops: {fra: [192.0.2.1], \
                 iad: [192.0.2.2]}}\n  less: {pops: {fra: [192.0.2.1]}}\n";
    fs::write(path("zones/example.com.yaml"), zone).unwrap();
    fs::write(path("zones/fleet.yaml"), fleet).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_catchment"))
        .arg("evaluate")
        .args(arguments)
        .current_dir(directory.path())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout).into(), String::from_utf8_lossy(&output.stderr).into());
    (output, out, err)
}

#[test]
fn a_list_of_pops_as_json() {
    let (output, out, err) = run(&["--pops", "pops.tsv", "--json", "--samples", "2000"]);
    assert!(output.status.success() && err.is_empty(), "{err}");
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value["what"], "pops.tsv");
    assert_eq!((&value["pops"], &value["policy"]), (&6.into(), &"nearest".into()));
    assert_eq!(value["nearest"]["whole_address"]["/24s"]["nearest"], 1.0);
    assert_eq!((&value["scopes"]["violations"], &value["scopes"]["not_minimal"]), (&0.into(), &0.into()));
    assert!(value["scopes"]["pairs"].as_u64().unwrap() > 100, "{value:#}");
    assert_eq!(value["again"]["restart_same"], true);
    assert_eq!(value["databases"][0], "small.mmdb (Test-City, built 2026-06-05)");
}

#[test]
fn a_name_of_the_files_and_the_largest_without_one() {
    let check = |arguments: &[&str], name: &str, pops: &str| {
        let (output, out, err) = run(&[arguments, &["--samples", "0", "--markdown"]].concat());
        assert!(output.status.success(), "{err}{out}");
        assert!(out.starts_with(&format!("### {name}: {pops}, policy `nearest`\n\ncatchment ")), "{out}");
        assert!(!out.contains("Scopes"), "{out}");
    };
    check(&[], "www.example.com.", "2 PoPs");
    check(&["one.example.com"], "one.example.com.", "1 PoPs");
}

#[test]
fn what_cannot_be_evaluated_is_said() {
    let check = |arguments: &[&str], code: i32, expected: &str| {
        let (output, out, err) = run(arguments);
        assert!(output.status.code() == Some(code) && out.is_empty() && err.contains(expected), "{err}");
    };
    check(
        &["--pops", "bad.tsv"],
        1,
        "bad.tsv is no list of PoPs: line 1: latitude or longitude is not a number of degrees",
    );
    check(&["ns1.example.com"], 1, "`ns1.example.com.` is not steered");
    check(&["--pops", "missing.tsv"], 1, "missing.tsv cannot be read");
    check(&["--rtt", "cities.csv"], 2, "--pops <FILE>");
}
