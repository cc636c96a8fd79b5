//! Second pass: one cell's settings as the typed model, and everything that contradicts itself.

mod carrier;
mod chosen;
mod fault;
mod gate;
mod guest;
mod knobs;
mod link;
mod migration;
mod placement;
mod policy;
mod qmp;
mod run;
mod unused;
mod workload;

use lmbench_record::programs::Programs;

pub(crate) use gate::{gate, unmatched};
pub use qmp::EXCLUDE;
pub(crate) use run::head;
pub(crate) use unused::unused;

use std::collections::BTreeSet;

use crate::scenario::keys::SCENARIO;
use crate::scenario::matrix::Document;
use crate::scenario::problem::Problems;
use crate::scenario::section::Section;
use crate::scenario::{Mismatch, Setup, build};

/// Least guest memory that boots a stock kernel with lmbench's initramfs.
pub(crate) const GUEST_MEMORY_MIN: u64 = 160 << 20;

/// Guest memory that the kernel and PID 1 need for themselves, whole MiB.
///
/// Measured with Debian's 6.12 cloud kernel, what is left for PID 1's table and margin included: 93 MiB of 256 MiB, 113 of 1 GiB, 139 of
/// 2 GiB; three vCPUs more take 5 to 10 MiB. The kernel's share that grows is its 64 bytes per page.
pub(crate) fn kernel_reserve(memory_bytes: u64, vcpus: u32) -> u64 {
    let reserve = kernel_reserve_fixed(vcpus).saturating_add(memory_bytes / RESERVE_SHARE);
    reserve.div_ceil(1 << 20) << 20
}

/// A guest memory that leaves `workload_bytes` beside the kernel, whole MiB.
pub(crate) fn memory_for(workload_bytes: u64, vcpus: u32) -> u64 {
    let least = workload_bytes.saturating_add(kernel_reserve_fixed(vcpus));
    let memory = least.saturating_add(least / (RESERVE_SHARE - 1));
    // The reserve is rounded up to a whole MiB, and a 32nd of that MiB is the kernel's too.
    memory
        .div_ceil(1 << 20)
        .saturating_add(2)
        .saturating_mul(1 << 20)
}

fn kernel_reserve_fixed(vcpus: u32) -> u64 {
    (92 + 4 * u64::from(vcpus)) << 20
}

/// One byte in 32 is the kernel's.
const RESERVE_SHARE: u64 = 32;

/// Reads one cell. What it returns is sound only if no problem was reported.
pub(crate) fn setup(
    document: &Document,
    meant: &BTreeSet<String>,
    seed: u64,
    problems: &mut Problems,
) -> Setup {
    let root = Section::root(&document.root, &SCENARIO, meant);
    let (mut guest, hardware) = build::guest::guest(&root.section("guest"), problems);
    let workload = build::workload::workload(&root.section("workload"), &hardware, seed, problems);
    let network = build::link::network(&root.section("network"), problems);
    let carrier = build::carrier::carrier(document, &root, problems);
    let fault = build::fault::fault(&root.section("fault"), &carrier.spec, problems);
    let policy = build::policy::policy(document, &root, problems);
    let migration =
        build::migration::migration(&root.section("migration"), workload.as_ref(), problems);
    if migration.knobs.dirty_limit {
        // It works by the ring.
        let ring = &mut guest.placement.dirty_ring_size;
        ring.get_or_insert(build::placement::DIRTY_RING);
    }
    build::migration::together(
        &root.section("migration"),
        &carrier,
        &policy,
        &guest,
        workload.as_ref(),
        problems,
    );
    Setup {
        guest,
        workload,
        network,
        migration,
        carrier: carrier.spec,
        policy: policy.spec,
        fault,
        mismatch: Mismatch::default(),
        programs: Programs::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The hint of an error must not lead to the same error.
    #[test]
    fn the_memory_that_is_proposed_is_enough() {
        for workload_mib in [1, 63, 64, 480, 928, 1_000, 4_095, 65_536] {
            for vcpus in [1, 4, 255] {
                let workload = workload_mib << 20;
                let memory = memory_for(workload, vcpus);
                assert!(memory - kernel_reserve(memory, vcpus) >= workload);
            }
        }
    }
}
