//! What a run comes down to, in sentences: what was lost, what broke, what converged, what missed its limit, what is best.
//!
//! Loss stands first, whatever else there is to say. That one thing is better than another is said only where the comparison
//! found the difference to be real.

mod conditions;
mod convergence;
mod limits;

use lmbench_record::record::{CellRecord, Outcome, Record, Repeat};

use super::Source;
use super::label::{self, Axis};
use super::model::{Answer, Comparison, Difference, Section, Weight};
use crate::terminal::text::{clean_short, counted};

/// All answers, the weightiest first, otherwise in this order.
pub(super) fn answers(sources: &[Source], comparisons: &[Comparison]) -> Vec<Answer> {
    let several = sources.len() > 1;
    let mut answers = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let record = &source.record;
        let of_run = [
            memory(record),
            conditions::unproven(record),
            lost(record),
            failed(record),
            undone(record),
            convergence::convergence(record),
            conditions::conditions(record),
            limits::limits(source),
        ];
        for mut answer in of_run.into_iter().flatten() {
            if several {
                answer.text = format!("Run {}: {}", super::letter(index), answer.text);
            }
            answers.push(answer);
        }
    }
    answers.extend(comparisons.iter().filter_map(best));
    answers.extend(comparisons.iter().filter_map(differences));
    answers.extend(few_repeats(sources));
    answers.sort_by_key(|answer| answer.weight);
    answers
}

fn answer(weight: Weight, see: Section, text: String) -> Answer {
    Answer {
        weight,
        text,
        points: Vec::new(),
        see,
    }
}

fn repeats(record: &Record) -> impl Iterator<Item = (&CellRecord, &Repeat)> {
    let cells = record.cells.iter();
    cells.flat_map(|cell| cell.repeats.iter().map(move |repeat| (cell, repeat)))
}

/// `migration` or `migrations` with their number.
fn migrations(number: usize) -> String {
    counted(number, "migration")
}

/// What is known of the guests' memory.
fn memory(record: &Record) -> Option<Answer> {
    let intact = |repeat: &Repeat| repeat.integrity.as_ref().and_then(|i| i.memory_intact);
    let damaged: Vec<_> = repeats(record)
        .filter(|(_, r)| intact(r) == Some(false))
        .collect();
    let compared = repeats(record).filter(|(_, r)| intact(r).is_some()).count();
    let done = repeats(record)
        .filter(|(_, r)| r.outcome != Outcome::Skipped)
        .count();
    if let Some((cell, repeat)) = damaged.first() {
        let text = format!(
            "Memory was damaged in {}, the first {}: the destination holds other contents than the guest wrote.",
            migrations(damaged.len()),
            place(record, cell, repeat)
        );
        return Some(answer(Weight::Alarm, Section::Troubles, text));
    }
    match (done, compared) {
        (0, _) => None,
        (_, 0) => Some(answer(
            Weight::Note,
            Section::Runs,
            "The guests' memory was not compared: this guest has no code of lmbench.".to_owned(),
        )),
        (done, compared) => {
            let rest = match done.saturating_sub(compared) {
                0 => String::new(),
                rest => format!(" ({} could not be compared)", migrations(rest)),
            };
            let text = format!(
                "No memory was damaged: compared page by page after {}{rest}.",
                migrations(compared)
            );
            Some(answer(Weight::Note, Section::Troubles, text))
        }
    }
}

/// Guests that run nowhere, or twice.
fn lost(record: &Record) -> Option<Answer> {
    let runs_on = |repeat: &Repeat, place: &str| {
        repeat
            .integrity
            .as_ref()
            .is_some_and(|integrity| integrity.running_on == place)
    };
    let nowhere: Vec<_> = repeats(record)
        .filter(|(_, repeat)| runs_on(repeat, "none"))
        .collect();
    let twice: Vec<_> = repeats(record)
        .filter(|(_, repeat)| runs_on(repeat, "both"))
        .collect();
    let mut parts = Vec::new();
    for (found, what) in [
        (&nowhere, "no guest was left running"),
        (&twice, "two copies of the guest ran"),
    ] {
        if let Some((cell, repeat)) = found.first() {
            parts.push(format!(
                "after {} {what}, the first {}",
                migrations(found.len()),
                place(record, cell, repeat)
            ));
        }
    }
    let text = sentence(&parts.join("; "));
    (!parts.is_empty()).then(|| answer(Weight::Alarm, Section::Troubles, text))
}

