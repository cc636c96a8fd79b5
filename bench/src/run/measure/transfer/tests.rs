//! QEMU's counters and the network's, with what each of them does not say.

use lmbench_harness::migration::Ending;
use lmbench_harness::role::Role::Source;
use serde_json::{Value, json};

use super::super::synthetic::{Story, usage};

fn ram(values: &[(&str, u64)]) -> Value {
    let mut ram = json!({ "page-size": 4096, "total": 100 * 4096 });
    for (name, value) in values {
        ram[*name] = json!(value);
    }
    ram
}

#[test]
fn counters_stand_in_the_last_answer_that_has_them() {
    let story = Story::new(1000.0)
        .ram(500.0, "interval", "active", ram(&[("transferred", 5)]))
        .ram(
            900.0,
            "pass",
            "active",
            ram(&[("transferred", 9_900), ("dirty-sync-count", 4)]),
        )
        .answer(
            1001.0,
            "final",
            json!({ "status": "completed", "setup-time": 10 }),
        );
    assert_eq!(story.value("ram_bytes"), Some(9_900.0));
    assert_eq!(story.value("iterations"), Some(4.0));
    // Completed: the counter is the whole, and the time is until the end, less 10 ms of setup.
    assert_eq!(story.value("throughput_bps"), Some(80_000.0));
}

#[test]
fn a_migration_that_never_had_counters_has_no_transfer() {
    let story = Story::new(3.0).answer(1.0, "interval", json!({ "status": "setup" }));
    for absent in [
        "ram_bytes",
        "throughput_bps",
        "iterations",
        "cpu_qemu_source_s_per_gib",
    ] {
        assert_eq!(story.value(absent), None, "{absent}");
    }
}

#[test]
fn a_migration_no_longer_than_its_setup_has_no_throughput() {
    let story = Story::new(10.0).ram(10.0, "final", "completed", ram(&[("transferred", 5)]));
    assert_eq!(story.value("throughput_bps"), None);
}

#[test]
fn phases_are_absent_when_multifd_bypasses_their_counters() {
    let phases = [
        ("transferred", 500),
        ("precopy-bytes", 20),
        ("downtime-bytes", 4),
        ("postcopy-bytes", 0),
    ];
    let with = |multifd| {
        let counters: Vec<_> = phases
            .into_iter()
            .chain([("multifd-bytes", multifd)])
            .collect();
        Story::new(50.0).ram(51.0, "final", "completed", ram(&counters))
    };
    assert_eq!(with(0).value("precopy_bytes"), Some(20.0));
    for absent in ["precopy_bytes", "downtime_bytes", "postcopy_bytes"] {
        assert_eq!(with(470).value(absent), None, "{absent}");
    }
    assert_eq!(with(470).value("ram_bytes"), Some(500.0));
}

// 100 pages of RAM, 40 of them zero. At the first pass over 60 + 39 pages one is still unknown; at the next answer all were
// looked at, and later zero pages that are sent again must not shrink the guest.
#[test]
fn ram_in_use_is_known_once_every_page_was_looked_at() {
    let pages = |normal, zero, transferred| {
        ram(&[
            ("normal", normal),
            ("duplicate", zero),
            ("transferred", transferred),
        ])
    };
    let story = Story::new(900.0).ram(100.0, "interval", "active", pages(60, 39, 60 * 4096));
    assert_eq!(story.value("transfer_amplification"), None);
    let story = story
        .ram(200.0, "pass", "active", pages(62, 40, 62 * 4096))
        .ram(901.0, "final", "completed", pages(120, 60, 120 * 4096));
    assert_eq!(story.value("transfer_amplification"), Some(2.0));
}

#[test]
fn the_dirty_rate_is_the_median_of_measurements_not_of_answers() {
    let at = |story: Story, at_ms, trigger, pages| {
        story.ram(
            at_ms,
            trigger,
            "active",
            ram(&[("dirty-pages-rate", pages)]),
        )
    };
    // QEMU has not measured within the first second; its figure of 1500 ms then stands in three answers.
    let mut story = at(Story::new(5000.0), 500.0, "pass", 0);
    for (at_ms, trigger, pages) in [
        (1500.0, "pass", 10),
        (1600.0, "interval", 77),
        (1700.0, "pass", 10),
        (1800.0, "pass", 10),
        (3000.0, "pass", 30),
        (4500.0, "pass", 50),
    ] {
        story = at(story, at_ms, trigger, pages);
    }
    assert_eq!(story.value("dirty_rate_bps"), Some(30.0 * 4096.0));
    // A guest that writes nothing has a rate of 0, not none.
    let idle = at(Story::new(3000.0), 1500.0, "pass", 0);
    assert_eq!(idle.value("dirty_rate_bps"), Some(0.0));
    let short = at(Story::new(300.0), 200.0, "pass", 0);
    assert_eq!(short.value("dirty_rate_bps"), None);
}

#[test]
fn throttling_is_zero_only_where_it_could_have_happened() {
    let policy = "[matrix]\npolicy = [\"auto-converge\"]\n";
    assert_eq!(Story::new(1.0).value("throttle_max_percent"), None);
    assert_eq!(
        Story::new(1.0).with(policy).value("throttle_max_percent"),
        Some(0.0)
    );
    let story = [30, 70, 20]
        .into_iter()
        .fold(Story::new(9.0), |story, percent| {
            story.answer(
                5.0,
                "interval",
                json!({ "cpu-throttle-percentage": percent }),
            )
        });
    assert_eq!(story.value("throttle_max_percent"), Some(70.0));
}

