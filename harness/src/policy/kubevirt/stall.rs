//! `kubevirt-stall` with `rule = "vep"`, as VEP 248 proposed it: once what remains has stopped to fall, switch over at a local minimum of it.
//!
//! Nothing of it follows the switch to post-copy.

use std::collections::BTreeSet;
use std::time::Duration;

use super::bandwidth::Bandwidth;
use super::{INTERVAL, completion_timeout, stall_first_action_at, stall_needs};
use crate::policy::pace::Poll;
use crate::policy::{Action, DOWNTIME_MAX_MS, Decision, Needs, Policy, Setting, Subject};
use crate::progress::Progress;
use crate::spec::KubevirtStallSpec;

mod window;

use window::Window;

/// Looks at each new pass, and at the clock every 400 ms.
pub(in crate::policy) struct Stall {
    spec: KubevirtStallSpec,
    /// T; none when it is off.
    completion: Option<Duration>,
    poll: Poll,
    pass: u64,
    window: Window,
    stalled: Option<Stalled>,
    bandwidth: Bandwidth,
    /// When to give up on a limit that was raised.
    awaiting: Option<Duration>,
    ended: bool,
}

/// What is waited for.
struct Stalled {
    best: u64,
    history: BTreeSet<u64>,
    patience: Duration,
    until: Duration,
}

impl Stall {
    pub(in crate::policy) fn new(spec: KubevirtStallSpec, subject: Subject) -> Self {
        Stall {
            spec,
            completion: completion_timeout(spec.limits.completion_timeout_per_gib, subject),
            poll: Poll::at_once(INTERVAL),
            pass: 0,
            window: Window::new(spec.limits.progress_timeout),
            stalled: None,
            bandwidth: Bandwidth::new(spec.ewma_alpha),
            awaiting: None,
            ended: false,
        }
    }

    fn margin(&self) -> f64 {
        f64::from(self.spec.stall_margin_percent) / 100.0
    }

    /// Whether `implied` seconds fit into what is left of `factor` times the completion timeout, in the guest's seconds.
    fn fits(&self, now: Duration, implied: f64) -> bool {
        let Some(completion) = self.completion else {
            return true;
        };
        let budget = completion.as_secs_f64() * self.spec.completion_timeout_factor;
        implied <= (budget - now.as_secs_f64()) * self.spec.time_scale
    }

    fn at_pass(&mut self, now: Duration, remaining: u64) -> Option<Decision> {
        let margin = self.margin();
        let (old, young) = self.window.record(now, remaining);
        let Some(stalled) = &mut self.stalled else {
            let old = old.filter(|old| remaining as f64 >= *old as f64 * (1.0 - margin))?;
            let (best, worst) = (old.min(young), old.max(young));
            self.stalled = Some(Stalled {
                best,
                history: BTreeSet::new(),
                patience: self.spec.limits.progress_timeout,
                until: now.saturating_add(self.spec.limits.progress_timeout),
            });
            if !self.spec.search_local_minima {
                return self.switch(now, remaining);
            }
            let is_flat = 1.0 - best as f64 / (worst as f64).max(1.0) < margin;
            return is_flat.then(|| self.switch(now, best)).flatten();
        };
        if !self.spec.search_local_minima {
            return self.switch(now, remaining);
        }
        stalled.history.insert(remaining);
        if stalled.is_near(remaining, margin) || stalled.relaxes(now, &self.spec, remaining, margin)
        {
            let best = stalled.best;
            return self.switch(now, best);
        }
        None
    }

    /// The switch-over at what remains here or remained at its best; none when it must wait.
    fn switch(&mut self, now: Duration, bytes: u64) -> Option<Decision> {
        let implied = self.bandwidth.seconds_for(bytes);
        let limits = self.spec.limits;
        let about = format!("stalled, and {} MiB take {implied:.2} s", bytes >> 20);
        if limits.allow_post_copy || limits.allow_workload_disruption {
            return self.fits(now, implied).then(|| {
                if limits.allow_post_copy {
                    self.ended = true;
                    return Decision {
                        action: Action::StartPostCopy,
                        reason: about,
                    };
                }
                self.raise(now, DOWNTIME_MAX_MS, about)
            });
        }
        let max = self.spec.max_downtime_ms as f64 / 1e3;
        if implied <= max * self.spec.precopy_possible_factor {
            return Some(self.raise(now, self.spec.max_downtime_ms, about));
        }
        self.ended = true;
        Some(Decision {
            action: Action::Cancel,
            reason: format!(
                "{about}: more than {} times the maximum of {max} s",
                self.spec.precopy_possible_factor
            ),
        })
    }

