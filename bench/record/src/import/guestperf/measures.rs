//! The metrics of ours that a report of guestperf holds.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::report::{Progress, Report, Timing};
use crate::record::{Outcome, summary};

/// By the definitions of [`crate::metric`]; what can't be told is absent.
pub(super) fn metrics(report: &Report, outcome: Outcome) -> BTreeMap<String, f64> {
    let history = &report.progress_history;
    // The last reading of a cancelled migration is all zeros.
    let Some(last) = history
        .iter()
        .rev()
        .find(|progress| progress.duration > 0.0)
    else {
        return BTreeMap::new();
    };
    let mut metrics = BTreeMap::new();
    let mut put = |id: &str, value: f64| {
        if value.is_finite() && value >= 0.0 {
            metrics.insert(id.to_owned(), value);
        }
    };
    if outcome == Outcome::Completed {
        put("total_time_ms", last.duration);
        if !paused(report) {
            put("downtime_ms", last.downtime);
        }
    }
    put("setup_time_ms", last.setup_time);
    put("iterations", passes(report));
    if history.iter().any(|progress| progress.throttle_pcent > 0.0) {
        let throttle = history.iter().map(|progress| progress.throttle_pcent);
        put("throttle_max_percent", throttle.fold(0.0, f64::max));
    }
    let bytes = last.ram.transferred_bytes;
    if bytes > 0.0 {
        put("ram_bytes", bytes);
        let seconds = (last.duration - last.setup_time) / 1e3;
        if seconds > 0.0 {
            put("throughput_bps", bytes * 8.0 / seconds);
        }
    }
    if let Some(rate) = dirty_rate_bps(history) {
        put("dirty_rate_bps", rate);
    }
    if let (Outcome::Completed, true) = (outcome, bytes > 0.0) {
        for (id, seconds) in cpu_seconds(report, last) {
            put(id, seconds / (bytes / GIB));
        }
    }
    metrics
}

/// Whether the guest can't have done what it was there for: the workload fills `mem` GiB before anything else, with what is not zero.
/// guestperf does not look; it takes a guest that is still booting, or hangs, for a fast migration.
pub(super) fn idle(report: &Report) -> bool {
    let is = |key: &str| report.scenario.get(key).and_then(Value::as_bool) == Some(true);
    let mem = report.hardware.get("mem").and_then(Value::as_f64);
    // Pages that old QEMUs compressed were counted apart.
    let mem = mem.filter(|_| !is("compression_mt"));
    let last = report.progress_history.last();
    let completed = last.filter(|last| last.status == "completed");
    let sent = completed.map(|last| last.ram.normal_bytes);
    mem.zip(sent).is_some_and(|(mem, sent)| sent < mem * GIB)
}

/// Whether guestperf stopped the guest itself (`pause`), as its engine does it. QEMU's downtime begins only after that.
fn paused(report: &Report) -> bool {
    let is = |key: &str| report.scenario.get(key).and_then(Value::as_bool) == Some(true);
    let after = report.scenario.get("pause_iters").and_then(Value::as_f64);
    let ended = |progress: &Progress| {
        matches!(
            progress.status.as_str(),
            "completed" | "failed" | "cancelled"
        )
    };
    is("pause")
        && report.progress_history.iter().any(|progress| {
            !ended(progress) && after.is_none_or(|after| progress.ram.iterations >= after)
        })
}

/// Dirty syncs of the whole migration.
pub(super) fn passes(report: &Report) -> f64 {
    let passes = report
        .progress_history
        .iter()
        .map(|progress| progress.ram.iterations);
    passes.fold(0.0, f64::max)
}

/// Median of what QEMU said after each pass; the size of a page follows from QEMU's two counts of the same pages.
fn dirty_rate_bps(history: &[Progress]) -> Option<f64> {
    let page = history
        .iter()
        .rev()
        .find(|progress| progress.ram.normal_pages > 0.0 && progress.ram.normal_bytes > 0.0)
        .map(|progress| progress.ram.normal_bytes / progress.ram.normal_pages)?;
    let rates = history
        .iter()
        .map(|progress| progress.ram.dirty_rate_pps * page);
    Some(
        summary(
            rates
                .filter(|rate| *rate > 0.0 && rate.is_finite())
                .collect(),
        )?
        .median,
    )
}

/// CPU time of QEMU between `migrate` and the end, from readings a second apart; absent when they do not reach around the
/// migration, or when it was over before a second one.
fn cpu_seconds(report: &Report, last: &Progress) -> Vec<(&'static str, f64)> {
    let Some(now) = last.now else {
        return Vec::new();
    };
    if last.duration < SHORTEST_MS {
        return Vec::new();
    }
    let (from, to) = (now - last.duration / 1e3, now);
    let qemu = used(&report.qemu_timings, from, to);
    let mut threads: HashMap<i64, Vec<&Timing>> = HashMap::new();
    for timing in &report.vcpu_timings {
        threads.entry(timing.tid).or_default().push(timing);
    }
    let vcpus: Option<f64> = threads
        .values()
        .map(|timings| used(timings.iter().copied(), from, to))
        .sum();
    let mut seconds: Vec<(&str, f64)> = Vec::new();
    seconds.extend(qemu.map(|qemu| ("cpu_qemu_source_s_per_gib", qemu)));
    if let (Some(qemu), Some(vcpus), false) = (qemu, vcpus, threads.is_empty()) {
        seconds.push(("cpu_qemu_without_vcpus_source_s_per_gib", qemu - vcpus));
    }
    seconds
}

/// Seconds of CPU from one moment to another, on a line between the readings around each.
fn used<'a>(timings: impl IntoIterator<Item = &'a Timing>, from: f64, to: f64) -> Option<f64> {
    let mut readings: Vec<(f64, f64)> = timings
        .into_iter()
        .map(|timing| (timing.timestamp, timing.value))
        .filter(|(at, value)| at.is_finite() && value.is_finite())
        .collect();
    readings.sort_by(|a, b| a.0.total_cmp(&b.0));
    let at = |moment: f64| {
        let after = readings.iter().position(|(at, _)| *at >= moment)?;
        let (after_at, after_value) = readings[after];
        let (before_at, before_value) = *readings.get(after.checked_sub(1)?)?;
        let share = (moment - before_at) / (after_at - before_at);
        Some(before_value + (after_value - before_value) * share)
    };
    Some((at(to)? - at(from)?) / 1e3)
}

const GIB: f64 = 1_073_741_824.0;
/// Two readings.
const SHORTEST_MS: f64 = 2_000.0;
