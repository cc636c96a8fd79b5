//! What can go wrong between a run and its disk, with the next step to try.

use std::io;
use std::path::{Path, PathBuf};

use crate::metric::Unit;
use crate::record::RecordError;

/// Why the store could not do what was asked. Paths are quoted, so that no name can reach the terminal's control codes.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk, or the user's share of it, is full.
    #[error(
        "no space left to write {path:?} ({free} free); what was recorded before is safe\n\
         hint: make room, then continue with `lmbench run … --resume`, or choose another disk with `--out`"
    )]
    DiskFull {
        /// The file that did not fit.
        path: PathBuf,
        /// Space left, for people.
        free: String,
    },
    /// Anything else that the system refused.
    #[error("cannot {action} {path:?}: {source}{hint}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
        /// What to try, as a line of its own; empty when nothing can be said.
        hint: &'static str,
    },
    /// `SQLite` could not keep the index, not even in memory.
    #[error(
        "the index of {out_dir:?} can't be kept: {problem}\nhint: remove its index.sqlite; it is made anew from the records"
    )]
    Index {
        /// The folder of runs.
        out_dir: PathBuf,
        /// `SQLite`'s words.
        problem: String,
    },
    /// The record itself.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A line of the time series is damaged.
    #[error("the samples {path:?} are damaged at line {line}: {problem}")]
    Sample {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// There is no such run.
    #[error("no run {run:?} in {out_dir:?}{hint}")]
    NotFound {
        /// What was asked for.
        run: String,
        /// Where it was looked for.
        out_dir: PathBuf,
        /// The closest ids, as a line of its own.
        hint: String,
    },
    /// The beginning or end of an id fits several.
    #[error("{run:?} begins or ends the ids of {} runs\nhint: write more of it: {}", candidates.len(), candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        run: String,
        /// The ids.
        candidates: Vec<String>,
    },
    /// Another process writes it.
    #[error(
        "the run {run:?} is still going on{holder}\nhint: wait for it, or end that process, then try again"
    )]
    Running {
        /// Its id.
        run: String,
        /// ` (process 123)`, if known.
        holder: String,
    },
    /// `--since` is no time.
    #[error(
        "{text:?} is neither a time nor an age\nhint: write 2026-03-01, 2026-03-01T12:00:00Z, 90m, 2h, 3d or 1w"
    )]
    Since {
        /// What was written.
        text: String,
    },
}

impl StoreError {
    /// Whether the disk is full: what was measured so far is safe, and a run can only end.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, StoreError::DiskFull { .. })
    }

    pub(super) fn index(out_dir: &Path, error: &rusqlite::Error) -> Self {
        StoreError::Index {
            out_dir: out_dir.to_owned(),
            problem: error.to_string(),
        }
    }

    /// Sorts a system error on `path`: a full disk is a case of its own.
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        if matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ) {
            return StoreError::DiskFull {
                path: path.to_owned(),
                free: free_space(path),
            };
        }
        let hint = match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "\nhint: choose a folder of yours with `--out`"
            }
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                "\nhint: `--out` names a folder, this is a file"
            }
            _ => "\nhint: check the disk, or choose another folder with `--out`",
        };
        StoreError::Io {
            action,
            path: path.to_owned(),
            source,
            hint,
        }
    }
}

/// What an ordinary user may still write where `path` lies, or would lie.
fn free_space(path: &Path) -> String {
    let nearest = path
        .ancestors()
        .find(|ancestor| ancestor.is_dir())
        .unwrap_or(Path::new("."));
    match rustix::fs::statvfs(nearest) {
        Ok(space) => Unit::Byte.format(space.f_bavail.saturating_mul(space.f_frsize) as f64),
        Err(_) => "unknown space".to_owned(),
    }
}