    fn raise(&mut self, now: Duration, ms: u64, reason: String) -> Decision {
        self.awaiting = Some(now.saturating_add(self.spec.switchover_timeout));
        Decision {
            action: Action::Set(Setting::DowntimeLimit { ms }),
            reason,
        }
    }

    /// The rule of the clock.
    fn at_time(&mut self, now: Duration, remaining: u64) -> Option<Decision> {
        let cancel = |reason: String| {
            Some(Decision {
                action: Action::Cancel,
                reason,
            })
        };
        if let Some(until) = self.awaiting {
            if now < until {
                return None;
            }
            self.ended = true;
            return cancel("the raised limit has not led to the switch-over in time".to_owned());
        }
        let completion = self.completion.filter(|completion| now >= *completion)?;
        let about = format!(
            "not complete after the completion timeout of {:.1} s",
            completion.as_secs_f64()
        );
        let rest = completion.as_secs_f64() * (self.spec.completion_timeout_factor - 1.0);
        let fits = self.bandwidth.seconds_for(remaining) <= rest * self.spec.time_scale;
        if fits && self.spec.limits.allow_post_copy {
            self.ended = true;
            return Some(Decision {
                action: Action::StartPostCopy,
                reason: about,
            });
        }
        if fits && self.spec.limits.allow_workload_disruption {
            return Some(self.raise(now, DOWNTIME_MAX_MS, about));
        }
        self.ended = true;
        cancel(about)
    }
}

impl Stalled {
    fn is_near(&self, remaining: u64, margin: f64) -> bool {
        remaining as f64 <= self.best as f64 * (1.0 + margin)
    }

    /// When patience is over: aims at the next larger of what was seen since. Whether that is here.
    fn relaxes(
        &mut self,
        now: Duration,
        spec: &KubevirtStallSpec,
        remaining: u64,
        margin: f64,
    ) -> bool {
        if now < self.until {
            return false;
        }
        let next = self.history.iter().find(|seen| **seen > self.best).copied();
        if let Some(next) = next {
            self.best = next;
            self.history.remove(&next);
        }
        let patience = self.patience.as_secs_f64() * spec.patience_window_decay_factor;
        self.patience = Duration::try_from_secs_f64(patience)
            .unwrap_or(PATIENCE_MIN)
            .max(PATIENCE_MIN);
        self.until = now.saturating_add(self.patience);
        self.is_near(remaining, margin)
    }
}

impl Policy for Stall {
    fn name(&self) -> &'static str {
        "kubevirt-stall"
    }

    fn needs(&self) -> Needs {
        stall_needs(&self.spec)
    }

    fn first_action_at(&self) -> Option<Duration> {
        Some(stall_first_action_at(&self.spec, self.completion))
    }

    fn on_progress(&mut self, now: Duration, progress: &Progress) -> Vec<Decision> {
        self.ended |= progress.in_post_copy();
        if self.ended || !progress.is_active() {
            return Vec::new();
        }
        let looks = self.poll.is_due(now);
        if looks {
            self.bandwidth.sample(progress.throughput_bps);
        }
        // The first pass begins with the migration and ends nothing.
        let ended_one = progress.pass > self.pass.max(1);
        self.pass = self.pass.max(progress.pass);
        let remaining = progress.remaining_bytes;
        let by_clock = if looks || ended_one {
            self.at_time(now, remaining)
        } else {
            None
        };
        let decision = by_clock.or_else(|| {
            let decides = ended_one && self.awaiting.is_none() && !self.ended;
            decides.then(|| self.at_pass(now, remaining)).flatten()
        });
        decision.into_iter().collect()
    }
}

/// Patience never gets shorter.
const PATIENCE_MIN: Duration = Duration::from_secs(1);
