//! The lock of a run that is being written, from which a running run is told from a crashed one.
//!
//! The kernel releases the lock however its process ends. The file stays behind unless the run ended in order, so:
//! locked = running, there but free = the process died, gone = ended in order.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::files::{self, ANYBODY, Folder, InPlace};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{LOCK_FILE, StoreError};

/// What a run's lock says about its writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// A process is writing it.
    Running,
    /// Its process went away without ending the run.
    Died,
    /// It ended in order, completely or not.
    Ended,
}

impl Liveness {
    /// Of the run in `directory`.
    pub fn of(directory: &Path) -> Liveness {
        let Ok(file) = files::open_plain(&directory.join(LOCK_FILE)) else {
            return Liveness::Ended;
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Err(Errno::WOULDBLOCK) => Liveness::Running,
            // A file system without locks cannot tell; a run that seems dead forever would be worse than one that seems to have died.
            _ => Liveness::Died,
        }
    }
}

/// The right to write one run. Dropping it without [`Lock::release`] leaves the file, as a crash does.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes the lock of the run in `directory`, or says who has it.
    pub(super) fn take(directory: &Path, folder: &Folder) -> Result<Lock, StoreError> {
        let path = directory.join(LOCK_FILE);
        for _ in 0..ATTEMPTS {
            let open = folder.in_place(OsStr::new(LOCK_FILE), InPlace::ReadWrite, ANYBODY);
            let file = open.map_err(|error| StoreError::io("open the lock", &path, error))?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_at(&file, &path) => return Ok(Lock::held(path, file)),
                // Its last holder ended the run and removed the file between our opening and locking it.
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Err(running(directory, &path)),
                Err(error) => return Err(StoreError::io("lock", &path, error.into())),
            }
        }
        Err(running(directory, &path))
    }

    fn held(path: PathBuf, mut file: File) -> Lock {
        // For people only; the lock is what counts, so a failure to write the number is no failure.
        let _ = file
            .set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Lock { path, _file: file }
    }

    /// Ends the run in order.
    pub(super) fn release(self) -> Result<(), StoreError> {
        fs::remove_file(&self.path)
            .map_err(|error| StoreError::io("remove the lock", &self.path, error))
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let same = || -> io::Result<bool> {
        let (held, there) = (file.metadata()?, fs::metadata(path)?);
        Ok((held.dev(), held.ino()) == (there.dev(), there.ino()))
    };
    same().unwrap_or(false)
}

fn running(directory: &Path, path: &Path) -> StoreError {
    let run = directory
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut text = String::new();
    let holder = files::open_plain(path)
        .and_then(|file| file.take(NUMBER_LEN_MAX).read_to_string(&mut text))
        .ok()
        .and_then(|_| text.trim().parse::<u32>().ok());
    StoreError::Running {
        run,
        holder: holder.map_or_else(String::new, |process| format!(" (process {process})")),
    }
}

const ATTEMPTS: usize = 3;
const NUMBER_LEN_MAX: u64 = 20;
