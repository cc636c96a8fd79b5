//! A migration as a person with two monitors would drive it: nothing is asked while it runs.
//!
//! The QEMUs are launched by the harness, because their command lines have to be the very same; after the fill nothing of the harness is
//! involved but the monitor's socket.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lmbench::scenario::Cell;
use lmbench_guest::wire::{FromGuest, ToGuest};
use lmbench_harness::drivers::qemu::{self, Launched, QemuGuest};
use lmbench_harness::hypervisor::{MigrationStatus, Stream};
use lmbench_harness::lab::Lab;
use lmbench_harness::role::Role;
use lmbench_harness::spec::{Accelerator, Network};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::Measured;

/// What every migration by hand needs.
pub(crate) struct Hand {
    runtime: tokio::runtime::Runtime,
    home: File,
    heartbeats: bool,
}

impl Hand {
    pub(crate) fn new(heartbeats: bool) -> Result<Self, String> {
        // One thread: what it starts is in the namespace that it is in.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(words)?;
        let home = File::open(OWN_NAMESPACE).map_err(words)?;
        Ok(Self {
            runtime,
            home,
            heartbeats,
        })
    }

    /// A new lab, two new QEMUs, one migration.
    pub(crate) fn migrate(
        &self,
        cell: &Cell,
        accelerator: Accelerator,
    ) -> Result<Measured, String> {
        // Something has to live in each namespace, and to end when its standard input does.
        let lab = Lab::create(&[OsString::from("cat")], &cell.setup.network).map_err(words)?;
        let measured = self.runtime.block_on(async {
            tokio::time::timeout(LIMIT, self.in_lab(&lab, cell, accelerator))
                .await
                .map_err(|_| format!("a migration by hand took longer than {LIMIT:?}"))?
        });
        let closed = lab.close().map_err(words);
        measured.and_then(|measured| closed.map(|()| measured))
    }

    async fn in_lab(
        &self,
        lab: &Lab,
        cell: &Cell,
        accelerator: Accelerator,
    ) -> Result<Measured, String> {
        let source = self.launch(lab, Role::Source, cell, accelerator).await?;
        let destination = self
            .launch(lab, Role::Destination, cell, accelerator)
            .await?;
        self.fill(&source, cell).await?;
        let measured = exchange(lab, &source.guest, &destination.guest, cell).await;
        let ended = (source.end().await, destination.end().await);
        ended.0.and(ended.1).map_err(words)?;
        measured
    }

    /// QEMU is started by a visitor in the host's namespace; its sockets are files, which both namespaces see.
    async fn launch(
        &self,
        lab: &Lab,
        role: Role,
        cell: &Cell,
        accelerator: Accelerator,
    ) -> Result<Launched, String> {
        let there = File::open(format!("/proc/{}/ns/net", lab.agent_pid(role))).map_err(words)?;
        enter(&there)?;
        let launched =
            qemu::launch(&cell.setup.guest, role, accelerator, lab.directory(role)).await;
        enter(&self.home)?;
        let launched = launched.map_err(words)?;
        let settings = qemu::settings(
            &cell.setup.migration,
            &cell.setup.policy,
            (&cell.setup.guest).into(),
            role,
            |_| false,
        );
        launched.guest.configure(&settings).await.map_err(words)?;
        Ok(launched)
    }

    async fn fill(&self, source: &Launched, cell: &Cell) -> Result<(), String> {
        let workload = cell
            .setup
            .workload
            .clone()
            .ok_or("the scenario has a workload")?;
        let ports = source.ports.as_ref().ok_or("lmbench's guest has ports")?;
        let heartbeat = if self.heartbeats {
            cell.setup.guest.heartbeat
        } else {
            Duration::ZERO
        };
        let report = if self.heartbeats {
            REPORT_INTERVAL
        } else {
            NEVER
        };
        let start = ToGuest::Start {
            workload,
            heartbeat_interval_ns: heartbeat.as_nanos() as u64,
            report_interval_ns: report.as_nanos() as u64,
        };
        let ready = |answer| matches!(answer, FromGuest::Ready { .. }).then_some(());
        ports
            .ask(&start, "that its memory is filled", FILL_WITHIN, ready)
            .await
            .map_err(words)
    }
}

/// The five lines that a person would type.
async fn exchange(
    lab: &Lab,
    source: &QemuGuest,
    destination: &QemuGuest,
    cell: &Cell,
) -> Result<Measured, String> {
    let address = lab.address(Role::Destination, Network::Migration);
    let Stream::Tcp(listening) = destination
        .incoming(&Stream::Tcp((address, 0).into()))
        .await
        .map_err(words)?
    else {
        return Err("QEMU does not listen on TCP".to_owned());
    };
    tokio::time::sleep(cell.setup.migration.settle).await;
    let mut events = source.qmp().events();
    source
        .qmp()
        .migrate(&format!("tcp:{listening}"))
        .await
        .map_err(words)?;
    let accepted = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(words)?;
    let completed = loop {
        let event = events
            .next()
            .await
            .ok_or("the source's monitor closed during the migration")?;
        match event.migration_status() {
            Some(MigrationStatus::Completed) => break event.qemu_time,
            Some(status) if status.is_final() => {
                return Err(format!("the migration by hand {status}"));
            }
            _ => {}
        }
    };
    let info = source.qmp().query_migrate().await.map_err(words)?;
    let total_ms = info.raw["total-time"]
        .as_f64()
        .ok_or("QEMU tells no total-time")?;
    let wall = completed.saturating_sub(accepted);
    Ok(Measured {
        total_ms,
        wall_ms: wall.as_secs_f64() * 1e3,
    })
}

fn enter(namespace: &File) -> Result<(), String> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
        .map_err(|error| format!("can't enter a network namespace: {error}"))
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Of the calling thread, which is the only one that moves.
const OWN_NAMESPACE: &str = "/proc/thread-self/ns/net";
const LIMIT: Duration = Duration::from_mins(3);
const FILL_WITHIN: Duration = Duration::from_mins(2);
/// As lmbench asks for them.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);
/// Longer than any migration here.
const NEVER: Duration = Duration::from_hours(1);
