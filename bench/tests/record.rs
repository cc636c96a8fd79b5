//! The record of a real run (`scenarios/quick.toml` on two cores, one cell of it, lists shortened) as the program shows it.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/quick")
}

fn shown(arguments: &[&str]) -> String {
    let output = Command::cargo_bin("lmbench")
        .unwrap()
        .args(arguments)
        .arg(fixture())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn json_is_the_file_byte_for_byte() {
    let file = fs::read_to_string(fixture().join("record.json")).unwrap();
    assert_eq!(shown(&["show", "--format", "json"]), file);
}

// A terminal of 100 columns; the widest table is the one of metrics.
#[test]
fn show_fits_a_terminal() {
    let text = shown(&["show"]);
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    insta::assert_snapshot!(text);
}
