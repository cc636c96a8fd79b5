//! One migration of a cell, from two new QEMUs to none.

use std::time::Duration;

use lmbench_harness::agent::AgentError;
use lmbench_harness::agent::calls;
use lmbench_harness::clock::monotonic_ns;
use lmbench_harness::hypervisor::RunState;
use lmbench_harness::migration::{Ended, Ending};
use lmbench_harness::role::Role;
use lmbench_harness::spec::Accelerator;

use super::RunError;
use super::aftermath;
use super::attempt::Attempt;
use super::background;
use super::ending::{self, lab_failure};
use super::faults::{BothAgents, Faults};
use super::hosts::Hosts;
use super::measure::{self, Measured, Sides};
use super::metering;
use super::migrating;
use super::notes::Notes;
use super::preparing::Prepared;
use super::tenant;
use crate::control::Desk;
use crate::event::{Phase, RunEvent};
use crate::record::{Outcome, Repeat};
use crate::scenario::Cell;
use crate::store::Sample;

/// What one migration left behind.
pub(super) struct Done {
    pub(super) repeat: Repeat,
    pub(super) samples: Vec<Sample>,
    /// An agent is gone, so the lab must be made anew.
    pub(super) hosts_lost: bool,
    /// Why a QEMU did not start or the guest did not become ready, if that is how it failed.
    pub(super) boot_failure: Option<String>,
}

/// Migrates once. An error ends the run; a migration that failed is a result.
pub(super) async fn perform(
    hosts: &mut Hosts,
    cell: &Cell,
    number: u32,
    accelerator: &Accelerator,
    run_started_ns: u64,
    observer: &mut dyn FnMut(RunEvent),
    desk: &Desk,
) -> Result<Done, RunError> {
    let began_ns = monotonic_ns();
    let started_ms = (began_ns - run_started_ns) as f64 / 1e6;
    let accelerator = match cell.setup.guest.accelerator {
        Accelerator::Auto => *accelerator,
        wish => wish,
    };
    let tenant = tenant::plug(hosts, &cell.setup.guest).await?;
    hosts.forget();
    let lost = hosts.lost();
    let mut attempt = Attempt {
        hosts,
        cell,
        tenant,
        accelerator,
        observer,
        desk,
        booted: false,
        notes: Notes::default(),
        pages: None,
        migrating: false,
    };
    let migrated = tokio::select! {
        biased;
        // Boxed: it holds everything that a migration does.
        migrated = Box::pin(attempt.migrate()) => migrated,
        role = lost => Err(AgentError::Gone { role }),
    };
    if let Err(AgentError::Failed(failure)) = &migrated
        && failure.environment
    {
        // A lost agent takes its host along: what can't be found there is not missing on this machine.
        let lost = tokio::time::timeout(LOSS_SHOWS_WITHIN, attempt.hosts.lost()).await;
        if lost.is_err() {
            return Err(RunError::Environment(failure.message.clone()));
        }
    }
    let (mut integrity, mut evidence) = (None, Vec::new());
    if migrated.is_err() {
        if attempt.migrating {
            integrity = Some(Box::pin(aftermath::after_error(&mut attempt)).await);
        }
        let done = attempt.notes.take();
        evidence = ending::evidence(attempt.hosts, done).await;
    }
    attempt.phase(Phase::TearingDown, None);
    let losses = Box::pin(ending::end_repeat(attempt.hosts)).await?;
    // A guest whose QEMU was killed, or whose host is lost, says nothing about the next one.
    let innocent = attempt.booted || losses.cause().is_some();
    let words = migrated.as_ref().err().map(ToString::to_string);
    let boot_failure = words.filter(|_| !innocent);
    let elapsed = Duration::from_nanos(monotonic_ns() - began_ns);
    let (repeat, samples) = match migrated {
        Ok(measured) => {
            let (mut repeat, samples) =
                measure::finish(&measured, cell, number, started_ms, elapsed);
            let workload = cell.setup.workload.as_ref();
            if let Some(workload) = workload {
                let pattern = &workload.pattern;
                let doubts = [
                    measure::shortfall(&repeat, pattern),
                    measure::unseen_period(&repeat, pattern),
                ];
                for doubt in doubts.into_iter().flatten() {
                    (attempt.observer)(RunEvent::Warning(doubt));
                }
            }
            // What dies once the guest runs at its destination harms no migration.
            let broken = repeat.outcome != Outcome::Completed && losses.cause().is_some();
            if broken || repeat.outcome == Outcome::Failed {
                repeat.outcome = Outcome::Failed;
                let seen = repeat.reason.unwrap_or_default();
                repeat.reason = Some(one_line(&losses.explain(&seen)));
            }
            (repeat, samples)
        }
        Err(error) => {
            let reason = losses.cause().unwrap_or_else(|| error.to_string());
            let reason = one_line(&reason);
            let repeat = Repeat {
                events: evidence,
                integrity,
                ..Repeat::unfinished(number, started_ms, Outcome::Failed, reason)
            };
            (repeat, Vec::new())
        }
    };
    Ok(Done {
        repeat,
        samples,
        hosts_lost: losses.hosts(),
        boot_failure,
    })
}

