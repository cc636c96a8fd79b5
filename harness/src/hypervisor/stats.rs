//! What a hypervisor says of a migration, by meaning: no driver's protocol shows here.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::status::MigrationStatus;
use crate::progress::Progress;

/// A hypervisor's account of a migration. What it leaves out is `None`.
///
/// The account of a completed one may lack `ram`: keep the last reading taken in flight.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MigrationStats {
    /// Where it stands; `none` when the hypervisor has nothing to tell.
    pub status: MigrationStatus,
    /// Time since its begin, or from begin to end.
    pub total_time: Option<Duration>,
    /// The downtime as the hypervisor counts it, once completed.
    pub downtime: Option<Duration>,
    /// The downtime that the hypervisor expects, while active.
    pub expected_downtime: Option<Duration>,
    /// Time until memory began to move.
    pub setup_time: Option<Duration>,
    /// How much auto-converge slows the guest.
    pub cpu_throttle_percentage: Option<u64>,
    /// Why it failed.
    pub error_desc: Option<String>,
    /// What keeps this guest from being migrated.
    pub blocked_reasons: Vec<String>,
    /// Memory counters.
    pub ram: Option<RamStats>,
    /// Counters of the cache of pages already sent; `Some` whenever the capability `xbzrle` is on.
    pub xbzrle: Option<XbzrleStats>,
    /// Bytes of VFIO device state sent.
    pub vfio_transferred: Option<u64>,
    /// Time that all vCPUs together waited for post-copy pages. Destination only.
    pub postcopy_blocktime: Option<Duration>,
    /// The same per vCPU.
    pub postcopy_vcpu_blocktime: Vec<Duration>,
    /// How many post-copy faults took from 2^N up to 2^(N+1) µs, for each N from 0 on. Destination only.
    pub postcopy_latency_counts: Vec<u64>,
    /// Dirty limit: the longest throttle of a vCPU in the last pass.
    pub dirty_limit_throttle_time_per_round: Option<Duration>,
    /// Dirty limit: the estimated time in which a vCPU fills its dirty ring.
    pub dirty_limit_ring_full_time: Option<Duration>,
}

/// The memory counters of a migration. Every one is optional: older releases lack the newer ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RamStats {
    /// Bytes sent.
    pub transferred: Option<u64>,
    /// Bytes still to send.
    pub remaining: Option<u64>,
    /// Bytes of guest memory.
    pub total: Option<u64>,
    /// Pages of one repeated byte, zero pages above all.
    pub duplicate: Option<u64>,
    /// Pages sent whole.
    pub normal: Option<u64>,
    /// Bytes of those pages.
    pub normal_bytes: Option<u64>,
    /// Pages that the guest dirties per second.
    pub dirty_pages_rate: Option<u64>,
    /// Rate of transfer in megabits per second.
    pub mbps: Option<f64>,
    /// Times that the dirty pages were collected.
    pub dirty_sync_count: Option<u64>,
    /// Pages that the destination asked for in post-copy.
    pub postcopy_requests: Option<u64>,
    /// Bytes of a page.
    pub page_size: Option<u64>,
    /// Bytes sent on multifd channels.
    pub multifd_bytes: Option<u64>,
    /// Pages sent per second.
    pub pages_per_second: Option<u64>,
    /// Bytes sent while the guest ran on the source.
    pub precopy_bytes: Option<u64>,
    /// Bytes sent while the guest stood still.
    pub downtime_bytes: Option<u64>,
    /// Bytes sent while the guest ran on the destination.
    pub postcopy_bytes: Option<u64>,
    /// Passes in which zero-copy sending fell back to copying.
    pub dirty_sync_missed_zero_copy: Option<u64>,
}

/// The counters of pages that were sent as differences.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct XbzrleStats {
    /// Pages sent so.
    pub pages: Option<u64>,
}

impl RamStats {
    /// Bytes per second that the guest dirties, once measured.
    pub fn dirty_rate(&self) -> Option<f64> {
        let page_bytes = self.page_size.unwrap_or(4096);
        let rate = self.dirty_pages_rate.filter(|rate| *rate > 0)?;
        Some(rate as f64 * page_bytes as f64)
    }
}

/// An answer to the question how far a migration is.
///
/// Where it is kept or sent it is the hypervisor's own words and nothing else: the samples of a record hold those, and are read back by the one
/// parser that their driver has.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(from = "Value")]
pub struct Reading {
    /// What it means.
    pub stats: MigrationStats,
    /// The hypervisor's own words, in the form of QEMU's `query-migrate`.
    pub raw: Value,
}

impl Reading {
    /// What policies look at.
    pub fn progress(&self) -> Progress {
        Progress::from(&self.stats)
    }
}

impl Serialize for Reading {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.raw.serialize(serializer)
    }
}
