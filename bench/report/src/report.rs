//! Reports: what runs measured, for people, as one HTML file, as Markdown or in a terminal.
//!
//! Records and samples become a [`model::Report`], which is plain values; the renderers draw that and know no records. All of
//! it is pure except [`Source::read`]: the same record gives the same bytes.
//!
//! It measures nothing, needs no network, and takes every text in a record for hostile.

mod advice;
mod answers;
mod bars;
mod choose;
mod compare;
#[cfg(test)]
mod every_output;
mod facts;
mod head;
pub mod html;
mod instruments;
mod label;
mod machines;
pub mod markdown;
mod matrix;
pub mod model;
mod picture;
mod samples;
mod spread;
pub mod terminal;
mod timeline;
mod values;

use std::collections::HashMap;
use std::time::Duration;

use lmbench_record::cells::{Selector, taken};
use lmbench_record::record::{CellRecord, Outcome, Record, RecordError};
use lmbench_record::store::{FoundRun, Sample};

use crate::terminal::text::{clean_short, counted};
use crate::terminal::{outcomes, troubles};
use choose::{Chosen, TIMELINES, choose};
use model::{Cell, Report};

/// A run to report on: its record, and the samples of the migrations that are shown from beginning to end.
#[derive(Debug)]
pub struct Source {
    record: Record,
    chosen: Vec<Chosen>,
    samples: HashMap<(usize, u32), Vec<Sample>>,
    /// Why samples are missing, if they should be there.
    problem: Option<String>,
    /// Cells of the run that nobody chose.
    left_out: usize,
    /// The longest blackouts that the scenario asks for, by the cells' ids.
    limits: HashMap<String, Duration>,
}

impl Source {
    /// Reads the chosen cells of run number `index` (from 0) of `runs`: a record that can't be used is an error, samples that can't be read
    /// are only said.
    pub fn read(
        found: &FoundRun,
        cells: &[Selector],
        index: usize,
        runs: usize,
    ) -> Result<Source, RecordError> {
        let share = TIMELINES / runs.max(1) + usize::from(index < TIMELINES % runs.max(1));
        let mut chosen = Vec::new();
        let left_out = std::cell::Cell::new(0);
        let is_kept = |cell: &CellRecord| {
            let is_kept = taken(cells, &cell.id, &cell.parameters);
            left_out.set(left_out.get() + usize::from(!is_kept));
            is_kept
        };
        let record = Record::read_slim(&found.record, is_kept, |record| {
            chosen = choose(record, share);
            chosen
                .iter()
                .map(|chosen| (chosen.cell, chosen.repeat))
                .collect()
        })?;
        let wanted: Vec<(usize, u32)> = chosen
            .iter()
            .map(|chosen| (chosen.cell, chosen.repeat))
            .collect();
        let path = found.samples();
        let (samples, problem) = match samples::read(&path, &record, &wanted) {
            Ok(found) => {
                let damaged = counted(found.damaged, "line");
                let problem = format!(
                    "{damaged} of {} could not be read and are left out.",
                    path.display()
                );
                (found.samples, (found.damaged > 0).then_some(problem))
            }
            Err(error) => (
                HashMap::new(),
                Some(format!("{} could not be read: {error}.", path.display())),
            ),
        };
        Ok(Source {
            record,
            chosen,
            samples,
            problem,
            left_out: left_out.get(),
            limits: HashMap::new(),
        })
    }

    /// A run of which only the record is there.
    pub fn without_samples(record: Record) -> Source {
        Source {
            chosen: choose(&record, TIMELINES),
            record,
            samples: HashMap::new(),
            problem: None,
            left_out: 0,
            limits: HashMap::new(),
        }
    }

    /// With the longest blackouts that the scenario asks for, by the cells' ids, as `read` finds them in its text: a report knows no
    /// scenarios. Without them it says nothing of limits.
    #[must_use]
    pub fn with_limits(mut self, read: impl FnOnce(&str) -> HashMap<String, Duration>) -> Source {
        self.limits = read(&self.record.scenario.text);
        self
    }
}

