//! A guest as the migration loop sees it, whatever drives it (QMP, a management daemon, a simulation).

use std::net::SocketAddr;
use std::path::PathBuf;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::event::GuestEvents;
use super::stats::Reading;
use crate::policy::Action;
use crate::qmp::QmpError;

/// Where a guest's migration stream goes to or comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// QEMU's own TCP socket; port 0 on the destination lets the kernel choose.
    Tcp(SocketAddr),
    /// A unix socket on this host.
    Unix(PathBuf),
    /// A connected socket that is handed over at this unix socket.
    Handover(PathBuf),
}

/// Why a guest did not do what it was asked.
#[derive(Debug, Error)]
pub enum GuestError {
    /// The hypervisor refused.
    #[error("{operation} refused: {reason}")]
    Refused {
        /// What was asked.
        operation: String,
        /// Its words.
        reason: String,
    },
    /// The credentials for its TLS can't be written.
    #[error("can't write TLS credentials to {}", directory.display())]
    Credentials {
        /// Where.
        directory: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The hypervisor is gone.
    #[error("QEMU on the {role} is gone ({reason})")]
    Gone {
        /// `source` or `destination`.
        role: String,
        /// How it ended, with its last words.
        reason: String,
    },
    /// The hypervisor lives, but its monitor does not do its part.
    #[error("QEMU's monitor on the {role} failed")]
    Monitor {
        /// `source` or `destination`.
        role: String,
        /// How: no answer in time, or one that makes no sense.
        source: QmpError,
    },
}

/// A running or incoming guest.
#[async_trait]
pub trait Guest: Send + Sync {
    /// Starts to migrate to `stream`; returns when the hypervisor has accepted.
    async fn migrate(&self, stream: &Stream) -> Result<(), GuestError>;
    /// Reads the migration's state.
    async fn reading(&self) -> Result<Reading, GuestError>;
    /// Does what a policy decided.
    async fn apply(&self, action: &Action) -> Result<(), GuestError>;
    /// Lets a switch-over go on that waits for it (`pause-before-switchover`). Where none ever waits there is nothing to do.
    async fn switch_over(&self) -> Result<(), GuestError> {
        Ok(())
    }
    /// Whether its vCPUs run.
    async fn running(&self) -> Result<bool, GuestError>;
    /// Subscribes to its events.
    fn events(&self) -> Box<dyn GuestEvents>;
    /// How the hypervisor ended, for the error message of somebody who found it gone.
    async fn obituary(&self) -> GuestError;
}
