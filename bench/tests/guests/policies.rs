//! Policies and timeouts with a guest that plain pre-copy can't move.
//!
//! 500 Mbit/s carry 60 MB/s, the downtime limit has room for 6 MB of them, and the guest rewrites 48 MiB as fast as it can: more than
//! 100 MiB/s even on a machine that is busy with other tests.

use crate::live::{Run, run};

fn unmovable(migration: &str, rest: &str) -> Option<Run> {
    run(&format!(
        "name = \"live\"\nrun.repeats = 1\n{rest}\n[guest]\nmemory = \"192 MiB\"\n[workload.uniform]\nmemory = \"48 MiB\"\nrate = \"unbounded\"\n\
         [network.migration]\nrate = \"500 Mbit/s\"\n[migration]\ndowntime-limit = \"100 ms\"\nsettle = \"500 ms\"\n{migration}\n"
    ))
}

#[test]
fn static_stays() {
    let Some(run) = unmovable("timeout = \"6 s\"", "policy = \"static\"") else {
        return;
    };
    let stayed = run.only();
    stayed.assert_stayed_intact();
    assert_eq!(stayed.maybe("downtime_ms"), None);
}

#[test]
fn post_copy_moves() {
    let Some(run) = unmovable("timeout = \"1 min\"", "policy = \"post-copy\"") else {
        return;
    };
    let moved = run.only();
    moved.assert_arrived_intact();
    assert!(moved.metric("postcopy_bytes") > 0.0);
    assert_eq!(moved.events("policy"), 1);
}

#[test]
fn auto_converge_throttles() {
    // Steps of the throttle need two passes each, of about a second; whether the last one is enough is the link's affair.
    let Some(run) = unmovable("timeout = \"30 s\"", "policy = \"auto-converge\"") else {
        return;
    };
    let migration = run.only();
    assert!(migration.metric("throttle_max_percent") > 0.0);
    match migration.running_on().as_str() {
        "source" => migration.assert_stayed_intact(),
        _ => migration.assert_arrived_intact(),
    }
}

#[test]
fn preempted_post_copy_moves() {
    let Some(run) = unmovable(
        "timeout = \"1 min\"\npreempt = true",
        "policy = \"post-copy\"",
    ) else {
        return;
    };
    run.only().assert_arrived_intact();
    assert!(run.only().metric("postcopy_bytes") > 0.0);
}

#[test]
fn a_timeout_can_pause_or_switch_to_post_copy() {
    let Some(run) = unmovable(
        "timeout = \"3 s\"",
        "matrix.\"migration.timeout-action\" = [\"pause\", \"post-copy\"]",
    ) else {
        return;
    };
    let paused = run.cell("migration.timeout-action=pause");
    paused.assert_arrived_intact();
    // All that the guest dirties between two passes is sent while it is stopped: at 60 MB/s far more than the limit's 100 ms.
    assert!(paused.metric("blackout_ms") > 100.0);
    let switched = run.cell("migration.timeout-action=post-copy");
    switched.assert_arrived_intact();
    assert!(switched.metric("postcopy_bytes") > 0.0);
}

// Three ends of peers' rules: one gives up, one stops the guest, which must run at its destination, one switches to post-copy.
#[test]
fn peers_give_up_suspend_and_switch() {
    let Some(run) = unmovable(
        "timeout = \"2 min\"",
        "matrix.policy = [\"nova\", \"virsh-timeout-suspend\", \"ovirt-post-copy\"]\n\
         [policy.nova]\nlive-migration-downtime = \"100 ms\"\ntime-scale = 0.002\n\
         [policy.virsh-timeout-suspend]\ntimeout = \"2 s\"\n\
         [policy.ovirt-post-copy]\ntime-scale = 0.03\n",
    ) else {
        return;
    };
    // 800 s/GiB of at least 2 GiB, times 0.002: 3.2 s. Ramp steps came before it.
    let gave_up = run.cell("policy=nova");
    gave_up.assert_stayed_intact();
    let reason = gave_up.reason();
    let after = reason
        .strip_prefix("the policy gave up after ")
        .and_then(|rest| rest.split(' ').next()?.parse::<f64>().ok());
    assert!(after.is_some_and(|seconds| seconds >= 3.2), "{reason}");
    assert!(gave_up.events("policy") > 3);
    let suspended = run.cell("policy=virsh-timeout-suspend");
    suspended.assert_arrived_intact();
    assert_eq!(suspended.events("policy"), 1);
    let switched = run.cell("policy=ovirt-post-copy");
    switched.assert_arrived_intact();
    // Two steps of the downtime limit, then the switch.
    assert_eq!(switched.events("policy"), 3);
    assert!(switched.metric("postcopy_bytes") > 0.0);
}
