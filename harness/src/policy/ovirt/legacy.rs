//! `vdsm-legacy`: vdsm without a schedule of the engine (vdsm 4.2, `lib/vdsm/virt/migration.py`; later ones always have a schedule): an
//! exponential downtime ramp that begins at the first stall, and two reasons to give up.

use std::time::Duration;

use super::Stalls;
use crate::policy::pace::Poll;
use crate::policy::{Action, Decision, Needs, Policy, Setting, Subject};
use crate::progress::Progress;
use crate::spec::VdsmLegacySpec;

/// A monitor that looks every ten seconds, and a thread that raises the limit by its own clock.
pub(in crate::policy) struct VdsmLegacy {
    spec: VdsmLegacySpec,
    /// ms; the first holds from the begin.
    downtimes: Vec<u64>,
    /// Between two of them.
    wait: Duration,
    max_time: Option<Duration>,
    poll: Poll,
    stalls: Stalls,
    low_mark: Option<u64>,
    low_since: Duration,
    /// When the first stall was seen.
    ramp_since: Option<Duration>,
    /// How many of the downtimes were set.
    set: usize,
    ended: bool,
}

impl VdsmLegacy {
    pub(in crate::policy) fn new(spec: VdsmLegacySpec, subject: Subject) -> Self {
        let steps = f64::from(spec.downtime_steps.max(1));
        let gib = (subject.memory_bytes >> 20) as f64 / 1024.0;
        let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        let wait = seconds(spec.downtime_delay_per_gib.as_secs_f64() * gib / steps);
        let max_time = seconds((spec.max_time_per_gib.as_secs_f64() * gib).ceil());
        VdsmLegacy {
            downtimes: downtimes(spec.downtime_ms, spec.downtime_steps),
            wait: wait.min(WAIT_MAX),
            max_time: (!max_time.is_zero()).then_some(max_time),
            poll: Poll::after(spec.monitor_interval),
            spec,
            stalls: Stalls::default(),
            low_mark: None,
            low_since: Duration::ZERO,
            ramp_since: None,
            set: 1,
            ended: false,
        }
    }

    /// What the monitor decides.
    fn looks(&mut self, now: Duration, remaining: u64) -> Option<Decision> {
        let cancel = |reason| Decision {
            action: Action::Cancel,
            reason,
        };
        if let Some(max_time) = self.max_time.filter(|max_time| now > *max_time) {
            let reason = format!(
                "exceeds the maximum time of {} s for this guest's memory",
                max_time.as_secs()
            );
            return Some(cancel(reason));
        }
        if self.low_mark.is_none_or(|low_mark| low_mark > remaining) {
            self.low_mark = Some(remaining);
            self.low_since = now;
        }
        if self.stalls.rose(remaining) && self.stalls.count == 1 {
            self.ramp_since = Some(now);
        }
        let still = now.saturating_sub(self.low_since);
        let is_stuck = still > self.spec.progress_timeout;
        is_stuck.then(|| {
            cancel(format!(
                "stuck: no new low mark for {:.1} s",
                still.as_secs_f64()
            ))
        })
    }

    /// What the thread has set by now.
    fn climbs(&mut self, now: Duration) -> Option<Decision> {
        let since = now.checked_sub(self.ramp_since?)?;
        let waits = since.as_nanos() / self.wait.as_nanos().max(1);
        // The first was set at the begin, the second is set at once.
        let due = usize::try_from(waits)
            .unwrap_or(usize::MAX)
            .saturating_add(2)
            .min(self.downtimes.len());
        if due <= self.set {
            return None;
        }
        self.set = due;
        Some(Decision {
            action: Action::Set(Setting::DowntimeLimit {
                ms: self.downtimes[due - 1],
            }),
            reason: format!(
                "step {due} of {} since the first stall",
                self.downtimes.len()
            ),
        })
    }
}

impl Policy for VdsmLegacy {
    fn name(&self) -> &'static str {
        "vdsm-legacy"
    }

    fn needs(&self) -> Needs {
        let first = self.downtimes.first();
        Needs {
            settings: first
                .map(|ms| Setting::DowntimeLimit { ms: *ms })
                .into_iter()
                .collect(),
            ..Needs::default()
        }
    }

    fn first_action_at(&self) -> Option<Duration> {
        let first = self.downtimes.first()?;
        let rise = self.downtimes.iter().position(|ms| ms > first);
        // The first rise is seen at the second look; the second limit is set at once.
        let climbs = rise.map(|index| {
            let waits = u32::try_from(index.saturating_sub(1)).unwrap_or(u32::MAX);
            let waited = self.wait.saturating_mul(waits);
            self.spec
                .monitor_interval
                .saturating_mul(2)
                .saturating_add(waited)
        });
        [climbs, self.max_time, Some(self.spec.progress_timeout)]
            .into_iter()
            .flatten()
            .min()
    }

    fn on_progress(&mut self, now: Duration, progress: &Progress) -> Vec<Decision> {
        self.ended |= progress.in_post_copy();
        if self.ended || !progress.is_active() {
            return Vec::new();
        }
        if self.poll.is_due(now)
            && let Some(decision) = self.looks(now, progress.remaining_bytes)
        {
            self.ended = true;
            return vec![decision];
        }
        self.climbs(now).into_iter().collect()
    }
}

/// `int(D/N + b^i)` for i from 0, with `b = (D - D/N)^(1/(N-1))`: floating point decides whether the last one reaches D.
fn downtimes(downtime_ms: u64, steps: u32) -> Vec<u64> {
    if steps <= 1 {
        return vec![downtime_ms];
    }
    let downtime = downtime_ms as f64;
    let offset = downtime / f64::from(steps);
    let base = (downtime - offset).powf(1.0 / f64::from(steps - 1));
    (0..steps)
        .map(|index| (offset + base.powf(f64::from(index))) as u64)
        .collect()
}

/// Longest wait between two steps.
const WAIT_MAX: Duration = Duration::from_mins(1);
