//! `[policy.nova]` and `[policy.nova-historic]`.

use lmbench_harness::spec::{NovaHistoricSpec, NovaRamp, NovaSpec, NovaTimeoutAction};

use super::super::migration::flag;
use super::read::{count, downtime, time, time_from, time_scale};
use crate::scenario::problem::Problems;
use crate::scenario::section::Section;
use crate::scenario::units::Time;

pub(super) fn nova(section: &Section<'_>, problems: &mut Problems) -> NovaSpec {
    let default = NovaSpec::default();
    let action = section.get::<String>("live-migration-timeout-action").value;
    NovaSpec {
        ramp: ramp(section, problems),
        completion_timeout_per_gib: time(
            section,
            "live-migration-completion-timeout",
            default.completion_timeout_per_gib,
        ),
        timeout_action: match action.as_deref() {
            Some("force_complete") => NovaTimeoutAction::ForceComplete,
            _ => NovaTimeoutAction::Abort,
        },
        permit_post_copy: flag(
            section,
            "live-migration-permit-post-copy",
            default.permit_post_copy,
        ),
        permit_auto_converge: flag(
            section,
            "live-migration-permit-auto-converge",
            default.permit_auto_converge,
        ),
        time_scale: time_scale(section),
    }
}

pub(super) fn historic(section: &Section<'_>, problems: &mut Problems) -> NovaHistoricSpec {
    let default = NovaHistoricSpec::default();
    NovaHistoricSpec {
        ramp: ramp(section, problems),
        completion_timeout_per_gib: time(
            section,
            "live-migration-completion-timeout",
            default.completion_timeout_per_gib,
        ),
        progress_timeout: time(
            section,
            "live-migration-progress-timeout",
            default.progress_timeout,
        ),
        permit_post_copy: flag(
            section,
            "live-migration-permit-post-copy",
            default.permit_post_copy,
        ),
        time_scale: time_scale(section),
    }
}

fn ramp(section: &Section<'_>, problems: &mut Problems) -> NovaRamp {
    let default = NovaRamp::default();
    NovaRamp {
        downtime_ms: downtime(
            section,
            "live-migration-downtime",
            default.downtime_ms,
            DOWNTIME_LEAST_MS,
            problems,
        ),
        steps: count(section, "live-migration-downtime-steps", default.steps),
        delay_per_gib: time_from(
            section,
            "live-migration-downtime-delay",
            default.delay_per_gib,
            DELAY_LEAST,
            problems,
        ),
    }
}

/// Nova's own bounds.
const DOWNTIME_LEAST_MS: u64 = 100;
const DELAY_LEAST: Time = Time::from_nanos(3_000_000_000);