/// What the runs say. The first is the one that others are compared with.
pub fn report(sources: &[Source]) -> Report {
    let comparisons = compare::comparisons(sources);
    let mut notes: Vec<String> = sources
        .iter()
        .filter_map(|source| source.problem.as_deref())
        .map(|problem| clean_short(problem, 400))
        .collect();
    let timelines = timelines(sources, &mut notes);
    let all_cells: usize = sources.iter().map(|source| source.record.cells.len()).sum();
    if all_cells > matrix::CELLS {
        notes.push(format!(
            "The matrix shows {} of {all_cells} cells; the table of all repeats has the others.",
            matrix::CELLS
        ));
    }
    let letters = |index| (sources.len() > 1).then(|| letter(index));
    for (index, source) in sources.iter().enumerate() {
        let cells = source.record.cells.len();
        let run = letters(index).map_or("This run".to_owned(), |run| format!("Run {run}"));
        if source.left_out > 0 {
            notes.push(format!(
                "{run} has {} more that were not chosen.",
                counted(source.left_out, "cell")
            ));
        }
        if cells > compare::STARRED {
            notes.push(format!(
                "{run} has {cells} cells: of more than {} none is starred or coloured. The comparison of its settings tells what differs.",
                compare::STARRED
            ));
        }
    }
    let records = sources.iter().map(|source| &source.record);
    let standings: Vec<_> = records.map(compare::standings).collect();
    let grids = sources
        .iter()
        .enumerate()
        .zip(&standings)
        .flat_map(|((index, source), standings)| {
            matrix::grids(&source.record, standings, letters(index))
        })
        .collect();
    Report {
        title: facts::title(sources),
        subtitle: subtitle(sources),
        head: head::head(sources),
        picture: picture::picture(sources),
        answers: machines::machines(sources)
            .into_iter()
            .chain(answers::answers(sources, &comparisons))
            .collect(),
        cells: cells(sources),
        overview: matrix::overview(sources, &standings),
        grids,
        advice: advice::advice(sources, &comparisons),
        comparisons,
        distributions: spread::distributions(sources),
        blackout: bars::blackout(sources),
        processor: bars::processor(sources),
        timelines,
        troubles: sources
            .iter()
            .enumerate()
            .flat_map(|(index, source)| trouble_lines(&source.record, letters(index)))
            .take(TROUBLES)
            .collect(),
        runs: sources
            .iter()
            .enumerate()
            .map(|(index, source)| facts::run(&source.record, letters(index)))
            .collect(),
        instruments: instruments::instruments(sources),
        definitions: facts::definitions(sources),
        repeats: facts::repeats(sources, &mut notes),
        notes,
    }
}

/// What a run is called beside others: A, B, …; from the 27th on they share one.
fn letter(index: usize) -> char {
    u8::try_from(index)
        .ok()
        .filter(|index| *index < 26)
        .map_or('…', |index| char::from(b'A' + index))
}

fn subtitle(sources: &[Source]) -> String {
    match sources {
        [only] => format!(
            "{}, {}",
            counted(only.record.cells.len(), "cell"),
            outcomes(&only.record.outcomes())
        ),
        several => {
            let done: usize = several.iter().map(|source| source.record.done()).sum();
            format!(
                "{}, {}",
                counted(several.len(), "run"),
                counted(done, "migration")
            )
        }
    }
}

fn cells(sources: &[Source]) -> Vec<Cell> {
    let mut cells = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let labels = label::cells(&source.record);
        for (cell, mut label) in source.record.cells.iter().zip(labels) {
            let mut full = clean_short(&cell.id, 300);
            if sources.len() > 1 {
                label = format!("{} · {label}", letter(index));
                full = format!("run {}: {full}", letter(index));
            }
            let well = cell.repeats.iter().all(|repeat| {
                let intact = repeat.integrity.as_ref().and_then(|i| i.memory_intact);
                repeat.outcome == Outcome::Completed && intact != Some(false)
            });
            cells.push(Cell {
                label,
                full,
                outcomes: outcomes(&cell.outcomes()),
                well,
            });
        }
    }
    cells
}

fn timelines(sources: &[Source], notes: &mut Vec<String>) -> Vec<model::Timeline> {
    let mut timelines = Vec::new();
    let mut first_cell = 0;
    for source in sources {
        for chosen in &source.chosen {
            let samples = source.samples.get(&(chosen.cell, chosen.repeat));
            let samples = samples.map_or(&[][..], Vec::as_slice);
            timelines.extend(timeline::timeline(
                &source.record,
                first_cell,
                chosen,
                samples,
            ));
        }
        first_cell += source.record.cells.len();
    }
    let done: usize = sources.iter().map(|source| source.record.done()).sum();
    if timelines.len() < done {
        notes.push(format!(
            "Time lines are shown of {} of {}: of each cell the median and the worst, {TIMELINES} at most. The samples of all are beside the record.",
            timelines.len(),
            counted(done, "migration")
        ));
    }
    timelines
}

/// A line for each cell and reason, whatever a terminal would wrap.
fn trouble_lines(record: &Record, run: Option<char>) -> Vec<String> {
    let text = troubles(record).replace("\n    ", " ");
    let run = run.map_or(String::new(), |run| format!("{run} · "));
    text.lines().map(|line| format!("{run}{line}")).collect()
}

const TROUBLES: usize = 200;

#[cfg(test)]
mod tests;
