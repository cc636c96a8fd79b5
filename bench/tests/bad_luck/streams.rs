//! Standard streams: one JSON document or nothing, and readers that go away.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use super::support::{Place, SOUND};

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

/// `lmbench … | head -1`: the reader takes a line and goes; that is no error, and nobody panics.
#[test]
fn readers_may_leave_early() {
    let place = Place::new();
    place.file("luck.toml", SOUND);
    for arguments in [
        &["completions", "bash"][..],
        &["man"],
        &["schema", "scenario"],
        &["doctor"],
        &["run", "luck.toml", "--dry-run"],
    ] {
        let mut command = place.command(arguments);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let mut stdout = BufReader::with_capacity(1, child.stdout.take().expect("piped"));
        stdout.read_line(&mut line).expect("a line of text");
        drop(stdout);
        let mut stderr = String::new();
        let mut pipe = child.stderr.take().expect("piped");
        pipe.read_to_string(&mut stderr).expect("text");
        let status = child.wait().expect("our child");
        assert!(
            status.success() || arguments == ["doctor"],
            "{arguments:?}: {status} {stderr}"
        );
        assert_eq!(stderr, "", "{arguments:?}");
    }
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
