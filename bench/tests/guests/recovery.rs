//! Failures in the middle of a migration, after which exactly one guest must run, with all of its memory: a post-copy that loses its
//! connection gets a new one on every carrier, and a pre-copy that breaks leaves the guest where it was.

use crate::live::{run, run_and_fail};

/// A guest that is in post-copy as soon as its second pass begins, and for some five seconds: 64 MiB that it writes to all the time, at
/// 12 MiB/s.
fn post_copy(network: &str, migration: &str, rest: &str) -> String {
    format!(
        "name = \"live\"\nrun.repeats = 1\n[policy.post-copy]\nafter-passes = 1\n[guest]\nmemory = \"192 MiB\"\n\
         [workload.uniform]\nmemory = \"64 MiB\"\nrate = \"unbounded\"\n[network.migration]\n{network}\n\
         [migration]\nmax-bandwidth = \"60 MiB/s\"\nmax-postcopy-bandwidth = \"12 MiB/s\"\ndowntime-limit = \"50 ms\"\n\
         settle = \"500 ms\"\ntimeout = \"1 min\"\nrecover-pause = \"500 ms\"\n{migration}\n{rest}\n"
    )
}

/// How long no byte moves before a connection is given up.
const SILENCE: &str = "recover-after = \"1 s\"";
/// Where nothing waits for a silence, and a machine that stands still for a second makes none.
const PATIENCE: &str = "recover-after = \"10 s\"";

/// On the link that fails, like the others.
const SSH: &str = "[carrier.ssh]\nnetwork = \"migration\"\n";

fn flap(carriers: &str, migration: &str) {
    let ssh = if carriers.contains("ssh") { SSH } else { "" };
    let matrix = format!("{ssh}[matrix]\ncarrier = {carriers}");
    // Longer than a second without a byte, and far shorter than TCP's patience.
    let network = "cut-at = \"post-copy\"\ndown-for = \"3 s\"";
    let migration = format!("{SILENCE}\nrecover = 20\n{migration}");
    let Some(run) = run(&post_copy(network, &migration, &matrix)) else {
        return;
    };
    for migration in run.all() {
        migration.assert_arrived_intact();
        assert!(migration.events("post-copy-paused") >= 1);
        let mut at = migration.event("link-cut");
        for next in [
            "no-progress",
            "recovery-started",
            "recovery-connected",
            "recovered",
        ] {
            at = migration.next(next, at);
        }
        // Nothing was cut before the guest had moved.
        assert!(migration.metric("postcopy_bytes") > 0.0);
    }
}

#[test]
fn qemus_own_post_copy_survives_a_silent_link() {
    flap("[\"native-tcp\", \"native-tls\"]", "");
}

#[test]
fn a_carried_post_copy_survives_a_silent_link() {
    flap("[\"tcp\", \"tls\"]", "");
}

// The carrier gets QEMU's connections as file descriptors, and must get new ones.
#[test]
fn a_post_copy_over_passed_descriptors_survives_a_silent_link() {
    flap("[\"tcp\"]\n\"carrier.tcp.path\" = [\"fd\"]", "");
}

#[test]
fn a_post_copy_over_one_session_survives_a_silent_link() {
    flap("[\"quic\", \"ssh\"]", "");
}

#[test]
fn a_preempted_post_copy_survives_a_silent_link() {
    flap("[\"native-tcp\", \"tls\"]", "preempt = true");
}

#[test]
fn a_post_copy_whose_link_stays_cut_says_who_has_what() {
    // The guest runs there by then: a cut at the very beginning of post-copy keeps it from running at all.
    let fault = "[fault]\nat = \"post-copy\"\ndelay = \"700 ms\"\ncut = \"migration\"";
    let migration = format!("{SILENCE}\nrecover = 1");
    let carrier = format!("[carrier.native-tcp]\n{fault}");
    let Some(run) = run_and_fail(&post_copy("", &migration, &carrier)) else {
        return;
    };
    let failed = run.only();
    assert_eq!(failed.running_on(), "destination");
    assert!(!failed.memory_was_compared());
    let reason = failed.reason();
    let (before, after) = (
        "post-copy was cut off and 1 attempts to recover it failed, the last: ",
        "MiB of its memory, which only the source has",
    );
    assert!(
        reason.starts_with(before) && reason.ends_with(after),
        "{reason}"
    );
}

