//! Blackouts made up moment by moment: their parts to the last digit, and that these add up whatever is missing.

use lmbench_harness::role::Role::{Destination, Source};
use lmbench_harness::tenant::probe::AnnouncementKind::{Arp, Rarp};
use proptest::prelude::*;
use serde_json::json;

use super::super::synthetic::Story;
use super::{Part, parts};
use crate::record::Repeat;
use crate::run::measure::time_line::Window;

/// STOP at 900 ms, RESUME at 1020 ms, and what QEMU tells in between.
fn stopped() -> Story {
    Story::new(1010.0)
        .event(Source, 500.0, "MIGRATION_PASS", json!({ "pass": 2 }))
        .blackout(900.0, 1020.0)
        .event(Source, 902.0, "MIGRATION", json!({ "status": "device" }))
        .event(Source, 904.0, "MIGRATION_PASS", json!({ "pass": 3 }))
}

/// What a QEMU that traces tells beyond that.
fn traced(story: Story) -> Story {
    [
        (Source, 903.0, "src-downtime-start"),
        (Source, 940.0, "src-iterable-saved"),
        (Source, 950.0, "src-non-iterable-saved"),
        (Destination, 1015.0, "dst-precopy-loadvm-completed"),
        (Destination, 1021.0, "dst-precopy-bh-vm-started"),
    ]
    .into_iter()
    .fold(story, |story, (role, at_ms, name)| {
        story.event(role, at_ms, "checkpoint", json!({ "name": name }))
    })
}

/// Carriers whose channel 0 ended with these last bytes, after an idle channel.
fn carried(taken_ms: f64, given_ms: f64) -> Story {
    let closed = |role, stamp: &str, at_ms| json!({ "event": "channel-closed", "number": 0, stamp: Story::stamp(role, at_ms) });
    let idle = json!({ "event": "channel-closed", "number": 1 });
    stopped()
        .event(Source, 1011.0, "carrier", idle.clone())
        .event(
            Source,
            1012.0,
            "carrier",
            closed(Source, "last_taken_ns", taken_ms),
        )
        .event(
            Destination,
            1012.0,
            "carrier",
            closed(Destination, "last_given_ns", given_ms),
        )
        .event(Destination, 1013.0, "carrier", idle)
}

fn metrics(story: &Story) -> Vec<(String, f64)> {
    let (repeat, _) = story.finish();
    assert_adds_up(&repeat);
    let metrics = repeat.metrics.into_iter();
    metrics
        .filter(|(id, _)| id.starts_with("blackout_") && id != "blackout_ms")
        .collect()
}

fn assert_adds_up(repeat: &Repeat) {
    let events = &repeat.events;
    let told = events.iter().find(|event| event.name == "blackout-parts");
    let data = &told.unwrap().data;
    let parts = data["parts"].as_array().unwrap().iter();
    let sum: f64 = parts.map(|part| part["ms"].as_f64().unwrap()).sum();
    assert!((sum - repeat.metrics["blackout_ms"]).abs() < 1e-9);
    assert_eq!(data["blackout_ms"], repeat.metrics["blackout_ms"]);
}

fn named(metrics: &[(&str, f64)]) -> Vec<(String, f64)> {
    let mut named: Vec<(String, f64)> = metrics
        .iter()
        .map(|(name, ms)| (format!("blackout_{name}_ms"), *ms))
        .collect();
    named.sort_by(|one, other| one.0.cmp(&other.0));
    named
}

#[test]
fn a_carrier_tells_sending_from_draining_from_loading() {
    assert_eq!(
        metrics(&traced(carried(960.0, 1000.0))),
        named(&[
            ("stop", 2.0),
            ("sync", 2.0),
            ("ram", 36.0),
            ("state", 10.0),
            ("send", 10.0),
            ("drain", 40.0),
            ("load", 15.0),
            ("start", 5.0),
            ("transfer", 116.0),
        ])
    );
}

// Nobody knows the last byte of QEMU's own sockets.
#[test]
fn without_a_carrier_sending_draining_and_loading_are_one() {
    assert_eq!(
        metrics(&traced(stopped())),
        named(&[
            ("stop", 2.0),
            ("sync", 2.0),
            ("ram", 36.0),
            ("state", 10.0),
            ("start", 5.0),
            ("transfer", 116.0)
        ])
    );
}

// An older QEMU, or one without traces.
#[test]
fn without_a_trace_only_events_and_carriers_tell() {
    assert_eq!(
        metrics(&stopped()),
        named(&[("stop", 2.0), ("sync", 2.0), ("transfer", 116.0)])
    );
    assert_eq!(
        metrics(&carried(960.0, 1000.0)),
        named(&[
            ("stop", 2.0),
            ("sync", 2.0),
            ("drain", 40.0),
            ("transfer", 116.0)
        ])
    );
}

