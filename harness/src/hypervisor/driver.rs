//! What a host can do with guests: the trait that a driver begins with.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::console::Console;
use super::error::{GuestError, LaunchError};
use super::guest::Guest;
use super::probe::{Case, ProbeReport};
use crate::role::Role;
use crate::spec::{Accelerator, GuestSpec};

/// Which guest of a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GuestId(String);

/// Which migration of a run.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct MigrationId(pub u64);

impl GuestId {
    /// A guest of this name.
    pub fn new(name: impl Into<String>) -> Self {
        GuestId(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The only guest of a scenario that names none.
impl Default for GuestId {
    fn default() -> Self {
        GuestId::new("guest")
    }
}

impl fmt::Display for GuestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for MigrationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// How a guest comes into being on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// It boots here.
    Boot,
    /// It is awaited from another host.
    Incoming,
}

impl Start {
    /// The end of the first migration that a guest of this beginning is at.
    pub fn role(self) -> Role {
        match self {
            Start::Boot => Role::Source,
            Start::Incoming => Role::Destination,
        }
    }
}

impl From<Role> for Start {
    fn from(role: Role) -> Start {
        match role {
            Role::Source => Start::Boot,
            Role::Destination => Start::Incoming,
        }
    }
}

/// A guest to start.
pub struct Launch<'a> {
    /// Which.
    pub id: GuestId,
    /// What.
    pub spec: &'a GuestSpec,
    /// On what.
    pub accelerator: Accelerator,
    /// How.
    pub start: Start,
    /// Gets a hold on what the guest runs in, in the same moment in which that exists.
    pub keep: &'a mut (dyn FnMut(Arc<dyn Hold>) + Send),
}

/// The guests of one host, as one driver runs them.
#[async_trait]
pub trait Hypervisor: Send + Sync {
    /// The driver's name in scenarios and records.
    fn name(&self) -> &'static str;

    /// What this host can do of all that is wanted, as this end of a migration. A guest is booted only if nothing else tells and `prove`
    /// allows that.
    async fn probe(&self, cases: &[Case], role: Role, prove: bool) -> ProbeReport;

    /// Starts a guest and waits until it can be asked, and its own code, if it has any, answers. When this fails, nothing of it is left.
    async fn launch(&self, launch: Launch<'_>) -> Result<Arc<dyn Guest>, LaunchError>;

    /// What a guest has written to its console here, also one that did not start or is gone.
    fn console(&self, guest: &GuestId) -> Console;
}

/// A hold on what a guest runs in. As long as there is one the guest lives, unless it ends by itself; with the last it is ended.
#[async_trait]
pub trait Hold: Send + Sync {
    /// What holds the guest, for messages: `QEMU`.
    fn name(&self) -> &'static str;

    /// The process whose CPU time and sockets are the guest's; none in a simulation. Once it has ended the number means nothing.
    fn process(&self) -> Option<u32>;

    /// Ends the guest at once, and makes sure that nothing of it is left.
    async fn end(&self) -> Result<(), GuestError>;

    /// How it ended, if it has.
    fn has_ended(&self) -> Option<Exit>;

    /// Waits for the end. The future is no hold.
    fn ended(&self) -> BoxFuture<'static, Exit>;
}

/// How what a guest ran in has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// Somebody who held it had asked for it.
    Asked,
    /// Nobody had.
    ByItself {
        /// How, with its last words.
        reason: String,
        /// Whether a signal killed it.
        killed: bool,
    },
}
