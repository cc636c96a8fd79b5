//! `lmbench run`.

mod dry;
mod gated;
mod qemu;

use std::path::{Path, PathBuf};
use std::time::Duration;

use lmbench_harness::clock::monotonic_ns;

use super::chosen;
use super::signals::Signals;
use super::{Exit, Failed, is_styled, print, print_json, runtime, say};
use crate::cli::{Format, RunArguments};
use crate::control::{Board, Desk, Server};
use crate::event::RunEvent;
use crate::gate::Report;
use crate::plan::Plan;
use crate::record::Record;
use crate::run::{Interrupter, Run, RunError, Target, Unfit, any_failed};
use crate::scenario::{self, Scenario};
use crate::store::{FoundRun, Liveness, Store};
use crate::terminal;

use gated::Gated;

pub(super) fn main(arguments: &RunArguments) -> Result<Exit, Failed> {
    let scenario =
        scenario::load(&arguments.scenario).map_err(|error| Failed::from_scenario(&error))?;
    let baseline = arguments
        .baseline
        .as_deref()
        .map(|path| gated::baseline(path, &scenario))
        .transpose()?;
    let command = format!("run {}", arguments.scenario.display());
    let Some((record, path)) = perform(&scenario, arguments, &command)? else {
        return Ok(Exit::Success);
    };
    let judged = baseline.map(|baseline| gated::judge(&record, &baseline, &scenario));
    report(&record, &path, judged, arguments)
}

/// Runs the scenario, or what is left of a run of it: the record, and its file. `None` if only the plan was wanted, which is printed.
///
/// `command` is what was typed, without `lmbench` and options: it goes on with the run if that is interrupted.
pub(super) fn perform(
    scenario: &Scenario,
    arguments: &RunArguments,
    command: &str,
) -> Result<Option<(Record, PathBuf)>, Failed> {
    let usage = |error: &dyn std::error::Error| Failed::from_error(Exit::Usage, error);
    // Only looked at so far: the run's lock is taken when all is known to fit.
    let begun = arguments
        .resume
        .as_deref()
        .map(|run| begun(run, arguments, scenario))
        .transpose()?;
    let before = begun.as_ref().map(|(_, record)| record);
    let scenario = &qemu::chosen(scenario, arguments.qemu.as_deref(), before)?;
    let plan = match &begun {
        Some((_, record)) => Plan::resumed(scenario, &arguments.cells.cell, record),
        None => Plan::new(
            scenario,
            &arguments.cells.cell,
            arguments.repeats,
            arguments.seed,
        ),
    };
    let plan = plan.map_err(|error| usage(&error))?;
    let enter = || {
        lmbench_harness::lab::enter_user_namespace_if_needed()
            .map_err(|error| Failed::from_error(Exit::Environment, &error))
    };
    if arguments.dry_run {
        // It may begin this program anew: before it nothing is said.
        let permitted = enter();
        plan.warnings().iter().for_each(|warning| say(warning));
        dry::tell(&plan, scenario, arguments, permitted)?;
        return Ok(None);
    }
    let found = match begun {
        Some((found, record)) if plan.remaining(&record).is_empty() => {
            note(&format!(
                "run {} is complete: nothing is left to do",
                record.run_id
            ));
            return Ok(Some((record, found.record)));
        }
        Some((found, _)) => Some(found),
        None => None,
    };
    enter()?;
    plan.warnings().iter().for_each(|warning| say(warning));
    let target = match &found {
        None => Target::New(arguments.out.clone()),
        Some(found) => Target::Resumed(Box::new(found.resume().map_err(|error| usage(&error))?)),
    };
    let record = runtime()?.block_on(execute(scenario, arguments, command, &plan, target))?;
    let path = match found {
        None => Store::open(&arguments.out).record_of(&record.run_id),
        Some(found) => found.record,
    };
    Ok(Some((record, path)))
}

/// A run that is to go on and its record, if it fits the scenario and nobody is at it.
fn begun(
    run: &str,
    arguments: &RunArguments,
    scenario: &Scenario,
) -> Result<(FoundRun, Record), Failed> {
    let found = chosen::find(&Store::open(&arguments.out), run)?;
    let record = chosen::whole_of(&found)?;
    let id = &record.run_id;
    if record.scenario.name != scenario.name {
        let message = format!(
            "run {id} is of scenario {}, and {} is scenario {}\nhint: give the file that the run was begun with, or start a new run without --resume",
            record.scenario.name,
            arguments.scenario.display(),
            scenario.name
        );
        return Err(Failed::new(Exit::Usage, message));
    }
    if record.scenario.sha256 != scenario.sha256 {
        let message = format!(
            "run {id} was begun with another text of {}\nhint: start a new run, or bring back the text that `lmbench show {id} --format json` holds",
            arguments.scenario.display()
        );
        return Err(Failed::new(Exit::Usage, message));
    }
    if found.liveness() == Liveness::Running {
        let message = format!(
            "run {id} is still going on\nhint: wait for it, or end its process, then try again"
        );
        return Err(Failed::new(Exit::Usage, message));
    }
    Ok((found, record))
}

