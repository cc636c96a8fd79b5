//! From what a user writes for RUN to a record's file.

use std::fs;
use std::path::{Path, PathBuf};

use super::{LOCK_FILE, Liveness, RECORD_FILE, RunWriter, SAMPLES_FILE, StoreError};
use crate::record::{Record, RecordError};

/// A run that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundRun {
    /// The folder the record lies in.
    pub directory: PathBuf,
    /// The record's file.
    pub record: PathBuf,
}

impl FoundRun {
    /// Reads its record without events and histograms.
    pub fn figures(&self) -> Result<Record, RecordError> {
        Record::read_figures(&self.record)
    }

    /// Reads all of its record.
    pub fn whole(&self) -> Result<Record, RecordError> {
        Record::read_whole(&self.record)
    }

    /// Where its samples are, if it has any.
    pub fn samples(&self) -> PathBuf {
        self.directory.join(SAMPLES_FILE)
    }

    /// Whether somebody still writes it.
    pub fn liveness(&self) -> Liveness {
        Liveness::of(&self.directory)
    }

    /// Takes it up after it ended early: what it recorded, and the right to go on.
    pub fn resume(&self) -> Result<(Record, RunWriter), StoreError> {
        let writer = RunWriter::resume(self)?;
        // Read only under the lock: until then another process could still be writing.
        let record = self.whole()?;
        Ok((record, writer))
    }

    fn in_directory(directory: PathBuf) -> Self {
        FoundRun {
            record: directory.join(RECORD_FILE),
            directory,
        }
    }
}

pub(super) fn find(out_dir: &Path, run: &str) -> Result<FoundRun, StoreError> {
    let ids = run_ids(out_dir)?;
    if ids.iter().any(|id| id == run) {
        return Ok(FoundRun::in_directory(out_dir.join(run)));
    }
    if let Some(found) = at_path(Path::new(run)) {
        return Ok(found);
    }
    if run == LATEST
        && let Some(latest) = latest(&ids)
    {
        return Ok(FoundRun::in_directory(out_dir.join(latest)));
    }
    let candidates: Vec<String> = ids
        .iter()
        .filter(|id| !run.is_empty() && (id.starts_with(run) || id.ends_with(run)))
        .cloned()
        .collect();
    match candidates.as_slice() {
        [] => Err(StoreError::NotFound {
            run: run.to_owned(),
            out_dir: out_dir.to_owned(),
            hint: closest(&ids, run),
        }),
        [only] => Ok(FoundRun::in_directory(out_dir.join(only))),
        _ => Err(StoreError::Ambiguous {
            run: run.to_owned(),
            candidates,
        }),
    }
}

/// The names of the folders in `out_dir` that hold a run, sorted, which is by time; none when it does not exist.
pub(super) fn run_ids(out_dir: &Path) -> Result<Vec<String>, StoreError> {
    let entries = match fs::read_dir(out_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io("list", out_dir, error)),
    };
    let mut ids = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| StoreError::io("list", out_dir, error))?;
        let path = entry.path();
        if [RECORD_FILE, LOCK_FILE]
            .iter()
            .any(|file| path.join(file).exists())
        {
            ids.extend(entry.file_name().into_string());
        }
    }
    ids.sort();
    Ok(ids)
}

/// The run that began last, as its id tells; a folder that somebody renamed tells nothing, so it is taken only where no other is.
fn latest(ids: &[String]) -> Option<&String> {
    let is_dated = |id: &&String| id.starts_with(|first: char| first.is_ascii_digit());
    let dated = ids.iter().rev().find(is_dated);
    dated.or_else(|| ids.last())
}

fn at_path(path: &Path) -> Option<FoundRun> {
    if path.is_dir() && path.join(RECORD_FILE).exists() {
        return Some(FoundRun::in_directory(path.to_owned()));
    }
    if path.is_file() {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        return Some(FoundRun {
            directory,
            record: path.to_owned(),
        });
    }
    None
}

/// The ids most like `run`, as a line of its own.
fn closest(ids: &[String], run: &str) -> String {
    if ids.is_empty() {
        return "\nhint: there are no runs; start one with `lmbench run SCENARIO`, or name another folder with `--out`".to_owned();
    }
    let mut ranked: Vec<(f64, &String)> = ids.iter().map(|id| (likeness(id, run), id)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| b.1.cmp(a.1)));
    let names: Vec<String> = ranked
        .iter()
        .take(SUGGESTIONS)
        .map(|(_, id)| format!("{id:?}"))
        .collect();
    format!(
        "\nhint: the closest are {}; `lmbench list` shows all",
        names.join(", ")
    )
}

/// Part of an id, such as the scenario's name, is more like it than any typing error.
fn likeness(id: &str, run: &str) -> f64 {
    if run.len() >= 3 && id.contains(run) {
        2.0
    } else {
        strsim::jaro_winkler(id, run)
    }
}

/// What stands for the run that began last.
const LATEST: &str = "latest";
const SUGGESTIONS: usize = 3;
