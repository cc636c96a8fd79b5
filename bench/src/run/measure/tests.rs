//! Made-up migrations through the whole of `finish`: outcomes, what each kind of ending has, and the registry.
#![expect(
    clippy::float_cmp,
    reason = "the numbers are chosen so that the arithmetic is exact"
)]

use std::collections::BTreeSet;

use lmbench_harness::agent::protocol::Owned;
use lmbench_harness::background::BackgroundReport;
use lmbench_harness::role::Role::{Destination, Source};
use lmbench_harness::sockets::Owner;
use lmbench_harness::switches::Switches;
use lmbench_harness::tenant::probe::AnnouncementKind;
use proptest::prelude::*;
use serde_json::json;

use super::synthetic::{self, Story, cpu, usage};
use super::*;
use crate::metric::ALL;

/// A pre-copy of one second at half the workload's rate: 900 ms of stream, a blackout of 120 ms that ends after the source.
fn precopy() -> Story {
    let mut story = Story::new(1000.0)
        .settled(100)
        .blackout(900.0, 1020.0)
        .beats(Source, &[(1, -20.0), (2, -10.0), (3, 5.0), (4, 895.0)])
        .beats(Destination, &[(5, 1030.0), (6, 1040.0)]);
    for number in 1..=9 {
        story = story.report(Source, 100.0 * f64::from(number), 100.0, 50);
    }
    let counters = |sent: u64| {
        json!({ "transferred": sent, "total": 400 * 4096, "page-size": 4096, "normal": 300, "duplicate": 100,
                "dirty-sync-count": 3, "dirty-pages-rate": 25, "multifd-bytes": 0, "postcopy-requests": 0,
                "precopy-bytes": sent - 7, "downtime-bytes": 7, "postcopy-bytes": 0 })
    };
    story = story
        .report(Destination, 1120.0, 100.0, 50)
        .report(Destination, 1220.0, 100.0, 100)
        .ram(80.0, "interval", "active", json!({ "transferred": 1 }))
        .ram(500.0, "pass", "active", counters(1 << 29))
        .ram(1001.0, "final", "completed", counters(1 << 30));
    story.measured.ended.last = Some(Reading::from(json!({ "downtime": 95 })));
    story.measured.handshake_ms = Some(3.5);
    story.measured.usage_after = Sides {
        source: usage(4.0, 1.0, 600),
        destination: usage(2.0, 0.5, 600),
    };
    story
}

fn post_copy() -> Story {
    let mut story = precopy().event(
        Source,
        901.0,
        "MIGRATION",
        json!({ "status": "postcopy-active" }),
    );
    story.measured.destination_info = Some(Reading::from(json!({
        "postcopy-blocktime": 44, "postcopy-vcpu-blocktime": [44], "postcopy-latency-dist": [0, 1],
    })));
    story
}

#[test]
fn a_pre_copy_to_the_last_digit() {
    let (repeat, _) = precopy().finish();
    assert_eq!(
        (repeat.outcome, &repeat.reason),
        (Outcome::Completed, &None)
    );
    let integrity = repeat.integrity.unwrap();
    assert_eq!(
        (integrity.memory_intact, integrity.pages_checked),
        (Some(true), 256)
    );
    let expected = [
        ("total_time_ms", 1000.0),
        ("setup_time_ms", 10.0),
        ("handshake_ms", 3.5),
        ("downtime_ms", 95.0),
        ("blackout_ms", 120.0),
        ("guest_pause_ms", 890.0),
        ("settle_pause_ms", 10.0),
        ("heartbeat_interval_ms", 5.0),
        ("iterations", 3.0),
        ("wire_bytes", 1200.0),
        ("ram_bytes", f64::from(1 << 30)),
        ("postcopy_bytes", 0.0),
        ("downtime_bytes", 7.0),
        ("throughput_bps", f64::from(1 << 30) * 8.0 / 0.99),
        ("dirty_rate_bps", 25.0 * 4096.0),
        ("settle_rate_bps", 1000.0 * 4096.0),
        ("settle_brownout_share", 0.0),
        // 10 s of the repeat without 2 s of boot, 1 s of fill, 2 s of settling and 1 s of migration.
        ("overhead_s", 4.0),
        ("sample_answer_us_p50", 200.0),
        ("sample_read_us_p50", 50.0),
        ("sample_gap_ms_max", 501.0),
    ];
    for (metric, value) in expected {
        assert_eq!(repeat.metrics.get(metric), Some(&value), "{metric}");
    }
    assert!(!repeat.metrics.contains_key("postcopy_requests"));
}

