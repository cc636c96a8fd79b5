//! `[[workload.phases]]`: patterns in sequence.

use lmbench_guest::spec::Phase;

use super::{Room, pattern};
use crate::scenario::keys::{Kind, PATTERNS, kind_at};
use crate::scenario::problem::{Problem, Problems};
use crate::scenario::section::Section;
use crate::scenario::tree::{Entry, Table, Value};
use crate::scenario::units::Time;

/// Reads the list.
pub(super) fn read(
    section: &Section<'_>,
    entry: &Entry,
    room: &Room,
    problems: &mut Problems,
) -> Vec<Phase> {
    let Some(Kind::Phases(keys)) = kind_at("workload.phases") else {
        unreachable!("the key table has phases");
    };
    let Value::List(list) = &entry.node.value else {
        return Vec::new();
    };
    if list.is_empty() {
        problems.push(
            Problem::at(&entry.node.span, "`workload.phases` is empty")
                .label("nothing to do")
                .hint("add at least one phase"),
        );
    }
    let tables = list
        .iter()
        .enumerate()
        .filter_map(|(index, node)| Some((index, node.table()?, &node.span)));
    tables
        .filter_map(|(index, table, span)| {
            let phase = section.inner(
                Some(table),
                keys,
                &format!("phases.{index}"),
                Some(span.start..span.start + 1),
            );
            read_phase(&phase, table, room, problems)
        })
        .collect()
}

fn read_phase(
    phase: &Section<'_>,
    table: &Table,
    room: &Room,
    problems: &mut Problems,
) -> Option<Phase> {
    let duration = phase.required::<Time>("duration", "\"10 s\"", problems);
    if let Some(time) = duration.value
        && time < PHASE_MIN
    {
        problems.push(
            Problem::at(&duration.place(phase), "the phase is too short")
                .label(format!("{time}"))
                .hint(format!("write at least \"{PHASE_MIN}\"")),
        );
    }
    let patterns: Vec<&Entry> = table
        .entries
        .iter()
        .filter(|entry| PATTERNS.contains(&entry.key.as_str()))
        .collect();
    let [only] = patterns[..] else {
        problems.push(
            Problem::at(&phase.span(), "a phase has exactly one pattern")
                .label(format!("this one has {}", patterns.len()))
                .hint(
                    "write for example { duration = \"10 s\", uniform = { rate = \"80 MiB/s\" } }",
                ),
        );
        return None;
    };
    if only.key == "phases" {
        return None;
    }
    only.node.table()?;
    Some(Phase {
        duration_ns: duration.value.map_or(0, Time::nanos),
        pattern: pattern::read(&phase.section(&only.key), &only.key, room, problems)?,
    })
}

/// Shortest phase: the guest switches between batches of writes, and shorter ones would blur.
const PHASE_MIN: Time = Time::from_nanos(100_000_000);
