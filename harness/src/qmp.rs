//! A client of QEMU's machine protocol (QMP) over a unix socket.
//!
//! [`Qmp`] sends commands by id and hands each reply to the command that waits for it, so that commands do not wait for
//! one another here and events never wait for commands. QEMU itself runs ordinary ("in-band") commands one after another.
//! Status, event and parameter names that this code does not know are kept, and what QEMU can do is read from its
//! [`Schema`], never guessed from its version.
//!
//! This module does not start or end QEMU, and decides nothing about a migration.

#[doc(hidden)]
pub mod benched;
mod commands;
mod connection;
mod error;
mod event;
mod handshake;
mod line;
mod message;
mod migrate_info;
mod pending;
mod reader;
mod schema;
mod threads;
mod version;
mod writer;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use connection::Connection;
use message::Greeting;
use pending::Lane;

pub use crate::hypervisor::{MigrationStatus, RunState};
pub use error::{CloseReason, QmpError};
pub use event::{Event, Events};
pub use schema::{ParameterType, Schema, Setting, SettingProblem};
pub use threads::{MigrationThread, VcpuThread};
pub use version::QemuVersion;

/// A connection to one QEMU. Clones share it; it ends with the last clone and the last [`Events`] of it, or with QEMU.
///
/// A command whose future is dropped or that times out is not taken back: QEMU may still run it, and its late reply is
/// discarded.
#[derive(Debug, Clone)]
pub struct Qmp {
    connection: Arc<Connection>,
    greeting: Arc<Greeting>,
}

impl Qmp {
    /// Time that [`Qmp::execute`] and the typed commands allow.
    ///
    /// Long, because QEMU's main loop stands still while it loads device state or waits for a post-copy page.
    pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

    /// What the QEMU at the other end calls itself.
    pub fn version(&self) -> &QemuVersion {
        &self.greeting.version
    }

    /// Runs `command` and returns its reply. `Value::Null` sends no arguments.
    pub async fn execute(&self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        self.execute_within(command, arguments, Self::COMMAND_TIMEOUT)
            .await
    }

    /// Runs `command`, waiting at most `limit`.
    pub async fn execute_within(
        &self,
        command: &str,
        arguments: Value,
        limit: Duration,
    ) -> Result<Value, QmpError> {
        self.connection
            .execute(command, arguments, Lane::InBand, limit)
            .await
    }

    /// Runs `command` out of band: QEMU answers even while an ordinary command or its main loop is stuck.
    ///
    /// QEMU offers this for a few commands only, `migrate-pause` and `migrate-recover` among them.
    pub async fn execute_out_of_band(
        &self,
        command: &str,
        arguments: Value,
    ) -> Result<Value, QmpError> {
        if !self.greeting.offers_out_of_band {
            return Err(QmpError::NoOutOfBand {
                command: command.to_owned(),
            });
        }
        self.connection
            .execute(command, arguments, Lane::OutOfBand, Self::COMMAND_TIMEOUT)
            .await
    }

    /// Runs `command` (`getfd`, `add-fd`) with a descriptor that travels on the command's own bytes.
    ///
    /// One such command is under way at a time: QEMU keeps a received descriptor beside the connection, not beside its
    /// command, so with two of them waiting it gives the first command the second's descriptor.
    pub async fn execute_with_descriptor(
        &self,
        command: &str,
        arguments: Value,
        descriptor: OwnedFd,
    ) -> Result<Value, QmpError> {
        self.connection
            .execute(
                command,
                arguments,
                Lane::Descriptor(descriptor),
                Self::COMMAND_TIMEOUT,
            )
            .await
    }

    /// A queue of its own with every event from now on, in QEMU's order.
    pub fn events(&self) -> Events {
        Events::new(Arc::clone(&self.connection))
    }

    /// Waits until the connection has ended, and says why.
    pub async fn closed(&self) -> CloseReason {
        self.connection.closed().await
    }

    /// What this QEMU understands.
    pub async fn schema(&self) -> Result<Schema, QmpError> {
        let command = "query-qmp-schema";
        let reply = self.execute(command, Value::Null).await?;
        Schema::from_reply(&reply).ok_or_else(|| QmpError::unexpected(command, "a list of types"))
    }
}
