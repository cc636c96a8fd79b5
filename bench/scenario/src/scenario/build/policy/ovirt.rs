//! `[policy.ovirt-…]` and `[policy.vdsm-legacy]`.

use std::time::Duration;

use lmbench_harness::spec::{
    OvirtName, OvirtSpec, StallAction, StallItem, VdsmLegacySpec, VdsmRule,
};

use super::super::migration::flag;
use super::read::{DOWNTIME_MAX_MS, count, downtime, rule, time, time_from, time_scale};
use crate::scenario::problem::{Problem, Problems};
use crate::scenario::section::Section;
use crate::scenario::units::Time;

pub(super) fn ovirt(name: OvirtName, section: &Section<'_>, problems: &mut Problems) -> OvirtSpec {
    let default = OvirtSpec::shipped(name);
    OvirtSpec {
        name,
        rule: match rule(section).as_deref() {
            Some("4.2") => VdsmRule::Looks,
            _ => default.rule,
        },
        initial_downtime_ms: text(
            section,
            "initial-items",
            default.initial_downtime_ms,
            problems,
            milliseconds,
        ),
        convergence: text(
            section,
            "convergence-items",
            default.convergence,
            problems,
            items,
        ),
        last: text(section, "last-items", default.last, problems, actions),
        auto_convergence: flag(section, "auto-convergence", default.auto_convergence),
        migration_compression: flag(
            section,
            "migration-compression",
            default.migration_compression,
        ),
        monitor_interval: interval(section, default.monitor_interval, problems),
        time_scale: time_scale(section),
    }
}

pub(super) fn legacy(section: &Section<'_>, problems: &mut Problems) -> VdsmLegacySpec {
    let default = VdsmLegacySpec::default();
    VdsmLegacySpec {
        downtime_ms: downtime(
            section,
            "migration-downtime",
            default.downtime_ms,
            1,
            problems,
        ),
        downtime_steps: count(section, "migration-downtime-steps", default.downtime_steps),
        downtime_delay_per_gib: time(
            section,
            "migration-downtime-delay",
            default.downtime_delay_per_gib,
        ),
        monitor_interval: interval(section, default.monitor_interval, problems),
        max_time_per_gib: time(
            section,
            "migration-max-time-per-gib-mem",
            default.max_time_per_gib,
        ),
        progress_timeout: time(
            section,
            "migration-progress-timeout",
            default.progress_timeout,
        ),
        time_scale: time_scale(section),
    }
}

/// vdsm counts it in seconds, and 0 turns the monitor off.
fn interval(section: &Section<'_>, default: Duration, problems: &mut Problems) -> Duration {
    let least = Time::from_nanos(1_000_000_000);
    time_from(
        section,
        "migration-monitor-interval",
        default,
        least,
        problems,
    )
}

/// A setting that is a little language; `parse` says what is wrong and what to write.
fn text<T>(
    section: &Section<'_>,
    name: &str,
    default: T,
    problems: &mut Problems,
    parse: fn(&str) -> Result<T, String>,
) -> T {
    let setting = section.get::<String>(name);
    let Some(text) = &setting.value else {
        return default;
    };
    parse(text).unwrap_or_else(|wrong| {
        problems.push(
            Problem::at(
                &setting.place(section),
                format!("`{}.{name}` is no part of a schedule", section.path()),
            )
            .label(wrong)
            .hint("convergence-items are such as \"1:150, 2:200, 4:postcopy\", last-items such as \"5000, abort\", initial-items such as \"100\""),
        );
        default
    })
}

fn milliseconds(text: &str) -> Result<u64, String> {
    let ms = text.trim().parse().ok();
    ms.filter(|ms| (1..=DOWNTIME_MAX_MS).contains(ms))
        .ok_or_else(|| format!("{:?} is no downtime limit in ms", text.trim()))
}

fn action(text: &str) -> Result<StallAction, String> {
    match text.trim() {
        "postcopy" => Ok(StallAction::PostCopy),
        "abort" => Ok(StallAction::Abort),
        other => milliseconds(other)
            .map(StallAction::SetDowntime)
            .map_err(|_| format!("{other:?} is no action")),
    }
}

fn item(text: &str) -> Result<StallItem, String> {
    let (limit, what) = text
        .split_once(':')
        .ok_or_else(|| format!("{:?} has no limit", text.trim()))?;
    let stalling_limit = limit.trim().parse();
    Ok(StallItem {
        stalling_limit: stalling_limit.map_err(|_| format!("{:?} is no limit", limit.trim()))?,
        action: action(what)?,
    })
}

fn items(text: &str) -> Result<Vec<StallItem>, String> {
    parts(text).map(item).collect()
}

fn actions(text: &str) -> Result<Vec<StallAction>, String> {
    parts(text).map(action).collect()
}

/// Nothing at all is an empty list.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let is_empty = text.trim().is_empty();
    text.split(',').filter(move |_| !is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_read_as_they_are_written() {
        let shipped = OvirtSpec::shipped(OvirtName::SuspendIfNeeded);
        assert_eq!(
            items("1:150, 2:200, 3:300, 4:400, 6:500"),
            Ok(shipped.convergence)
        );
        assert_eq!(actions(" 5000,abort"), Ok(shipped.last));
        assert_eq!(actions(""), Ok(Vec::new()));
        for wrong in [
            "1",
            "x:150",
            "1:",
            "1:0",
            "1:2000001",
            "1:150,",
            ":",
            "-1:5",
        ] {
            assert!(items(wrong).is_err(), "{wrong}");
        }
    }
}
