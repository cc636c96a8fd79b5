//! A descriptor arrives with its own command and no other.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use lmbench_harness::qmp::QmpError;
use serde_json::{Value, json};

use crate::fake::{Command, connected, soon};

fn send_through(command: &Command, text: &str) {
    let descriptor = command.descriptors[0].try_clone().unwrap();
    UnixStream::from(descriptor)
        .write_all(text.as_bytes())
        .unwrap();
}

fn read_all(mut stream: UnixStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[tokio::test]
async fn the_descriptor_arrives_on_its_commands_first_byte() {
    let (qmp, mut fake) = connected().await;
    let (ours, theirs) = UnixStream::pair().unwrap();
    let serve = async {
        // All three are written before the fake reads: the descriptor must still be the middle one's.
        let mut commands = Vec::new();
        for _ in 0..3 {
            commands.push(fake.next().await);
        }
        let counts: Vec<usize> = commands
            .iter()
            .map(|command| command.descriptors.len())
            .collect();
        assert_eq!(counts, [0, 1, 0]);
        assert_eq!(
            (commands[1].name.as_str(), &commands[1].arguments),
            ("getfd", &json!({"fdname": "relay"}))
        );
        send_through(&commands[1], "through");
        for command in &commands {
            fake.reply(command, json!({})).await;
        }
    };
    let calls = async {
        tokio::join!(
            qmp.execute("before", Value::Null),
            qmp.getfd("relay", theirs.into()),
            qmp.execute("after", json!({"filler": "x".repeat(100_000)})),
        )
    };
    let ((before, passed, after), ()) = soon(async { tokio::join!(calls, serve) }).await;
    for outcome in [before.map(drop), passed, after.map(drop)] {
        outcome.unwrap();
    }
    // The fake's copy and ours are closed by now, else this would not end.
    assert_eq!(read_all(ours), "through");
}

#[tokio::test]
async fn a_second_descriptor_waits_for_the_first_reply() {
    let (qmp, mut fake) = connected().await;
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let serve = async {
        let first = fake.next().await;
        // Other commands need not wait.
        let other = fake.next().await;
        assert_eq!(
            (first.name.as_str(), other.name.as_str()),
            ("getfd", "other")
        );
        fake.reply(&other, json!({})).await;
        fake.expect_silence().await;
        fake.reply(&first, json!({})).await;
        let second = fake.next().await;
        assert_eq!(second.descriptors.len(), 1);
        fake.reply(&second, json!({})).await;
    };
    let calls = async {
        tokio::join!(
            qmp.getfd("one", theirs.try_clone().unwrap().into()),
            qmp.getfd("two", theirs.into()),
            qmp.execute("other", Value::Null),
        )
    };
    let ((one, two, other), ()) = soon(async { tokio::join!(calls, serve) }).await;
    for outcome in [one, two, other.map(drop)] {
        outcome.unwrap();
    }
}

#[tokio::test]
async fn a_descriptor_is_closed_here_even_if_nobody_takes_it() {
    let (qmp, fake) = connected().await;
    drop(fake);
    let (ours, theirs) = UnixStream::pair().unwrap();
    let error = soon(qmp.getfd("relay", theirs.into())).await.unwrap_err();
    assert!(matches!(error, QmpError::Closed { command, .. } if command == "getfd"));
    drop(qmp);
    // End of stream comes only when no copy of the other end is left.
    assert_eq!(
        soon(tokio::task::spawn_blocking(|| read_all(ours)))
            .await
            .unwrap(),
        ""
    );
}
