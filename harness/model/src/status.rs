//! What a migration tells: status, events, counters, by QEMU's names.

use std::time::Duration;

/// QEMU's `MigrationStatus`, those that the loop takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// None was asked for yet.
    None,
    /// Being set up.
    Setup,
    /// Memory moves while the guest runs on the source.
    Active,
    /// Waits for `migrate-continue`.
    PreSwitchover,
    /// The guest stands still.
    Device,
    /// The guest runs on the destination, or is about to, while its memory follows.
    PostcopyActive,
    /// Post-copy lost its connection.
    PostcopyPaused,
    /// A new connection is made.
    PostcopyRecoverSetup,
    /// Both sides agree on what is missing.
    PostcopyRecover,
    /// Done.
    Completed,
    /// Failed.
    Failed,
    /// Being cancelled.
    Cancelling,
    /// Cancelled.
    Cancelled,
}

impl Status {
    /// QEMU's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Setup => "setup",
            Self::Active => "active",
            Self::PreSwitchover => "pre-switchover",
            Self::Device => "device",
            Self::PostcopyActive => "postcopy-active",
            Self::PostcopyPaused => "postcopy-paused",
            Self::PostcopyRecoverSetup => "postcopy-recover-setup",
            Self::PostcopyRecover => "postcopy-recover",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing comes after it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// Where something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The host that the guest leaves.
    Source,
    /// The host that it goes to.
    Destination,
}

/// Something that QEMU tells by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Virtual time.
    pub at: Duration,
    /// Whose QEMU.
    pub side: Side,
    /// What.
    pub kind: EventKind,
}

/// What QEMU tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// `MIGRATION` with this status.
    Migration(Status),
    /// `MIGRATION_PASS` with this number.
    Pass(u64),
    /// `STOP`: the guest stands still.
    Stop,
    /// `RESUME`: it runs.
    Resume,
}

/// `query-migrate`.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// `status`.
    pub status: Status,
    /// `total-time`.
    pub total_time: Duration,
    /// `downtime`, once the source counts no more.
    pub downtime: Option<Duration>,
    /// `expected-downtime`, while active.
    pub expected_downtime: Duration,
    /// `setup-time`.
    pub setup_time: Duration,
    /// `cpu-throttle-percentage`, while it throttles.
    pub cpu_throttle_percentage: Option<u32>,
    /// `postcopy-blocktime` of the destination: all vCPUs' waits, together by their number.
    pub postcopy_blocktime: Duration,
    /// `ram`.
    pub ram: RamStats,
}

/// The `ram` part of `query-migrate`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RamStats {
    /// `transferred`.
    pub transferred: u64,
    /// `remaining`.
    pub remaining: u64,
    /// `total`.
    pub total: u64,
    /// `duplicate`: zero pages.
    pub duplicate: u64,
    /// `normal`.
    pub normal: u64,
    /// `normal-bytes`.
    pub normal_bytes: u64,
    /// `dirty-pages-rate`.
    pub dirty_pages_rate: u64,
    /// `dirty-sync-count`.
    pub dirty_sync_count: u64,
    /// `mbps`.
    pub mbps: f64,
    /// `pages-per-second`.
    pub pages_per_second: u64,
    /// `page-size`.
    pub page_size: u64,
    /// `multifd-bytes`.
    pub multifd_bytes: u64,
    /// `precopy-bytes`: while the guest ran on the source.
    pub precopy_bytes: u64,
    /// `downtime-bytes`: while it stood still.
    pub downtime_bytes: u64,
    /// `postcopy-bytes`: since.
    pub postcopy_bytes: u64,
    /// `postcopy-requests`.
    pub postcopy_requests: u64,
}
