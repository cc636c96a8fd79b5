//! A migration counts only if the same guest, whole and once, runs at its end.

use lmbench_harness::role::Role::{Destination, Source};

use super::super::synthetic::Story;
use crate::record::Outcome;

fn sound() -> Story {
    Story::new(200.0)
        .settled(100)
        .report(Source, 100.0, 100.0, 100)
        .report(Destination, 250.0, 100.0, 100)
        .beats(Source, &[(1, 10.0), (2, 20.0)])
        .beats(Destination, &[(3, 210.0), (4, 220.0)])
}

fn fails(story: &Story, why: &str) {
    let (repeat, _) = story.finish();
    let reason = repeat.reason.unwrap_or_default();
    assert_eq!(repeat.outcome, Outcome::Failed, "{why}");
    assert!(reason.contains(why), "{reason}");
    assert_ne!(repeat.integrity.unwrap().memory_intact, Some(true));
}

#[test]
fn a_sound_guest_is_intact() {
    let (repeat, _) = sound().finish();
    assert_eq!(repeat.outcome, Outcome::Completed);
    assert_eq!(repeat.integrity.unwrap().memory_intact, Some(true));
}

#[test]
fn wrong_missing_and_unread_pages_are_named() {
    let mut story = sound();
    story.measured.verified.as_mut().unwrap().pages_wrong = 3;
    fails(&story, "3 of 256 pages are not what the workload wrote");
    let mut story = sound();
    story.measured.verified.as_mut().unwrap().checksum_matches = false;
    fails(&story, "their checksum is wrong");
    let mut story = sound();
    story.measured.verified.as_mut().unwrap().pages_checked = 255;
    fails(&story, "only 255 of 256 pages could be compared");
    let mut story = sound();
    story.measured.verified = None;
    fails(&story, "could not be compared");
}

#[test]
fn two_running_copies_are_found() {
    let twice = sound().beats(Source, &[(3, 215.0)]);
    fails(&twice, "heartbeat 3 was heard twice");
    let twice = sound().numbered_report(13, Source, 260.0, 100.0, 100);
    fails(&twice, "report 13 was heard twice");
    // The copies' numbers need not meet.
    let goes_on = sound().beats(Source, &[(9, 230.0)]);
    fails(
        &goes_on,
        "heartbeat 9 came from the source after 4 from the destination",
    );
}

#[test]
fn a_guest_set_back_is_found() {
    let mut story = sound();
    story.measured.verified.as_mut().unwrap().operations_total -= 1;
    fails(
        &story,
        "the guest went back: 1299 operations at the end, its report 13 had said 1300",
    );
    let mut story = sound();
    let last = &mut story.measured.readings.destination.reports[0].report;
    last.operations_total = 5;
    fails(&story, "the guest went back: report 13 says 5 operations");
    let mut story = sound();
    let last = &mut story.measured.readings.destination.reports[0].report;
    last.guest_ns = 1;
    fails(&story, "the guest went back");
}
