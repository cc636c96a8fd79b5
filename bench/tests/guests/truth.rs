//! What the guest's client on the tenant network sees of a migration, and what the blackout was made of.

use crate::live::{Migration, run};

const GUEST: &str =
    "[guest]\nmemory = \"224 MiB\"\n[workload.uniform]\nmemory = \"64 MiB\"\nrate = \"20 MiB/s\"\n";

/// A client is silent for as long as the guest stands still, less the time from the last answer to its question: at most what a pause
/// without a migration takes.
fn assert_the_client_saw_it(migration: Migration<'_>) {
    migration.assert_arrived_intact();
    let (blackout, noise) = (
        migration.metric("blackout_ms"),
        migration.metric("network_pause_settle_ms"),
    );
    assert!(migration.metric("network_blackout_ms") >= blackout - noise);
    // Answers came before the migration, too: about 400 in the settling's two seconds, with room for a busy machine.
    assert!(noise < 1_900.0, "{noise}");
    for name in ["announce", "first-packet-answered", "first-heartbeat"] {
        assert_eq!(migration.events(name), 1, "{name}");
    }
    assert!(migration.event("first-packet-answered") >= migration.event("RESUME"));
    assert!(migration.event("announce") >= migration.event("STOP"));
    let resumed = migration.event("RESUME");
    assert!(migration.event("first-heartbeat") >= resumed);
    assert!(migration.event("vcpu-runs") >= resumed);
}

fn sum(migration: Migration<'_>, parts: &[&str]) -> f64 {
    parts.iter().map(|part| migration.metric(part)).sum()
}

fn assert_adds_up(migration: Migration<'_>) {
    let blackout = migration.metric("blackout_ms");
    let whole = [
        "blackout_stop_ms",
        "blackout_sync_ms",
        "blackout_transfer_ms",
    ];
    assert!((sum(migration, &whole) - blackout).abs() < 1e-6);
    assert_eq!(migration.events("blackout-parts"), 1);
}

#[test]
fn a_pre_copy_as_its_client_sees_it() {
    let Some(run) = run(&format!(
        "name = \"live\"\nrun.repeats = 1\nmatrix.carrier = [\"native-tcp\", \"tcp\", \"quic\"]\n{GUEST}[migration]\nsettle = \"2 s\"\ntimeout = \"30 s\"\n"
    )) else {
        return;
    };
    for migration in run.all() {
        assert_the_client_saw_it(migration);
        assert_adds_up(migration);
        assert_eq!(migration.maybe("postcopy_op_latency_us_p99"), None);
    }
    for carrier in ["tcp", "quic"] {
        let migration = run.cell(&format!("carrier={carrier}"));
        let transfer = ["ram", "state", "send", "drain", "load", "start"]
            .map(|part| format!("blackout_{part}_ms"));
        let transfer = transfer.each_ref().map(String::as_str);
        let apart = sum(migration, &transfer) - migration.metric("blackout_transfer_ms");
        assert!(apart.abs() < 1e-6);
    }
    // Nobody sees the last byte between QEMU's own sockets.
    assert_eq!(
        run.cell("carrier=native-tcp").maybe("blackout_drain_ms"),
        None
    );
}

#[test]
fn a_post_copy_as_its_client_sees_it() {
    // Half of the memory is still to come when the guest goes on.
    let Some(run) = run(&format!(
        "name = \"live\"\nrun.repeats = 1\n{GUEST}[policy.post-copy]\nafter = \"200 ms\"\n[network.migration]\nrate = \"300 Mbit/s\"\n\
         [migration]\nsettle = \"2 s\"\ntimeout = \"1 min\"\n"
    )) else {
        return;
    };
    let migration = run.only();
    assert_the_client_saw_it(migration);
    assert_adds_up(migration);
    assert!(migration.metric("postcopy_bytes") > 0.0);
    assert_eq!(migration.maybe("blackout_drain_ms"), None);
    let (median, worst) = (
        migration.metric("postcopy_op_latency_us_p50"),
        migration.metric("postcopy_op_latency_us_max"),
    );
    assert!(median <= worst && worst <= migration.metric("op_latency_us_max"));
}

#[test]
fn without_a_card_no_client_asks() {
    let Some(run) = run(&format!(
        "name = \"live\"\nrun.repeats = 1\n{}[migration]\nsettle = \"500 ms\"\ntimeout = \"30 s\"\n",
        GUEST.replace("[guest]", "[guest]\ntenant = false")
    )) else {
        return;
    };
    let migration = run.only();
    migration.assert_arrived_intact();
    for absent in [
        "network_blackout_ms",
        "network_pause_settle_ms",
        "blackout_answer_ms",
    ] {
        assert_eq!(migration.maybe(absent), None, "{absent}");
    }
    assert_adds_up(migration);
}
