//! What a run tells its observers. The runner does nothing else for the user; terminal and records are made from these.

use std::path::PathBuf;
use std::time::Duration;

use crate::record::Repeat;

/// One thing that happened in a run.
#[derive(Debug, Clone)]
pub enum RunEvent {
    /// The plan stands and the hosts are ready.
    RunStarted {
        /// Id of the run.
        run_id: String,
        /// Name of the scenario.
        scenario: String,
        /// Number of cells.
        cells: usize,
        /// Migrations to do, warm-ups included.
        migrations: usize,
        /// Where the record grows.
        directory: PathBuf,
    },
    /// A migration's preparation begins.
    RepeatStarted {
        /// Position in the run's order, from 1.
        position: usize,
        /// Id of the cell.
        cell: String,
        /// Number of the repeat in its cell, from 1; 0 for a warm-up.
        repeat: u32,
        /// Repeats per cell.
        repeats: u32,
    },
    /// The repeat entered another phase.
    Phase {
        /// Which.
        phase: Phase,
        /// How long it may last at most, if limited.
        limit: Option<Duration>,
    },
    /// The migration's progress.
    Progress(Progress),
    /// A migration ended, in whatever way.
    RepeatFinished {
        /// Id of the cell.
        cell: String,
        /// What will stand in the record.
        repeat: Repeat,
    },
    /// Something worth saying that ends nothing.
    Warning(String),
}

/// The phases of one repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// QEMU and its guest start.
    Booting,
    /// The workload fills its memory.
    Filling,
    /// The workload runs undisturbed.
    Settling,
    /// The stream flows.
    Migrating,
    /// The destination compares the workload's memory.
    Verifying,
    /// Guests and carriers end.
    TearingDown,
}

/// One reading of a migration.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Since `migrate`.
    pub elapsed: Duration,
    /// QEMU's migration status.
    pub status: String,
    /// Pass over memory (`dirty-sync-count`).
    pub pass: u64,
    /// Payload speed as QEMU measures it, in bits per second (QEMU's own figure is in Mbit/s).
    pub throughput_bps: f64,
    /// Bytes per second that the guest dirties, if QEMU knows.
    pub dirty_rate_bps: Option<f64>,
    /// Bytes still to send.
    pub remaining_bytes: u64,
    /// CPU throttle in percent, if any.
    pub throttle_percent: Option<u32>,
}
