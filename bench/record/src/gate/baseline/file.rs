//! Baselines from files that may hold anything: what is wrong becomes an error that names the file and the place in it.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::{Baseline, FORMAT, KIND};
use crate::error::json_problem;
use crate::text::clean_short;

/// Why there is no baseline that can be used.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// It cannot be read.
    #[error(
        "can't read the baseline {path:?}: {source}\nhint: `lmbench baseline RUN -o FILE` makes one"
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is greater than any baseline.
    #[error("the baseline {path:?} is larger than {} MiB\nhint: is this the right file?", MAX_BASELINE_BYTES >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is something else.
    #[error("{path:?} is not a baseline: {problem}\nhint: {hint}")]
    Other {
        /// The file.
        path: PathBuf,
        /// What it is.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// It is no JSON, or cut off, or not of its format.
    #[error("the baseline {path:?} is damaged at line {}, column {}: {problem}\nhint: make it again by `lmbench baseline RUN -o FILE`", source.line(), source.column())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, without the place.
        problem: String,
        /// The parser's error.
        source: serde_json::Error,
    },
    /// A run that lost something is no measure.
    #[error(
        "run {run_id} can't be a baseline: {problem} in repeat {repeat} of cell {cell:?}\nhint: find out why, then keep a run that lost nothing"
    )]
    Lost {
        /// The run.
        run_id: String,
        /// The cell.
        cell: String,
        /// The repeat's number.
        repeat: u32,
        /// What was lost.
        problem: &'static str,
    },
    /// A run without a completed migration has no values.
    #[error(
        "run {run_id} can't be a baseline: no migration of it completed\nhint: `lmbench show {run_id}` tells why"
    )]
    Nothing {
        /// The run.
        run_id: String,
    },
}

impl Baseline {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Baseline, BaselineError> {
        let io = |source| BaselineError::Io {
            path: path.to_owned(),
            source,
        };
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_BASELINE_BYTES + 1).read_to_end(&mut bytes))
            .map_err(io)?;
        if bytes.len() as u64 > MAX_BASELINE_BYTES {
            return Err(BaselineError::TooLarge {
                path: path.to_owned(),
            });
        }
        Baseline::from_json(&bytes, path)
    }

    /// A baseline from its JSON; `path` is what errors call it.
    pub fn from_json(bytes: &[u8], path: &Path) -> Result<Baseline, BaselineError> {
        let damaged = |source| damaged(path, source);
        // What it is first: of another kind or format "missing field" would mislead.
        let header: Header = serde_json::from_slice(bytes).map_err(damaged)?;
        let other = |problem: String, hint: &str| BaselineError::Other {
            path: path.to_owned(),
            problem,
            hint: hint.to_owned(),
        };
        if header.kind.as_ref().and_then(Value::as_str) != Some(KIND) {
            return Err(if header.run_id.is_some() {
                other(
                    "it is the record of a run".to_owned(),
                    "`lmbench baseline RUN -o FILE` makes a baseline of it",
                )
            } else {
                other(
                    "it does not say that it is one".to_owned(),
                    "is this the right file? `lmbench baseline RUN -o FILE` makes one",
                )
            });
        }
        if header.format.as_ref().and_then(Value::as_u64) != Some(u64::from(FORMAT)) {
            let found = header
                .format
                .map_or_else(|| "(none stated)".to_owned(), |format| format.to_string());
            return Err(other(
                format!(
                    "it has format {}, this lmbench reads format {FORMAT}",
                    clean_short(&found, LONGEST_QUOTE)
                ),
                "use the lmbench that wrote it, or make it again",
            ));
        }
        serde_json::from_slice(bytes).map_err(damaged)
    }
}

#[derive(Deserialize)]
struct Header {
    kind: Option<Value>,
    format: Option<Value>,
    run_id: Option<Value>,
}

fn damaged(path: &Path, source: serde_json::Error) -> BaselineError {
    BaselineError::Damaged {
        path: path.to_owned(),
        problem: clean_short(&json_problem(&source), LONGEST_QUOTE),
        source,
    }
}

/// Ten thousand repeats with a hundred metrics stay below this.
pub const MAX_BASELINE_BYTES: u64 = 64 << 20;
const LONGEST_QUOTE: usize = 200;
