//! The fuzzers' readers over their seeds and over all that ever stopped them: what was found stays found, and they can not rot.
//!
//! The fuzzers themselves take a nightly compiler and time; see `fuzz/README.md`.

use std::fs;
use std::path::{Path, PathBuf};

#[path = "../fuzz/read/qmp.rs"]
mod qmp;
#[path = "../fuzz/read/record.rs"]
mod record;
#[path = "../fuzz/read/scenario.rs"]
mod scenario;

/// Reads every file of these folders, whole and cut in the middle.
fn each(folders: &[&str], read: impl Fn(&[u8])) {
    for folder in folders {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let entries =
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let entries = entries.map(|entry| entry.expect("a readable folder").path());
        let files: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
        assert!(!files.is_empty(), "{}", folder.display());
        for file in files {
            println!("{}", file.display());
            let bytes = fs::read(&file).expect("a readable file");
            read(&bytes);
            read(&bytes[..bytes.len() / 2]);
        }
    }
}

#[test]
fn scenarios() {
    each(
        &[
            "../scenarios",
            "tests/scenario_errors",
            "fuzz/seeds/scenario",
        ],
        scenario::read,
    );
}

#[test]
fn records() {
    each(
        &[
            "tests/fixtures/quick",
            "record/src/record/fixtures",
            "fuzz/seeds/record",
        ],
        record::read,
    );
}

#[test]
fn qmp_and_agents() {
    each(&["fuzz/seeds/qmp"], qmp::read);
}
