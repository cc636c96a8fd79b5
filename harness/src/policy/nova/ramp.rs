//! The downtime ramp: a list of points, made before the migration.

use std::time::Duration;

use super::data_gb;
use crate::policy::{Action, Decision, Setting, Subject};
use crate::spec::NovaRamp;

/// Where the limit stands on its way up.
pub(super) struct Ramp {
    /// From when on, and ms. One more than there are steps.
    points: Vec<(Duration, u64)>,
    /// ms; Nova does not know what holds before the first point.
    set: Option<u64>,
}

impl Ramp {
    pub(super) fn new(options: NovaRamp, subject: Subject) -> Self {
        let steps = options.steps.max(1);
        let delay = (options.delay_per_gib.as_secs_f64() * data_gb(subject)).trunc();
        let downtime = options.downtime_ms as f64;
        let base = downtime / f64::from(steps);
        let offset = (downtime - base) / f64::from(steps);
        let point = |index: u32| {
            let at = Duration::try_from_secs_f64(delay * f64::from(index));
            // Truncated as Nova's int() does; the values are positive.
            let ms = (base + offset * f64::from(index)) as u64;
            (at.unwrap_or(Duration::MAX), ms)
        };
        Ramp {
            points: (0..=steps).map(point).collect(),
            set: None,
        }
    }

    /// From when on the limit is above the first one.
    pub(super) fn first_rise(&self) -> Option<Duration> {
        let (_, first) = *self.points.first()?;
        let above = self.points.iter().find(|(_, ms)| *ms > first);
        above.map(|(at, _)| *at)
    }

    /// The last point that lies before `now`, if its limit is another one.
    pub(super) fn step(&mut self, now: Duration) -> Option<Decision> {
        let passed = self.points.iter().rposition(|(at, _)| now > *at)?;
        let (at, ms) = self.points[passed];
        if self.set == Some(ms) {
            return None;
        }
        self.set = Some(ms);
        Some(Decision {
            action: Action::Set(Setting::DowntimeLimit { ms }),
            reason: format!(
                "step {passed} of {} of the downtime ramp, from {} s on",
                self.points.len() - 1,
                at.as_secs()
            ),
        })
    }
}
