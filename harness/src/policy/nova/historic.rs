//! `nova-historic`: Nova with its own switch to post-copy (nova, commit 1651850f6f, removed in 4c3698c0b6).
//!
//! The rule was written for progress per iteration, and the code compared what remains at two looks half a second apart.

use std::time::Duration;

use super::{INTERVAL, Ramp, completion_timeout};
use crate::policy::pace::Poll;
use crate::policy::{Action, Decision, Needs, Policy, Subject};
use crate::progress::Progress;
use crate::spec::NovaHistoricSpec;

/// Looks twice a second: whether to give up, whether to switch, where the ramp stands.
pub(in crate::policy) struct NovaHistoric {
    spec: NovaHistoricSpec,
    ramp: Ramp,
    completion_timeout: Option<Duration>,
    poll: Poll,
    /// What remained at the last look.
    previous: Option<u64>,
    /// The least that ever remained, and since when.
    watermark: Option<(u64, Duration)>,
    ended: bool,
}

impl NovaHistoric {
    pub(in crate::policy) fn new(spec: NovaHistoricSpec, subject: Subject) -> Self {
        NovaHistoric {
            spec,
            ramp: Ramp::new(spec.ramp, subject),
            completion_timeout: completion_timeout(spec.completion_timeout_per_gib, subject),
            poll: Poll::at_once(INTERVAL),
            previous: None,
            watermark: None,
            ended: false,
        }
    }

    fn gives_up(&mut self, now: Duration, remaining: u64) -> Option<Decision> {
        let low = self
            .watermark
            .filter(|(least, _)| *least != 0 && *least <= remaining);
        let (_, since) = *self.watermark.insert(low.unwrap_or((remaining, now)));
        let still = now.saturating_sub(since);
        let reason = if !self.spec.progress_timeout.is_zero() && still > self.spec.progress_timeout
        {
            format!("no progress for {:.1} s", still.as_secs_f64())
        } else {
            let timeout = self.completion_timeout.filter(|timeout| now > *timeout)?;
            format!("not complete after {} s", timeout.as_secs())
        };
        Some(Decision {
            action: Action::Cancel,
            reason,
        })
    }

    fn switches(&self, progress: &Progress) -> Option<Decision> {
        let previous = self.previous.filter(|previous| *previous > 0)?;
        if !self.spec.permit_post_copy || progress.pass <= 1 {
            return None;
        }
        let done = previous as f64 - progress.remaining_bytes as f64;
        let percent = (done * 100.0 / previous as f64).round_ties_even();
        (percent < PROGRESS_LEAST).then(|| Decision {
            action: Action::StartPostCopy,
            reason: format!(
                "a progress of {percent} % since the last look, in pass {}: below {PROGRESS_LEAST} %",
                progress.pass
            ),
        })
    }
}

impl Policy for NovaHistoric {
    fn name(&self) -> &'static str {
        "nova-historic"
    }

    fn needs(&self) -> Needs {
        Needs {
            post_copy: self.spec.permit_post_copy,
            ..Needs::default()
        }
    }

    fn first_action_at(&self) -> Option<Duration> {
        let by_progress = self.spec.permit_post_copy.then_some(INTERVAL);
        let progress_timeout = self.spec.progress_timeout;
        let stuck = (!progress_timeout.is_zero()).then_some(progress_timeout);
        [by_progress, stuck, self.completion_timeout]
            .into_iter()
            .flatten()
            .chain(self.ramp.first_rise())
            .min()
    }

    fn on_progress(&mut self, now: Duration, progress: &Progress) -> Vec<Decision> {
        self.ended |= progress.in_post_copy();
        if self.ended || !progress.is_active() || !self.poll.is_due(now) {
            return Vec::new();
        }
        let decision = self
            .gives_up(now, progress.remaining_bytes)
            .or_else(|| self.switches(progress));
        self.previous = Some(progress.remaining_bytes);
        if let Some(decision) = decision {
            self.ended = true;
            return vec![decision];
        }
        self.ramp.step(now).into_iter().collect()
    }
}

/// Percent that must be done between two looks after the first pass.
const PROGRESS_LEAST: f64 = 10.0;
