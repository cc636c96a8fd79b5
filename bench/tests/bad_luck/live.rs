//! Bad luck with real guests. Each test boots a small guest or two; they take turns, since the machine is small.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lmbench_testing::{Need, Turn};

use super::support::{Place, SOUND, Said, live};

static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    // A test that failed in its turn has told so already.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A link so slow that a migration lasts until something happens to it: 10 Mbit/s for some 60 MiB of a booted kernel take
/// 50 s. The timeout leaves a machine that stands still now and then ten seconds for the cut, and then more than the 3 s
/// without a byte from which a stream counts as broken.
fn slow(carrier: &str) -> String {
    let text = SOUND
        .replace("name =", &format!("{carrier}\nname ="))
        .replace("repeats = 2", "repeats = 1");
    format!(
        "{text}\n[network.migration]\nrate = \"10 Mbit/s\"\n\n[migration]\ntimeout = \"15 s\"\nsettle = \"0 ms\"\n"
    )
}

/// A run that goes on, ended with the test.
struct Running {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    heard: String,
}

impl Running {
    fn start(place: &Place, text: &str) -> Self {
        place.file("luck.toml", text);
        let mut command = place.command(["run", "luck.toml", "--format", "json"]);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        Running {
            child,
            stderr,
            heard: String::new(),
        }
    }

    /// Reads until the stream flows. A run that ends before that ends the wait too.
    fn until_migrating(&mut self) {
        while !self.heard.contains(": migrating") {
            let bytes = self.stderr.read_line(&mut self.heard).expect("text");
            assert!(
                bytes > 0,
                "the run ended before it migrated:\n{}",
                self.heard
            );
        }
        // QEMU's stream is set up within this; that bytes had moved is not needed for any claim below.
        std::thread::sleep(Duration::from_millis(500));
    }

    /// The agents' process ids, the source's first: they were started in this order.
    fn agents(&self) -> Vec<u32> {
        children(self.child.id(), "lmbench")
    }

    fn end(mut self, place: &Place) -> Said {
        self.stderr.read_to_string(&mut self.heard).expect("text");
        let mut stdout = Vec::new();
        let mut pipe = self.child.stdout.take().expect("piped");
        pipe.read_to_end(&mut stdout).expect("bytes");
        let status = self.child.wait().expect("our child");
        place.read(&std::process::Output {
            status,
            stdout,
            stderr: std::mem::take(&mut self.heard).into_bytes(),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Children of a process whose name begins so, by process id. The kernel lists them by the thread that started them.
fn children(parent: u32, name: &str) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{parent}/task")).expect("the process runs");
    let lists = threads
        .flatten()
        .map(|thread| std::fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    let mut pids: Vec<u32> = lists
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<u32>>()
        })
        .filter(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|comm| comm.starts_with(name))
        })
        .collect();
    pids.sort_unstable();
    pids
}

/// The only repeat's outcome and reason, from the JSON on stdout; the record on disk says the same.
fn outcome(place: &Place, said: &Said) -> (String, String) {
    let record: serde_json::Value = serde_json::from_str(&said.stdout).expect("one JSON document");
    let id = record["run_id"].as_str().expect("an id");
    let path = place.path().join("results").join(id).join("record.json");
    let stored = std::fs::read(path).expect("the record is on disk");
    let stored: serde_json::Value = serde_json::from_slice(&stored).expect("JSON");
    assert_eq!(stored, record);
    let repeat = &record["cells"][0]["repeats"][0];
    let text = |name: &str| repeat[name].as_str().unwrap_or_default().to_owned();
    (text("outcome"), text("reason"))
}

#[test]
fn a_guest_that_never_becomes_ready_is_not_waited_for_again() {
    let Some(_turn) = live() else {
        return;
    };
    let _turn = turn();
    let place = Place::new();
    let text = SOUND
        .replace(
            "[workload.idle]",
            "boot-timeout = \"300 ms\"\n\n[workload.idle]",
        )
        .replace("repeats = 2", "repeats = 50");
    place.file("luck.toml", text);
    let said = place.run(["run", "luck.toml"]).refused(3);
    // No kernel boots in 300 ms under TCG. One boot was tried, not fifty.
    let results = std::fs::read_dir(place.path().join("results")).expect("a run was begun");
    let records = results.map(|run| run.expect("an entry").path().join("record.json"));
    for record in records.filter(|record| record.exists()) {
        let record = std::fs::read(record).expect("a record");
        let record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
        let repeats = &record["cells"][0]["repeats"];
        let tried = repeats.as_array().map(Vec::len);
        assert_eq!(tried, Some(1), "boots\n{said}");
        // What the guest said goes with it; `--resume` tries again.
        let repeat = &repeats[0];
        assert_eq!(repeat["outcome"], "failed");
        assert!(repeat["reason"].is_string(), "{repeat}");
    }
    for part in [
        "error: no guest becomes ready, so nothing can be measured: ",
        "longer boot-timeout in [guest]",
        "go on with: lmbench run luck.toml --resume ",
    ] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
}

