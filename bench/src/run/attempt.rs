//! A migration that is tried: its hosts, its cell, what is known of it so far, and what can be asked of both sides at any time.

use std::collections::BTreeMap;
use std::time::Duration;

use lmbench_guest::wire::Verified;
use lmbench_harness::agent::AgentError;
use lmbench_harness::agent::calls;
use lmbench_harness::agent::protocol::{Readings, Usage};
use lmbench_harness::link::Report;
use lmbench_harness::role::Role;
use lmbench_harness::spec::{Accelerator, Boot, Network};

use super::hosts::Hosts;
use super::measure::Sides;
use super::notes::Notes;
use super::tenant::Tenant;
use crate::control::Desk;
use crate::event::{Phase, RunEvent};
use crate::scenario::Cell;

/// A migration that is tried.
pub(super) struct Attempt<'a> {
    pub(super) hosts: &'a mut Hosts,
    pub(super) cell: &'a Cell,
    pub(super) tenant: Tenant,
    pub(super) accelerator: Accelerator,
    pub(super) observer: &'a mut dyn FnMut(RunEvent),
    /// Where operators' orders come in.
    pub(super) desk: &'a Desk,
    pub(super) booted: bool,
    /// What was done and seen from here.
    pub(super) notes: Notes,
    /// Pages of the workload.
    pub(super) pages: Option<u64>,
    /// Whether the migration has been asked for.
    pub(super) migrating: bool,
}

impl Attempt<'_> {
    /// Where the guest really runs, after a moment in which it is heard from there.
    pub(super) async fn running_on(&self) -> String {
        tokio::time::sleep(TAIL).await;
        let source = self.runs(Role::Source).await;
        let destination = self.runs(Role::Destination).await;
        match (source, destination) {
            (true, true) => "both",
            (true, false) => "source",
            (false, true) => "destination",
            (false, false) => "none",
        }
        .to_owned()
    }

    /// A QEMU that is gone runs nothing.
    async fn runs(&self, role: Role) -> bool {
        let state = self.hosts.host(role).call(calls::ReadRunState);
        let state = tokio::time::timeout(STATE_WITHIN, state).await;
        matches!(state, Ok(Ok(Some(state))) if state.is_running())
    }

    pub(super) async fn verify(
        &mut self,
        running_on: &str,
    ) -> Result<Option<Verified>, AgentError> {
        let role = match running_on {
            "source" => Role::Source,
            "destination" => Role::Destination,
            _ => return Ok(None),
        };
        if self.cell.setup.guest.boot != Boot::Lmbench {
            return Ok(None);
        }
        let memory = self
            .cell
            .setup
            .workload
            .as_ref()
            .map_or(0, |workload| workload.memory_bytes);
        let within = VERIFY_WITHIN + Duration::from_secs(memory >> 24);
        self.phase(Phase::Verifying, Some(within));
        Ok(Some(
            self.hosts.host(role).call(calls::Verify { within }).await?,
        ))
    }

    pub(super) async fn usage(&self) -> Result<Sides<Usage>, AgentError> {
        let (source, destination) = tokio::join!(
            self.hosts.source.call(calls::ReadUsage),
            self.hosts.destination.call(calls::ReadUsage)
        );
        Ok(Sides {
            source: source?,
            destination: destination?,
        })
    }

    pub(super) async fn link_reports(&self) -> Result<BTreeMap<Network, Report>, AgentError> {
        // A link whose process was killed spoils its repeat; the next one makes it anew.
        let failure = |error| lmbench_harness::agent::protocol::Failure {
            message: crate::error::chain(&error),
            environment: false,
        };
        let reports = self.hosts.link_reports().await;
        reports.map_err(|error| AgentError::Failed(failure(error)))
    }

    pub(super) async fn collect(&self, role: Role) -> Result<Readings, AgentError> {
        self.hosts.host(role).call(calls::Collect).await
    }

    pub(super) fn phase(&mut self, phase: Phase, limit: Option<Duration>) {
        tracing::debug!("{}", phase.words());
        (self.observer)(RunEvent::Phase { phase, limit });
    }
}

/// Observed after the migration: five reports and a hundred heartbeats.
const TAIL: Duration = Duration::from_millis(500);
/// Longer than the agent waits for the monitor.
const STATE_WITHIN: Duration = Duration::from_secs(8);
/// To stop the workload; comparing its memory comes on top, at 16 MiB/s or more.
const VERIFY_WITHIN: Duration = Duration::from_secs(20);
