//! Runs on disk: one folder per run below `--out`, with the record, its time series and the lock of whoever writes it.
//!
//! ```text
//! results/20261120-234840-jvm-heavy-1f3c/record.json     replaced as a whole after every repeat
//!                                        samples.jsonl   only ever appended to
//!                                        lock            there while the run is not ended in order, locked while it lives
//!         index.sqlite                                    a cache of all records, made anew whenever it is missing or wrong
//!         calibration.json                                what measuring costs on this machine, for the records of later runs
//! ```
//! It judges nothing in a record and prints nothing.

mod calibration;
mod error;
mod find;
mod history;
mod index;
mod list;
mod lock;
mod samples;
mod status;
mod writer;

use std::path::{Path, PathBuf};

use crate::record::Record;

pub use calibration::{CALIBRATION_FILE, CalibrationError};
pub use error::StoreError;
pub use find::FoundRun;
pub use history::HistoryPoint;
pub use index::{Catalogue, INDEX_FILE};
pub(crate) use list::host_name;
pub use list::{Filter, RunSummary, parse_since};
pub use lock::Liveness;
pub use samples::{Sample, read_samples};
pub use status::Status;
pub use writer::RunWriter;

/// The folder that runs are kept in.
#[derive(Debug, Clone)]
pub struct Store {
    out_dir: PathBuf,
}

impl Store {
    /// The store below `out_dir`, which need not exist yet: it is made with the first run.
    pub fn open(out_dir: impl Into<PathBuf>) -> Self {
        Store {
            out_dir: out_dir.into(),
        }
    }

    /// The folder it is in.
    pub fn out_dir(&self) -> &Path {
        &self.out_dir
    }

    /// Makes the folder of a new run and writes the record as it is, so that a full or read-only disk shows before the first guest.
    pub fn create_run(&self, record: &Record) -> Result<RunWriter, StoreError> {
        RunWriter::create(&self.out_dir, record)
    }

    /// Finds RUN: an id, the path of a run's folder or of a record, `latest`, or the beginning or end of an id that no other has.
    pub fn find(&self, run: &str) -> Result<FoundRun, StoreError> {
        find::find(&self.out_dir, run)
    }

    /// The file of a run's record.
    pub fn record_of(&self, run_id: &str) -> PathBuf {
        self.out_dir.join(run_id).join(RECORD_FILE)
    }

    /// Every run, newest first; a record that can not be read is among them with the reason.
    pub fn list(&self, filter: &Filter) -> Result<Vec<RunSummary>, StoreError> {
        Ok(self.catalogue()?.runs(filter))
    }

    /// All runs as they stand now, for more than one question.
    pub fn catalogue(&self) -> Result<Catalogue, StoreError> {
        Catalogue::open(&self.out_dir)
    }
}

/// The record's file in a run's folder.
pub const RECORD_FILE: &str = "record.json";
/// The time series' file in a run's folder.
pub const SAMPLES_FILE: &str = "samples.jsonl";
const LOCK_FILE: &str = "lock";

#[cfg(test)]
mod tests;
