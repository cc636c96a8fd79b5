//! A QEMU of a test's own: 128 MiB of memory, no disk, no network, translated code; it ends with the test.

use std::path::PathBuf;
use std::time::Duration;

use lmbench_harness::qmp::Qmp;
use lmbench_testing::Turn;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Far above what QEMU needs on a loaded machine; only something that never happens reaches it.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A running QEMU. Dropping it kills that process.
pub(crate) struct Machine {
    pub(crate) qmp: Qmp,
    pub(crate) folder: TempDir,
    process: Child,
    _turn: Turn,
}

impl Machine {
    /// A guest that waits at its first instruction; `None` when live tests are to be skipped.
    pub(crate) async fn paused() -> Option<Machine> {
        Machine::start(&["-S"]).await
    }

    /// One that waits for a migration.
    pub(crate) async fn incoming() -> Option<Machine> {
        Machine::start(&["-incoming", "defer"]).await
    }

    async fn start(extra: &[&str]) -> Option<Machine> {
        let turn = lmbench_testing::live(&[])?;
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("qmp");
        let process = Command::new("qemu-system-x86_64")
            .args("-accel tcg -machine q35 -m 128 -nodefaults -display none".split(' '))
            .args(extra)
            .args([
                "-qmp",
                &format!("unix:{},server=on,wait=off", socket.display()),
            ])
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("cannot start qemu-system-x86_64 ({error}): run harness/setup.sh")
            });
        let qmp = Qmp::connect(&socket, PATIENCE).await.unwrap();
        Some(Machine {
            qmp,
            folder,
            process,
            _turn: turn,
        })
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.id().expect("nobody has awaited it yet")
    }

    /// What QEMU's descriptor `number` stands for.
    pub(crate) fn opened(&self, number: u64) -> PathBuf {
        std::fs::read_link(format!("/proc/{}/fd/{number}", self.process_id())).unwrap()
    }

    /// Waits for its end.
    pub(crate) async fn exited(&mut self) -> std::process::ExitStatus {
        soon(self.process.wait()).await.unwrap()
    }
}

/// Fails instead of hanging.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future)
        .await
        .expect("this happens soon or never")
}
