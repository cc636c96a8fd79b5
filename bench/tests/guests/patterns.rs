//! Every pattern proves its memory after a migration; between them they take every shape of stream, guest and path.

use crate::live::run;

/// Small enough for a second each, and with more than 100 MiB left for the kernel.
const GUEST: &str = "memory = \"224 MiB\"";
/// A machine that is too slow for pre-copy pauses the guest and moves it all the same.
const MIGRATION: &str = "timeout = \"30 s\"\ntimeout-action = \"pause\"\nsettle = \"500 ms\"";

fn arrives(guest: &str, workload: &str, migration: &str, rest: &str) {
    let scenario = format!(
        "name = \"live\"\nrun.repeats = 1\n{rest}\n[guest]\n{GUEST}\n{guest}\n{workload}\n[migration]\n{MIGRATION}\n{migration}\n"
    );
    if let Some(run) = run(&scenario) {
        let migration = run.only();
        migration.assert_arrived_intact();
        let latency = migration.maybe("op_latency_us_p99");
        if workload.contains("[workload.idle]") {
            assert_eq!(latency, None);
        } else if latency.is_none() {
            // A guest that had no processor meanwhile did nothing.
            lmbench_testing::not_proven("the latency of a workload's operations");
        }
    }
}

#[test]
fn idle_over_multifd_2() {
    arrives(
        "",
        "[workload.idle]\nmemory = \"64 MiB\"",
        "multifd-channels = 2",
        "",
    );
}

#[test]
fn uniform_over_multifd_4_and_splice() {
    arrives(
        "",
        "[workload.uniform]\nmemory = \"64 MiB\"\nrate = \"20 MiB/s\"\nzero = \"20 %\"\ncompressible = \"20 %\"\nduplicate = \"20 %\"",
        "multifd-channels = 4",
        "[carrier.tcp]\npath = \"splice\"",
    );
}

#[test]
fn hot_set_over_a_passed_descriptor() {
    arrives(
        "",
        "[workload.hot-set]\nmemory = \"64 MiB\"\nrate = \"40 MiB/s\"\nhot = \"8 MiB\"",
        "",
        "[carrier.tcp]\npath = \"fd\"",
    );
}

#[test]
fn zipf_with_xbzrle() {
    arrives(
        "",
        "[workload.zipf]\nmemory = \"64 MiB\"\nrate = \"20 MiB/s\"",
        "qmp.xbzrle = true\nqmp.xbzrle-cache-size = 33554432",
        "",
    );
}

#[test]
fn sweep_with_two_vcpus() {
    arrives(
        "vcpus = 2",
        "[workload.sweep]\nmemory = \"64 MiB\"\nrate = \"30 MiB/s\"",
        "",
        "",
    );
}

#[test]
fn jvm_with_two_vcpus_and_ram_that_is_not_preallocated() {
    arrives(
        "vcpus = 2\nprealloc = false",
        "[workload.jvm]\nyoung = \"16 MiB\"\nold = \"48 MiB\"\nallocation-rate = \"30 MiB/s\"",
        "",
        "",
    );
}

#[test]
fn database_over_multifd_2_and_splice() {
    arrives(
        "",
        "[workload.database]\nmemory = \"64 MiB\"\nrate = \"20 MiB/s\"\ncheckpoint-interval = \"300 ms\"",
        "multifd-channels = 2",
        "carrier = \"tcp\"",
    );
}

#[test]
fn phases_over_multifd_4() {
    arrives(
        "",
        "[workload]\nmemory = \"64 MiB\"\nphases = [{ duration = \"250 ms\", sweep = { rate = \"20 MiB/s\" } }, { duration = \"250 ms\", uniform = { rate = \"unbounded\" } }, { duration = \"250 ms\", idle = {} }]",
        "multifd-channels = 4",
        "",
    );
}
