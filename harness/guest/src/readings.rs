//! What one writing thread has done, readable at any time without its help: a thread that hangs in a page fault must not
//! hold up the report that says so.
//!
//! One thread writes, one reads; all counters only grow, the reader takes differences. The boundary between two intervals is
//! therefore blurred by the one write in flight, but no write is lost or counted twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::latency::{BUCKETS, coarsen, upper_ns};
use crate::wire::Report;

/// The counters of one thread.
#[derive(Debug)]
pub struct Readings {
    latency: Box<[AtomicU64]>,
    longest_stall_ns: AtomicU64,
    /// For intervals of even and of odd number, so that the interval that ended can be read while the next one counts.
    pages_dirtied: [AtomicU64; 2],
    pauses: AtomicU64,
}

impl Default for Readings {
    fn default() -> Self {
        Self {
            latency: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            longest_stall_ns: AtomicU64::new(0),
            pages_dirtied: [AtomicU64::new(0), AtomicU64::new(0)],
            pauses: AtomicU64::new(0),
        }
    }
}

impl Readings {
    /// One write took this bucket's time.
    #[inline]
    pub fn operation(&self, bucket: usize) {
        increment(&self.latency[bucket]);
    }

    /// A page was written for the first time in the interval of this number.
    #[inline]
    pub fn page_dirtied(&self, interval: u64) {
        increment(&self.pages_dirtied[(interval % 2) as usize]);
    }

    /// This long passed between two writes without being asked for.
    #[inline]
    pub fn stall(&self, ns: u64) {
        if ns > self.longest_stall_ns.load(Ordering::Relaxed) {
            self.longest_stall_ns.fetch_max(ns, Ordering::Relaxed);
        }
    }

    /// A collection or checkpoint ended.
    pub fn pause(&self) {
        increment(&self.pauses);
    }
}

/// Only one thread writes, so that no locked instruction is needed.
#[inline]
fn increment(counter: &AtomicU64) {
    counter.store(
        counter.load(Ordering::Relaxed).wrapping_add(1),
        Ordering::Relaxed,
    );
}

/// Turns the readings of all threads into reports.
#[derive(Debug)]
pub struct Reporter {
    threads: Vec<Arc<Readings>>,
    /// Number of the running interval, shared with the writing threads, which note it per page.
    interval: Arc<AtomicU64>,
    latency_before: Vec<u64>,
    dirtied_before: [u64; 2],
    pauses_before: u64,
    operations_total: u64,
    sequence: u64,
    last_ns: u64,
}

impl Reporter {
    /// A reporter whose first interval starts at `now_ns`.
    pub fn new(threads: Vec<Arc<Readings>>, interval: Arc<AtomicU64>, now_ns: u64) -> Self {
        Self {
            threads,
            interval,
            latency_before: vec![0; BUCKETS],
            dirtied_before: [0; 2],
            pauses_before: 0,
            operations_total: 0,
            sequence: 0,
            last_ns: now_ns,
        }
    }

    /// Ends the running interval at `now_ns` and starts the next.
    pub fn report(&mut self, now_ns: u64) -> Report {
        let parity = (self.interval.fetch_add(1, Ordering::Relaxed) % 2) as usize;
        let dirtied = self.sum(|readings| &readings.pages_dirtied[parity]);
        let mut pairs = Vec::new();
        let mut operations = 0;
        for (bucket, before) in self.latency_before.iter_mut().enumerate() {
            let count = self
                .threads
                .iter()
                .map(|readings| readings.latency[bucket].load(Ordering::Relaxed))
                .sum();
            if count != *before {
                pairs.push((upper_ns(bucket), count - *before));
                operations += count - *before;
                *before = count;
            }
        }
        let pauses = self.sum(|readings| &readings.pauses);
        self.operations_total += operations;
        self.sequence += 1;
        let report = Report {
            sequence: self.sequence,
            guest_ns: now_ns,
            interval_ns: now_ns - self.last_ns,
            operations_total: self.operations_total,
            operations,
            pages_dirtied: dirtied - self.dirtied_before[parity],
            longest_stall_ns: self
                .threads
                .iter()
                .map(|readings| readings.longest_stall_ns.swap(0, Ordering::Relaxed))
                .max()
                .unwrap_or(0),
            latency_ns: coarsen(pairs, LATENCY_PAIRS_MAX),
            pauses: pauses - self.pauses_before,
        };
        self.dirtied_before[parity] = dirtied;
        (self.pauses_before, self.last_ns) = (pauses, now_ns);
        report
    }

    fn sum(&self, counter: impl Fn(&Readings) -> &AtomicU64) -> u64 {
        self.threads
            .iter()
            .map(|readings| counter(readings).load(Ordering::Relaxed))
            .sum()
    }
}

/// A pair is at most 36 bytes of JSON (13 digits of nanoseconds, 20 of a count), so this many and the rest of a report stay below 32 KiB.
const LATENCY_PAIRS_MAX: usize = 850;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::bucket;
    use crate::wire::{FromGuest, LINE_BYTES_MAX, to_line};

    // The bound of LATENCY_PAIRS_MAX: every bucket used, every number as long as it can be.
    #[test]
    fn the_longest_report_fits_one_line() {
        let report = Report {
            sequence: u64::MAX,
            guest_ns: u64::MAX,
            interval_ns: u64::MAX,
            operations_total: u64::MAX,
            operations: u64::MAX,
            pages_dirtied: u64::MAX,
            longest_stall_ns: u64::MAX,
            latency_ns: vec![((1 << 42) - 1, u64::MAX); LATENCY_PAIRS_MAX],
            pauses: u64::MAX,
        };
        assert!(to_line(&FromGuest::Report(report)).len() <= LINE_BYTES_MAX);
    }

    // The sums over all reports are what was counted: nothing lost, nothing twice.
    #[test]
    fn reports_are_differences() {
        let threads = [Arc::new(Readings::default()), Arc::new(Readings::default())];
        let mut reporter = Reporter::new(threads.to_vec(), Arc::default(), 100);
        threads[0].operation(bucket(40));
        threads[1].operation(bucket(40));
        threads[1].operation(bucket(5));
        threads[1].page_dirtied(0);
        threads[0].stall(9);
        threads[1].stall(7);
        threads[0].pause();
        let first = reporter.report(250);
        assert_eq!(
            (
                first.sequence,
                first.interval_ns,
                first.operations,
                first.operations_total
            ),
            (1, 150, 3, 3)
        );
        assert_eq!(
            (first.pages_dirtied, first.longest_stall_ns, first.pauses),
            (1, 9, 1)
        );
        assert_eq!(first.latency_ns, [(5, 1), (40, 2)]);
        threads[0].operation(bucket(41));
        let second = reporter.report(300);
        assert_eq!(
            (
                second.sequence,
                second.operations,
                second.operations_total,
                second.longest_stall_ns
            ),
            (2, 1, 4, 0)
        );
        assert_eq!(second.latency_ns, [(41, 1)]);
    }
}
