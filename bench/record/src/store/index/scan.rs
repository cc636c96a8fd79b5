//! What lies in the folder of runs, without opening a record.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, statat};

use super::{joined, processors};
use crate::store::{LOCK_FILE, Liveness, RECORD_FILE, StoreError};

/// A run's folder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) liveness: Liveness,
    /// Of the record; `None` when there is none yet.
    pub(super) stamp: Option<Stamp>,
}

/// What tells one version of a file from the next. A writer renames a new file over it, so that all four change; the size and
/// both times also show who wrote into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: i64,
    pub(super) modified_ns: i64,
    pub(super) changed_ns: i64,
    pub(super) inode: i64,
}

impl Stamp {
    /// Of a file; the times of a file system beyond the year 2262 are as good as any other.
    pub(super) fn of(metadata: &Metadata) -> Self {
        Stamp {
            size: metadata.len().cast_signed(),
            modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino().cast_signed(),
        }
    }

    /// Whether any later change must show. The clock of files has steps: one that was changed just now could be changed again
    /// within the same step and look the same.
    pub(super) fn is_settled(self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let settled = now.saturating_sub(STEP).as_nanos();
        let latest = self.modified_ns.max(self.changed_ns);
        u128::try_from(latest).is_ok_and(|latest| latest < settled)
    }
}

/// Every run below `out_dir` by its folder's name; none when there is no such folder.
pub(super) fn scan(out_dir: &Path) -> Result<HashMap<String, Seen>, StoreError> {
    let wrong = |error| StoreError::io("list", out_dir, error);
    let entries = match fs::read_dir(out_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(error) => return Err(wrong(error)),
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry.map_err(wrong)?;
        let file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !file && let Ok(folder) = entry.file_name().into_string() {
            folders.push(folder);
        }
    }
    let directory = fs::File::open(out_dir).map_err(wrong)?;
    let look = |folders: &[String]| -> Vec<(String, Seen)> {
        folders
            .iter()
            .filter_map(|folder| Some((folder.clone(), seen(&directory, out_dir, folder)?)))
            .collect()
    };
    // Two looks at each of many runs are most of the time that a list takes.
    let part = folders
        .len()
        .div_ceil(processors())
        .max(RUNS_WORTH_A_THREAD);
    thread::scope(|scope| {
        let parts = folders
            .chunks(part)
            .map(|part| scope.spawn(move || look(part)));
        let parts: Vec<_> = parts.collect();
        Ok(parts.into_iter().flat_map(joined).collect())
    })
}

/// A folder, if it is a run's.
fn seen(directory: &fs::File, out_dir: &Path, folder: &str) -> Option<Seen> {
    // The lock first: a run that ends in between is then complete in the record, never "died".
    let locked = statat(directory, format!("{folder}/{LOCK_FILE}"), AtFlags::empty()).is_ok();
    let liveness = if locked {
        Liveness::of(&out_dir.join(folder))
    } else {
        Liveness::Ended
    };
    let record = statat(
        directory,
        format!("{folder}/{RECORD_FILE}"),
        AtFlags::empty(),
    );
    let stamp = record.ok().map(|stat| Stamp {
        size: stat.st_size,
        modified_ns: nanoseconds(stat.st_mtime, stat.st_mtime_nsec.cast_signed()),
        changed_ns: nanoseconds(stat.st_ctime, stat.st_ctime_nsec.cast_signed()),
        inode: stat.st_ino.cast_signed(),
    });
    (locked || stamp.is_some()).then_some(Seen { liveness, stamp })
}

fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds
        .wrapping_mul(1_000_000_000)
        .wrapping_add(nanoseconds)
}

const RUNS_WORTH_A_THREAD: usize = 500;
/// The coarsest clock of a file system in use, FAT's.
const STEP: Duration = Duration::from_secs(2);
