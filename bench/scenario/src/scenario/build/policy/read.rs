//! Settings that several policies have.

use std::time::Duration;

use crate::scenario::problem::{Problem, Problems};
use crate::scenario::section::{Section, Setting};
use crate::scenario::units::Time;

/// A time with its default.
pub(super) fn time(section: &Section<'_>, name: &str, default: Duration) -> Duration {
    let time = section.get::<Time>(name).or(default.into());
    time.value.map_or(default, Time::duration)
}

/// A time that must not be below `least`.
pub(super) fn time_from(
    section: &Section<'_>,
    name: &str,
    default: Duration,
    least: Time,
    problems: &mut Problems,
) -> Duration {
    let time = section.get::<Time>(name).or(default.into());
    if let Some(value) = time.value
        && value < least
    {
        problems.push(
            Problem::at(
                &time.place(section),
                format!("`{}.{name}` is too short", section.path()),
            )
            .label(format!("{value}"))
            .hint(format!("write at least \"{least}\"")),
        );
    }
    time.value.map_or(default, Time::duration)
}

/// Reports a policy whose `initial` is above the setting `max_name`; `values` tells both.
pub(super) fn begins_above<T>(
    section: &Section<'_>,
    policy: &str,
    initial: &Setting<T>,
    (max_name, max): (&str, &Setting<T>),
    values: String,
) -> Problem {
    let place = if initial.span.is_some() { initial } else { max };
    Problem::at(
        &place.place(section),
        format!("{policy} begins above its maximum"),
    )
    .label(values)
    .also(max.span.as_ref(), "the maximum")
    .hint(format!("lower `initial` or raise `{max_name}`"))
}

/// A downtime limit: whole milliseconds up to QEMU's maximum.
pub(super) fn downtime(
    section: &Section<'_>,
    name: &str,
    default_ms: u64,
    least_ms: u64,
    problems: &mut Problems,
) -> u64 {
    let limit = section
        .get::<Time>(name)
        .or(Duration::from_millis(default_ms).into());
    let Some(time) = limit.value else {
        return default_ms;
    };
    let ms = time.nanos() / 1_000_000;
    if !time.nanos().is_multiple_of(1_000_000) || !(least_ms..=DOWNTIME_MAX_MS).contains(&ms) {
        problems.push(
            Problem::at(
                &limit.place(section),
                format!("`{}.{name}` can't be a downtime limit", section.path()),
            )
            .label(format!("{time}"))
            .hint(format!(
                "write whole milliseconds from \"{least_ms} ms\" to \"2000 s\", QEMU's maximum"
            )),
        );
    }
    ms
}

/// A count with its default.
pub(super) fn count(section: &Section<'_>, name: &str, default: u32) -> u32 {
    section
        .get::<u32>(name)
        .or(default)
        .value
        .unwrap_or(default)
}

/// A number with its default.
pub(super) fn number(section: &Section<'_>, name: &str, default: f64) -> f64 {
    section
        .get::<f64>(name)
        .or(default)
        .value
        .unwrap_or(default)
}

/// `rule`: whose rule it is where there are several; one of the key's words.
pub(super) fn rule(section: &Section<'_>) -> Option<String> {
    section.get::<String>("rule").value
}

/// `time-scale`.
pub(super) fn time_scale(section: &Section<'_>) -> f64 {
    number(section, "time-scale", 1.0)
}

/// QEMU's maximum of `downtime-limit`.
pub(super) const DOWNTIME_MAX_MS: u64 = 2_000_000;
