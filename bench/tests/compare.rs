//! `lmbench compare` on the record of a real run, whose repeats are multiplied and made slower.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::{Value, json};

/// A run made of the first repeat of `fixtures/quick`, eight times over, with times `factor` as long; ± 1 % of scatter.
fn run(out: &Path, name: &str, factor: f64, change: impl Fn(&mut Value)) -> PathBuf {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/quick/record.json");
    let mut record: Value = serde_json::from_slice(&fs::read(fixture).unwrap()).unwrap();
    record["run_id"] = json!(name);
    let cell = &mut record["cells"][0];
    let first = cell["repeats"][0].clone();
    let repeats = (1..=8_i32).map(|number| {
        let mut repeat = first.clone();
        repeat["repeat"] = json!(number);
        repeat["started_ms"] = json!(f64::from(number) * 1e4);
        let scatter = 1.0 + f64::from(number * 5 % 8 - 4) / 400.0;
        for (id, value) in repeat["metrics"].as_object_mut().unwrap() {
            let factor = if id == "total_time_ms" { factor } else { 1.0 };
            if let Some(number) = value.as_f64() {
                *value = json!(number * scatter * factor);
            }
        }
        repeat
    });
    cell["repeats"] = repeats.collect();
    change(&mut record);
    let folder = out.join(name);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("record.json"), record.to_string()).unwrap();
    folder
}

