//! The values that a report is about: a metric's, of the completed repeats of a cell, and which metrics come first.

use std::collections::BTreeMap;

use lmbench_record::conditions;
use lmbench_record::record::{CellRecord, Repeat, Summary};
use lmbench_record::statistics::median;

use super::label::CPU_ALL;

/// The value of a repeat; also of [`CPU_ALL`], which no record holds. Not of what the repeat tells better: two records, one of which is too
/// old for the better figure, are not compared by two different ones.
pub(super) fn value(repeat: &Repeat, id: &str) -> Option<f64> {
    let known = |id: &str| repeat.metrics.get(id).copied().filter(|v| v.is_finite());
    if is_succeeded(id, |newer| known(newer).is_some()) {
        return None;
    }
    if id != CPU_ALL {
        return known(id);
    }
    let qemu = known(CPU_PARTS_OLDER[0])? + known(CPU_PARTS_OLDER[2])?;
    // QEMU's own sockets have no carrier beside it.
    let carrier = |part: usize| known(CPU_PARTS_OLDER[part]).unwrap_or(0.0);
    Some(qemu + carrier(1) + carrier(3))
}

/// Whether another figure, that is `known`, tells better what this one tells.
pub(super) fn is_succeeded(id: &str, known: impl Fn(&str) -> bool) -> bool {
    let newer = SUCCEEDED.iter().find(|(older, _)| *older == id);
    newer.is_some_and(|(_, newer)| known(newer))
}

/// The values of a cell's completed repeats by their numbers.
pub(super) fn of_cell(cell: &CellRecord, id: &str) -> BTreeMap<u32, f64> {
    cell.completed()
        .filter_map(|repeat| Some((repeat.repeat, value(repeat, id)?)))
        .collect()
}

/// What is shown of a cell's metric.
pub(super) struct Shown {
    /// Without the interval, which takes longer than all the rest and is asked for in one place.
    pub(super) summary: Summary,
    /// Whether it is of migrations that did not complete.
    pub(super) unfinished: bool,
    /// Whether it can be better than another cell's.
    pub(super) ranked: bool,
}

/// The summary of a cell's completed repeats; of a cell that has none that of the others.
pub(super) fn summary_of(cell: &CellRecord, id: &str) -> Option<Shown> {
    let unfinished = cell.completed().next().is_none();
    let values: Vec<f64> = if unfinished {
        let repeats = cell.unfinished();
        repeats.filter_map(|repeat| value(repeat, id)).collect()
    } else {
        of_cell(cell, id).into_values().collect()
    };
    let summary = Summary {
        n: u32::try_from(values.len()).unwrap_or(u32::MAX),
        median: median(&values)?,
        ci95: None,
        min: values.iter().copied().min_by(f64::total_cmp)?,
        max: values.iter().copied().max_by(f64::total_cmp)?,
    };
    Some(Shown {
        summary,
        unfinished,
        ranked: !unfinished && conditions::as_asked(cell),
    })
}

/// Figures that only older records are judged by, and what took their place: CPU time with what QEMU used before `migrate`, and the speed of
/// a stream that may be compressed.
const SUCCEEDED: &[(&str, &str)] = &[
    (CPU_ALL, "cpu_migration_s_per_gib"),
    ("throughput_bps", "guest_throughput_bps"),
];
/// QEMU and the carrier, of the source and then of the destination.
pub(super) const CPU_PARTS: [&str; 4] = [
    "cpu_migration_qemu_source_s_per_gib",
    "cpu_migration_carrier_source_s_per_gib",
    "cpu_migration_qemu_destination_s_per_gib",
    "cpu_migration_carrier_destination_s_per_gib",
];
/// The same of older records: QEMU without its vCPUs.
pub(super) const CPU_PARTS_OLDER: [&str; 4] = [
    "cpu_qemu_without_vcpus_source_s_per_gib",
    "cpu_carrier_source_s_per_gib",
    "cpu_qemu_without_vcpus_destination_s_per_gib",
    "cpu_carrier_destination_s_per_gib",
];
/// What decides between cells, in the order of the overview.
pub(super) const HEADLINES: &[&str] = &[
    "total_time_ms",
    "guest_throughput_bps",
    "throughput_bps",
    "blackout_ms",
    "guest_pause_ms",
    "network_blackout_ms",
    "brownout_ms",
    "workload_slowdown",
    "op_latency_us_p99",
    "wire_bytes",
    "cpu_migration_s",
    "cpu_migration_s_per_gib",
    CPU_ALL,
];
/// What every repeat's value is drawn of.
pub(super) const DRAWN: &[&str] = &[
    "total_time_ms",
    "blackout_ms",
    "downtime_ms",
    "guest_pause_ms",
    "network_blackout_ms",
    "brownout_ms",
    "workload_slowdown",
    "op_latency_us_p99",
    "guest_throughput_bps",
    "throughput_bps",
    "ram_bytes",
    "wire_bytes",
    "iterations",
    "cpu_migration_s",
    "cpu_migration_s_per_gib",
    CPU_ALL,
];
