//! Bytes sent and CPU time spent.

use lmbench_harness::agent::protocol::Usage;
use lmbench_harness::cpu::CpuTime;
use lmbench_harness::spec::PolicySpec;
use serde_json::Value;

use super::time_line::TimeLine;
use super::{Measured, Sides, Values, number, wire_bytes};
use crate::scenario::Cell;

pub(super) fn measure(
    values: &mut Values,
    measured: &Measured,
    line: &TimeLine<'_>,
    cell: &Cell,
    total_ms: f64,
) {
    let last = last_with_ram(measured);
    let ram_bytes = number(last, "/ram/transferred");
    values.put("ram_bytes", ram_bytes);
    values.put("wire_bytes", wire_bytes(measured, cell));
    values.put("iterations", number(last, "/ram/dirty-sync-count"));
    for (metric, pointer) in [
        ("precopy_bytes", "/ram/precopy-bytes"),
        ("downtime_bytes", "/ram/downtime-bytes"),
        ("postcopy_bytes", "/ram/postcopy-bytes"),
    ] {
        values.put(metric, number(last, pointer));
    }
    if in_post_copy(line) {
        values.put("postcopy_requests", number(last, "/ram/postcopy-requests"));
        values.put(
            "postcopy_blocktime_ms",
            number(measured.destination_info.as_ref(), "/postcopy-blocktime"),
        );
    }
    let active_s = (total_ms - number(last, "/setup-time").unwrap_or(0.0)) / 1e3;
    values.put(
        "throughput_bps",
        ram_bytes.map(|bytes| bytes * 8.0 / active_s),
    );
    values.put(
        "transfer_amplification",
        ram_bytes
            .zip(ram_in_use(line, last))
            .map(|(sent, used)| sent / used),
    );
    values.put("throttle_max_percent", throttle(line, &cell.setup.policy));
    values.put("dirty_rate_bps", dirty_rate(line));
    if let Some(bytes) = ram_bytes.filter(|bytes| *bytes > 0.0) {
        processors(values, measured, bytes / f64::from(1 << 30));
    }
}

/// QEMU 9.2.4 may leave `ram` out of the final answer (qemu-project/qemu#3151); then the last one before it stands.
fn last_with_ram(measured: &Measured) -> Option<&Value> {
    let last = measured
        .ended
        .last
        .as_ref()
        .filter(|last| last.get("ram").is_some());
    last.or(measured.ended.last_active.as_ref())
}

fn processors(values: &mut Values, measured: &Measured, gib: f64) {
    let Sides {
        source: source_before,
        destination: destination_before,
    } = &measured.usage_before;
    let Sides {
        source,
        destination,
    } = &measured.usage_after;
    let mut put = |metric, before: &Usage, after: &Usage, of: fn(&Usage) -> Option<CpuTime>| {
        let used = of(after)
            .zip(of(before))
            .map(|(after, before)| after.since(before).total_ns() as f64 / 1e9 / gib);
        values.put(metric, used);
    };
    put(
        "cpu_qemu_source_s_per_gib",
        source_before,
        source,
        |usage| usage.qemu,
    );
    put(
        "cpu_qemu_destination_s_per_gib",
        destination_before,
        destination,
        |usage| usage.qemu,
    );
    put(
        "cpu_carrier_source_s_per_gib",
        source_before,
        source,
        |usage| usage.carrier,
    );
    put(
        "cpu_carrier_destination_s_per_gib",
        destination_before,
        destination,
        |usage| usage.carrier,
    );
    put(
        "cpu_agent_source_s_per_gib",
        source_before,
        source,
        |usage| usage.agent,
    );
    put(
        "cpu_agent_destination_s_per_gib",
        destination_before,
        destination,
        |usage| usage.agent,
    );
}

/// Pages that were not zero in the first pass: what the guest really used. Known once the second pass began, or at the
/// end of a migration that had only one.
fn ram_in_use(line: &TimeLine<'_>, last: Option<&Value>) -> Option<f64> {
    let second_pass = line
        .migration_samples()
        .iter()
        .map(|sample| &sample.migration)
        .find(|info| number(Some(info), "/ram/dirty-sync-count") >= Some(2.0));
    let info = second_pass.or(last);
    Some(number(info, "/ram/normal")? * number(info, "/ram/page-size")?)
        .filter(|bytes| *bytes > 0.0)
}

/// QEMU names the throttle only while it acts; under a policy that may throttle, never naming it means 0.
fn throttle(line: &TimeLine<'_>, policy: &PolicySpec) -> Option<f64> {
    let seen = line
        .migration_samples()
        .iter()
        .filter_map(|sample| number(Some(&sample.migration), "/cpu-throttle-percentage"));
    let may_throttle = matches!(policy, PolicySpec::AutoConverge { .. });
    seen.max_by(f64::total_cmp).or(may_throttle.then_some(0.0))
}

/// Median of what QEMU said at its dirty syncs.
fn dirty_rate(line: &TimeLine<'_>) -> Option<f64> {
    let passes = line
        .migration_samples()
        .iter()
        .filter(|sample| sample.trigger == "pass")
        .map(|sample| Some(&sample.migration));
    let rates = passes.filter_map(|info| {
        Some(number(info, "/ram/dirty-pages-rate")? * number(info, "/ram/page-size")?)
    });
    let mut rates: Vec<f64> = rates.filter(|rate| *rate > 0.0).collect();
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied()
}

fn in_post_copy(line: &TimeLine<'_>) -> bool {
    line.migration_samples().iter().any(|sample| {
        sample.migration["status"]
            .as_str()
            .is_some_and(|status| status.starts_with("postcopy"))
    }) || line.events().iter().any(|event| {
        event.data["status"]
            .as_str()
            .is_some_and(|status| status.starts_with("postcopy"))
    })
}
