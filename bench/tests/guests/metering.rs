//! What the kernel and the carriers count of a real stream.

use crate::live::{Migration, Run, run};

const GUEST: &str =
    "[guest]\nmemory = \"224 MiB\"\n[workload.uniform]\nmemory = \"64 MiB\"\nrate = \"4 MiB/s\"\n";

fn migrate(migration: &str, rest: &str) -> Option<Run> {
    run(&format!(
        "name = \"live\"\nrun.repeats = 1\n{GUEST}[migration]\ntimeout = \"30 s\"\nsettle = \"500 ms\"\n{migration}\n{rest}\n"
    ))
}

// Two memory channels share the RAM.
fn assert_plausible(migration: Migration<'_>) {
    migration.assert_arrived_intact();
    let ram = migration.metric("ram_bytes");
    assert_wire_bytes_are_the_links(migration);
    let most = migration.metric("channel_bytes_max");
    assert!(most > ram * 0.2 && most < ram, "{most} {ram}");
    assert!(migration.metric("channel_bytes_min") < most);
    let first = migration.metric("time_to_first_byte_ms");
    assert!(first < migration.metric("total_time_ms"));
    assert!(migration.metric("cpu_qemu_system_source_s_per_gib") > 0.0);
    assert!(migration.metric("voluntary_switches_qemu_source_per_gib") > 0.0);
    assert_eq!(migration.maybe("syscalls_qemu_source_per_gib"), None);
    assert!(migration.metric("agent_cpu_share") > 0.0);
}

/// lmbench's own link sees every frame and is a second witness: the kernels' counts, put together from payload and headers, must agree
/// with it to 0.5 %.
///
/// What differs is known. Selective acknowledgements, up to 36 bytes in a frame of the way back, are not in the kernels' counts. And on
/// a busy machine the link may come too late for a packet, of up to 64 KiB, that the kernel has counted.
fn assert_wire_bytes_are_the_links(migration: Migration<'_>) {
    let both = |counter| {
        let ways = ["source", "destination"].map(|way| migration.link(way, counter));
        (ways[0] + ways[1]) as f64
    };
    let (wire, link) = (migration.metric("wire_bytes"), both("bytes"));
    let acknowledged = 36.0 * migration.link("source", "frames") as f64;
    let dropped = 65_550.0 * both("device_dropped_packets");
    let expected = link * 0.995 - acknowledged..link * 1.005 + dropped;
    assert!(expected.contains(&wire), "{wire}, {expected:?}");
}

#[test]
fn streams_are_metered_whoever_carries_them() {
    let matrix = "[network.migration]\nrate = \"300 Mbit/s\"\nmethod = \"user-space\"\n[matrix]\ncarrier = [\"native-tcp\", \"tls\", \"quic\"]";
    let Some(run) = migrate("multifd-channels = 2", matrix) else {
        return;
    };
    for migration in run.all() {
        assert_plausible(migration);
    }
    for carrier in ["native-tcp", "tls"] {
        let migration = run.cell(&format!("carrier={carrier}"));
        // Of both hosts, with their last words: nothing was missed when they ended.
        assert_eq!(migration.events("connections"), 2);
        assert!(migration.metric("rtt_us_p50") > 0.0);
        assert!(migration.metric("rtt_us_min") <= migration.metric("rtt_us_p50"));
    }
}

// 2 % of some 60 000 packets: none lost has no chance. The link is lmbench's own, as no kernel here has to lose packets.
#[test]
fn losses_are_sent_again_and_counted() {
    let lossy = "[network.migration]\nrate = \"400 Mbit/s\"\nloss = \"2 %\"\nmethod = \"user-space\"\n[matrix]\ncarrier = [\"native-tcp\", \"tcp\"]";
    if let Some(run) = migrate("", lossy) {
        for migration in run.all() {
            migration.assert_arrived_intact();
            assert!(migration.metric("retransmits") > 100.0);
            assert_wire_bytes_are_the_links(migration);
        }
    }
}

#[test]
fn without_metering_only_the_outcome_is_known() {
    if let Some(run) = migrate("metering = false", "") {
        let migration = run.only();
        migration.assert_arrived_intact();
        assert!(migration.metric("total_time_ms") > 0.0);
        assert!(migration.metric("ram_bytes") > 0.0);
        for absent in ["retransmits", "stalls", "sample_gap_ms_max", "rtt_us_p50"] {
            assert_eq!(migration.maybe(absent), None, "{absent}");
        }
    }
}
