//! The one clock that stamps everything a host observes: `CLOCK_MONOTONIC`, shared by all processes of a machine.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of this host's `CLOCK_MONOTONIC`. Comparable between processes and namespaces of one boot, not between hosts.
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}
