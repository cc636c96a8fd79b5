//! Reports against the migration's window: what lies in it in part counts in part.
#![expect(
    clippy::float_cmp,
    reason = "the numbers are chosen so that the arithmetic is exact"
)]

use std::collections::BTreeMap;

use lmbench_guest::spec::{Pattern, Rate};
use lmbench_harness::role::Role::{Destination, Source};
use serde_json::Value;

use super::super::synthetic::Story;
use super::{percentile_us, shortfall, slowest, unseen_period};

// 1 operation/ms before. Reports of 100 ms that end at 50, 150, 250 ms; the migration lasts from 0 to 200 ms.
fn straddling() -> Story {
    let mut story = Story::new(200.0).settled(100);
    // The last report before the migration comes 50 ms early, so that the next one straddles its beginning.
    story.measured.readings.source.reports.pop();
    story
        .report(Source, -50.0, 50.0, 50)
        .report(Source, 50.0, 100.0, 80)
        .report(Source, 150.0, 100.0, 40)
        .report(Source, 250.0, 100.0, 95)
}

#[test]
fn a_report_that_straddles_an_end_counts_by_its_part() {
    let story = straddling();
    // Done: half of 80, all of 40, half of 95; expected: 200.
    let lost = 1.0 - (40.0 + 40.0 + 47.5) / 200.0;
    assert_eq!(story.value("workload_slowdown"), Some(lost));
    // One operation per millisecond before.
    assert_eq!(story.value("workload_lost_ms"), Some(200.0 - 127.5));
    // Below 90 %: 50 ms of the first, all of the second, nothing of the third.
    assert_eq!(story.value("brownout_ms"), Some(150.0));
    // Half of the operations dirty a page: 20 + 20 + 23.5 (of 47) in 200 ms of guest time.
    assert_eq!(
        story.value("guest_dirty_rate_bps"),
        Some(63.5 * 4096.0 / 0.2)
    );
}

#[test]
fn latency_counts_straddling_reports_whole() {
    let (repeat, _) = straddling().finish();
    assert_eq!(repeat.op_latency_ns, [(1_000, 79 + 39 + 94), (9_000, 3)]);
    assert_eq!(repeat.metrics["op_latency_us_p50"], 1.0);
    // Rank 213 of 215.
    assert_eq!(repeat.metrics["op_latency_us_p99"], 9.0);
    assert_eq!(repeat.metrics["op_latency_us_max"], 9.0);
}

// The guest's clock stands still from 100 to 180 ms: its report of 100 guest milliseconds takes 180. All 100 operations fell
// into the 100 ms in which it ran, so nothing browned out and 80 of 200 operations were lost.
#[test]
fn a_blackout_is_no_brownout() {
    let story = Story::new(200.0)
        .settled(100)
        .report(Source, 80.0, 80.0, 80)
        .blackout(100.0, 180.0)
        .report(Destination, 260.0, 100.0, 100);
    assert_eq!(story.value("brownout_ms"), Some(0.0));
    let lost = story.value("workload_slowdown").unwrap();
    assert!((lost - 0.4).abs() < 1e-12, "{lost}");
}

// The source is done at 200 ms but the guest runs again only at 300 ms: the last third of its loss is after the source's end.
#[test]
fn the_migration_lasts_until_the_guest_runs() {
    let story = Story::new(200.0)
        .settled(100)
        .report(Source, 100.0, 100.0, 100)
        .blackout(100.0, 300.0)
        .report(Destination, 400.0, 100.0, 100);
    let lost = story.value("workload_slowdown").unwrap();
    assert!((lost - 2.0 / 3.0).abs() < 1e-12, "{lost}");
}

// A report that comes 60 ms late makes one interval long and the next short; the guest's clock knows better.
#[test]
fn a_late_report_is_no_brownout() {
    let story = Story::new(300.0)
        .settled(100)
        .report(Source, 160.0, 100.0, 100)
        .report(Source, 200.0, 100.0, 100)
        .report(Source, 300.0, 100.0, 100);
    assert_eq!(story.value("brownout_ms"), Some(0.0));
    assert_eq!(story.value("workload_slowdown"), Some(0.0));
}

