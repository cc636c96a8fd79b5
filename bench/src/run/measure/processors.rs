//! CPU time, context switches and system calls, from before `migrate` until the guest runs where it shall.

use lmbench_harness::agent::protocol::{Metering, Usage};
use lmbench_harness::cpu::CpuTime;
use lmbench_harness::role::Role;

use super::{Measured, Values};

mod added;

/// `ram_bytes` is what the time is divided by.
pub(super) fn measure(values: &mut Values, measured: &Measured, ram_bytes: f64) {
    let gib = ram_bytes / f64::from(1 << 30);
    if gib <= 0.0 {
        return;
    }
    for (role, metering) in [
        (Role::Source, &measured.readings.source.metering),
        (Role::Destination, &measured.readings.destination.metering),
    ] {
        if let Some(metering) = metering {
            calls_and_switches(values, metering, role, gib);
        }
    }
    added::measure(values, measured, gib);
    let (before, after) = (&measured.usage_before, &measured.usage_after);
    let sides = [
        (&before.source, &after.source, SOURCE),
        (&before.destination, &after.destination, DESTINATION),
    ];
    for (before, after, names) in sides {
        let used = |of: fn(&Usage) -> Option<CpuTime>| Some(of(after)?.since(of(before)?));
        let seconds = |nanoseconds: u64| nanoseconds as f64 / 1e9;
        let (qemu, carrier) = (used(|usage| usage.qemu), used(|usage| usage.carrier));
        let qemu_s = qemu.map(|time| seconds(time.total_ns));
        let streaming_s = qemu_s
            .zip(vcpus_s(before, after))
            .map(|(qemu, vcpus)| (qemu - vcpus).max(0.0));
        let seconds = [
            qemu_s,
            streaming_s,
            carrier.map(|time| seconds(time.total_ns)),
            used(|usage| usage.agent).map(|time| seconds(time.total_ns)),
            qemu.map(|time| seconds(time.user_ns)),
            qemu.map(|time| seconds(time.system_ns)),
            carrier.map(|time| seconds(time.user_ns)),
            carrier.map(|time| seconds(time.system_ns)),
        ];
        for (metric, seconds) in names.into_iter().zip(seconds) {
            values.put(metric, seconds.map(|seconds| seconds / gib));
        }
    }
}

fn calls_and_switches(values: &mut Values, metering: &Metering, role: Role, gib: f64) {
    let Metering {
        switches, syscalls, ..
    } = metering;
    let per_gib = |count: Option<u64>| count.map(|count| count as f64 / gib);
    let names = match role {
        Role::Source => COUNTS_SOURCE,
        Role::Destination => COUNTS_DESTINATION,
    };
    let counts = [
        switches.qemu.map(|switches| switches.voluntary),
        switches.qemu.map(|switches| switches.involuntary),
        switches.carrier.map(|switches| switches.voluntary),
        switches.carrier.map(|switches| switches.involuntary),
        syscalls.qemu,
        syscalls.carrier,
    ];
    for (metric, count) in names.into_iter().zip(counts) {
        values.put(metric, per_gib(count));
    }
}

/// What the vCPUs used: the guest's own work, and under TCG its translation. They live as long as QEMU.
pub(super) fn vcpus_s(before: &Usage, after: &Usage) -> Option<f64> {
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
const SOURCE: [&str; 8] = [
    "cpu_qemu_source_s_per_gib",
    "cpu_qemu_without_vcpus_source_s_per_gib",
    "cpu_carrier_source_s_per_gib",
    "cpu_agent_source_s_per_gib",
    "cpu_qemu_user_source_s_per_gib",
    "cpu_qemu_system_source_s_per_gib",
    "cpu_carrier_user_source_s_per_gib",
    "cpu_carrier_system_source_s_per_gib",
];
const DESTINATION: [&str; 8] = [
    "cpu_qemu_destination_s_per_gib",
    "cpu_qemu_without_vcpus_destination_s_per_gib",
    "cpu_carrier_destination_s_per_gib",
    "cpu_agent_destination_s_per_gib",
    "cpu_qemu_user_destination_s_per_gib",
    "cpu_qemu_system_destination_s_per_gib",
    "cpu_carrier_user_destination_s_per_gib",
    "cpu_carrier_system_destination_s_per_gib",
];
const COUNTS_SOURCE: [&str; 6] = [
    "voluntary_switches_qemu_source_per_gib",
    "involuntary_switches_qemu_source_per_gib",
    "voluntary_switches_carrier_source_per_gib",
    "involuntary_switches_carrier_source_per_gib",
    "syscalls_qemu_source_per_gib",
    "syscalls_carrier_source_per_gib",
];
const COUNTS_DESTINATION: [&str; 6] = [
    "voluntary_switches_qemu_destination_per_gib",
    "involuntary_switches_qemu_destination_per_gib",
    "voluntary_switches_carrier_destination_per_gib",
    "involuntary_switches_carrier_destination_per_gib",
    "syscalls_qemu_destination_per_gib",
    "syscalls_carrier_destination_per_gib",
];

#[cfg(test)]
mod tests;
