//! The guest's own view of its migration: how fast it gets on, how long it stood still, what it waited for.
//!
//! Work is counted in seconds at full speed: a guest that did 9 s of work in 10 s lost a tenth. A driver makes
//! heartbeats, operation rates and latencies of it: a heartbeat is missing while the speed is 0, a workload of `r`
//! operations per second does `r` times the work.

use std::time::Duration;

use crate::status::Side;
use crate::time::length;

/// What a guest's processors cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// vCPUs that work.
    pub vcpus: u32,
    /// What the first write to a page after a dirty sync costs its vCPU. Ours, of the order of an exit: neither
    /// QEMU nor a run tells it.
    pub write_fault: Duration,
    /// Time after the arrival until the guest gets on: under TCG all code is translated anew. First heartbeats came
    /// 17 to 36 ms after `RESUME`, at intervals of 5 (`blackout_heartbeat_ms` of 20261201-081052-ci-1a53 and
    /// 20261201-130217-transports-80b0).
    pub warm_up: Duration,
}

impl Machine {
    /// A lab's guest under TCG.
    pub fn lab(vcpus: u32) -> Self {
        Self {
            vcpus,
            write_fault: Duration::from_micros(2),
            warm_up: Duration::from_millis(20),
        }
    }
}

/// What a guest went through since it was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Guest {
    /// Where its vCPUs run; nowhere while it stands still.
    pub runs_on: Option<Side>,
    /// Seconds of work at full speed that it did.
    pub work_s: f64,
    /// Time in which its vCPUs were allowed to run.
    pub running: Duration,
    /// Time in which they stood still, on both hosts.
    pub stopped: Duration,
    /// Its waits for pages in post-copy.
    pub waits: Waits,
}

impl Guest {
    pub(crate) fn new() -> Self {
        Self {
            runs_on: Some(Side::Source),
            work_s: 0.0,
            running: Duration::ZERO,
            stopped: Duration::ZERO,
            waits: Waits::default(),
        }
    }
}

/// Waits for pages, by length.
#[derive(Debug, Clone, PartialEq)]
pub struct Waits {
    /// How many, not necessarily whole.
    pub count: f64,
    /// All of them together.
    pub total_s: f64,
    /// The longest that was to be expected at all.
    pub longest: Duration,
    buckets: [f64; BUCKETS],
}

impl Waits {
    /// The length that a share (0 to 1) of the waits does not exceed, to a quarter; none without waits.
    pub fn percentile(&self, share: f64) -> Option<Duration> {
        let mut left = self.count * share;
        let mut last = None;
        for (index, count) in self.buckets.iter().enumerate() {
            if *count > 0.0 {
                left -= count;
                last = Some(length(SHORTEST_S * BUCKET_RATIO.powf(index as f64)).min(self.longest));
                if left <= 0.0 {
                    break;
                }
            }
        }
        last
    }

    pub(crate) fn add(&mut self, count: f64, wait_s: f64) {
        let place = (wait_s / SHORTEST_S).ln() / BUCKET_RATIO.ln();
        let index = (place.ceil().max(0.0) as usize).min(BUCKETS - 1);
        self.buckets[index] += count;
        self.count += count;
        self.total_s += count * wait_s;
        self.longest = self.longest.max(length(wait_s));
    }
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            count: 0.0,
            total_s: 0.0,
            longest: Duration::ZERO,
            buckets: [0.0; BUCKETS],
        }
    }
}

const BUCKETS: usize = 96;
/// The first bucket ends here, each other at 1.25 times the one before it: up to half an hour.
const SHORTEST_S: f64 = 1e-6;
const BUCKET_RATIO: f64 = 1.25;
