//! `lmbench report` as a user gets it: the files it writes, and how the HTML behaves in a real browser.
//!
//! The browser's tests say so and pass where no browser is installed (`apt-get install chromium-headless-shell`).

mod browser;
mod devtools;
mod run;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;

/// Runs `lmbench report` with paths of runs and further arguments.
fn lmbench(runs: &[&Path], arguments: &[&str]) -> Output {
    Command::cargo_bin("lmbench")
        .unwrap()
        .arg("report")
        .args(runs)
        .args(arguments)
        .output()
        .unwrap()
}

/// A folder with a run in `run` and its report.
pub(crate) fn reported(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    run::write(&run, name, 8);
    let file = folder.path().join("report.html");
    let output = lmbench(&[&run], &["-o", file.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout.is_empty(), "the report is in the file");
    (folder, file)
}

#[test]
fn two_renders_are_byte_identical_in_every_form() {
    let (folder, _) = reported("made-up");
    let run = folder.path().join("run");
    for form in ["html", "markdown", "text"] {
        let render = || lmbench(&[&run], &["--format", form]).stdout;
        let first = render();
        assert!(first.len() > 500, "{form}");
        assert_eq!(first, render(), "{form}");
    }
}

#[test]
fn the_answers_say_what_is_real() {
    let (folder, _) = reported("made-up");
    let text = lmbench(&[&folder.path().join("run")], &[]).stdout;
    let text = String::from_utf8(text)
        .unwrap()
        .replace("\n           ", " ");
    assert!(
        text.contains("post-copy is the only policy that always converges here"),
        "{text}"
    );
    assert!(
        text.contains(
            "quic (14 of 16 completed) gives 0.71 × the throughput, has 1.40 × the blackout"
        ),
        "{text}"
    );
}

#[test]
fn the_files_name_says_the_form() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    run::write(&run, "made-up", 3);
    for (name, beginning) in [
        ("a.html", "<!doctype html>"),
        ("a.md", "# made-up"),
        ("a.txt", "made-up: "),
    ] {
        let file = folder.path().join(name);
        let output = lmbench(&[&run, &run], &["-o", file.to_str().unwrap()]);
        assert!(output.status.success(), "{output:?}");
        assert!(
            fs::read_to_string(&file).unwrap().starts_with(beginning),
            "{name}"
        );
    }
    let output = lmbench(&[&run], &["-o", "report.pdf"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("report.pdf") && text.contains("hint: "),
        "{text}"
    );
    let nowhere = folder.path().join("nowhere/a.html");
    assert_eq!(
        lmbench(&[&run], &["-o", nowhere.to_str().unwrap()])
            .status
            .code(),
        Some(3)
    );
}

#[test]
fn damaged_records_are_named_and_damaged_samples_cost_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    run::write(&run, "made-up", 3);
    let samples = run.join("samples.jsonl");
    let text = fs::read_to_string(&samples).unwrap();
    fs::write(&samples, format!("no sample\n{text}{{\"torn")).unwrap();
    let output = lmbench(&[&run], &["--format", "html"]);
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(page.contains("1 line of") && page.contains("id=\"tl-0\""));
    let record = run.join("record.json");
    let whole = fs::read_to_string(&record).unwrap();
    fs::write(&record, &whole[..whole.len() / 2]).unwrap();
    let output = lmbench(&[&run], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("record.json")
    );
}
