//! Seconds as the equations have them and the nanoseconds that virtual time counts in.

use std::time::Duration;

/// Bytes of a guest page, as QEMU's `TARGET_PAGE_SIZE` on `x86_64`.
pub const PAGE_BYTES: f64 = 4096.0;

/// Longest wait that is a wait and not for ever: 30 years.
const LONGEST_S: f64 = 1e9;

/// A length of time, rounded up to the nanosecond, so that what was to happen within it has happened after it.
/// Nothing for what is not positive.
pub(crate) fn length(seconds: f64) -> Duration {
    if seconds > 0.0 {
        Duration::from_nanos((seconds.min(LONGEST_S) * 1e9).ceil() as u64)
    } else {
        Duration::ZERO
    }
}

/// The moment `seconds` after `now`; none if that never comes.
pub(crate) fn later(now: Duration, seconds: f64) -> Option<Duration> {
    (seconds < LONGEST_S).then(|| now + length(seconds))
}

/// The earlier of two moments that may never come.
pub(crate) fn earliest(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
