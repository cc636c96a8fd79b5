//! The [`Guest`] that QMP drives.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::watch;

use super::expected::Expected;
use super::keeper::End;
use super::settings::{Settings, parameters};
use crate::clock::monotonic_ns;
use crate::hypervisor::{
    Credentials, GuestError, GuestEvent, GuestEvents, Reading, RunState, Stream,
};
use crate::policy::Action;
use crate::process::log_tail;
use crate::qmp::{Event, Events, Qmp, QmpError};
use crate::role::Role;

/// A QEMU process with an open monitor. Cloning gives another handle of the same guest.
#[derive(Clone)]
pub struct QemuGuest {
    qmp: Qmp,
    role: Role,
    log: PathBuf,
    /// How the process ended, once it has.
    end: watch::Receiver<Option<End>>,
    /// Of the migration that goes on.
    expected: Arc<Mutex<Expected>>,
}

impl QemuGuest {
    pub(super) fn new(
        qmp: Qmp,
        role: Role,
        log: PathBuf,
        end: watch::Receiver<Option<End>>,
    ) -> Self {
        QemuGuest {
            qmp,
            role,
            log,
            end,
            expected: Arc::default(),
        }
    }

    /// Its monitor.
    pub fn qmp(&self) -> &Qmp {
        &self.qmp
    }

    /// Sets capabilities, then parameters.
    pub async fn configure(&self, settings: &Settings) -> Result<(), GuestError> {
        let capabilities: Vec<(&str, bool)> = settings
            .capabilities
            .iter()
            .map(|(name, on)| (name.as_str(), *on))
            .collect();
        self.check(
            "migrate-set-capabilities",
            self.qmp.set_capabilities(&capabilities).await,
        )
        .await?;
        self.check(
            "migrate-set-parameters",
            self.qmp.set_parameters(settings.parameters.clone()).await,
        )
        .await
    }

    /// Turns QEMU's own TLS on for the migration, with credentials that are written to `directory`, which must not exist yet.
    pub async fn secure(
        &self,
        role: Role,
        credentials: &Credentials,
        directory: &Path,
    ) -> Result<(), GuestError> {
        credentials.write(directory).map_err(|source| {
            let text = format!("can't write TLS credentials to {}", directory.display());
            GuestError::failed(text, source)
        })?;
        let object = credentials.object(role, directory);
        self.check("object-add", self.qmp.execute("object-add", object).await)
            .await?;
        self.check(
            "migrate-set-parameters",
            self.qmp.set_parameters(credentials.parameters()).await,
        )
        .await
    }

    /// Has an incoming QEMU listen at `stream`; returns the address it really listens at.
    pub async fn incoming(&self, stream: &Stream) -> Result<Stream, GuestError> {
        self.check(
            "migrate-incoming",
            self.qmp.migrate_incoming(&uri(stream)).await,
        )
        .await?;
        let Stream::Tcp(asked) = stream else {
            return Ok(stream.clone());
        };
        let info = self
            .check("query-migrate", self.qmp.query_migrate().await)
            .await?;
        let port = info
            .raw
            .pointer("/socket-address/0/port")
            .and_then(Value::as_str)
            .and_then(|port| port.parse().ok());
        Ok(Stream::Tcp(std::net::SocketAddr::new(
            asked.ip(),
            port.unwrap_or(asked.port()),
        )))
    }

    /// Gives QEMU a connected socket under `DESCRIPTOR`, for `fd:` streams.
    pub async fn pass(&self, descriptor: std::os::fd::OwnedFd) -> Result<(), GuestError> {
        self.check("getfd", self.qmp.getfd(DESCRIPTOR, descriptor).await)
            .await
    }

    /// Lets its vCPUs run.
    pub async fn resume(&self) -> Result<(), GuestError> {
        self.check("cont", self.qmp.cont().await).await
    }

    /// What its machine does.
    pub async fn run_state(&self) -> Result<RunState, GuestError> {
        let state = self.qmp.query_status_within(PATIENCE).await;
        self.check("query-status", state).await
    }

    fn expected(&self) -> MutexGuard<'_, Expected> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn check<T>(
        &self,
        operation: &str,
        result: Result<T, QmpError>,
    ) -> Result<T, GuestError> {
        match result {
            Ok(value) => Ok(value),
            Err(QmpError::Refused { description, .. }) => Err(GuestError::Refused {
                operation: operation.to_owned(),
                reason: description,
            }),
            Err(QmpError::Closed { .. }) => Err(self.exit_reason().await),
            Err(source) => {
                let text = format!("QEMU's monitor on the {} failed", self.role);
                Err(GuestError::failed(text, source))
            }
        }
    }
}

