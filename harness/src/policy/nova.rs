//! `nova`: `OpenStack` Nova's monitor of a live migration (nova, `nova/virt/libvirt/driver.py` and `migration.py`).
//!
//! Nova goes on with its ramp in post-copy, where a downtime limit has no effect; here nothing follows the switch.

use std::time::Duration;

use super::pace::Poll;
use super::{Action, Decision, Needs, Policy, Subject, Throttle};
use crate::progress::Progress;
use crate::spec::{NovaSpec, NovaTimeoutAction};

mod historic;
mod ramp;

pub(super) use historic::NovaHistoric;
use ramp::Ramp;

/// Looks twice a second: first whether time is up, then where the ramp stands.
pub(super) struct Nova {
    spec: NovaSpec,
    ramp: Ramp,
    timeout: Option<Duration>,
    poll: Poll,
    forced: bool,
    ended: bool,
}

impl Nova {
    pub(super) fn new(spec: NovaSpec, subject: Subject) -> Self {
        Nova {
            spec,
            ramp: Ramp::new(spec.ramp, subject),
            timeout: completion_timeout(spec.completion_timeout_per_gib, subject),
            poll: Poll::at_once(INTERVAL),
            forced: false,
            ended: false,
        }
    }

    fn at_timeout(&mut self, timeout: Duration) -> Decision {
        self.forced = true;
        let (action, does) = match self.spec.timeout_action {
            NovaTimeoutAction::Abort => (Action::Cancel, "it gives up"),
            NovaTimeoutAction::ForceComplete if self.spec.permit_post_copy => {
                (Action::StartPostCopy, "it forces the end by post-copy")
            }
            NovaTimeoutAction::ForceComplete => {
                (Action::Pause, "it forces the end by stopping the guest")
            }
        };
        self.ended = action != Action::Pause;
        Decision {
            action,
            reason: format!(
                "not complete after the completion timeout of {} s: {does}",
                timeout.as_secs()
            ),
        }
    }
}

impl Policy for Nova {
    fn name(&self) -> &'static str {
        "nova"
    }

    fn needs(&self) -> Needs {
        let throttle = self.spec.permit_auto_converge && !self.spec.permit_post_copy;
        Needs {
            post_copy: self.spec.permit_post_copy,
            throttle: throttle.then_some(Throttle::DEFAULT),
            ..Needs::default()
        }
    }

    fn first_action_at(&self) -> Option<Duration> {
        self.ramp.first_rise().into_iter().chain(self.timeout).min()
    }

    fn forces_at(&self) -> Option<Duration> {
        match self.spec.timeout_action {
            NovaTimeoutAction::ForceComplete => self.timeout,
            NovaTimeoutAction::Abort => None,
        }
    }

    fn on_progress(&mut self, now: Duration, progress: &Progress) -> Vec<Decision> {
        self.ended |= progress.in_post_copy();
        if self.ended || !progress.is_active() || !self.poll.is_due(now) {
            return Vec::new();
        }
        let mut decisions = Vec::new();
        if let Some(timeout) = self.timeout.filter(|timeout| now > *timeout)
            && !self.forced
        {
            decisions.push(self.at_timeout(timeout));
        }
        if !self.ended {
            decisions.extend(self.ramp.step(now));
        }
        decisions
    }
}

/// GiB that Nova reckons with: at least two.
fn data_gb(subject: Subject) -> f64 {
    let memory_mb = subject.memory_bytes >> 20;
    (memory_mb as f64 / 1024.0).max(2.0)
}

/// Whole seconds; none when it is off.
fn completion_timeout(per_gib: Duration, subject: Subject) -> Option<Duration> {
    let seconds = (per_gib.as_secs_f64() * data_gb(subject)).trunc();
    let timeout = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    (!timeout.is_zero()).then_some(timeout)
}

/// The loop's sleep.
const INTERVAL: Duration = Duration::from_millis(500);
