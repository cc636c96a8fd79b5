//! `lmbench run`.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Exit, Failed, print, print_json, runtime};
use crate::cli::{Format, RunArguments};
use crate::event::RunEvent;
use crate::plan::Plan;
use crate::record::Record;
use crate::run::{Interrupter, Run, RunError, Target, any_failed};
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
    let record = runtime()?.block_on(execute(&scenario, &plan, target, arguments))?;
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

async fn execute(
    scenario: &Scenario,
    plan: &Plan,
    target: Target,
    arguments: &RunArguments,
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
    let mut progress = terminal::ProgressDisplay::stderr();
    let mut observer = |event: RunEvent| progress.observe(&event);
    let run = Run {
        text: &scenario.text,
        plan,
        observer: &mut observer,
        interrupt,
    };
    let result = run.execute(target).await;
    listening.abort();
    drop(progress);
    result.map_err(|error| {
        let exit = match &error {
            RunError::Scenario(_) => Exit::Usage,
            RunError::Environment(_) | RunError::Store(_) => Exit::Environment,
            RunError::Interrupted { .. } => Exit::Interrupted,
            RunError::Internal(_) => Exit::Internal,
        };
        let mut failed = Failed::from_error(exit, &error);
        if let RunError::Interrupted { run: Some(run) } = &error {
            failed.message += &format!("\nhint: {}", go_on(run, arguments));
        }
        failed
    })
}

/// The command that resumes a run.
fn go_on(run: &str, arguments: &RunArguments) -> String {
    let (scenario, out) = (arguments.scenario.display(), arguments.out.display());
    format!(
        "`lmbench run {scenario} --out {out} --resume {run}` goes on, with the same --only and --repeats if there were any"
    )
}

/// Ctrl-C, and what a terminal that closes, a service manager or a CI runner sends to end a job.
pub(super) struct Signals([Option<Signal>; 3]);

impl Signals {
    /// From now on these signals end nothing by themselves.
    pub(super) fn catch() -> Result<Self, Failed> {
        let catch = |kind: SignalKind| {
            signal(kind).map_err(|error| {
                Failed::new(Exit::Internal, format!("can't catch signals: {error}"))
            })
        };
        // `nohup lmbench run …` is meant to outlive its terminal.
        let hang_up = (!is_ignored(SignalKind::hangup()))
            .then(|| catch(SignalKind::hangup()))
            .transpose()?;
        Ok(Signals([
            Some(catch(SignalKind::interrupt())?),
            Some(catch(SignalKind::terminate())?),
            hang_up,
        ]))
    }

    /// The next of them.
    pub(super) async fn next(&mut self) {
        let [interrupt, terminate, hang_up] = &mut self.0;
        tokio::select! {
            () = heard(interrupt) => {}
            () = heard(terminate) => {}
            () = heard(hang_up) => {}
        }
    }
}

async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether whoever started this program wants it to ignore a signal.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}

fn report(record: &Record, arguments: &RunArguments) -> Result<Exit, Failed> {
    match arguments.format {
        Format::Json => print_json(record)?,
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
