//! A guest as the rest of lmbench knows it, whatever drives it (QMP, a management daemon, a simulation).

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use lmbench_guest::spec::WorkloadSpec;
use lmbench_guest::wire::Verified;
use serde::{Deserialize, Serialize};

use super::credentials::Credentials;
use super::error::GuestError;
use super::event::{GuestEvent, GuestEvents};
use super::heard::{Filled, Heard};
use super::stats::Reading;
use super::status::{MigrationStatus, RunState};
use crate::policy::{Action, Subject};
use crate::role::Role;
use crate::spec::{MigrationSpec, PolicySpec};

/// Where a guest's migration stream goes to or comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// The hypervisor's own TCP socket; port 0 on the destination lets the kernel choose.
    Tcp(SocketAddr),
    /// A unix socket on this host.
    Unix(PathBuf),
    /// A connected socket that is handed over at this unix socket.
    Handover(PathBuf),
}

/// What must be set before a migration.
#[derive(Debug, Clone, Copy)]
pub struct Preparation<'a> {
    /// The end of the migration that the guest is at here.
    pub role: Role,
    /// From the scenario.
    pub migration: &'a MigrationSpec,
    /// Adds its own.
    pub policy: &'a PolicySpec,
    /// What the policy's rules ask for.
    pub subject: Subject,
}

/// What the guest's own code is to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// What to write.
    pub spec: WorkloadSpec,
    /// Time between heartbeats.
    pub heartbeat: Duration,
    /// Time between reports.
    pub report: Duration,
}

/// What a hypervisor that may be in trouble says of a guest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// The run state; `None` if it does not answer.
    pub run_state: Option<RunState>,
    /// The migration's status; `None` if it does not answer, or there never was one.
    pub migration: Option<MigrationStatus>,
    /// Bytes of guest memory that are still to be sent.
    pub remaining_bytes: Option<u64>,
}

/// A running or incoming guest. All of it is asked through here, by several tasks at a time.
///
/// What a driver does not have it refuses with [`GuestError::Unsupported`], which is what the methods do that have a body here.
#[async_trait]
pub trait Guest: Send + Sync {
    /// Sets what a migration needs before it begins.
    async fn prepare(&self, preparation: Preparation<'_>) -> Result<(), GuestError>;

    /// Turns the hypervisor's own TLS on for the migration.
    async fn secure(&self, role: Role, credentials: &Credentials) -> Result<(), GuestError> {
        let _ = (role, credentials);
        GuestError::unsupported("secure the stream", NOT_HERE)
    }

    /// Takes a connected socket, for the [`Stream::Handover`] that comes next.
    async fn hand_over(&self, socket: OwnedFd) -> Result<(), GuestError> {
        drop(socket);
        GuestError::unsupported("take a socket", NOT_HERE)
    }

    /// Awaits the stream at an incoming guest; returns where it really does.
    async fn listen(&self, stream: &Stream) -> Result<Stream, GuestError>;

    /// Starts to migrate to `stream`; returns when the hypervisor has accepted.
    async fn migrate(&self, stream: &Stream) -> Result<(), GuestError>;

    /// Reads the migration's state.
    async fn reading(&self) -> Result<Reading, GuestError>;

    /// Subscribes to its events.
    fn events(&self) -> Box<dyn GuestEvents>;

    /// Does what a policy decided.
    async fn apply(&self, action: &Action) -> Result<(), GuestError>;

    /// Lets a switch-over go on that waits for it (`pause-before-switchover`). Where none ever waits there is nothing to do.
    async fn switch_over(&self) -> Result<(), GuestError> {
        Ok(())
    }

    /// What it does.
    async fn run_state(&self) -> Result<RunState, GuestError>;

    /// Looks at one that may be in trouble: soon, and an error only if it is gone.
    async fn look(&self) -> Result<Look, GuestError>;

    /// Has the source of a post-copy let go of its connection. Refused unless a post-copy flows.
    async fn let_go(&self) -> Result<(), GuestError> {
        GuestError::unsupported("let go of a post-copy's connection", NOT_HERE)
    }

    /// Has the destination of a post-copy that lost its connection await a new one.
    async fn recover(&self, stream: &Stream) -> Result<(), GuestError> {
        let _ = stream;
        GuestError::unsupported("recover a post-copy", NOT_HERE)
    }

    /// Has the source of a post-copy that lost its connection go on over a new one. Returns when the stream flows again.
    async fn resume(&self, stream: &Stream, within: Duration) -> Result<(), GuestError> {
        let _ = (stream, within);
        GuestError::unsupported("recover a post-copy", NOT_HERE)
    }

    /// Has its own code fill memory and begin with the workload; returns once it has.
    async fn start_workload(
        &self,
        workload: &Workload,
        within: Duration,
    ) -> Result<Filled, GuestError> {
        let _ = (workload, within);
        GuestError::unsupported("start a workload", NO_CODE)
    }

    /// Has its own code compare all the workload's memory.
    async fn verify(&self, within: Duration) -> Result<Verified, GuestError> {
        let _ = within;
        GuestError::unsupported("verify its memory", NO_CODE)
    }

    /// Takes what its own code has said since the last call.
    fn heard(&self) -> Heard {
        Heard::default()
    }

    /// What the hypervisor has traced of its switch-over, as events `checkpoint`.
    fn checkpoints(&self) -> Vec<GuestEvent> {
        Vec::new()
    }

    /// The process whose CPU time is the guest's; none in a simulation.
    fn process(&self) -> Option<u32> {
        None
    }

    /// Whether it can still be asked anything.
    fn lives(&self) -> bool;

    /// How the hypervisor ended, for the error message of somebody who found it gone.
    async fn exit_reason(&self) -> GuestError;
}

const NOT_HERE: &str = "this driver does not do that";
/// What a guest answers that runs none of lmbench's code.
pub const NO_CODE: &str = "this guest runs no code of lmbench";
