//! `lmbench run`.

use std::time::Duration;

use lmbench_harness::clock::monotonic_ns;
use tokio::sync::watch;

use super::{Exit, Failed, print, runtime};
use crate::cli::{Format, RunArguments};
use crate::event::RunEvent;
use crate::plan::Plan;
use crate::record::Record;
use crate::run::{Run, RunError, Target, any_failed};
use crate::scenario::{self, Scenario};
use crate::store::Store;
use crate::terminal;

pub(super) fn main(arguments: &RunArguments) -> Result<Exit, Failed> {
    let usage = |error: &dyn std::error::Error| Failed::from_error(Exit::Usage, error);
    let scenario = scenario::load(&arguments.scenario).map_err(|error| usage(&error))?;
    let resumed = arguments
        .resume
        .as_deref()
        .map(|run| resume(run, arguments, &scenario))
        .transpose()?;
    let seed = resumed
        .as_ref()
        .map_or(arguments.seed, |(record, _)| Some(record.seed));
    let plan = Plan::new(&scenario, &arguments.only, arguments.repeats, seed)
        .map_err(|error| usage(&error))?;
    if arguments.dry_run {
        return print(|output| write!(output, "{plan}"));
    }
    lmbench_harness::lab::enter_user_namespace_if_needed()
        .map_err(|error| Failed::from_error(Exit::Environment, &error))?;
    let target = resumed.map_or_else(
        || Target::New(arguments.out.clone()),
        |begun| Target::Resumed(Box::new(begun)),
    );
    let record = runtime()?.block_on(execute(&scenario, &plan, target))?;
    report(&record, arguments)
}

fn resume(
    run: &str,
    arguments: &RunArguments,
    scenario: &Scenario,
) -> Result<(Record, crate::store::RunWriter), Failed> {
    let begun = Store::open(&arguments.out)
        .resume(run)
        .map_err(|error| Failed::from_error(Exit::Usage, &error))?;
    if begun.0.scenario.sha256 != scenario.sha256 {
        let message = format!(
            "run {run} was made with another text of this scenario\nhint: start a new run, or bring back the text that `lmbench show {run} --format json` holds"
        );
        return Err(Failed::new(Exit::Usage, message));
    }
    Ok(begun)
}

async fn execute(scenario: &Scenario, plan: &Plan, target: Target) -> Result<Record, Failed> {
    let (interrupted, interrupt) = watch::channel(false);
    let signals = tokio::spawn(async move {
        interrupt_asked().await;
        interrupted.send_replace(true);
        // The sender must outlive the run: a closed channel would look like an interrupt.
        std::future::pending::<()>().await;
    });
    let mut progress = terminal::ProgressDisplay::stderr();
    let mut observer = |event: RunEvent| {
        progress.observe(&event, Duration::from_nanos(monotonic_ns()));
    };
    let run = Run {
        text: &scenario.text,
        plan,
        observer: &mut observer,
        interrupt,
    };
    let result = run.execute(target).await;
    signals.abort();
    drop(progress);
    result.map_err(|error| {
        let exit = match &error {
            RunError::Scenario(_) => Exit::Usage,
            RunError::Environment(_) | RunError::Store(_) => Exit::Environment,
            RunError::Interrupted => Exit::Interrupted,
            RunError::Internal(_) => Exit::Internal,
        };
        Failed::from_error(exit, &error)
    })
}

/// Ctrl-C, or what a service manager or CI runner sends to end a job.
pub(super) async fn interrupt_asked() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut hang_up)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
}

fn report(record: &Record, arguments: &RunArguments) -> Result<Exit, Failed> {
    match arguments.format {
        Format::Json => print(|output| output.write_all(record.to_json().as_bytes()))?,
        Format::Human => {
            print(|output| output.write_all(terminal::summary_text(record).as_bytes()))?
        }
    };
    Ok(if any_failed(record) {
        Exit::MigrationFailed
    } else {
        Exit::Success
    })
}