fn failed(record: &Record) -> Option<Answer> {
    let mut failed: Vec<(&CellRecord, &Repeat)> = repeats(record).collect();
    failed.retain(|(_, repeat)| repeat.outcome == Outcome::Failed);
    let (cell, repeat) = failed.first()?;
    let reason = repeat.reason.as_deref().unwrap_or("no reason recorded");
    let text = format!(
        "{} failed, the first {}: {}.",
        migrations(failed.len()),
        place(record, cell, repeat),
        clean_short(reason, 160).trim_end_matches('.')
    );
    Some(answer(Weight::Warning, Section::Troubles, text))
}

fn undone(record: &Record) -> Option<Answer> {
    let skipped = repeats(record)
        .filter(|(_, r)| r.outcome == Outcome::Skipped)
        .count();
    let missing = record
        .planned()
        .map_or(0, |planned| planned.saturating_sub(record.done()));
    let mut parts = Vec::new();
    if missing > 0 {
        parts.push(format!(
            "the run is not complete: {} not done yet",
            migrations(missing)
        ));
    }
    if skipped > 0 {
        parts.push(format!(
            "{} skipped, for a reason that stands below",
            migrations(skipped)
        ));
    }
    let text = sentence(&parts.join("; "));
    (!parts.is_empty()).then(|| answer(Weight::Warning, Section::Troubles, text))
}

/// Who is best at what.
fn best(comparison: &Comparison) -> Option<Answer> {
    let mut at: Vec<(String, Vec<&str>)> = Vec::new();
    for best in &comparison.best {
        let winners: Vec<&str> = best.winners.iter().map(String::as_str).collect();
        let tied = if winners.len() > 1 {
            " (not told apart)"
        } else {
            ""
        };
        let winners = list(&winners) + tied;
        match at.iter_mut().find(|(known, _)| *known == winners) {
            Some((_, names)) => names.push(&best.quantity.name),
            None => at.push((winners, vec![&best.quantity.name])),
        }
    }
    if at.is_empty() {
        return None;
    }
    let said: Vec<String> = at
        .iter()
        .map(|(winners, names)| format!("{winners} at {}", list(names)))
        .collect();
    let axis = comparison
        .title
        .split(" against ")
        .next()
        .unwrap_or_default();
    let text = match axis.split_once(": ") {
        Some((run, axis)) => format!("{run}: best {axis}: {}.", said.join("; ")),
        None => format!("Best {axis}: {}.", said.join("; ")),
    };
    Some(answer(Weight::Finding, Section::Comparison, text))
}

/// What a comparison found: prices against speed where there are both, then each metric's best.
fn differences(comparison: &Comparison) -> Option<Answer> {
    let real: Vec<&Difference> = comparison
        .rows
        .iter()
        .filter(|row| row.stands_out)
        .collect();
    let mut points = Vec::new();
    let mut candidates: Vec<&str> = Vec::new();
    for row in &comparison.rows {
        if !candidates.contains(&row.candidate.as_str()) {
            candidates.push(&row.candidate);
        }
    }
    for candidate in candidates {
        let of = |id: &str| {
            real.iter()
                .find(|row| row.candidate == candidate && row.quantity.id == id)
        };
        let mut phrases: Vec<String> = PHRASES
            .iter()
            .filter_map(|(id, before, after)| {
                Some(format!("{before}{}{after}", times(of(id)?.ratio)))
            })
            .collect();
        phrases.truncate(3);
        let phrases: Vec<&str> = phrases.iter().map(String::as_str).collect();
        if !phrases.is_empty() {
            // Those that completed do not speak for those that did not.
            let share = comparison.partly.iter().find(|(name, _)| name == candidate);
            let share = share.map_or(String::new(), |(_, [completed, not])| {
                format!(" ({completed} of {} completed)", completed + not)
            });
            points.push(format!("{candidate}{share} {}", list(&phrases)));
        }
    }
    if points.is_empty() {
        if comparison.rows.is_empty() {
            return None;
        }
        let text = format!("{}: {}.", comparison.title, unclear(&comparison.rows));
        return Some(answer(Weight::Note, Section::Comparison, text));
    }
    let more = points.len().saturating_sub(POINTS);
    points.truncate(POINTS);
    if more > 0 {
        points.push(format!("and {} below", counted(more, "other")));
    }
    Some(Answer {
        weight: Weight::Finding,
        text: format!("{}:", comparison.title),
        points,
        see: Section::Comparison,
    })
}

