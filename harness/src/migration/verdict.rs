//! What the end of a migration means.

use super::{Ending, GIVEN_UP, Running, Who};
use crate::hypervisor::Reading;
use std::time::Duration;

impl Running<'_> {
    /// A cancel shuts QEMU's socket, and QEMU 10 may report the error of that instead of the cancel, which says nothing of why it was
    /// cancelled. What was reported before the cancel has failed by itself.
    pub(super) fn judge(
        &self,
        status: &str,
        finished_ns: u64,
        last: &Reading,
    ) -> (Ending, Option<String>) {
        let by_cancel =
            status == "failed" && self.cancelled.is_some_and(|(at, _)| finished_ns >= at);
        self.verdict(if by_cancel { "cancelled" } else { status }, last)
    }

    fn verdict(&self, status: &str, last: &Reading) -> (Ending, Option<String>) {
        let now = self.started.elapsed();
        let still = self.deadline.still_for(now);
        match status {
            "completed" => (Ending::Completed, None),
            "cancelled" if self.cancelled.is_some_and(|(_, who)| who == Who::Operator) => (
                Ending::Cancelled,
                Some("cancelled by the operator".to_owned()),
            ),
            "cancelled" if self.gave_up.is_some() => (
                Ending::TimedOut,
                self.gave_up.as_ref().map(|reason| {
                    format!(
                        "the policy gave up after {:.1} s, in pass {}: {reason}",
                        now.as_secs_f64(),
                        self.pass
                    )
                }),
            ),
            "cancelled" if self.deadline.expired() && still >= STILL => (
                Ending::Failed,
                Some(format!(
                    "no byte moved for the last {:.1} s before the timeout",
                    still.as_secs_f64()
                )),
            ),
            "cancelled" if self.deadline.expired() => (
                Ending::TimedOut,
                Some(format!(
                    "not converged after {:.1} s, in pass {}",
                    now.as_secs_f64(),
                    self.pass
                )),
            ),
            "postcopy-paused" => (
                Ending::Failed,
                Some(
                    "post-copy was cut off: part of the guest's memory is on either host"
                        .to_owned(),
                ),
            ),
            GIVEN_UP if self.given_up.is_some() => (Ending::Failed, self.given_up.clone()),
            GIVEN_UP => (
                Ending::Failed,
                Some(format!(
                    "given up after {:.1} s in state '{}': no byte moved for {:.1} s",
                    now.as_secs_f64(),
                    last.progress.status,
                    still.as_secs_f64()
                )),
            ),
            _ => {
                let detail = last
                    .error
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
