//! Blackouts and pauses beside the downtime limit that the scenario sets.

use std::collections::BTreeSet;

use lmbench_record::metric::Unit;
use lmbench_record::record::{CellRecord, Repeat};

use super::super::Source;
use super::super::model::{Answer, Section, Weight};
use super::{answer, migrations, place};

/// A pause of the guest in one migration, beside the limit of it.
struct Pause<'a> {
    ms: f64,
    limit_ms: f64,
    cell: &'a CellRecord,
    repeat: &'a Repeat,
}

impl Pause<'_> {
    fn is_beyond(&self) -> bool {
        self.ms > self.limit_ms
    }
}

/// Blackouts beyond the downtime limit that the scenario sets, how many completed without one that is known, and what the guest says of it.
pub(super) fn limits(source: &Source) -> Option<Answer> {
    let record = &source.record;
    let mut completed = 0;
    let (mut blackouts, mut pauses) = (Vec::new(), Vec::new());
    let mut limits = BTreeSet::new();
    for cell in &record.cells {
        let Some(limit) = source.limits.get(&cell.id) else {
            continue;
        };
        let limit_ms = limit.as_secs_f64() * 1e3;
        for repeat in cell.completed() {
            completed += 1;
            limits.insert(*limit);
            for (id, found) in [
                ("blackout_ms", &mut blackouts),
                ("guest_pause_ms", &mut pauses),
            ] {
                found.extend(repeat.metrics.get(id).map(|ms| Pause {
                    ms: *ms,
                    limit_ms,
                    cell,
                    repeat,
                }));
            }
        }
    }
    if blackouts.is_empty() {
        return None;
    }
    let limit = match limits.iter().collect::<Vec<_>>().as_slice() {
        [one] => format!(
            "the downtime limit of {}",
            Unit::Second.format(one.as_secs_f64())
        ),
        _ => "its downtime limit".to_owned(),
    };
    let measured = blackouts.len();
    let unknown = match completed - measured {
        0 => String::new(),
        unknown => format!("; {unknown} of {completed} completed have no value"),
    };
    let longest = |pauses: &[Pause<'_>]| -> Option<String> {
        let beyond = pauses.iter().filter(|pause| pause.is_beyond());
        let pause = beyond.max_by(|a, b| a.ms.total_cmp(&b.ms))?;
        Some(format!(
            "{} ({}, {} the limit)",
            Unit::Millisecond.format(pause.ms),
            place(record, pause.cell, pause.repeat),
            Unit::Ratio.format(pause.ms / pause.limit_ms),
        ))
    };
    let missed = blackouts.iter().filter(|pause| pause.is_beyond()).count();
    let felt = longest(&pauses).map(|longest| format!("the guest stood still for up to {longest}"));
    let (weight, text) = match (longest(&blackouts), felt) {
        (Some(longest), felt) => (
            Weight::Warning,
            format!(
                "{missed} of {} missed {limit}{unknown}; the longest blackout beyond it was {longest}{}",
                migrations(measured),
                felt.map_or(String::new(), |felt| format!(", and {felt}"))
            ),
        ),
        (None, Some(felt)) => (
            Weight::Warning,
            format!(
                "Every blackout that was measured stayed within {limit} ({measured} of {completed} completed), but {felt}"
            ),
        ),
        (None, None) if measured < completed => (
            Weight::Warning,
            format!(
                "Every blackout that was measured stayed within {limit} ({measured} of {completed} completed)"
            ),
        ),
        (None, None) => (
            Weight::Finding,
            format!("Every blackout stayed within {limit} ({measured} of {completed})"),
        ),
    };
    Some(answer(weight, Section::Blackout, text + "."))
}
