//! QEMU's migration knobs that most scenarios leave alone.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Knobs by QEMU's own names. What is `None` or false is not touched: QEMU's default holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a capability of QEMU's that is on or off"
)]
pub struct Knobs {
    /// `avail-switchover-bandwidth` in bytes per second; `None` is QEMU's own estimate.
    pub avail_switchover_bandwidth: Option<u64>,
    /// `return-path` taken away. Without it the source says "completed" when its last byte is in some buffer.
    pub no_return_path: bool,
    /// `switchover-ack`.
    pub switchover_ack: bool,
    /// `pause-before-switchover`; the migration loop says `migrate-continue`.
    pub pause_before_switchover: bool,
    /// `release-ram`.
    pub release_ram: bool,
    /// `zero-copy-send`.
    pub zero_copy_send: bool,
    /// `zero-page-detection`, by QEMU's word.
    pub zero_page_detection: Option<String>,
    /// `multifd-compression`, by QEMU's word.
    pub multifd_compression: Option<String>,
    /// `multifd-zlib-level`.
    pub multifd_zlib_level: Option<u32>,
    /// `multifd-zstd-level`.
    pub multifd_zstd_level: Option<u32>,
    /// `multifd-qatzip-level`.
    pub multifd_qatzip_level: Option<u32>,
    /// `xbzrle`.
    pub xbzrle: bool,
    /// `xbzrle-cache-size` in bytes, a power of two.
    pub xbzrle_cache_size: Option<u64>,
    /// `dirty-limit`: throttle each vCPU by its own dirty rate.
    pub dirty_limit: bool,
    /// `vcpu-dirty-limit` in MiB per second and vCPU (QEMU writes "MB/s").
    pub vcpu_dirty_limit: Option<u64>,
    /// `x-vcpu-dirty-limit-period`.
    pub vcpu_dirty_limit_period: Option<Duration>,
    /// `announce-initial`: from the guest's start on the destination to the first announcement.
    pub announce_initial: Option<Duration>,
    /// `announce-max`: longest time between two.
    pub announce_max: Option<Duration>,
    /// `announce-rounds`: how many.
    pub announce_rounds: Option<u32>,
    /// `announce-step`: what each time between two adds to the one before.
    pub announce_step: Option<Duration>,
}

impl Knobs {
    /// The knobs that are called in a scenario's `[migration]` as QEMU calls them.
    pub const NAMES: [&str; 18] = [
        "avail-switchover-bandwidth",
        "switchover-ack",
        "pause-before-switchover",
        "release-ram",
        "zero-copy-send",
        "zero-page-detection",
        "multifd-compression",
        "multifd-zlib-level",
        "multifd-zstd-level",
        "multifd-qatzip-level",
        "xbzrle",
        "xbzrle-cache-size",
        "dirty-limit",
        "vcpu-dirty-limit",
        "announce-initial",
        "announce-max",
        "announce-rounds",
        "announce-step",
    ];
}
