//! After what time a workload does the same again. Less of it tells no rate: a part of a period holds a checkpoint or a collection too many, or
//! too few.

use std::time::Duration;

use lmbench_guest::spec::{PAGE_BYTES, Pattern, Rate};

/// Milliseconds of the guest's time; `rate` is what the workload reaches, in pages per millisecond. Zero of a workload that does always the
/// same: a sweep's passes, too, are all alike to its rate.
pub fn period_ms(pattern: &Pattern, rate: f64) -> f64 {
    match pattern {
        Pattern::Idle
        | Pattern::Uniform { .. }
        | Pattern::HotSet { .. }
        | Pattern::Zipf { .. }
        | Pattern::Sweep { .. } => 0.0,
        // From collection to collection: the young generation once, and its survivors once more.
        Pattern::Jvm {
            young_bytes,
            survivors,
            ..
        } => {
            let pages = *young_bytes as f64 / PAGE_BYTES as f64 * (1.0 + survivors);
            if rate > 0.0 { pages / rate } else { 0.0 }
        }
        Pattern::Database {
            checkpoint_interval_ns,
            ..
        } => *checkpoint_interval_ns as f64 / 1e6,
        Pattern::Phases(phases) => {
            let lengths = phases.iter().map(|phase| phase.duration_ns as f64 / 1e6);
            lengths.sum()
        }
    }
}

/// Whether a workload has one.
pub fn has_period(pattern: &Pattern) -> bool {
    period_ms(pattern, 1.0) > 0.0
}

/// How long a workload must be watched before its migration, so that one period is in it for sure.
pub(super) fn to_settle(pattern: &Pattern) -> Duration {
    let asked = if let Pattern::Jvm {
        allocation_rate: Rate::BytesPerSecond(bytes),
        ..
    } = pattern
    {
        *bytes as f64 / 1e3 / PAGE_BYTES as f64
    } else {
        0.0
    };
    let period_ms = period_ms(pattern, asked);
    if period_ms <= 0.0 {
        return Duration::ZERO;
    }
    let whole = Duration::from_millis(period_ms.min(1e9) as u64);
    (whole + BEYOND_A_PERIOD).min(SETTLE_MOST)
}

/// The workload's first moments, which do not count, and two reports.
const BEYOND_A_PERIOD: Duration = Duration::from_millis(500);
/// Nobody waits longer who did not ask for it.
const SETTLE_MOST: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_that_of_what_comes_again() {
        let database = Pattern::Database {
            rate: Rate::BytesPerSecond(1 << 20),
            log_bytes: 1 << 20,
            log_share: 0.1,
            checkpoint_interval_ns: 5_000_000_000,
            checkpoint_share: 0.5,
        };
        assert_eq!(to_settle(&database), Duration::from_millis(5500));
        // 1000 pages and a half of them again, 1 page/ms.
        let jvm = Pattern::Jvm {
            young_bytes: 1000 * PAGE_BYTES,
            old_bytes: 0,
            allocation_rate: Rate::BytesPerSecond(1000 * PAGE_BYTES),
            survivors: 0.5,
        };
        assert_eq!(to_settle(&jvm), Duration::from_secs(2));
        let sweep = Pattern::Sweep {
            rate: Rate::BytesPerSecond(1 << 20),
        };
        assert!(!has_period(&sweep) && has_period(&jvm));
    }
}