// The report of 100 to 200 ms never arrived; the counters of the next one cover its time.
#[test]
fn a_lost_report_leaves_no_hole() {
    let mut story = Story::new(300.0)
        .settled(100)
        .report(Source, 100.0, 100.0, 100)
        .report(Source, 200.0, 100.0, 40)
        .report(Source, 300.0, 100.0, 100);
    story.measured.readings.source.reports.remove(12);
    let lost = story.value("workload_slowdown").unwrap();
    assert!((lost - 0.2).abs() < 1e-12, "{lost}");
    assert_eq!(story.value("brownout_ms"), Some(200.0));
}

#[test]
fn an_idle_workload_has_rates_of_zero_and_nothing_to_lose() {
    let story = Story::new(100.0).settled(0).report(Source, 100.0, 100.0, 0);
    assert_eq!(story.value("settle_rate_bps"), Some(0.0));
    assert_eq!(story.value("guest_dirty_rate_bps"), Some(0.0));
    for absent in ["workload_slowdown", "brownout_ms", "op_latency_us_p50"] {
        assert_eq!(story.value(absent), None, "{absent}");
    }
}

#[test]
fn a_guest_that_says_nothing_has_no_workload() {
    let story = Story::new(100.0).event(Source, 0.0, "STOP", Value::Null);
    for absent in ["settle_rate_bps", "workload_slowdown", "guest_pause_ms"] {
        assert_eq!(story.value(absent), None, "{absent}");
    }
}

#[test]
fn a_migration_that_reports_do_not_cover_has_no_slowdown() {
    let story = Story::new(500.0)
        .settled(100)
        .report(Source, 100.0, 100.0, 100);
    assert_eq!(story.value("settle_rate_bps"), Some(1000.0 * 4096.0));
    assert_eq!(story.value("workload_slowdown"), None);
}

// The first three reports warm up and do not count. Then 1 operation/ms on average: of seven reports three have 0.8.
#[test]
fn the_noise_of_brownout_is_stated_and_the_warm_up_left_out() {
    let mut story = Story::new(100.0).settled(0);
    story.measured.readings.source.reports.clear();
    for (number, operations) in [9, 10, 10, 10, 100, 120, 80, 120, 80, 120, 80]
        .into_iter()
        .enumerate()
    {
        story = story.report(Source, -1000.0 + 100.0 * number as f64, 100.0, operations);
    }
    let story = story.report(Source, 100.0, 100.0, 100);
    assert_eq!(story.value("settle_rate_bps"), Some(1000.0 * 4096.0));
    assert_eq!(story.value("settle_brownout_share"), Some(3.0 / 7.0));
    assert_eq!(story.value("workload_slowdown"), Some(0.0));
}

// 1000 pages of 4 KiB a second are 3.9 MiB/s.
#[test]
fn a_workload_that_never_reached_its_rate_is_reported() {
    let (repeat, _) = Story::new(100.0).settled(100).finish();
    let of = |rate: u64| {
        shortfall(
            &repeat,
            &Pattern::Uniform {
                rate: Rate::BytesPerSecond(rate << 20),
            },
        )
    };
    assert_eq!(of(4), None);
    let said = of(5).unwrap();
    assert!(said.starts_with("the workload reached 3.91 MiB/s of the 5 MiB/s asked for"));
    let unbounded = Pattern::Uniform {
        rate: Rate::Unbounded,
    };
    assert_eq!(shortfall(&repeat, &unbounded), None);
}

// Of 100 operations at 1 µs and one at 9 µs, the 99th percentile is the 100th smallest of 101.
#[test]
fn percentiles_are_ranks() {
    let histogram = BTreeMap::from([(1_000, 100), (9_000, 1)]);
    assert_eq!(percentile_us(&histogram, 0.5), Some(1.0));
    assert_eq!(percentile_us(&histogram, 0.99), Some(1.0));
    assert_eq!(percentile_us(&histogram, 1.0), Some(9.0));
    assert_eq!(percentile_us(&BTreeMap::new(), 0.5), None);
}

