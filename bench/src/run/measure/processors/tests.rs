//! CPU time per GiB.

use serde_json::json;

use lmbench_harness::agent::protocol::{Metering, Owned};
use lmbench_harness::cpu::CpuTime;
use lmbench_harness::switches::Switches;

use super::super::synthetic::{Story, cpu, usage};

/// Half a GiB of RAM; QEMU used 1.5 s on the source, 0.5 s of that in its vCPU.
fn story() -> Story {
    let ram = json!({ "transferred": 1 << 29 });
    let mut story = Story::new(100.0).ram(101.0, "final", "completed", ram);
    story.measured.usage_before.source = usage(10.0, 4.0, 0);
    story.measured.usage_after.source = usage(11.5, 4.5, 0);
    story
}

#[test]
fn time_is_the_difference_divided_by_gib() {
    let story = story();
    assert_eq!(story.value("cpu_qemu_source_s_per_gib"), Some(3.0));
    assert_eq!(
        story.value("cpu_qemu_without_vcpus_source_s_per_gib"),
        Some(2.0)
    );
    assert_eq!(story.value("cpu_qemu_destination_s_per_gib"), Some(0.0));
    // The agent of the story uses a hundredth of what its QEMU does.
    assert_eq!(story.value("cpu_agent_source_s_per_gib"), Some(0.03));
    // QEMU itself carries the stream.
    assert_eq!(story.value("cpu_carrier_source_s_per_gib"), None);
}

#[test]
fn less_than_a_tick_is_seen() {
    let mut story = story();
    story.measured.usage_before.source.carrier = Some(cpu(1.0));
    story.measured.usage_after.source.carrier = Some(cpu(1.001));
    let value = story.value("cpu_carrier_source_s_per_gib").unwrap();
    assert!((value - 0.002).abs() < 1e-9, "{value}");
}

#[test]
fn a_process_that_could_not_be_read_has_no_time() {
    let mut story = story();
    story.measured.usage_after.source.qemu = None;
    assert_eq!(story.value("cpu_qemu_source_s_per_gib"), None);
    assert_eq!(story.value("cpu_qemu_without_vcpus_source_s_per_gib"), None);
}

// Without the kernel's names of threads nobody can tell which of them execute the guest.
#[test]
fn unnamed_vcpus_are_not_taken_out() {
    let mut story = story();
    for usage in [
        &mut story.measured.usage_before.source,
        &mut story.measured.usage_after.source,
    ] {
        "qemu-system-x86".clone_into(&mut usage.threads[1].name);
    }
    assert_eq!(story.value("cpu_qemu_source_s_per_gib"), Some(3.0));
    assert_eq!(story.value("cpu_qemu_without_vcpus_source_s_per_gib"), None);
}

#[test]
fn nothing_sent_is_no_gib() {
    let ram = json!({ "transferred": 0 });
    let story = Story::new(1.0).ram(1.0, "final", "completed", ram);
    assert_eq!(story.value("cpu_qemu_source_s_per_gib"), None);
}

#[test]
fn time_is_told_apart_by_mode() {
    let mut story = story();
    let time = |user_ns, system_ns| {
        Some(CpuTime {
            total_ns: user_ns + system_ns,
            user_ns,
            system_ns,
        })
    };
    story.measured.usage_before.source.carrier = time(1_000_000_000, 2_000_000_000);
    story.measured.usage_after.source.carrier = time(1_250_000_000, 2_500_000_000);
    assert_eq!(story.value("cpu_carrier_user_source_s_per_gib"), Some(0.5));
    assert_eq!(
        story.value("cpu_carrier_system_source_s_per_gib"),
        Some(1.0)
    );
    assert_eq!(story.value("cpu_carrier_user_destination_s_per_gib"), None);
}

#[test]
fn switches_and_calls_are_divided_by_gib_and_absent_where_nobody_counted() {
    let mut story = story();
    story.measured.readings.destination.metering = Some(Metering {
        switches: Owned {
            qemu: Some(Switches {
                voluntary: 100,
                involuntary: 7,
            }),
            carrier: None,
        },
        syscalls: Owned {
            qemu: Some(1000),
            carrier: None,
        },
        ..Metering::default()
    });
    let per_gib = |metric: &str| story.value(&format!("{metric}_destination_per_gib"));
    assert_eq!(per_gib("voluntary_switches_qemu"), Some(200.0));
    assert_eq!(per_gib("involuntary_switches_qemu"), Some(14.0));
    assert_eq!(per_gib("syscalls_qemu"), Some(2000.0));
    assert_eq!(per_gib("syscalls_carrier"), None);
    assert_eq!(per_gib("voluntary_switches_carrier"), None);
    assert_eq!(story.value("syscalls_qemu_source_per_gib"), None);
}
