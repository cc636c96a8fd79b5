//! What background traffic amounted to. Arithmetic only.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One end's view of the traffic, from its start to its stop.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BackgroundReport {
    /// Payload bytes that the sender's kernel took; `None` in a receiver's report.
    pub sent_bytes: Option<u64>,
    /// Payload bytes that arrived; `None` if the receiver could not say so any more.
    pub received_bytes: Option<u64>,
    /// The rate that was asked for; `None` in a receiver's report.
    pub asked_bps: Option<u64>,
    /// Bits of payload per second over [`Self::duration`].
    pub achieved_bps: f64,
    /// From the first byte to the stop, or to the end of the connection if that came first.
    pub duration: Duration,
    /// Round trips of the probe: microseconds and how often, ascending.
    pub probe_us: Vec<(u64, u64)>,
    /// Probes that were sent. Those that never came back are no round trips, only a difference here.
    pub probes_sent: u64,
    /// Why the traffic ended before the stop, if it did.
    pub ended_early: Option<String>,
}

impl BackgroundReport {
    /// Probes that came back.
    pub fn samples(&self) -> u64 {
        self.probe_us.iter().map(|(_, count)| count).sum()
    }

    /// The smallest round trip that at least this share (0 to 1) of all took no longer than; `None` without samples.
    pub fn probe_quantile_us(&self, share: f64) -> Option<u64> {
        let wanted = (share * self.samples() as f64).ceil().max(1.0);
        let mut seen = 0;
        self.probe_us.iter().find_map(|(value, count)| {
            seen += count;
            (seen as f64 >= wanted).then_some(*value)
        })
    }

    /// Median round trip in microseconds.
    pub fn probe_p50_us(&self) -> Option<u64> {
        self.probe_quantile_us(0.5)
    }

    /// 99th percentile.
    pub fn probe_p99_us(&self) -> Option<u64> {
        self.probe_quantile_us(0.99)
    }

    /// The longest.
    pub fn probe_max_us(&self) -> Option<u64> {
        self.probe_us.last().map(|(value, _)| *value)
    }
}

/// Round trips while they are collected. Exact values: twenty a second are few.
#[derive(Debug, Clone, Default)]
pub(super) struct RoundTrips(BTreeMap<u64, u64>);

impl RoundTrips {
    pub(super) fn add(&mut self, microseconds: u64) {
        *self.0.entry(microseconds).or_default() += 1;
    }

    pub(super) fn pairs(&self) -> Vec<(u64, u64)> {
        self.0
            .iter()
            .map(|(value, count)| (*value, *count))
            .collect()
    }
}

/// Bits per second; 0 for no time.
pub(super) fn rate_bps(bytes: u64, duration: Duration) -> f64 {
    if duration.is_zero() {
        0.0
    } else {
        bytes as f64 * 8.0 / duration.as_secs_f64()
    }
}
