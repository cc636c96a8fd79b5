//! The agent's part before a migration: guest, workload, settings, carrier.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::calls::{Configure, StartCarrier};
use super::failures::{failure, failure_of, refused};
use super::life::Life;
use super::protocol::{Failure, Message, Notice, Started};
use super::repeat::{carrier_event, guest_death, next_line};
use super::serve::Agent;
use crate::handover;
use crate::hypervisor::{Credentials, GuestId, Hold, Launch, Preparation, Stream};
use crate::spec::{Accelerator, GuestSpec};

impl Agent {
    pub(super) async fn launch(
        &self,
        life: &Life,
        id: &GuestId,
        guest: &GuestSpec,
        accelerator: Accelerator,
    ) -> Result<Started, Failure> {
        let host = self.host()?;
        let mut keep = |hold: Arc<dyn Hold>| {
            let (role, name, told) = (host.role, hold.name(), self.told.clone());
            let ended = hold.ended();
            tokio::spawn(async move {
                if let Some(death) = guest_death(role, name, ended.await) {
                    let _ = told.send(Message::Notice(Notice::Died(death)));
                }
            });
            life.holds().push(hold);
        };
        let began = Instant::now();
        let launch = Launch {
            id: id.clone(),
            spec: guest,
            accelerator,
            start: host.role.into(),
            keep: &mut keep,
        };
        let guest = host.hypervisor.launch(launch).await;
        let guest = guest.map_err(|error| Failure {
            message: error.text,
            environment: error.environment,
        })?;
        let started = Started {
            pid: guest.process(),
            boot: began.elapsed(),
        };
        let mut repeat = self.repeat.lock().await;
        repeat.adopt(
            id.clone(),
            guest,
            host.role,
            self.notebook.clone(),
            self.told.clone(),
        );
        Ok(started)
    }

    pub(super) async fn configure(&self, id: &GuestId, call: &Configure) -> Result<(), Failure> {
        let preparation = Preparation {
            role: self.host()?.role,
            migration: &call.migration,
            policy: &call.policy,
            subject: call.subject,
        };
        let guest = self.guest(id).await?;
        guest.prepare(preparation).await.map_err(failure)
    }

    pub(super) async fn start_carrier(&self, call: &StartCarrier) -> Result<Value, Failure> {
        let StartCarrier {
            arguments,
            environment,
            within,
        } = call;
        let (role, directory) = (self.host()?.role, &self.host()?.directory);
        let unready = |message: String| refused(&message);
        let (pid, mut lines) = self
            .repeat
            .lock()
            .await
            .start_carrier(arguments, environment, directory)
            .map_err(unready)?;
        let first = tokio::time::timeout(*within, next_line(&mut lines)).await;
        let mut repeat = self.repeat.lock().await;
        match first {
            Ok(Some(first)) => {
                // A sink's first line holds the token; a source's tells what was negotiated.
                if first["event"] == "ready" {
                    self.notebook.event(carrier_event(first.clone()));
                }
                repeat.follow_carrier(pid, lines, role, self.notebook.clone(), self.told.clone());
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
    pub(super) async fn secure(
        &self,
        id: &GuestId,
        credentials: &Credentials,
    ) -> Result<(), Failure> {
        let role = self.host()?.role;
        let guest = self.guest(id).await?;
        let secured = guest.secure(role, credentials).await;
        secured.map_err(failure)
    }

    /// Listens before the carrier starts, which connects at once.
    pub(super) async fn expect_descriptor(&self, path: PathBuf) -> Result<(), Failure> {
        let listener = handover::bind(&path)
            .map_err(|error| failure_of(&error, &format!("can't listen at {}", path.display())))?;
        self.repeat.lock().await.descriptor = Some((path, listener));
        Ok(())
    }

    /// For a handed-over stream: waits for the carrier's descriptor and gives it to QEMU.
    pub(super) async fn take_descriptor(
        &self,
        id: &GuestId,
        stream: &Stream,
    ) -> Result<(), Failure> {
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
        let guest = self.guest(id).await?;
        guest.hand_over(descriptor).await.map_err(failure)
    }
}

/// Both carriers have finished their handshake before the descriptor is asked for.
const HANDOVER_WITHIN: Duration = Duration::from_secs(10);