// Only one half told: what can't be told apart is not put under one name.
#[test]
fn half_a_carrier_leaves_what_it_did_not_see_together() {
    let mut story = carried(960.0, 1000.0);
    story
        .measured
        .readings
        .destination
        .events
        .retain(|event| event.name != "carrier");
    assert_eq!(
        metrics(&traced(story)),
        named(&[
            ("stop", 2.0),
            ("sync", 2.0),
            ("ram", 36.0),
            ("state", 10.0),
            ("send", 10.0),
            ("start", 5.0),
            ("transfer", 116.0)
        ])
    );
}

// The stream goes on for half a second after RESUME.
#[test]
fn in_post_copy_the_last_byte_says_nothing() {
    let story = carried(1500.0, 1501.0).event(
        Source,
        908.0,
        "MIGRATION",
        json!({ "status": "postcopy-active" }),
    );
    let bare = [("stop", 2.0), ("sync", 2.0), ("transfer", 116.0)];
    assert_eq!(metrics(&story), named(&bare));
    let story = [
        // Nothing of it in this part.
        (Source, 902.5, "src-iterable-saved"),
        (Source, 907.0, "src-non-iterable-saved"),
        (Destination, 1000.0, "dst-postcopy-bh-enter"),
    ]
    .into_iter()
    .fold(story, |story, (role, at_ms, name)| {
        story.event(role, at_ms, "checkpoint", json!({ "name": name }))
    });
    assert_eq!(
        metrics(&story),
        named(&[
            ("stop", 2.0),
            ("sync", 2.0),
            ("state", 3.0),
            ("send", 1.0),
            ("load", 92.0),
            ("start", 20.0),
            ("transfer", 116.0)
        ])
    );
}

#[test]
fn what_follows_is_told_from_resume() {
    let story = stopped()
        .event(Destination, 1020.5, "vcpu-runs", json!({ "turns": 1 }))
        .beats(Source, &[(1, 890.0)])
        .beats(Destination, &[(3, 1055.0), (2, 1050.0)])
        .announced(-5.0, Arp)
        .announced(1019.0, Rarp)
        .announced(1069.0, Rarp)
        .answers(&[895.0, 1041.0, 1043.0]);
    let (repeat, _) = story.finish();
    for (metric, ms) in [
        ("blackout_vcpu_ms", 0.5),
        ("blackout_heartbeat_ms", 30.0),
        ("blackout_announce_ms", -1.0),
        ("blackout_answer_ms", 21.0),
        ("network_blackout_ms", 146.0),
    ] {
        assert_eq!(repeat.metrics.get(metric), Some(&ms), "{metric}");
    }
    let at = |name: &str| {
        let mut events = repeat.events.iter().filter(|event| event.name == name);
        let event = events.next().unwrap();
        assert!(events.next().is_none(), "{name} stands twice");
        (event.host.clone(), event.at_ms)
    };
    assert_eq!(at("announce"), ("source".to_owned(), 1019.0));
    assert_eq!(at("first-packet-answered"), ("source".to_owned(), 1041.0));
    assert_eq!(at("first-heartbeat"), ("destination".to_owned(), 1050.0));
}

#[test]
fn without_a_blackout_there_are_no_parts() {
    let (repeat, _) = Story::new(1000.0).finish();
    assert!(
        repeat
            .events
            .iter()
            .all(|event| event.name != "blackout-parts")
    );
}

const WINDOW: Window = Window {
    from_ms: 10.0,
    to_ms: 20.0,
};

fn moments(at_ms: [Option<f64>; 4]) -> [(&'static str, Option<f64>); 5] {
    let [stop, sync, send, drain] = at_ms;
    [
        ("stop", stop),
        ("sync", sync),
        ("send", send),
        ("drain", drain),
        ("load", Some(WINDOW.to_ms)),
    ]
}

// A stamp that is early by the clocks' jitter counts as of the moment before; one that is wrong by more does not count.
#[test]
fn moments_out_of_place_are_left_out() {
    let part = |name, ms, whole| Part { name, ms, whole };
    let early = moments([Some(9.95), Some(12.0), None, Some(30.0)]);
    assert_eq!(
        parts(WINDOW, &early),
        [
            part("stop", 0.0, true),
            part("sync", 2.0, true),
            part("load", 8.0, false)
        ]
    );
    let wrong = moments([Some(15.0), Some(12.0), Some(16.0), Some(17.0)]);
    assert_eq!(
        parts(WINDOW, &wrong),
        [
            part("stop", 5.0, true),
            part("send", 1.0, false),
            part("drain", 1.0, true),
            part("load", 3.0, true)
        ]
    );
}

proptest! {
    #[test]
    fn parts_add_up_whatever_is_known(at_ms in proptest::array::uniform4(proptest::option::of(0.0..30.0))) {
        let parts = parts(WINDOW, &moments(at_ms));
        prop_assert!(parts.iter().all(|part| part.ms >= 0.0));
        let sum: f64 = parts.iter().map(|part| part.ms).sum();
        prop_assert!((sum - WINDOW.length_ms()).abs() < 1e-9);
    }
}
