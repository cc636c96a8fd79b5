//! When the next write may start: rates without debt.
//!
//! Writes come in batches of about a millisecond. A batch that starts late by less than one batch keeps the schedule, so that
//! the rate holds in spite of timers that overshoot; one that starts later resets it. So a stalled thread owes at most one
//! batch: a workload that catches up would dirty memory as fast as the CPU goes just when a throttle wants to slow it.
//! This module reads no clock and does not wait.

use crate::spec::{PAGE_BYTES, Rate};

/// The schedule of one thread.
#[derive(Debug, Clone)]
pub struct Pacer {
    rate: Option<Rate>,
    threads: u32,
    batch: u64,
    batch_ns: u64,
    batch_start_ns: u64,
    left: u64,
}

impl Pacer {
    /// A schedule for one of `threads` threads that share each rate equally.
    pub fn new(threads: u32) -> Self {
        Self {
            rate: None,
            threads,
            batch: u64::MAX,
            batch_ns: 0,
            batch_start_ns: 0,
            left: 0,
        }
    }

    /// Asks for one write at `now_ns`: `None` admits it, otherwise the answer is the time to ask again.
    #[inline]
    pub fn admit(&mut self, rate: Rate, now_ns: u64) -> Option<u64> {
        if self.rate != Some(rate) {
            self.set(rate);
            self.reset(now_ns);
        }
        if self.left == 0 {
            let due_ns = self.batch_start_ns.saturating_add(self.batch_ns);
            if now_ns < due_ns {
                return Some(due_ns);
            }
            let late = now_ns - due_ns >= self.batch_ns;
            self.batch_start_ns = if late { now_ns } else { due_ns };
            self.left = self.batch;
        }
        self.left -= 1;
        None
    }

    /// Starts the schedule anew, after a stop or a pause.
    pub fn reset(&mut self, now_ns: u64) {
        self.batch_start_ns = now_ns;
        self.left = self.batch;
    }

    fn set(&mut self, rate: Rate) {
        self.rate = Some(rate);
        (self.batch, self.batch_ns) = match rate {
            Rate::Unbounded => (u64::MAX, 0),
            Rate::BytesPerSecond(bytes) => {
                let write_ns =
                    PAGE_BYTES as f64 * f64::from(self.threads) * 1e9 / bytes.max(1) as f64;
                let batch = (BATCH_NS / write_ns).round().max(1.0);
                (batch as u64, ((batch * write_ns) as u64).max(1))
            }
        };
    }
}

/// Target length of a batch.
const BATCH_NS: f64 = 1e6;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Writes admitted until `end_ns` to a thread whose writes take no time but which is stalled as `stalls` say, and the time until
    /// then that it was not stalled.
    fn admitted(rate: Rate, threads: u32, end_ns: u64, stalls: &[(u64, u64)]) -> (u64, u64) {
        let mut pacer = Pacer::new(threads);
        let (mut now_ns, mut count, mut stalled_ns) = (0, 0, 0);
        let mut stalls = stalls.iter().peekable();
        while now_ns < end_ns {
            if let Some((_, length)) = stalls.next_if(|(at, _)| *at <= now_ns) {
                stalled_ns += (*length).min(end_ns.saturating_sub(now_ns));
                now_ns += length;
            }
            match pacer.admit(rate, now_ns) {
                None => count += 1,
                Some(later) => now_ns = later,
            }
        }
        (count, end_ns - stalled_ns)
    }

    proptest! {
        // Over one second, off by at most one batch at either end.
        #[test]
        fn keeps_the_rate(bytes in 4096_u64..20_000_000_000, threads in 1_u32..64) {
            let count = admitted(Rate::BytesPerSecond(bytes), threads, 1_000_000_000, &[]).0 as f64;
            let wanted = bytes as f64 / 4096.0 / f64::from(threads);
            let batch = (wanted / 1000.0).round().max(1.0);
            prop_assert!((count - wanted).abs() <= 2.0 * batch + wanted * 1e-6, "{count} of {wanted}");
        }

        // A stall's writes are lost: what remains is the rate times the time that was not stalled, and one batch per stall.
        #[test]
        fn never_catches_up(bytes in 4_096_000_u64..1_000_000_000, stalls in proptest::collection::vec((0_u64..900_000_000, 1_u64..90_000_000), 0..10)) {
            let mut stalls = stalls;
            stalls.sort_unstable();
            let (count, free_ns) = admitted(Rate::BytesPerSecond(bytes), 1, 1_000_000_000, &stalls);
            let per_ns = bytes as f64 / 4096.0 / 1e9;
            let batch = (per_ns * 1e6).round().max(1.0);
            let bound = per_ns * free_ns as f64 + batch * (stalls.len() as f64 + 2.0);
            prop_assert!(count as f64 <= bound + 1.0, "{count} above {bound}");
        }
    }

    // Millions of questions at one instant: an unbounded rate never asks to wait.
    #[test]
    fn unbounded_admits_everything() {
        let mut pacer = Pacer::new(1);
        assert!((0..1_000_000).all(|_| pacer.admit(Rate::Unbounded, 5).is_none()));
    }
}
