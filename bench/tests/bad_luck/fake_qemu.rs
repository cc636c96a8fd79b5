//! A program that says it is QEMU 7.2, for the one check that no QEMU at hand can fail. It can do nothing else.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use super::support::{Place, live, without_versions};

const GREETING: &str = r#"{"QMP": {"version": {"qemu": {"micro": 9, "minor": 2, "major": 7}, "package": ""}, "capabilities": []}}"#;

/// A script that starts [`speaks_as_qemu_7_2`] of this very test program with QEMU's arguments in the environment.
fn script(place: &Place) -> PathBuf {
    let program = std::env::current_exe().expect("we run");
    let text = format!(
        "#!/bin/sh\nFAKE_QEMU=\"$*\" exec '{}' --ignored --exact fake_qemu::speaks_as_qemu_7_2\n",
        program.display()
    );
    let path = place.file("qemu", text);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("our file");
    path
}

/// No test: the fake, started by the script. `cargo test -- --ignored` finds it without arguments, and it does nothing.
#[test]
#[ignore = "the fake QEMU itself"]
fn speaks_as_qemu_7_2() {
    let Ok(arguments) = std::env::var("FAKE_QEMU") else {
        return;
    };
    let path = arguments
        .split([' ', ','])
        .find_map(|part| part.strip_prefix("path="))
        .expect("a monitor's socket");
    let listener = UnixListener::bind(path).expect("the lab's folder");
    let (stream, _) = listener.accept().expect("lmbench connects");
    let mut output = stream.try_clone().expect("a descriptor");
    writeln!(output, "{GREETING}").expect("lmbench listens");
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let request: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let reply = serde_json::json!({ "return": {}, "id": request["id"] });
        if writeln!(output, "{reply}").is_err() {
            return;
        }
    }
}

#[test]
fn an_old_qemu_is_refused_by_its_version() {
    let Some(_turn) = live() else {
        return;
    };
    let place = Place::new();
    place.file("luck.toml", super::support::SOUND);
    let mut command = place.command(["run", "luck.toml"]);
    command.env("LMBENCH_QEMU", script(&place));
    let text = place.said(command).refused(3);
    insta::assert_snapshot!(without_versions(&text), @r"
    error: QEMU [VERSION] ([PLACE]/qemu) is too old: lmbench needs 8.2 or newer
    hint: LMBENCH_QEMU names it: unset it, or name a QEMU; `lmbench doctor` tells what is there
    ");
}
