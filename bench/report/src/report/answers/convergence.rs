//! Who converges, and what keeps the others from it.

use std::fmt::Write as _;

use lmbench_record::convergence;
use lmbench_record::record::{CellRecord, Outcome, Record, Repeat};

use super::super::label;
use super::super::model::{Answer, Section, Weight};
use super::{NAMES, answer, list, migrations, repeats, sentence};
use crate::terminal::text::{clean_short, counted};

/// Who converges, and why others do not.
pub(super) fn convergence(record: &Record) -> Option<Answer> {
    let mut answer = converged(record)?;
    answer.points = stalled_cells(record);
    if !answer.points.is_empty() {
        answer.text = format!("{}:", answer.text.trim_end_matches('.'));
    }
    Some(answer)
}

/// Who converges, of all that was tried: by policy if the policies vary, else by cell.
fn converged(record: &Record) -> Option<Answer> {
    let judged = |repeat: &&Repeat| {
        matches!(
            repeat.outcome,
            Outcome::Completed | Outcome::DidNotConverge | Outcome::Failed
        )
    };
    let completed = |repeat: &&Repeat| repeat.outcome == Outcome::Completed;
    let all: Vec<&Repeat> = repeats(record)
        .map(|(_, repeat)| repeat)
        .filter(judged)
        .collect();
    let converged = all.iter().filter(|repeat| completed(repeat)).count();
    let failed = all
        .iter()
        .filter(|repeat| repeat.outcome == Outcome::Failed)
        .count();
    let stalled = all.len() - converged - failed;
    if all.is_empty() {
        return None;
    }
    if stalled == 0 && failed == 0 {
        let text = format!("Every migration converged ({converged} of {}).", all.len());
        return Some(answer(Weight::Finding, Section::Matrix, text));
    }
    if converged == 0 {
        let text = match (stalled, failed) {
            (stalled, 0) => format!("Nothing converged here (0 of {stalled})."),
            (0, failed) => format!("Nothing completed here: all {} failed.", migrations(failed)),
            (stalled, failed) => format!(
                "Nothing completed here: of {} {stalled} did not converge, and {failed} failed.",
                migrations(all.len())
            ),
        };
        return Some(answer(Weight::Warning, Section::Matrix, text));
    }
    if stalled == 0 {
        let text = format!(
            "{converged} of {} converged; {failed} failed.",
            migrations(all.len())
        );
        return Some(answer(Weight::Finding, Section::Matrix, text));
    }
    let varied = label::axes(record);
    let policy = varied.iter().find(|axis| axis.key == "policy");
    // By group: name, converged, of how many.
    let mut groups: Vec<(String, usize, usize)> = Vec::new();
    for cell in &record.cells {
        let name = match policy {
            Some(axis) => label::value(cell, &axis.key).map(|value| clean_short(&value, 60)),
            None => Some(label::cell(record, cell, &varied)),
        };
        let Some(name) = name else { continue };
        let of = cell.repeats.iter().filter(judged).count();
        let well = cell.repeats.iter().filter(completed).count();
        match groups.iter_mut().find(|group| group.0 == name) {
            Some(group) => (group.1, group.2) = (group.1 + well, group.2 + of),
            None => groups.push((name, well, of)),
        }
    }
    groups.retain(|group| group.2 > 0);
    let thing = if policy.is_some() { "policy" } else { "cell" };
    let text = convergence_text(thing, &groups);
    Some(answer(Weight::Finding, Section::Matrix, text))
}

/// Why cells did not converge, a line each.
fn stalled_cells(record: &Record) -> Vec<String> {
    let axes = label::axes(record);
    let told = |cell: &CellRecord| {
        let (why, _) = convergence::of_cell(cell)?;
        Some(format!(
            "{}{}",
            label::cell(record, cell, &axes),
            why.after(": ")
        ))
    };
    let mut told: Vec<String> = record.cells.iter().filter_map(told).collect();
    let more = told.len().saturating_sub(STALLED);
    told.truncate(STALLED);
    if more > 0 {
        told.push(format!("and {} below", counted(more, "other")));
    }
    told
}

pub(super) fn convergence_text(thing: &str, groups: &[(String, usize, usize)]) -> String {
    let always: Vec<&str> = groups
        .iter()
        .filter(|g| g.1 == g.2)
        .map(|g| g.0.as_str())
        .collect();
    let never: Vec<&str> = groups
        .iter()
        .filter(|g| g.1 == 0)
        .map(|g| g.0.as_str())
        .collect();
    let partly = groups.iter().filter(|g| g.1 > 0 && g.1 < g.2);
    let partly: Vec<String> = partly
        .map(|(name, well, of)| format!("{name} ({well} of {of})"))
        .collect();
    let plural = if thing == "policy" {
        "policies"
    } else {
        "cells"
    };
    let mut text = match always.as_slice() {
        [] => format!("No {thing} always converges here"),
        [only] if partly.is_empty() => format!("{only} is the only {thing} that converges here"),
        [only] => format!("{only} is the only {thing} that always converges here"),
        several if several.len() <= NAMES => format!("{} always converge here", list(several)),
        several => format!(
            "{} of {} {plural} always converge here",
            several.len(),
            groups.len()
        ),
    };
    if !partly.is_empty() {
        let partly: Vec<&str> = partly.iter().map(String::as_str).collect();
        let _ = write!(text, "; sometimes: {}", list(&partly));
    }
    if !never.is_empty() {
        let _ = write!(text, "; never: {}", list(&never));
    }
    sentence(&text)
}

/// Cells of which it is told at once; of the others it stands below.
const STALLED: usize = 3;
