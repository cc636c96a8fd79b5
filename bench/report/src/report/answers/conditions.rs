//! Cells that did not get what their scenario asked for, and guests that may never have lived.

use lmbench_record::conditions;
use lmbench_record::record::Record;

use super::super::label;
use super::super::model::{Answer, Section, Weight};
use super::{POINTS, answer, migrations, place, repeats};
use crate::terminal::text::{clean_short, counted};

/// Who did not get what the scenario asked for, and so is ranked with nobody.
pub(super) fn conditions(record: &Record) -> Option<Answer> {
    let axes = label::axes(record);
    let mut points = Vec::new();
    for cell in &record.cells {
        let name = label::cell(record, cell, &axes);
        let missed = conditions::missed(cell).into_iter();
        for missed in missed.filter(|missed| !missed.deviation.ranked) {
            let words = clean_short(&missed.deviation.words(), 300);
            points.push(format!("{name}: {words}"));
        }
    }
    if points.is_empty() {
        return None;
    }
    let cells = record.cells.iter();
    let apart = cells.filter(|cell| !conditions::as_asked(cell)).count();
    let more = points.len().saturating_sub(POINTS);
    points.truncate(POINTS);
    if more > 0 {
        points.push(format!("and {} below", counted(more, "other")));
    }
    let text = format!(
        "{apart} of {} did not get what the scenario asked for, and so can't be the best:",
        counted(record.cells.len(), "cell")
    );
    Some(Answer {
        points,
        ..answer(Weight::Warning, Section::Troubles, text)
    })
}

/// Guests that may have been dead all the time.
pub(super) fn unproven(record: &Record) -> Option<Answer> {
    let all = repeats(record).filter(|(_, repeat)| repeat.is_unproven());
    let all: Vec<_> = all.collect();
    let (cell, repeat) = all.first()?;
    let text = format!(
        "In {} {}, the first {}: figures of a dead guest say nothing of a living one.",
        migrations(all.len()),
        conditions::UNPROVEN,
        place(record, cell, repeat)
    );
    Some(answer(Weight::Warning, Section::Troubles, text))
}
