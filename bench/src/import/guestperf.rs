//! Reports of guestperf, the benchmark in QEMU's own sources (`tests/migration-stress/guestperf`, before 10.0
//! `tests/migration/guestperf`): one migration each.
//!
//! `report` is their shape, `measures` what is measured in them, and here a record is made of it.

mod measures;
mod report;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use self::report::{Progress, Report};
use super::{ImportError, damaged, read};
use crate::record::{Environment, Event, Outcome, Record, Repeat, ScenarioText};
use crate::store::Sample;

/// What a report comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// Its record. The id is made of the report's time, scenario and contents: the same file gives the same id.
    pub record: Record,
    /// Its readings.
    pub samples: Vec<Sample>,
}

/// Imports a file.
pub fn import(path: &Path) -> Result<Imported, ImportError> {
    from_json(&read(path)?, path)
}

/// Imports a report's JSON; `path` is what errors and the record call it.
pub fn from_json(bytes: &[u8], path: &Path) -> Result<Imported, ImportError> {
    let report: Report = serde_json::from_slice(bytes).map_err(|error| damaged(path, &error))?;
    let Some(last) = report.progress_history.last() else {
        return Err(ImportError::Empty {
            path: path.to_owned(),
        });
    };
    let started = started(&report);
    let cell = cell(&report);
    let mut record = Record::new(
        scenario(&report),
        environment(&report, path),
        0,
        1,
        [(cell_id(&cell), cell)],
    );
    let sha256 = format!("{:x}", Sha256::digest(bytes));
    let id = crate::record::new_run_id(started, &record.scenario.name);
    // The same file again must be the same run: its contents in the place of the random digits.
    let stem = id.rsplit_once('-').map_or(id.as_str(), |(stem, _)| stem);
    record.run_id = format!("{stem}-{}", &sha256[..ID_DIGITS]);
    record.started = format!("{started:.3}");
    let repeat = repeat(&report, last);
    let samples = samples(&report, &record.cells[0].id, started);
    record.push(0, repeat);
    let finished =
        Timestamp::from_nanosecond(started.as_nanosecond() + milliseconds(last.duration));
    record.finished = finished.ok().map(|finished| format!("{finished:.3}"));
    Ok(Imported { record, samples })
}

/// When `migrate` was: guestperf stamps its readings with the wall clock, and QEMU's total time says how long it had gone on.
fn started(report: &Report) -> Timestamp {
    let of = |progress: &Progress| {
        let nanoseconds = (progress.now? * 1e9) as i128 - milliseconds(progress.duration);
        Timestamp::from_nanosecond(nanoseconds).ok()
    };
    let known = report.progress_history.iter().rev();
    known
        .filter(|progress| progress.duration > 0.0)
        .find_map(of)
        .or_else(|| report.progress_history.iter().find_map(of))
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// In nanoseconds.
fn milliseconds(milliseconds: f64) -> i128 {
    (milliseconds.clamp(0.0, 1e12) * 1e6) as i128
}

/// The settings as guestperf had them, as TOML: one text for one scenario, so that changes of it show.
fn scenario(report: &Report) -> ScenarioText {
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
            if !value.is_null() {
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
fn cell(report: &Report) -> IndexMap<String, Value> {
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

fn cell_id(cell: &IndexMap<String, Value>) -> String {
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
fn environment(report: &Report, path: &Path) -> Environment {
    let unknown = || UNKNOWN.to_owned();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut details = BTreeMap::from([
        ("imported_from".to_owned(), json!("guestperf")),
        ("imported_file".to_owned(), json!(name)),
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

fn repeat(report: &Report, last: &Progress) -> Repeat {
    let event = |at_ms: f64, host: &str, name: &str, data: Value| Event {
        at_ms,
        host: host.to_owned(),
        name: name.to_owned(),
        data,
    };
    let (outcome, reason) = outcome(report, last);
    let metrics = if outcome.has_metrics() {
        measures::metrics(report, outcome)
    } else {
        BTreeMap::new()
    };
    let repeat = match outcome {
        Outcome::Completed => Repeat::completed(1, 0.0, metrics),
        outcome => Repeat {
            metrics,
            ..Repeat::unfinished(1, 0.0, outcome, reason)
        },
    };
    Repeat {
        events: vec![
            event(0.0, "controller", "migrate", json!({})),
            event(
                last.duration,
                "source",
                "MIGRATION",
                json!({ "status": last.status }),
            ),
        ],
        ..repeat
    }
}

/// guestperf cancels only what takes too many passes or too long.
fn outcome(report: &Report, last: &Progress) -> (Outcome, String) {
    let number = |key: &str| report.scenario.get(key).and_then(Value::as_f64);
    match last.status.as_str() {
        "completed" => (Outcome::Completed, String::new()),
        "cancelled" | "cancelling" => {
            let passes = measures::passes(report);
            let limit =
                |key, unit| number(key).map_or("?".to_owned(), |limit| format!("{limit}{unit}"));
            let reason = format!(
                "guestperf gave up after {passes} passes (limits: {} passes, {})",
                limit("max_iters", ""),
                limit("max_time", " s")
            );
            (Outcome::DidNotConverge, reason)
        }
        "failed" => (
            Outcome::Failed,
            "QEMU says \"failed\"; guestperf does not record why".to_owned(),
        ),
        other => (
            Outcome::Failed,
            format!("the report ends while QEMU says {other:?}"),
        ),
    }
}

/// Each pass as a reading of QEMU, and the guest's and the CPUs' readings, in the form of this lmbench's samples.
fn samples(report: &Report, cell: &str, started: Timestamp) -> Vec<Sample> {
    let start_s = started.as_nanosecond() as f64 / 1e9;
    let sample = |at_ms: f64, host: &str, kind: &str, data: Value| Sample {
        cell: cell.to_owned(),
        repeat: 1,
        at_ms,
        host: host.to_owned(),
        kind: kind.to_owned(),
        data,
    };
    let mut samples = Vec::new();
    for progress in &report.progress_history {
        let at_ms = progress
            .now
            .map_or(progress.duration, |now| (now - start_s) * 1e3);
        samples.push(sample(
            at_ms,
            "source",
            "migration",
            json!({ "trigger": "guestperf", "migration": progress.as_query_migrate() }),
        ));
    }
    for timing in &report.guest_timings {
        samples.push(sample(
            (timing.timestamp - start_s) * 1e3,
            "guest",
            "guestperf-pass-over-1-gib-ms",
            json!({ "thread": timing.tid, "ms": timing.value }),
        ));
    }
    for (kind, timings) in [
        ("guestperf-cpu-qemu-ms", &report.qemu_timings),
        ("guestperf-cpu-vcpu-ms", &report.vcpu_timings),
    ] {
        for timing in timings {
            samples.push(sample(
                (timing.timestamp - start_s) * 1e3,
                "source",
                kind,
                json!({ "thread": timing.tid, "cpu_ms": timing.value }),
            ));
        }
    }
    samples.retain(|sample| sample.at_ms.is_finite());
    samples.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
    samples
}

/// Of a version or model that nobody wrote down.
const UNKNOWN: &str = "unknown";
const ID_DIGITS: usize = 8;

#[cfg(test)]
mod tests;
