//! Every carrier takes every shape of a migration: several channels from the start, and channels that open in its middle.

use crate::live::{Run, run};

/// One cell per carrier; each is a line of `[matrix]`.
const CARRIERS: &str =
    "[\"native-tcp\", \"native-tls\", \"native-unix\", \"tcp\", \"tls\", \"quic\", \"ssh\"]";

fn all(rest: &str, workload: &str, migration: &str) -> Option<Run> {
    run(&format!(
        "name = \"live\"\nrun.repeats = 1\n{rest}\n[guest]\nmemory = \"224 MiB\"\n{workload}\n[migration]\ntimeout = \"1 min\"\nsettle = \"500 ms\"\n{migration}\n[matrix]\ncarrier = {CARRIERS}\n"
    ))
}

#[test]
fn every_carrier_carries_multifd() {
    let workload = "[workload.uniform]\nmemory = \"64 MiB\"\nrate = \"20 MiB/s\"";
    // A machine too slow for pre-copy moves the guest all the same.
    if let Some(run) = all(
        "",
        workload,
        "multifd-channels = 2\ntimeout-action = \"pause\"",
    ) {
        for migration in run.all() {
            migration.assert_arrived_intact();
        }
    }
}

#[test]
fn every_carrier_carries_preempted_post_copy() {
    let workload = "[workload.uniform]\nmemory = \"64 MiB\"\nrate = \"unbounded\"";
    // Slow enough that the guest always dirties more than fits into the downtime.
    let migration = "preempt = true\nmax-bandwidth = \"60 MiB/s\"";
    if let Some(run) = all("policy = \"post-copy\"", workload, migration) {
        for migration in run.all() {
            migration.assert_arrived_intact();
            assert!(migration.metric("postcopy_bytes") > 0.0);
        }
    }
}

#[test]
fn qemus_own_tls_takes_a_pre_shared_key() {
    let scenario = "name = \"live\"\nrun.repeats = 1\n[guest]\nmemory = \"224 MiB\"\n[workload.idle]\nmemory = \"64 MiB\"\n[migration]\ntimeout = \"30 s\"\n[carrier.native-tls]\ncredentials = \"psk\"\n";
    if let Some(run) = run(scenario) {
        run.only().assert_arrived_intact();
    }
}
