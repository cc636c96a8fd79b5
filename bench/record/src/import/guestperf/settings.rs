//! What was asked of guestperf and on what it ran, in the words of our records.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::ReadReport;
use super::report::Report;
use crate::record::{Environment, ScenarioText};

/// All that was asked for, as against what was measured.
pub(super) fn asked(report: &Report) -> String {
    let text = scenario(report).text;
    let Report {
        binary,
        dst_host,
        kernel,
        initrd,
        transport,
        sleep,
        ..
    } = report;
    format!("{text}{binary:?}{dst_host:?}{kernel:?}{initrd:?}{transport:?}{sleep:?}")
}

/// The settings as guestperf had them, as TOML: one text for one scenario, so that changes of it show.
pub(super) fn scenario(report: &Report) -> ScenarioText {
    let name = report.scenario.get("name").and_then(Value::as_str);
    let name = format!("guestperf-{}", name.unwrap_or("unnamed"));
    let mut text = format!(
        "# guestperf's scenario and hardware, in its own words\nname = {}\n",
        literal(&json!(name))
    );
    for (table, map) in [
        ("scenario", &report.scenario),
        ("hardware", &report.hardware),
    ] {
        let _ = writeln!(text, "\n[guestperf.{table}]");
        for (key, value) in map {
            // The name stands above.
            if !value.is_null() && key != "name" {
                let _ = writeln!(text, "{} = {}", literal(&json!(key)), literal(value));
            }
        }
    }
    ScenarioText::new(name, text)
}

/// A JSON value as TOML: the same for numbers, truth values and lists; strings need the escapes of both, which JSON's are.
fn literal(value: &Value) -> String {
    match value {
        Value::String(_) | Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Array(list) => {
            let values: Vec<String> = list.iter().map(literal).collect();
            format!("[{}]", values.join(", "))
        }
        // Of another version of guestperf: as text, so that nothing is lost.
        other => Value::String(other.to_string()).to_string(),
    }
}

/// What a matrix of ours would call it.
pub(super) fn cell(report: &Report) -> IndexMap<String, Value> {
    let is = |key: &str| report.scenario.get(key).and_then(Value::as_bool) == Some(true);
    let carrier = match report.transport.as_deref() {
        Some("unix") => Some("native-unix"),
        Some("tcp") => Some("native-tcp"),
        other => other,
    };
    let policies = [
        ("post_copy", "post-copy"),
        ("pause", "pause"),
        ("auto_converge", "auto-converge"),
        ("dirty_limit", "dirty-limit"),
    ];
    let policies: Vec<&str> = policies
        .iter()
        .filter(|(key, _)| is(key))
        .map(|(_, policy)| *policy)
        .collect();
    let policy = if policies.is_empty() {
        "static".to_owned()
    } else {
        policies.join("+")
    };
    let mut cell = IndexMap::new();
    cell.extend(carrier.map(|carrier| ("carrier".to_owned(), json!(carrier))));
    cell.insert("policy".to_owned(), json!(policy));
    if is("multifd") {
        let channels = report.scenario.get("multifd_channels");
        cell.extend(
            channels.map(|channels| ("migration.multifd-channels".to_owned(), channels.clone())),
        );
    }
    cell
}

pub(super) fn cell_id(cell: &IndexMap<String, Value>) -> String {
    let plain = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let parts: Vec<String> = cell
        .iter()
        .map(|(key, value)| format!("{key}={}", plain(value)))
        .collect();
    parts.join(",")
}

/// guestperf says nothing of QEMU's version, the CPU or the kernel of the hosts.
pub(super) fn environment(reports: &[ReadReport]) -> Environment {
    let unknown = || UNKNOWN.to_owned();
    let report = &reports[0].report;
    let names: Vec<_> = reports
        .iter()
        .map(|read| read.path.to_string_lossy())
        .collect();
    let (files, names) = match names.as_slice() {
        [name] => ("imported_file", json!(name)),
        names => ("imported_files", json!(names)),
    };
    let mut details = BTreeMap::from([
        ("imported_from".to_owned(), json!("guestperf")),
        (files.to_owned(), names),
    ]);
    for (key, value) in [
        ("binary", &report.binary),
        ("guest_kernel", &report.kernel),
        ("guest_initrd", &report.initrd),
        ("transport", &report.transport),
    ] {
        details.extend(value.as_ref().map(|value| (key.to_owned(), json!(value))));
    }
    details.extend(
        report
            .sleep
            .map(|sleep| ("sleep_s".to_owned(), json!(sleep))),
    );
    let destination = report.dst_host.as_ref();
    Environment {
        lmbench: env!("CARGO_PKG_VERSION").to_owned(),
        qemu: unknown(),
        kernel: unknown(),
        accelerator: unknown(),
        accelerator_reason: None,
        cpu: unknown(),
        cores: 0,
        hosts: destination
            .map(|name| ("destination".to_owned(), json!({ "name": name })))
            .into_iter()
            .collect(),
        details,
    }
}

/// Of a version or model that nobody wrote down.
const UNKNOWN: &str = "unknown";
