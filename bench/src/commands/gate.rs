//! `lmbench gate RUN --baseline FILE`.

use std::io::{self, Write as _};
use std::path::Path;

use super::chosen::{check_cells, figures};
use super::{Exit, Failed, print, print_json};
use crate::cells::Selector;
use crate::cli::{GateArguments, GateFormat, InconclusiveIs};
use crate::gate::baseline::{Experiment, Machine};
use crate::gate::{
    Ask, Asked, Baseline, Report, Verdict, experiment_differences, judge, machine_differences,
    show, version_differences,
};
use crate::output::{self, Output};
use crate::record::Record;
use crate::scenario;
use crate::store::Store;
use crate::terminal::gate_text;
use crate::terminal::text::clean;

pub(super) fn main(arguments: &GateArguments) -> Result<Exit, Failed> {
    let record = figures(&Store::open(&arguments.out), &arguments.run)?;
    let baseline = arguments.baseline.as_deref().map(kept).transpose()?;
    let terms = Terms {
        tolerance: &arguments.tolerance,
        cells: &arguments.cells.cell,
        any_machine: arguments.any_machine,
        any_scenario: arguments.any_scenario,
    };
    let report = judged(&record, baseline.as_ref(), &terms)?;
    // A file that can't be written is said before anything else.
    let junit = open(arguments.junit.as_deref(), Output::create)?;
    let markdown = open(arguments.markdown.as_deref(), output::append)?;
    let exit = exit(report.verdict(), arguments.inconclusive_is);
    let inconclusive_fails = arguments.inconclusive_is == InconclusiveIs::Fail;
    if let Some((mut output, path)) = junit {
        output
            .write_all(show::junit(&report, inconclusive_fails).as_bytes())
            .and_then(|()| output.finish())
            .map_err(|error| unwritable(path, &error))?;
    }
    if let Some((mut file, path)) = markdown {
        file.write_all(show::markdown(&report).as_bytes())
            .map_err(|error| unwritable(path, &error))?;
    }
    tell(&report, exit, arguments)?;
    Ok(exit)
}

/// What is asked beside the scenario's own rules.
#[derive(Default)]
pub(super) struct Terms<'a> {
    pub(super) tolerance: &'a [Asked],
    pub(super) cells: &'a [Selector],
    pub(super) any_machine: bool,
    pub(super) any_scenario: bool,
}

/// Reads a baseline.
pub(super) fn kept(path: &Path) -> Result<Baseline, Failed> {
    Baseline::read(path).map_err(|error| Failed::from_error(Exit::Usage, &error))
}

/// Judges a run by its scenario's rules and a baseline.
pub(super) fn judged(
    record: &Record,
    baseline: Option<&Baseline>,
    terms: &Terms<'_>,
) -> Result<Report, Failed> {
    let origin = format!("the scenario of run {}", clean(&record.run_id));
    let mut rules = scenario::rules(Path::new(&origin), &record.scenario.text)
        .map_err(|error| Failed::from_scenario(&error))?;
    rules.ask(terms.tolerance);
    let mut notes = Vec::new();
    if let Some(baseline) = baseline {
        let subject = Subject {
            experiment: Experiment::of(record),
            machine: Machine::of(&record.environment),
            run: Some(&record.run_id),
        };
        notes = fit(baseline, &subject, terms)?;
        notes.extend(version_differences(baseline, record));
    }
    check_cells(record, terms.cells)?;
    let mut report = judge(&Ask {
        record,
        rules: &rules,
        baseline,
        only: terms.cells,
    });
    notes.append(&mut report.notes);
    report.notes = notes;
    Ok(report)
}

/// What is compared with a baseline: a run, or one that is about to begin.
pub(super) struct Subject<'a> {
    pub(super) experiment: Experiment,
    pub(super) machine: Machine,
    /// Its id, if it has one.
    pub(super) run: Option<&'a str>,
}

/// Whether the baseline can be compared with; what whoever reads the verdict should know of it.
pub(super) fn fit(
    baseline: &Baseline,
    subject: &Subject<'_>,
    terms: &Terms<'_>,
) -> Result<Vec<String>, Failed> {
    let id = subject.run.map(clean);
    let name = match &id {
        Some(id) => format!("run {id}"),
        None => "this run".to_owned(),
    };
    let experiment = experiment_differences(&baseline.scenario, &subject.experiment);
    if !experiment.is_empty() && !terms.any_scenario {
        let message = format!(
            "{name} and the baseline are not of the same experiment: {}\nhint: make a new baseline by `lmbench baseline {} -o FILE`, or compare all the same by `lmbench gate` with --any-scenario",
            experiment.join("; "),
            id.as_deref().unwrap_or("RUN"),
        );
        return Err(Failed::new(Exit::Usage, message));
    }
    let machine = machine_differences(&baseline.environment, &subject.machine);
    if !machine.is_empty() && !terms.any_machine {
        let message = format!(
            "{name} is of another kind of machine than the baseline: {}\nhint: make a baseline on this machine by `lmbench baseline`, or compare all the same by `lmbench gate` with --any-machine",
            machine.join("; "),
        );
        return Err(Failed::new(Exit::Environment, message));
    }
    let mut notes = experiment;
    notes.extend(machine);
    Ok(notes)
}

/// The exit code of a verdict.
pub(super) fn exit(verdict: Verdict, inconclusive_is: InconclusiveIs) -> Exit {
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

fn open<T>(
    path: Option<&Path>,
    way: impl FnOnce(&Path) -> io::Result<T>,
) -> Result<Option<(T, &Path)>, Failed> {
    path.map(|path| {
        way(path)
            .map(|output| (output, path))
            .map_err(|error| unwritable(path, &error))
    })
    .transpose()
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failed {
    let message = format!(
        "can't write {}: {error}\nhint: name a file in a folder that exists and is yours",
        path.display()
    );
    Failed::new(Exit::Usage, message)
}
