//! The stream's bytes between QEMU's `write` and the other host, and QEMU's look at them every 100 ms.

use std::time::Duration;

/// Buffers that the source fills at its own speed while they have room, and the path empties at its.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    capacity: f64,
    backlog: f64,
}

/// Bytes per second into the buffers and out of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    pub source: f64,
    pub path: f64,
}

impl Stream {
    pub(crate) fn new(capacity: f64) -> Self {
        Self {
            capacity: capacity.max(1.0),
            backlog: 0.0,
        }
    }

    /// Bytes on their way.
    pub(crate) fn backlog(&self) -> f64 {
        self.backlog
    }

    /// Nothing is on its way any more.
    pub(crate) fn clear(&mut self) {
        self.backlog = 0.0;
    }

    /// Puts bytes in at once, room or not: device state, which is small.
    pub(crate) fn put(&mut self, bytes: f64) {
        self.backlog += bytes;
    }

    /// Bytes that a source that never waits gets rid of in `seconds`.
    pub(crate) fn offer(&mut self, rates: Rates, seconds: f64) -> f64 {
        let fill_s = self.fill_s(rates);
        let fast_s = seconds.min(fill_s);
        let accepted = rates.source * fast_s + rates.path * (seconds - fast_s);
        self.backlog = (self.backlog + (rates.source - rates.path) * fast_s).max(0.0);
        accepted
    }

    /// Seconds in which such a source gets rid of `bytes`.
    pub(crate) fn offer_s(&self, rates: Rates, bytes: f64) -> f64 {
        let fill_s = self.fill_s(rates);
        let fast = rates.source * fill_s;
        if bytes <= fast {
            bytes / rates.source
        } else {
            fill_s + (bytes - fast) / rates.path
        }
    }

    /// Seconds until the buffers are full.
    fn fill_s(&self, rates: Rates) -> f64 {
        if rates.source > rates.path {
            (self.capacity - self.backlog).max(0.0) / (rates.source - rates.path)
        } else {
            f64::INFINITY
        }
    }

    /// The path empties the buffers for `seconds`.
    pub(crate) fn drain(&mut self, path_rate: f64, seconds: f64) {
        self.backlog = (self.backlog - path_rate * seconds).max(0.0);
    }
}

/// QEMU's window of `BUFFER_DELAY`: rate limit and bandwidth estimate (`migration_update_counters`,
/// `migration_rate_exceeded`).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Window {
    start: Duration,
    bytes: f64,
    pages: f64,
    /// Bytes that may be left for the switch-over (`threshold_size`).
    pub threshold: f64,
    /// Bytes per second in the last window.
    pub bandwidth: f64,
    /// Pages per second in the last window.
    pub pages_per_s: f64,
}

impl Window {
    /// Begins anew (`update_iteration_initial_status`).
    pub(crate) fn begin(&mut self, now: Duration, bytes: f64, pages: f64) {
        (self.start, self.bytes, self.pages) = (now, bytes, pages);
    }

    /// When it ends at the earliest.
    pub(crate) fn end(&self) -> Duration {
        self.start + BUFFER_DELAY
    }

    /// Bytes that may still be sent in it at `limit` bytes per second; 0 is no limit.
    pub(crate) fn left(&self, limit: u64, bytes: f64) -> f64 {
        if limit == 0 {
            return f64::INFINITY;
        }
        limit as f64 * BUFFER_DELAY.as_secs_f64() - (bytes - self.bytes)
    }

    /// Closes it if its time is over, and says whether it did.
    pub(crate) fn close(
        &mut self,
        now: Duration,
        bytes: f64,
        pages: f64,
        allowed: Allowed,
    ) -> bool {
        if now < self.end() {
            return false;
        }
        let seconds = now.saturating_sub(self.start).as_secs_f64();
        self.bandwidth = (bytes - self.bytes) / seconds;
        self.pages_per_s = (pages - self.pages) / seconds;
        self.threshold = self.expected(allowed) * allowed.downtime.as_secs_f64();
        self.begin(now, bytes, pages);
        true
    }

    /// Bytes per second that QEMU expects of the switch-over.
    pub(crate) fn expected(&self, allowed: Allowed) -> f64 {
        if allowed.switchover_bandwidth > 0 {
            allowed.switchover_bandwidth as f64
        } else {
            self.bandwidth
        }
    }
}

/// What the switch-over may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowed {
    pub downtime: Duration,
    pub switchover_bandwidth: u64,
}

/// QEMU's `BUFFER_DELAY`.
const BUFFER_DELAY: Duration = Duration::from_millis(100);
