//! Up to the moment before a migration: both QEMUs, a carrier between them, a guest that works, and a machine that has settled.

use std::time::Duration;

use lmbench_harness::agent::AgentError;
use lmbench_harness::agent::calls;
use lmbench_harness::agent::protocol::{Filled, Usage};
use lmbench_harness::background::BackgroundReport;
use lmbench_harness::clock::monotonic_ns;
use lmbench_harness::role::Role;
use lmbench_harness::spec::{Boot, GuestSpec};

use super::attempt::Attempt;
use super::background;
use super::ending::lab_failure;
use super::measure::Sides;
use super::metering;
use super::wiring::{self, Wired};
use crate::event::Phase;

/// What stands before a migration.
pub(super) struct Prepared {
    pub(super) boot: Duration,
    pub(super) wired: Wired,
    pub(super) fill: Duration,
    pub(super) filled: Option<Filled>,
    pub(super) background_before: Option<BackgroundReport>,
    pub(super) settling: Sides<Usage>,
    pub(super) before: Sides<Usage>,
}

impl Attempt<'_> {
    /// Up to the moment before the migration, in which both guests and the carrier must live.
    pub(super) async fn prepare(&mut self) -> Result<Prepared, AgentError> {
        let setup = &self.cell.setup;
        self.hosts
            .configure(&setup.network)
            .await
            .map_err(|error| lab_failure(&error))?;
        let boot = self.launch().await?;
        self.booted = true;
        let wired = wiring::connect(
            self.hosts,
            &setup.carrier,
            setup.network.inbound,
            setup.mismatch.identity,
        )
        .await?;
        let (fill, filled) = self.fill().await?;
        if setup.migration.metering {
            self.tenant.watch(self.hosts).await?;
        }
        background::start(self.hosts, &setup.network).await?;
        self.phase(Phase::Settling, Some(setup.migration.settle));
        let settling = self.usage().await?;
        tokio::time::sleep(setup.migration.settle).await;
        self.expect_alive().await?;
        // Anew, so that its report tells of the migration only.
        let background_before = background::stop(self.hosts).await?;
        background::start(self.hosts, &setup.network).await?;
        metering::begin(self.hosts, &setup.migration).await?;
        // What lmbench's own links count begins here.
        self.link_reports().await?;
        let before = self.usage().await?;
        Ok(Prepared {
            boot,
            wired,
            fill,
            filled,
            background_before,
            settling,
            before,
        })
    }

    async fn launch(&mut self) -> Result<Duration, AgentError> {
        let setup = &self.cell.setup;
        self.phase(Phase::Booting, Some(setup.guest.boot_timeout));
        let here = &self.tenant.guest;
        let there = GuestSpec {
            tenant: here.tenant,
            ..setup.mismatch.destination.as_ref().unwrap_or(here).clone()
        };
        let launch = |guest| calls::Launch {
            guest: Box::new(guest),
            accelerator: self.accelerator,
        };
        let started_ns = monotonic_ns();
        let source = self.hosts.source.call(launch(here.clone()));
        let destination = self.hosts.destination.call(launch(there));
        if matches!(setup.guest.boot, Boot::Image { .. }) {
            // The source makes the disk's overlay that both open.
            source.await?;
            destination.await?;
        } else {
            let (source, destination) = tokio::join!(source, destination);
            source.and(destination)?;
        }
        let boot = Duration::from_nanos(monotonic_ns() - started_ns);
        for role in Role::BOTH {
            let configure = calls::Configure {
                migration: setup.migration.clone(),
                policy: setup.policy.clone(),
                subject: (&setup.guest).into(),
            };
            self.hosts.host(role).call(configure).await?;
        }
        Ok(boot)
    }

    /// Wall time of the fill and what the guest said of it.
    async fn fill(&mut self) -> Result<(Duration, Option<Filled>), AgentError> {
        let Some(workload) = self.cell.setup.workload.clone() else {
            return Ok((Duration::ZERO, None));
        };
        self.phase(Phase::Filling, None);
        // A fill slower than 16 MiB/s is a guest that hangs.
        let within =
            self.cell.setup.guest.boot_timeout + Duration::from_secs(workload.memory_bytes >> 24);
        let started_ns = monotonic_ns();
        let start = calls::StartWorkload {
            workload,
            heartbeat: self.cell.setup.guest.heartbeat,
            report: REPORT_INTERVAL,
            within,
        };
        let filled = self.hosts.source.call(start).await?;
        Ok((
            Duration::from_nanos(monotonic_ns() - started_ns),
            Some(filled),
        ))
    }
}

/// Time between two reports of the guest.
pub(crate) const REPORT_INTERVAL: Duration = Duration::from_millis(100);
