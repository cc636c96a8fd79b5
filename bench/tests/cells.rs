//! `--cell KEY=VALUE` means the same in every command that shows or judges the cells of a run.

use std::path::Path;
use std::process::{Command, Output};

const RUN: &str = "20261201-033907-wan-9402";
const READERS: &[&[&str]] = &[
    &["show", RUN],
    &["show", RUN, "--format", "json"],
    &["report", RUN],
    &["report", RUN, "--format", "html"],
    &["report", RUN, "--format", "markdown"],
    &["export", RUN, "--format", "csv", "-o", "-"],
    &["export", RUN, "--format", "openmetrics", "-o", "-"],
    &["baseline", RUN, "-o", "-"],
    &["history", "total_time_ms"],
    &["gate", RUN, "--all", "--tolerance", "total_time_ms=<= 1 h"],
];

fn lmbench(arguments: &[&str], cell: &str) -> Output {
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/published");
    Command::new(env!("CARGO_BIN_EXE_lmbench"))
        .args(arguments)
        .args(["--cell", cell, "--out"])
        .arg(published)
        .output()
        .unwrap()
}

#[test]
fn every_command_takes_cells_by_their_parameters() {
    for arguments in READERS {
        let output = lmbench(arguments, "carrier=tls");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        let text = String::from_utf8_lossy(&output.stdout);
        // Of the scenario's own text nothing is left out.
        let has = |carrier: &str| {
            let spellings = ["=", "=\"", "\": \""].map(|sign| format!("carrier{sign}{carrier}"));
            spellings.iter().any(|spelling| text.contains(spelling))
        };
        assert!(!has("quic"), "{arguments:?}: {text}");
        if arguments[0] == "report" && arguments.len() > 2 {
            assert!(
                text.contains("has 4 cells more that were not chosen."),
                "{text}"
            );
        }
    }
}

#[test]
fn a_value_that_no_cell_has_is_told_with_those_that_there_are() {
    let of_one_run = |arguments: &&&[&str]| arguments[0] != "history";
    for arguments in READERS.iter().filter(of_one_run) {
        let output = lmbench(arguments, "carrier=tl");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("did you mean `tls`?"), "{stderr}");
    }
}
