//! QEMU as a driver: the [`Hypervisor`] of a host, and the [`Guest`] that a started QEMU is.

use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use lmbench_guest::wire::{FromGuest, ToGuest, Verified};

use super::keeper::{End, Keeper};
use super::launch::{LaunchError as QemuLaunchError, Launched, launch_kept};
use super::ports::{GuestPorts, PortError};
use super::{checkpoints, console, preflight, settings};
use crate::error::chain;
use crate::hypervisor::{
    Case, Console, Credentials, Exit, Filled, Guest, GuestError, GuestEvent, GuestEvents, GuestId,
    Heard, Hold, Hypervisor, Launch, LaunchError, Look, NO_CODE, Preparation, ProbeReport, Reading,
    RunState, Stream, Workload,
};
use crate::policy::Action;
use crate::process::{how, log_tail};
use crate::role::Role;

/// The QEMUs of one host.
pub struct QemuHypervisor {
    directory: PathBuf,
}

impl QemuHypervisor {
    /// With its files in `directory`, which is its own.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        QemuHypervisor {
            directory: directory.into(),
        }
    }
}

#[async_trait]
impl Hypervisor for QemuHypervisor {
    fn name(&self) -> &'static str {
        "qemu"
    }

    async fn probe(&self, cases: &[Case], role: Role, prove: bool) -> ProbeReport {
        preflight::examine(cases, role, &self.directory, prove).await
    }

    async fn launch(&self, launch: Launch<'_>) -> Result<Arc<dyn Guest>, LaunchError> {
        let Launch {
            spec,
            accelerator,
            start,
            keep,
            ..
        } = launch;
        let keep = |keeper: Keeper| keep(Arc::new(keeper));
        let launched = launch_kept(spec, start.role(), accelerator, &self.directory, keep).await;
        let launched = launched.map_err(|error| LaunchError {
            environment: matches!(
                error,
                QemuLaunchError::Image(_)
                    | QemuLaunchError::Process(_)
                    | QemuLaunchError::Write { .. }
                    | QemuLaunchError::Overlay { .. }
            ),
            text: chain(&error),
        })?;
        Ok(Arc::new(Machine {
            launched,
            directory: self.directory.clone(),
        }))
    }

    fn console(&self, _guest: &GuestId) -> Console {
        console(&self.directory)
    }
}

/// A started QEMU with the files that it was given.
struct Machine {
    launched: Launched,
    directory: PathBuf,
}

impl Machine {
    fn ports(&self, what: &'static str) -> Result<&GuestPorts, GuestError> {
        match &self.launched.ports {
            Some(ports) => Ok(ports),
            None => GuestError::unsupported(what, NO_CODE),
        }
    }

    /// A guest that is gone answers nothing any more, and its ports don't say so.
    async fn unless_gone<T>(
        &self,
        work: impl Future<Output = Result<T, PortError>> + Send,
    ) -> Result<T, GuestError> {
        let guest = &self.launched.guest;
        tokio::select! {
            biased;
            result = work => result.map_err(|error| GuestError::Failed { text: chain(&error), source: None }),
            _ = guest.qmp().closed() => Err(guest.exit_reason().await),
        }
    }
}

#[async_trait]
impl Guest for Machine {
    async fn prepare(&self, preparation: Preparation<'_>) -> Result<(), GuestError> {
        let Preparation {
            role,
            migration,
            policy,
            subject,
        } = preparation;
        let guest = &self.launched.guest;
        let schema = guest.check("query-qmp-schema", guest.qmp().schema().await);
        let capabilities = schema.await?.migration_capabilities();
        let is_capability = |name: &str| capabilities.iter().any(|known| known == name);
        guest
            .configure(&settings(migration, policy, subject, role, is_capability))
            .await
    }

    async fn secure(&self, role: Role, credentials: &Credentials) -> Result<(), GuestError> {
        let directory = self.directory.join("tls");
        self.launched
            .guest
            .secure(role, credentials, &directory)
            .await
    }

    async fn hand_over(&self, socket: OwnedFd) -> Result<(), GuestError> {
        self.launched.guest.pass(socket).await
    }

