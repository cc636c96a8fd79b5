//! A QMP server at the other end of a socket pair. It does only what a test tells it to.

use std::io::{ErrorKind, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::time::Duration;

use lmbench_harness::qmp::Qmp;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Far above what a loaded machine needs; only a lost message reaches it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const GREETING: &str = r#"{"QMP": {"version": {"qemu": {"micro": 2, "minor": 0, "major": 10}, "package": "fake"}, "capabilities": ["oob"]}}"#;

/// QEMU's end.
pub(crate) struct Fake {
    stream: UnixStream,
}

/// A command as QEMU sees it.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) id: Value,
    pub(crate) name: String,
    pub(crate) arguments: Value,
    pub(crate) out_of_band: bool,
    /// Descriptors that arrived with its first byte.
    pub(crate) descriptors: Vec<OwnedFd>,
}

/// A client in command mode and its fake.
pub(crate) async fn connected() -> (Qmp, Fake) {
    connected_with(GREETING).await
}

/// The same with a greeting of the test's own.
pub(crate) async fn connected_with(greeting: &str) -> (Qmp, Fake) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut fake = Fake::new(theirs);
    let negotiate = async {
        fake.send_line(greeting).await;
        let command = fake.next().await;
        assert_eq!(command.name, "qmp_capabilities");
        assert_eq!(
            command.arguments.get("enable").is_some(),
            greeting.contains("oob")
        );
        fake.reply(&command, json!({})).await;
    };
    let (qmp, ()) = tokio::join!(Qmp::from_stream(ours, PATIENCE), negotiate);
    (qmp.unwrap(), fake)
}

/// Fails instead of hanging.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future)
        .await
        .expect("this happens soon or never")
}

impl Fake {
    pub(crate) fn new(stream: UnixStream) -> Fake {
        Fake { stream }
    }

    /// The next command.
    pub(crate) async fn next(&mut self) -> Command {
        soon(self.receive()).await
    }

    /// Asserts that no byte of a command arrives for a while. It can miss a late one, but never fails wrongly.
    pub(crate) async fn expect_silence(&mut self) {
        let byte = timeout(Duration::from_millis(50), self.byte()).await;
        assert!(byte.is_err(), "a command came that should wait");
    }

    /// Reads until the client closes. It may have left something unread, which resets the connection.
    pub(crate) async fn expect_end(&mut self) {
        soon(async {
            while let Some((byte, _)) = self.byte().await {
                assert_eq!(byte, b'\0', "a command came after the end");
            }
        })
        .await;
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        soon(self.stream.write_all(bytes)).await.unwrap();
    }

    pub(crate) async fn send_line(&mut self, line: &str) {
        self.send(format!("{line}\r\n").as_bytes()).await;
    }

    pub(crate) async fn reply(&mut self, command: &Command, value: Value) {
        self.send_line(&json!({"return": value, "id": command.id}).to_string())
            .await;
    }

    pub(crate) async fn event(&mut self, name: &str, number: u64) {
        self.send_line(&event_line(name, number)).await;
    }

    /// As QEMU does, reads one byte at a time: so it is known which byte a descriptor came with.
    async fn receive(&mut self) -> Command {
        let (first, descriptors) = self.byte().await.expect("the client is there");
        let mut line = vec![first];
        loop {
            let (byte, late) = self.byte().await.expect("a line is sent whole");
            assert!(
                late.is_empty(),
                "a descriptor came in the middle of a command"
            );
            if byte == b'\n' {
                break;
            }
            line.push(byte);
        }
        let command: Value = serde_json::from_slice(&line).unwrap();
        let out_of_band = command.get("exec-oob").is_some();
        let name = &command[if out_of_band { "exec-oob" } else { "execute" }];
        Command {
            id: command["id"].clone(),
            name: name.as_str().unwrap().to_owned(),
            arguments: command["arguments"].clone(),
            out_of_band,
            descriptors,
        }
    }

    async fn byte(&mut self) -> Option<(u8, Vec<OwnedFd>)> {
        let stream = &self.stream;
        match stream
            .async_io(Interest::READABLE, || receive_byte(stream))
            .await
        {
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            received => received.unwrap(),
        }
    }
}

pub(crate) fn event_line(name: &str, number: u64) -> String {
    json!({"timestamp": {"seconds": 1, "microseconds": 5}, "event": name, "data": {"number": number}}).to_string()
}

fn receive_byte(stream: &UnixStream) -> std::io::Result<Option<(u8, Vec<OwnedFd>)>> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        stream,
        &mut [IoSliceMut::new(&mut byte)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let descriptors = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let descriptors = descriptors.flatten().collect();
    Ok((received.bytes > 0).then_some((byte[0], descriptors)))
}
