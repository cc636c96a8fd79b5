//! The controller while a migration goes on: it hears how far it is, fails links when the scenario says so, and notices deaths.

use std::time::Duration;

use lmbench_harness::agent::AgentError;
use lmbench_harness::agent::protocol::{Migrate, Notice, Request};
use lmbench_harness::migration::Ended;

use super::cuts::Cuts;
use super::ending;
use super::hosts::Hosts;
use super::metering;
use super::repeat::{Attempt, lab_failure};
use super::wiring::Wired;
use crate::event::{Progress, RunEvent};

/// Starts the migration and does what it calls for until the source says that it is over.
pub(super) async fn until_ended(
    attempt: &mut Attempt<'_>,
    wired: &Wired,
    cuts: &mut Cuts,
) -> Result<Ended, AgentError> {
    let setup = &attempt.cell.setup;
    let migrate = Request::Migrate(Box::new(Migrate {
        stream: wired.stream.clone(),
        policy: setup.policy.clone(),
        subject: (&setup.guest).into(),
        timeout: setup.migration.timeout,
        timeout_action: setup.migration.timeout_action,
        sample: metering::sample_interval(&setup.migration),
    }));
    let killed = attempt.hosts.death(|death| death.killed);
    let mut broken = std::pin::pin!(async {
        let death = killed.await;
        tokio::time::sleep(BREAK_SHOWS_WITHIN).await;
        death
    });
    let Hosts {
        source, notices, ..
    } = &mut *attempt.hosts;
    let mut migration = std::pin::pin!(source.call::<Ended>(migrate));
    loop {
        tokio::select! {
            ended = &mut migration => return ended,
            // QEMU notices by itself; if it does not, why wait for its timeout.
            death = &mut broken => return Err(ending::error_of(death)),
            () = cuts.is_due() => cuts.act().await.map_err(|error| lab_failure(&error))?,
            Some((_, notice)) = notices.recv() => match notice {
                Notice::Reached(stage) => cuts.reached(&stage),
                Notice::Progress { elapsed_ns, progress } => {
                    (attempt.observer)(RunEvent::Progress(Progress {
                        elapsed: Duration::from_nanos(elapsed_ns),
                        status: progress.status,
                        pass: progress.pass,
                        throughput_bps: progress.throughput_bps,
                        dirty_rate_bps: progress.dirty_rate,
                        remaining_bytes: progress.remaining_bytes,
                        throttle_percent: progress.throttle_percent,
                    }));
                }
                Notice::Carrier(_) | Notice::Died(_) => {}
            },
        }
    }
}

/// QEMU writes to its stream many times a second and fails at the first write after its end.
const BREAK_SHOWS_WITHIN: Duration = Duration::from_secs(3);
