//! `ctl` and `list` where nobody listens, somebody else does, or nothing is said.

use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use lmbench::store::RunWriter;
use serde_json::json;

use super::store::begun;
use super::support::{Place, SOUND};

const RUNS: &str = "20260301-120000-luck-runs";

/// What a run that goes on says of its socket, which is `socket` in the place.
fn point(place: &Place, run: &RunWriter, host: &str) {
    let socket = place.path().join("socket");
    let point = json!({ "run": RUNS, "host": host, "socket": socket });
    let file = run.directory().join("control");
    std::fs::write(file, point.to_string()).expect("the folder is ours");
}

fn here() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("Linux has a name");
    name.trim().to_owned()
}

#[test]
fn what_is_no_order() {
    let place = Place::new();
    for arguments in [
        &["ctl"][..],
        &["ctl", "x"],
        &["ctl", "x", "explode"],
        &["ctl", "x", "set"],
    ] {
        let said = place.run(arguments);
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{said:?}");
    }
    for setting in [
        "downtime-limit",
        "downtime-limit=5",
        "downtime-limit=5 us",
        "multifd-channels=4",
        "max-bandwidth=0 B/s",
    ] {
        // A good one before it does not make a bad one pass.
        let orders = ["ctl", "x", "set", "downtime-limit=5 ms", setting];
        place.run(orders).refused(2);
    }
}

#[test]
fn runs_that_take_no_orders() {
    let place = Place::new();
    let mut texts = Vec::new();
    let mut refused = |run: &str| texts.push(place.run(["ctl", run, "cancel"]).refused(3));
    refused("nope");
    begun(&place, "20260301-120000-luck-full", "luck", SOUND, 2)
        .finish()
        .expect("the lock is ours");
    refused("20260301-120000-luck-full");
    drop(begun(&place, "20260301-120000-luck-dead", "luck", SOUND, 1));
    refused("20260301-120000-luck-dead");
    let running = begun(&place, RUNS, "luck", SOUND, 1);
    refused(RUNS);
    point(&place, &running, "another-machine");
    refused(RUNS);
    point(&place, &running, &here());
    refused(RUNS);
    insta::assert_snapshot!(texts.join("----\n"));
}

/// A run that is stopped still has its socket, and the kernel takes who connects: only patience ends.
#[test]
fn a_run_that_says_nothing_holds_up_no_list() {
    let place = Place::new();
    let running = begun(&place, RUNS, "luck", SOUND, 1);
    let list = || {
        let started = Instant::now();
        let said = place.run(["list", "--status", "running"]);
        assert!(said.code == 0 && said.stdout.contains(RUNS), "{said:?}");
        started.elapsed()
    };
    let alone = list();
    point(&place, &running, &here());
    let _deaf = UnixListener::bind(place.path().join("socket")).expect("a short path");
    let took = list();
    // Half a second is waited; the rest is the start of a program on a busy machine.
    let limit = alone * 5 + Duration::from_secs(5);
    assert!(took < limit, "{took:?}, and without it {alone:?}");
}