impl QemuGuest {
    /// See [`Guest`](crate::hypervisor::Guest).
    pub async fn migrate(&self, stream: &Stream) -> Result<(), GuestError> {
        *self.expected() = Expected::default();
        self.check("migrate", self.qmp.migrate(&uri(stream)).await)
            .await
    }

    /// See [`Guest`](crate::hypervisor::Guest).
    pub async fn reading(&self) -> Result<Reading, GuestError> {
        let mut reading = self
            .check("query-migrate", self.qmp.query_migrate().await)
            .await?;
        self.expected().strip(&mut reading);
        Ok(reading)
    }

    /// See [`Guest`](crate::hypervisor::Guest).
    pub async fn apply(&self, action: &Action) -> Result<(), GuestError> {
        match action {
            Action::StartPostCopy => {
                self.check(
                    "migrate-start-postcopy",
                    self.qmp.migrate_start_postcopy().await,
                )
                .await
            }
            Action::Pause => self.check("stop", self.qmp.stop().await).await,
            Action::Resume => self.resume().await,
            Action::Set(setting) => {
                self.check(
                    "migrate-set-parameters",
                    self.qmp.set_parameters(parameters(setting)).await,
                )
                .await
            }
            Action::Cancel => {
                self.check("migrate_cancel", self.qmp.migrate_cancel().await)
                    .await
            }
        }
    }

    /// See [`Guest`](crate::hypervisor::Guest).
    pub async fn switch_over(&self) -> Result<(), GuestError> {
        self.check("migrate-continue", self.qmp.migrate_continue().await)
            .await
    }

    /// See [`Guest`](crate::hypervisor::Guest).
    pub fn events(&self) -> Box<dyn GuestEvents> {
        Box::new(QemuEvents(self.qmp.events()))
    }

    /// See [`Guest`](crate::hypervisor::Guest).
    pub async fn exit_reason(&self) -> GuestError {
        let mut end = self.end.clone();
        // The monitor closes a moment before the process is reaped.
        let ended = tokio::time::timeout(PATIENCE, end.wait_for(Option::is_some)).await;
        let how = match ended {
            Ok(Ok(end)) => end.map_or_else(String::new, |end| end.to_string()),
            _ => "its monitor closed".to_owned(),
        };
        let words = log_tail(&self.log);
        let reason = if words.is_empty() {
            how
        } else {
            format!("{how}: {words}")
        };
        GuestError::Gone {
            who: format!("QEMU on the {}", self.role),
            reason,
        }
    }
}

struct QemuEvents(Events);

#[async_trait]
impl GuestEvents for QemuEvents {
    async fn next(&mut self) -> Option<GuestEvent> {
        let event = self.0.next().await?;
        let at_ns = happened_ns(&event);
        Some(GuestEvent::named(at_ns, &event.name, event.data))
    }
}

/// When QEMU made the event. QEMU stamps it with the wall clock; it is carried over to the monotonic clock by the
/// distance between the two now. A wall clock that was set in between would show as an absurd age: then the moment of
/// arrival stands.
fn happened_ns(event: &Event) -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now_ns = monotonic_ns();
    now.checked_sub(event.qemu_time)
        .filter(|age| *age < EVENT_AGE_MAX)
        .and_then(|age| now_ns.checked_sub(u64::try_from(age.as_nanos()).ok()?))
        .map_or(event.received_ns, |at_ns| at_ns.min(event.received_ns))
}

pub(super) fn uri(stream: &Stream) -> String {
    match stream {
        Stream::Tcp(address) => format!("tcp:{address}"),
        Stream::Unix(path) => format!("unix:{}", path.display()),
        Stream::Handover(_) => format!("fd:{DESCRIPTOR}"),
    }
}

/// Name under which QEMU keeps a descriptor that was handed over.
const DESCRIPTOR: &str = "lmbench";
/// Longest wait for an answer that needs no work.
const PATIENCE: Duration = Duration::from_secs(5);
/// An event older than this when it is read is a clock that was set, not an event that waited.
const EVENT_AGE_MAX: Duration = Duration::from_secs(2);