// QEMU sees a dead carrier at once, so nothing waits for a silence. The second loss follows the first recovery.
#[test]
fn a_post_copy_survives_its_carriers_twice() {
    let first = "[fault]\nat = \"post-copy\"\ndelay = \"700 ms\"\nkill = \"destination-carrier\"";
    let second = "[fault.then]\nat = \"post-copy\"\ndelay = \"700 ms\"\nkill = \"source-carrier\"";
    let scenario = post_copy("", PATIENCE, &format!("[carrier.tls]\n{first}\n{second}"));
    let Some(run) = run(&scenario) else {
        return;
    };
    let migration = run.only();
    migration.assert_arrived_intact();
    assert_eq!(migration.events("recovered"), 2);
    assert_eq!(migration.events("no-progress"), 0);
}

/// In pre-copy for as long as it takes: some 130 MiB at 10 MiB/s.
fn pre_copy(rest: &str) -> String {
    format!(
        "name = \"live\"\nrun.repeats = 1\n[guest]\nmemory = \"192 MiB\"\n[workload.uniform]\nmemory = \"64 MiB\"\nrate = \"1 MiB/s\"\n\
         [migration]\nmax-bandwidth = \"10 MiB/s\"\nsettle = \"500 ms\"\ntimeout = \"40 s\"\n{rest}\n"
    )
}

#[test]
fn a_guest_stays_whole_where_it_was_when_its_destination_dies() {
    let fault = "[fault]\nat = \"active\"\nkill = \"destination-qemu\"";
    let scenario = pre_copy(&format!("[carrier.native-tcp]\n{fault}"));
    if let Some(run) = run_and_fail(&scenario) {
        let reason = run.only().assert_failed_in_place();
        assert!(reason.contains("QEMU on the destination was killed by signal 9"));
    }
}

#[test]
fn a_guest_stays_whole_where_it_was_when_a_carrier_dies() {
    let fault = "[fault]\nat = \"active\"\n[matrix]\n\"fault.kill\" = [\"destination-carrier\", \"source-carrier\"]";
    let scenario = pre_copy(&format!("[carrier.tcp]\n{fault}"));
    if let Some(run) = run_and_fail(&scenario) {
        for migration in run.all() {
            let reason = migration.assert_failed_in_place();
            assert!(reason.contains("was killed by signal 9"), "{reason}");
        }
    }
}

// The guest has stopped on the source, and what it wrote last is on its way for seconds.
#[test]
fn a_guest_runs_on_where_it_was_when_the_switch_over_breaks() {
    let scenario = "name = \"live\"\nrun.repeats = 1\n[guest]\nmemory = \"192 MiB\"\n[workload.uniform]\nmemory = \"64 MiB\"\n\
                    rate = \"16 MiB/s\"\n[network.migration]\nrate = \"75 Mbit/s\"\n[migration]\ndowntime-limit = \"6 s\"\n\
                    settle = \"500 ms\"\ntimeout = \"40 s\"\n[carrier.tls]\n\
                    [fault]\nat = \"device\"\n[matrix]\n\"fault.kill\" = [\"destination-qemu\", \"source-carrier\"]\n";
    if let Some(run) = run_and_fail(scenario) {
        for migration in run.all() {
            let reason = migration.assert_failed_in_place();
            assert!(reason.contains("was killed by signal 9"), "{reason}");
        }
    }
}

// Nobody can save it: the one half of its memory that was younger is gone.
#[test]
fn a_guest_that_dies_in_post_copy_is_not_set_back() {
    let fault = "[fault]\nat = \"post-copy\"\ndelay = \"700 ms\"\nkill = \"destination-qemu\"";
    let scenario = post_copy("", PATIENCE, &format!("[carrier.native-tcp]\n{fault}"));
    if let Some(run) = run_and_fail(&scenario) {
        let failed = run.only();
        assert_eq!(failed.running_on(), "none");
        let reason = failed.reason();
        assert!(
            reason.contains("in post-copy, and with it the guest"),
            "{reason}"
        );
        assert_eq!(failed.events("recovery-connected"), 0);
    }
}
