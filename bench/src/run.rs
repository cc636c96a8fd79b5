//! One execution of a scenario: hosts, preflight, then the plan's steps, the record growing after each.
//!
//! `hosts` makes the lab and talks to its agents, `wiring` joins a carrier to both QEMUs, `repeat` does one migration,
//! `measure` turns what it left behind into metrics.

mod boots;
mod hosts;
pub mod measure;
mod preflight;
mod repeat;
mod wiring;

use std::path::PathBuf;

use lmbench_harness::clock::monotonic_ns;
use thiserror::Error;
use tokio::sync::watch;

use crate::event::RunEvent;
use crate::plan::Plan;
use crate::record::{Outcome, Record, Repeat, ScenarioText};
use crate::store::{RunWriter, Store, StoreError};

use hosts::Hosts;
pub use preflight::{Complaint, Unfit};

use boots::Boots;
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
    #[error("interrupted; what was measured until then is kept")]
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
    /// Becomes true at Ctrl-C.
    pub interrupt: watch::Receiver<bool>,
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
        let mut interrupt = self.interrupt.clone();
        let mut hosts = tokio::select! {
            hosts = Hosts::create(&self.plan.cells[0].setup.network) => hosts.map_err(RunError::from)?,
            _ = interrupt.wait_for(|interrupted| *interrupted) => return Err(RunError::Interrupted),
        };
        let result = tokio::select! {
            result = self.on_hosts(&mut hosts, target) => result,
            _ = interrupt.wait_for(|interrupted| *interrupted) => Err(RunError::Interrupted),
        };
        match hosts.close() {
            Ok(()) => result,
            Err(error) if result.is_ok() => Err(RunError::Internal(error.to_string())),
            Err(error) => {
                (self.observer)(RunEvent::Warning(error.to_string()));
                result
            }
        }
    }

    async fn on_hosts(&mut self, hosts: &mut Hosts, target: Target) -> Result<Record, RunError> {
        let ready = preflight::check(hosts, self.plan).await?;
        let (mut record, writer) = self.open(hosts, &ready, target)?;
        let steps = self.plan.remaining(&record);
        (self.observer)(RunEvent::RunStarted {
            run_id: record.run_id.clone(),
            scenario: self.plan.scenario.clone(),
            cells: self.plan.cells.len(),
            migrations: steps.len(),
            directory: writer.directory().to_owned(),
        });
        let mut boots = Boots::of(&record, self.plan);
        let started_ns = monotonic_ns();
        for (index, step) in steps.iter().enumerate() {
            let cell = &self.plan.cells[step.cell];
            (self.observer)(RunEvent::RepeatStarted {
                position: index + 1,
                cell: cell.id.clone(),
                repeat: step.repeat,
                repeats: self.plan.repeats,
            });
            let done = match boots.skipped(*step, started_ns) {
                Some(skipped) => skipped,
                None => {
                    repeat::perform(
                        hosts,
                        cell,
                        step.repeat,
                        &ready.accelerator,
                        started_ns,
                        self.observer,
                    )
                    .await?
                }
            };
            boots.judge(*step, &done)?;
            if step.repeat > 0 {
                writer.append_samples(&done.samples)?;
                let position = record.cell_index(&cell.id).ok_or_else(|| {
                    RunError::Internal(format!("the record has no cell {}", cell.id))
                })?;
                record.push(position, done.repeat.clone());
                writer.save(&record)?;
            }
            (self.observer)(RunEvent::RepeatFinished {
                cell: cell.id.clone(),
                repeat: done.repeat,
            });
            if done.hosts_lost {
                (self.observer)(RunEvent::Warning(
                    "an agent was lost; the lab is made anew".to_owned(),
                ));
                hosts.renew(&cell.setup.network).await?;
            }
        }
        writer.finish()?;
        Ok(record)
    }

    fn open(
        &self,
        hosts: &Hosts,
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
                let record = Record::new(
                    scenario,
                    ready.environment(hosts),
                    self.plan.seed,
                    self.plan.repeats,
                    cells,
                );
                let writer = Store::open(directory).create_run(&record)?;
                Ok((record, writer))
            }
        }
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
