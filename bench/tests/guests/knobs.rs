//! QEMU's knobs, those that this QEMU has and those that it lacks.

use crate::live::run;

const GUEST: &str = "[guest]\nmemory = \"192 MiB\"\n[workload.uniform]\nmemory = \"48 MiB\"\nrate = \"20 MiB/s\"\ncompressible = \"50 %\"\n";

#[test]
fn cells_that_this_qemu_lacks_are_skipped_and_the_others_run() {
    // QEMU knows zstd here; qpl and uadk need hardware that no build for everybody has.
    let Some(run) = run(&format!(
        "name = \"live\"\nrun.repeats = 1\n{GUEST}[migration]\nsettle = \"500 ms\"\ntimeout-action = \"pause\"\nmultifd-channels = 2\n\
         [matrix]\nmigration.multifd-compression = [\"zstd\", \"qpl\", \"uadk\"]\n"
    )) else {
        return;
    };
    run.cell("migration.multifd-compression=zstd")
        .assert_arrived_intact();
    for lacking in ["qpl", "uadk"] {
        let reason = run
            .cell(&format!("migration.multifd-compression={lacking}"))
            .assert_skipped();
        assert!(
            reason.contains(&format!("has no multifd-compression {lacking}")),
            "{reason}"
        );
    }
}

#[test]
fn differences_are_sent_and_the_switch_over_waits_for_its_word() {
    let Some(run) = run(&format!(
        "name = \"live\"\nrun.repeats = 1\n{GUEST}[guest.pinning.source]\nvcpus = \"0\"\nmigration = \"0\"\n\
         [migration]\nsettle = \"500 ms\"\ntimeout-action = \"pause\"\nxbzrle = true\nxbzrle-cache-size = \"64 MiB\"\npause-before-switchover = true\n\
         switchover-ack = true\navail-switchover-bandwidth = \"1 Gbit/s\"\nzero-page-detection = \"legacy\"\n\
         announce-rounds = 2\nannounce-step = \"20 ms\"\n"
    )) else {
        return;
    };
    let migration = run.only();
    migration.assert_arrived_intact();
    assert_eq!(migration.events("migrate-continue"), 1);
}

#[test]
fn a_paused_guest_goes_on_at_its_destination() {
    let Some(run) = run(&format!(
        "name = \"live\"\nrun.repeats = 1\n{}[network.migration]\nrate = \"500 Mbit/s\"\n\
         [migration]\nsettle = \"500 ms\"\ndowntime-limit = \"1 ms\"\n[policy.pause]\nafter-passes = 1\n",
        GUEST.replacen('\n', "\ntransparent-huge-pages = false\n", 1)
    )) else {
        return;
    };
    let migration = run.only();
    migration.assert_arrived_intact();
    assert_eq!(migration.events("policy"), 1);
}
