//! In what two runs were measured differently: whatever stands here may be the cause of what is seen below it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::record::Record;
use crate::scenario_text::settings;

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EnvironmentDifference {
    /// What.
    pub what: String,
    /// The base's.
    pub base: String,
    /// The candidate's.
    pub candidate: String,
}

pub(super) fn differences(base: &Record, candidate: &Record) -> Vec<EnvironmentDifference> {
    let (one, other) = (facts(base), facts(candidate));
    let mut differences = asked(base, candidate);
    for (what, base) in &one {
        let candidate = other
            .iter()
            .find(|(name, _)| name == what)
            .map_or(NOT_SAID, |(_, value)| value);
        if base != candidate {
            differences.push(EnvironmentDifference {
                what: what.clone(),
                base: base.clone(),
                candidate: candidate.to_owned(),
            });
        }
    }
    for (what, candidate) in other {
        if !one.iter().any(|(name, _)| *name == what) {
            differences.push(EnvironmentDifference {
                what,
                base: NOT_SAID.to_owned(),
                candidate,
            });
        }
    }
    differences
}

/// What was asked differently: the settings by name or, where none differs or can be read, that the texts do.
fn asked(base: &Record, candidate: &Record) -> Vec<EnvironmentDifference> {
    let (base, candidate) = (&base.scenario, &candidate.scenario);
    if base.sha256 == candidate.sha256 {
        return Vec::new();
    }
    let settings = settings(&base.text).zip(settings(&candidate.text));
    let different = settings.map_or(Vec::new(), |(base, candidate)| {
        settings_differ(&base, &candidate)
    });
    if (1..=SETTINGS_MAX).contains(&different.len()) {
        return different;
    }
    let short = |sha256: &str| sha256.chars().take(12).collect();
    vec![EnvironmentDifference {
        what: "scenario's text, SHA-256".to_owned(),
        base: short(&base.sha256),
        candidate: short(&candidate.sha256),
    }]
}

fn settings_differ(
    base: &BTreeMap<String, String>,
    candidate: &BTreeMap<String, String>,
) -> Vec<EnvironmentDifference> {
    let paths: BTreeSet<&String> = base.keys().chain(candidate.keys()).collect();
    let different = paths
        .into_iter()
        .filter(|path| base.get(*path) != candidate.get(*path));
    let difference = |path: &String| {
        let value = |of: &BTreeMap<String, String>| {
            let value = of.get(path);
            value.map_or(NOT_SAID, String::as_str).to_owned()
        };
        EnvironmentDifference {
            what: format!("setting `{path}`"),
            base: value(base),
            candidate: value(candidate),
        }
    };
    different.map(difference).collect()
}

/// What of a run's circumstances can change its figures; not what differs in every run, such as ids of processes.
fn facts(record: &Record) -> Vec<(String, String)> {
    let environment = &record.environment;
    let mut facts: Vec<(String, String)> = [
        ("lmbench", environment.lmbench.clone()),
        ("QEMU", environment.qemu.clone()),
        ("kernel", environment.kernel.clone()),
        ("accelerator", environment.accelerator.clone()),
        ("CPU", environment.cpu.clone()),
        ("CPUs", environment.cores.to_string()),
        ("scenario", record.scenario.name.clone()),
        ("seed", record.seed.to_string()),
    ]
    .map(|(what, value)| (what.to_owned(), value))
    .into();
    for (host, about) in environment.hosts.iter().take(HOSTS_MAX) {
        let fact = |path: &[&str], what: &str| {
            let value = path.iter().try_fold(about, |value, key| value.get(key))?;
            Some((format!("{what} of the {host}"), text(value)?))
        };
        facts.extend(fact(&["name"], "name"));
        facts.extend(fact(&["qemu"], "QEMU"));
        for (key, what) in HOST_FACTS {
            facts.extend(fact(&["info", key], what));
        }
    }
    if let Some(Value::Object(networks)) = environment.details.get("network") {
        for (name, network) in networks.iter().take(HOSTS_MAX) {
            if let Some(method) = network.get("method").and_then(text) {
                facts.push((format!("what makes the {name} network's link"), method));
            }
        }
    }
    // Of an imported run: what the other tool said.
    facts.extend(IMPORTED_FACTS.iter().filter_map(|(key, what)| {
        let value = text(environment.details.get(*key)?)?;
        Some(((*what).to_owned(), value))
    }));
    facts
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

const HOST_FACTS: [(&str, &str); 7] = [
    ("lmbench", "lmbench"),
    ("kernel", "kernel"),
    ("cpu", "CPU"),
    ("cores", "CPUs"),
    ("memory_bytes", "memory in bytes"),
    ("congestion_control", "TCP congestion control"),
    ("huge_pages", "huge pages"),
];
const IMPORTED_FACTS: [(&str, &str); 5] = [
    ("imported_from", "measured by"),
    ("binary", "QEMU's binary"),
    ("guest_kernel", "guest's kernel"),
    ("guest_initrd", "guest's initrd"),
    ("sleep_s", "seconds from start to migration"),
];
/// A record has two; a hostile one has what it likes.
const HOSTS_MAX: usize = 8;
/// Two scenarios of which more differs are simply two.
const SETTINGS_MAX: usize = 12;
const NOT_SAID: &str = "not said";
