//! The guest's one clock: `CLOCK_MONOTONIC` through the vDSO, so that a reading costs tens of nanoseconds, not a system call.
//!
//! It stands still while the guest is stopped: blackouts are seen from outside the guest, not by this clock.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since the guest booted.
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}
