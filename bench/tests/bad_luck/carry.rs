//! `lmbench carry` in the wrong way.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::capture::Running;
use super::support::{Place, Said};

const TOKEN: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn source(place: &Place, token: Option<&str>, from: &str, dial: &str) -> Said {
    let mut command = place.command(["carry", "source", "--from", from, "--dial", dial]);
    if let Some(token) = token {
        command.env("LMBENCH_TOKEN", token);
    }
    place.said(command)
}

#[test]
fn wrong_words() {
    let place = Place::new();
    let (unix, there) = ("unix:s", "tcp://127.0.0.1:1");
    let long = format!("unix:/{}", "a".repeat(120));
    let mut texts = Vec::new();
    for (token, from, dial) in [
        (None, unix, there),
        (Some("abc"), unix, there),
        (Some(TOKEN), unix, "http://127.0.0.1:1"),
        (Some(TOKEN), unix, "127.0.0.1:1"),
        (Some(TOKEN), unix, "tcp://127.0.0.1"),
        (Some(TOKEN), "s", there),
        (Some(TOKEN), &long, there),
    ] {
        texts.push(source(&place, token, from, dial).refused(2));
    }
    let missing = [
        "carry",
        "source",
        "--from",
        unix,
        "--dial",
        there,
        "--token-file",
        "nowhere",
    ];
    texts.push(place.run(missing).refused(2));
    insta::assert_snapshot!(texts.join("----\n"));
}

#[test]
fn things_in_the_way() {
    let place = Place::new();
    place.file("taken", "");
    let mut texts = Vec::new();
    for (from, dial) in [
        ("unix:s", "tcp://127.0.0.1:1"),
        ("unix:taken", "tcp://127.0.0.1:1"),
        ("unix:nowhere/s", "tcp://127.0.0.1:1"),
    ] {
        texts.push(source(&place, Some(TOKEN), from, dial).refused(3));
    }
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let port = taken.local_addr().expect("bound").port().to_string();
    let listen = format!("tcp://127.0.0.1:{port}");
    let sink = place.run(["carry", "sink", "--listen", &listen, "--to", "unix:s"]);
    texts.push(sink.refused(3).replace(&port, "[PORT]"));
    insta::assert_snapshot!(texts.join("----\n"));
    let other = place.run([
        "carry",
        "sink",
        "--listen",
        "tcp://192.0.2.1:7000",
        "--to",
        "unix:s",
    ]);
    assert!(other.refused(3).contains("Cannot assign requested address"));
}

/// Kills the sink if the test fails before it ends by itself.
struct Sink(Child);

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_wrong_token() {
    let place = Place::new();
    let arguments = [
        "carry",
        "sink",
        "--listen",
        "tcp://127.0.0.1:0",
        "--to",
        "unix:s",
        "--format",
        "json",
    ];
    let mut command = place.command(arguments);
    let mut sink = Sink(
        command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts"),
    );
    let mut line = String::new();
    let mut stdout = BufReader::new(sink.0.stdout.take().expect("piped"));
    stdout.read_line(&mut line).expect("a line of text");
    let listening: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    let endpoint = listening["endpoint"].as_str().expect("its endpoint");
    let text = source(&place, Some(TOKEN), "unix:s", endpoint).refused(3);
    insta::assert_snapshot!(text.replace(endpoint, "[ENDPOINT]"));
    line.clear();
    stdout.read_line(&mut line).expect("a line of text");
    assert!(
        line.contains("\"refused\"") && !line.contains(TOKEN),
        "{line}"
    );
}

/// The destination's QEMU goes away in the middle, and then both halves are told to end: an orderly end of a stream that is lost.
#[test]
fn a_stream_that_broke() {
    let place = Place::new();
    let destination = UnixListener::bind(place.path().join("b")).expect("the folder is ours");
    let listen = "tcp://127.0.0.1:0";
    let arguments = [
        "carry", "sink", "--listen", listen, "--to", "unix:b", "--format", "json",
    ];
    let mut sink = Running::new(place.command(arguments));
    let listening = sink.event("listening");
    let limits = format!("/proc/{}/limits", sink.id());
    let limits = std::fs::read_to_string(limits).expect("it runs");
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let words: Vec<&str> = core.expect("a limit").split_whitespace().collect();
    assert_eq!(words[4..6], ["1", "1"]);
    place.file("token", listening["token"].as_str().expect("its token"));
    let token = place.path().join("token");
    std::fs::set_permissions(&token, Permissions::from_mode(0o600)).expect("ours");
    let dial = listening["endpoint"].as_str().expect("its endpoint");
    let arguments = [
        "carry",
        "source",
        "--from",
        "unix:a",
        "--dial",
        dial,
        "--token-file",
        "token",
        "--format",
        "json",
    ];
    let mut source = Running::new(place.command(arguments));
    source.event("ready");
    let mut near = UnixStream::connect(place.path().join("a")).expect("it listens");
    near.write_all(b"x").expect("it reads");
    let (far, _) = destination.accept().expect("it comes");
    drop(far);
    while near.write_all(&[7; 1 << 13]).is_ok() {}
    source.event("channel-closed");
    for half in [&source, &sink] {
        let pid = Pid::from_raw(half.id().cast_signed()).expect("a child");
        kill_process(pid, Signal::TERM).expect("it runs");
    }
    for half in [source, sink] {
        let (exit, told) = half.ended();
        assert_eq!(exit, 4, "{told}");
        assert!(told.starts_with("error: the stream broke: "), "{told}");
    }
}

#[test]
fn a_token_that_others_can_read() {
    let place = Place::new();
    place.file("token", TOKEN);
    let token = place.path().join("token");
    std::fs::set_permissions(token, Permissions::from_mode(0o644)).expect("ours");
    let arguments = [
        "carry",
        "source",
        "--from",
        "unix:a",
        "--dial",
        "tcp://127.0.0.1:1",
        "--token-file",
        "token",
    ];
    let said = place.run(arguments).refused(2);
    let expected = "error: others can read token, its mode is 644\nhint: chmod 600 token, and make a new secret if others may have read this one\n";
    assert_eq!(said, expected);
}

/// Whoever names an authority believes the stream encrypted; a carrier that ignored it would leave them in that belief.
#[test]
fn certificates_that_the_carrier_never_shows() {
    let place = Place::new();
    for scheme in ["tcp", "ssh"] {
        let listen = format!("{scheme}://127.0.0.1:0");
        let said = place.run([
            "carry",
            "sink",
            "--listen",
            &listen,
            "--to",
            "unix:s",
            "--ca",
            "ca.pem",
            "--certificate",
            "certificate.pem",
            "--key",
            "key.pem",
        ]);
        let expected = format!(
            "error: carrier {scheme} shows no certificates\nhint: use tls:// or quic://, or leave --ca, --certificate and --key out\n"
        );
        assert_eq!(said.refused(2), expected);
    }
}
