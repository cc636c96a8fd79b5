//! A capture is whole if a QEMU that never saw the source runs the guest from it: migrate through the tee, then play the file to a
//! fresh destination with the same command line.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use lmbench_harness::qmp::{Event, Events, MigrationStatus, Qmp, RunState};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// Far above what anything here needs; only something that never happens reaches it.
const PATIENCE: Duration = Duration::from_mins(1);

/// A QEMU with firmware and nothing to boot; killed when dropped.
struct Machine {
    qmp: Qmp,
    events: Events,
    _process: Child,
}

impl Machine {
    async fn start(folder: &Path, name: &str, multifd: bool, incoming: bool) -> Self {
        let socket = folder.join(format!("{name}.qmp"));
        let mut command = Command::new("qemu-system-x86_64");
        command.args("-accel tcg -machine q35 -m 128 -nodefaults -display none".split(' '));
        if incoming {
            command.args(["-incoming", "defer"]);
        }
        let qmp = format!("unix:{},server=on,wait=off", socket.display());
        command.args(["-qmp", &qmp]).kill_on_drop(true);
        let process = command.spawn().unwrap_or_else(|error| {
            panic!("cannot start qemu-system-x86_64 ({error}): run harness/setup.sh")
        });
        let qmp = Qmp::connect(&socket, PATIENCE).await.unwrap();
        let capabilities = [
            ("events", true),
            ("return-path", true),
            ("multifd", multifd),
        ];
        qmp.set_capabilities(&capabilities).await.unwrap();
        if multifd {
            let channels = Map::from_iter([("multifd-channels".to_owned(), json!(2))]);
            qmp.set_parameters(channels).await.unwrap();
        }
        if incoming {
            let uri = format!("unix:{}", folder.join(name).display());
            qmp.migrate_incoming(&uri).await.unwrap();
        }
        Self {
            events: qmp.events(),
            qmp,
            _process: process,
        }
    }

    async fn next_event(&mut self) -> Event {
        let event = timeout(PATIENCE, self.events.next()).await;
        event.expect("it goes on soon or never").unwrap()
    }

    /// Waits until the guest runs here.
    async fn runs(&mut self) {
        while self.next_event().await.name != "RESUME" {}
        assert_eq!(self.qmp.query_status().await.unwrap(), RunState::Running);
    }
}

/// An `lmbench` at work; killed when dropped.
struct Program {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn start(folder: &Path, token: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lmbench"));
        command.args(arguments).args(["--format", "json"]);
        command.current_dir(folder).env("LMBENCH_TOKEN", token);
        command.stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let stdout = process.stdout.take().unwrap();
        let lines = BufReader::new(stdout).lines();
        Self { process, lines }
    }

    /// The next event of this name.
    async fn event(&mut self, name: &str) -> Value {
        loop {
            let line = timeout(PATIENCE, self.lines.next_line()).await;
            let line = line.expect("it speaks soon or never").unwrap();
            let line = line.unwrap_or_else(|| panic!("it ended before {name}"));
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == name {
                return event;
            }
        }
    }

    async fn succeeds(mut self) {
        let status = timeout(PATIENCE, self.process.wait()).await;
        let status = status.expect("it ends soon or never").unwrap();
        assert!(status.success(), "{status}");
    }
}

/// Migrates through the tee, and plays the file twice: to a comparison, and to a destination that runs it.
async fn captured_and_played(multifd: bool, channels: u64) {
    let Some(_turn) = lmbench_testing::live(&[]) else {
        return;
    };
    let place = TempDir::new().unwrap();
    let folder = place.path();
    let (mut source, mut destination) = tokio::join!(
        Machine::start(folder, "source", multifd, false),
        Machine::start(folder, "first", multifd, true),
    );
    let tee = [
        "capture",
        "--listen",
        "unix:tee",
        "--to",
        "unix:first",
        "-o",
        "stream",
    ];
    let mut tee = Program::start(folder, "", &tee);
    tee.event("listening").await;
    let uri = format!("unix:{}", folder.join("tee").display());
    source.qmp.migrate(&uri).await.unwrap();
    loop {
        match source.next_event().await.migration_status() {
            Some(MigrationStatus::Completed) => break,
            Some(status) => assert!(!status.is_final(), "{status:?}"),
            None => {}
        }
    }
    destination.runs().await;
    let finished = tee.event("finished").await;
    assert_eq!(
        (&finished["channels"], &finished["whole"]),
        (&channels.into(), &true.into()),
        "{finished}"
    );
    // The return path speaks too.
    assert!(finished["to_source_bytes"].as_u64() > Some(0), "{finished}");
    tee.succeeds().await;
    drop((source, destination));

    let mut fresh = Machine::start(folder, "second", multifd, true).await;
    for to in ["verify:stream", "unix:second"] {
        let sink = ["carry", "sink", "--listen", "tcp://127.0.0.1:0", "--to", to];
        let mut sink = Program::start(folder, "", &sink);
        let listening = sink.event("listening").await;
        let (endpoint, token) = (&listening["endpoint"], &listening["token"]);
        let play = [
            "carry",
            "source",
            "--dial",
            endpoint.as_str().unwrap(),
            "--replay",
            "stream",
        ];
        let mut play = Program::start(folder, token.as_str().unwrap(), &play);
        let played = play.event("replayed").await;
        assert_eq!(
            played["sent_bytes"], finished["to_destination_bytes"],
            "{played}"
        );
        play.succeeds().await;
        sink.succeeds().await;
    }
    fresh.runs().await;
}

#[tokio::test]
async fn a_fresh_destination_runs_the_guest_from_the_file() {
    captured_and_played(false, 1).await;
}

#[tokio::test]
async fn a_fresh_destination_runs_it_from_several_channels() {
    captured_and_played(true, 3).await;
}
