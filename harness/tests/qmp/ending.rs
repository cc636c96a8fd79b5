//! However a connection ends, everybody who waits hears of it, with the reason.

use std::error::Error;

use lmbench_harness::qmp::{CloseReason, QmpError};
use serde_json::{Value, json};

use crate::fake::{Fake, connected, event_line, soon};

/// What a pending command, `closed()`, a subscriber and a later command get to hear when the fake says `last` and goes.
async fn end_with(last: &str) -> CloseReason {
    let (qmp, mut fake) = connected().await;
    let mut events = qmp.events();
    let say = async {
        let _pending = fake.next().await;
        fake.send_line(&event_line("STOP", 1)).await;
        fake.send(last.as_bytes()).await;
        drop(fake);
    };
    let (pending, ()) =
        soon(async { tokio::join!(qmp.execute("pending", Value::Null), say) }).await;
    let Err(QmpError::Closed { command, reason }) = pending else {
        panic!("{pending:?}")
    };
    assert_eq!(command, "pending");
    assert_eq!(soon(qmp.closed()).await.to_string(), reason.to_string());
    // What came before the end is still delivered; then the queue ends.
    assert_eq!(soon(events.next()).await.unwrap().name, "STOP");
    assert_eq!(soon(events.next()).await, None);
    assert_eq!(soon(qmp.events().next()).await, None);
    let later = soon(qmp.execute("later", Value::Null)).await.unwrap_err();
    assert_eq!(
        later.to_string(),
        "QMP connection ended before QEMU answered `later`"
    );
    assert_eq!(later.source().unwrap().to_string(), reason.to_string());
    reason
}

#[tokio::test]
async fn by_death() {
    let reason = end_with("").await;
    assert!(matches!(reason, CloseReason::EndOfStream));
    assert_eq!(reason.to_string(), "QEMU closed the connection");
}

#[tokio::test]
async fn by_death_in_the_middle_of_a_reply() {
    assert!(matches!(
        end_with("{\"return\": {\"stat").await,
        CloseReason::EndOfStream
    ));
}

#[tokio::test]
async fn by_junk() {
    let reason = end_with("Segmentation fault\r\n").await;
    assert!(
        matches!(&reason, CloseReason::Junk { excerpt, .. } if excerpt == "Segmentation fault")
    );
    assert!(
        reason
            .to_string()
            .starts_with("not a QMP message (expected value"),
        "{reason}"
    );
}

#[tokio::test]
async fn by_junk_in_the_form_of_json() {
    let reason = end_with("{\"hello\": 1}\r\n").await;
    assert_eq!(
        reason.to_string(),
        "not a QMP message (neither greeting, event nor reply): {\"hello\": 1}"
    );
}

#[tokio::test]
async fn by_a_misunderstanding() {
    let reason =
        end_with("{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error\"}}\r\n")
            .await;
    assert_eq!(
        reason.to_string(),
        "QEMU could not read our message: JSON parse error"
    );
}

#[tokio::test]
async fn the_peer_of_junk_sees_us_go() {
    let (qmp, mut fake) = connected().await;
    fake.send_line("junk").await;
    // The fake stays open: it is the client that ends this.
    assert!(matches!(soon(qmp.closed()).await, CloseReason::Junk { .. }));
    fake.expect_end().await;
}

async fn serve_quit(mut fake: Fake, reply: bool) {
    let command = fake.next().await;
    assert_eq!(command.name, "quit");
    if reply {
        fake.reply(&command, json!({})).await;
    }
}

#[tokio::test]
async fn by_quit_answered_or_not() {
    for reply in [true, false] {
        let (qmp, fake) = connected().await;
        let (quit, ()) = soon(async { tokio::join!(qmp.quit(), serve_quit(fake, reply)) }).await;
        quit.unwrap();
        assert!(matches!(soon(qmp.closed()).await, CloseReason::EndOfStream));
    }
}

#[tokio::test]
async fn by_our_own_leave() {
    let (qmp, mut fake) = connected().await;
    drop(qmp.clone());
    fake.event("STOP", 1).await;
    drop(qmp);
    fake.expect_end().await;
}
