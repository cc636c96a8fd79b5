//! Time lines of made-up migrations.

use lmbench_record::record::example;
use serde_json::json;

use super::*;
use crate::report::choose::choose;
use crate::report::model::MomentKind;

fn sample(at_ms: f64, host: &str, kind: &str, data: serde_json::Value) -> Sample {
    Sample {
        cell: String::new(),
        repeat: 1,
        at_ms,
        host: host.to_owned(),
        kind: kind.to_owned(),
        data,
    }
}

/// Readings of ten seconds every 100 ms: 1 MB sent in each, a guest at 1000 operations per second that halves after two.
fn samples() -> Vec<Sample> {
    let mut samples = Vec::new();
    for step in -10..100_i32 {
        let at_ms = f64::from(step) * 100.0;
        let operations = if at_ms > 2000.0 { 50 } else { 100 };
        samples.push(sample(
            at_ms,
            "source",
            "workload",
            json!({ "interval-ns": 100_000_000, "operations": operations, "pages-dirtied": operations, "longest-stall-ns": 5_000_000, "latency-ns": [[1000, 99], [4000, 1]] }),
        ));
        if step >= 0 {
            samples.push(sample(
                at_ms,
                "source",
                "migration",
                json!({ "trigger": "interval", "qemu": { "total_ns": step * 20_000_000 }, "migration": { "status": "active", "ram": { "transferred": step * 1_000_000, "remaining": 200_000_000 - step * 1_000_000, "dirty-sync-count": step / 20, "dirty-pages-rate": 1000 } } }),
            ));
        }
    }
    samples
}

fn drawn(samples: &[Sample]) -> Option<Timeline> {
    let record = example::jvm();
    let chosen = choose(&record, 1);
    timeline(&record, 0, &chosen[0], samples)
}

#[test]
fn curves_are_what_the_samples_say() {
    let timeline = drawn(&samples()).unwrap();
    let panel = |name: &str| timeline.panels.iter().find(|panel| panel.name == name);
    // 1 MB in 100 ms are 80 Mbit/s.
    let throughput = panel("throughput").unwrap();
    assert!(
        throughput.curves[0]
            .points
            .iter()
            .all(|point| (point.1 - 80e6).abs() < 1.0)
    );
    assert!((panel("dirty rate").unwrap().curves[0].points[0].1 - 4_096_000.0).abs() < 1.0);
    assert!((panel("guest operations per second").unwrap().top - 1000.0).abs() < 1e-6);
    let latency = panel("guest operation latency").unwrap();
    let names: Vec<&str> = latency
        .curves
        .iter()
        .map(|curve| curve.name.as_str())
        .collect();
    assert_eq!(names, ["median", "p99", "longest"]);
    assert!(
        (latency.top - 5000.0).abs() < 1e-6,
        "the longest stall, in µs"
    );
    assert!(panel("throttle").is_none(), "nothing throttled");
}

#[test]
fn shading_is_where_the_guest_stood_still_or_was_slow() {
    let timeline = drawn(&samples()).unwrap();
    let black = timeline.blackout.unwrap();
    assert!(black.high > black.low && black.low > 2000.0);
    let first = timeline.brownout[0];
    assert!((first.low - 2000.0).abs() < 1e-6, "{first:?}");
    assert!(
        timeline
            .brownout
            .iter()
            .all(|brown| brown.high <= black.low || brown.low >= black.high)
    );
}

#[test]
fn events_alone_make_a_line_too() {
    let timeline = drawn(&[]).unwrap();
    assert!(timeline.panels.is_empty());
    assert!(
        timeline
            .events
            .iter()
            .any(|moment| moment.kind == MomentKind::Status && moment.text == "STOP on the source")
    );
}

#[test]
fn readings_that_are_no_numbers_are_passed_over() {
    let hostile = [
        sample(
            f64::NAN,
            "source",
            "migration",
            json!({ "migration": { "ram": "none" } }),
        ),
        sample(
            1e300,
            "source",
            "migration",
            json!({ "migration": { "ram": { "transferred": 1e300 } } }),
        ),
        sample(
            1.0,
            "source",
            "workload",
            json!({ "interval-ns": 0, "operations": -1 }),
        ),
        sample(
            2.0,
            "source",
            "workload",
            json!({ "latency-ns": [[], ["x"], 3] }),
        ),
        sample(
            3.0,
            "source",
            "connections",
            json!({ "at_ms_acked_received_retransmits_rtt_us": [[1], 2, null] }),
        ),
        sample(
            4.0,
            "source",
            "cpu",
            json!({ "qemu": {}, "threads": [1, {}] }),
        ),
    ];
    let timeline = drawn(&hostile).unwrap();
    let points = timeline
        .panels
        .iter()
        .flat_map(|panel| &panel.curves)
        .flat_map(|curve| &curve.points);
    assert!(
        points
            .into_iter()
            .all(|point| point.0.is_finite() && point.1.is_finite())
    );
}
