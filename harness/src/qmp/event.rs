//! Events and the queues that carry them to those who asked.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;

use super::connection::Connection;
use crate::hypervisor::{EventKind, MigrationStatus};

/// Something that happened in QEMU.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// QEMU's name for it, for example `STOP`.
    pub name: String,
    /// Its details, `Null` if it has none.
    pub data: Value,
    /// QEMU's own stamp: time since the epoch on the clock of its host; zero when QEMU could not tell.
    pub qemu_time: Duration,
    /// [`monotonic_ns`](crate::clock::monotonic_ns) when its bytes were read here.
    pub received_ns: u64,
}

impl Event {
    /// What it tells.
    pub fn kind(&self) -> EventKind {
        EventKind::named(&self.name, &self.data)
    }

    /// The new status, if this is a `MIGRATION` event (sent when capability `events` is on).
    pub fn migration_status(&self) -> Option<MigrationStatus> {
        self.kind().migration_status().cloned()
    }

    /// The number of the pass over memory that begins, if this is a `MIGRATION_PASS` event.
    pub fn migration_pass(&self) -> Option<u64> {
        match self.kind() {
            EventKind::MigrationPass(pass) => Some(pass),
            _ => None,
        }
    }
}

/// One subscriber's queue: unbounded, because a bounded one would lose events or hold up everybody else.
#[derive(Debug)]
pub struct Events {
    queue: mpsc::UnboundedReceiver<Event>,
    /// Keeps the connection open while somebody listens.
    _connection: Arc<Connection>,
}

impl Events {
    pub(super) fn new(connection: Arc<Connection>) -> Events {
        let (sender, queue) = mpsc::unbounded_channel();
        connection.subscribe(sender);
        Events {
            queue,
            _connection: connection,
        }
    }

    /// The next event; `None` once the connection has ended and all its events were taken. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        self.queue.recv().await
    }

    /// An event that has already arrived.
    pub fn try_next(&mut self) -> Option<Event> {
        self.queue.try_recv().ok()
    }
}
