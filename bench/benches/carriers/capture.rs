//! A real stream: the one of `LMBENCH_CAPTURE`, or that of a small guest that migrates once before anything is measured.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lmbench::scenario::{self, Cell};
use lmbench_guest::wire::{FromGuest, ToGuest};
use lmbench_harness::drivers::qemu::{self, Launched};
use lmbench_harness::hypervisor::{MigrationStatus, Stream};
use lmbench_harness::role::Role;
use lmbench_harness::spec::Accelerator;
use lmbench_transport::tee::{Tee, TeeOptions};
use tokio_util::sync::CancellationToken;

use super::variant::has;

/// Whether a stream could be recorded here.
pub(crate) fn is_possible() -> bool {
    has(&qemu::program()) && lmbench_harness::image::GuestKernel::find().is_ok()
}

/// Migrates a guest over a unix socket and writes the stream to a file.
pub(crate) fn record(path: &Path) -> Result<(), String> {
    let cell = scenario::parse(Path::new("capture"), SCENARIO).map_err(words)?;
    let folder = tempfile::tempdir().map_err(words)?;
    // One thread: the kernel ends the QEMUs when the thread that started them ends.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(words)?;
    runtime.block_on(async {
        let work = migrate(&cell.cells[0], folder.path(), path);
        tokio::time::timeout(LIMIT, work)
            .await
            .map_err(|_| format!("recording a stream took longer than {LIMIT:?}"))?
    })
}

async fn migrate(cell: &Cell, folder: &Path, path: &Path) -> Result<(), String> {
    let scratch = folder.join("scratch");
    std::fs::create_dir(&scratch).map_err(words)?;
    let accelerator = qemu::accelerator::resolve(
        Accelerator::Auto,
        qemu::accelerator::PROOF_DEADLINE,
        &scratch,
    )
    .await
    .accelerator;
    let source = launch(cell, folder, Role::Source, accelerator).await?;
    let destination = launch(cell, folder, Role::Destination, accelerator).await?;
    fill(&source, cell).await?;
    let (listen, to) = (folder.join("tee"), folder.join("incoming"));
    let incoming = Stream::Unix(to.clone());
    let incoming = destination.guest.incoming(&incoming);
    incoming.await.map_err(words)?;
    let tee = Tee::bind(listen.clone(), to, TeeOptions::default()).map_err(words)?;
    let file = File::create_new(path).map_err(words)?;
    let tee = tokio::spawn(tee.run(file, Arc::new(drop), CancellationToken::new()));
    let migrate = format!("unix:{}", listen.display());
    source.guest.qmp().migrate(&migrate).await.map_err(words)?;
    // It ends by itself when the stream has.
    tee.await.map_err(words)?.map_err(words)?;
    let info = source.guest.qmp().query_migrate().await.map_err(words)?;
    let ended = (source.end().await, destination.end().await);
    ended.0.and(ended.1).map_err(words)?;
    match info.stats.status {
        MigrationStatus::Completed => Ok(()),
        status => Err(format!("the migration to be recorded is {status}")),
    }
}

async fn launch(
    cell: &Cell,
    folder: &Path,
    role: Role,
    accelerator: Accelerator,
) -> Result<Launched, String> {
    let folder = folder.join(role.name());
    std::fs::create_dir(&folder).map_err(words)?;
    let launched = qemu::launch(&cell.setup.guest, role, accelerator, &folder).await;
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

async fn fill(source: &Launched, cell: &Cell) -> Result<(), String> {
    let start = ToGuest::Start {
        workload: cell.setup.workload.clone().ok_or("no workload")?,
        heartbeat_interval_ns: 0,
        report_interval_ns: NEVER.as_nanos() as u64,
    };
    let ports = source.ports.as_ref().ok_or("no ports")?;
    let ready = |answer| matches!(answer, FromGuest::Ready { .. }).then_some(());
    ports
        .ask(&start, "that its memory is filled", LIMIT, ready)
        .await
        .map_err(words)
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Half of the memory is random, and most of the rest was never touched.
const SCENARIO: &str = "name = \"capture\"\ncarrier = \"native-unix\"\n\
    [guest]\nmemory = \"384 MiB\"\n\
    [workload.uniform]\nmemory = \"192 MiB\"\nrate = \"16 MiB/s\"\n";
const LIMIT: Duration = Duration::from_mins(1);
const NEVER: Duration = Duration::from_hours(1);
