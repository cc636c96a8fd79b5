//! What one writing thread has done, readable at any time without its help: a thread that hangs in a page fault must not
//! hold up the report that says so.
//!
//! One thread writes, one reads; all counters only grow, the reader takes differences. There is one bank of counters for intervals of
//! even and one for those of odd number, so that the interval that ended is read while the next one counts, however slowly. A write that
//! is being counted just when an interval ends may come two reports late; none is lost or counted twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::latency::{BUCKETS, coarsen, upper_ns};
use crate::wire::Report;

/// The counters of one thread.
#[derive(Debug)]
pub struct Readings {
    banks: [Bank; 2],
    longest_stall_ns: AtomicU64,
    pauses: AtomicU64,
}

#[derive(Debug)]
struct Bank {
    latency: Box<[AtomicU64]>,
    pages_dirtied: AtomicU64,
}

impl Default for Readings {
    fn default() -> Self {
        let bank = || Bank {
            latency: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            pages_dirtied: AtomicU64::new(0),
        };
        Self {
            banks: [bank(), bank()],
            longest_stall_ns: AtomicU64::new(0),
            pauses: AtomicU64::new(0),
        }
    }
}

impl Readings {
    /// One write, which ended in the interval of this number, took this bucket's time.
    #[inline]
    pub fn operation(&self, interval: u64, bucket: usize) {
        increment(&self.bank(interval).latency[bucket]);
    }

    /// A page was written for the first time in the interval of this number.
    #[inline]
    pub fn page_dirtied(&self, interval: u64) {
        increment(&self.bank(interval).pages_dirtied);
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

    #[inline]
    fn bank(&self, interval: u64) -> &Bank {
        &self.banks[(interval % 2) as usize]
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

/// What a bank of all threads showed when it was read last.
#[derive(Debug, Default)]
struct Before {
    latency: Vec<u64>,
    pages_dirtied: u64,
}

/// Turns the readings of all threads into reports.
#[derive(Debug)]
pub struct Reporter {
    threads: Vec<Arc<Readings>>,
    /// Number of the running interval, shared with the writing threads, which note it per page.
    interval: Arc<AtomicU64>,
    before: [Before; 2],
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
            before: [Before::new(), Before::new()],
            pauses_before: 0,
            operations_total: 0,
            sequence: 0,
            last_ns: now_ns,
        }
    }

    /// Ends the running interval at `now_ns` and starts the next.
    pub fn report(&mut self, now_ns: u64) -> Report {
        let ended = self.interval.fetch_add(1, Ordering::Relaxed);
        let banks: Vec<&Bank> = self
            .threads
            .iter()
            .map(|readings| readings.bank(ended))
            .collect();
        let (pages_dirtied, pairs) = self.before[(ended % 2) as usize].differences(&banks);
        let operations: u64 = pairs.iter().map(|(_, count)| count).sum();
        let pauses = sum(self.threads.iter().map(|readings| &readings.pauses));
        self.operations_total += operations;
        self.sequence += 1;
        let report = Report {
            sequence: self.sequence,
            guest_ns: now_ns,
            interval_ns: now_ns - self.last_ns,
            operations_total: self.operations_total,
            operations,
            pages_dirtied,
            longest_stall_ns: self
                .threads
                .iter()
                .map(|readings| readings.longest_stall_ns.swap(0, Ordering::Relaxed))
                .max()
                .unwrap_or(0),
            latency_ns: coarsen(pairs, LATENCY_PAIRS_MAX),
            pauses: pauses - self.pauses_before,
        };
        (self.pauses_before, self.last_ns) = (pauses, now_ns);
        report
    }
}

impl Before {
    fn new() -> Self {
        Self {
            latency: vec![0; BUCKETS],
            pages_dirtied: 0,
        }
    }

    /// Pages dirtied and the latency histogram since the banks were read last.
    fn differences(&mut self, banks: &[&Bank]) -> (u64, Vec<(u64, u64)>) {
        let mut pairs = Vec::new();
        for (bucket, before) in self.latency.iter_mut().enumerate() {
            let count = sum(banks.iter().map(|bank| &bank.latency[bucket]));
            if count != *before {
                pairs.push((upper_ns(bucket), count - *before));
                *before = count;
            }
        }
        let dirtied = sum(banks.iter().map(|bank| &bank.pages_dirtied));
        (
            dirtied - std::mem::replace(&mut self.pages_dirtied, dirtied),
            pairs,
        )
    }
}

fn sum<'a>(counters: impl Iterator<Item = &'a AtomicU64>) -> u64 {
    counters
        .map(|counter| counter.load(Ordering::Relaxed))
        .sum()
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
        threads[0].operation(0, bucket(40));
        threads[1].operation(0, bucket(40));
        threads[1].operation(0, bucket(5));
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
        threads[0].operation(1, bucket(41));
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
