//! `examples/monitoring` names only metrics that exist, and every alert has its line of advice.

#![expect(clippy::unwrap_used, reason = "a panic here is the report")]

use std::collections::BTreeSet;
use std::path::Path;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Every name that a sample may have: of a histogram those of its parts.
fn documented() -> BTreeSet<String> {
    let page = read("docs/metrics.md");
    let mut names = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.split(" | ").collect();
        let name = cells[0].trim_matches(['|', ' ', '`']);
        match cells[1] {
            "histogram" => names.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}"))),
            _ => _ = names.insert(name.to_owned()),
        }
    }
    names
}

/// The words of an expression that are names of ours.
fn named(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("catchment_") || word.starts_with("process_"))
}

#[track_caller]
fn check(expressions: &[&str]) -> usize {
    let (documented, mut count) = (documented(), 0);
    for expression in expressions {
        for name in named(expression) {
            assert!(documented.contains(name), "`{name}` is not in docs/metrics.md: {expression}");
            count += 1;
        }
    }
    count
}

#[test]
fn alerts_are_about_metrics_that_exist_and_have_advice() {
    let rules = read("examples/monitoring/alerts.yaml");
    let after = |key: &str| rules.lines().filter_map(|line| line.trim().strip_prefix(key)).collect::<Vec<_>>();
    let (alerts, expressions) = (after("- alert: "), after("expr: "));
    assert!(alerts.len() >= 15 && alerts.len() == expressions.len());
    assert!(check(&expressions) >= alerts.len() - 1);
    let operations = read("docs/operations.md");
    for alert in &alerts {
        assert!(operations.contains(&format!("| `{alert}` |")), "docs/operations.md has no row for `{alert}`");
    }
    let rows = operations.lines().filter(|line| line.starts_with("| `Catchment")).count();
    assert_eq!(rows, alerts.len(), "docs/operations.md has rows for alerts that do not exist");
}

#[test]
fn the_dashboard_shows_metrics_that_exist() {
    let text = read("examples/monitoring/dashboard.json");
    let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let expressions: Vec<_> = targets.map(|target| target["expr"].as_str().unwrap()).collect();
    assert!(check(&expressions) >= 40);
    let variables: Vec<_> =
        dashboard["templating"]["list"].as_array().unwrap().iter().filter_map(|v| v["query"].as_str()).collect();
    assert!(check(&variables) >= 2);
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
}
