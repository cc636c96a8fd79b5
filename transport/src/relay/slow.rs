//! Slowness on purpose: a sleep for each MiB, so that a comparison or a gate can be shown a known difference.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Sleeps as much as the bytes so far ask for, in naps that a timer can keep.
#[derive(Debug)]
pub(super) struct Slowness {
    per_mib: Duration,
    due: Duration,
    slept: Duration,
}

impl Slowness {
    pub(super) fn new(per_mib: Duration) -> Self {
        Slowness {
            per_mib,
            due: Duration::ZERO,
            slept: Duration::ZERO,
        }
    }

    /// To be called after each transfer. What a nap takes too long is made up for by the next ones.
    pub(super) async fn after(&mut self, bytes: usize) {
        self.due += self.per_mib.mul_f64(bytes as f64 / MIB);
        let owed = self.due.saturating_sub(self.slept);
        if owed < NAP {
            return;
        }
        let begin = Instant::now();
        sleep(owed).await;
        self.slept += begin.elapsed();
    }
}

/// Tokio's timers have steps of 1 ms.
const NAP: Duration = Duration::from_millis(2);
const MIB: f64 = 1024.0 * 1024.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_mib_costs_its_sleep() {
        let begin = Instant::now();
        let mut slowness = Slowness::new(Duration::from_micros(300));
        for _ in 0..1000 {
            slowness.after(256 << 10).await;
        }
        let slept = begin.elapsed();
        // 250 MiB; the last nap may still be owed, or have taken too long.
        assert!(
            slept.abs_diff(Duration::from_millis(75)) <= NAP,
            "{slept:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn no_slowness_costs_nothing() {
        let begin = Instant::now();
        Slowness::new(Duration::ZERO).after(1 << 30).await;
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }
}
