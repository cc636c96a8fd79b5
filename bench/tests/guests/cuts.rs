//! Links that fail in the middle of a migration, by both methods.

use crate::live::{run, run_and_fail};

/// Some 130 MiB at 500 Mbit/s take two seconds.
fn over(link: &str, rest: &str) -> String {
    format!(
        "name = \"live\"\nrun.repeats = 1\n[guest]\nmemory = \"192 MiB\"\n[workload.uniform]\nmemory = \"64 MiB\"\nrate = \"1 MiB/s\"\n\
         [network.migration]\nrate = \"500 Mbit/s\"\n{link}\n[migration]\nsettle = \"500 ms\"\n{rest}\n"
    )
}

#[test]
fn a_flap_delays_and_harms_nothing() {
    let methods = "[matrix]\n\"network.migration.method\" = [\"kernel\", \"user-space\"]\n\"network.migration.cut-at\" = [\"500 ms\", \"switchover\"]";
    let Some(run) = run(&over("down-for = \"400 ms\"", methods)) else {
        return;
    };
    for migration in run.all() {
        migration.assert_arrived_intact();
        let cut = migration.event("link-cut");
        let restored = migration.event("link-restored");
        let down = restored - cut;
        assert!((395.0..800.0).contains(&down), "down for {down} ms");
    }
    for method in ["kernel", "user-space"] {
        let cell = |moment| {
            run.cell(&format!(
                "network.migration.method={method},network.migration.cut-at={moment}"
            ))
        };
        let cut = cell("500ms").event("link-cut");
        assert!((495.0..900.0).contains(&cut), "cut at {cut} ms");
        // The device state can't arrive before the link is whole again.
        let blackout = cell("switchover").metric("blackout_ms");
        assert!(blackout > 300.0, "a blackout of {blackout} ms");
    }
}

#[test]
fn a_cut_at_a_byte_is_exact_and_the_guest_stays() {
    let cut = "cut-at = \"60 MiB\"";
    let Some(run) = run_and_fail(&over(cut, "timeout = \"5 s\"")) else {
        return;
    };
    let migration = run.only();
    let reason = migration.assert_failed_in_place();
    assert!(reason.contains("no byte moved"), "{reason}");
    // 60 MiB at 500 Mbit/s take 1007 ms; what the link had dropped before counts as passed.
    let at = migration.event("link-cut");
    assert!((960.0..1_700.0).contains(&at), "cut at {at} ms");
    // The source sends the same again and again, with ever longer pauses.
    let passed = migration.link("destination", "bytes");
    assert!((60 << 20..66 << 20).contains(&passed), "{passed} bytes");
    assert!(migration.link("destination", "cut_frames") > 0);
}
