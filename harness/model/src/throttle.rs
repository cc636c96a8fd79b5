//! Auto-converge: `migration_trigger_throttle` and `mig_throttle_guest_down` (`migration/ram.c`), `cpu-throttle.c`.

use crate::settings::ThrottleSettings;

/// The throttle of all vCPUs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Throttle {
    percentage: u32,
    /// Looks in which the guest was found too fast, since the last raise (`dirty_rate_high_cnt`).
    high: u32,
}

impl Throttle {
    /// Percent of the time that vCPUs sleep.
    pub(crate) fn percentage(self) -> u32 {
        self.percentage
    }

    /// Raises it where the guest dirtied more than the threshold's share of what was sent, for the second time.
    pub(crate) fn look(&mut self, settings: ThrottleSettings, dirtied_bytes: f64, sent_bytes: f64) {
        let threshold = sent_bytes * f64::from(settings.trigger_threshold) / 100.0;
        if dirtied_bytes <= threshold {
            return;
        }
        self.high += 1;
        if self.high < 2 {
            return;
        }
        self.high = 0;
        self.percentage = if self.percentage == 0 {
            settings.initial
        } else {
            let now = f64::from(100 - self.percentage);
            let ideal = now * threshold / dirtied_bytes;
            let increment = if settings.tailslow {
                ((now - ideal) as u32).min(settings.increment)
            } else {
                settings.increment
            };
            (self.percentage + increment).min(settings.max)
        }
        .clamp(LEAST, MOST);
    }

    /// `cpu_throttle_stop`.
    pub(crate) fn stop(&mut self) {
        *self = Self::default();
    }
}

/// `CPU_THROTTLE_PCT_MIN`.
const LEAST: u32 = 1;
/// `CPU_THROTTLE_PCT_MAX`.
const MOST: u32 = 99;

#[cfg(test)]
mod tests {
    use super::*;

    // From the rule: each second look in which more than half of what was sent was dirtied raises it, first to 20,
    // then by 10, up to 99.
    #[test]
    fn rises_at_every_second_look() {
        let settings = ThrottleSettings::default();
        let mut throttle = Throttle::default();
        let mut seen = Vec::new();
        for _ in 0..20 {
            throttle.look(settings, 51.0, 100.0);
            seen.push(throttle.percentage());
        }
        assert_eq!(seen[..6], [0, 20, 20, 30, 30, 40]);
        assert_eq!(seen[19], 99);
        throttle.stop();
        throttle.look(settings, 50.0, 100.0);
        throttle.look(settings, 50.0, 100.0);
        assert_eq!(throttle.percentage(), 0);
    }

    // From the rule: at 20 %, dirtying 60 where 50 are allowed wants 80 * 50/60 = 66.7 of the CPU, 13 less; no
    // more than the increment.
    #[test]
    fn tailslow_takes_only_what_is_needed() {
        let settings = ThrottleSettings {
            tailslow: true,
            increment: 20,
            ..ThrottleSettings::default()
        };
        let mut throttle = Throttle::default();
        for dirtied in [60.0, 60.0, 60.0, 60.0] {
            throttle.look(settings, dirtied, 100.0);
        }
        assert_eq!(throttle.percentage(), 33);
    }
}
