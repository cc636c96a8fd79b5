//! From a path to command mode, and what can go wrong on the way.

use std::error::Error;
use std::time::Duration;

use lmbench_harness::qmp::{Qmp, QmpError};
use serde_json::json;
use tokio::net::UnixListener;

use crate::fake::{Fake, GREETING, PATIENCE, connected, soon};

const SHORT: Duration = Duration::from_millis(30);

#[tokio::test]
async fn waits_until_the_socket_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("qmp");
    let connecting = tokio::spawn({
        let path = path.clone();
        async move { Qmp::connect(&path, PATIENCE).await }
    });
    // Whether the first attempt comes before or after this, the client must arrive.
    tokio::task::yield_now().await;
    let listener = UnixListener::bind(&path).unwrap();
    let (stream, _) = soon(listener.accept()).await.unwrap();
    let mut fake = Fake::new(stream);
    fake.send_line(GREETING).await;
    let command = fake.next().await;
    assert_eq!(
        (command.name.as_str(), &command.arguments),
        ("qmp_capabilities", &json!({"enable": ["oob"]}))
    );
    fake.reply(&command, json!({})).await;
    let qmp = soon(connecting).await.unwrap().unwrap();
    assert_eq!(qmp.version().to_string(), "10.0.2 (fake)");
}

/// QEMU 10.0.2 does so, rarely, to a client that connects while the monitor is being set up.
#[tokio::test]
async fn comes_again_when_it_is_greeted_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("qmp");
    let listener = UnixListener::bind(&path).unwrap();
    let serve = async {
        let mut first = Fake::new(listener.accept().await.unwrap().0);
        first.send_line(GREETING).await;
        first.send_line(GREETING).await;
        let mut second = Fake::new(listener.accept().await.unwrap().0);
        second.send_line(GREETING).await;
        let command = second.next().await;
        second.reply(&command, json!({})).await;
    };
    let (qmp, ()) = soon(async { tokio::join!(Qmp::connect(&path, PATIENCE), serve) }).await;
    assert_eq!(qmp.unwrap().version().to_string(), "10.0.2 (fake)");
}

#[tokio::test]
async fn says_that_nobody_listens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("qmp");
    let error = Qmp::connect(&path, SHORT).await.unwrap_err();
    let text = format!(
        "QMP socket {} did not accept a connection within 30ms",
        path.display()
    );
    assert_eq!(error.to_string(), text);
    assert!(
        error
            .source()
            .unwrap()
            .to_string()
            .starts_with("No such file")
    );
}

#[tokio::test]
async fn does_not_retry_what_cannot_succeed() {
    let folder = tempfile::tempdir().unwrap();
    // Unix socket paths end at 108 bytes.
    let path = folder.path().join("x".repeat(120));
    let error = soon(Qmp::connect(&path, PATIENCE * 2)).await.unwrap_err();
    assert!(matches!(error, QmpError::Connect { .. }), "{error:?}");
}

#[tokio::test]
async fn says_that_the_monitor_is_silent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("qmp");
    // Bound, never accepted: so does QEMU treat a second client.
    let _listener = UnixListener::bind(&path).unwrap();
    let error = Qmp::connect(&path, SHORT).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no QMP greeting within 30ms; is another client connected to this monitor?"
    );
}

#[tokio::test]
async fn tells_another_protocol_from_qmp() {
    let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
    let mut fake = Fake::new(theirs);
    fake.send_line("SSH-2.0-OpenSSH_9.2").await;
    let error = soon(Qmp::from_stream(ours, PATIENCE)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "QMP connection ended before the greeting"
    );
    assert!(
        error
            .source()
            .unwrap()
            .to_string()
            .ends_with(": SSH-2.0-OpenSSH_9.2")
    );
}

#[tokio::test]
async fn shares_one_connection_among_clones() {
    let (qmp, mut fake) = connected().await;
    let clone = qmp.clone();
    let serve = async {
        for _ in 0..2 {
            let command = fake.next().await;
            fake.reply(&command, json!({"status": "running"})).await;
        }
    };
    let (one, two, ()) =
        soon(async { tokio::join!(qmp.query_status(), clone.query_status(), serve) }).await;
    assert!(one.unwrap().is_running() && two.unwrap().is_running());
}
