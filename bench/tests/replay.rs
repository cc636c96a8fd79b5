//! `lmbench replay` on the record of a real run, with samples that are made up: passes of 0.7 s over 40 MiB that never get fewer.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::{Value, json};

/// A run's folder with the record of `fixtures/quick` and these samples.
fn run(samples: Option<&str>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let record = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/quick/record.json");
    fs::copy(record, folder.path().join("record.json")).unwrap();
    if let Some(samples) = samples {
        fs::write(folder.path().join("samples.jsonl"), samples).unwrap();
    }
    folder
}

fn saw() -> String {
    let mut lines = String::new();
    for tenth in 0..=60_u64 {
        let (pass, into) = (1 + tenth / 7, tenth % 7);
        let sample = json!({
            "cell": "carrier=tcp", "repeat": 1, "at_ms": tenth * 100, "host": "source", "kind": "migration",
            "data": { "trigger": "interval", "migration": { "status": "active", "ram": {
                "total": 272_000_000_u64, "page-size": 4096, "dirty-sync-count": pass, "mbps": 480.0,
                "transferred": tenth * 6_000_000, "remaining": (7 - into) * 6_000_000,
            } } },
        });
        writeln!(lines, "{sample}").unwrap();
    }
    // What comes after the end no policy is shown.
    let end = json!({
        "cell": "carrier=tcp", "repeat": 1, "at_ms": 6100, "host": "source", "kind": "migration",
        "data": { "trigger": "final", "migration": { "status": "completed" } },
    });
    writeln!(lines, "{end}").unwrap();
    lines
}

fn replay(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("lmbench")
        .unwrap()
        .arg("replay")
        .arg(folder)
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.replace(&*folder.to_string_lossy(), "[RUN]")
    };
    let code = output.status.code().unwrap();
    (code, text(&output.stdout), text(&output.stderr))
}

// A tenth of KubeVirt's cooldown is 1 s; Nova's ramp of this guest takes 3 s between steps at a fiftieth.
#[test]
fn what_policies_would_have_decided() {
    let folder = run(Some(&saw()));
    let arguments = [
        "--policy",
        "static,nova,kubevirt-ramp",
        "--policy",
        "ovirt-post-copy,virsh-timeout-suspend",
        "--set",
        "all.time-scale=0.02",
        "--set",
        "kubevirt-ramp.completion-timeout-per-gib=2000 s",
        "--set",
        "virsh-timeout-suspend.timeout=100 s",
    ];
    let (code, text, errors) = replay(folder.path(), &arguments);
    assert_eq!((code, errors.as_str()), (0, ""));
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn json_has_the_same() {
    let folder = run(Some(&saw()));
    let arguments = [
        "--policy",
        "virsh-timeout-postcopy",
        "--set",
        "virsh-timeout-postcopy.timeout=2 s",
        "--format",
        "json",
    ];
    let (code, text, _) = replay(folder.path(), &arguments);
    assert_eq!(code, 0);
    let document: Value = serde_json::from_str(&text).unwrap();
    let replay = &document["replays"][0];
    assert_eq!(replay["readings"], 61);
    assert_eq!(replay["recorded-policy"], "static");
    let decision = &replay["policies"][0]["decisions"][0];
    // Strictly after 2 s.
    assert_eq!(decision["at-ms"].to_string(), "2100.0");
    assert_eq!(decision["pass"], 4);
    assert_eq!(decision["action"], "start-post-copy");
    assert_eq!(decision["hypothetical"], false);
    assert_eq!(document["limits"].as_array().unwrap().len(), 3);
}

#[test]
fn wrong_words_are_answered() {
    let with = run(Some(&saw()));
    let without = run(None);
    let mut texts = String::new();
    for (folder, arguments) in [
        (&with, &["--policy", "ovirt"][..]),
        (&with, &["--policy", "novva"]),
        (
            &with,
            &["--policy", "nova", "--set", "proxmox.time-scale=2"],
        ),
        (&with, &["--policy", "static", "--set", "all.time-scale=2"]),
        (&with, &["--policy", "nova", "--set", "nova"]),
        (&with, &["--policy", "nova", "--set", "nova.time-scael=2"]),
        (&with, &["--policy", "nova", "--cell", "carrier=udp"]),
        (&with, &["--policy", "nova", "--repeat", "2"]),
        (&without, &["--policy", "nova"]),
    ] {
        let (code, output, errors) = replay(folder.path(), arguments);
        assert_eq!((code, output.as_str()), (2, ""), "{arguments:?}: {errors}");
        assert!(errors.contains("hint: "), "{errors}");
        writeln!(texts, "{arguments:?}\n{errors}").unwrap();
    }
    insta::assert_snapshot!(texts);
}
