//! `kubevirt-stall`: stall detection as `KubeVirt` 1.9.0 has it (`stall-detector.go`, gate `MigrationStallDetection`): once what remains
//! has brought nothing for a window, switch over at a local minimum of it.
//!
//! Nothing of it follows the switch to post-copy.

use std::time::Duration;

use super::bandwidth::Bandwidth;
use super::{INTERVAL, completion_timeout, stall_first_action_at, stall_needs};
use crate::policy::pace::Poll;
use crate::policy::{Action, DOWNTIME_MAX_MS, Decision, Needs, Policy, Setting, Subject};
use crate::progress::Progress;
use crate::spec::KubevirtStallSpec;

mod minimum;

use minimum::Minimum;

/// Looks at each new pass, and at the clock every 400 ms.
pub(in crate::policy) struct Detector {
    spec: KubevirtStallSpec,
    /// T; none when it is off.
    completion: Option<Duration>,
    poll: Poll,
    pass: u64,
    minimum: Minimum,
    bandwidth: Bandwidth,
    /// When to give up on a limit that was raised.
    awaiting: Option<Duration>,
    ended: bool,
}

impl Detector {
    pub(in crate::policy) fn new(spec: KubevirtStallSpec, subject: Subject) -> Self {
        Detector {
            spec,
            completion: completion_timeout(spec.limits.completion_timeout_per_gib, subject),
            poll: Poll::at_once(INTERVAL),
            pass: 0,
            minimum: Minimum::new(&spec),
            bandwidth: Bandwidth::new(spec.ewma_alpha),
            awaiting: None,
            ended: false,
        }
    }

    /// Whether `estimate` seconds, in the guest's time, fit into what is left of the budget: whole seconds of the peer's time.
    fn fits(&self, now: Duration, estimate: f64) -> bool {
        let Some(completion) = self.completion else {
            return true;
        };
        let budget = completion.as_secs_f64() * self.spec.completion_timeout_factor;
        let left = budget.trunc() - now.as_secs() as f64;
        estimate <= left * self.spec.time_scale
    }

    /// A pass has ended.
    fn at_pass(&mut self, now: Duration, remaining: u64) -> Option<Decision> {
        if !self.bandwidth.is_known() || !self.minimum.stalls(now, remaining) {
            return None;
        }
        if self.spec.search_local_minima && !self.minimum.is_here(remaining) {
            return None;
        }
        let estimate = self.bandwidth.seconds_for(remaining);
        if !self.fits(now, estimate) {
            return None;
        }
        let limits = self.spec.limits;
        let about = format!("stalled, and {} MiB take {estimate:.2} s", remaining >> 20);
        if limits.allow_workload_disruption && limits.allow_post_copy {
            return Some(self.ends(Action::StartPostCopy, about));
        }
        if limits.allow_workload_disruption {
            return Some(self.raise(now, DOWNTIME_MAX_MS, about));
        }
        let max = self.spec.max_downtime_ms as f64 / 1e3;
        if estimate <= max * self.spec.precopy_possible_factor {
            return Some(self.raise(now, self.spec.max_downtime_ms, about));
        }
        let about = format!(
            "{about}: more than {} times the maximum of {max} s",
            self.spec.precopy_possible_factor
        );
        Some(self.ends(Action::Cancel, about))
    }

    /// A look at the clock.
    fn at_time(&mut self, now: Duration, remaining: u64) -> Option<Decision> {
        if let Some(until) = self.awaiting {
            let about = "the raised limit has not led to the switch-over in time".to_owned();
            return (now > until).then(|| self.ends(Action::Cancel, about));
        }
        let completion = self.completion.filter(|completion| now > *completion)?;
        let about = format!(
            "not complete after the completion timeout of {:.1} s",
            completion.as_secs_f64()
        );
        let limits = self.spec.limits;
        let estimate = self.bandwidth.seconds_for(remaining);
        if self.bandwidth.is_known() && self.fits(now, estimate) {
            if limits.allow_post_copy {
                return Some(self.ends(Action::StartPostCopy, about));
            }
            if limits.allow_workload_disruption {
                return Some(self.raise(now, DOWNTIME_MAX_MS, about));
            }
        }
        Some(self.ends(Action::Cancel, about))
    }

    fn raise(&mut self, now: Duration, ms: u64, reason: String) -> Decision {
        self.awaiting = Some(now.saturating_add(self.spec.switchover_timeout));
        Decision {
            action: Action::Set(Setting::DowntimeLimit { ms }),
            reason,
        }
    }

    fn ends(&mut self, action: Action, reason: String) -> Decision {
        self.ended = true;
        Decision { action, reason }
    }
}

impl Policy for Detector {
    fn name(&self) -> &'static str {
        "kubevirt-stall"
    }

    fn needs(&self) -> Needs {
        stall_needs(&self.spec)
    }

    fn first_action_at(&self) -> Option<Duration> {
        Some(stall_first_action_at(&self.spec, self.completion))
    }

    fn forces_at(&self) -> Option<Duration> {
        let limits = self.spec.limits;
        match (limits.allow_workload_disruption, limits.allow_post_copy) {
            (true, _) => self.first_action_at(),
            (false, true) => self.completion,
            (false, false) => None,
        }
    }

    fn on_progress(&mut self, now: Duration, progress: &Progress) -> Vec<Decision> {
        self.ended |= progress.in_post_copy();
        if self.ended || !progress.is_active() {
            return Vec::new();
        }
        // The first pass begins with the migration and ends nothing.
        let ended_one = progress.pass > self.pass.max(1);
        self.pass = self.pass.max(progress.pass);
        let looks = self.poll.is_due(now);
        let remaining = progress.remaining_bytes;
        if looks && !ended_one {
            self.bandwidth.sample(progress.throughput_bps);
        }
        let by_pass = if ended_one && self.awaiting.is_none() {
            self.at_pass(now, remaining)
        } else {
            None
        };
        let decision = by_pass.or_else(|| {
            (looks || ended_one)
                .then(|| self.at_time(now, remaining))
                .flatten()
        });
        decision.into_iter().collect()
    }
}
