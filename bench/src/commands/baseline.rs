//! `lmbench baseline RUN… -o FILE`.

use super::chosen::{figures, keep_cells};
use super::{Exit, Failed, say};
use crate::cli::BaselineArguments;
use crate::gate::baseline::{Experiment, Machine, NoiseFrom};
use crate::gate::{Baseline, experiment_differences, machine_differences};
use crate::output;
use crate::record::Record;
use crate::store::Store;
use crate::terminal::text::{clean, counted};

pub(super) fn main(arguments: &BaselineArguments) -> Result<Exit, Failed> {
    let store = Store::open(&arguments.out);
    let named = arguments.runs.iter().chain(&arguments.noise_floor);
    let mut same = named
        .map(|run| {
            let mut record = figures(&store, run)?;
            keep_cells(&mut record, &arguments.cells.cell)?;
            Ok(record)
        })
        .collect::<Result<Vec<Record>, Failed>>()?;
    let record = same.remove(0);
    let baseline =
        Baseline::of(&record, &same).map_err(|error| Failed::from_error(Exit::Usage, &error))?;
    for (index, other) in same.iter().enumerate() {
        fit(&baseline, other, &same[..index])?;
    }
    output::write(&arguments.output, &baseline.to_json()).map_err(|error| {
        let message = format!(
            "can't write {}: {error}\nhint: name a file in a folder that exists and is yours",
            arguments.output.display()
        );
        Failed::new(Exit::Usage, message)
    })?;
    say(&told(&record, &baseline, arguments));
    Ok(Exit::Success)
}

/// Runs of another machine, or of something else, tell nothing about the noise of this one; the run itself even less.
fn fit(baseline: &Baseline, other: &Record, before: &[Record]) -> Result<(), Failed> {
    let id = clean(&other.run_id);
    let is_other = |run: &Record| run.run_id == other.run_id;
    if other.run_id == baseline.run_id || before.iter().any(is_other) {
        let message = format!("run {id} has no noise against itself\nhint: name each run once");
        return Err(Failed::new(Exit::Usage, message));
    }
    let mut differences = experiment_differences(&baseline.scenario, &Experiment::of(other));
    let machine = Machine::of(&other.environment);
    differences.extend(machine_differences(&baseline.environment, &machine));
    if differences.is_empty() {
        return Ok(());
    }
    let message = format!(
        "run {id} does not repeat the baseline's: {}\nhint: noise is what differs between runs of the same scenario on the same machine; name such runs",
        differences.join("; ")
    );
    Err(Failed::new(Exit::Usage, message))
}

fn told(record: &Record, baseline: &Baseline, arguments: &BaselineArguments) -> String {
    let mut notes = vec![format!(
        "baseline of run {}{}: {}, in {}",
        clean(&record.run_id),
        match baseline.noise.runs.len() {
            0 => String::new(),
            others => format!(" and {} of the same", counted(others, "other")),
        },
        counted(baseline.cells.len(), "cell"),
        arguments.output.display()
    )];
    if !record.complete {
        notes.push(
            "note: the run was not done to its end; `lmbench run … --resume` continues it"
                .to_owned(),
        );
    }
    let repeats = baseline
        .cells
        .values()
        .flat_map(|cell| cell.metrics.values())
        .map(|metric| metric.runs.first().copied().unwrap_or(metric.values.len()))
        .max()
        .unwrap_or(0);
    if repeats < REPEATS_WANTED {
        notes.push(format!(
            "note: {} per cell are too few to find a regression against: run with --repeats {REPEATS_WANTED} or more",
            counted(repeats, "repeat")
        ));
    }
    if baseline.noise.from == NoiseFrom::Spread {
        notes.push("note: of one run nobody knows how much others of the same differ from it: name five, best of different days".to_owned());
    }
    notes.join("\n")
}

/// With 6 and 6 values the rank test's smallest p is 0.002, which three metrics of a cell leave below 0.01.
const REPEATS_WANTED: usize = 6;
