//! The time series of a run, `samples.jsonl`: one sample per line, appended after every repeat.
//!
//! A crash in the middle of a line costs that line only: the reader passes over it and a resumed run cuts it off.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::files::{ANYBODY, Folder, InPlace, open_plain};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{SAMPLES_FILE, StoreError};
use crate::text::clean;

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
    let reader: Box<dyn BufRead> = match open_plain(path) {
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
        self.number += 1;
        let line = self.line();
        if line.is_err() {
            self.reader = Box::new(io::empty());
        }
        Some((path.to_owned(), self.number, line.transpose()?))
    }

    /// Of a line that is too long only the beginning, which the parser then finds cut off.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let mut beginning = self.reader.by_ref().take(LONGEST);
        beginning.read_until(b'\n', &mut line)?;
        let is_whole = line.ends_with(b"\n");
        let is_too_long = !is_whole && line.len() as u64 == LONGEST;
        if is_too_long {
            self.reader.skip_until(b'\n')?;
        }
        Ok((is_whole || is_too_long).then_some(line))
    }
}

/// Appends whole lines and syncs them; what did not fit whole is taken back.
pub(super) fn append(
    directory: &Path,
    folder: &Folder,
    samples: &[Sample],
) -> Result<(), StoreError> {
    if samples.is_empty() {
        return Ok(());
    }
    let mut text = Vec::new();
    for sample in samples {
        serde_json::to_writer(&mut text, sample)
            .expect("a sample has string keys only, and a vector takes every byte");
        text.push(b'\n');
    }
    let io = |error| StoreError::io("append to", &directory.join(SAMPLES_FILE), error);
    let mut file = folder
        .in_place(OsStr::new(SAMPLES_FILE), InPlace::Append, ANYBODY)
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

/// Cuts off a last line that has no end. A long run has gigabytes of samples, so only the end is looked at.
pub(super) fn cut_torn_line(directory: &Path, folder: &Folder) -> Result<(), StoreError> {
    let path = directory.join(SAMPLES_FILE);
    let io = |error| StoreError::io("mend", &path, error);
    let file = match open_plain(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(error)),
    };
    let length = file.metadata().map_err(io)?.len();
    let whole = last_end(&file, length).map_err(io)?;
    if whole < length {
        folder
            .in_place(OsStr::new(SAMPLES_FILE), InPlace::ReadWrite, ANYBODY)
            .and_then(|file| file.set_len(whole))
            .map_err(io)?;
    }
    Ok(())
}

/// Where the last whole line ends.
fn last_end(file: &File, length: u64) -> io::Result<u64> {
    let mut buffer = vec![0; PIECE as usize];
    let mut end = length;
    while end > 0 {
        let begin = end.saturating_sub(PIECE);
        let piece = &mut buffer[..(end - begin) as usize];
        file.read_exact_at(piece, begin)?;
        if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
            return Ok(begin + at as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

/// No sample is longer; a line that is must not fill the memory.
const LONGEST: u64 = 32 << 20;
/// Looked at in one go, from the end.
const PIECE: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_is_cut_off_however_long_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::open(directory.path()).unwrap();
        let path = directory.path().join(SAMPLES_FILE);
        cut_torn_line(directory.path(), &folder).unwrap();
        assert!(!path.exists());
        for (torn, kept) in [
            (0, "a\nb\n"),
            (1, "a\nb\n"),
            (200_000, "a\nb\n"),
            (70_000, ""),
        ] {
            std::fs::write(&path, format!("{kept}{}", "x".repeat(torn))).unwrap();
            cut_torn_line(directory.path(), &folder).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), kept, "{torn}");
        }
    }

    // A sparse file costs no disk, and must not cost its length in memory.
    #[test]
    fn a_line_without_end_is_damage_and_the_next_is_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let sample = Sample {
            cell: "base".to_owned(),
            repeat: 1,
            at_ms: 0.0,
            host: "source".to_owned(),
            kind: "cpu".to_owned(),
            data: Value::Null,
        };
        file.as_file().set_len(LONGEST + 10_000).unwrap();
        let mut end = File::options().append(true).open(file.path()).unwrap();
        let json = serde_json::to_string(&sample).unwrap();
        writeln!(end, "\n{json}").unwrap();
        let read: Vec<_> = read_samples(file.path()).unwrap().collect();
        assert_eq!(read.len(), 2);
        let error = read[0].as_ref().unwrap_err().to_string();
        assert!(error.contains("damaged at line 1"), "{error}");
        assert_eq!(read[1].as_ref().unwrap(), &sample);
    }
}