fn compared(out: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("lmbench")
        .unwrap()
        .arg("compare")
        .arg("--out")
        .arg(out)
        .args(arguments)
        // Plans are asked of no QEMU that may or may not be here.
        .env("LMBENCH_QEMU", "/nowhere/qemu")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.replace(&*out.to_string_lossy(), "[OUT]")
    };
    let code = output.status.code().unwrap();
    (code, text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_slower_run_is_told_and_is_no_error() {
    let out = tempfile::tempdir().unwrap();
    run(out.path(), "base", 1.0, |_| ());
    run(out.path(), "slow", 1.2, |record| {
        record["environment"]["qemu"] = json!("11.0.0");
    });
    let (code, text, _) = compared(out.path(), &["base", "slow"]);
    assert_eq!(code, 0);
    assert!(
        text.starts_with("worse, not interleaved: total_time_ms × 1.2"),
        "{text}"
    );
    insta::assert_snapshot!(text);

    let (code, text, notes) = compared(out.path(), &["base", "slow", "--format", "json"]);
    assert_eq!((code, notes.as_str()), (0, ""));
    let comparison: Value = serde_json::from_str(&text).unwrap();
    let metrics = comparison["cells"][0]["metrics"].as_array().unwrap();
    let total = metrics
        .iter()
        .find(|metric| metric["id"] == "total_time_ms")
        .unwrap();
    assert_eq!(total["verdict"], "worse");
    assert!((total["effect"]["ratio"].as_f64().unwrap() - 1.2).abs() < 1e-9);
    assert_eq!(comparison["environment"][0]["what"], "QEMU");
}

#[test]
fn a_run_is_the_same_as_itself() {
    let out = tempfile::tempdir().unwrap();
    run(out.path(), "base", 1.0, |_| ());
    let (code, text, _) = compared(out.path(), &["base", "base"]);
    assert_eq!(code, 0);
    assert!(
        text.starts_with("no difference that these figures can tell"),
        "{text}"
    );
}

#[test]
fn a_cell_that_does_not_converge_comes_first() {
    let out = tempfile::tempdir().unwrap();
    run(out.path(), "base", 1.0, |_| ());
    run(out.path(), "lost", 1.2, |record| {
        for repeat in record["cells"][0]["repeats"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .skip(1)
        {
            repeat["outcome"] = json!("did-not-converge");
            repeat["reason"] = json!("too \u{1b}[31mslow");
        }
    });
    let (code, text, _) = compared(out.path(), &["base", "lost"]);
    assert_eq!(code, 0);
    let first = text.lines().next().unwrap();
    assert!(
        first.contains("8 completed; then 1 completed, 7 did not converge (worse"),
        "{text}"
    );
}

#[test]
fn two_scenarios_take_turns() {
    let out = tempfile::tempdir().unwrap();
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/quick.toml");
    let scenario = scenario.to_str().unwrap();
    let only = [
        "--interleave",
        "--dry-run",
        "--repeats",
        "4",
        "--only",
        "carrier=tcp",
    ];
    let (code, text, problem) = compared(out.path(), &[&[scenario, scenario][..], &only].concat());
    assert_eq!(code, 3, "without a QEMU: {problem}");
    assert!(text.contains("2 cells, 8 migrations"), "{text}");
    for id in ["variant=base,carrier=tcp", "variant=candidate,carrier=tcp"] {
        assert!(text.contains(id), "{text}");
    }
    let (code, _, problem) = compared(out.path(), &["base", "candidate", "--dry-run"]);
    assert_eq!(code, 2);
    assert!(problem.contains("--interleave"), "{problem}");
}

/// A program that says what it is, and nothing else.
fn program(folder: &Path, name: &str, says: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\necho '{says}'\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn two_programs_take_turns_on_one_scenario() {
    let out = tempfile::tempdir().unwrap();
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/quick.toml");
    let scenario = scenario.to_str().unwrap();
    let old = program(out.path(), "old", "QEMU emulator version 9.2.0");
    let new = program(out.path(), "new", "QEMU emulator version 10.1.0");
    let plan = |options: &[&str]| {
        let fixed = [
            "--interleave",
            scenario,
            "--dry-run",
            "--repeats",
            "4",
            "--only",
            "carrier=tcp",
        ];
        compared(out.path(), &[&fixed[..], options].concat())
    };
    let (code, text, problem) = plan(&["--qemu", &old, "--qemu", &new]);
    assert_eq!(code, 3, "these are no QEMUs: {problem}");
    assert!(text.contains("2 cells, 8 migrations"), "{text}");
    assert!(text.contains("variant=candidate,carrier=tcp"), "{text}");

    let mut answers = String::new();
    for options in [
        &["--qemu", old.as_str()][..],
        &["--qemu", &old, "--qemu", &new, "--qemu", &new],
        &["--binary", &old, "--binary", &new],
        &["--qemu", &old, "--qemu", "[OUT]/none"],
        &["--qemu", &old, "--binary", &new],
        &[scenario, "--qemu", &old, "--qemu", &new],
        &[],
    ] {
        let (code, text, problem) = plan(options);
        assert_eq!((code, text.as_str()), (2, ""), "{options:?}");
        let words = options
            .join(" ")
            .replace(&*out.path().to_string_lossy(), "[OUT]");
        writeln!(answers, "{words}\n{problem}").unwrap();
    }
    let answers = answers.replace(scenario, "[SCENARIO]");
    insta::assert_snapshot!(answers);
    // Without turns there is nothing for them to do.
    let (code, _, problem) = compared(out.path(), &["base", "--qemu", &old, "--qemu", &new]);
    assert_eq!(code, 2);
    assert!(problem.contains("--interleave"), "{problem}");
}

#[test]
fn wrong_words_are_answered() {
    let out = tempfile::tempdir().unwrap();
    run(out.path(), "base", 1.0, |record| {
        record["cells"][0]["id"] = json!("carrier=\u{1b}[31mtcp");
    });
    fs::create_dir(out.path().join("broken")).unwrap();
    fs::write(out.path().join("broken/record.json"), "{\"format\":").unwrap();
    let mut answers = String::new();
    for arguments in [
        &["base", "nothing"][..],
        &["base", "broken"],
        &["base", "base:carrier=quik"],
        &["base:", "base"],
        &["base", "base", "--metric", "total_time"],
    ] {
        let (code, text, problem) = compared(out.path(), arguments);
        assert_eq!((code, text.as_str()), (2, ""), "{arguments:?}");
        assert!(!problem.contains('\u{1b}'), "{problem}");
        writeln!(answers, "{}\n{problem}", arguments.join(" ")).unwrap();
    }
    insta::assert_snapshot!(answers);
}
