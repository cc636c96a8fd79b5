//! What would fail in minute 40, found before anything starts: the running QEMU is asked about every cell's settings.
//!
//! `host` looks at files, memory and CPUs, `scratch` starts a QEMU without a machine, `refusals` asks it for each cell, `disks` of a disk
//! image, `blame` names the key behind a setting,
//! `elsewhere` knows what other QEMUs have, so that what this one lacks is told from what was misspelt.

mod blame;
mod disks;
mod elsewhere;
mod host;
mod refusals;
mod scratch;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::accelerator;
use crate::hypervisor::{Case, Needed, ProbeReport, Problem, Resolved};
use crate::role::Role;
use crate::spec::Accelerator;
use scratch::Scratch;

impl Problem {
    /// A cell asks for what there is not.
    fn of_cell(case: &Case, text: impl Into<String>, hint: impl Into<String>) -> Self {
        Problem {
            scenario: true,
            cell: Some(case.cell.clone()),
            ..Problem::of_machine(text, hint)
        }
    }

    /// A cell asks for what this QEMU or host lacks, and others may have.
    fn lacking(case: &Case, text: impl Into<String>, hint: impl Into<String>) -> Self {
        Problem {
            scenario: false,
            lacking: true,
            ..Problem::of_cell(case, text, hint)
        }
    }

    fn key(mut self, path: impl Into<String>, label: impl Into<String>) -> Self {
        self.keys.push((path.into(), label.into()));
        self
    }
}

/// Examines this host as `role`; `scratch` is an empty directory. A guest is booted only to prove KVM, and only if `prove` allows that.
pub async fn examine(cases: &[Case], role: Role, scratch: &Path, prove: bool) -> ProbeReport {
    let mut problems = BTreeSet::new();
    for case in cases {
        problems.extend(host::problems(case, role));
    }
    let qemu = match Scratch::start(role, &[], scratch).await {
        Ok(qemu) => {
            for case in cases {
                problems.extend(qemu.unknown_hardware(case).await);
                problems.extend(qemu.unfit_disk(case).await);
                problems.extend(qemu.refusals(case, role).await);
            }
            qemu.end().await
        }
        Err(problem) => {
            problems.insert(problem);
            String::new()
        }
    };
    let mut accelerator = None;
    // It costs the boot of a guest: what ends the run anyway comes first.
    if problems.iter().all(|problem| problem.lacking) {
        let wished = |wish| cases.iter().any(|case| case.guest.accelerator == wish);
        let wish = if wished(Accelerator::Kvm) || wished(Accelerator::Auto) {
            Accelerator::Auto
        } else {
            Accelerator::Tcg
        };
        accelerator = if prove {
            Some(accelerator::resolve(wish, patience(cases), scratch).await)
        } else {
            accelerator::known(wish, patience(cases))
        };
    }
    if let Some(resolved) = &accelerator {
        for case in cases {
            problems.extend(without_kvm(case, resolved));
        }
        if resolved.accelerator == Accelerator::Kvm {
            problems.extend(dirty_rings(cases, role, scratch).await);
        }
    }
    ProbeReport {
        qemu,
        accelerator,
        problems: problems.into_iter().collect(),
    }
}

/// How long KVM's proof may take: a guest that insists on KVM would have waited as long for its own boot.
fn patience(cases: &[Case]) -> Duration {
    let insist = cases
        .iter()
        .filter(|case| case.guest.accelerator == Accelerator::Kvm);
    let longest = insist.map(|case| case.guest.boot_timeout).max();
    longest.unwrap_or(accelerator::PROOF_DEADLINE)
}

/// What a cell asks of KVM where there is none, or where the cell itself takes another accelerator.
fn without_kvm(case: &Case, resolved: &Resolved) -> Option<Problem> {
    let guest = &case.guest;
    let has_kvm = resolved.accelerator == Accelerator::Kvm && guest.accelerator != Accelerator::Tcg;
    if has_kvm {
        return None;
    }
    let reason = resolved
        .reason
        .clone()
        .unwrap_or_else(|| "the guest runs under TCG".to_owned());
    let kept = match accelerator::memory_file() {
        Some(file) if resolved.reason.is_some() => format!(
            "; the answer is kept in {}: remove it to try KVM again",
            file.display()
        ),
        _ => String::new(),
    };
    if guest.accelerator == Accelerator::Kvm {
        let hint = format!("set accelerator = \"auto\" or \"tcg\" in [guest], or mend KVM{kept}");
        return Some(Problem::lacking(case, reason, hint).key("guest.accelerator", "asks for KVM"));
    }
    guest.placement.dirty_ring_size?;
    let (what, key) = if case.migration.knobs.dirty_limit {
        (
            "dirty-limit needs KVM's dirty ring",
            "migration.dirty-limit",
        )
    } else {
        ("the dirty ring is KVM's", "guest.dirty-ring-size")
    };
    Some(
        Problem::lacking(
            case,
            format!("{what}: {reason}"),
            format!("run it on a machine with KVM{kept}"),
        )
        .key(key, "asks for it"),
    )
}

/// Asks a QEMU with each dirty ring that is wanted whether this kernel has it, and dirty-limit with it.
async fn dirty_rings(cases: &[Case], role: Role, scratch: &Path) -> Vec<Problem> {
    let mut problems = Vec::new();
    for case in cases {
        let wants = case.guest.accelerator != Accelerator::Tcg;
        let Some(size) = case.guest.placement.dirty_ring_size.filter(|_| wants) else {
            continue;
        };
        let ring = format!("kvm,dirty-ring-size={size}");
        let lacking = |why: &str| {
            Problem::lacking(
                case,
                format!("no dirty ring of {size} entries here: {why}"),
                "use another dirty-ring-size (a power of two), or a kernel that has it",
            )
            .key("guest.dirty-ring-size", "asks for it")
        };
        match Scratch::start(role, &["-accel", &ring], scratch).await {
            Ok(qemu) => {
                if case.migration.knobs.dirty_limit
                    && role == Role::Source
                    && let Err(why) = qemu.takes_capability("dirty-limit").await
                {
                    problems.push(lacking(&why).key("migration.dirty-limit", "asks for it"));
                }
                qemu.end().await;
            }
            Err(problem) => problems.push(lacking(&problem.text)),
        }
    }
    problems
}

/// The oldest QEMU that lmbench drives, here and in `lmbench doctor`. What is relied on: the capability
/// `postcopy-preempt` (7.1), which is always set, and `query-migrate` with its events as Debian's and Ubuntu's oldest
/// supported packages have them (8.2). Nothing needs more; what a scenario asks for beyond that, QEMU itself is asked.
pub const QEMU_LEAST: (u32, u32) = (8, 2);
/// The QEMU that lmbench is tested with; `lmbench doctor` says what an older one lacks.
pub const QEMU_WANTED: (u32, u32) = (10, 0);
