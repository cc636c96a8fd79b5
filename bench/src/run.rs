//! One execution of a scenario: hosts, preflight, then the plan's steps, the record growing after each.
//!
//! `checked` says what both hosts would say first, for a dry run, `labs` keeps a lab for each set of programs, `hosts` makes one and talks to its agents, `wiring` joins a carrier to both QEMUs, `tenant` plugs guests in where their clients
//! are, `repeat` does one migration, an `attempt` (`preparing` before it, `migrating` while it goes on,
//! `operator` what is ordered meanwhile), `faults` breaks what the scenario wants broken, `recovery` mends its post-copy,
//! `health` finds what is wrong and `aftermath` sees to it that one guest runs, `ending` ends it on both hosts, `measure` turns what it left behind into metrics.

mod aftermath;
mod attempt;
mod background;
mod boots;
mod calibrated;
mod checked;
mod credentials;
mod ending;
mod faults;
mod health;
mod hosts;
mod interrupt;
mod labs;
mod lacking;
mod life;
pub mod measure;
mod metering;
mod migrating;
mod notes;
mod operator;
mod preflight;
mod preparing;
mod recovery;
mod repeat;
mod series;
mod tenant;
mod wiring;

use std::path::PathBuf;

use lmbench_harness::clock::monotonic_ns;
use lmbench_harness::policy;
use thiserror::Error;

use crate::control::Desk;
use crate::event::RunEvent;
use crate::plan::{Plan, Step};
use crate::record::{Outcome, Record, Repeat, ScenarioText};
use crate::scenario::Cell;
use crate::store::{RunWriter, Store, StoreError};

pub use checked::{Checked, check};
pub use interrupt::{Interrupt, Interrupter};
pub(crate) use metering::{CPU_INTERVAL, SAMPLE_INTERVAL};
pub use preflight::{Complaint, Unfit};
pub(crate) use preparing::REPORT_INTERVAL;
pub use series::{Hear, Series, Tried};
pub(crate) use tenant::PROBE_INTERVAL;

use boots::Boots;
use labs::Labs;
use preflight::Ready;

/// Why a run ended early. What was measured before is in the record.
#[derive(Debug, Error)]
pub enum RunError {
    /// The scenario asks for what these hosts or this QEMU don't have.
    #[error("{0}")]
    Scenario(String),
    /// Preflight found what would fail, all of it at once.
    #[error("{0}")]
    Unfit(Unfit),
    /// Something is missing here.
    #[error("{0}")]
    Environment(String),
    /// The record can't be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The user pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// A bug or a broken host.
    #[error("{0}")]
    Internal(String),
}

/// A run about to start or to go on.
pub struct Run<'a> {
    /// The scenario's file, byte for byte.
    pub text: &'a str,
    /// What to do, in which order.
    pub plan: &'a Plan,
    /// Told of everything.
    pub observer: &'a mut dyn FnMut(RunEvent),
    /// Ctrl-C.
    pub interrupt: Interrupt,
    /// Where operators' orders come in.
    pub desk: Desk,
}

/// Where the record of a run comes from.
pub enum Target {
    /// A new run below this directory.
    New(PathBuf),
    /// One that was begun before.
    Resumed(Box<(Record, RunWriter)>),
}