async fn execute(
    scenario: &Scenario,
    arguments: &RunArguments,
    command: &str,
    plan: &Plan,
    target: Target,
) -> Result<Record, Failed> {
    // Before the first process is started: from here on a signal ends the run in order.
    let mut signals = Signals::catch()?;
    let (interrupter, interrupt) = Interrupter::pair();
    let listening = tokio::spawn(async move {
        loop {
            signals.next().await;
            interrupter.interrupt();
        }
    });
    let mut progress = display(arguments, plan, &target);
    let mut started = None;
    let (desk, board) = (Desk::default(), Board::default());
    let mut server = None;
    let mut observer = |event: RunEvent| {
        let now = Duration::from_nanos(monotonic_ns());
        board.observe(&event, now);
        progress.observe(&event, now);
        if let RunEvent::RunStarted {
            run_id, directory, ..
        } = &event
        {
            started = Some(run_id.clone());
            match Server::open(run_id, directory, desk.clone(), board.clone()) {
                Ok(open) => server = Some(open),
                Err(error) => {
                    let text = format!(
                        "`lmbench ctl` can't reach this run: {}",
                        crate::error::chain(&error)
                    );
                    progress.observe(&RunEvent::Warning(text), now);
                }
            }
        }
    };
    let run = Run {
        text: &scenario.text,
        plan,
        observer: &mut observer,
        interrupt,
        desk: desk.clone(),
    };
    let result = run.execute(target).await;
    drop(server);
    listening.abort();
    drop(progress);
    result.map_err(|error| {
        let again = started.map(|id| (command, id));
        failed(&error, scenario, arguments, again)
    })
}

/// How the run is shown while it goes on.
fn display(arguments: &RunArguments, plan: &Plan, target: &Target) -> terminal::ProgressDisplay {
    if !arguments.watch {
        return terminal::ProgressDisplay::stderr();
    }
    let begun = match target {
        Target::New(_) => None,
        Target::Resumed(begun) => Some(&begun.0),
    };
    let now = Duration::from_nanos(monotonic_ns());
    let board = terminal::WatchBoard::new(plan, begun, now);
    terminal::ProgressDisplay::dashboard(board).unwrap_or_else(|error| {
        note(&format!(
            "no dashboard, because {error}; here come plain lines"
        ));
        terminal::ProgressDisplay::lines(std::io::stderr())
    })
}

/// A run that was begun can go on: whoever reads the error at night should not have to look for its id.
fn failed(
    error: &RunError,
    scenario: &Scenario,
    arguments: &RunArguments,
    again: Option<(&str, String)>,
) -> Failed {
    let exit = match error {
        RunError::Unfit(unfit) => return refused(unfit, scenario, arguments),
        RunError::Scenario(_) => Exit::Usage,
        RunError::Environment(_) | RunError::Store(_) => Exit::Environment,
        RunError::Interrupted => Exit::Interrupted,
        RunError::Internal(_) => Exit::Internal,
    };
    let mut failed = Failed::from_error(exit, error);
    if let Some((command, id)) = again {
        let out = out_option(arguments);
        failed.text = format!(
            "{}\nwhat was measured is kept; go on with: lmbench {command}{out} --resume {id}",
            failed.text
        );
    }
    failed
}

/// What tells another command where the run is.
fn out_option(arguments: &RunArguments) -> String {
    if arguments.out.as_os_str() == "results" {
        String::new()
    } else {
        format!(" --out {}", arguments.out.display())
    }
}

/// What preflight found, each problem at its place in the scenario if it has one.
fn refused(unfit: &Unfit, scenario: &Scenario, arguments: &RunArguments) -> Failed {
    let texts = unfit.complaints.iter().map(|complaint| {
        let (title, hint) = (complaint.title(), complaint.hint());
        let placed = scenario::complain(
            &arguments.scenario,
            &scenario.text,
            &title,
            &complaint.problem.keys,
            &hint,
        );
        match placed {
            Some((place, error)) => (place, error.render(is_styled())),
            None => (0, format!("error: {title}\nhint: {hint}")),
        }
    });
    let mut texts: Vec<(usize, String)> = texts.collect();
    // In the order of the file; what has no place in it comes first.
    texts.sort_by_key(|(place, _)| *place);
    let texts: Vec<String> = texts.into_iter().map(|(_, text)| text).collect();
    Failed {
        exit: if unfit.is_scenario() {
            Exit::Usage
        } else {
            Exit::Environment
        },
        text: texts.join("\n\n"),
    }
}

/// Something worth saying that is no error.
fn note(text: &str) {
    say(&format!("note: {text}"));
}

fn report(
    record: &Record,
    path: &Path,
    judged: Option<Result<(Report, Exit), Failed>>,
    arguments: &RunArguments,
) -> Result<Exit, Failed> {
    match (arguments.format, &judged) {
        (Format::Json, Some(Ok((report, exit)))) => print_json(&Gated::new(record, report, *exit))?,
        (Format::Json, _) => print(|output| output.write_all(record.to_json().as_bytes()))?,
        (Format::Human, judged) => {
            let mut text = format!(
                "{}\nrecord: {}\nreport: lmbench report{} {} -o report.html\n",
                terminal::summary_text(record),
                path.display(),
                out_option(arguments),
                record.run_id
            );
            if let Some(Ok((report, _))) = judged {
                text += "\n";
                text += &terminal::gate_text(report, false);
            }
            print(|output| output.write_all(text.as_bytes()))?
        }
    };
    // The run is told before what keeps it from being judged.
    match judged {
        Some(Err(failed)) if any_failed(record) => say(&failed.text),
        Some(Err(failed)) => return Err(failed),
        Some(Ok((_, exit))) if !any_failed(record) => return Ok(exit),
        _ => {}
    }
    Ok(if any_failed(record) {
        Exit::MigrationFailed
    } else {
        Exit::Success
    })
}
