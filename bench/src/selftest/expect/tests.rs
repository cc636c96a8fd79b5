//! Every expectation against every end, and the ends that must never pass.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;

/// Where the guest runs, whether its memory is intact, and how many pages were compared.
type Seen = Option<(&'static str, Option<bool>, u64)>;

fn repeat(outcome: Outcome, integrity: Seen, events: &[Value]) -> Repeat {
    let event = |data: &Value| Event {
        at_ms: 1.0,
        host: data["host"].as_str().unwrap_or("controller").to_owned(),
        name: data["name"].as_str().unwrap_or("fault").to_owned(),
        data: data.clone(),
    };
    let mut repeat = match outcome {
        Outcome::Completed => Repeat::completed(1, 0.0, BTreeMap::new()),
        other => Repeat::unfinished(1, 0.0, other, "QEMU said so"),
    };
    repeat.integrity = integrity.map(|(running_on, memory_intact, pages_checked)| Integrity {
        memory_intact,
        running_on: running_on.to_owned(),
        pages_checked,
        signs_of_life: None,
    });
    repeat.events = events.iter().map(event).collect();
    repeat
}

fn is_ok(expect: Expect, repeat: &Repeat) -> bool {
    judge(expect, !repeat.events.is_empty(), repeat) == Verdict::Ok
}

fn words(expect: Expect, breaks: bool, repeat: &Repeat) -> String {
    match judge(expect, breaks, repeat) {
        Verdict::Ok => "ok".to_owned(),
        Verdict::NotOk(words) | Verdict::Missed(words) => words,
    }
}

const WHOLE_THERE: Seen = Some(("destination", Some(true), 9));
const WHOLE_HERE: Seen = Some(("source", Some(true), 9));
const NOWHERE: Seen = Some(("none", None, 0));

#[test]
fn each_expectation_knows_its_host_and_its_outcome() {
    use Expect::{Anything, Arrives, Cancelled, Either, HarmIsTold, LostIsTold, Stays, Untouched};
    use Outcome::{Completed, DidNotConverge, Failed};
    let all = [
        Arrives, Stays, Cancelled, Untouched, Either, LostIsTold, HarmIsTold, Anything,
    ];
    let table: [(Outcome, Seen, &[Expect]); 11] = [
        (
            Completed,
            WHOLE_THERE,
            &[Arrives, Either, HarmIsTold, Anything],
        ),
        (
            Failed,
            WHOLE_HERE,
            &[Stays, Untouched, Either, HarmIsTold, Anything],
        ),
        (
            Outcome::Cancelled,
            WHOLE_HERE,
            &[Stays, Cancelled, Untouched, Either, HarmIsTold, Anything],
        ),
        (
            DidNotConverge,
            WHOLE_HERE,
            &[Stays, Untouched, Either, HarmIsTold, Anything],
        ),
        // Failed at its very end: whole, and only there.
        (Failed, WHOLE_THERE, &[Either, HarmIsTold, Anything]),
        (Failed, NOWHERE, &[LostIsTold, HarmIsTold]),
        // Nobody looked: there was no need if it was never told to go.
        (Failed, None, &[Untouched, LostIsTold, HarmIsTold]),
        (Completed, NOWHERE, &[]),
        (Completed, Some(("both", Some(true), 9)), &[]),
        (Completed, Some(("destination", Some(false), 9)), &[]),
        // Not compared is not intact; a guest that was never filled has nothing to compare.
        (Failed, Some(("source", None, 0)), &[Untouched, HarmIsTold]),
    ];
    for (outcome, integrity, fitting) in table {
        let repeat = repeat(outcome, integrity, &[]);
        for expect in all {
            assert_eq!(
                is_ok(expect, &repeat),
                fitting.contains(&expect),
                "{expect:?} of {outcome:?} {integrity:?}"
            );
        }
    }
}

#[test]
fn what_did_not_break_proves_nothing() {
    let refused = json!({ "kill": "destination-qemu", "refused": "no QEMU runs on this host" });
    let nothing = repeat(Outcome::Failed, WHOLE_HERE, std::slice::from_ref(&refused));
    assert_eq!(
        words(Expect::Stays, true, &nothing),
        "what was to break did not break, so nothing was tried (failed: QEMU said so)"
    );
    assert!(matches!(
        judge(Expect::Stays, true, &nothing),
        Verdict::Missed(_)
    ));
    // Who broke nothing and lost the guest has no second chance.
    let lost = repeat(Outcome::Failed, NOWHERE, &[refused]);
    assert!(matches!(
        judge(Expect::Stays, true, &lost),
        Verdict::NotOk(_)
    ));
    // A moment drawn at random may lie behind the end, and a cancel may be refused.
    assert_eq!(words(Expect::Anything, true, &nothing), "ok");
    let cancel = json!({ "cancel": true, "refused": "the guest runs on the destination" });
    assert!(is_ok(
        Expect::Arrives,
        &repeat(Outcome::Completed, WHOLE_THERE, &[cancel])
    ));
}

// A controller that stood still kills a guest that has arrived: that says nothing about migrations.
#[test]
fn a_moment_that_was_missed_is_no_lost_guest() {
    let kill = json!({ "kill": "destination-qemu" });
    let completed = json!({ "name": "MIGRATION", "host": "source", "status": "completed" });
    let mut late = repeat(Outcome::Failed, NOWHERE, &[completed, kill]);
    // At the same millisecond nobody knows which was first.
    assert_eq!(
        words(Expect::Stays, true, &late),
        "the guest runs on: none, and should on the source (failed: QEMU said so)"
    );
    late.events[1].at_ms = 2.0;
    assert!(matches!(
        judge(Expect::Stays, true, &late),
        Verdict::Missed(_)
    ));
    let missed = "what was to break broke when the migration was over, so nothing was tried";
    for expect in [Expect::Stays, Expect::LostIsTold, Expect::HarmIsTold] {
        let words = words(expect, true, &late);
        assert!(words.starts_with(missed), "{expect:?}: {words}");
    }
    assert_eq!(words(Expect::Anything, true, &late), "ok");
    // Who is killed while it goes on must not lose it.
    late.events[1].at_ms = 0.5;
    assert!(!is_ok(Expect::Stays, &late) && !is_ok(Expect::Anything, &late));
    // A late cancel is the quick end that `Either` allows, and no try for whoever wants it cancelled.
    let cancel = json!({ "cancel": true });
    let mut cancel = repeat(Outcome::Completed, WHOLE_THERE, &[cancel]);
    cancel.events.insert(0, late.events[0].clone());
    cancel.events[1].at_ms = 2.0;
    assert_eq!(words(Expect::Either, true, &cancel), "ok");
    assert_eq!(words(Expect::Cancelled, true, &cancel), missed);
}

#[test]
fn who_was_told_to_go_must_be_found() {
    let sent = repeat(Outcome::Failed, None, &[json!({ "name": "migrate" })]);
    assert_eq!(
        words(Expect::Untouched, false, &sent),
        "nobody knows where the guest runs (failed: QEMU said so)"
    );
}

// A guest that its destination can not run compares nothing.
#[test]
fn harm_that_is_told_is_no_lie() {
    let hangs = repeat(Outcome::Failed, Some(("destination", Some(false), 0)), &[]);
    assert!(is_ok(Expect::HarmIsTold, &hangs));
    let lie = repeat(
        Outcome::Completed,
        Some(("destination", Some(false), 9)),
        &[],
    );
    assert!(!is_ok(Expect::HarmIsTold, &lie));
}

// Only who had the guest, or a part of its memory, can lose it by dying.
#[test]
fn a_loss_needs_a_cause() {
    let post_copy = json!({ "name": "MIGRATION", "status": "postcopy-active" });
    let kill = |who: &str| json!({ "kill": who });
    let resumed = json!({ "name": "RESUME", "host": "destination" });
    let gave_up = json!({ "name": "MIGRATION", "host": "source", "status": "failed" });
    let table: [(&[Value], bool); 9] = [
        (&[kill("source-qemu")], true),
        (&[kill("destination-qemu")], false),
        (&[post_copy.clone(), kill("destination-qemu")], true),
        (&[post_copy.clone(), kill("source-carrier")], true),
        (
            &[post_copy.clone(), resumed.clone(), kill("source-carrier")],
            false,
        ),
        (
            &[
                post_copy.clone(),
                resumed.clone(),
                kill("source-carrier"),
                gave_up,
            ],
            true,
        ),
        // QEMU 10.0.2's destination may still run the guest for some milliseconds, and exits all the same.
        (&[post_copy.clone(), kill("source-carrier"), resumed], true),
        (&[post_copy, json!({ "cut": "migration" })], false),
        (&[], false),
    ];
    for (events, allowed) in table {
        let repeat = repeat(Outcome::Failed, NOWHERE, events);
        assert_eq!(is_ok(Expect::Anything, &repeat), allowed, "{events:?}");
    }
    let mut silent = repeat(Outcome::Failed, NOWHERE, &[]);
    silent.reason = None;
    assert!(!is_ok(Expect::LostIsTold, &silent));
}

#[test]
fn half_a_guest_must_not_run_on_the_source() {
    let half = repeat(
        Outcome::Failed,
        Some(("source", None, 0)),
        &[json!({ "kill": "destination-qemu" })],
    );
    assert_eq!(
        words(Expect::LostIsTold, true, &half),
        "a guest without its memory runs on the source (failed: QEMU said so)"
    );
}

#[test]
fn half_a_guest_is_what_a_dead_source_leaves_in_post_copy() {
    let kill = json!({ "kill": "source-qemu" });
    let half = |compared| {
        let integrity = Some(("destination", compared, 0));
        repeat(Outcome::Failed, integrity, std::slice::from_ref(&kill))
    };
    let active = Event {
        at_ms: 1.0,
        host: "source".to_owned(),
        name: "MIGRATION".to_owned(),
        data: json!({ "status": "postcopy-active" }),
    };
    for expect in [Expect::LostIsTold, Expect::Anything] {
        let mut moved = half(None);
        assert!(!is_ok(expect, &moved), "in pre-copy nothing has arrived");
        moved.events.push(active.clone());
        assert!(is_ok(expect, &moved));
        let mut corrupted = half(Some(false));
        corrupted.events.push(active.clone());
        assert!(!is_ok(expect, &corrupted));
    }
}
