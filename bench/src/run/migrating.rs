//! The controller while a migration goes on: it hears how far it is, breaks what the scenario wants broken, does what operators order,
//! notices deaths, and has a post-copy recovered that lost its connection.

use std::time::Duration;

use lmbench_harness::agent::AgentError;
use lmbench_harness::agent::calls;
use lmbench_harness::agent::protocol::Notice;
use lmbench_harness::hypervisor::MigrationId;
use lmbench_harness::migration::Ended;
use lmbench_harness::spec::Stage;

use super::attempt::Attempt;
use super::ending;
use super::faults::{BothAgents, Faults};
use super::health::Standstill;
use super::hosts::Hosts;
use super::metering;
use super::operator::{Operator, recover_event};
use super::recovery::Recovery;
use super::wiring::Wired;
use crate::convergence::limit_set;
use crate::event::{Decision, Progress, RunEvent};

/// Starts the migration and does what it calls for until the source says that it is over.
pub(super) async fn until_ended(
    attempt: &mut Attempt<'_>,
    wired: &Wired,
    faults: &mut Faults,
) -> Result<Ended, AgentError> {
    let setup = &attempt.cell.setup;
    let migrate = calls::Migrate {
        id: MigrationId::default(),
        stream: wired.stream.clone(),
        policy: setup.policy.clone(),
        subject: (&setup.guest).into(),
        timeout: setup.migration.timeout,
        timeout_action: setup.migration.timeout_action,
        sample: metering::sample_interval(&setup.migration),
        recovery: setup.migration.recovery,
    };
    let killed = attempt.hosts.death(|death| death.killed);
    let mut broken = std::pin::pin!(async {
        let death = killed.await;
        tokio::time::sleep(BREAK_SHOWS_WITHIN).await;
        death
    });
    let lab = attempt.hosts.lab();
    let hosts: &Hosts = attempt.hosts;
    let mut notices = hosts.notices.lock().await;
    let mut operator = Operator::new(&hosts.source, lab, attempt.desk.open());
    let agents = BothAgents::of(hosts);
    faults.reached(&Stage::Ready);
    faults.act(agents).await?;
    let mut recovery = Recovery::new(hosts, setup, attempt.notes.clone());
    let mut standstill = Standstill::default();
    let mut downtime_limit_ms = setup.first_downtime_limit_ms();
    let mut migration = std::pin::pin!(hosts.source.call(migrate));
    loop {
        tokio::select! {
            ended = &mut migration => {
                faults.by_operator(operator.finish().await);
                return ended;
            }
            served = operator.serve() => {
                faults.by_operator(served.links);
                if let Some(wish) = served.recover {
                    let said = recovery.ask();
                    attempt.notes.add("operator", recover_event(&said));
                    wish.answer(said);
                }
            }
            () = recovery.step() => {}
            // QEMU notices by itself; if it does not, why wait for its timeout.
            death = &mut broken, if !recovery.may_help() => return Err(ending::error_of(death)),
            () = faults.is_due() => faults.act(agents).await?,
            Some((_, notice)) = notices.recv() => match notice {
                Notice::Reached(stage) => {
                    faults.reached(&stage);
                    recovery.reached(&stage);
                    operator.heard(&stage);
                }
                Notice::Decided { elapsed_ns, event } => {
                    downtime_limit_ms = limit_set(&event.data).unwrap_or(downtime_limit_ms);
                    (attempt.observer)(RunEvent::Decision(Decision {
                        elapsed: Duration::from_nanos(elapsed_ns),
                        by: event.name,
                        data: event.data,
                    }));
                }
                Notice::Progress { elapsed_ns, progress, least_left_bytes } => {
                    if let Some(data) = standstill.on_progress(Duration::from_nanos(elapsed_ns), &progress) {
                        attempt.notes.add("no-progress", data);
                    }
                    if let Some(shown) = shown(elapsed_ns, progress) {
                        (attempt.observer)(RunEvent::Progress(Progress {
                            least_left_bytes,
                            downtime_limit_ms: Some(downtime_limit_ms),
                            ..shown
                        }));
                    }
                }
                Notice::Carrier(_) | Notice::Died(_) => {}
            },
        }
    }
}

/// A reading for people. In setup, and once it has failed, QEMU says nothing of memory: nothing left and nothing sent would be no measurement.
fn shown(elapsed_ns: u64, progress: lmbench_harness::progress::Progress) -> Option<Progress> {
    (progress.total_bytes > 0).then(|| Progress {
        elapsed: Duration::from_nanos(elapsed_ns),
        status: progress.status,
        pass: progress.pass,
        throughput_bps: progress.throughput_bps,
        dirty_rate_bps: progress.dirty_rate,
        remaining_bytes: progress.remaining_bytes,
        throttle_percent: progress.throttle_percent,
        expected_downtime_ms: progress.expected_downtime_ms,
        least_left_bytes: None,
        downtime_limit_ms: None,
    })
}

/// QEMU writes to its stream many times a second and fails at the first write after its end.
const BREAK_SHOWS_WITHIN: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use lmbench_harness::progress::Progress;

    use super::*;

    #[test]
    fn what_qemu_does_not_tell_is_not_shown_as_zero() {
        let in_setup = Progress {
            status: "setup".into(),
            ..Progress::default()
        };
        assert_eq!(shown(1, in_setup.clone()), None);
        let active = Progress {
            total_bytes: 1 << 28,
            remaining_bytes: 7,
            ..in_setup
        };
        assert_eq!(shown(1, active).map(|shown| shown.remaining_bytes), Some(7));
    }
}
