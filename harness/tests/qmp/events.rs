//! Events reach every subscriber, whole, in order, and whether or not this code knows them.

use std::time::Duration;

use lmbench_harness::clock::monotonic_ns;
use lmbench_harness::qmp::{Events, MigrationStatus};
use serde_json::{Value, json};

use crate::fake::{connected, event_line, soon};

async fn numbers(events: &mut Events, count: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        numbers.push(
            soon(events.next()).await.unwrap().data["number"]
                .as_u64()
                .unwrap(),
        );
    }
    numbers
}

#[tokio::test]
async fn each_subscriber_gets_all_from_its_subscription_on() {
    let (qmp, mut fake) = connected().await;
    let mut early = qmp.events();
    fake.event("STOP", 0).await;
    // The event has been read once `early` has it, so `late` must not see it.
    assert_eq!(numbers(&mut early, 1).await, [0]);
    let mut late = qmp.events();
    for number in 1..1000 {
        fake.event("NEVER_HEARD_OF", number).await;
    }
    let all: Vec<u64> = (1..1000).collect();
    assert_eq!(numbers(&mut late, 999).await, all);
    assert_eq!(numbers(&mut early, 999).await, all);
}

#[tokio::test]
async fn events_pass_a_slow_command_and_a_dropped_subscriber() {
    let (qmp, mut fake) = connected().await;
    let mut events = qmp.events();
    drop(qmp.events());
    let call = qmp.execute("slow", Value::Null);
    let serve = async {
        let command = fake.next().await;
        fake.event("MIGRATION_PASS", 1).await;
        assert_eq!(numbers(&mut events, 1).await, [1]);
        // Before, between and behind in one write: none may be lost at a reply's edge.
        let reply = json!({"return": {}, "id": command.id});
        fake.send_line(&format!(
            "{}\r\n{reply}\r\n{}",
            event_line("A", 2),
            event_line("B", 3)
        ))
        .await;
    };
    let (reply, ()) = soon(async { tokio::join!(call, serve) }).await;
    reply.unwrap();
    assert_eq!(numbers(&mut events, 2).await, [2, 3]);
}

#[tokio::test]
async fn an_event_carries_both_clocks_and_its_meaning() {
    let (qmp, mut fake) = connected().await;
    let mut events = qmp.events();
    let before = monotonic_ns();
    let stamp = json!({"seconds": 7, "microseconds": 9});
    fake.send_line(
        &json!({"event": "MIGRATION", "data": {"status": "device"}, "timestamp": stamp})
            .to_string(),
    )
    .await;
    fake.send_line(
        &json!({"event": "MIGRATION_PASS", "data": {"pass": 4}, "timestamp": stamp}).to_string(),
    )
    .await;
    let (status, pass) = (
        soon(events.next()).await.unwrap(),
        soon(events.next()).await.unwrap(),
    );
    assert!((before..=monotonic_ns()).contains(&status.received_ns));
    assert_eq!(status.qemu_time, Duration::from_micros(7_000_009));
    assert_eq!(
        (status.migration_status(), status.migration_pass()),
        (Some(MigrationStatus::Device), None)
    );
    assert_eq!(
        (pass.migration_status(), pass.migration_pass()),
        (None, Some(4))
    );
}

#[tokio::test]
async fn a_subscriber_keeps_the_connection_and_nothing_else_does() {
    let (qmp, mut fake) = connected().await;
    let mut events = qmp.events();
    drop(qmp);
    fake.event("STOP", 1).await;
    assert_eq!(numbers(&mut events, 1).await, [1]);
    drop(events);
    fake.expect_end().await;
}
