//! How far a migration is: what policies decide on and samples keep.

use serde::{Deserialize, Serialize};

use crate::hypervisor::{MigrationStats, MigrationStatus};

/// One reading of the source's migration, whatever drives it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Where it stands.
    pub status: MigrationStatus,
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
        self.status.is_post_copy()
    }

    /// Whether memory moves while the guest runs on the source: the time in which policies have something to decide.
    pub fn is_active(&self) -> bool {
        self.status == MigrationStatus::Active
    }
}

impl From<&MigrationStats> for Progress {
    fn from(stats: &MigrationStats) -> Progress {
        let ram = stats.ram.clone().unwrap_or_default();
        Progress {
            status: stats.status.clone(),
            pass: ram.dirty_sync_count.unwrap_or(0),
            transferred_bytes: ram.transferred.unwrap_or(0),
            remaining_bytes: ram.remaining.unwrap_or(0),
            total_bytes: ram.total.unwrap_or(0),
            throughput_bps: ram.mbps.unwrap_or(0.0) * 1e6,
            dirty_rate: ram.dirty_rate(),
            throttle_percent: stats
                .cpu_throttle_percentage
                .and_then(|percent| u32::try_from(percent).ok()),
            expected_downtime_ms: stats
                .expected_downtime
                .map(|downtime| downtime.as_secs_f64() * 1e3),
        }
    }
}
