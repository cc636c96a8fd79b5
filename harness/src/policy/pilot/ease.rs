//! Easing off: for a moment less is sent than the link carries, so that the buffers on the way run empty before the guest stops and waits for
//! what is in them.

/// Whether it eases off, and since when.
#[derive(Debug, Default)]
pub(super) struct Ease {
    since: Option<f64>,
}

/// What to do about the limit on the stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Change {
    /// Send so many bytes per second.
    Ease(f64),
    /// Send what the scenario allows.
    Lift,
}

impl Ease {
    pub(super) fn is_on(&self) -> bool {
        self.since.is_some()
    }

    /// Bytes that are still in the buffers.
    pub(super) fn left(&self, now: f64, in_flight: f64, bandwidth: f64) -> f64 {
        let drained = self.since.map_or(0.0, |since| {
            (now - since).max(0.0) * bandwidth * (1.0 - SHARE)
        });
        let burst = self.since.map_or(0.0, |_| bandwidth * SHARE * BURST);
        (in_flight - drained).max(burst)
    }

    /// Bytes that will be in them when a pass ends.
    pub(super) fn at_the_end(in_flight: f64, bandwidth: f64, goal: f64) -> f64 {
        if matters(in_flight, bandwidth, goal) {
            bandwidth * SHARE * BURST
        } else {
            in_flight
        }
    }

    /// Bytes per second that are sent.
    pub(super) fn rate(&self, bandwidth: f64) -> f64 {
        bandwidth * if self.is_on() { SHARE } else { 1.0 }
    }

    /// With `remaining` bytes of the pass, buffers of `in_flight` bytes, and a goal in seconds.
    pub(super) fn change(
        &mut self,
        now: f64,
        remaining: f64,
        in_flight: f64,
        bandwidth: f64,
        goal: f64,
    ) -> Option<Change> {
        if !matters(in_flight, bandwidth, goal) {
            return None;
        }
        // The guest may stop as long before the end of the pass as the goal allows.
        let takes = in_flight / (bandwidth * (1.0 - SHARE)) + goal;
        let end = remaining / bandwidth;
        match self.since {
            None if end <= takes => {
                self.since = Some(now);
                Some(Change::Ease(bandwidth * SHARE))
            }
            // Far more is left than the buffers need to run empty: another pass has begun.
            Some(_) if end > takes * FAR => {
                self.since = None;
                Some(Change::Lift)
            }
            _ => None,
        }
    }
}

fn matters(in_flight: f64, bandwidth: f64, goal: f64) -> bool {
    in_flight / bandwidth >= (goal * MATTERS).max(BURST)
}

/// Share of the bandwidth that is used meanwhile.
const SHARE: f64 = 0.7;
/// Share of the goal from which on buffers matter.
const MATTERS: f64 = 0.25;
/// Seconds of the bursts in which the hypervisor sends under a limit: no buffer gets emptier than those.
const BURST: f64 = 0.1;
/// How many times longer a pass must be for all of the bandwidth to be worth having.
const FAR: f64 = 2.0;

#[cfg(test)]
mod tests {
    use super::*;

    // 4 MB at 10 MB/s are more than the goal; at 7 MB/s they run empty in 1.33 s, and 0.3 s more are the time of 16.3 MB.
    #[test]
    fn it_begins_just_in_time_and_ends_with_a_long_pass() {
        let mut ease = Ease::default();
        let mut change = |now, remaining| ease.change(now, remaining, 4e6, 1e7, 0.3);
        assert_eq!(change(0.0, 17e6), None);
        assert_eq!(change(1.0, 16e6), Some(Change::Ease(7e6)));
        assert_eq!(change(2.0, 5e6), None);
        assert_eq!(change(3.0, 20e6), None);
        assert_eq!(change(3.0, 33e6), Some(Change::Lift));
        assert_eq!(change(3.1, 33e6), None);
    }

    #[test]
    fn the_buffers_run_empty() {
        let mut ease = Ease::default();
        assert!((ease.left(9.0, 4e6, 1e7) - 4e6).abs() < 1.0);
        ease.change(1.0, 0.0, 4e6, 1e7, 0.3);
        assert!((ease.left(2.0, 4e6, 1e7) - 1e6).abs() < 1.0);
        assert!((ease.left(3.0, 4e6, 1e7) - 0.7e6).abs() < 1.0);
        assert!((ease.rate(1e7) - 7e6).abs() < 1.0);
    }

    #[test]
    fn small_buffers_do_not_matter() {
        assert_eq!(Ease::default().change(0.0, 0.0, 5e5, 1e7, 0.3), None);
    }
}
