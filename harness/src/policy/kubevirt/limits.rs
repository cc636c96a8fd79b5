//! What virt-launcher does around any tuning: the completion timeout and the progress timeout (kubevirt,
//! `pkg/virt-launcher/virtwrap/live-migration-source.go`).

use std::time::Duration;

use super::completion_timeout;
use crate::policy::{Action, Decision, Subject};
use crate::spec::KubevirtLimits;

/// Acts at most twice: it may stop the guest, and give up later.
pub(super) struct Limits {
    spec: KubevirtLimits,
    completion: Option<Duration>,
    low_mark: Option<u64>,
    low_since: Duration,
    paused: bool,
}

impl Limits {
    pub(super) fn new(spec: KubevirtLimits, subject: Subject) -> Self {
        Limits {
            spec,
            completion: completion_timeout(spec.completion_timeout_per_gib, subject),
            low_mark: None,
            low_since: Duration::ZERO,
            paused: false,
        }
    }

    pub(super) fn decide(&mut self, now: Duration, remaining: u64) -> Option<Decision> {
        if self.low_mark.is_none_or(|low_mark| remaining < low_mark) {
            self.low_mark = Some(remaining);
            self.low_since = now;
        }
        if self.paused {
            let twice = self.completion?.saturating_mul(2);
            return (now > twice).then(|| Decision {
                action: Action::Cancel,
                reason: format!(
                    "stopped and still not complete after twice the completion timeout, {:.1} s",
                    twice.as_secs_f64()
                ),
            });
        }
        let timeout = self.completion.filter(|timeout| now > *timeout);
        if let Some(timeout) = timeout {
            return Some(self.at_timeout(timeout));
        }
        let still = now.saturating_sub(self.low_since);
        (still > self.spec.progress_timeout && !self.spec.progress_timeout.is_zero()).then(|| {
            Decision {
                action: Action::Cancel,
                reason: format!("stuck: no progress for {:.1} s", still.as_secs_f64()),
            }
        })
    }

    fn at_timeout(&mut self, timeout: Duration) -> Decision {
        let action = if self.spec.allow_post_copy {
            Action::StartPostCopy
        } else if self.spec.allow_workload_disruption {
            self.paused = true;
            Action::Pause
        } else {
            Action::Cancel
        };
        Decision {
            action,
            reason: format!(
                "not complete after the completion timeout of {:.1} s",
                timeout.as_secs_f64()
            ),
        }
    }
}
