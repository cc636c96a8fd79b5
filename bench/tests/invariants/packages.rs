//! Who may depend on whom, by `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::{Value, json};

use crate::root;

/// Rules of `a may not reach b`, however far the way.
const UNREACHABLE: &[(&str, &[&str])] = &[
    (
        "lmbench-transport",
        &["lmbench", "lmbench-harness", "lmbench-guest"],
    ),
    ("lmbench-harness", &["lmbench", "lmbench-transport"]),
    (
        "lmbench-guest",
        &["lmbench", "lmbench-transport", "lmbench-harness", "tokio"],
    ),
    (
        "lmbench-record",
        &[
            "lmbench",
            "lmbench-transport",
            "lmbench-harness",
            "lmbench-guest",
            "tokio",
            "socket2",
        ],
    ),
    (
        "lmbench-report",
        &[
            "lmbench",
            "lmbench-transport",
            "lmbench-harness",
            "lmbench-guest",
            "tokio",
            "socket2",
        ],
    ),
    (
        "lmbench-os",
        &[
            "lmbench",
            "lmbench-record",
            "lmbench-transport",
            "lmbench-harness",
            "lmbench-guest",
            "tokio",
        ],
    ),
    (
        "lmbench-model",
        &[
            "lmbench",
            "lmbench-transport",
            "lmbench-harness",
            "lmbench-guest",
            "tokio",
        ],
    ),
];
/// The packages of the program, in `bench`.
const OF_BENCH: &[&str] = &[
    "lmbench",
    "lmbench-record",
    "lmbench-report",
    "lmbench-scenario",
];
/// Scenario files, statistics and the terminal: only those of `bench` name these.
const ONLY_BENCH: &[&str] = &[
    "annotate-snippets",
    "anstream",
    "clap",
    "comfy-table",
    "hdrhistogram",
    "indicatif",
    "serde_spanned",
    "statrs",
    "toml",
    "toml_edit",
];
/// The guest counts latencies in the form that `lmbench` reads.
const EXCEPTIONS: &[(&str, &str)] = &[("lmbench-guest", "hdrhistogram")];
/// Packages without which the rules above would hold for want of anything to break them.
const PACKAGES: &[&str] = &[
    "lmbench",
    "lmbench-transport",
    "lmbench-harness",
    "lmbench-guest",
    "lmbench-os",
    "lmbench-record",
    "lmbench-report",
];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--format-version", "1"])
        .args([
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
            "--manifest-path",
        ])
        .arg(root().join("Cargo.toml"))
        .output()
        .expect("cargo, which started this test, can be started");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo metadata writes JSON")
}

/// Direct dependencies by package id, those of tests and benches left out, and each id's name.
fn graph(metadata: &Value) -> (BTreeMap<&str, Vec<&str>>, BTreeMap<&str, &str>) {
    let names = list(&metadata["packages"])
        .filter_map(|package| Some((package["id"].as_str()?, package["name"].as_str()?)))
        .collect();
    let ships =
        |dependency: &Value| list(&dependency["dep_kinds"]).any(|kind| kind["kind"] != "dev");
    let edges = list(&metadata["resolve"]["nodes"])
        .filter_map(|node| {
            let dependencies = list(&node["deps"]).filter(|dependency| ships(dependency));
            Some((
                node["id"].as_str()?,
                dependencies
                    .filter_map(|dependency| dependency["pkg"].as_str())
                    .collect(),
            ))
        })
        .collect();
    (edges, names)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn broken_dependency_rules(metadata: &Value) -> Vec<String> {
    let (edges, names) = graph(metadata);
    let ids: BTreeMap<&str, &str> = names.iter().map(|(id, name)| (*name, *id)).collect();
    let direct = |id: &str| edges.get(id).into_iter().flatten().copied();
    let mut broken = Vec::new();
    for package in PACKAGES
        .iter()
        .filter(|package| !ids.contains_key(*package))
    {
        broken.push(format!(
            "there is no package {package} to hold to its rules"
        ));
    }
    for (package, forbidden) in UNREACHABLE {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> = ids
            .get(package)
            .copied()
            .into_iter()
            .flat_map(direct)
            .collect();
        while let Some(id) = open.pop() {
            if reached.insert(id) {
                open.extend(direct(id));
            }
        }
        let reached: BTreeSet<&str> = reached
            .iter()
            .filter_map(|id| names.get(id).copied())
            .collect();
        broken.extend(
            forbidden
                .iter()
                .filter(|name| reached.contains(*name))
                .map(|name| format!("{package} reaches {name}")),
        );
    }
    let members = list(&metadata["workspace_members"]).filter_map(Value::as_str);
    for id in members {
        let package = names.get(id).copied().unwrap_or(id);
        let dependencies = direct(id).filter_map(|dependency| names.get(dependency).copied());
        let foreign = dependencies.filter(|name| {
            !OF_BENCH.contains(&package)
                && ONLY_BENCH.contains(name)
                && !EXCEPTIONS.contains(&(package, *name))
        });
        broken.extend(
            foreign.map(|name| format!("{package} depends on {name}, which is for bench alone")),
        );
    }
    broken
}

#[test]
fn packages_keep_apart() {
    let node = |id: &str, dependencies: &[(&str, Value)]| {
        let deps: Vec<_> = dependencies
            .iter()
            .map(|(pkg, kind)| json!({"pkg": pkg, "dep_kinds": [{"kind": kind}]}))
            .collect();
        json!({"id": id, "deps": deps})
    };
    let names = [
        "lmbench",
        "lmbench-transport",
        "lmbench-harness",
        "lmbench-guest",
        "lmbench-os",
        "lmbench-record",
        "lmbench-report",
        "tokio",
        "toml",
        "between",
        "hdrhistogram",
    ];
    let made_up = json!({
        "packages": names.map(|name| json!({"id": name, "name": name})),
        "workspace_members": ["lmbench", "lmbench-transport", "lmbench-harness", "lmbench-guest", "lmbench-record"],
        "resolve": {"nodes": [
            node("lmbench", &[("toml", Value::Null), ("lmbench-harness", Value::Null)]),
            node("lmbench-harness", &[("between", Value::Null), ("toml", Value::Null), ("lmbench-guest", Value::Null)]),
            node("between", &[("lmbench-transport", json!("build"))]),
            node("lmbench-record", &[("toml", Value::Null), ("lmbench-transport", Value::Null)]),
            node("lmbench-guest", &[("tokio", Value::Null), ("hdrhistogram", Value::Null)]),
            node("lmbench-transport", &[("lmbench-harness", json!("dev")), ("toml", json!("dev"))]),
        ]}
    });
    assert_eq!(
        broken_dependency_rules(&made_up),
        [
            "lmbench-harness reaches lmbench-transport",
            "lmbench-guest reaches tokio",
            "lmbench-record reaches lmbench-transport",
            "lmbench-harness depends on toml, which is for bench alone",
        ]
    );
    assert_eq!(broken_dependency_rules(&json!({})).len(), PACKAGES.len());

    let metadata = metadata();
    // The program needs far more packages than this; fewer would mean that the graph is not read.
    assert!(graph(&metadata).0.values().map(Vec::len).sum::<usize>() > 100);
    assert_eq!(broken_dependency_rules(&metadata), Vec::<String>::new());
}
