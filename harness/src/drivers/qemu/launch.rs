//! Starts a QEMU and waits until its monitor, and its guest's code, answer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lmbench_guest::wire::{FromGuest, VERSION};
use thiserror::Error;

use super::command_line::{Files, OwnKernel, arguments, program};
use super::disk;
use super::driver::QemuGuest;
use super::keeper::Keeper;
use super::pinning::{self, Pins};
use super::ports::{GuestPorts, PortError};
use crate::hypervisor::GuestError;
use crate::image::{self, GuestKernel, ImageError};
use crate::process::{Pipes, Process, ProcessError, log_tail};
use crate::qmp::{Qmp, QmpError};
use crate::role::Role;
use crate::spec::{Accelerator, Boot, GuestSpec};

/// Why a guest did not start.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// No kernel or initramfs.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// QEMU could not be started.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A file of it could not be written.
    #[error("can't write {}", path.display())]
    Write {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// QEMU ended at once.
    #[error("QEMU on the {role} did not start: {reason}")]
    Died {
        /// Which side.
        role: Role,
        /// Its last words.
        reason: String,
    },
    /// Its monitor does not work.
    #[error("QEMU's monitor on the {role} does not answer{NOT_READY_HINT}")]
    Monitor {
        /// Which side.
        role: Role,
        /// Why.
        source: QmpError,
    },
    /// The guest's code is not heard.
    #[error("{reason}; {console}{NOT_READY_HINT}")]
    NotReady {
        /// What was awaited, and for how long.
        reason: PortError,
        /// The console's last lines, in a sentence.
        console: String,
    },
    /// The disk's overlay could not be made.
    #[error("qemu-img can't make an overlay of {}: {reason}", image.display())]
    Overlay {
        /// The user's image.
        image: PathBuf,
        /// Its words.
        reason: String,
    },
}

/// A started QEMU.
pub struct Launched {
    /// Drives it.
    pub guest: QemuGuest,
    /// Hears its guest's code; none in a guest of the user's own.
    pub ports: Option<Arc<GuestPorts>>,
    /// QEMU's process id.
    pub pid: u32,
    /// From QEMU's start to the guest's greeting (source) or the monitor's (destination).
    pub boot: Duration,
    keeper: Keeper,
    _pins: Option<Pins>,
}

impl Launched {
    /// Whether QEMU lives; once it does not, its process id means nothing.
    pub fn lives(&self) -> bool {
        self.keeper.has_ended().is_none()
    }

    /// Kills QEMU and makes sure that it is gone.
    pub async fn end(self) -> Result<(), Arc<ProcessError>> {
        self.keeper.end().await
    }
}

/// Starts QEMU as `role` with its files in `directory`.
pub async fn launch(
    spec: &GuestSpec,
    role: Role,
    accelerator: Accelerator,
    directory: &Path,
) -> Result<Launched, LaunchError> {
    launch_kept(spec, role, accelerator, directory, |_| ()).await
}

/// As [`launch`]; `keep` gets a hold on the process in the same moment in which it exists, so that it can be ended however
/// far the launch has come. When this returns an error, QEMU is gone.
pub async fn launch_kept(
    spec: &GuestSpec,
    role: Role,
    accelerator: Accelerator,
    directory: &Path,
    keep: impl FnOnce(Keeper),
) -> Result<Launched, LaunchError> {
    let started = tokio::time::Instant::now();
    let files = Files::below(directory);
    files.remove_stale();
    let kernel = prepare(spec, role, &files).await?;
    let command_line = image::command_line(spec);
    let own = kernel.as_ref().map(|kernel| OwnKernel {
        kernel: kernel.boots(),
        command_line: &command_line,
    });
    let arguments = arguments(spec, role, accelerator, &files, own.as_ref());
    let process = pinning::started(spec, || {
        Process::start("qemu", &program(), &arguments, &[], &files.log, Pipes::None)
    })?;
    let pid = process.pid();
    let pinning = spec.placement.side(role);
    // Before QEMU has made its threads and touched its memory: both follow its first thread.
    pinning::pin_whole(pid, pinning);
    let keeper = Keeper::of(process);
    keep(keeper.clone());
    let pins = Pins::keep(pid, pinning);
    match meet(spec, role, &files, &keeper).await {
        Ok((guest, ports)) => Ok(Launched {
            guest,
            ports,
            pid,
            boot: started.elapsed(),
            keeper,
            _pins: pins,
        }),
        Err(error) => {
            if let Err(survived) = keeper.end().await {
                tracing::error!(%survived, "after a launch that failed");
            }
            Err(error)
        }
    }
}

