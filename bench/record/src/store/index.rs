//! The index of runs, `index.sqlite`: what lists and histories ask, so that they need not read every record again.
//!
//! The records are the truth and the index is a cache: it may be deleted at any time, and is made anew from the records. Before
//! every answer each run's `record.json` is looked at, and read again when it is not the file that was indexed. An index that
//! can't be used (read-only folder, full disk, damage, another program's version) costs time and never the answer: the same
//! tables are then filled in memory.

mod choices;
mod database;
mod digest;
mod rows;
mod scan;

use std::collections::HashMap;
use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::SystemTime;

use rusqlite::Connection;

use self::database::{Index, Opened};
use self::digest::Digest;
use self::rows::Row;
use self::scan::{Seen, Stamp, scan};
use super::history::HistoryPoint;
use super::list::{Filter, RunSummary};
use super::{Liveness, RECORD_FILE, StoreError};

/// The index's file in the folder of runs.
pub const INDEX_FILE: &str = "index.sqlite";

/// All runs as they stand now, and what can be asked about them.
#[derive(Debug)]
pub struct Catalogue {
    index: Index,
    runs: Vec<RunSummary>,
    notes: Vec<String>,
}

impl Catalogue {
    /// Looks at every run below `out_dir` and brings the index up to date where that is possible.
    pub(super) fn open(out_dir: &Path) -> Result<Self, StoreError> {
        Catalogue::open_at(out_dir, SystemTime::now())
    }

    fn open_at(out_dir: &Path, now: SystemTime) -> Result<Self, StoreError> {
        let seen = scan(out_dir)?;
        let mut notes = Vec::new();
        // No index for a folder without runs: it may be anybody's.
        let index = if seen.is_empty() {
            None
        } else {
            let Opened { index, note } = database::on_disk(out_dir);
            notes.extend(note);
            index
        };
        let answer = |(index, runs), notes| Catalogue { index, runs, notes };
        match index.map(|index| refreshed(index, out_dir, &seen, now)) {
            Some(Ok(fresh)) => return Ok(answer(fresh, notes)),
            Some(Err(error)) if database::is_damage(&error) => {
                notes.push(database::damaged(out_dir, &error));
                let anew = database::make_anew(out_dir);
                if let Some(Ok(fresh)) = anew.map(|index| refreshed(index, out_dir, &seen, now)) {
                    return Ok(answer(fresh, notes));
                }
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "the index can't be written; this answer does without");
            }
            None => {}
        }
        // In memory: with what the index on the disk still knows, or from the records alone.
        let copy = database::memory_like_disk(out_dir);
        if let Ok(fresh) = copy.and_then(|index| refreshed(index, out_dir, &seen, now)) {
            return Ok(answer(fresh, notes));
        }
        database::memory()
            .and_then(|index| refreshed(index, out_dir, &seen, now))
            .map(|fresh| answer(fresh, notes))
            .map_err(|error| StoreError::index(out_dir, &error))
    }

    /// The runs that a filter admits, newest first; one whose record can't be read is among them with the reason.
    pub fn runs(&self, filter: &Filter) -> Vec<RunSummary> {
        let admitted = self.runs.iter().filter(|run| filter.admits(run));
        let mut runs: Vec<RunSummary> = admitted.cloned().collect();
        runs.sort_by(|a, b| (b.started_at, &b.run_id).cmp(&(a.started_at, &a.run_id)));
        runs
    }

    /// What a metric was in each cell of each run, oldest run first.
    pub fn history(&self, metric: &str) -> Result<Vec<HistoryPoint>, StoreError> {
        rows::history(&self.index.connection, metric)
            .map_err(|error| StoreError::index(Path::new(INDEX_FILE), &error))
    }

    /// The ids of all metrics that any run has, sorted.
    pub fn metrics(&self) -> Result<Vec<String>, StoreError> {
        rows::metrics(&self.index.connection)
            .map_err(|error| StoreError::index(Path::new(INDEX_FILE), &error))
    }

    /// What the user should know about the index, a sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// An index that is up to date, and how every run stands.
fn refreshed(
    mut index: Index,
    out_dir: &Path,
    seen: &HashMap<String, Seen>,
    now: SystemTime,
) -> rusqlite::Result<(Index, Vec<RunSummary>)> {
    let runs = refresh(&mut index.connection, out_dir, seen, now)?;
    Ok((index, runs))
}

/// Reads what is new or changed, forgets what is gone, and tells how every run stands.
fn refresh(
    database: &mut Connection,
    out_dir: &Path,
    seen: &HashMap<String, Seen>,
    now: SystemTime,
) -> rusqlite::Result<Vec<RunSummary>> {
    let mut rows = rows::rows(database)?;
    let known: HashMap<&str, Option<Stamp>> = rows
        .iter()
        .map(|row| (row.folder.as_str(), row.stamp))
        .collect();
    let mut stale: Vec<&str> = seen
        .iter()
        .filter(|(folder, seen)| {
            seen.stamp.is_none() || known.get(folder.as_str()) != Some(&seen.stamp)
        })
        .map(|(folder, _)| folder.as_str())
        .collect();
    stale.sort_unstable();
    let gone: Vec<String> = known
        .keys()
        .filter(|folder| !seen.contains_key(**folder))
        .map(|folder| (*folder).to_owned())
        .collect();
    if !stale.is_empty() || !gone.is_empty() {
        rows::forget(database, &gone)?;
        // In parts: memory stays small, other processes get their turn, and a rebuild that is ended goes on from there.
        for part in stale.chunks(RUNS_AT_A_TIME) {
            rows::put(database, &read_all(out_dir, part, now))?;
        }
        rows = rows::rows(database)?;
    }
    let runs = rows.into_iter().filter_map(|row| {
        let liveness = seen.get(&row.folder)?.liveness;
        Some(summary(row, out_dir, liveness))
    });
    Ok(runs.collect())
}

/// What the records of these runs hold, read by all processors together.
fn read_all<'a>(
    out_dir: &Path,
    folders: &[&'a str],
    now: SystemTime,
) -> Vec<(&'a str, Option<Stamp>, Digest)> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut read = Vec::new();
        let mut choices = choices::Known::default();
        while let Some(folder) = folders.get(next.fetch_add(1, Ordering::Relaxed)) {
            let path = out_dir.join(folder).join(RECORD_FILE);
            let (stamp, digest) = digest::read(&path, now, &mut choices);
            read.push((*folder, stamp, digest));
        }
        read
    };
    let workers = processors().min(folders.len().div_ceil(RUNS_WORTH_A_THREAD));
    if workers <= 1 {
        return work();
    }
    thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(joined).collect()
    })
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// What a thread found; its panic goes on here.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn summary(row: Row, out_dir: &Path, liveness: Liveness) -> RunSummary {
    let directory = out_dir.join(&row.folder);
    row.digest.summary(row.folder, directory, liveness)
}

/// A path as errors write it: no name can reach the terminal's control codes.
fn quoted(path: &Path) -> String {
    format!("{:?}", path.to_string_lossy())
}

const RUNS_AT_A_TIME: usize = 500;
const RUNS_WORTH_A_THREAD: usize = 8;

#[cfg(test)]
mod tests;