fn cut(carrier: &str) {
    let _turn = turn();
    let place = Place::new();
    let mut running = Running::start(&place, &slow(carrier));
    running.until_migrating();
    let net = format!("--net=/proc/{}/ns/net", running.agents()[0]);
    let link = ["--", "ip", "link", "set", "mig0", "down"];
    let status = Command::new("nsenter").arg(net).args(link).status();
    assert!(status.expect("nsenter is there").success());
    let said = running.end(&place);
    assert_eq!(said.code, 4, "{said:?}");
    let (outcome, reason) = outcome(&place, &said);
    assert_eq!(outcome, "failed");
    // Slow is not broken: the reason must tell the one from the other.
    assert!(
        reason.starts_with("no byte moved for the last "),
        "{reason}"
    );
}

/// nsenter into another user's namespaces is root's.
fn able_to_cut() -> Option<Turn> {
    lmbench_testing::live(&[Need::Root, Need::Namespaces])
}

#[test]
fn a_network_cut_under_qemu_s_own_socket() {
    if let Some(_turn) = able_to_cut() {
        cut("carrier = \"native-tcp\"");
    }
}

#[test]
fn a_network_cut_under_a_relay() {
    if let Some(_turn) = able_to_cut() {
        cut("carrier.tcp.path = \"splice\"");
    }
}

#[test]
fn a_network_cut_under_a_socket_handed_over() {
    if let Some(_turn) = able_to_cut() {
        cut("carrier.tcp.path = \"fd\"");
    }
}

fn killed(side: usize) -> String {
    let _turn = turn();
    let place = Place::new();
    let mut running = Running::start(&place, &slow("carrier = \"native-tcp\""));
    running.until_migrating();
    let qemu = children(running.agents()[side], "qemu");
    let pid = rustix::process::Pid::from_raw(qemu[0].cast_signed()).expect("a process id");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it runs");
    let said = running.end(&place);
    assert_eq!(said.code, 4, "{said:?}");
    let (outcome, reason) = outcome(&place, &said);
    assert_eq!(outcome, "failed");
    reason
}

#[test]
fn a_qemu_that_was_killed_is_named() {
    let Some(_turn) = live() else {
        return;
    };
    assert_eq!(killed(0), "QEMU on the source was killed by signal 9");
    let destination = killed(1);
    let named = "QEMU on the destination was killed by signal 9; the source saw: ";
    assert!(destination.starts_with(named), "{destination}");
}

/// The record of the run's beginning fits, the first repeat's samples and record do not: the run ends, and what was there stays
/// readable. The tiny disk is mounted in a mount namespace that ends with the run.
#[test]
fn a_disk_that_fills_up() {
    let Some(_turn) = live() else {
        return;
    };
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can mount a tiny disk");
        return;
    }
    let _turn = turn();
    let place = Place::new();
    place.file("luck.toml", SOUND);
    std::fs::create_dir(place.path().join("tiny")).expect("the folder is ours");
    let script = "mount -t tmpfs -o size=20k none tiny || exit 77; \"$0\" run luck.toml --out tiny; code=$?; \
                  \"$0\" list --out tiny >listed; exit $code";
    let program = place.command([""; 0]).get_program().to_owned();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(program);
    let said = place.said({
        command.current_dir(place.path());
        command
    });
    let text = said.refused(3);
    for part in [
        "error: no space left to write \"tiny/",
        "hint: make room",
        "go on with: lmbench run luck.toml --out tiny --resume ",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let listed =
        std::fs::read_to_string(place.path().join("listed")).expect("the list was written");
    assert!(
        listed.contains("interrupted") || listed.contains("partial"),
        "{listed}"
    );
}
