//! Each reply reaches the command that waits for it, whatever happens to the others.

use std::time::Duration;

use lmbench_harness::qmp::{MigrationStatus, QmpError, RunState};
use serde_json::{Value, json};

use crate::fake::{GREETING, connected, connected_with, soon};

#[tokio::test]
async fn a_slow_command_does_not_delay_a_fast_one() {
    let (qmp, mut fake) = connected().await;
    let slow = tokio::spawn({
        let qmp = qmp.clone();
        async move { qmp.execute("slow", json!({"a": 1})).await }
    });
    let first = fake.next().await;
    assert_eq!(
        (first.name.as_str(), &first.arguments),
        ("slow", &json!({"a": 1}))
    );
    let serve_second = async {
        let second = fake.next().await;
        assert_eq!(
            (second.name.as_str(), &second.arguments),
            ("fast", &Value::Null)
        );
        fake.reply(&second, json!("fast")).await;
    };
    // The fake has not answered `slow` when `fast` returns: that order is the claim.
    let (fast, ()) =
        soon(async { tokio::join!(qmp.execute("fast", Value::Null), serve_second) }).await;
    assert_eq!(fast.unwrap(), json!("fast"));
    assert!(!slow.is_finished());
    fake.reply(&first, json!("slow")).await;
    assert_eq!(soon(slow).await.unwrap().unwrap(), json!("slow"));
}

#[tokio::test]
async fn replies_in_another_order_go_by_id() {
    let (qmp, mut fake) = connected().await;
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    let calls = futures::future::join_all(names.map(|name| qmp.execute(name, Value::Null)));
    let serve = async {
        let mut commands = Vec::new();
        for _ in names {
            commands.push(fake.next().await);
        }
        for at in [3, 0, 6, 5, 1, 2, 4] {
            fake.reply(&commands[at], json!(commands[at].name)).await;
        }
    };
    let (replies, ()) = soon(async { tokio::join!(calls, serve) }).await;
    let replies: Vec<Value> = replies.into_iter().map(Result::unwrap).collect();
    assert_eq!(replies, names.map(Value::from));
}

#[tokio::test]
async fn a_late_reply_is_discarded() {
    let (qmp, mut fake) = connected().await;
    let limit = Duration::from_millis(10);
    let error = qmp
        .execute_within("query-status", Value::Null, limit)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, QmpError::TimedOut { command, after } if command == "query-status" && *after == limit)
    );
    assert_eq!(
        error.to_string(),
        "QEMU did not answer `query-status` within 10ms"
    );
    let late = fake.next().await;
    fake.reply(&late, json!({"status": "paused"})).await;
    let serve = async {
        let command = fake.next().await;
        fake.reply(&command, json!({"status": "running"})).await;
    };
    let (state, ()) = soon(async { tokio::join!(qmp.query_status(), serve) }).await;
    assert_eq!(state.unwrap(), RunState::Running);
}

#[tokio::test]
async fn a_dropped_command_breaks_nothing() {
    let (qmp, mut fake) = connected().await;
    let dropped = tokio::select! {
        biased;
        _ = qmp.execute("dropped", Value::Null) => panic!("nobody answers it"),
        command = fake.next() => command,
    };
    fake.reply(&dropped, json!({})).await;
    let serve = async {
        let command = fake.next().await;
        fake.reply(&command, json!({"status": "warp"})).await;
    };
    let (info, ()) = soon(async { tokio::join!(qmp.query_migrate(), serve) }).await;
    assert_eq!(
        info.unwrap().stats.status,
        MigrationStatus::Other("warp".to_owned())
    );
}

#[tokio::test]
async fn split_and_coalesced_replies_are_the_same_to_us() {
    let (qmp, mut fake) = connected().await;
    let serve = async {
        let (one, two) = (fake.next().await, fake.next().await);
        let line = |id: &Value, value: u64| format!("{}\r\n", json!({"return": value, "id": id}));
        let bytes = [line(&one.id, 1), line(&two.id, 2)].concat().into_bytes();
        // One byte at a time up to the middle of the first reply, then all the rest at once.
        for byte in &bytes[..9] {
            fake.send(&[*byte]).await;
            tokio::task::yield_now().await;
        }
        fake.send(&bytes[9..]).await;
    };
    let calls = async {
        tokio::join!(
            qmp.execute("one", Value::Null),
            qmp.execute("two", Value::Null)
        )
    };
    let ((one, two), ()) = soon(async { tokio::join!(calls, serve) }).await;
    assert_eq!((one.unwrap(), two.unwrap()), (json!(1), json!(2)));
}

#[tokio::test]
async fn a_refusal_names_the_command_and_qemus_reason() {
    let (qmp, mut fake) = connected().await;
    let serve = async {
        let command = fake.next().await;
        let error =
            json!({"class": "CommandNotFound", "desc": "The command nope has not been found"});
        fake.send_line(&json!({"id": command.id, "error": error}).to_string())
            .await;
    };
    let (refused, ()) = soon(async { tokio::join!(qmp.execute("nope", Value::Null), serve) }).await;
    let error = refused.unwrap_err();
    assert_eq!(
        error.to_string(),
        "QEMU refused `nope`: The command nope has not been found"
    );
    assert!(matches!(error, QmpError::Refused { class, .. } if class == "CommandNotFound"));
}

#[tokio::test]
async fn a_reply_of_another_shape_is_an_error() {
    let (qmp, mut fake) = connected().await;
    let serve = async {
        let command = fake.next().await;
        fake.reply(&command, json!([{"cpu-index": 0}])).await;
    };
    let (cpus, ()) = soon(async { tokio::join!(qmp.query_cpus_fast(), serve) }).await;
    assert_eq!(
        cpus.unwrap_err().to_string(),
        "QEMU's reply to `query-cpus-fast` is not a list of vCPU threads"
    );
}

#[tokio::test]
async fn the_way_for_out_of_band_commands_stays_open() {
    let (qmp, mut fake) = connected().await;
    let waiting: Vec<_> = (0..7)
        .map(|_| {
            let qmp = qmp.clone();
            tokio::spawn(async move { qmp.execute("slow", Value::Null).await })
        })
        .collect();
    let mut commands = Vec::new();
    for _ in &waiting {
        commands.push(fake.next().await);
    }
    // QEMU would stop reading at eight: the eighth must not be sent, and an out-of-band command must.
    let error = qmp
        .execute_within("eighth", Value::Null, Duration::from_millis(10))
        .await
        .unwrap_err();
    assert!(matches!(error, QmpError::NotSent { command, .. } if command == "eighth"));
    let serve = async {
        let command = fake.next().await;
        assert!(command.out_of_band, "{command:?}");
        fake.reply(&command, json!("paused")).await;
    };
    let (urgent, ()) =
        soon(async { tokio::join!(qmp.execute_out_of_band("migrate-pause", Value::Null), serve) })
            .await;
    assert_eq!(urgent.unwrap(), json!("paused"));
    for command in &commands {
        fake.reply(command, json!({})).await;
    }
    for call in waiting {
        soon(call).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn out_of_band_needs_a_qemu_that_offers_it() {
    let (qmp, _fake) = connected_with(&GREETING.replace("\"oob\"", "")).await;
    let error = qmp
        .execute_out_of_band("migrate-pause", Value::Null)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot run `migrate-pause` out of band: this QEMU does not offer it"
    );
}
