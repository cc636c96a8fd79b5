//! The time series of a run, `samples.jsonl`: one sample per line, appended after every repeat.
//!
//! A crash in the middle of a line costs that line only: the reader passes over it and a resumed run cuts it off.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::StoreError;
use crate::terminal::text::clean;

/// One reading of something that changes during a migration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Id of the cell.
    pub cell: String,
    /// Number of the repeat in its cell.
    pub repeat: u32,
    /// Milliseconds from `migrate`, on the run's clock.
    pub at_ms: f64,
    /// `source`, `destination`, `guest` or `controller`.
    pub host: String,
    /// What was read: `progress`, `workload`, `cpu`, …
    pub kind: String,
    /// The reading; its keys depend on `kind`.
    pub data: Value,
}

/// Reads a run's samples one by one; a torn last line ends them, any other damage is an error. No file means no samples.
pub fn read_samples(
    path: &Path,
) -> Result<impl Iterator<Item = Result<Sample, StoreError>> + use<>, StoreError> {
    let reader: Box<dyn BufRead> = match File::open(path) {
        Ok(file) => Box::new(BufReader::new(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Box::new(io::empty()),
        Err(error) => return Err(StoreError::io("read", path, error)),
    };
    let mut lines = Lines { reader, number: 0 };
    let path = path.to_owned();
    Ok(
        std::iter::from_fn(move || lines.next_whole(&path)).map(|(path, number, line)| {
            let line = line.map_err(|error| StoreError::io("read", &path, error))?;
            serde_json::from_slice(&line).map_err(|error| StoreError::Sample {
                path,
                line: number,
                problem: clean(&error.to_string()),
            })
        }),
    )
}

struct Lines {
    reader: Box<dyn BufRead>,
    number: usize,
}

impl Lines {
    /// The next line that has an end.
    fn next_whole(
        &mut self,
        path: &Path,
    ) -> Option<(std::path::PathBuf, usize, io::Result<Vec<u8>>)> {
        let mut line = Vec::new();
        self.number += 1;
        match self.reader.read_until(b'\n', &mut line) {
            Ok(_) if line.ends_with(b"\n") => Some((path.to_owned(), self.number, Ok(line))),
            Ok(_) => None,
            Err(error) => {
                self.reader = Box::new(io::empty());
                Some((path.to_owned(), self.number, Err(error)))
            }
        }
    }
}

/// Appends whole lines and syncs them; what did not fit whole is taken back.
pub(super) fn append(path: &Path, samples: &[Sample]) -> Result<(), StoreError> {
    if samples.is_empty() {
        return Ok(());
    }
    let mut text = Vec::new();
    for sample in samples {
        serde_json::to_writer(&mut text, sample)
            .expect("a sample has string keys only, and a vector takes every byte");
        text.push(b'\n');
    }
    let io = |error| StoreError::io("append to", path, error);
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    file.write_all(&text)
        .and_then(|()| file.sync_data())
        .map_err(|error| {
            let error = io(error);
            let _ = file.set_len(length);
            error
        })
}

/// Cuts off a last line that has no end.
pub(super) fn cut_torn_line(path: &Path) -> Result<(), StoreError> {
    let io = |error| StoreError::io("mend", path, error);
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(error)),
    };
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    if whole < bytes.len() {
        OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|file| file.set_len(whole as u64))
            .map_err(io)?;
    }
    Ok(())
}
