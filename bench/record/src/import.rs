//! Results of other tools as records of ours, so that old ones compare with new ones.
//!
//! What the other tool did not measure or say stays absent. Nothing is made up, and nothing is recomputed that it did not record.

pub mod guestperf;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::text::{clean, clean_short};

/// Why a file can't be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It can't be read.
    #[error(
        "cannot read {path:?}: {source}\nhint: name a JSON file that guestperf wrote with --output"
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is greater than any report.
    #[error("{path:?} is larger than {} MiB\nhint: a report of guestperf has a few hundred kB; is this the right file?", MAX_BYTES >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is no JSON, or no report.
    #[error(
        "{path:?} is no report of guestperf: {problem}\nhint: name a JSON file that guestperf wrote with --output"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        problem: String,
    },
    /// It says nothing of any migration.
    #[error(
        "{path:?} has no progress of a migration\nhint: guestperf writes it when the migration ended; run it again"
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// The bytes of a file, if they are not too many.
fn read(path: &Path) -> Result<Vec<u8>, ImportError> {
    let io = |source| ImportError::Io {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(io)?;
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ImportError::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok(bytes)
}

fn damaged(path: &Path, error: &serde_json::Error) -> ImportError {
    ImportError::Damaged {
        path: path.to_owned(),
        problem: clean_short(&clean(&error.to_string()), 300),
    }
}

/// A report of an hour with 64 vCPUs, read every second, has 20 MB.
const MAX_BYTES: u64 = 64 << 20;
