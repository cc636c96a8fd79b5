//! `lmbench selftest`.

use std::path::Path;
use std::time::Duration;

use super::signals::Signals;
use super::{Exit, Failed, print, print_json, runtime, say};
use crate::cli::{SelftestArguments, SelftestFormat};
use crate::event::{Phase, RunEvent};
use crate::output::Stdout;
use crate::run::{Interrupter, RunError, Series};
use crate::scenario::Cell;
use crate::selftest::{self, Case, Filter, Left, Report, Tap};

pub(super) fn main(arguments: &SelftestArguments) -> Result<Exit, Failed> {
    let filter = Filter::new(&arguments.filter);
    let (cases, left) = chosen(arguments, &filter)?;
    if arguments.list {
        return list(&cases, &left, &filter);
    }
    let mut cells = Vec::with_capacity(cases.len());
    for case in &cases {
        let cell = case
            .cell()
            .map_err(|error| Failed::new(Exit::Internal, error))?;
        cells.push(cell);
    }
    // A path that can't be written should not be found out after an hour.
    for path in [&arguments.junit, &arguments.output].into_iter().flatten() {
        write(path, "")?;
    }
    lmbench_harness::lab::enter_user_namespace_if_needed()
        .map_err(|error| Failed::from_error(Exit::Environment, &error))?;
    let (reports, end) = runtime()?.block_on(perform(arguments, &cases, &cells))?;
    if let Some(path) = &arguments.junit {
        write(path, &selftest::junit(&reports))?;
    }
    if let Some(path) = &arguments.output {
        write(path, &format!("{:#}\n", selftest::json(&reports)))?;
    }
    match arguments.format {
        SelftestFormat::Tap => {}
        SelftestFormat::Junit => {
            print(|output| output.write_all(selftest::junit(&reports).as_bytes()))?;
        }
        SelftestFormat::Json => drop(print_json(&selftest::json(&reports))?),
    }
    summary(&reports);
    end.map_err(|error| failed(&error))?;
    Ok(if reports.iter().any(Report::is_failure) {
        Exit::MigrationFailed
    } else {
        Exit::Success
    })
}

/// The cases to do, and what of the matrix is none.
fn chosen(
    arguments: &SelftestArguments,
    filter: &Filter,
) -> Result<(Vec<Case>, Vec<Left>), Failed> {
    let (all, left) = match arguments.random {
        Some(count) => (selftest::random(count, arguments.seed), Vec::new()),
        None => selftest::matrix(),
    };
    let near = selftest::nearest_name(filter, &all).map(str::to_owned);
    let cases: Vec<Case> = all.into_iter().filter(|case| filter.takes(case)).collect();
    let is_left_out = left.iter().any(|left| filter.takes_name(&left.name));
    let is_empty = cases.is_empty() && arguments.random != Some(0);
    if is_empty && !(arguments.list && is_left_out) {
        let near = near.map_or_else(String::new, |name| format!("did you mean {name}? "));
        let message = format!(
            "no case is called `{}`\nhint: {near}`lmbench selftest --list` shows them all",
            filter.words()
        );
        return Err(Failed::new(Exit::Usage, message));
    }
    Ok((cases, left))
}

fn list(cases: &[Case], left: &[Left], filter: &Filter) -> Result<Exit, Failed> {
    print(|output| {
        for case in cases {
            let quick = if case.quick { "  [quick]" } else { "" };
            writeln!(output, "{}  # {}{quick}", case.name, case.expect.words())?;
        }
        for left in left.iter().filter(|left| filter.takes_name(&left.name)) {
            writeln!(output, "{}  # left out: {}", left.name, left.reason)?;
        }
        Ok(())
    })
}

/// All that was done, and why no more was.
async fn perform(
    arguments: &SelftestArguments,
    cases: &[Case],
    cells: &[Cell],
) -> Result<(Vec<Report>, Result<(), RunError>), Failed> {
    let mut signals = Signals::catch()?;
    let (interrupter, interrupt) = Interrupter::pair();
    let listening = tokio::spawn(async move {
        loop {
            signals.next().await;
            interrupter.interrupt();
        }
    });
    let mut tap = match arguments.format {
        SelftestFormat::Tap => {
            let begun = Tap::begin(Stdout::default(), cases.len());
            Some(begun.map_err(|error| Failed::new(Exit::Internal, error))?)
        }
        SelftestFormat::Junit | SelftestFormat::Json => None,
    };
    let mut reports = Vec::with_capacity(cases.len());
    let series = |cells| Series {
        cells,
        seed: arguments.seed,
        jobs: arguments.jobs.unwrap_or_else(jobs),
        within: CASE_WITHIN,
        interrupt: interrupt.clone(),
    };
    let mut observer = |index: usize, event: RunEvent| {
        // One line per case for whoever watches; TAP says the rest.
        if let RunEvent::Phase {
            phase: Phase::Booting,
            ..
        } = event
            && let Some(case) = cases.get(index)
        {
            say(&case.name);
        }
    };
    let mut tell = |report: Report| {
        if let Some(tap) = &mut tap {
            // A reader that has gone is no reason to stop what is also written to files.
            let _ = tap.tell(&report);
        }
        reports.push(report);
    };
    // A busy machine may have stood still in the moment in which something was to break: that has a second chance, and then is told.
    let mut missed = Vec::new();
    let mut hear = |index: usize, tried, took| {
        let Some(case) = cases.get(index) else { return };
        let report = Report::of(case, tried, took);
        if report.missed {
            say(&format!("{}: its moment was missed, once more", case.name));
            missed.push(index);
        } else {
            tell(report);
        }
    };
    let mut end = series(cells).perform(&mut hear, &mut observer).await;
    if end.is_ok() && !missed.is_empty() {
        let again: Vec<Cell> = missed.iter().map(|index| cells[*index].clone()).collect();
        let mut hear = |at: usize, tried, took| tell(Report::of(&cases[missed[at]], tried, took));
        let mut observer = |at: usize, event| observer(missed[at], event);
        end = series(&again).perform(&mut hear, &mut observer).await;
    }
    listening.abort();
    if let (Err(error), Some(tap)) = (&end, &mut tap) {
        let _ = tap.bail_out(&error.to_string());
    }
    Ok((reports, end))
}

/// Two guests and two carrier halves keep two cores busy.
fn jobs() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}

fn summary(reports: &[Report]) {
    let failed: Vec<&Report> = reports
        .iter()
        .filter(|report| report.is_failure())
        .collect();
    say(&format!("{} done, {} not ok", reports.len(), failed.len()));
    for report in failed {
        say(&format!("repeat with: {}", report.command));
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failed> {
    crate::output::write(path, text).map_err(|error| {
        let message = format!(
            "can't write {}: {error}\nhint: name a file in a folder that exists and is yours",
            path.display()
        );
        Failed::new(Exit::Usage, message)
    })
}

fn failed(error: &RunError) -> Failed {
    let exit = match error {
        RunError::Unfit(_) | RunError::Environment(_) | RunError::Store(_) => Exit::Environment,
        RunError::Scenario(_) => Exit::Usage,
        RunError::Interrupted => Exit::Interrupted,
        RunError::Internal(_) => Exit::Internal,
    };
    Failed::from_error(exit, error)
}

/// Boots, fills, migrates with a timeout of at most 40 s that may be granted twice, recovers, verifies; four times what a case takes at most.
const CASE_WITHIN: Duration = Duration::from_mins(4);
