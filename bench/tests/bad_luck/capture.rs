//! `lmbench capture` and `--replay` on the real binary: wrong words, full disks, and a stream from end to end.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::support::{Place, Said};

/// A process whose lines are read while it runs; killed if the test fails before it ends.
pub(super) struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    pub(super) fn new(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, stdout }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line that is such an event.
    pub(super) fn event(&mut self, name: &str) -> serde_json::Value {
        loop {
            let mut line = String::new();
            if self.stdout.read_line(&mut line).expect("text") == 0 {
                let mut said = String::new();
                let mut stderr = self.child.stderr.take().expect("piped");
                stderr.read_to_string(&mut said).expect("text");
                panic!("it ended before {name}: {said}");
            }
            let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            if event["event"] == name {
                return event;
            }
        }
    }

    /// Its exit code and what it said on stderr.
    pub(super) fn ended(mut self) -> (i32, String) {
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().expect("piped");
        stderr.read_to_string(&mut said).expect("text");
        let status = self.child.wait().expect("our child");
        (status.code().expect("no signal ended it"), said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const CAPTURE: [&str; 9] = [
    "capture", "--listen", "unix:a", "--to", "unix:b", "--format", "json", "-o", "stream",
];

/// A capture of `bytes` and an answer.
fn captured(place: &Place, bytes: &[u8]) {
    let destination = UnixListener::bind(place.path().join("b")).expect("the folder is ours");
    let mut capture = Running::new(place.command(CAPTURE));
    capture.event("listening");
    pass(place, &destination, bytes);
    capture.event("finished");
    let (code, said) = capture.ended();
    assert_eq!((code, said.as_str()), (0, ""));
    std::fs::remove_file(place.path().join("b")).expect("it is there");
}

/// One channel through the tee, both ways.
fn pass(place: &Place, destination: &UnixListener, bytes: &[u8]) {
    let mut near = UnixStream::connect(place.path().join("a")).expect("the tee listens");
    std::thread::scope(|scope| {
        let far = scope.spawn(|| {
            let (mut far, _) = destination.accept().expect("the tee connects");
            let mut heard = Vec::new();
            far.read_to_end(&mut heard).expect("the stream ends");
            far.write_all(b"shut").expect("the tee reads");
            heard
        });
        near.write_all(bytes).expect("the tee reads");
        near.shutdown(Shutdown::Write).expect("it is open");
        let mut answer = String::new();
        near.read_to_string(&mut answer).expect("the answer ends");
        assert_eq!(answer, "shut");
        assert!(far.join().expect("no panic") == bytes);
    });
}

fn source(place: &Place, replay: &str) -> Said {
    let token = "a".repeat(64);
    let mut command = place.command([
        "carry",
        "source",
        "--dial",
        "tcp://127.0.0.1:1",
        "--replay",
        replay,
    ]);
    command.env("LMBENCH_TOKEN", token);
    place.said(command)
}

#[test]
fn wrong_words() {
    let place = Place::new();
    place.file("other", "QEVM and so on");
    place.file("future", b"\x89LMBCAP\n\x07\0\0\0");
    place.file("nothing", b"\x89LMBCAP\n\x01\0\0\0");
    place.file(
        "damaged",
        [b"\x89LMBCAP\n\x01\0\0\0", &[9; 40][..]].concat(),
    );
    let mut texts = Vec::new();
    for file in ["missing", "other", "future", "nothing", "damaged"] {
        texts.push(source(&place, file).refused(2));
    }
    for to in ["verify:other", "verify:", "nowhere:"] {
        let sink = ["carry", "sink", "--listen", "tcp://127.0.0.1:0", "--to", to];
        texts.push(place.run(sink).refused(2));
    }
    let mut tcp = CAPTURE;
    tcp[2] = "tcp://[::]:1";
    texts.push(place.run(tcp).refused(2));
    insta::assert_snapshot!(texts.join("----\n"));
    let both = [
        "carry",
        "source",
        "--dial",
        "tcp://127.0.0.1:1",
        "--from",
        "unix:a",
        "--replay",
        "x",
    ];
    assert_eq!(place.run(both).code, 2);
    assert_eq!(place.run(&both[..4]).code, 2);
}

/// The file is as private as the guest's memory, and never overwritten by accident.
#[test]
fn files_are_private_and_kept() {
    let place = Place::new();
    captured(&place, b"pages");
    let mode = || {
        let metadata = std::fs::metadata(place.path().join("stream")).expect("it was made");
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode(), 0o600);
    let mut elsewhere = CAPTURE;
    elsewhere[8] = "nowhere/stream";
    let mut taken = CAPTURE;
    taken[2] = "unix:taken";
    taken[8] = "other";
    place.file("taken", "");
    let texts = [
        place.run(taken).refused(3),
        place.run(CAPTURE).refused(3),
        place.run(elsewhere).refused(3),
    ];
    insta::assert_snapshot!(texts.join("----\n"));
    assert!(!place.path().join("other").exists());
    let path = place.path().join("stream");
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&path, open).expect("it is ours");
    let mut forced = place.command(CAPTURE);
    forced.arg("--force");
    let mut forced = Running::new(forced);
    forced.event("listening");
    assert_eq!(mode(), 0o600);
}

/// The stream is larger than the disk. It arrives all the same, and what fitted is played and verified.
#[track_caller]
fn survives_a_full_disk(wrapper: &[&str], reason: &str) {
    let place = Place::new();
    std::fs::create_dir(place.path().join("disk")).expect("the folder is ours");
    let destination = UnixListener::bind(place.path().join("b")).expect("the folder is ours");
    let mut arguments = CAPTURE;
    arguments[8] = "disk/stream";
    let binary = place.command(arguments);
    let mut command = Command::new(wrapper[0]);
    command.args(&wrapper[1..]).arg(binary.get_program());
    command.args(binary.get_args()).current_dir(place.path());
    let mut capture = Running::new(command);
    capture.event("listening");
    // Noise, which no compressor makes smaller.
    let mut state = 1_u64;
    let noise = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    let bytes: Vec<u8> = (0..4 << 20).map(noise).collect();
    pass(&place, &destination, &bytes);
    let broke = capture.event("broke");
    assert!(
        broke["error"]
            .as_str()
            .is_some_and(|error| error.contains(reason)),
        "{broke}"
    );
    assert_eq!(capture.event("finished")["whole"], false);
    let (code, said) = capture.ended();
    assert_eq!(code, 3, "{said}");
    assert!(
        said.starts_with("warning: disk/stream is not written any more: ")
            && said.contains("error: cannot write the capture: ")
            && said.contains("hint: the migration went on; "),
        "{said}"
    );
    let said = source(&place, "kept");
    let usable = said
        .stderr
        .strip_prefix("warning: kept is cut off; what is there is used, ");
    let bytes = usable.and_then(|rest| rest.split(' ').next()?.parse().ok());
    assert!(bytes > Some(100_000_u64), "{said:?}");
}

#[test]
fn a_file_size_limit_leaves_the_migration_alone() {
    let script = r#"ulimit -f 1024; "$0" "$@"; code=$?; cp disk/stream kept; exit $code"#;
    survives_a_full_disk(&["sh", "-c", script], "File too large");
}

/// A real disk that is full: a small one in a mount namespace of its own, so that root and others can have it.
#[test]
fn a_full_disk_leaves_the_migration_alone() {
    let script = r#"mount -t tmpfs -o size=1m none disk || exit; "$0" "$@"; code=$?; cp disk/stream kept; exit $code"#;
    let wrapper = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        script,
    ];
    survives_a_full_disk(&wrapper, "No space left on device");
}

