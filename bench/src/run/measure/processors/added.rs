//! CPU time that the migration added: without what the same processes use when nothing migrates.
//!
//! A slow migration gives a guest's own work more time to be counted, so a process's time per GiB grows with the migration's length. On the source QEMU
//! sends from threads that begin with `migrate`; what was there before (vCPUs, main loop, RCU) works for the guest and for whoever asks how it
//! goes. On the destination the main loop loads what no thread of its own receives, and runs the guest's devices from RESUME on: there, as for
//! carriers, the rate of the seconds before `migrate` is taken off.

use lmbench_harness::agent::protocol::Usage;
use lmbench_harness::cpu::CpuTime;
use lmbench_harness::hypervisor::EventKind;

use super::super::{Measured, Sides, Values};
use super::vcpus_s;

pub(super) fn measure(values: &mut Values, measured: &Measured, gib: f64) {
    let Sides {
        source,
        destination,
    } = sides(measured);
    let qemu = Sides {
        source: source.begun_s(),
        destination: destination.received_s(&source, ran_s(measured)),
    };
    let carrier = Sides {
        source: source.carrier_s(),
        destination: destination.carrier_s(),
    };
    for (metric, seconds) in [
        ("cpu_migration_qemu_source_s_per_gib", qemu.source),
        ("cpu_migration_qemu_destination_s_per_gib", qemu.destination),
        ("cpu_migration_carrier_source_s_per_gib", carrier.source),
        (
            "cpu_migration_carrier_destination_s_per_gib",
            carrier.destination,
        ),
    ] {
        values.put(metric, seconds.map(|seconds| seconds / gib));
    }
    let all = qemu.source.zip(qemu.destination).map(|(source, there)| {
        let carriers = [carrier.source, carrier.destination];
        source + there + carriers.into_iter().flatten().sum::<f64>()
    });
    values.put("cpu_migration_s", all);
    values.put("cpu_migration_s_per_gib", all.map(|seconds| seconds / gib));
}

/// How long the guest ran on the destination before its CPU time was read.
fn ran_s(measured: &Measured) -> f64 {
    let readings = &measured.readings.destination;
    let mut events = readings.events.iter();
    let resumed = events.find(|event| event.kind() == EventKind::Resume);
    resumed.map_or(0.0, |resumed| {
        let until_ns = measured.usage_after.destination.at_ns;
        until_ns.saturating_sub(resumed.at_ns) as f64 / 1e9
    })
}

fn sides(measured: &Measured) -> Sides<Side<'_>> {
    let side = |of: fn(&Sides<Usage>) -> &Usage| Side {
        settling: of(&measured.usage_settling),
        before: of(&measured.usage_before),
        after: of(&measured.usage_after),
    };
    Sides {
        source: side(|usage| &usage.source),
        destination: side(|usage| &usage.destination),
    }
}

/// The readings of one host.
struct Side<'a> {
    settling: &'a Usage,
    before: &'a Usage,
    after: &'a Usage,
}

impl Side<'_> {
    /// What QEMU's threads used that were not there before `migrate`, also those that have ended.
    fn begun_s(&self) -> Option<f64> {
        let all = used_s(self.before, self.after, |usage| usage.qemu)?;
        // QEMU's main thread never ends: without it, nothing is known of the threads.
        let mut kept = None;
        for before in &self.before.threads {
            let after = self
                .after
                .threads
                .iter()
                .find(|after| after.tid == before.tid);
            if let Some(after) = after {
                let used = after.cpu_ns.saturating_sub(before.cpu_ns) as f64 / 1e9;
                *kept.get_or_insert(0.0) += used;
            }
        }
        Some((all - kept?).max(0.0))
    }

    /// What QEMU used to receive: without vCPUs, and without what it would have used anyway, the guest's devices for as long as it ran here.
    fn received_s(&self, source: &Side<'_>, ran_s: f64) -> Option<f64> {
        let all = without_vcpus_s(self.before, self.after)?;
        let anyway = self.rate(without_vcpus_s)? * elapsed_s(self.before, self.after)
            + source.rate(without_vcpus_s)? * ran_s;
        Some((all - anyway).max(0.0))
    }

    fn carrier_s(&self) -> Option<f64> {
        let of = |before: &Usage, after: &Usage| used_s(before, after, |usage| usage.carrier);
        let anyway = self.rate(of)? * elapsed_s(self.before, self.after);
        Some((of(self.before, self.after)? - anyway).max(0.0))
    }

    /// CPU seconds per second while the workload settled; `None` where that was too short to tell.
    fn rate(&self, used: impl Fn(&Usage, &Usage) -> Option<f64>) -> Option<f64> {
        let elapsed_s = elapsed_s(self.settling, self.before);
        let used = used(self.settling, self.before)?;
        (elapsed_s >= SETTLED_S).then(|| used / elapsed_s)
    }
}

fn without_vcpus_s(before: &Usage, after: &Usage) -> Option<f64> {
    let all = used_s(before, after, |usage| usage.qemu)?;
    Some((all - vcpus_s(before, after)?).max(0.0))
}

fn used_s(before: &Usage, after: &Usage, of: fn(&Usage) -> Option<CpuTime>) -> Option<f64> {
    Some(of(after)?.since(of(before)?).total_ns as f64 / 1e9)
}

fn elapsed_s(before: &Usage, after: &Usage) -> f64 {
    after.at_ns.saturating_sub(before.at_ns) as f64 / 1e9
}

/// A thread that runs is as of its last scheduler tick, at most 10 ms ago: a tenth of a CPU over this.
const SETTLED_S: f64 = 0.1;

#[cfg(test)]
mod tests;
