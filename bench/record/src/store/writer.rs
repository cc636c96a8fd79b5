//! The one process that writes a run. Whatever happens to it, the folder holds the record of the last repeat that was saved.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::files::{ANYBODY, Folder};

use super::find::FoundRun;
use super::lock::Lock;
use super::samples::{self, Sample};
use super::{RECORD_FILE, StoreError};
use crate::record::Record;

/// Writes one run's record and samples. End it with [`RunWriter::finish`]; a run whose writer is merely dropped counts as interrupted.
#[derive(Debug)]
pub struct RunWriter {
    directory: PathBuf,
    /// Stays the run's own, whatever somebody puts in its place.
    folder: Folder,
    lock: Lock,
}

impl RunWriter {
    pub(super) fn create(out_dir: &Path, record: &Record) -> Result<Self, StoreError> {
        let directory = out_dir.join(&record.run_id);
        assert!(
            directory.parent() == Some(out_dir),
            "a run id is one path component"
        );
        let out = Folder::make(out_dir)
            .map_err(|error| StoreError::io("make the folder", out_dir, error))?;
        // A new one: the folder of another run must not be taken over.
        let folder = out
            .make_new(OsStr::new(&record.run_id), FOLDER_MODE)
            .map_err(|error| StoreError::io("make the folder", &directory, error))?;
        let begun = || {
            let lock = Lock::take(&directory, &folder)?;
            let writer = RunWriter {
                directory: directory.clone(),
                folder,
                lock,
            };
            writer.save(record)?;
            out.sync()
                .map_err(|error| StoreError::io("sync the folder", out_dir, error))?;
            Ok(writer)
        };
        begun().inspect_err(|_| {
            // A run that could not begin holds nothing worth listing.
            let _ = fs::remove_dir_all(&directory);
        })
    }

    pub(super) fn resume(found: &FoundRun) -> Result<Self, StoreError> {
        let directory = found.directory.clone();
        let folder = Folder::open(&directory)
            .map_err(|error| StoreError::io("open the folder", &directory, error))?;
        let lock = Lock::take(&directory, &folder)?;
        remove_half_written(&directory, &folder);
        samples::cut_torn_line(&directory, &folder)?;
        Ok(RunWriter {
            directory,
            folder,
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
        let path = self.record_path();
        let failed = |error| StoreError::io("write", &path, error);
        let replacement = self
            .folder
            .replace(OsStr::new(RECORD_FILE), ANYBODY)
            .map_err(failed)?;
        let mut file = replacement.file();
        // The space is looked at while the half-written file still takes its part: that is what was too little.
        file.write_all(record.to_json().as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(failed)?;
        replacement.finish().map_err(failed)?;
        self.folder
            .sync()
            .map_err(|error| StoreError::io("sync the folder", &self.directory, error))
    }

    /// Appends to the time series: all of these samples or, if the disk is full, none.
    pub fn append_samples(&self, samples: &[Sample]) -> Result<(), StoreError> {
        samples::append(&self.directory, &self.folder, samples)
    }

    /// Ends the run in order, complete or not.
    pub fn finish(self) -> Result<(), StoreError> {
        self.lock.release()
    }
}

/// Removes what a killed writer left of a record that it was about to put in its place.
fn remove_half_written(directory: &Path, folder: &Folder) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let text = name.as_encoded_bytes();
        if text.starts_with(RECORD_FILE.as_bytes()) && text.ends_with(b".new") {
            let _ = folder.remove(&name);
        }
    }
}

/// As far as the umask lets.
const FOLDER_MODE: u32 = 0o777;
