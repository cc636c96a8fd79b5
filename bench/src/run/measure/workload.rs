//! The workload during the migration against the same workload before it.

use std::collections::BTreeMap;

use lmbench_guest::spec::PAGE_BYTES;

use super::Values;
use super::time_line::{Span, TimeLine};

pub(super) fn measure(values: &mut Values, line: &TimeLine<'_>) {
    let before: Vec<&Span> = line.spans.iter().filter(|span| span.to_ms <= 0.0).collect();
    let during: Vec<&Span> = line
        .spans
        .iter()
        .filter(|span| span.to_ms > 0.0 && span.from_ms < line.end_ms)
        .collect();
    let Some(undisturbed) = rate(&before).filter(|rate| *rate > 0.0) else {
        return;
    };
    values.put("settle_rate_bps", undisturbed * 1e3 * PAGE_BYTES as f64);
    let Some(migrated) = rate(&during) else {
        return;
    };
    values.put("workload_slowdown", 1.0 - migrated / undisturbed);
    let pages: u64 = during.iter().map(|span| span.report.pages_dirtied).sum();
    values.put(
        "guest_dirty_rate_bps",
        pages as f64 * PAGE_BYTES as f64 / (wall_ms(&during) / 1e3),
    );
    values.put("brownout_ms", brownout_ms(line, &during, undisturbed));
    let latency = merged(&during);
    for (metric, share) in [
        ("op_latency_us_p50", 0.5),
        ("op_latency_us_p99", 0.99),
        ("op_latency_us_max", 1.0),
    ] {
        values.put(metric, percentile_us(&latency, share));
    }
}

/// The histogram of operation latency during the migration, in guest nanoseconds.
pub(super) fn latency(line: &TimeLine<'_>) -> Vec<(u64, u64)> {
    let during: Vec<&Span> = line
        .spans
        .iter()
        .filter(|span| span.to_ms > 0.0 && span.from_ms < line.end_ms)
        .collect();
    merged(&during).into_iter().collect()
}

fn wall_ms(spans: &[&Span<'_>]) -> f64 {
    spans.iter().map(|span| span.to_ms - span.from_ms).sum()
}

/// Operations per millisecond of wall time.
fn rate(spans: &[&Span<'_>]) -> Option<f64> {
    let wall = wall_ms(spans);
    let operations: u64 = spans.iter().map(|span| span.report.operations).sum();
    (wall > 0.0).then(|| operations as f64 / wall)
}

/// Time in intervals that ran below 90 % of the undisturbed rate, the blackout taken out of them.
fn brownout_ms(line: &TimeLine<'_>, during: &[&Span<'_>], undisturbed: f64) -> f64 {
    let blackout = line.blackout();
    let lit = |span: &Span<'_>| {
        let dark = blackout.map_or(0.0, |(from, to)| {
            (span.to_ms.min(to) - span.from_ms.max(from)).max(0.0)
        });
        (span.to_ms - span.from_ms - dark).max(0.0)
    };
    let slow = during
        .iter()
        .filter(|span| (span.report.operations as f64) < BROWNOUT_SHARE * undisturbed * lit(span));
    slow.map(|span| lit(span)).sum()
}

fn merged(spans: &[&Span<'_>]) -> BTreeMap<u64, u64> {
    let mut histogram = BTreeMap::new();
    for (latency_ns, count) in spans.iter().flat_map(|span| &span.report.latency_ns) {
        *histogram.entry(*latency_ns).or_insert(0) += count;
    }
    histogram
}

fn percentile_us(histogram: &BTreeMap<u64, u64>, share: f64) -> Option<f64> {
    let total: u64 = histogram.values().sum();
    let rank = (share * total as f64).ceil().max(1.0) as u64;
    let mut seen = 0;
    let (latency_ns, _) = histogram.iter().find(|(_, count)| {
        seen += **count;
        seen >= rank
    })?;
    Some(*latency_ns as f64 / 1e3)
}

/// Below this share of its undisturbed rate, a workload is in brownout.
const BROWNOUT_SHARE: f64 = 0.9;

#[cfg(test)]
mod tests {
    use super::*;

    // Of 100 operations at 1 µs and one at 9 µs, the 99th percentile is the 100th smallest of 101.
    #[test]
    fn percentiles_are_ranks() {
        let histogram = BTreeMap::from([(1_000, 100), (9_000, 1)]);
        assert_eq!(percentile_us(&histogram, 0.5), Some(1.0));
        assert_eq!(percentile_us(&histogram, 0.99), Some(1.0));
        assert_eq!(percentile_us(&histogram, 1.0), Some(9.0));
        assert_eq!(percentile_us(&BTreeMap::new(), 0.5), None);
    }
}
