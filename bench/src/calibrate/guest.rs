//! Instruments that need a guest: one is booted as runs boot theirs, without a lab, and ended afterwards.
//!
//! `inside` is what the guest's own code tells, `monitor` what its QEMU does. At the end the guest is migrated to nowhere, since QEMU's
//! answers are short before it is.

mod inside;
mod monitor;

use std::path::Path;

use lmbench_harness::cpu;
use lmbench_harness::drivers::qemu::accelerator::{PROOF_DEADLINE, resolve};
use lmbench_harness::drivers::qemu::{GuestPorts, Launched, launch};
use lmbench_harness::hypervisor::Resolved;
use lmbench_harness::lab::PrivateDirectory;
use lmbench_harness::role::Role;
use lmbench_harness::spec::Accelerator;

use super::settings::{self, Settings};
use super::{processes, skipped};
use crate::error::chain;
use crate::record::Instrument;

/// What was measured with a guest, or why not.
pub(super) struct Guest {
    /// QEMU's version, if one was started.
    pub(super) qemu: Option<String>,
    /// What executed the guest.
    pub(super) accelerator: Option<String>,
    pub(super) instruments: Vec<Instrument>,
}

/// A guest that runs.
struct Subject<'a> {
    launched: &'a Launched,
    ports: &'a GuestPorts,
    settings: &'a Settings,
    directory: &'a Path,
}

/// Boots a guest, measures, and ends it.
pub(super) async fn instruments() -> Guest {
    // Boxed: launching holds everything that a guest needs.
    let booted = Box::pin(boot()).await;
    let (scratch, settings, accelerator, launched) = match booted {
        Ok(booted) => booted,
        Err(why) => {
            let mut instruments = processes::instruments(std::process::id());
            let needing = inside::all().into_iter().chain(monitor::all());
            instruments.extend(needing.map(|instrument| skipped(instrument, why.clone())));
            return Guest {
                qemu: None,
                accelerator: None,
                instruments,
            };
        }
    };
    let mut instruments = processes::instruments(launched.pid);
    if let Some(ports) = &launched.ports {
        let subject = Subject {
            launched: &launched,
            ports,
            settings: &settings,
            directory: scratch.path(),
        };
        instruments.extend(inside::instruments(&subject).await);
        instruments.extend(monitor::instruments(&subject).await);
    }
    let qemu = launched.guest.qmp().version().to_string();
    if let Err(error) = launched.end().await {
        tracing::warn!(%error, "the guest of the calibration");
    }
    Guest {
        qemu: Some(qemu),
        accelerator: Some(name(accelerator).to_owned()),
        instruments,
    }
}

async fn boot() -> Result<(PrivateDirectory, Settings, Accelerator, Launched), String> {
    let settings = settings::default()?;
    let scratch = PrivateDirectory::create()
        .map_err(|error| format!("no directory for a guest: {}", chain(&error)))?;
    let Resolved { accelerator, .. } =
        resolve(settings.guest.accelerator, PROOF_DEADLINE, scratch.path()).await;
    let launched = launch(&settings.guest, Role::Source, accelerator, scratch.path()).await;
    let launched = launched.map_err(|error| {
        let text = chain(&error);
        let words = text.split("\nhint: ").next().unwrap_or_default();
        format!("no guest boots here: {words}; `lmbench doctor` tells what mends it")
    })?;
    Ok((scratch, settings, accelerator, launched))
}

fn name(accelerator: Accelerator) -> &'static str {
    match accelerator {
        Accelerator::Kvm => "kvm",
        Accelerator::Auto | Accelerator::Tcg => "tcg",
    }
}

impl Subject<'_> {
    /// CPU time of all of QEMU, ns.
    fn qemu_ns(&self) -> u64 {
        cpu::of_process(self.launched.pid).map_or(0, |time| time.total_ns)
    }

    /// CPU time of the threads that serve the monitor, ns: all but those that execute the guest or send its memory.
    fn service_ns(&self) -> u64 {
        let others = ["CPU ", "mig/", "live_migration", "multifd"];
        let threads = cpu::of_threads(self.launched.pid).into_iter();
        let serving =
            threads.filter(|thread| !others.iter().any(|other| thread.name.starts_with(other)));
        serving.map(|thread| thread.cpu_ns).sum()
    }
}

/// The result, or the instrument with the reason for which there is none.
fn or_skipped(instrument: &Instrument, result: Result<Instrument, String>) -> Instrument {
    result.unwrap_or_else(|why| skipped(instrument.clone(), why))
}
