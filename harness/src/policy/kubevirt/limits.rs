//! What virt-launcher does around any tuning: the completion timeout and the progress timeout (kubevirt,
//! `pkg/virt-launcher/virtwrap/live-migration-source.go`, 1.9.0).

use std::time::Duration;

use super::completion_timeout;
use crate::policy::{Action, Decision, Subject};
use crate::spec::{KubevirtLimits, KubevirtRule};

/// Acts at most twice: it may stop the guest, and give up later.
pub(super) struct Limits {
    spec: KubevirtLimits,
    rule: KubevirtRule,
    completion: Option<Duration>,
    /// What less than is progress.
    mark: Option<u64>,
    /// When there was progress.
    progressed: Duration,
    paused: bool,
}

impl Limits {
    pub(super) fn new(spec: KubevirtLimits, rule: KubevirtRule, subject: Subject) -> Self {
        Limits {
            spec,
            rule,
            completion: completion_timeout(spec.completion_timeout_per_gib, subject),
            mark: None,
            progressed: Duration::ZERO,
            paused: false,
        }
    }

    /// The sooner of the two timeouts.
    pub(super) fn first_action_at(&self) -> Option<Duration> {
        let progress_timeout = self.spec.progress_timeout;
        let stuck = (!progress_timeout.is_zero()).then_some(progress_timeout);
        self.completion.into_iter().chain(stuck).min()
    }

    /// When it does what is allowed.
    pub(super) fn forces_at(&self) -> Option<Duration> {
        let is_allowed = self.spec.allow_post_copy || self.spec.allow_workload_disruption;
        self.completion.filter(|_| is_allowed)
    }

    pub(super) fn decide(&mut self, now: Duration, remaining: u64) -> Option<Decision> {
        self.marks(now, remaining);
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
        let still = now.saturating_sub(self.progressed);
        (still > self.spec.progress_timeout && !self.spec.progress_timeout.is_zero()).then(|| {
            Decision {
                action: Action::Cancel,
                reason: format!("stuck: no progress for {:.1} s", still.as_secs_f64()),
            }
        })
    }

    /// The code marks every look, so any fall against the look before is progress; the proposal means the least ever.
    fn marks(&mut self, now: Duration, remaining: u64) {
        let falls = self.mark.is_none_or(|mark| remaining < mark);
        if falls {
            self.progressed = now;
        }
        if falls || self.rule == KubevirtRule::Code {
            self.mark = Some(remaining);
        }
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