#[test]
fn a_migration_that_timed_out_has_no_metric_of_an_end() {
    let mut story = precopy().ended(Ending::TimedOut, "not converged", "source");
    story.measured.readings.destination = Readings::default();
    let counters = json!({ "transferred": 1 << 28, "dirty-sync-count": 9 });
    // Cancelled at 1000 ms; the last counters are of 950 ms, and the final answer has none.
    story = story.ram(950.0, "interval", "cancelling", counters).answer(
        1001.0,
        "final",
        json!({ "status": "cancelled" }),
    );
    story.measured.readings.source.samples.remove(2);
    let (repeat, _) = story.finish();
    assert_eq!(repeat.outcome, Outcome::DidNotConverge);
    for absent in ["total_time_ms", "downtime_ms", "blackout_ms"] {
        assert!(!repeat.metrics.contains_key(absent), "{absent}");
    }
    assert_eq!(repeat.metrics["iterations"], 9.0);
    assert_eq!(
        repeat.metrics["throughput_bps"],
        f64::from(1 << 28) * 8.0 / 0.94
    );
}

#[test]
fn qemu_is_not_believed_about_where_the_guest_runs() {
    for (ending, runs, outcome) in [
        (Ending::Completed, "destination", Outcome::Completed),
        (Ending::Completed, "both", Outcome::Failed),
        (Ending::Completed, "none", Outcome::Failed),
        (Ending::TimedOut, "destination", Outcome::Failed),
        (Ending::Cancelled, "source", Outcome::Cancelled),
        (Ending::Failed, "source", Outcome::Failed),
    ] {
        let (repeat, _) = Story::new(5.0).ended(ending, "why", runs).finish();
        assert_eq!(repeat.outcome, outcome, "{ending:?} and runs on {runs}");
        assert_eq!(repeat.integrity.unwrap().memory_intact, None);
        assert!(repeat.reason.is_some());
    }
}

// virsh's --timeout-suspend: stopped by us at 200 ms, the stream ends at 1000 ms, woken by us at 1050 ms.
#[test]
fn a_guest_paused_by_the_timeout_is_dark_from_the_pause_on() {
    let story = Story::new(1000.0)
        .settled(100)
        .report(Source, 100.0, 100.0, 100)
        .blackout(200.0, 1050.0)
        .report(Destination, 1050.0, 100.0, 100)
        .report(Destination, 1150.0, 100.0, 100);
    assert_eq!(story.value("blackout_ms"), Some(850.0));
    assert_eq!(story.value("brownout_ms"), Some(0.0));
    // 200 of 1050 operations expected were done.
    assert_eq!(story.value("workload_slowdown"), Some(1.0 - 200.0 / 1050.0));
}

#[test]
fn blackout_takes_the_last_stop_before_the_first_resume() {
    // A switch-over that QEMU gave up and tried again.
    let story = Story::new(1000.0)
        .event(Source, 300.0, "STOP", json!(null))
        .event(Source, 350.0, "RESUME", json!(null))
        .blackout(900.0, 950.0)
        .event(Destination, 990.0, "RESUME", json!(null));
    assert_eq!(story.value("blackout_ms"), Some(50.0));
    assert_eq!(Story::new(1000.0).value("blackout_ms"), None);
    let never_resumed = Story::new(1000.0).event(Source, 300.0, "STOP", json!(null));
    assert_eq!(never_resumed.value("blackout_ms"), None);
}

#[test]
fn the_samples_of_both_hosts_stand_in_the_order_of_one_clock() {
    let (repeat, samples) = post_copy().finish();
    assert!(samples.is_sorted_by_key(|sample| sample.at_ms.to_bits() ^ sign(sample.at_ms)));
    assert!(
        repeat
            .events
            .is_sorted_by(|one, other| one.at_ms <= other.at_ms)
    );
    let kinds: BTreeSet<(&str, &str)> = samples
        .iter()
        .map(|sample| (sample.host.as_str(), sample.kind.as_str()))
        .collect();
    let expected = [
        ("destination", "heartbeats"),
        ("destination", "workload"),
        ("source", "heartbeats"),
        ("source", "migration"),
        ("source", "workload"),
    ];
    assert_eq!(kinds, BTreeSet::from(expected));
}

/// Makes the bits of floats sort as their values do.
fn sign(value: f64) -> u64 {
    if value.is_sign_negative() {
        u64::MAX
    } else {
        1 << 63
    }
}

/// Metrics that a migration with post-copy lacks, since its memory comes later and nobody sees its state drain; this one asked for no
/// page, and it completed.
const NOT_GIVEN: [&str; 5] = [
    "remaining_bytes_min",
    "blackout_ram_ms",
    "blackout_drain_ms",
    "postcopy_stall_us_p50",
    "postcopy_stall_us_p99",
];

