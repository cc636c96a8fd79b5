//! The patterns' own settings.

use lmbench_guest::spec::{Pattern, Rate as GuestRate};

use super::Room;
use crate::scenario::problem::{Problem, Problems};
use crate::scenario::section::{Section, Setting};
use crate::scenario::units::{Rate, Share, Size, Time};

/// Reads a pattern that is not `phases`; `None` when its name is unknown.
pub(super) fn read(
    section: &Section<'_>,
    name: &str,
    room: &Room,
    problems: &mut Problems,
) -> Option<Pattern> {
    Some(match name {
        "idle" => Pattern::Idle,
        "uniform" => Pattern::Uniform {
            rate: rate(section, "rate", problems),
        },
        "hot-set" => hot_set(section, room, problems),
        "zipf" => Pattern::Zipf {
            rate: rate(section, "rate", problems),
            exponent: section.get("exponent").or(0.99).value.unwrap_or(0.99),
        },
        "sweep" => Pattern::Sweep {
            rate: rate(section, "rate", problems),
        },
        "jvm" => jvm(section, room, problems),
        "database" => database(section, room, problems),
        _ => return None,
    })
}

/// What a JVM needs when nobody says more: both generations.
pub(super) fn jvm_memory(section: &Section<'_>) -> Option<Size> {
    let young = section.get::<Size>("young").value?;
    let old = section.get::<Size>("old").value?;
    young.bytes().checked_add(old.bytes()).map(Size::from_bytes)
}

fn rate(section: &Section<'_>, name: &str, problems: &mut Problems) -> GuestRate {
    let rate = section.required::<Rate>(name, "\"80 MiB/s\"", problems);
    if let Some(value) = rate.value
        && value.bytes_per_second().is_some_and(|bytes| bytes < PAGE)
    {
        problems.push(
            Problem::at(
                &rate.place(section),
                format!("`{name}` is less than a page per second"),
            )
            .label(format!("{value}"))
            .hint("use [workload.idle] for a guest that writes nothing, or a higher rate"),
        );
    }
    match rate.value.and_then(Rate::bytes_per_second) {
        Some(bytes) => GuestRate::BytesPerSecond(bytes),
        None => GuestRate::Unbounded,
    }
}

/// Reports a part that is empty or larger than the workload's memory.
fn fits(
    section: &Section<'_>,
    part: &Setting<Size>,
    what: &str,
    room: &Room,
    problems: &mut Problems,
) {
    let Some(size) = part.value else { return };
    let place = part.place(section);
    if size.bytes() < PAGE {
        problems.push(
            Problem::at(&place, format!("{what} is less than a page"))
                .label(format!("{size}"))
                .hint("write at least \"4 KiB\""),
        );
    } else if let Some(memory) = room.memory.value
        && size > memory
    {
        problems.push(
            Problem::at(
                &place,
                format!("{what} is larger than the workload's memory"),
            )
            .label(format!("{size}"))
            .also(Some(&room.place), format!("the workload has {memory}"))
            .hint("lower it, or raise the workload's and the guest's memory"),
        );
    }
}

fn hot_set(section: &Section<'_>, room: &Room, problems: &mut Problems) -> Pattern {
    let hot = section.required::<Size>("hot", "\"64 MiB\"", problems);
    fits(section, &hot, "the hot part", room, problems);
    Pattern::HotSet {
        rate: rate(section, "rate", problems),
        hot_bytes: hot.value.map_or(0, Size::bytes),
        hot_share: share(section, "hot-share", 90),
    }
}

fn jvm(section: &Section<'_>, room: &Room, problems: &mut Problems) -> Pattern {
    let young = section.required::<Size>("young", "\"192 MiB\"", problems);
    let old = section.required::<Size>("old", "\"256 MiB\"", problems);
    fits(section, &young, "the young generation", room, problems);
    fits(section, &old, "the old generation", room, problems);
    if let (Some(both), Some(memory)) = (jvm_memory(section), room.memory.value)
        && both > memory
        && young.value.is_some_and(|young| young <= memory)
        && old.value.is_some_and(|old| old <= memory)
    {
        problems.push(
            Problem::at(
                &young.place(section),
                "the generations do not fit the workload's memory",
            )
            .label(format!("{both} with the old one"))
            .also(old.span.as_ref(), "the old one")
            .also(Some(&room.place), format!("the workload has {memory}"))
            .hint("leave `memory` out (it is then young + old), or raise it"),
        );
    }
    Pattern::Jvm {
        young_bytes: young.value.map_or(0, Size::bytes),
        old_bytes: old.value.map_or(0, Size::bytes),
        allocation_rate: rate(section, "allocation-rate", problems),
        survivors: share(section, "survivors", 10),
    }
}

fn database(section: &Section<'_>, room: &Room, problems: &mut Problems) -> Pattern {
    let log = section.get::<Size>("log");
    let log = match room.memory.value {
        Some(memory) => log.or(Size::from_bytes(
            (memory.bytes() / 8).next_multiple_of(PAGE),
        )),
        None => log,
    };
    fits(section, &log, "the log", room, problems);
    if log.value.is_some() && log.value == room.memory.value {
        problems.push(
            Problem::at(&log.place(section), "the log leaves no page cache")
                .label("all of the workload's memory")
                .hint("lower it, or raise the workload's memory"),
        );
    }
    let interval = section
        .get::<Time>("checkpoint-interval")
        .or(Time::from_nanos(5_000_000_000));
    if let Some(time) = interval.value
        && time < CHECKPOINT_INTERVAL_MIN
    {
        problems.push(
            Problem::at(&interval.place(section), "checkpoints follow each other too closely")
                .label(format!("{time}"))
                .hint(format!("write at least \"{CHECKPOINT_INTERVAL_MIN}\"; databases use minutes, a benchmark seconds")),
        );
    }
    Pattern::Database {
        rate: rate(section, "rate", problems),
        log_bytes: log.value.map_or(0, Size::bytes),
        log_share: share(section, "log-share", 30),
        checkpoint_interval_ns: interval.value.map_or(0, Time::nanos),
        checkpoint_share: share(section, "checkpoint-share", 20),
    }
}

fn share(section: &Section<'_>, name: &str, default_percent: u32) -> f64 {
    let share = section.get::<Share>(name).value.map(Share::fraction);
    share.unwrap_or(f64::from(default_percent) / 100.0)
}

const PAGE: u64 = lmbench_guest::spec::PAGE_BYTES;

/// Shortest time between checkpoints.
const CHECKPOINT_INTERVAL_MIN: Time = Time::from_nanos(100_000_000);