/// Why no difference is named.
fn unclear(rows: &[Difference]) -> String {
    let alone = rows.iter().filter(|row| row.verdict.is_difference());
    if let alone @ 1.. = alone.count() {
        return format!(
            "nothing stands out of all that is asked here ({} different if asked alone)",
            counted(alone, "ratio")
        );
    }
    let told = "no difference could be told from noise";
    let needed: Option<Vec<usize>> = rows.iter().map(|row| row.needed).collect();
    let most = rows.iter().map(|row| row.pairs).max();
    match (needed.and_then(|needed| needed.into_iter().max()), most) {
        (Some(needed), Some(most)) => format!(
            "{told}, which {most} repeats can't do for all metrics at once, however great it is, and {needed} can"
        ),
        _ => told.to_owned(),
    }
}

/// A ratio in a sentence: `1.4 ×`, with the digits that a reader keeps in mind.
fn times(ratio: f64) -> String {
    match ratio {
        ratio if ratio >= 9.95 => format!("{ratio:.0} ×"),
        ratio if ratio >= 1.95 => format!("{ratio:.1} ×"),
        ratio => format!("{ratio:.2} ×"),
    }
}

/// Says it where there is too little to compare.
fn few_repeats(sources: &[Source]) -> Option<Answer> {
    let cells = sources.iter().flat_map(|source| &source.record.cells);
    let completed = |cell: &CellRecord| {
        cell.repeats
            .iter()
            .filter(|r| r.outcome == Outcome::Completed)
            .count()
    };
    let fewest = cells
        .map(completed)
        .filter(|completed| *completed > 0)
        .min()?;
    if fewest >= 6 {
        return None;
    }
    let text = format!(
        "Some cells have {} only: differences between them may be noise, and medians have no interval. `--repeats 8` gives both.",
        counted(fewest, "completed repeat")
    );
    Some(answer(Weight::Note, Section::Distributions, text))
}

fn place(record: &Record, cell: &CellRecord, repeat: &Repeat) -> String {
    let axes: Vec<Axis> = label::axes(record);
    format!("{} #{}", label::cell(record, cell, &axes), repeat.repeat)
}

/// `a, b and c`; of many the first few.
fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [most @ .., last] if names.len() <= NAMES => format!("{} and {last}", most.join(", ")),
        _ => format!(
            "{} and {} more",
            names[..NAMES].join(", "),
            names.len() - NAMES
        ),
    }
}

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| {
        // Names keep their letters.
        if text.starts_with("after ") || text.starts_with("the run ") {
            first.to_ascii_uppercase()
        } else {
            first
        }
    });
    first.into_iter().chain(characters).chain(['.']).collect()
}

/// How a metric's ratio is said, before and behind it.
const PHRASES: &[(&str, &str, &str)] = &[
    ("cpu_migration_s", "costs ", " the CPU"),
    ("cpu_migration_s_per_gib", "costs ", " the CPU per GiB"),
    ("throughput_bps", "gives ", " the throughput"),
    ("guest_throughput_bps", "moves ", " the memory per second"),
    ("blackout_ms", "has ", " the blackout"),
    ("total_time_ms", "takes ", " the time"),
    ("workload_slowdown", "slows the guest down ", " as much"),
    ("wire_bytes", "sends ", " the bytes"),
];
const NAMES: usize = 6;
const POINTS: usize = 12;

#[cfg(test)]
mod tests;
