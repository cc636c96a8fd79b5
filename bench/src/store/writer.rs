//! The one process that writes a run. Whatever happens to it, the folder holds the record of the last repeat that was saved.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::find::FoundRun;
use super::lock::Lock;
use super::samples::{self, Sample};
use super::{RECORD_FILE, SAMPLES_FILE, StoreError};
use crate::record::Record;

/// Writes one run's record and samples. End it with [`RunWriter::finish`]; a run whose writer is merely dropped counts as interrupted.
#[derive(Debug)]
pub struct RunWriter {
    directory: PathBuf,
    lock: Lock,
}

impl RunWriter {
    pub(super) fn create(out_dir: &Path, record: &Record) -> Result<Self, StoreError> {
        fs::create_dir_all(out_dir)
            .map_err(|error| StoreError::io("make the folder", out_dir, error))?;
        let directory = out_dir.join(&record.run_id);
        assert!(
            directory.parent() == Some(out_dir),
            "a run id is one path component"
        );
        // Not `create_dir_all`: the folder of another run must not be taken over.
        fs::create_dir(&directory)
            .map_err(|error| StoreError::io("make the folder", &directory, error))?;
        let begun = || {
            let lock = Lock::take(&directory)?;
            let writer = RunWriter {
                directory: directory.clone(),
                lock,
            };
            writer.save(record)?;
            sync_directory(out_dir)?;
            Ok(writer)
        };
        begun().inspect_err(|_| {
            // A run that could not begin holds nothing worth listing.
            let _ = fs::remove_dir_all(&directory);
        })
    }

    pub(super) fn resume(found: &FoundRun) -> Result<Self, StoreError> {
        let lock = Lock::take(&found.directory)?;
        samples::cut_torn_line(&found.directory.join(SAMPLES_FILE))?;
        Ok(RunWriter {
            directory: found.directory.clone(),
            lock,
        })
    }

    /// The run's folder.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The record's file.
    pub fn record_path(&self) -> PathBuf {
        self.directory.join(RECORD_FILE)
    }

    /// Replaces the record: at every moment, and after a power cut, the file is the old one or the new one.
    pub fn save(&self, record: &Record) -> Result<(), StoreError> {
        let (path, temporary) = (self.record_path(), self.directory.join(TEMPORARY_FILE));
        let written = File::create(&temporary).and_then(|mut file| {
            file.write_all(record.to_json().as_bytes())?;
            file.sync_all()
        });
        if let Err(error) = written.and_then(|()| fs::rename(&temporary, &path)) {
            // The space is looked at while the half-written file still takes its part: that is what was too little.
            let error = StoreError::io("write", &path, error);
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        sync_directory(&self.directory)
    }

    /// Appends to the time series: all of these samples or, if the disk is full, none.
    pub fn append_samples(&self, samples: &[Sample]) -> Result<(), StoreError> {
        samples::append(&self.directory.join(SAMPLES_FILE), samples)
    }

    /// Ends the run in order, complete or not.
    pub fn finish(self) -> Result<(), StoreError> {
        self.lock.release()
    }
}

fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|error| StoreError::io("sync the folder", directory, error))
}

const TEMPORARY_FILE: &str = "record.json.new";
