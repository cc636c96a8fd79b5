//! The task that reads what QEMU sends and hands it to whom it belongs.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};

use rustix::net::{Shutdown, shutdown};
use tokio::io::AsyncReadExt;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::oneshot;

use super::connection::lock;
use super::error::CloseReason;
use super::line::{LineBuffer, LineTooLong};
use super::message::{Greeting, Message};
use super::pending::Owed;
use crate::clock::monotonic_ns;

/// Reads until the connection ends, then tells everybody why.
pub(super) async fn read_until_end(
    mut half: OwnedReadHalf,
    owed: Arc<Mutex<Owed>>,
    greeting: oneshot::Sender<Greeting>,
) {
    let Err(reason) = read(&mut half, &owed, greeting).await;
    tracing::debug!(%reason, "QMP connection ended");
    // After junk the other end may still live; it must see that we have gone. Otherwise the socket is down anyway.
    let _ = shutdown(half.as_ref(), Shutdown::Both);
    lock(&owed).close(reason);
}

async fn read(
    half: &mut OwnedReadHalf,
    owed: &Mutex<Owed>,
    greeting: oneshot::Sender<Greeting>,
) -> Result<Infallible, CloseReason> {
    let mut greeting = Some(greeting);
    let mut buffer = LineBuffer::new(LINE_BYTES_MAX);
    loop {
        let count = half.read_buf(buffer.spare()).await.map_err(read_failed)?;
        // One stamp for all lines of a read: it is the time at which the newest of them was here.
        let received_ns = monotonic_ns();
        if count == 0 {
            return Err(CloseReason::EndOfStream);
        }
        while let Some(line) = buffer
            .next_line()
            .map_err(|LineTooLong { limit }| CloseReason::LineTooLong { limit })?
        {
            deliver(Message::parse(&line, received_ns)?, owed, &mut greeting)?;
        }
    }
}

fn deliver(
    message: Message,
    owed: &Mutex<Owed>,
    awaited: &mut Option<oneshot::Sender<Greeting>>,
) -> Result<(), CloseReason> {
    match message {
        Message::Reply { id, outcome } => lock(owed).answer(id, outcome),
        Message::Event(event) => lock(owed).publish(&event),
        Message::Greeting(greeting) => {
            let Some(awaited) = awaited.take() else {
                return Err(CloseReason::GreetedTwice);
            };
            // Whoever connected may have given up meanwhile.
            drop(awaited.send(greeting));
        }
    }
    Ok(())
}

/// A QEMU that dies with commands unread resets the connection: to us that is an end like any other.
fn read_failed(error: io::Error) -> CloseReason {
    match error.kind() {
        io::ErrorKind::ConnectionReset => CloseReason::EndOfStream,
        _ => CloseReason::Read(Arc::new(error)),
    }
}

/// Longest line accepted. A schema is a quarter of a mebibyte; the limit only keeps a broken peer from filling our memory.
const LINE_BYTES_MAX: usize = 64 << 20;