async fn meet(
    spec: &GuestSpec,
    role: Role,
    files: &Files,
    keeper: &Keeper,
) -> Result<(QemuGuest, Option<Arc<GuestPorts>>), LaunchError> {
    // Preallocation happens before the monitor answers, so it shares the boot's time limit.
    let qmp = tokio::select! {
        qmp = Qmp::connect(&files.qmp, spec.boot_timeout) => qmp,
        end = keeper.ended() => return Err(died(role, &end.to_string(), files)),
    };
    let qmp = match qmp {
        Ok(qmp) => qmp,
        // A QEMU that dies closes its monitor a moment before it is reaped, and its own words say more than that.
        Err(source) => {
            return Err(
                match tokio::time::timeout(REAPED_WITHIN, keeper.ended()).await {
                    Ok(end) => died(role, &end.to_string(), files),
                    Err(_) => LaunchError::Monitor { role, source },
                },
            );
        }
    };
    let guest = QemuGuest::new(qmp, role, files.log.clone(), keeper.watch());
    let ports = match spec.boot {
        Boot::Lmbench => Some(Arc::new(hear(spec, role, &guest, files).await?)),
        Boot::Kernel { .. } | Boot::Image { .. } => None,
    };
    Ok((guest, ports))
}

fn died(role: Role, how: &str, files: &Files) -> LaunchError {
    let words = log_tail(&files.log).replace('\n', "; ");
    let reason = if words.is_empty() {
        how.to_owned()
    } else {
        format!("{how}: {words}")
    };
    LaunchError::Died { role, reason }
}

async fn hear(
    spec: &GuestSpec,
    role: Role,
    guest: &QemuGuest,
    files: &Files,
) -> Result<GuestPorts, LaunchError> {
    let not_ready = |reason| LaunchError::NotReady {
        reason,
        console: console(files),
    };
    let ports = GuestPorts::connect(&files.control, &files.heartbeat)
        .await
        .map_err(not_ready)?;
    if role == Role::Destination {
        return Ok(ports);
    }
    let greeting = tokio::select! {
        greeting = ports.greet(spec.boot_timeout) => greeting.map_err(not_ready)?,
        _ = guest.qmp().closed() => {
            let GuestError::Gone { reason, .. } = guest.exit_reason().await else { return Ok(ports) };
            return Err(LaunchError::Died { role, reason: format!("{reason}; {}", console(files)) });
        }
    };
    match greeting {
        FromGuest::Hello {
            version: VERSION, ..
        } => Ok(ports),
        other => Err(not_ready(PortError::Guest {
            reason: format!("it speaks another version: {other:?}"),
        })),
    }
}

/// What the guest's console said last, in a sentence.
fn console(files: &Files) -> String {
    let words = log_tail(&files.console).replace('\n', "; ");
    if words.is_empty() {
        "its console is empty".to_owned()
    } else {
        format!("its console ends with: {words}")
    }
}

async fn prepare(
    spec: &GuestSpec,
    role: Role,
    files: &Files,
) -> Result<Option<GuestKernel>, LaunchError> {
    match &spec.boot {
        Boot::Lmbench => {
            let kernel = GuestKernel::find()?;
            let bytes = image::initramfs(&kernel, spec.tenant == Some(true))?;
            std::fs::write(&files.initramfs, bytes).map_err(|source| LaunchError::Write {
                path: files.initramfs.clone(),
                source,
            })?;
            Ok(Some(kernel))
        }
        Boot::Kernel { .. } => Ok(None),
        Boot::Image { image } => {
            if role == Role::Source {
                let made = disk::overlay(image, &files.overlay).await;
                made.map_err(|reason| LaunchError::Overlay {
                    image: image.clone(),
                    reason,
                })?;
            }
            Ok(None)
        }
    }
}

const NOT_READY_HINT: &str = "\nhint: a slow or loaded machine needs a longer boot-timeout in [guest]; a console that is not empty says what else is wrong";

/// From a closed monitor to the end of the process.
const REAPED_WITHIN: Duration = Duration::from_secs(2);
