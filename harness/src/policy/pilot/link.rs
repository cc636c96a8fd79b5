//! What the stream carries: its bandwidth, and how much of what was sent still waits in buffers on the way.

use std::collections::VecDeque;

use crate::progress::Progress;

/// What has been seen of the stream. Times are seconds since `migrate`.
#[derive(Debug, Default)]
pub(super) struct Link {
    mark: Option<Mark>,
    rates: VecDeque<f64>,
    /// Bytes and seconds of the first window, in which the buffers fill.
    first: Option<(f64, f64)>,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    at: f64,
    sent: f64,
    remaining: f64,
    pass: u64,
}

impl Link {
    /// Begins a new window: what was sent until now was not all that could be.
    pub(super) fn forget_window(&mut self) {
        self.mark = None;
    }

    /// Takes a reading.
    pub(super) fn see(&mut self, at: f64, progress: &Progress) {
        let here = Mark {
            at,
            sent: progress.transferred_bytes as f64,
            remaining: progress.remaining_bytes as f64,
            pass: progress.pass,
        };
        let Some(mark) = self.mark else {
            self.mark = Some(here);
            return;
        };
        let seconds = at - mark.at;
        let sent = here.sent - mark.sent;
        if sent < 0.0 || seconds < 0.0 {
            self.mark = Some(here);
            return;
        }
        if seconds < WINDOW {
            return;
        }
        self.mark = Some(here);
        let drained = mark.remaining - here.remaining;
        let dense = here.pass != mark.pass || sent >= drained * DENSE;
        let rate = if dense {
            sent / seconds
        } else if here.pass > 1 {
            // Compressed, or sent as differences: what counts is how fast memory gets done with.
            drained / seconds
        } else {
            // A zero page is done with for a few bytes, and the first pass is full of them: that is no speed of the link.
            return;
        };
        if self.first.is_none() {
            self.first = Some((sent, seconds));
            return;
        }
        if self.rates.len() == KEPT {
            self.rates.pop_front();
        }
        self.rates.push_back(rate);
    }

    /// Bytes per second that can be expected; `None` before the second window.
    pub(super) fn bandwidth(&self) -> Option<f64> {
        self.quantile(0.5)
    }

    /// Bytes per second that are hardly ever missed.
    pub(super) fn floor(&self) -> Option<f64> {
        self.quantile(0.25)
    }

    /// Bytes that a stop waits for: what the first window took beyond the bandwidth.
    pub(super) fn in_flight(&self) -> f64 {
        let Some(((sent, seconds), bandwidth)) = self.first.zip(self.bandwidth()) else {
            return 0.0;
        };
        (sent - bandwidth * seconds).clamp(0.0, IN_FLIGHT_MAX)
    }

    fn quantile(&self, share: f64) -> Option<f64> {
        let mut rates: Vec<f64> = self.rates.iter().copied().collect();
        rates.sort_by(f64::total_cmp);
        let index = (rates.len().checked_sub(1)? as f64 * share) as usize;
        rates.get(index).copied().filter(|rate| *rate >= 1.0)
    }
}

/// Shortest window, seconds: the hypervisor sends in bursts of 100 ms.
const WINDOW: f64 = 0.2;
/// Windows that are remembered.
const KEPT: usize = 10;
/// Bytes sent per byte of memory done with, below which a window was not of plain pages.
const DENSE: f64 = 0.5;
/// More than the socket buffers and the queue of any usual link hold.
const IN_FLIGHT_MAX: f64 = 16e6;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(transferred_bytes: u64, remaining_bytes: u64) -> Progress {
        Progress {
            transferred_bytes,
            remaining_bytes,
            pass: 1,
            ..Progress::default()
        }
    }

    // 4 MB go at once into buffers, then 10 MB/s; one window of ten stalls.
    #[test]
    fn buffers_are_told_from_bandwidth_and_a_stall_changes_little() {
        let mut link = Link::default();
        let mut sent = 0;
        for step in 0..40u64 {
            let at_s = step as f64 * 0.1;
            link.see(at_s, &at(sent, 1_000_000_000 - sent));
            sent += if (20..22).contains(&step) {
                0
            } else {
                1_000_000
            };
            sent += if step == 0 { 4_000_000 } else { 0 };
        }
        assert!((link.bandwidth().unwrap() - 1e7).abs() < 1e5);
        assert!((link.floor().unwrap() - 1e7).abs() < 1e5);
        assert!((link.in_flight() - 4e6).abs() < 1e5, "{}", link.in_flight());
    }

    #[test]
    fn zero_pages_say_nothing_of_the_link() {
        let mut link = Link::default();
        for step in 0..10u64 {
            link.see(
                step as f64,
                &at(step * 1000, 1_000_000_000 - step * 10_000_000),
            );
        }
        assert_eq!(link.bandwidth(), None);
    }

    #[test]
    fn compressed_memory_counts_by_its_own_size() {
        let mut link = Link::default();
        for step in 0..10u64 {
            let mut progress = at(step * 1_000_000, 1_000_000_000 - step * 10_000_000);
            progress.pass = 2;
            link.see(step as f64, &progress);
        }
        assert!((link.bandwidth().unwrap() - 10e6).abs() < 1.0);
    }

    #[test]
    fn counters_that_fall_begin_a_new_window() {
        let mut link = Link::default();
        for step in 0..10u64 {
            link.see(step as f64, &at(1_000_000 / (step + 1), 5));
        }
        assert_eq!(link.bandwidth(), None);
        assert!(link.in_flight().abs() < f64::EPSILON);
    }
}
