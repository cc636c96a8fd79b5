//! What the end of a migration means.

use std::time::Duration;

use super::{Ending, Last, Running, Who};
use crate::hypervisor::{MigrationStatus, Reading};

impl Running<'_> {
    /// A cancel shuts QEMU's socket, and QEMU 10 may report the error of that instead of the cancel, which says nothing of why it was
    /// cancelled. What was reported before the cancel has failed by itself.
    pub(super) fn judge(
        &self,
        ended: &Last,
        finished_ns: u64,
        last: &Reading,
    ) -> (Ending, Option<String>) {
        let cancelled_before = self.cancelled.is_some_and(|(at, _)| finished_ns >= at);
        match ended {
            Last::GivenUp => self.gave_up_waiting(last),
            Last::Status(MigrationStatus::Failed) if cancelled_before => {
                self.verdict(&MigrationStatus::Cancelled, last)
            }
            Last::Status(status) => self.verdict(status, last),
        }
    }

    fn gave_up_waiting(&self, last: &Reading) -> (Ending, Option<String>) {
        let now = self.started.elapsed();
        let reason = self.given_up.clone().unwrap_or_else(|| {
            format!(
                "given up after {:.1} s in state '{}': no byte moved for {:.1} s",
                now.as_secs_f64(),
                last.stats.status,
                self.deadline.still_for(now).as_secs_f64()
            )
        });
        (Ending::Failed, Some(reason))
    }

    fn verdict(&self, status: &MigrationStatus, last: &Reading) -> (Ending, Option<String>) {
        use MigrationStatus::{Cancelled, Completed, PostcopyPaused};
        let now = self.started.elapsed();
        let still = self.deadline.still_for(now);
        match status {
            Completed => (Ending::Completed, None),
            Cancelled if self.cancelled.is_some_and(|(_, who)| who == Who::Operator) => (
                Ending::Cancelled,
                Some("cancelled by the operator".to_owned()),
            ),
            Cancelled if self.gave_up.is_some() => (
                Ending::TimedOut,
                self.gave_up.as_ref().map(|reason| {
                    format!(
                        "the policy gave up after {:.1} s, in pass {}: {reason}",
                        now.as_secs_f64(),
                        self.pass
                    )
                }),
            ),
            Cancelled if self.deadline.expired() && still >= STILL => (
                Ending::Failed,
                Some(format!(
                    "no byte moved for the last {:.1} s before the timeout",
                    still.as_secs_f64()
                )),
            ),
            Cancelled if self.deadline.expired() => (
                Ending::TimedOut,
                Some(format!(
                    "not converged after {:.1} s, in pass {}",
                    now.as_secs_f64(),
                    self.pass
                )),
            ),
            PostcopyPaused => (
                Ending::Failed,
                Some(
                    "post-copy was cut off: part of the guest's memory is on either host"
                        .to_owned(),
                ),
            ),
            _ => {
                let detail = last
                    .stats
                    .error_desc
                    .clone()
                    .unwrap_or_else(|| format!("QEMU ended it as '{status}' without a reason"));
                (Ending::Failed, Some(detail))
            }
        }
    }
}

/// A stream that moved nothing for this long before the timeout is broken, not slow: QEMU flushes what it has at least
/// ten times a second, so even the slowest link moves something between readings.
const STILL: Duration = Duration::from_secs(3);