#[test]
fn every_metric_of_the_registry_is_given_or_known_not_to_be() {
    let mut story = post_copy()
        .with("[carrier.tcp]\n[matrix]\ncarrier = [\"tcp\"]\npolicy = [\"auto-converge\"]\n");
    let traffic = BackgroundReport {
        achieved_bps: 3e8,
        probe_us: vec![(100, 9), (900, 1)],
        ..BackgroundReport::default()
    };
    story.measured.background = Some(traffic.clone());
    story.measured.background_before = Some(traffic);
    for side in [
        &mut story.measured.usage_settling,
        &mut story.measured.usage_before,
        &mut story.measured.usage_after,
    ] {
        side.source.carrier = Some(cpu(1.0));
        side.destination.carrier = Some(cpu(1.0));
    }
    for (usage, at_ns) in [
        (&mut story.measured.usage_before, 1_000_000_000),
        (&mut story.measured.usage_after, 1_000_000_001),
    ] {
        (usage.source.at_ns, usage.destination.at_ns) = (at_ns, at_ns);
    }
    let connection = synthetic::connection(Owner::Qemu, 1000);
    let decisions = json!({ "cost_us": { "max": 1.0 }, "reaction_ms": { "max": 2.0 } });
    let mut story = story
        .event(Source, 90.0, "decisions", decisions)
        .connection(Source, connection.clone())
        .connection(Destination, connection)
        .flow(Source, 5.0, 10, Some(300))
        .flow(Source, 30.0, 20, Some(300))
        .flow(Destination, 5.0, 10, None)
        .event(Source, 900.5, "MIGRATION", json!({ "status": "device" }))
        .event(Source, 900.8, "MIGRATION_PASS", json!({ "pass": 2 }))
        .event(
            Source,
            900.9,
            "checkpoint",
            json!({ "name": "src-iterable-saved" }),
        )
        .event(
            Source,
            900.95,
            "checkpoint",
            json!({ "name": "src-non-iterable-saved" }),
        )
        .event(
            Destination,
            1010.0,
            "checkpoint",
            json!({ "name": "dst-postcopy-bh-enter" }),
        )
        .event(Destination, 1020.5, "vcpu-runs", json!({}))
        .announced(1021.0, AnnouncementKind::Rarp)
        .answers(&[-10.0, -5.0, 890.0, 1030.0, 1500.0]);
    story.measured.ended.finished_ns = Story::stamp(Source, 1100.0);
    for readings in [
        &mut story.measured.readings.source,
        &mut story.measured.readings.destination,
    ] {
        let metering = readings.metering.as_mut().unwrap();
        metering.switches = Owned {
            qemu: Some(Switches::default()),
            carrier: Some(Switches::default()),
        };
        metering.syscalls = Owned {
            qemu: Some(1),
            carrier: Some(1),
        };
    }
    let given: BTreeSet<String> = story.finish().0.metrics.into_keys().collect();
    let expected = ALL.iter().map(|metric| metric.id);
    let expected = expected.filter(|id| !NOT_GIVEN.contains(id));
    assert_eq!(given, expected.map(str::to_owned).collect());
    assert_eq!(story.value("postcopy_blocktime_ms"), Some(44.0));
    assert_eq!(story.value("background_achieved_bps"), Some(3e8));
    assert_eq!(story.value("management_rtt_us_p99"), Some(900.0));
    assert_eq!(story.value("cpu_carrier_source_s_per_gib"), Some(0.0));
    assert_eq!(story.value("throttle_max_percent"), Some(0.0));
}

fn role() -> impl Strategy<Value = lmbench_harness::role::Role> {
    prop_oneof![Just(Source), Just(Destination)]
}

proptest! {
    // Whatever the hosts collected, in whatever order: no metric is infinite, NaN or unknown, and a failed repeat keeps none.
    #[test]
    fn metrics_are_finite(
        total_ms in -10.0..1e7_f64,
        settled in proptest::option::of(0_u64..1000),
        reports in proptest::collection::vec((role(), -2e3..1e7_f64, 0.0..1e4_f64, 0_u64..1 << 40), 0..12),
        events in proptest::collection::vec((role(), -2e3..1e7_f64, "STOP|RESUME|MIGRATION"), 0..8),
        beats in proptest::collection::vec((0_u64..20, -2e3..1e7_f64), 0..20),
        counters in proptest::collection::vec((-5.0..1e7_f64, any::<u64>(), any::<u32>(), any::<u32>()), 0..6),
    ) {
        let mut story = Story::new(total_ms);
        if let Some(operations) = settled {
            story = story.settled(operations);
        }
        for (role, at_ms, guest_ms, operations) in reports {
            story = story.report(role, at_ms, guest_ms, operations);
        }
        for (role, at_ms, name) in events {
            story = story.event(role, at_ms, &name, json!({ "status": "postcopy-active" }));
        }
        story = story.beats(Source, &beats);
        for (at_ms, sent, pages, zero) in counters {
            let ram = json!({ "transferred": sent, "normal": pages, "duplicate": zero, "total": u64::from(pages) << 12,
                              "page-size": 4096, "dirty-pages-rate": pages });
            story = story.ram(at_ms, "pass", "active", ram);
        }
        let (repeat, _) = story.finish();
        for (metric, value) in &repeat.metrics {
            prop_assert!(value.is_finite(), "{metric} is {value}");
            prop_assert!(crate::metric::metric(metric).is_some(), "{metric}");
            let may_be_negative = ["workload_slowdown", "workload_lost_ms", "overhead_s", "total_time_ms", "sample_gap_ms_max"];
            prop_assert!(*value >= 0.0 || may_be_negative.contains(&metric.as_str()), "{metric} is {value}");
        }
    }
}
