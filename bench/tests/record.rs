//! The record of a real run (`scenarios/quick.toml` on two cores, one cell of it, lists shortened) as the program shows it.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use lmbench::record::Record;
use serde_json::{Value, json};

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

/// A run of many repeats with the events of a real one each: nearly all of its bytes.
fn large(out: &Path, name: &str, repeats: u32) -> PathBuf {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/quick/record.json");
    let mut record: Value = serde_json::from_slice(&fs::read(fixture).unwrap()).unwrap();
    record["run_id"] = json!(name);
    record["complete"] = json!(true);
    let mut repeat = record["cells"][0]["repeats"][0].clone();
    let events = repeat["events"].as_array().unwrap().clone();
    repeat["events"] = events.iter().cycle().take(EVENTS).cloned().collect();
    let mut cell = record["cells"][0].clone();
    cell["repeats"] = json!([]);
    let other = cell["id"].as_str().unwrap().to_owned() + ",x=2";
    record["cells"] = json!([cell, cell]);
    record["cells"][1]["id"] = json!(other);
    let mut text = record.to_string();
    for _ in 0..2 {
        let numbered = (1..=repeats / 2).map(|number| {
            repeat["repeat"] = json!(number);
            repeat.to_string()
        });
        let repeats = numbered.collect::<Vec<_>>().join(",");
        text = text.replacen("\"repeats\":[]", &format!("\"repeats\":[{repeats}]"), 1);
    }
    let folder = out.join(name);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("record.json"), text).unwrap();
    folder
}

// As values, events take some ten times their bytes: the commands that do not tell of them must not make them.
#[test]
fn no_command_that_looks_at_figures_takes_a_large_records_events_in() {
    let out = tempfile::tempdir().unwrap();
    let run = large(out.path(), "large", 1000);
    let bytes = fs::metadata(run.join("record.json")).unwrap().len();
    assert!(bytes > 30 << 20, "{bytes}");
    let cells: Value = {
        let record = Record::read_figures(&run.join("record.json")).unwrap();
        json!(record.cells.iter().map(|cell| &cell.id).collect::<Vec<_>>())
    };
    let sides = [0, 1].map(|cell| format!("large:{}", cells[cell].as_str().unwrap()));
    let file = |name: &str| out.path().join(name).to_str().unwrap().to_owned();
    let (csv, baseline, report) = (file("a.csv"), file("a.json"), file("a.html"));
    for arguments in [
        vec!["compare", &sides[0], &sides[1]],
        vec!["baseline", "large", "-o", &baseline],
        vec!["gate", "large", "--baseline", &baseline],
        vec!["show", "large"],
        vec!["list"],
        vec!["history", "blackout_ms"],
        vec!["export", "large", "--format", "csv", "-o", &csv],
        vec!["report", "large", "-o", &report],
    ] {
        // Data of the process: its heap and stacks. Three times the record, where all of it takes ten.
        let kib = (bytes * 3 + (64 << 20)) >> 10;
        let script = format!("ulimit -d {kib}; exec \"$0\" \"$@\"");
        let output = std::process::Command::new("/bin/sh")
            .args(["-c", &script])
            .arg(assert_cmd::cargo::cargo_bin("lmbench"))
            .args(&arguments)
            .args(["--out", out.path().to_str().unwrap()])
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(
            matches!(output.status.code(), Some(0 | 6)),
            "{arguments:?}: {} {words}",
            output.status
        );
    }
}

/// Of a repeat, so that it has some 35 KB.
const EVENTS: usize = 350;
