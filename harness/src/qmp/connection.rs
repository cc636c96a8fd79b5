//! The client's end of one socket: sends commands, waits for their replies. Knows no command by name.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::error::{CloseReason, QmpError};
use super::event::Event;
use super::message::{Greeting, Outcome, Refusal};
use super::pending::{Lane, Owed, Pending};
use super::writer::Outgoing;
use super::{reader, writer};

/// Tasks that read and write the socket, and what they owe. Dropping it ends them.
#[derive(Debug)]
pub(super) struct Connection {
    owed: Arc<Mutex<Owed>>,
    outgoing: mpsc::UnboundedSender<Outgoing>,
    in_band: Arc<Semaphore>,
    descriptors: Arc<Semaphore>,
    reader: AbortHandle,
}

impl Connection {
    /// Starts the tasks. The receiver gets the greeting, or nothing if the connection ends before it.
    pub(super) fn start(stream: UnixStream) -> (Connection, oneshot::Receiver<Greeting>) {
        let owed = Arc::new(Mutex::new(Owed::default()));
        let (outgoing, queue) = mpsc::unbounded_channel();
        let (greeting, greeted) = oneshot::channel();
        let (read_half, write_half) = stream.into_split();
        tokio::spawn(writer::write_until_end(
            write_half,
            queue,
            Arc::clone(&owed),
        ));
        let reader = tokio::spawn(reader::read_until_end(
            read_half,
            Arc::clone(&owed),
            greeting,
        ))
        .abort_handle();
        let connection = Connection {
            owed,
            outgoing,
            in_band: Arc::new(Semaphore::new(COMMANDS_IN_FLIGHT)),
            descriptors: Arc::new(Semaphore::new(1)),
            reader,
        };
        (connection, greeted)
    }

    /// Sends a command and waits at most `limit` for its reply.
    pub(super) async fn execute(
        &self,
        command: &str,
        arguments: Value,
        lane: Lane,
        limit: Duration,
    ) -> Result<Value, QmpError> {
        let mut sent = false;
        let command_name = || command.to_owned();
        match timeout(limit, self.converse(command, arguments, lane, &mut sent)).await {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(Refusal { class, description }))) => Err(QmpError::Refused {
                command: command_name(),
                class,
                description,
            }),
            Ok(Err(reason)) => Err(QmpError::Closed {
                command: command_name(),
                reason,
            }),
            Err(_) if sent => Err(QmpError::TimedOut {
                command: command_name(),
                after: limit,
            }),
            Err(_) => Err(QmpError::NotSent {
                command: command_name(),
                after: limit,
            }),
        }
    }

    /// Adds a queue for events.
    pub(super) fn subscribe(&self, queue: mpsc::UnboundedSender<Event>) {
        lock(&self.owed).subscribe(queue);
    }

    /// Waits for the end.
    pub(super) async fn closed(&self) -> CloseReason {
        let mut closed = lock(&self.owed).watch_close();
        let reason = closed
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|reason| reason.clone());
        // The sender lives in `owed`, which we hold: `wait_for` cannot fail while we wait.
        reason.unwrap_or(CloseReason::EndOfStream)
    }

    async fn converse(
        &self,
        command: &str,
        arguments: Value,
        lane: Lane,
        sent: &mut bool,
    ) -> Result<Outcome, CloseReason> {
        let permits = self.permits(&lane).await;
        let (reply, answer) = oneshot::channel();
        self.send(command, arguments, lane, Pending { reply, permits })?;
        *sent = true;
        answer.await.unwrap_or(Err(CloseReason::EndOfStream))
    }

    /// Registers and queues a command in one step, without a point at which it could be dropped half done.
    fn send(
        &self,
        command: &str,
        arguments: Value,
        lane: Lane,
        pending: Pending,
    ) -> Result<(), CloseReason> {
        let mut owed = lock(&self.owed);
        let id = owed.enter(pending)?;
        let command_line = command_line(command, arguments, matches!(lane, Lane::OutOfBand), id);
        // Without a writer the socket is shut down, and the reader is about to close every command.
        let _ = self.outgoing.send(Outgoing {
            line: command_line,
            descriptor: descriptor(lane),
        });
        Ok(())
    }

    async fn permits(&self, lane: &Lane) -> Vec<OwnedSemaphorePermit> {
        let wanted: &[&Arc<Semaphore>] = match lane {
            Lane::InBand => &[&self.in_band],
            Lane::OutOfBand => &[],
            Lane::Descriptor(_) => &[&self.descriptors, &self.in_band],
        };
        let mut permits = Vec::with_capacity(wanted.len());
        for semaphore in wanted {
            permits.push(
                Arc::clone(semaphore)
                    .acquire_owned()
                    .await
                    .expect("these semaphores are never closed"),
            );
        }
        permits
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Takes the lock. A panic while it is held leaves whole entries behind, so the data are good even then.
pub(super) fn lock(owed: &Mutex<Owed>) -> MutexGuard<'_, Owed> {
    owed.lock().unwrap_or_else(PoisonError::into_inner)
}

fn descriptor(lane: Lane) -> Option<OwnedFd> {
    match lane {
        Lane::Descriptor(descriptor) => Some(descriptor),
        Lane::InBand | Lane::OutOfBand => None,
    }
}

fn command_line(command: &str, arguments: Value, out_of_band: bool, id: u64) -> Vec<u8> {
    let mut message = Map::new();
    message.insert(
        if out_of_band { "exec-oob" } else { "execute" }.to_owned(),
        Value::from(command),
    );
    if !arguments.is_null() {
        message.insert("arguments".to_owned(), arguments);
    }
    message.insert("id".to_owned(), Value::from(id));
    let mut line = Value::Object(message).to_string().into_bytes();
    line.push(b'\n');
    line
}

/// QEMU stops reading, out-of-band commands included, once eight commands wait in its queue; one less keeps that way open.
const COMMANDS_IN_FLIGHT: usize = 7;
