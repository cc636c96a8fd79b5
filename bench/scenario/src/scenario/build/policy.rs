//! `policy`: which one this cell uses, with its settings.

mod kubevirt;
mod nova;
mod others;
mod ovirt;
mod pilot;
mod read;

use lmbench_harness::spec::{OvirtName, PolicySpec};

use super::chosen::{Chosen, chosen};
use crate::scenario::matrix::Document;
use crate::scenario::problem::{Problem, Problems};
use crate::scenario::section::Section;
use crate::scenario::units::Time;

/// The cell's policy.
pub(super) fn policy(
    document: &Document,
    root: &Section<'_>,
    problems: &mut Problems,
) -> Chosen<PolicySpec> {
    let section = root.section("policy");
    let (name, span, known) = chosen(document, &section, "policy", problems);
    let spec = match name.as_deref() {
        Some("auto-converge") => auto_converge(&section.section("auto-converge"), problems),
        Some("post-copy") => post_copy(&section.section("post-copy"), problems),
        Some("pause") => PolicySpec::Pause {
            after_passes: section
                .section("pause")
                .get("after-passes")
                .or(5)
                .value
                .unwrap_or_default(),
        },
        Some("pilot") => pilot::pilot(
            &section.section("pilot"),
            &root.section("migration"),
            problems,
        ),
        Some(name) => peers(name, &section, problems).unwrap_or(PolicySpec::Static),
        None => PolicySpec::Static,
    };
    Chosen { spec, span, known }
}

/// A peer's policy; none for a name that is none of them.
fn peers(name: &str, policy: &Section<'_>, problems: &mut Problems) -> Option<PolicySpec> {
    let section = || policy.section(name);
    Some(match name {
        "nova" => PolicySpec::Nova(nova::nova(&section(), problems)),
        "nova-historic" => PolicySpec::NovaHistoric(nova::historic(&section(), problems)),
        "ovirt-minimal-downtime" => PolicySpec::Ovirt(ovirt::ovirt(
            OvirtName::MinimalDowntime,
            &section(),
            problems,
        )),
        "ovirt-suspend-if-needed" => PolicySpec::Ovirt(ovirt::ovirt(
            OvirtName::SuspendIfNeeded,
            &section(),
            problems,
        )),
        "ovirt-post-copy" => {
            PolicySpec::Ovirt(ovirt::ovirt(OvirtName::PostCopy, &section(), problems))
        }
        "vdsm-legacy" => PolicySpec::VdsmLegacy(ovirt::legacy(&section(), problems)),
        "proxmox" => PolicySpec::Proxmox(others::proxmox(&section(), problems)),
        "kubevirt-ramp" => PolicySpec::KubevirtRamp(kubevirt::ramp(&section(), problems)),
        "kubevirt-stall" => PolicySpec::KubevirtStall(kubevirt::stall(&section(), problems)),
        "virsh-timeout-suspend" => {
            PolicySpec::VirshTimeoutSuspend(others::virsh_timeout(&section()))
        }
        "virsh-timeout-postcopy" => {
            PolicySpec::VirshTimeoutPostcopy(others::virsh_timeout(&section()))
        }
        "force-complete" => PolicySpec::ForceComplete(others::force_complete(&section())),
        _ => return None,
    })
}

fn auto_converge(section: &Section<'_>, problems: &mut Problems) -> PolicySpec {
    let initial = section.get::<u32>("initial").or(20);
    let max = section.get::<u32>("max").or(99);
    if let (Some(first), Some(last)) = (initial.value, max.value)
        && first > last
    {
        let values = format!("initial {first} %, max {last} %");
        let max = ("max", &max);
        problems.push(read::begins_above(
            section,
            "auto-converge",
            &initial,
            max,
            values,
        ));
    }
    PolicySpec::AutoConverge {
        initial: initial.value.unwrap_or_default(),
        increment: section.get("increment").or(10).value.unwrap_or_default(),
        max: max.value.unwrap_or_default(),
        tailslow: section.get("tailslow").or(false).value.unwrap_or_default(),
        trigger_threshold: section.get("trigger-threshold").value,
    }
}

fn post_copy(section: &Section<'_>, problems: &mut Problems) -> PolicySpec {
    let passes = section.get::<u32>("after-passes");
    let after = section.get::<Time>("after");
    if after.value == Some(Time::from_nanos(0)) {
        problems.push(
            Problem::at(&after.place(section), "`policy.post-copy.after` is zero")
                .label("before anything was sent")
                .hint("write a time such as \"2 s\", or after-passes = 1"),
        );
    }
    let passes = if after.is_missing() {
        passes.or(1)
    } else {
        passes
    };
    PolicySpec::PostCopy {
        after_passes: passes.value,
        after: after.value.map(Time::duration),
    }
}