/// Between two processes, over TCP: the right file passes, a changed one is found, and one that was cut off is told.
#[test]
fn a_capture_is_played_and_verified() {
    let place = Place::new();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|at| (at / 7) as u8).collect();
    captured(&place, &bytes);
    let play = |file: &str, to: &str| {
        let sink = [
            "carry",
            "sink",
            "--listen",
            "tcp://127.0.0.1:0",
            "--format",
            "json",
            "--to",
            to,
        ];
        let mut sink = Running::new(place.command(sink));
        let listening = sink.event("listening");
        let word = |key: &str| listening[key].as_str().expect("a string").to_owned();
        let mut source = place.command([
            "carry",
            "source",
            "--format",
            "json",
            "--dial",
            &word("endpoint"),
            "--replay",
            file,
        ]);
        source.env("LMBENCH_TOKEN", word("token"));
        let source = place.said(source);
        (source, sink)
    };
    for (to, what, answered) in [
        ("discard:", "discarded", 0),
        ("verify:stream", "verified", 4),
    ] {
        let (source, mut sink) = play("stream", to);
        assert_eq!((source.code, source.stderr.as_str()), (0, ""));
        let played = source.stdout.lines().rev().nth(1).expect("two lines");
        let played: serde_json::Value = serde_json::from_str(played).expect("JSON");
        assert_eq!(
            (
                &played["event"],
                &played["what"],
                &played["sent_bytes"],
                &played["received_bytes"]
            ),
            (
                &"replayed".into(),
                &"played".into(),
                &3_000_000.into(),
                &answered.into()
            )
        );
        assert!(played["seconds"].as_f64() > Some(0.0));
        let event = sink.event("replayed");
        assert_eq!(
            (&event["what"], &event["received_bytes"]),
            (&what.into(), &3_000_000.into())
        );
        assert_eq!(sink.ended(), (0, String::new()));
    }

    let whole = std::fs::read(place.path().join("stream")).expect("it is there");
    place.file("short", &whole[..whole.len() * 2 / 3]);
    let (source, sink) = play("short", "verify:stream");
    assert!(
        source
            .stderr
            .starts_with("warning: short is cut off; what is there is used, "),
        "{source:?}"
    );
    let (code, said) = sink.ended();
    assert_eq!(code, 4, "{said}");
    assert!(
        said.contains("error: channel 0 ended after ") && said.contains("hint: "),
        "{said}"
    );
}
