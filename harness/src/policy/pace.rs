//! A peer's times: how often it looks, and all of them longer or shorter by a factor.

use std::time::Duration;

use super::{Decision, Needs, Policy};
use crate::progress::Progress;

/// A loop of the peer that looks every so often. Readings come more often than it looks.
pub(super) struct Poll {
    every: Duration,
    next: Duration,
}

impl Poll {
    /// Looks, then sleeps.
    pub(super) fn at_once(every: Duration) -> Self {
        Poll {
            every,
            next: Duration::ZERO,
        }
    }

    /// Sleeps, then looks.
    pub(super) fn after(every: Duration) -> Self {
        Poll { every, next: every }
    }

    /// Whether it looks at this reading, the first one since it was due. A late reading does not put off the next.
    pub(super) fn is_due(&mut self, now: Duration) -> bool {
        let Some(late) = now.checked_sub(self.next) else {
            return false;
        };
        let late = late.as_nanos();
        let every = self.every.as_nanos().max(1);
        let step = every - late % every;
        let step = Duration::from_nanos(u64::try_from(step).unwrap_or(u64::MAX));
        self.next = now.saturating_add(step);
        true
    }

    /// Looks more seldom or more often from now on.
    pub(super) fn set_every(&mut self, now: Duration, every: Duration) {
        self.every = every;
        self.next = now.saturating_add(every);
    }
}

/// A peer whose clock runs slower or faster, so that a small guest sees what a large one would.
pub(super) struct Scaled<P> {
    policy: P,
    factor: f64,
    told: bool,
}

impl<P: Policy> Scaled<P> {
    /// All times of `policy` times `factor`, which must be positive; else they stay as they are.
    pub(super) fn new(policy: P, factor: f64) -> Self {
        let factor = if factor.is_finite() && factor > 0.0 {
            factor
        } else {
            1.0
        };
        Scaled {
            policy,
            factor,
            told: is_one(factor),
        }
    }

    /// What the clock here shows at a time of the peer's.
    fn scaled(&self, at: Duration) -> Duration {
        if is_one(self.factor) {
            return at;
        }
        let at = Duration::try_from_secs_f64(at.as_secs_f64() * self.factor);
        at.unwrap_or(Duration::MAX)
    }
}

impl<P: Policy> Policy for Scaled<P> {
    fn name(&self) -> &'static str {
        self.policy.name()
    }

    fn needs(&self) -> Needs {
        self.policy.needs()
    }

    fn needs_readings(&self) -> bool {
        self.policy.needs_readings()
    }

    fn first_action_at(&self) -> Option<Duration> {
        Some(self.scaled(self.policy.first_action_at()?))
    }

    fn forces_at(&self) -> Option<Duration> {
        Some(self.scaled(self.policy.forces_at()?))
    }

    fn on_progress(&mut self, now: Duration, progress: &Progress) -> Vec<Decision> {
        let mut decisions = self
            .policy
            .on_progress(unscaled(now, self.factor), progress);
        if let (false, Some(first)) = (self.told, decisions.first_mut()) {
            self.told = true;
            let note = format!(" (times are the peer's, here × {})", self.factor);
            first.reason.push_str(&note);
        }
        decisions
    }
}

fn is_one(factor: f64) -> bool {
    (factor - 1.0).abs() < f64::EPSILON
}

/// What the peer's clock shows.
fn unscaled(now: Duration, factor: f64) -> Duration {
    if is_one(factor) {
        return now;
    }
    Duration::try_from_secs_f64(now.as_secs_f64() / factor).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Readings every 0.3 s, a loop of 0.5 s: the first reading at or after 0, 0.5, 1.0, 1.5.
    #[test]
    fn a_loop_keeps_its_own_pace() {
        let mut poll = Poll::at_once(Duration::from_millis(500));
        let looked: Vec<u64> = (0..6)
            .map(|n| n * 300)
            .filter(|ms| poll.is_due(Duration::from_millis(*ms)))
            .collect();
        assert_eq!(looked, [0, 600, 1200, 1500]);
        let mut poll = Poll::after(Duration::from_secs(10));
        assert!(!poll.is_due(Duration::from_millis(9999)));
        assert!(poll.is_due(Duration::from_secs(39)));
        assert!(!poll.is_due(Duration::from_millis(39_999)));
        assert!(poll.is_due(Duration::from_secs(40)));
    }

    #[test]
    fn a_hundredth_of_a_second_is_a_second_of_the_peer() {
        assert_eq!(
            unscaled(Duration::from_secs(6), 0.01),
            Duration::from_mins(10)
        );
        assert_eq!(unscaled(Duration::MAX, 1e-9), Duration::MAX);
    }
}
