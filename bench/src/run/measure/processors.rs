//! CPU time, from before `migrate` until the guest runs where it shall.

use lmbench_harness::agent::protocol::Usage;
use lmbench_harness::cpu::CpuTime;

use super::{Measured, Values};

/// `ram_bytes` is what the time is divided by.
pub(super) fn measure(values: &mut Values, measured: &Measured, ram_bytes: f64) {
    let gib = ram_bytes / f64::from(1 << 30);
    if gib <= 0.0 {
        return;
    }
    let (before, after) = (&measured.usage_before, &measured.usage_after);
    let sides = [
        (&before.source, &after.source, SOURCE),
        (&before.destination, &after.destination, DESTINATION),
    ];
    for (before, after, names) in sides {
        let used = |of: fn(&Usage) -> Option<CpuTime>| {
            let (before, after) = (of(before)?, of(after)?);
            Some(after.since(before).total_ns as f64 / 1e9)
        };
        let qemu_s = used(|usage| usage.qemu);
        let streaming_s = qemu_s
            .zip(vcpus_s(before, after))
            .map(|(qemu, vcpus)| (qemu - vcpus).max(0.0));
        let seconds = [
            qemu_s,
            streaming_s,
            used(|usage| usage.carrier),
            used(|usage| usage.agent),
        ];
        for (metric, seconds) in names.into_iter().zip(seconds) {
            values.put(metric, seconds.map(|seconds| seconds / gib));
        }
    }
}

/// What the vCPUs used: the guest's own work, and under TCG its translation. They live as long as QEMU.
fn vcpus_s(before: &Usage, after: &Usage) -> Option<f64> {
    let mut vcpus = after
        .threads
        .iter()
        .filter(|thread| VCPU_NAMES.iter().any(|name| thread.name.starts_with(name)))
        .peekable();
    vcpus.peek()?;
    vcpus.try_fold(0.0, |sum, after| {
        let before = before
            .threads
            .iter()
            .find(|before| before.tid == after.tid)?;
        Some(sum + after.cpu_ns.saturating_sub(before.cpu_ns) as f64 / 1e9)
    })
}

/// QEMU's names of threads that execute guest code; the second is TCG's single thread for all vCPUs.
const VCPU_NAMES: [&str; 2] = ["CPU ", "ALL CPUs"];
const SOURCE: [&str; 4] = [
    "cpu_qemu_source_s_per_gib",
    "cpu_qemu_without_vcpus_source_s_per_gib",
    "cpu_carrier_source_s_per_gib",
    "cpu_agent_source_s_per_gib",
];
const DESTINATION: [&str; 4] = [
    "cpu_qemu_destination_s_per_gib",
    "cpu_qemu_without_vcpus_destination_s_per_gib",
    "cpu_carrier_destination_s_per_gib",
    "cpu_agent_destination_s_per_gib",
];

#[cfg(test)]
mod tests;
