//! Reports of guestperf, the benchmark in QEMU's own sources (`tests/migration-stress/guestperf`, before 10.0
//! `tests/migration/guestperf`): one migration each, so reports of one scenario are repeats of one run.
//!
//! `report` is their shape, `settings` what was asked, `measures` what is measured in them, and here records are made of them.

mod measures;
mod report;
mod settings;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use self::report::{Progress, Report};
use self::settings::{asked, cell, cell_id, environment, scenario};
use super::{ImportError, damaged, read as read_bytes};
use crate::record::{Event, Outcome, Record, Repeat};
use crate::store::Sample;

/// What one or more reports of a scenario come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// Its record, a repeat for each report. The id is made of the first report's time, the scenario and all contents: the same
    /// files give the same id.
    pub record: Record,
    /// Its readings.
    pub samples: Vec<Sample>,
    /// What the user should know about it, a sentence each.
    pub notes: Vec<String>,
}

/// A file, read.
#[derive(Debug)]
pub struct ReadReport {
    report: Report,
    path: PathBuf,
    sha256: String,
    started: Timestamp,
}

/// Reads a file.
pub fn read(path: &Path) -> Result<ReadReport, ImportError> {
    from_json(&read_bytes(path)?, path)
}

/// Reads a report's JSON; `path` is what errors and the record call it.
pub fn from_json(bytes: &[u8], path: &Path) -> Result<ReadReport, ImportError> {
    let report: Report = serde_json::from_slice(bytes).map_err(|error| damaged(path, &error))?;
    if report.progress_history.is_empty() {
        return Err(ImportError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(ReadReport {
        started: started(&report),
        report,
        path: path.to_owned(),
        sha256: format!("{:x}", Sha256::digest(bytes)),
    })
}

/// Makes a run of the reports of each scenario: those that were asked for the same thing are its repeats, in the order of time.
pub fn runs(reports: Vec<ReadReport>) -> Vec<Imported> {
    let mut scenarios: IndexMap<String, Vec<ReadReport>> = IndexMap::new();
    for read in reports {
        let asked = asked(&read.report);
        scenarios.entry(asked).or_default().push(read);
    }
    scenarios.into_values().filter_map(run).collect()
}

/// The run of reports that were asked for the same thing.
fn run(mut reports: Vec<ReadReport>) -> Option<Imported> {
    // Of the same time in one order, whatever order they were named in.
    reports.sort_by(|a, b| (a.started, &a.sha256).cmp(&(b.started, &b.sha256)));
    let mut notes = Vec::new();
    drop_copies(&mut reports, &mut notes);
    let (first, last) = (reports.first()?, reports.last()?);
    let started = first.started;
    let cell = cell(&first.report);
    let mut record = Record::new(
        scenario(&first.report),
        environment(&reports),
        0,
        reports.len().try_into().unwrap_or(u32::MAX),
        [(cell_id(&cell), cell)],
    );
    let id = crate::record::new_run_id(started, &record.scenario.name);
    // The same files again must be the same run: their contents in the place of the random digits.
    let stem = id.rsplit_once('-').map_or(id.as_str(), |(stem, _)| stem);
    record.run_id = format!("{stem}-{}", &contents(&reports)[..ID_DIGITS]);
    record.started = format!("{started:.3}");
    let mut samples = Vec::new();
    for (number, read) in (1..).zip(&reports) {
        let since_first = read.started.duration_since(started).as_secs_f64() * 1e3;
        samples.extend(readings(read, &record.cells[0].id, number));
        record.push(0, repeat(read, number, since_first));
    }
    let idle = reports.iter().filter(|read| measures::idle(&read.report));
    let idle = idle.count();
    if idle > 0 {
        let words = format!("{idle} of {}", reports.len());
        notes.push(format!(
            "in {words} reports of {} less was sent than the workload's memory: its guest still booted (`--sleep` was too short) or hung",
            record.run_id
        ));
        let details = &mut record.environment.details;
        details.insert("guests_without_workload".to_owned(), json!(words));
    }
    let finished = last.started.as_nanosecond() + milliseconds(duration_ms(&last.report));
    let finished = Timestamp::from_nanosecond(finished).ok();
    record.finished = finished.map(|finished| format!("{finished:.3}"));
    let days = last.started.duration_since(started).as_hours() / 24;
    if days > 0 {
        notes.push(format!(
            "the reports of {} are up to {days} d apart; if QEMU or the machine changed meanwhile, import them by separate commands",
            record.run_id
        ));
    }
    Some(Imported {
        record,
        samples,
        notes,
    })
}

/// A report that was named twice is one migration.
fn drop_copies(reports: &mut Vec<ReadReport>, notes: &mut Vec<String>) {
    let mut seen: HashMap<String, PathBuf> = HashMap::new();
    reports.retain(|read| match seen.entry(read.sha256.clone()) {
        Entry::Occupied(first) => {
            let (copy, first) = (quoted(&read.path), quoted(first.get()));
            notes.push(format!(
                "{copy} has the same contents as {first}: it counts once"
            ));
            false
        }
        Entry::Vacant(place) => {
            place.insert(read.path.clone());
            true
        }
    });
}

fn contents(reports: &[ReadReport]) -> String {
    if let [only] = reports {
        return only.sha256.clone();
    }
    let all: String = reports.iter().map(|read| read.sha256.as_str()).collect();
    format!("{:x}", Sha256::digest(all))
}

fn quoted(path: &Path) -> String {
    format!("{:?}", path.to_string_lossy())
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

/// How long it took: by QEMU, or by guestperf's own clock where QEMU no longer says it (after a cancel).
fn duration_ms(report: &Report) -> f64 {
    let Some(last) = report.progress_history.last() else {
        return 0.0;
    };
    let by_clock = || {
        let start_s = started(report).as_nanosecond() as f64 / 1e9;
        Some(((last.now? - start_s) * 1e3).max(0.0))
    };
    if last.duration > 0.0 {
        last.duration
    } else {
        by_clock().unwrap_or(0.0)
    }
}

/// In nanoseconds.
fn milliseconds(milliseconds: f64) -> i128 {
    (milliseconds.clamp(0.0, 1e12) * 1e6) as i128
}

fn repeat(read: &ReadReport, number: u32, started_ms: f64) -> Repeat {
    let report = &read.report;
    let event = |at_ms: f64, host: &str, name: &str, data: Value| Event {
        at_ms,
        host: host.to_owned(),
        name: name.to_owned(),
        data,
    };
    let (outcome, reason) = outcome(report);
    let metrics = if outcome.has_metrics() {
        measures::metrics(report, outcome)
    } else {
        BTreeMap::new()
    };
    let repeat = match outcome {
        Outcome::Completed => Repeat::completed(number, started_ms, metrics),
        outcome => Repeat {
            metrics,
            ..Repeat::unfinished(number, started_ms, outcome, reason)
        },
    };
    let file = read.path.to_string_lossy();
    let status = report.progress_history.last().map(|last| &last.status);
    Repeat {
        events: vec![
            event(0.0, "controller", "migrate", json!({ "file": file })),
            event(
                duration_ms(report),
                "source",
                "MIGRATION",
                json!({ "status": status }),
            ),
        ],
        ..repeat
    }
}

/// guestperf cancels only what takes too many passes or too long.
fn outcome(report: &Report) -> (Outcome, String) {
    let number = |key: &str| report.scenario.get(key).and_then(Value::as_f64);
    let last = report.progress_history.last();
    match last.map_or("none", |last| last.status.as_str()) {
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
fn readings(read: &ReadReport, cell: &str, repeat: u32) -> Vec<Sample> {
    let report = &read.report;
    let start_s = read.started.as_nanosecond() as f64 / 1e9;
    let sample = |at_ms: f64, host: &str, kind: &str, data: Value| Sample {
        cell: cell.to_owned(),
        repeat,
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

const ID_DIGITS: usize = 8;

#[cfg(test)]
mod tests;
