//! Standard streams: one JSON document or nothing, and readers that go away.

use std::fs::File;
use std::io::pipe;
use std::process::{Command, Output, Stdio};

use super::history::REPORT;
use super::store::begun;
use super::support::{Place, SOUND};

const RUN: &str = "20260301-120000-luck-1f3c";

#[test]
fn json_is_one_document() {
    let place = Place::new();
    for arguments in [
        &["list", "--format", "json"][..],
        &["doctor", "--format", "json"],
        &["schema", "scenario"],
        &["schema", "record"],
    ] {
        let said = place.run(arguments);
        let document: Result<serde_json::Value, _> = serde_json::from_str(&said.stdout);
        assert!(document.is_ok(), "{arguments:?}: {said:?}");
    }
}

#[test]
fn json_errors_leave_stdout_empty() {
    let place = Place::new();
    place.file("bad.toml", "nmae = 1\n");
    for arguments in [
        &["run", "bad.toml", "--format", "json"][..],
        &["show", "x", "--format", "json"],
    ] {
        place.run(arguments).refused(2);
    }
}

/// Commands that print nothing of their own, or nothing while nobody is at the other end.
const PRINT_NOTHING: [&str; 3] = ["agent", "link", "capture"];

/// A line for every other command; `RUN` is a run with two migrations and a sample.
const PRINTING: [&[&str]; 28] = [
    &["--help"],
    &["--version"],
    &["run", "luck.toml", "--dry-run"],
    &["run", "luck.toml", "--resume", "RUN"],
    &["run", "luck.toml", "--resume", "RUN", "--format", "json"],
    &["scenarios"],
    &["scenarios", "--format", "json"],
    &["scenarios", "quick"],
    &["init", "-"],
    &["list"],
    &["list", "--format", "json"],
    &["show", "RUN", "--events"],
    &["compare", "RUN", "RUN"],
    &["history", "downtime_ms"],
    &["export", "RUN", "--format", "csv", "-o", "-"],
    &["export", "RUN", "--format", "parquet", "-o", "-"],
    &["export", "RUN", "--format", "openmetrics", "-o", "-"],
    &["import", "guestperf", REPORT],
    &["replay", "RUN", "--policy", "all"],
    &["baseline", "RUN", "-o", "-"],
    &["gate", "RUN"],
    &["report", "RUN", "--format", "html"],
    &["ctl", "RUN", "status"],
    &["doctor"],
    &["selftest", "--list"],
    &["schema", "record"],
    &["completions", "bash"],
    &["man", "run"],
];

/// A folder in which each of them has something to print.
fn furnished() -> Place {
    let place = Place::new();
    place.file("luck.toml", SOUND);
    begun(&place, RUN, "luck", SOUND, 2)
        .finish()
        .expect("the lock is ours");
    let samples = (0..20).map(|tenth| {
        format!(
            "{{\"cell\":\"base\",\"repeat\":1,\"at_ms\":{}.0,\"host\":\"source\",\"kind\":\"migration\",\"data\":{{\"trigger\":\"interval\",\
             \"migration\":{{\"status\":\"active\",\"ram\":{{\"total\":1,\"page-size\":4096,\"dirty-sync-count\":1,\"mbps\":1.0,\"transferred\":1,\
             \"remaining\":1}}}}}}}}\n",
            tenth * 100
        )
    });
    place.file(
        &format!("results/{RUN}/samples.jsonl"),
        samples.collect::<String>(),
    );
    place
}

/// `lmbench … | head -1`: that nobody reads on is no error of any command, whose exit code and whose words on stderr stay the same.
#[test]
fn readers_may_leave() {
    let mut commands: Vec<String> = lmbench::cli::command()
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    commands.retain(|name| !PRINT_NOTHING.contains(&name.as_str()));
    // Its far end is asked for before it prints anything more: it is tried below, alone.
    commands.retain(|name| name != "carry");
    for name in commands {
        assert!(
            PRINTING.iter().any(|words| words[0] == name),
            "{name} is not tried"
        );
    }
    for words in PRINTING {
        let words: Vec<&str> = words
            .iter()
            .map(|word| if *word == "RUN" { RUN } else { word })
            .collect();
        let heard = furnished().run(&words);
        assert!(
            !heard.stdout.is_empty() || words[0] == "ctl",
            "{words:?}: {heard:?}"
        );
        let place = furnished();
        let unheard = place.read(&unread(place.command(&words)));
        assert_eq!(
            (unheard.code, &unheard.stderr),
            (heard.code, &heard.stderr),
            "{words:?}"
        );
        assert!(
            !unheard.stderr.contains("panicked"),
            "{words:?}: {}",
            unheard.stderr
        );
    }
    // Ends with its owner, which is at the other end of its stdin.
    let place = Place::new();
    let mut sink = place.command([
        "carry",
        "sink",
        "--listen",
        "tcp://127.0.0.1:0",
        "--to",
        "discard:",
        "--owner-on-stdin",
    ]);
    sink.stdin(Stdio::null());
    let unheard = place.read(&unread(sink));
    assert_eq!(unheard.stderr, "");
}

/// What a command says whose standard output nobody reads from the beginning.
fn unread(mut command: Command) -> Output {
    let (reader, writer) = pipe().expect("a pipe can be made");
    drop(reader);
    command
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts")
        .wait_with_output()
        .expect("our child")
}

/// A full disk behind stdout is an error; one behind stderr changes nothing.
#[test]
fn a_full_disk_behind_a_stream() {
    let place = Place::new();
    let full = || {
        File::options()
            .write(true)
            .open("/dev/full")
            .expect("Linux has it")
    };
    let mut command = place.command(["schema", "record"]);
    let output = command.stdout(full()).output().expect("the binary starts");
    let said = place.read(&output);
    assert_eq!(said.code, 1);
    assert!(
        said.stderr
            .starts_with("error: can't write to stdout: No space left"),
        "{said:?}"
    );
    let mut command = place.command(["run", "missing.toml"]);
    let status = command.stderr(full()).status().expect("the binary starts");
    assert_eq!(status.code(), Some(2));
}