#[test]
fn wire_bytes_are_those_of_both_directions_of_a_network_of_its_own() {
    let mut story = Story::new(1.0);
    story.measured.usage_before.source = usage(0.0, 0.0, 1_000);
    story.measured.usage_after.source = usage(0.0, 0.0, 4_000);
    assert_eq!(story.value("wire_bytes"), Some(6_000.0));
    let other_network = "[network.management]\nrate = \"1 Gbit/s\"\nbackground = \"1 Mbit/s\"\n";
    let story = story.with(other_network);
    assert_eq!(story.value("wire_bytes"), Some(6_000.0));
    let mut shared = story.with(&format!(
        "[network]\ninbound = \"management\"\n{other_network}"
    ));
    shared.measured.usage_before.source.management_network =
        shared.measured.usage_before.source.migration_network;
    shared.measured.usage_after.source.management_network =
        shared.measured.usage_after.source.migration_network;
    assert_eq!(shared.value("wire_bytes"), None);
}

#[test]
fn post_copy_metrics_need_a_post_copy() {
    let requests = ram(&[("postcopy-requests", 12)]);
    let story = Story::new(50.0).ram(51.0, "final", "completed", requests);
    assert_eq!(story.value("postcopy_requests"), None);
    let story = story.event(
        Source,
        30.0,
        "MIGRATION",
        json!({ "status": "postcopy-active" }),
    );
    assert_eq!(story.value("postcopy_requests"), Some(12.0));
    assert_eq!(story.value("postcopy_blocktime_ms"), None);
}

/// 1000 pages of 4 KiB in one second after setup, as 400 000 bytes.
fn compressed(counter: Value) -> Story {
    let mut answer = json!({ "status": "completed", "setup-time": 10 });
    answer["ram"] = ram(&[("transferred", 400_000), ("normal", 900), ("duplicate", 50)]);
    answer["xbzrle-cache"] = counter;
    Story::new(1010.0).answer(1010.0, "final", answer)
}

#[test]
fn what_was_compressed_is_measured_by_what_it_was_before() {
    let xbzrle = compressed(json!({ "pages": 100, "bytes": 1000 }));
    assert_eq!(
        xbzrle.value("guest_throughput_bps"),
        Some(1000.0 * 4096.0 * 8.0)
    );
    assert_eq!(xbzrle.value("throughput_bps"), None);
    let zstd = Story::new(1010.0)
        .with("[migration]\nmultifd-channels = 2\nmultifd-compression = \"zstd\"")
        .ram(
            1010.0,
            "final",
            "completed",
            ram(&[("transferred", 400_000), ("normal", 1000)]),
        );
    assert_eq!(
        zstd.value("guest_throughput_bps"),
        Some(1000.0 * 4096.0 * 8.0)
    );
    assert_eq!(zstd.value("throughput_bps"), None);
}

#[test]
fn without_compression_both_speeds_stand() {
    let story = Story::new(1010.0).ram(
        1010.0,
        "final",
        "completed",
        ram(&[("transferred", 5_000_000), ("normal", 1000)]),
    );
    assert_eq!(story.value("throughput_bps"), Some(40_000_000.0));
    assert_eq!(
        story.value("guest_throughput_bps"),
        Some(1000.0 * 4096.0 * 8.0)
    );
}

// What is left falls during a pass and rises at its end: only what a sync finds has to be sent while the guest stands still.
#[test]
fn the_least_left_is_what_a_dirty_sync_found() {
    let answer = |sync: u64, left: u64| ram(&[("dirty-sync-count", sync), ("remaining", left)]);
    let story = || {
        Story::new(1000.0)
            .ram(100.0, "pass", "active", answer(1, 90))
            .ram(200.0, "interval", "active", answer(1, 40))
    };
    let stalled = |story: Story| story.ended(Ending::TimedOut, "not converged", "source");
    let least = "remaining_bytes_min";
    assert_eq!(stalled(story()).value(least), Some(40.0), "the first pass");
    let three = || {
        story()
            .ram(300.0, "pass", "active", answer(2, 70))
            .ram(400.0, "interval", "active", answer(2, 5))
            .ram(500.0, "pass", "active", answer(3, 80))
    };
    assert_eq!(stalled(three()).value(least), Some(70.0));
    assert_eq!(three().value(least), None, "it completed");
}

#[test]
fn the_downtime_limit_is_the_last_that_was_set() {
    let limit = |story: Story| story.value("downtime_limit_ms");
    let story = || Story::new(1000.0).with("[migration]\ndowntime-limit = \"200 ms\"");
    assert_eq!(limit(story()), Some(200.0));
    let set = |ms: u64| json!({ "action": { "set": { "downtime-limit": { "ms": ms } } } });
    let raised = story()
        .event(Source, 100.0, "policy", set(300))
        .event(Source, 200.0, "policy", set(400))
        .event(Source, 300.0, "refused", json!({ "reason": "no" }))
        .event(Source, 400.0, "policy", json!({ "action": "pause" }));
    assert_eq!(limit(raised), Some(400.0));
    // A policy may begin with a limit of its own.
    let ovirt =
        story().with("[migration]\ndowntime-limit = \"200 ms\"\n[policy.ovirt-minimal-downtime]");
    assert_eq!(limit(ovirt), Some(100.0));
}
