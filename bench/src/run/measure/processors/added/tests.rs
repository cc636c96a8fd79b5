//! The cost of a migration without what costs as much when nothing migrates.

use lmbench_harness::agent::protocol::Usage;
use lmbench_harness::role::Role::Destination;
use serde_json::{Value, json};

use super::super::super::synthetic::{Story, cpu, thread};

/// QEMU's main loop and its vCPU, which have worked for `guest_s` each, and threads of a migration.
fn usage(at_s: f64, guest_s: f64, migration_s: f64) -> Usage {
    let mut usage = super::super::super::synthetic::usage(0.0, 0.0, 0);
    usage.at_ns = (at_s * 1e9) as u64;
    usage.qemu = Some(cpu(2.0 * guest_s + migration_s));
    usage.threads = vec![
        thread("qemu-system-x86", 1, guest_s),
        thread("CPU 0/TCG", 2, guest_s),
    ];
    usage.carrier = Some(cpu(0.0));
    usage
}

/// One GiB in `seconds`, of a guest that uses a tenth of a CPU in each of both threads: 0.4 s in a thread that has ended since, 0.3 s in the destination's main loop.
fn migration(seconds: f64) -> Story {
    let ram = json!({ "transferred": 1 << 30 });
    let mut story = Story::new(seconds * 1e3).ram(seconds * 1e3, "final", "completed", ram);
    let measured = &mut story.measured;
    measured.usage_settling.source = usage(0.0, 0.0, 0.0);
    measured.usage_before.source = usage(2.0, 0.2, 0.0);
    measured.usage_after.source = usage(2.0 + seconds, 0.2 + 0.1 * seconds, 0.4);
    measured.usage_settling.destination = usage(0.0, 0.0, 0.0);
    measured.usage_before.destination = usage(2.0, 0.0, 0.0);
    measured.usage_after.destination = usage(2.0 + seconds, 0.0, 0.3);
    story
}

fn close(story: &Story, metric: &str, expected: f64) {
    let value = story.value(metric);
    let close = value.is_some_and(|value| (value - expected).abs() < 1e-6);
    assert!(close, "{metric}: {value:?}, not {expected}");
}

#[test]
fn a_slow_link_makes_no_migration_dearer() {
    for seconds in [2.0, 28.0] {
        let story = migration(seconds);
        close(&story, "cpu_migration_qemu_source_s_per_gib", 0.4);
        close(&story, "cpu_migration_qemu_destination_s_per_gib", 0.3);
        close(&story, "cpu_migration_s", 0.7);
        close(&story, "cpu_migration_s_per_gib", 0.7);
    }
    // All that QEMU used is kept beside it.
    close(&migration(28.0), "cpu_qemu_source_s_per_gib", 0.4 + 5.6);
}

#[test]
fn a_carrier_is_charged_what_it_adds() {
    let mut story = migration(10.0);
    let measured = &mut story.measured;
    for (usage, seconds) in [
        (&mut measured.usage_settling, 1.0),
        (&mut measured.usage_before, 1.02),
        (&mut measured.usage_after, 1.62),
    ] {
        usage.source.carrier = Some(cpu(seconds));
    }
    // 0.01 s per second before, and 0.6 s in ten.
    close(&story, "cpu_migration_carrier_source_s_per_gib", 0.5);
    close(&story, "cpu_migration_carrier_destination_s_per_gib", 0.0);
    close(&story, "cpu_migration_s", 1.2);
}

#[test]
fn more_bytes_at_a_lower_price_cost_more() {
    let mut story = migration(2.0);
    let answer = story.measured.readings.source.samples.last_mut();
    let reading = answer.unwrap().migration.as_mut().unwrap();
    reading.stats.ram.as_mut().unwrap().transferred = Some(3 << 30);
    close(&story, "cpu_migration_s", 0.7);
    close(&story, "cpu_migration_s_per_gib", 0.7 / 3.0);
}

#[test]
fn the_guest_on_the_destination_is_not_the_migration() {
    let mut story = migration(10.0).event(Destination, 6000.0, "RESUME", Value::Null);
    // After RESUME the guest's devices cost there what they did on the source, a tenth of a CPU for 4 s.
    let measured = &mut story.measured;
    let resumed_ns = measured.readings.destination.events[0].at_ns;
    for (usage, before_end_s) in [
        (&mut measured.usage_settling, 12),
        (&mut measured.usage_before, 10),
        (&mut measured.usage_after, 0),
    ] {
        usage.destination.at_ns = resumed_ns + 4_000_000_000 - before_end_s * 1_000_000_000;
    }
    let after = &mut measured.usage_after.destination;
    after.qemu = Some(cpu(0.3 + 0.4));
    after.threads[0].cpu_ns = 700_000_000;
    close(&story, "cpu_migration_qemu_destination_s_per_gib", 0.3);
}

#[test]
fn what_cannot_be_told_apart_is_absent() {
    let mut story = migration(2.0);
    story.measured.usage_before.source.threads.clear();
    assert_eq!(story.value("cpu_migration_qemu_source_s_per_gib"), None);
    assert_eq!(story.value("cpu_migration_s"), None);
    // Without a time to settle there is no rate.
    let mut story = migration(2.0);
    story.measured.usage_settling = story.measured.usage_before.clone();
    close(&story, "cpu_migration_qemu_source_s_per_gib", 0.4);
    assert_eq!(story.value("cpu_migration_s"), None);
}
