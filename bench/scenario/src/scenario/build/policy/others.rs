//! `[policy.proxmox]`, `[policy.virsh-timeout-…]` and `[policy.force-complete]`.

use lmbench_harness::spec::{ForceCompleteSpec, ProxmoxRule, ProxmoxSpec, VirshTimeoutSpec};

use super::super::migration::flag;
use super::read::{downtime, rule, time, time_scale};
use crate::scenario::problem::Problems;
use crate::scenario::section::Section;

pub(super) fn proxmox(section: &Section<'_>, problems: &mut Problems) -> ProxmoxSpec {
    let default = ProxmoxSpec::default();
    ProxmoxSpec {
        rule: match rule(section).as_deref() {
            Some("9.0") => ProxmoxRule::Endless,
            _ => default.rule,
        },
        migrate_downtime_ms: downtime(
            section,
            "migrate-downtime",
            default.migrate_downtime_ms,
            1,
            problems,
        ),
        auto_converge: flag(section, "auto-converge", default.auto_converge),
        xbzrle: flag(section, "xbzrle", default.xbzrle),
        time_scale: time_scale(section),
    }
}

pub(super) fn virsh_timeout(section: &Section<'_>) -> VirshTimeoutSpec {
    VirshTimeoutSpec {
        timeout: time(section, "timeout", VirshTimeoutSpec::default().timeout),
        time_scale: time_scale(section),
    }
}

pub(super) fn force_complete(section: &Section<'_>) -> ForceCompleteSpec {
    let default = ForceCompleteSpec::default();
    ForceCompleteSpec {
        after: time(section, "after", default.after),
        permit_post_copy: flag(section, "permit-post-copy", default.permit_post_copy),
        time_scale: time_scale(section),
    }
}
