//! `[policy.pilot]`: goals that can be meant.

use lmbench_harness::spec::{Goal, PilotSpec, PolicySpec};

use crate::scenario::problem::{Problem, Problems};
use crate::scenario::section::Section;
use crate::scenario::units::{Rate, Share, Time};

/// Reads the table; `migration` says what the stream may take.
pub(super) fn pilot(
    section: &Section<'_>,
    migration: &Section<'_>,
    problems: &mut Problems,
) -> PolicySpec {
    let flag = |name: &str, default: bool| {
        let flag = section.get::<bool>(name).or(default);
        flag.value.unwrap_or(default)
    };
    let rate = |name| {
        let rate = migration.get::<Rate>(name).value;
        rate.and_then(Rate::bytes_per_second)
    };
    let blackout = time(section, "max-blackout", problems);
    let total = time(section, "max-total-time", problems);
    let slowdown = section.get::<Share>("max-slowdown").value;
    PolicySpec::Pilot(PilotSpec {
        max_blackout: blackout.unwrap_or(MAX_BLACKOUT).duration(),
        max_total_time: total.map(Time::duration),
        max_slowdown: slowdown.map(Share::fraction),
        priorities: priorities(section, problems),
        post_copy: flag("post-copy", true),
        throttle: flag("throttle", true),
        pause: flag("pause", false),
        bandwidth: rate("max-bandwidth"),
        post_copy_bandwidth: rate("max-postcopy-bandwidth"),
    })
}

fn time(section: &Section<'_>, name: &str, problems: &mut Problems) -> Option<Time> {
    let time = section.get::<Time>(name);
    if time.value.is_some_and(|time| time < LEAST) {
        problems.push(
            Problem::at(
                &time.place(section),
                format!("`policy.pilot.{name}` is too short"),
            )
            .label("no migration is that fast")
            .hint(format!("write at least \"{LEAST}\"")),
        );
    }
    time.value
}

fn priorities(section: &Section<'_>, problems: &mut Problems) -> [Goal; 3] {
    let text = section.get::<String>("priorities");
    let Some(names) = &text.value else {
        return Goal::DEFAULT;
    };
    Goal::order(names).unwrap_or_else(|| {
        problems.push(
            Problem::at(
                &text.place(section),
                "`policy.pilot.priorities` is not an order of goals",
            )
            .label("names an unknown goal, one twice, or none")
            .hint("write for example \"blackout, total-time, slowdown\", the most important first"),
        );
        Goal::DEFAULT
    })
}

const MAX_BLACKOUT: Time = Time::from_nanos(300_000_000);
/// Shortest goal, far below what any switch-over takes.
const LEAST: Time = Time::from_nanos(1_000_000);
