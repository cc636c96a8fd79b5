//! How far a migration is: what policies decide on and samples keep.

use serde::{Deserialize, Serialize};

/// One reading of the source's migration, whatever drives it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// QEMU's migration status by its own name (`setup`, `active`, `postcopy-active`, `completed`, …).
    pub status: String,
    /// Dirty syncs so far: 1 during the first pass over memory.
    pub pass: u64,
    /// Bytes of guest RAM sent.
    pub transferred_bytes: u64,
    /// Bytes of guest RAM still to send.
    pub remaining_bytes: u64,
    /// Bytes of guest RAM.
    pub total_bytes: u64,
    /// Payload speed as the hypervisor measures it, bits per second.
    pub throughput_bps: f64,
    /// Bytes per second dirtied, as the hypervisor measured it at the last dirty sync.
    pub dirty_rate: Option<f64>,
    /// CPU throttle, percent.
    pub throttle_percent: Option<u32>,
    /// Downtime the hypervisor expects if it switched over now, ms.
    pub expected_downtime_ms: Option<f64>,
}

impl Progress {
    /// Whether the switch to post-copy has been made.
    pub fn in_post_copy(&self) -> bool {
        self.status.starts_with("postcopy")
    }
}
