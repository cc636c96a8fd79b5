//! The agent's part before a migration: guest, workload, settings, carrier.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use lmbench_guest::wire::{FromGuest, ToGuest};
use serde_json::Value;

use super::failures::{failure, failure_of, refused, value};
use super::life::Life;
use super::protocol::{Failure, Filled, Notice, Started, Told};
use super::repeat::{carrier_event, next_line, qemu_death};
use super::serve::Agent;
use crate::drivers::qemu::{self, Credentials, Keeper, LaunchError};
use crate::handover;
use crate::hypervisor::{Guest as _, Stream};
use crate::policy::Subject;
use crate::spec::{Accelerator, GuestSpec, MigrationSpec, PolicySpec};

impl Agent {
    /// A guest that is gone answers nothing any more, and its ports don't say so.
    pub(super) async fn unless_gone<T, E: Error>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        let guest = self.guest().await?;
        tokio::select! {
            biased;
            result = work => result.map_err(failure),
            _ = guest.qmp().closed() => Err(failure(guest.obituary().await)),
        }
    }

    pub(super) async fn launch(
        &self,
        life: &Life,
        guest: &GuestSpec,
        accelerator: Accelerator,
    ) -> Result<Value, Failure> {
        let (role, directory) = self.identity()?;
        let keep = |keeper: Keeper| {
            let (role, told) = (*role, self.told.clone());
            let (ended, log) = (keeper.ended(), keeper.log().to_owned());
            tokio::spawn(async move {
                if let Some(death) = qemu_death(role, ended.await, &log) {
                    let _ = told.send(Told::Notice(Notice::Died(death)));
                }
            });
            life.keepers().push(keeper);
        };
        let launched = qemu::launch_kept(guest, *role, accelerator, directory, keep)
            .await
            .map_err(|error| Failure {
                environment: matches!(
                    error,
                    LaunchError::Image(_)
                        | LaunchError::Process(_)
                        | LaunchError::Write { .. }
                        | LaunchError::Overlay { .. }
                ),
                ..failure(error)
            })?;
        let started = Started {
            pid: launched.pid,
            boot: launched.boot,
        };
        self.repeat
            .lock()
            .await
            .adopt(launched, *role, self.notebook.clone(), self.told.clone());
        value(started)
    }

    pub(super) async fn start_workload(
        &self,
        start: &ToGuest,
        within: Duration,
    ) -> Result<Value, Failure> {
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
        let ports = self.ports().await?;
        let filled = ports.ask(start, "that its memory is filled", within, ready);
        value(self.unless_gone(filled).await?)
    }

    pub(super) async fn configure(
        &self,
        migration: &MigrationSpec,
        policy: &PolicySpec,
        subject: Subject,
    ) -> Result<Value, Failure> {
        let guest = self.guest().await?;
        let schema = guest.qmp().schema().await.map_err(failure)?;
        let capabilities = schema.migration_capabilities();
        let settings = qemu::settings(migration, policy, subject, self.identity()?.0, |name| {
            capabilities.iter().any(|known| known == name)
        });
        guest.configure(&settings).await.map_err(failure)?;
        value(settings)
    }

    pub(super) async fn start_carrier(
        &self,
        arguments: &[String],
        environment: &[(String, String)],
        within: Duration,
    ) -> Result<Value, Failure> {
        let (role, directory) = self.identity()?;
        let unready = |message: String| refused(&message);
        let (pid, mut lines) = self
            .repeat
            .lock()
            .await
            .start_carrier(arguments, environment, directory)
            .map_err(unready)?;
        let first = tokio::time::timeout(within, next_line(&mut lines)).await;
        let mut repeat = self.repeat.lock().await;
        match first {
            Ok(Some(first)) => {
                // A sink's first line holds the token; a source's tells what was negotiated.
                if first["event"] == "ready" {
                    self.notebook.event(carrier_event(first.clone()));
                }
                repeat.follow_carrier(pid, lines, *role, self.notebook.clone(), self.told.clone());
                Ok(first)
            }
            Ok(None) => Err(unready(format!(
                "the carrier on the {role} ended before it was ready: {}",
                repeat.last_words(pid).await
            ))),
            Err(_) => Err(unready(format!(
                "the carrier on the {role} was not ready within {within:.1?}: {}",
                repeat.last_words(pid).await
            ))),
        }
    }

    /// The credentials' files go with the repeat.
    pub(super) async fn secure(&self, credentials: &Credentials) -> Result<Value, Failure> {
        let directory = self.identity()?.1.join("tls");
        let guest = self.guest().await?;
        let secured = guest.secure(credentials, &directory).await;
        value(secured.map_err(failure)?)
    }

    /// Listens before the carrier starts, which connects at once.
    pub(super) async fn expect_descriptor(&self, path: PathBuf) -> Result<Value, Failure> {
        let listener = handover::bind(&path)
            .map_err(|error| failure_of(&error, &format!("can't listen at {}", path.display())))?;
        self.repeat.lock().await.descriptor = Some((path, listener));
        value(())
    }

    /// For a handed-over stream: waits for the carrier's descriptor and gives it to QEMU.
    pub(super) async fn take_descriptor(&self, stream: &Stream) -> Result<(), Failure> {
        let Stream::Handover(path) = stream else {
            return Ok(());
        };
        let expected = self.repeat.lock().await.descriptor.take();
        let (_, listener) = expected.ok_or_else(|| refused("no descriptor is expected"))?;
        let received = tokio::time::timeout(HANDOVER_WITHIN, handover::receive(listener)).await;
        let _ = std::fs::remove_file(path);
        let descriptor = received
            .map_err(|_| {
                refused(&format!(
                    "the carrier handed no socket over within {HANDOVER_WITHIN:?}"
                ))
            })?
            .map_err(|error| failure_of(&error, "can't receive the carrier's socket"))?;
        self.guest().await?.pass(descriptor).await.map_err(failure)
    }
}

/// Both carriers have finished their handshake before the descriptor is asked for.
const HANDOVER_WITHIN: Duration = Duration::from_secs(10);
