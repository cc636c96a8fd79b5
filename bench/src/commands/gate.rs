//! `lmbench gate RUN --baseline FILE`.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use super::chosen::read;
use super::{Exit, Failed, print, print_json};
use crate::cli::{GateArguments, GateFormat, InconclusiveIs};
use crate::gate::{
    Ask, Baseline, Report, Selector, Verdict, experiment_differences, judge, machine_differences,
    show, version_differences,
};
use crate::record::Record;
use crate::scenario;
use crate::store::Store;
use crate::terminal::gate_text;
use crate::terminal::text::clean;

pub(super) fn main(arguments: &GateArguments) -> Result<Exit, Failed> {
    let record = read(&Store::open(&arguments.out), &arguments.run)?;
    let origin = format!("the scenario of run {}", clean(&record.run_id));
    let mut rules = scenario::rules(Path::new(&origin), &record.scenario.text)
        .map_err(|error| Failed::from_scenario(&error))?;
    rules.ask(&arguments.tolerance);
    let baseline = arguments
        .baseline
        .as_deref()
        .map(Baseline::read)
        .transpose()
        .map_err(|error| Failed::from_error(Exit::Usage, &error))?;
    let mut notes = Vec::new();
    if let Some(baseline) = &baseline {
        notes = compared(baseline, &record, arguments)?;
    }
    let only: Vec<Selector> = arguments
        .only
        .iter()
        .map(|only| Selector::from(only.as_str()))
        .collect();
    check_only(&record, &only)?;
    // A file that can't be written is said before anything else.
    let mut junit = arguments.junit.as_deref().map(create).transpose()?;
    let mut markdown = arguments.markdown.as_deref().map(append).transpose()?;
    let mut report = judge(&Ask {
        record: &record,
        rules: &rules,
        baseline: baseline.as_ref(),
        only: &only,
    });
    notes.append(&mut report.notes);
    report.notes = notes;
    let exit = exit(report.verdict(), arguments.inconclusive_is);
    let inconclusive_fails = arguments.inconclusive_is == InconclusiveIs::Fail;
    if let (Some(file), Some(path)) = (&mut junit, &arguments.junit) {
        write(file, path, &show::junit(&report, inconclusive_fails))?;
    }
    if let (Some(file), Some(path)) = (&mut markdown, &arguments.markdown) {
        write(file, path, &show::markdown(&report))?;
    }
    tell(&report, exit, arguments)?;
    Ok(exit)
}

/// Whether the baseline can be compared with; what whoever reads the verdict should know of it.
fn compared(
    baseline: &Baseline,
    record: &Record,
    arguments: &GateArguments,
) -> Result<Vec<String>, Failed> {
    let experiment = experiment_differences(&baseline.scenario, record);
    if !experiment.is_empty() && !arguments.any_scenario {
        let message = format!(
            "run {} and the baseline are not of the same experiment: {}\nhint: make a new baseline by `lmbench baseline {} -o FILE`, or compare all the same by --any-scenario",
            clean(&record.run_id),
            experiment.join("; "),
            clean(&record.run_id),
        );
        return Err(Failed::new(Exit::Usage, message));
    }
    let machine = machine_differences(baseline, record);
    if !machine.is_empty() && !arguments.any_machine {
        let message = format!(
            "run {} is of another kind of machine than the baseline: {}\nhint: make a baseline on this machine by `lmbench baseline`, or compare all the same by --any-machine",
            clean(&record.run_id),
            machine.join("; "),
        );
        return Err(Failed::new(Exit::Environment, message));
    }
    let mut notes = experiment;
    notes.extend(machine);
    notes.extend(version_differences(baseline, record));
    Ok(notes)
}

/// A filter that keeps nothing was meant otherwise.
fn check_only(record: &Record, only: &[Selector]) -> Result<(), Failed> {
    let kept = |only: &Selector| {
        let mut cells = record.cells.iter();
        cells.any(|cell| only.takes(&cell.id, &cell.parameters))
    };
    let Some(nothing) = only.iter().find(|only| !kept(only)) else {
        return Ok(());
    };
    let cells: Vec<String> = record
        .cells
        .iter()
        .take(CELLS_SHOWN)
        .map(|cell| clean(&cell.id))
        .collect();
    let message = format!(
        "no cell of run {} has {}\nhint: its cells are {}{}",
        clean(&record.run_id),
        clean(&nothing.to_string()),
        cells.join(" · "),
        if record.cells.len() > CELLS_SHOWN {
            " …"
        } else {
            ""
        }
    );
    Err(Failed::new(Exit::Usage, message))
}

fn exit(verdict: Verdict, inconclusive_is: InconclusiveIs) -> Exit {
    match (verdict, inconclusive_is) {
        (Verdict::Pass | Verdict::Improved, _) | (Verdict::Inconclusive, InconclusiveIs::Pass) => {
            Exit::Success
        }
        (Verdict::Inconclusive, InconclusiveIs::Inconclusive) => Exit::Inconclusive,
        (Verdict::Inconclusive, InconclusiveIs::Fail) | (Verdict::Regressed, _) => Exit::Regressed,
    }
}

fn tell(report: &Report, exit: Exit, arguments: &GateArguments) -> Result<(), Failed> {
    let text = match arguments.format {
        GateFormat::Json => {
            return print_json(&show::json(report, exit as u8)).map(drop);
        }
        GateFormat::Human => gate_text(report, arguments.all),
        GateFormat::Markdown => show::markdown(report),
        GateFormat::Line => show::line(report) + "\n",
    };
    print(|output| output.write_all(text.as_bytes())).map(drop)
}

fn create(path: &Path) -> Result<File, Failed> {
    File::create(path).map_err(|error| unwritable(path, &error))
}

/// What others wrote before stays: a job summary belongs to the whole job.
fn append(path: &Path) -> Result<File, Failed> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .map_err(|error| unwritable(path, &error))
}

fn write(file: &mut File, path: &Path, text: &str) -> Result<(), Failed> {
    file.write_all(text.as_bytes())
        .map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failed {
    let message = format!(
        "can't write {}: {error}\nhint: name a file in a folder that exists and is yours",
        path.display()
    );
    Failed::new(Exit::Usage, message)
}

const CELLS_SHOWN: usize = 20;