impl Attempt<'_> {
    async fn migrate(&mut self) -> Result<Measured, AgentError> {
        let death = self.hosts.death(|_| true);
        let Prepared {
            boot,
            wired,
            fill,
            filled,
            background_before,
            settling,
            before,
        } = {
            let mut prepare = std::pin::pin!(self.prepare());
            tokio::select! {
                biased;
                prepared = &mut prepare => prepared?,
                // Whatever waits for the dead mostly says itself what it lacks, and says it better.
                death = death => tokio::time::timeout(DEATH_SHOWS_WITHIN, prepare)
                    .await
                    .unwrap_or_else(|_| Err(ending::error_of(death)))?,
            }
        };
        let setup = &self.cell.setup;
        self.phase(Phase::Migrating, Some(setup.migration.timeout));
        let mut faults = Faults::none(self.hosts.lab());
        faults
            .arm(setup)
            .await
            .map_err(|error| lab_failure(&error))?;
        self.pages = filled.as_ref().map(|filled| filled.pages);
        self.migrating = true;
        let ended = migrating::until_ended(self, &wired, &mut faults).await;
        let mended = faults.end(BothAgents::of(self.hosts)).await;
        self.notes.extend(std::mem::take(&mut faults.events));
        let ended = ended?;
        mended?;
        let background = background::stop(self.hosts).await?;
        self.until_running(&ended).await?;
        let failed = ended.ending == Ending::Failed;
        if failed {
            aftermath::settle(self.hosts, &self.notes).await;
        }
        let after = self.usage().await?;
        let links = self.link_reports().await?;
        metering::end(self.hosts).await?;
        for role in Role::BOTH {
            let host = self.hosts.host(role);
            host.call(calls::EndCarriers).await?;
        }
        let destination_info = self.hosts.destination.call(calls::ReadMigration).await.ok();
        let settled = aftermath::settle(self.hosts, &self.notes).await;
        let running_on = self.running_on().await;
        let verified = if aftermath::is_whole(&settled) {
            match self.verify(&running_on).await {
                // Why the migration failed is what has to be told.
                Err(error @ AgentError::Failed(_)) if failed => {
                    aftermath::not_verified(&self.notes, &error);
                    None
                }
                verified => verified?,
            }
        } else {
            None
        };
        let consoles = self.consoles().await?;
        let readings = Sides {
            source: self.collect(Role::Source).await?,
            destination: self.collect(Role::Destination).await?,
        };
        Ok(Measured {
            clocks: Sides {
                source: self.hosts.source.clock,
                destination: self.hosts.destination.clock,
            },
            boot,
            fill,
            filled,
            handshake_ms: wired.handshake_ms,
            ended,
            usage_settling: settling,
            usage_before: before,
            usage_after: after,
            running_on,
            destination_info,
            verified,
            consoles,
            background_before,
            background,
            links,
            controller_events: self
                .notes
                .take()
                .into_iter()
                .chain(self.tenant.event())
                .collect(),
            readings,
        })
    }

    /// After a completed migration: waits until the guest runs, and wakes one that was stopped for it.
    async fn until_running(&mut self, ended: &Ended) -> Result<(), AgentError> {
        if ended.ending != Ending::Completed {
            return Ok(());
        }
        let destination = &self.hosts.destination;
        let await_running = calls::AwaitRunning {
            within: RESUME_WITHIN,
        };
        let state = destination.call(await_running).await?;
        if state == RunState::Paused && ended.stopped {
            destination.call(calls::Continue).await?;
        }
        Ok(())
    }
}

/// A reason in a record stands in tables; what to do stands behind what happened.
fn one_line(text: &str) -> String {
    text.replace("\nhint: ", "; ")
}

/// An agent's end is known a moment after the error that comes of it.
const LOSS_SHOWS_WITHIN: Duration = Duration::from_secs(1);
/// Between a process's end and the error of the request that needed it.
const DEATH_SHOWS_WITHIN: Duration = Duration::from_millis(200);
/// Loading the device state takes milliseconds; a destination that needs longer is stuck.
const RESUME_WITHIN: Duration = Duration::from_secs(10);
