//! The calibration beside the runs, which is read from a file that may hold anything.

use std::fs;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use crate::files::{self, Folder};

use super::{Store, StoreError};
use crate::error::json_problem;
use crate::output;
use crate::record::Calibration;
use crate::text::clean_short;

/// Why a calibration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    /// It is there and can't be read.
    #[error("cannot read the calibration {path:?}: {source}{AGAIN}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is greater than any calibration.
    #[error("the calibration {path:?} is larger than {} KiB{AGAIN}", BYTES_MAX >> 10)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is no JSON, or cut off, or no calibration.
    #[error("the calibration {path:?} is damaged at line {}, column {}: {problem}{AGAIN}", source.line(), source.column())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, without the place.
        problem: String,
        /// The parser's error.
        source: serde_json::Error,
    },
    /// It says what can't be.
    #[error("the calibration {path:?} contradicts itself: {problem}{AGAIN}")]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// What it says.
        problem: String,
    },
}

impl Store {
    /// Where the calibration lies, if there is one.
    pub fn calibration_path(&self) -> PathBuf {
        self.out_dir.join(CALIBRATION_FILE)
    }

    /// The calibration that was kept last; `None` if there is none.
    pub fn calibration(&self) -> Result<Option<Calibration>, CalibrationError> {
        let path = self.calibration_path();
        match bytes(&path) {
            Ok(None) => Ok(None),
            Ok(Some(bytes)) if bytes.len() as u64 > BYTES_MAX => {
                Err(CalibrationError::TooLarge { path })
            }
            Ok(Some(bytes)) => from_json(&bytes, path).map(Some),
            Err(source) => Err(CalibrationError::Io { path, source }),
        }
    }

    /// Keeps a calibration instead of the one before. At every moment the file is the old one or the new one.
    pub fn keep_calibration(&self, calibration: &Calibration) -> Result<PathBuf, StoreError> {
        let path = self.calibration_path();
        Folder::make(&self.out_dir)
            .map_err(|error| StoreError::io("make the folder", &self.out_dir, error))?;
        // Numbers are finite and keys are strings, so nothing can fail.
        let mut text = serde_json::to_string_pretty(calibration).unwrap_or_default();
        text.push('\n');
        output::write(&path, &text).map_err(|error| StoreError::io("write", &path, error))?;
        Ok(path)
    }
}

/// One byte more than allowed at most; `None` without a file.
fn bytes(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::metadata(path) {
        // Opening a pipe would wait for ever for somebody to write.
        Ok(found) if !found.is_file() => return Err(io::Error::other("it is no file")),
        Ok(_) => {}
        // Where `--out` is no folder, another error will say so.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    }
    let mut bytes = Vec::new();
    files::open_plain(path)?
        .take(BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn from_json(bytes: &[u8], path: PathBuf) -> Result<Calibration, CalibrationError> {
    let calibration: Calibration = match serde_json::from_slice(bytes) {
        Ok(calibration) => calibration,
        Err(source) => {
            let problem = clean_short(&json_problem(&source), LONGEST_QUOTE);
            return Err(CalibrationError::Damaged {
                path,
                problem,
                source,
            });
        }
    };
    match calibration.contradiction() {
        None => Ok(calibration),
        Some(problem) => Err(CalibrationError::Contradiction {
            path,
            problem: clean_short(&problem, LONGEST_QUOTE),
        }),
    }
}

/// The calibration's file among the runs.
pub const CALIBRATION_FILE: &str = "calibration.json";
/// A calibration has some 10 KiB.
const BYTES_MAX: u64 = 1 << 20;
const LONGEST_QUOTE: usize = 200;
const AGAIN: &str = "; make it again by `lmbench doctor --calibrate`, or remove it";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::example;
    use crate::store::Filter;

    fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().join("results"));
        (directory, store)
    }

    #[test]
    fn it_is_kept_and_is_no_run() {
        let (_directory, store) = store();
        assert!(store.calibration().unwrap().is_none());
        let mut calibration = example::calibration();
        store.keep_calibration(&calibration).unwrap();
        assert_eq!(store.calibration().unwrap().as_ref(), Some(&calibration));
        calibration.took_s = 1.0;
        store.keep_calibration(&calibration).unwrap();
        assert_eq!(store.calibration().unwrap(), Some(calibration));
        let files = fs::read_dir(store.out_dir()).unwrap().count();
        assert_eq!(files, 1, "no other file is left beside it");
        assert!(store.list(&Filter::default()).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_calibration_is_told_with_its_file_and_its_mend() {
        let whole = serde_json::to_string(&example::calibration()).unwrap();
        let cut = whole[..whole.len() / 2].to_owned();
        let huge = format!("{{\"measured\": \"{}\"", "x".repeat(2 << 20));
        let long = format!("{{\"took_s\": \"{}\"}}", "y".repeat(1 << 19));
        let cases = [
            (String::new(), "EOF"),
            (cut, "EOF"),
            (whole.replace("412.0", "NaN"), "expected"),
            (whole.replace("412.0", "1e999"), "number out of range"),
            (whole.replace("412.0", "-412.0"), "has the value -412"),
            (
                whole.replace("\"us\"", "\"\\u001b[31mfurlongs\""),
                "unknown variant",
            ),
            (huge, "larger than 1024 KiB"),
            (long, "invalid type"),
            ("[".repeat(100_000), "invalid type"),
            ("\"\u{0}\"".to_owned(), "control character"),
        ];
        let (_directory, store) = store();
        fs::create_dir_all(store.out_dir()).unwrap();
        for (text, expected) in cases {
            fs::write(store.calibration_path(), &text).unwrap();
            let told = store.calibration().unwrap_err().to_string();
            assert!(told.contains(expected), "{expected}: {told}");
            assert!(
                told.contains("calibration.json") && told.contains("doctor --calibrate"),
                "{told}"
            );
            assert!(told.len() < 1000 && !told.contains('\u{1b}'), "{told}");
        }
        fs::remove_file(store.calibration_path()).unwrap();
        fs::create_dir(store.calibration_path()).unwrap();
        let told = store.calibration().unwrap_err().to_string();
        assert!(told.contains("it is no file"), "{told}");
        assert!(store.keep_calibration(&example::calibration()).is_err());
    }

    #[test]
    fn what_a_program_of_tomorrow_adds_is_passed_over() {
        let (_directory, store) = store();
        let path = store.keep_calibration(&example::calibration()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen('{', "{ \"moon\": \"full\",", 1)).unwrap();
        assert_eq!(store.calibration().unwrap(), Some(example::calibration()));
    }
}
