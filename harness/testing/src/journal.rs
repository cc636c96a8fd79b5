//! Which live tests ran, which were skipped and why, and what a test could not show.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::Duration;

/// Names the file to which lines are appended: `ran`, `skipped` or `not proven`, the test, and the seconds, the reason or the claim, between tabs.
pub const JOURNAL_VARIABLE: &str = "LMBENCH_TEST_JOURNAL";

pub(crate) fn ran(took: Duration) {
    append(&format!("ran\t{}\t{:.3}\n", test(), took.as_secs_f64()));
}

pub(crate) fn skipped(why: &str) {
    // Past the test harness, which would swallow what a passing test prints.
    let _ = std::io::stderr().write_all(format!("SKIPPED {}: {why}\n", test()).as_bytes());
    append(&format!("skipped\t{}\t{why}\n", test()));
}

pub(crate) fn not_proven(what: &str) {
    let _ = std::io::stderr().write_all(format!("NOT PROVEN {}: {what}\n", test()).as_bytes());
    append(&format!("not proven\t{}\t{what}\n", test()));
}

fn append(line: &str) {
    let Some(path) = std::env::var_os(JOURNAL_VARIABLE) else {
        return;
    };
    let mut file = OpenOptions::new().append(true).create(true).open(&path);
    let written = file
        .as_mut()
        .map(|file| file.write_all(line.as_bytes()).is_ok());
    assert!(
        written.is_ok_and(|written| written),
        "{JOURNAL_VARIABLE} names a file that can be written: {}",
        path.display()
    );
}

/// `BINARY TEST`: the test harness names its threads by the tests that they run.
fn test() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let binary = stem.rsplit_once('-').map_or(&*stem, |(name, _hash)| name);
    let thread = std::thread::current();
    format!("{binary} {}", thread.name().unwrap_or("?"))
}
