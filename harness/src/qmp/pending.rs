//! What a connection is owed: replies to commands, events to subscribers. No input or output here.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use super::error::CloseReason;
use super::event::Event;
use super::message::Outcome;

/// How a command travels.
#[derive(Debug)]
pub(super) enum Lane {
    /// In turn with other commands.
    InBand,
    /// Past them.
    OutOfBand,
    /// In turn, with a descriptor.
    Descriptor(OwnedFd),
}

/// Where a command's reply goes. A closed channel means that nobody waits any more.
pub(super) type ReplySender = oneshot::Sender<Result<Outcome, CloseReason>>;

/// A command without a reply.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) reply: ReplySender,
    /// Given back when QEMU has answered, whether or not anybody still waits: QEMU's queue is what they count.
    pub(super) permits: Vec<OwnedSemaphorePermit>,
}

/// The state that the handles and the reader of a connection share.
#[derive(Debug, Default)]
pub(super) struct Owed {
    next_id: u64,
    commands: HashMap<u64, Pending>,
    subscribers: Vec<mpsc::UnboundedSender<Event>>,
    write_failure: Option<Arc<io::Error>>,
    closed: watch::Sender<Option<CloseReason>>,
}

impl Owed {
    /// Enters a command and returns its id, or why the connection has ended.
    pub(super) fn enter(&mut self, pending: Pending) -> Result<u64, CloseReason> {
        if let Some(reason) = self.closed.borrow().clone() {
            return Err(reason);
        }
        let id = self.next_id;
        self.next_id += 1;
        self.commands.insert(id, pending);
        Ok(id)
    }

    /// Hands a reply over. One that nobody awaits is discarded.
    pub(super) fn answer(&mut self, id: u64, outcome: Outcome) {
        let Some(Pending { reply, permits }) = self.commands.remove(&id) else {
            tracing::warn!(
                id,
                "QMP reply to a command that was never sent or is already answered"
            );
            return;
        };
        if reply.send(Ok(outcome)).is_err() {
            tracing::debug!(id, "late QMP reply discarded");
        }
        drop(permits);
    }

    /// Queues an event for every subscriber that still listens.
    pub(super) fn publish(&mut self, event: &Event) {
        self.subscribers
            .retain(|subscriber| subscriber.send(event.clone()).is_ok());
    }

    /// Adds a subscriber; after the end, its queue ends at once.
    pub(super) fn subscribe(&mut self, subscriber: mpsc::UnboundedSender<Event>) {
        if self.closed.borrow().is_none() {
            self.subscribers.push(subscriber);
        }
    }

    /// Why the connection has ended, once it has.
    pub(super) fn watch_close(&self) -> watch::Receiver<Option<CloseReason>> {
        self.closed.subscribe()
    }

    /// Remembers why writing ended. What QEMU sent before is still read, so this alone closes nothing.
    pub(super) fn writing_failed(&mut self, error: io::Error) {
        self.write_failure = Some(Arc::new(error));
    }

    /// Tells everybody that nothing more will come.
    pub(super) fn close(&mut self, reason: CloseReason) {
        let reason = match (reason, self.write_failure.take()) {
            (CloseReason::EndOfStream, Some(error))
                if error.kind() != io::ErrorKind::BrokenPipe =>
            {
                CloseReason::Write(error)
            }
            (reason, _) => reason,
        };
        self.closed.send_replace(Some(reason.clone()));
        self.subscribers.clear();
        for (_, pending) in self.commands.drain() {
            // Whoever stopped waiting needs no reason.
            let _ = pending.reply.send(Err(reason.clone()));
        }
    }
}