    async fn listen(&self, stream: &Stream) -> Result<Stream, GuestError> {
        self.launched.guest.incoming(stream).await
    }

    async fn migrate(&self, stream: &Stream) -> Result<(), GuestError> {
        self.launched.guest.migrate(stream).await
    }

    async fn reading(&self) -> Result<Reading, GuestError> {
        self.launched.guest.reading().await
    }

    fn events(&self) -> Box<dyn GuestEvents> {
        self.launched.guest.events()
    }

    async fn apply(&self, action: &Action) -> Result<(), GuestError> {
        self.launched.guest.apply(action).await
    }

    async fn switch_over(&self) -> Result<(), GuestError> {
        self.launched.guest.switch_over().await
    }

    async fn run_state(&self) -> Result<RunState, GuestError> {
        self.launched.guest.run_state().await
    }

    async fn look(&self) -> Result<Look, GuestError> {
        self.launched.guest.look().await
    }

    async fn let_go(&self) -> Result<(), GuestError> {
        self.launched.guest.let_go().await
    }

    async fn recover(&self, stream: &Stream) -> Result<(), GuestError> {
        self.launched.guest.recover_at(stream).await
    }

    async fn resume(&self, stream: &Stream, within: Duration) -> Result<(), GuestError> {
        self.launched.guest.resume_at(stream, within).await
    }

    async fn start_workload(
        &self,
        workload: &Workload,
        within: Duration,
    ) -> Result<Filled, GuestError> {
        let start = ToGuest::Start {
            workload: workload.spec.clone(),
            heartbeat_interval_ns: nanoseconds(workload.heartbeat),
            report_interval_ns: nanoseconds(workload.report),
        };
        let ready = |answer| match answer {
            FromGuest::Ready {
                pages,
                fill_ns,
                overhead_ns_per_operation,
            } => Some(Filled {
                pages,
                fill_ns,
                overhead_ns_per_operation,
            }),
            _ => None,
        };
        let ports = self.ports("start a workload")?;
        let filled = ports.ask(&start, "that its memory is filled", within, ready);
        self.unless_gone(filled).await
    }

    async fn verify(&self, within: Duration) -> Result<Verified, GuestError> {
        let ports = self.ports("verify its memory")?;
        self.unless_gone(ports.verify(within)).await
    }

    fn heard(&self) -> Heard {
        let ports = self.launched.ports.as_ref();
        let (heartbeats, reports) = ports.map(|ports| ports.take()).unwrap_or_default();
        Heard {
            heartbeats,
            reports,
        }
    }

    fn checkpoints(&self) -> Vec<GuestEvent> {
        checkpoints(&self.directory)
    }

    fn process(&self) -> Option<u32> {
        Some(self.launched.pid)
    }

    fn lives(&self) -> bool {
        self.launched.lives()
    }

    async fn exit_reason(&self) -> GuestError {
        self.launched.guest.exit_reason().await
    }
}

#[async_trait]
impl Hold for Keeper {
    fn name(&self) -> &'static str {
        "QEMU"
    }

    fn process(&self) -> Option<u32> {
        Some(self.pid())
    }

    async fn end(&self) -> Result<(), GuestError> {
        let ended = Keeper::end(self).await;
        ended.map_err(|error| GuestError::Failed {
            text: chain(&*error),
            source: None,
        })
    }

    fn has_ended(&self) -> Option<Exit> {
        Some(exit(Keeper::has_ended(self)?, self.log()))
    }

    fn ended(&self) -> BoxFuture<'static, Exit> {
        let (ended, log) = (Keeper::ended(self), self.log().to_owned());
        async move { exit(ended.await, &log) }.boxed()
    }
}

fn exit(end: End, log: &Path) -> Exit {
    let End::ByItself(status) = end else {
        return Exit::Asked;
    };
    // Who was killed had no last words; what stands in the log is older.
    let killed = status.signal().is_some();
    let words = if killed { String::new() } else { log_tail(log) };
    let reason = if words.is_empty() {
        how(status)
    } else {
        format!("{}: {words}", how(status))
    };
    Exit::ByItself { reason, killed }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
