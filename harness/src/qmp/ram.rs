//! The memory counters of a migration.

use serde_json::Value;

/// The `ram` part of `query-migrate`. Every counter is optional: older releases lack the newer ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RamInfo {
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

impl From<&Value> for RamInfo {
    fn from(ram: &Value) -> RamInfo {
        let counter = |name: &str| ram[name].as_u64();
        RamInfo {
            transferred: counter("transferred"),
            remaining: counter("remaining"),
            total: counter("total"),
            duplicate: counter("duplicate"),
            normal: counter("normal"),
            normal_bytes: counter("normal-bytes"),
            dirty_pages_rate: counter("dirty-pages-rate"),
            mbps: ram["mbps"].as_f64(),
            dirty_sync_count: counter("dirty-sync-count"),
            postcopy_requests: counter("postcopy-requests"),
            page_size: counter("page-size"),
            multifd_bytes: counter("multifd-bytes"),
            pages_per_second: counter("pages-per-second"),
            precopy_bytes: counter("precopy-bytes"),
            downtime_bytes: counter("downtime-bytes"),
            postcopy_bytes: counter("postcopy-bytes"),
            dirty_sync_missed_zero_copy: counter("dirty-sync-missed-zero-copy"),
        }
    }
}