#[test]
fn the_slowest_are_those_that_waited() {
    let histogram = BTreeMap::from([(1_000, 100), (5_000, 3), (9_000, 2)]);
    assert_eq!(slowest(&histogram, 0), BTreeMap::new());
    assert_eq!(slowest(&histogram, 1), BTreeMap::from([(9_000, 1)]));
    let four = BTreeMap::from([(5_000, 2), (9_000, 2)]);
    assert_eq!(slowest(&histogram, 4), four);
    assert_eq!(slowest(&histogram, 1_000), histogram);
}

// In post-copy from 180 to 300 ms: the report that straddles the switch counts, the one before does not.
#[test]
fn post_copy_has_its_own_latency() {
    let story = Story::new(300.0)
        .settled(100)
        .report(Source, 80.0, 80.0, 80)
        .blackout(100.0, 180.0)
        .report(Destination, 200.0, 40.0, 10)
        .report(Destination, 300.0, 100.0, 2);
    assert_eq!(story.value("postcopy_op_latency_us_p99"), None);
    let active = serde_json::json!({ "status": "postcopy-active" });
    let story = story.event(Source, 110.0, "MIGRATION", active);
    // 10 + 2 operations, of which the slowest of each report took 9 us.
    assert_eq!(story.value("postcopy_op_latency_us_p50"), Some(1.0));
    assert_eq!(story.value("postcopy_op_latency_us_p99"), Some(9.0));
    assert_eq!(story.value("postcopy_op_latency_us_max"), Some(9.0));
    assert_eq!(story.value("postcopy_stall_us_p50"), None);
    // Two operations waited for pages, and those took 9 us.
    let ram = serde_json::json!({ "transferred": 1, "postcopy-requests": 2 });
    let story = story.ram(301.0, "final", "completed", ram);
    assert_eq!(story.value("postcopy_stall_us_p50"), Some(9.0));
    // Without reports up to its end nothing is known of it.
    let mut short = story;
    short.measured.readings.destination.reports.pop();
    assert_eq!(short.value("postcopy_op_latency_us_max"), None);
}

/// A database whose checkpoints come every 500 ms: in every fifth report five times the operations.
fn bursts(total_ms: f64, settle_reports: i32, interval_ms: u64) -> Story {
    let mut story = Story::new(total_ms).settled(100);
    story.measured.readings.source.reports.clear();
    let workload = story.cell.setup.workload.as_mut().unwrap();
    workload.pattern = Pattern::Database {
        rate: Rate::BytesPerSecond(1 << 20),
        log_bytes: 1 << 20,
        log_share: 0.1,
        checkpoint_interval_ns: interval_ms * 1_000_000,
        checkpoint_share: 0.5,
    };
    let last = (total_ms / 100.0) as i32 + 1;
    for number in -settle_reports..=last {
        let operations = if number.rem_euclid(5) == 0 { 500 } else { 100 };
        story = story.report(Source, 100.0 * f64::from(number), 100.0, operations);
    }
    story
}

// What is seen of it before the migration never is a whole number of periods; the migration itself is two.
#[test]
fn a_rate_is_that_of_whole_periods() {
    for settle_reports in 9..=17 {
        let story = bursts(1000.0, settle_reports, 500);
        let slowdown = story.value("workload_slowdown").unwrap();
        assert!(slowdown.abs() < 1e-12, "{settle_reports}: {slowdown}");
    }
}

#[test]
fn less_than_a_period_has_no_slowdown_and_says_why() {
    for (total_ms, interval_ms, short) in [
        (300.0, 500, "the migration"),
        (3000.0, 2000, "`migration.settle`"),
    ] {
        let story = bursts(total_ms, 10, interval_ms);
        let pattern = story.cell.setup.workload.as_ref().unwrap().pattern.clone();
        let (repeat, _) = story.finish();
        assert!(!repeat.metrics.contains_key("workload_slowdown"));
        assert!(!repeat.metrics.contains_key("workload_lost_ms"));
        let said = unseen_period(&repeat, &pattern).unwrap();
        assert!(said.starts_with(short), "{said}");
    }
}
