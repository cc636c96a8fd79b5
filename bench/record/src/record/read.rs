//! Records from files that may hold anything: whatever is wrong becomes an error that names the file and the place in it.
//!
//! Unknown fields are passed over, so that a program of today reads what one of tomorrow added.

mod intake;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::files::open_plain;
use serde::Deserialize;
use serde_json::Value;

use super::{FORMAT, Record};
use crate::error::json_problem;
use crate::text::clean_short;
use intake::{Limits, Refused, taken_in};

/// Why a file is not a record that can be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It cannot be read.
    #[error("cannot read the record {path:?}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is greater than any record.
    #[error("the record {path:?} is larger than {} MiB\nhint: a record holds events and summaries only; is this the right file?", MAX_RECORD_BYTES >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It holds something that is greater than in any record.
    #[error("the record {path:?} holds {what}\nhint: no run writes that; is this the right file?")]
    Excess {
        /// The file.
        path: PathBuf,
        /// What it holds.
        what: String,
    },
    /// It is of another format.
    #[error(
        "the record {path:?} has format {found}, this lmbench reads format {FORMAT}\nhint: use the lmbench that wrote it, or a newer one"
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its `format`.
        found: String,
    },
    /// It is no JSON, or cut off, or not a record.
    #[error("the record {path:?} is damaged at line {}, column {}: {problem}", source.line(), source.column())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, without the place.
        problem: String,
        /// The parser's error.
        #[source]
        source: serde_json::Error,
    },
    /// It contradicts itself.
    #[error("the record {path:?} contradicts itself: {problem}")]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// Where and how.
        problem: String,
    },
}

impl Record {
    /// Reads all of a record's file, which takes ten times its size in memory. Most want [`Record::read_figures`].
    pub fn read_whole(path: &Path) -> Result<Self, RecordError> {
        Record::from_json(&bytes(path)?, path)
    }

    /// A record from its JSON; `path` is what errors call it.
    pub fn from_json(bytes: &[u8], path: &Path) -> Result<Self, RecordError> {
        consistent(decoded(bytes, path, |record: &Record| record.format)?, path)
    }
}

/// What is in a record's file, if that is not too large.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, RecordError> {
    let path = || path.to_owned();
    let io = |source| RecordError::Io {
        path: path(),
        source,
    };
    let file = open_plain(&path()).map_err(io)?;
    if file.metadata().map_err(io)?.len() > MAX_RECORD_BYTES {
        return Err(RecordError::TooLarge { path: path() });
    }
    let excess = |what| RecordError::Excess { path: path(), what };
    // A file that grows, or a device, must not eat the memory either.
    taken_in(file, LIMITS).map_err(|refused| match refused {
        Refused::Io(source) => io(source),
        Refused::Bytes => RecordError::TooLarge { path: path() },
        Refused::Text => excess(format!("a text of more than {} MiB", LIMITS.text >> 20)),
        Refused::Values => excess(format!(
            "more than {} million values",
            LIMITS.values / 1_000_000
        )),
    })
}

/// What the bytes hold, if it is of this format.
///
/// What can't be decoded is looked at for its format first: another one may differ in everything else, and "missing field" would
/// mislead.
pub(super) fn decoded<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
    path: &Path,
    format: impl FnOnce(&T) -> u32,
) -> Result<T, RecordError> {
    let other = match serde_json::from_slice::<T>(bytes) {
        Ok(record) if format(&record) == FORMAT => return Ok(record),
        Ok(_) => None,
        Err(error) => Some(error),
    };
    let header: Header = serde_json::from_slice(bytes).map_err(|error| damaged(path, error))?;
    match other {
        Some(error) if header.number() == Some(u64::from(FORMAT)) => Err(damaged(path, error)),
        _ => Err(RecordError::Format {
            path: path.to_owned(),
            found: header.format.map_or_else(
                || "(none stated)".to_owned(),
                |format| clean_short(&format.to_string(), LONGEST_QUOTE),
            ),
        }),
    }
}

/// The record, unless it contradicts itself.
pub(super) fn consistent(record: Record, path: &Path) -> Result<Record, RecordError> {
    match contradiction(&record) {
        Some(problem) => Err(RecordError::Contradiction {
            path: path.to_owned(),
            problem,
        }),
        None => Ok(record),
    }
}

#[derive(Deserialize)]
struct Header {
    format: Option<Value>,
}

impl Header {
    fn number(&self) -> Option<u64> {
        self.format.as_ref()?.as_u64()
    }
}

fn contradiction(record: &Record) -> Option<String> {
    let mut ids = HashSet::new();
    for cell in &record.cells {
        if !ids.insert(&cell.id) {
            return Some(format!("two cells are called {:?}", cell.id));
        }
        let broken = cell
            .repeats
            .iter()
            .find(|repeat| !repeat.outcome.has_metrics() && !repeat.metrics.is_empty());
        if let Some(repeat) = broken {
            let outcome = repeat.outcome.name();
            return Some(format!(
                "repeat {} of cell {:?} is {outcome} and has metrics",
                repeat.repeat, cell.id
            ));
        }
    }
    None
}

pub(super) fn damaged(path: &Path, source: serde_json::Error) -> RecordError {
    RecordError::Damaged {
        path: path.to_owned(),
        problem: clean_short(&json_problem(&source), LONGEST_QUOTE),
        source,
    }
}

/// A record of ten thousand migrations with all their events has half of this.
pub const MAX_RECORD_BYTES: u64 = 1 << 30;
/// That record has twenty million values; its longest text is the scenario's, a page.
const LIMITS: Limits = Limits {
    bytes: MAX_RECORD_BYTES,
    text: 16 << 20,
    values: 32_000_000,
};
const LONGEST_QUOTE: usize = 200;

#[cfg(test)]
mod tests;
