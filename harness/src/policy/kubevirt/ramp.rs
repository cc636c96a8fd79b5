//! `kubevirt-ramp`: dynamic downtime tuning (`tuneDowntime`, gate `MigrationDowntimeTuning` of 1.10; VEP 291): after some iterations, one
//! step every cooldown, which the code counts from the first limit on, and the proposal from the iteration.

use std::time::Duration;

use super::INTERVAL;
use super::limits::Limits;
use crate::policy::pace::Poll;
use crate::policy::{Action, Decision, Needs, Policy, Setting, Subject, Throttle};
use crate::progress::Progress;
use crate::spec::{KubevirtRampSpec, KubevirtRule};

/// Raises the limit; `KubeVirt`'s own timeouts go on around it.
pub(in crate::policy) struct Ramp {
    spec: KubevirtRampSpec,
    limits: Limits,
    poll: Poll,
    /// ms; none before the first look.
    limit_ms: Option<u64>,
    /// Since when it has been cooling down.
    since: Option<Duration>,
    ended: bool,
}

impl Ramp {
    pub(in crate::policy) fn new(spec: KubevirtRampSpec, subject: Subject) -> Self {
        Ramp {
            spec,
            limits: Limits::new(spec.limits, spec.rule, subject),
            poll: Poll::at_once(INTERVAL),
            limit_ms: None,
            since: None,
            ended: false,
        }
    }

    fn tune(&mut self, now: Duration, pass: u64) -> Option<Decision> {
        let Some(limit_ms) = self.limit_ms else {
            self.since = match self.spec.rule {
                KubevirtRule::Code => Some(now),
                KubevirtRule::Vep => None,
            };
            let ms = self.spec.initial_ms.min(self.spec.max_downtime_ms);
            return Some(self.set(ms, "the first limit".to_owned()));
        };
        if pass < u64::from(self.spec.start_after_iteration) {
            return None;
        }
        let since = *self.since.get_or_insert(now);
        if limit_ms >= self.spec.max_downtime_ms || now.saturating_sub(since) < self.spec.cooldown {
            return None;
        }
        self.since = Some(now);
        let ms = limit_ms
            .saturating_add(self.step_ms())
            .min(self.spec.max_downtime_ms);
        let reason = format!(
            "{:.1} s since the last step, in iteration {pass}",
            now.saturating_sub(since).as_secs_f64()
        );
        Some(self.set(ms, reason))
    }

    fn set(&mut self, ms: u64, reason: String) -> Decision {
        self.limit_ms = Some(ms);
        Decision {
            action: Action::Set(Setting::DowntimeLimit { ms }),
            reason,
        }
    }

    fn step_ms(&self) -> u64 {
        let way = self
            .spec
            .max_downtime_ms
            .saturating_sub(self.spec.initial_ms);
        let divisor = self.spec.divisor.unwrap_or(match self.spec.rule {
            KubevirtRule::Code => self.spec.steps,
            KubevirtRule::Vep => self.spec.steps.saturating_sub(1),
        });
        (way / u64::from(divisor.max(1))).max(1)
    }
}

impl Policy for Ramp {
    fn name(&self) -> &'static str {
        "kubevirt-ramp"
    }

    fn needs(&self) -> Needs {
        Needs {
            post_copy: self.spec.limits.allow_post_copy,
            throttle: self
                .spec
                .limits
                .allow_auto_converge
                .then_some(Throttle::DEFAULT),
            ..Needs::default()
        }
    }

    fn first_action_at(&self) -> Option<Duration> {
        let rises = self.spec.initial_ms < self.spec.max_downtime_ms;
        let rise = rises.then_some(self.spec.cooldown);
        self.limits.first_action_at().into_iter().chain(rise).min()
    }

    fn forces_at(&self) -> Option<Duration> {
        self.limits.forces_at()
    }

    fn on_progress(&mut self, now: Duration, progress: &Progress) -> Vec<Decision> {
        self.ended |= progress.in_post_copy();
        if self.ended || !progress.is_active() || !self.poll.is_due(now) {
            return Vec::new();
        }
        if let Some(decision) = self.limits.decide(now, progress.remaining_bytes) {
            self.ended = decision.action != Action::Pause;
            return vec![decision];
        }
        self.tune(now, progress.pass).into_iter().collect()
    }
}