impl Run<'_> {
    /// Runs all steps that the record lacks. The record is returned whole; it is on disk already.
    pub async fn execute(mut self, target: Target) -> Result<Record, RunError> {
        let hurry = self.interrupt.clone();
        let labs = Labs::create(self.plan);
        let mut labs = match unless_interrupted(&mut self.interrupt, labs).await {
            Ok(Ok(labs)) => labs,
            Ok(Err(error)) => return Err(target.abandon(error.into())),
            Err(interrupted) => return Err(target.abandon(interrupted)),
        };
        // Boxed: it holds everything that a run does.
        let result = Box::pin(self.on_hosts(&mut labs, target)).await;
        if let Err(RunError::Interrupted) = result {
            let text = "interrupted: ending guests and hosts; once more kills them at once";
            (self.observer)(RunEvent::Warning(text.to_owned()));
        }
        match labs.close(&hurry).await {
            Ok(()) => result,
            Err(error) if result.is_ok() => Err(RunError::Internal(crate::error::chain(&error))),
            Err(error) => {
                (self.observer)(RunEvent::Warning(crate::error::chain(&error)));
                result
            }
        }
    }

    async fn on_hosts(&mut self, labs: &mut Labs, target: Target) -> Result<Record, RunError> {
        let checked = labs.check(self.plan, true);
        let ready = match unless_interrupted(&mut self.interrupt, checked).await {
            Ok(Ok(ready)) => ready,
            Ok(Err(error)) | Err(error) => return Err(target.abandon(error)),
        };
        let (mut record, writer) = self.open(labs, &ready, target)?;
        let result = self.perform_all(labs, &ready, &mut record, &writer).await;
        // Whatever stopped it, the run ends in order here: it is not the victim of a crash.
        let finished = writer.finish();
        result?;
        finished?;
        Ok(record)
    }

    async fn perform_all(
        &mut self,
        labs: &mut Labs,
        ready: &Ready,
        record: &mut Record,
        writer: &RunWriter,
    ) -> Result<(), RunError> {
        let steps = self.plan.remaining(record);
        (self.observer)(RunEvent::RunStarted {
            run_id: record.run_id.clone(),
            scenario: self.plan.scenario.clone(),
            cells: self.plan.cells.len(),
            migrations: steps.len(),
            directory: writer.directory().to_owned(),
        });
        let mut boots = Boots::of(record, self.plan);
        let started_ns = monotonic_ns();
        for (index, step) in steps.iter().enumerate() {
            let cell = &self.plan.cells[step.cell];
            if self.settles(cell, *step, record, writer)? {
                continue;
            }
            (self.observer)(RunEvent::RepeatStarted {
                position: index + 1,
                cell: cell.id.clone(),
                repeat: step.repeat,
                repeats: self.plan.repeats,
                policy: policy_name(cell).to_owned(),
            });
            let performed = async {
                let lacks = ready.lacking.skipped(&cell.id, step.repeat, started_ns);
                match lacks.or_else(|| boots.skipped(*step, started_ns)) {
                    Some(skipped) => Ok(skipped),
                    None => {
                        repeat::perform(
                            labs.of(cell),
                            cell,
                            step.repeat,
                            &ready.accelerator,
                            started_ns,
                            self.observer,
                            &self.desk,
                        )
                        .await
                    }
                }
            };
            let done = unless_interrupted(&mut self.interrupt, performed).await??;
            if step.repeat > 0 {
                writer.append_samples(&done.samples)?;
                let position = record.cell_index(&cell.id).ok_or_else(|| {
                    RunError::Internal(format!("the record has no cell {}", cell.id))
                })?;
                record.push(position, done.repeat.clone());
                writer.save(record)?;
            }
            // The record tells of a hopeless boot too, with the guest's console.
            boots.judge(*step, &done)?;
            (self.observer)(RunEvent::RepeatFinished {
                cell: cell.id.clone(),
                repeat: done.repeat,
            });
            if done.hosts_lost && index + 1 < steps.len() {
                (self.observer)(RunEvent::Warning(
                    "an agent was lost; the lab is made anew".to_owned(),
                ));
                let hosts = labs.of(cell);
                let renewed = hosts.renew(&cell.setup.network, self.plan.seed);
                unless_interrupted(&mut self.interrupt, renewed).await??;
            }
        }
        Ok(())
    }

    /// Whether the cell needs no more repeats; if that is new, the record says it from now on.
    fn settles(
        &self,
        cell: &Cell,
        step: Step,
        record: &mut Record,
        writer: &RunWriter,
    ) -> Result<bool, RunError> {
        let (Some(until), Some(position)) = (&self.plan.until, record.cell_index(&cell.id)) else {
            return Ok(false);
        };
        if step.repeat == 0 || !until.is_met(&record.cells[position]) {
            return Ok(false);
        }
        if !record.cells[position].settled {
            record.settle(position);
            writer.save(record)?;
        }
        Ok(true)
    }

    fn open(
        &mut self,
        labs: &Labs,
        ready: &Ready,
        target: Target,
    ) -> Result<(Record, RunWriter), RunError> {
        match target {
            Target::Resumed(begun) => Ok(*begun),
            Target::New(directory) => {
                let cells = self
                    .plan
                    .cells
                    .iter()
                    .map(|cell| (cell.id.clone(), cell.parameters.clone()));
                let scenario = ScenarioText::new(&*self.plan.scenario, self.text);
                let mut record = Record::new(
                    scenario,
                    labs.environment(ready, self.plan),
                    self.plan.seed,
                    self.plan.repeats,
                    cells,
                );
                let store = Store::open(directory);
                record.calibration =
                    calibrated::fitting(&store, &record.environment, self.observer);
                let writer = store.create_run(&record)?;
                Ok((record, writer))
            }
        }
    }
}

impl Target {
    /// Ends a resumed run in order when it can't go on.
    fn abandon(self, error: RunError) -> RunError {
        let Target::Resumed(begun) = self else {
            return error;
        };
        let (_, writer) = *begun;
        if let Err(unfinished) = writer.finish() {
            tracing::warn!(%unfinished, "the run seems to have crashed, but did not");
        }
        error
    }
}

fn policy_name(cell: &Cell) -> &'static str {
    let setup = &cell.setup;
    policy::from_spec(&setup.policy, (&setup.guest).into()).name()
}

/// Gives up what is being done at Ctrl-C, at its next step.
async fn unless_interrupted<T>(
    interrupt: &mut Interrupt,
    work: impl Future<Output = T>,
) -> Result<T, RunError> {
    tokio::select! {
        biased;
        () = interrupt.asked(1) => Err(RunError::Interrupted),
        done = work => Ok(done),
    }
}

/// Whether any migration of a record failed, or lost memory.
pub fn any_failed(record: &Record) -> bool {
    let failed = |repeat: &Repeat| {
        let intact = repeat
            .integrity
            .as_ref()
            .and_then(|integrity| integrity.memory_intact);
        repeat.outcome == Outcome::Failed || intact == Some(false)
    };
    record
        .cells
        .iter()
        .flat_map(|cell| &cell.repeats)
        .any(failed)
}
