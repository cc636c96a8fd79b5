//! QEMU's migration parameters and capabilities, as far as the loop looks at them.

use std::time::Duration;

/// Settings of one migration. [`Default`] is QEMU's own (`migration/options.c`).
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "QEMU's capabilities are flags"
)]
pub struct Settings {
    /// `max-bandwidth`, bytes per second; 0 is no limit. Multifd does not keep to it (qemu#3364).
    pub max_bandwidth: u64,
    /// `max-postcopy-bandwidth`, bytes per second; 0 is no limit.
    pub max_postcopy_bandwidth: u64,
    /// `avail-switchover-bandwidth`, bytes per second; 0 lets QEMU go by what it measures.
    pub avail_switchover_bandwidth: u64,
    /// `downtime-limit`, whole milliseconds.
    pub downtime_limit: Duration,
    /// `auto-converge`.
    pub auto_converge: bool,
    /// Its parameters.
    pub throttle: ThrottleSettings,
    /// `multifd`, with [`Path::channels`](crate::Path::channels).
    pub multifd: bool,
    /// `multifd-compression`, any: CPU-s that a GiB of memory costs the source. 2.8 for zstd (numbers of QPL series
    /// v5: 0.36 GB/s a core).
    pub compression_s_per_gib: Option<f64>,
    /// `postcopy-ram`.
    pub postcopy_ram: bool,
    /// `postcopy-preempt`.
    pub postcopy_preempt: bool,
    /// `pause-before-switchover`.
    pub pause_before_switchover: bool,
}

/// Parameters of auto-converge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThrottleSettings {
    /// `cpu-throttle-initial`, percent.
    pub initial: u32,
    /// `cpu-throttle-increment`, percent.
    pub increment: u32,
    /// `max-cpu-throttle`, percent.
    pub max: u32,
    /// `cpu-throttle-tailslow`.
    pub tailslow: bool,
    /// `throttle-trigger-threshold`, percent.
    pub trigger_threshold: u32,
}

impl Default for ThrottleSettings {
    fn default() -> Self {
        Self {
            initial: 20,
            increment: 10,
            max: 99,
            tailslow: false,
            trigger_threshold: 50,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_bandwidth: 128 << 20,
            max_postcopy_bandwidth: 0,
            avail_switchover_bandwidth: 0,
            downtime_limit: Duration::from_millis(300),
            auto_converge: false,
            throttle: ThrottleSettings::default(),
            multifd: false,
            compression_s_per_gib: None,
            postcopy_ram: false,
            postcopy_preempt: false,
            pause_before_switchover: false,
        }
    }
}
