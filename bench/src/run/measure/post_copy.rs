//! What the destination's QEMU knows of post-copy: how long vCPUs waited for pages, and since 10.1 how long each fault took.

use serde_json::json;

use super::{Measured, Values, milliseconds};
use crate::record::Event;

/// The destination's own account, where it has one. QEMU names times only with the capability `postcopy-blocktime`.
pub(super) fn measure(values: &mut Values, measured: &Measured) {
    let Some(info) = measured.destination_info.as_ref() else {
        return;
    };
    let stats = &info.stats;
    values.put(
        "postcopy_blocktime_ms",
        stats.postcopy_blocktime.map(milliseconds),
    );
    let longest = stats.postcopy_vcpu_blocktime.iter().max();
    values.put(
        "postcopy_vcpu_blocktime_ms_max",
        longest.copied().map(milliseconds),
    );
    let counts = &stats.postcopy_latency_counts;
    values.put("postcopy_fault_us_p50", quantile_us(counts, 0.5));
    values.put("postcopy_fault_us_p99", quantile_us(counts, 0.99));
}

/// All of it as an event after all others; `None` if QEMU said nothing.
pub(super) fn event(measured: &Measured, at_ms: f64) -> Option<Event> {
    let said = measured.destination_info.as_ref()?.of_post_copy();
    (!said.is_empty()).then(|| Event {
        at_ms,
        host: "destination".to_owned(),
        name: "post-copy".to_owned(),
        data: json!(said),
    })
}

/// A quantile of the faults in microseconds. Bucket N counts those that took from 2^N up to 2^(N+1) µs, the first one also the
/// shorter and the last one the longer; within a bucket they count as evenly spread. `None` without a fault.
fn quantile_us(buckets: &[u64], share: f64) -> Option<f64> {
    let all: u64 = buckets
        .iter()
        .fold(0, |sum, count| sum.saturating_add(*count));
    let wanted = all as f64 * share;
    let mut below = 0.0;
    for (power, count) in buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
        let count = *count as f64;
        if below + count >= wanted {
            let begin = 2.0_f64.powi(i32::try_from(power).unwrap_or(i32::MAX));
            return Some(begin + begin * (wanted - below) / count);
        }
        below += count;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::Story;
    use super::*;
    use lmbench_harness::hypervisor::Reading;
    use lmbench_harness::role::Role;
    use serde_json::Value;

    #[test]
    fn quantiles_lie_in_the_bucket_that_holds_them() {
        for (buckets, share, expected) in [
            (&[][..], 0.5, None),
            (&[0, 0, 0][..], 0.5, None),
            // Four faults of 1 to 2 us: the second of them is in the middle.
            (&[4][..], 0.5, Some(1.5)),
            (&[4][..], 1.0, Some(2.0)),
            // QEMU's own example: the element at 8 counts faults of 256 to 512 us.
            (&[0, 0, 0, 0, 0, 0, 0, 0, 2][..], 0.5, Some(384.0)),
            // 99 of 64 to 128 us and one of 1024 to 2048 us.
            (&[0, 0, 0, 0, 0, 0, 99, 0, 0, 0, 1][..], 0.99, Some(128.0)),
            (&[0, 0, 0, 0, 0, 0, 98, 0, 0, 0, 2][..], 0.99, Some(1536.0)),
        ] {
            assert_eq!(quantile_us(buckets, share), expected, "{buckets:?} {share}");
        }
        let longest = [u64::MAX; 24];
        assert!(quantile_us(&longest, 0.99).is_some_and(f64::is_finite));
    }

    fn story(info: Value) -> Story {
        let mut story = Story::new(50.0).event(
            Role::Source,
            30.0,
            "MIGRATION",
            json!({ "status": "postcopy-active" }),
        );
        story = story.ram(
            51.0,
            "final",
            "completed",
            json!({ "transferred": 1, "page-size": 4096, "total": 4096 }),
        );
        story.measured.destination_info = Some(Reading::from(info));
        story
    }

    #[test]
    fn the_destination_s_words_become_metrics_and_an_event() {
        let story = story(json!({
            "status": "completed", "postcopy-blocktime": 12, "postcopy-vcpu-blocktime": [12, 30],
            "postcopy-latency-dist": [0, 0, 4],
        }));
        assert_eq!(story.value("postcopy_blocktime_ms"), Some(12.0));
        assert_eq!(story.value("postcopy_vcpu_blocktime_ms_max"), Some(30.0));
        assert_eq!(story.value("postcopy_fault_us_p50"), Some(6.0));
        let repeat = story.finish().0;
        let event = repeat.events.iter().find(|event| event.name == "post-copy");
        let data = &event.expect("the event").data;
        assert_eq!(data["postcopy-vcpu-blocktime"], json!([12, 30]));
        assert_eq!(data.get("status"), None);
    }

    #[test]
    fn a_qemu_that_says_nothing_leaves_nothing() {
        let story = story(json!({ "status": "completed" }));
        for absent in ["postcopy_blocktime_ms", "postcopy_fault_us_p99"] {
            assert_eq!(story.value(absent), None, "{absent}");
        }
        let repeat = story.finish().0;
        assert!(repeat.events.iter().all(|event| event.name != "post-copy"));
    }
}
