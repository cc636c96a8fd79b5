//! Second pass: one cell's settings as the typed model, and everything that contradicts itself.

mod carrier;
mod guest;
mod link;
mod migration;
mod qmp;
mod run;
mod unused;
mod workload;

pub use qmp::EXCLUDE;
pub(crate) use run::head;
pub(crate) use unused::unused;

use std::collections::BTreeSet;

use crate::scenario::keys::SCENARIO;
use crate::scenario::matrix::Document;
use crate::scenario::problem::Problems;
use crate::scenario::section::Section;
use crate::scenario::{Setup, build};

/// Least guest memory that boots a stock kernel with lmbench's initramfs.
pub(crate) const GUEST_MEMORY_MIN: u64 = 160 << 20;

/// Guest memory that the kernel and PID 1 need for themselves.
pub(crate) const KERNEL_RESERVE: u64 = 96 << 20;

/// Reads one cell. What it returns is sound only if no problem was reported.
pub(crate) fn setup(
    document: &Document,
    meant: &BTreeSet<String>,
    seed: u64,
    problems: &mut Problems,
) -> Setup {
    let root = Section::root(&document.root, &SCENARIO, meant);
    let (guest, hardware) = build::guest::guest(&root.section("guest"), problems);
    let workload = build::workload::workload(&root.section("workload"), &hardware, seed, problems);
    let network = build::link::network(&root.section("network"), problems);
    let carrier = build::carrier::carrier(document, &root, problems);
    let policy = build::carrier::policy(document, &root, problems);
    let migration = build::migration::migration(&root.section("migration"), problems);
    build::migration::together(
        &root.section("migration"),
        &carrier,
        &policy,
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
    }
}
