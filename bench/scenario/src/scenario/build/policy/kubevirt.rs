//! `[policy.kubevirt-ramp]` and `[policy.kubevirt-stall]`.

use std::time::Duration;

use lmbench_harness::spec::{KubevirtLimits, KubevirtRampSpec, KubevirtRule, KubevirtStallSpec};

use super::super::migration::flag;
use super::read::{begins_above, count, downtime, number, rule, time, time_from, time_scale};
use crate::scenario::problem::{Problem, Problems};
use crate::scenario::section::Section;
use crate::scenario::units::{Share, Time};

pub(super) fn ramp(section: &Section<'_>, problems: &mut Problems) -> KubevirtRampSpec {
    let default = KubevirtRampSpec::of(whose(section));
    let spec = KubevirtRampSpec {
        rule: default.rule,
        initial_ms: downtime(section, "initial", default.initial_ms, 1, problems),
        max_downtime_ms: downtime(
            section,
            "max-downtime",
            default.max_downtime_ms,
            1,
            problems,
        ),
        divisor: section.get("divisor").value,
        steps: count(section, "steps", default.steps),
        start_after_iteration: count(
            section,
            "start-after-iteration",
            default.start_after_iteration,
        ),
        cooldown: time(section, "cooldown", default.cooldown),
        limits: limits(section, default.limits.progress_timeout),
        time_scale: time_scale(section),
    };
    let initial = section.get::<Time>("initial");
    let max = section.get::<Time>("max-downtime");
    let both_sound = (initial.is_missing() || initial.value.is_some())
        && (max.is_missing() || max.value.is_some());
    if both_sound && spec.initial_ms > spec.max_downtime_ms {
        let values = format!(
            "initial {} ms, max-downtime {} ms",
            spec.initial_ms, spec.max_downtime_ms
        );
        let max = ("max-downtime", &max);
        problems.push(begins_above(
            section,
            "kubevirt-ramp",
            &initial,
            max,
            values,
        ));
    }
    spec
}

pub(super) fn stall(section: &Section<'_>, problems: &mut Problems) -> KubevirtStallSpec {
    let default = KubevirtStallSpec::of(whose(section));
    KubevirtStallSpec {
        rule: default.rule,
        max_downtime_ms: downtime(
            section,
            "max-downtime",
            default.max_downtime_ms,
            1,
            problems,
        ),
        stall_margin_percent: stall_margin(section, default.stall_margin_percent, problems),
        switchover_timeout: time_from(
            section,
            "switchover-timeout",
            default.switchover_timeout,
            Time::from_nanos(1_000_000),
            problems,
        ),
        completion_timeout_factor: number(
            section,
            "completion-timeout-factor",
            default.completion_timeout_factor,
        ),
        precopy_possible_factor: number(
            section,
            "precopy-possible-factor",
            default.precopy_possible_factor,
        ),
        patience_window_decay_factor: number(
            section,
            "patience-window-decay-factor",
            default.patience_window_decay_factor,
        ),
        ewma_alpha: number(section, "ewma-alpha", default.ewma_alpha),
        search_local_minima: flag(section, "search-local-minima", default.search_local_minima),
        limits: limits(section, default.limits.progress_timeout),
        time_scale: time_scale(section),
    }
}

fn whose(section: &Section<'_>) -> KubevirtRule {
    match rule(section).as_deref() {
        Some("vep") => KubevirtRule::Vep,
        _ => KubevirtRule::Code,
    }
}

fn limits(section: &Section<'_>, progress_timeout: Duration) -> KubevirtLimits {
    let default = KubevirtLimits::default();
    KubevirtLimits {
        completion_timeout_per_gib: time(
            section,
            "completion-timeout-per-gib",
            default.completion_timeout_per_gib,
        ),
        progress_timeout: time(section, "progress-timeout", progress_timeout),
        allow_post_copy: flag(section, "allow-post-copy", default.allow_post_copy),
        allow_workload_disruption: flag(
            section,
            "allow-workload-disruption",
            default.allow_workload_disruption,
        ),
        allow_auto_converge: flag(section, "allow-auto-converge", default.allow_auto_converge),
    }
}

/// Whole percents, as `KubeVirt` has them.
fn stall_margin(section: &Section<'_>, default: u32, problems: &mut Problems) -> u32 {
    let margin = section.get::<Share>("stall-margin");
    let Some(share) = margin.value else {
        return default;
    };
    if !share.parts_per_billion().is_multiple_of(PERCENT) {
        problems.push(
            Problem::at(
                &margin.place(section),
                format!("`{}.stall-margin` is no whole percentage", section.path()),
            )
            .label(format!("{share}"))
            .hint("KubeVirt takes whole percents: write for example \"4 %\""),
        );
    }
    share.parts_per_billion() / PERCENT
}

/// In parts per billion.
const PERCENT: u32 = 10_000_000;
