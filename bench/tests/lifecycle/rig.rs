//! Runs of the real program in directories of the test's own, followed by what they print.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use lmbench::record::Record;
use lmbench_testing::{Need, Turn};
use rustix::process::Signal;

use super::leftovers::Traces;
use super::processes::{Part, Process, tree};

/// Directories, a scenario, and the traces of every run started here.
pub(crate) struct Rig {
    _base: tempfile::TempDir,
    _turn: Turn,
    pub(crate) path: PathBuf,
    program: PathBuf,
    user: Option<u32>,
    pub(crate) traces: Traces,
}

/// A run that goes on.
pub(crate) struct Running {
    child: Child,
    pub(crate) process: Process,
    lines: Receiver<String>,
    /// What it has printed so far, for messages.
    pub(crate) heard: Vec<String>,
}

impl Rig {
    /// `None` when the test is to be skipped.
    pub(crate) fn new(scenario: &str) -> Option<Rig> {
        Rig::of_user(scenario, None)
    }

    /// Its runs belong to `user`, who must be able to reach the program: it gets a copy.
    pub(crate) fn of_user(scenario: &str, user: Option<u32>) -> Option<Rig> {
        let mut needs = vec![Need::Namespaces];
        needs.extend(user.map(|_| Need::UserNamespaces));
        needs.extend(scenario.contains("post-copy").then_some(Need::Userfaultfd));
        let turn = lmbench_testing::live(&needs)?;
        // Short, for unix sockets; not below TMPDIR, which may be long.
        let base = tempfile::Builder::new()
            .prefix("lm")
            .tempdir_in("/tmp")
            .unwrap();
        let path = base.path().to_owned();
        let mut program = PathBuf::from(env!("CARGO_BIN_EXE_lmbench"));
        for name in ["run", "tmp", "home", "out"] {
            std::fs::create_dir(path.join(name)).unwrap();
        }
        std::fs::write(path.join("scenario.toml"), scenario).unwrap();
        if let Some(user) = user {
            let copy = path.join("lmbench");
            std::fs::copy(&program, &copy).unwrap();
            program = copy;
            for name in ["", "run", "tmp", "home", "out"] {
                std::os::unix::fs::chown(path.join(name), Some(user), Some(user)).unwrap();
            }
        }
        let traces = Traces::new(&path.join("run"), &path.join("tmp"));
        Some(Rig {
            _base: base,
            path,
            program,
            user,
            traces,
            _turn: turn,
        })
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(if self.user.is_some() {
            Path::new("setpriv")
        } else {
            &self.program
        });
        if let Some(user) = self.user {
            command
                .args([
                    format!("--reuid={user}"),
                    format!("--regid={user}"),
                    "--clear-groups".to_owned(),
                ])
                .arg(&self.program);
        }
        command
            .args(arguments)
            .current_dir(&self.path)
            .env("XDG_RUNTIME_DIR", self.path.join("run"))
            .env("TMPDIR", self.path.join("tmp"))
            .env("HOME", self.path.join("home"))
            // The lines of the progress tell of migrations only, the log of every phase.
            .env("LMBENCH_LOG", "lmbench::run::attempt=debug")
            .env_remove("XDG_CACHE_HOME")
            .env_remove("LMBENCH_LAB")
            .stdin(Stdio::null());
        command
    }

    /// Starts a run of the scenario as leader of a process group, as a shell does with a foreground job.
    pub(crate) fn start(&self, more: &[&str]) -> Running {
        let arguments = [&["run", "scenario.toml", "--out", "out"], more].concat();
        let mut child = self
            .command(&arguments)
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Running {
            process: Process::of(child.id()).unwrap(),
            child,
            lines,
            heard: Vec::new(),
        }
    }

    /// The one run's record.
    pub(crate) fn record(&self) -> Record {
        let records = self.records();
        assert_eq!(records.len(), 1, "{records:?}");
        Record::read_whole(&records[0]).unwrap()
    }

    /// The record's file of every run, oldest first.
    pub(crate) fn records(&self) -> Vec<PathBuf> {
        let mut runs: Vec<PathBuf> = std::fs::read_dir(self.path.join("out"))
            .unwrap()
            .flatten()
            .map(|entry| entry.path())
            // The index lies beside the runs.
            .filter(|path| path.is_dir())
            .map(|run| run.join("record.json"))
            .collect();
        runs.sort();
        runs
    }

    /// What `lmbench list` says of a run.
    pub(crate) fn status(&self) -> String {
        let output = self
            .command(&["list", "--out", "out", "--format", "json"])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let list: serde_json::Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let runs = list
            .as_array()
            .or_else(|| list["runs"].as_array())
            .unwrap_or_else(|| panic!("{text}"))
            .clone();
        assert_eq!(runs.len(), 1, "{text}");
        runs[0]["status"].as_str().unwrap().to_owned()
    }

    pub(crate) fn expect_clean(&self, when: &str) {
        self.traces.expect_none(when, Traces::leftovers, SETTLING);
    }
}

impl Running {
    /// The next line that contains `wanted`.
    pub(crate) fn line(&mut self, wanted: &str) -> String {
        self.line_within(wanted, LINE_LIMIT).unwrap_or_else(|| {
            panic!(
                "no line with {wanted:?}; it said:\n{}",
                self.heard.join("\n")
            )
        })
    }

    /// As [`Running::line`]; `None` if the run ended or the time passed before it came.
    pub(crate) fn line_within(&mut self, wanted: &str, limit: Duration) -> Option<String> {
        let deadline = Instant::now() + limit;
        loop {
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    self.heard.push(line.clone());
                    if line.contains(wanted) {
                        return Some(line);
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// The process that is `part` now. Waits for it: a phase's line comes before the phase's processes.
    pub(crate) fn part(&self, part: Part) -> Process {
        let deadline = Instant::now() + LINE_LIMIT;
        loop {
            let found = tree(self.process)
                .into_iter()
                .find(|(_, own)| *own == Some(part));
            if let Some((process, _)) = found {
                return process;
            }
            assert!(
                Instant::now() < deadline,
                "no {part:?} below {}; it said:\n{}",
                self.process.pid,
                self.heard.join("\n")
            );
            std::thread::sleep(POLL);
        }
    }

    pub(crate) fn goes_on(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        assert!(
            self.process.signal(signal),
            "the run is gone; it said:\n{}",
            self.heard.join("\n")
        );
    }

    /// As the terminal does at Ctrl-C.
    pub(crate) fn signal_group(&self, signal: Signal) {
        let group = rustix::process::Pid::from_raw(self.process.pid.cast_signed()).unwrap();
        rustix::process::kill_process_group(group, signal).unwrap();
    }

    /// Waits for the end; how, how long it took, and everything that was printed.
    pub(crate) fn end(&mut self, within: Duration) -> (ExitStatus, Duration, String) {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                started.elapsed() < within,
                "the run goes on after {within:?}; it said:\n{}\nbelow it: {:?}",
                {
                    self.heard.extend(self.lines.try_iter());
                    self.heard.join("\n")
                },
                tree(self.process)
            );
            std::thread::sleep(POLL);
        };
        let took = started.elapsed();
        // An agent that outlives the controller for a moment holds the pipe open.
        while let Ok(line) = self.lines.recv_timeout(Duration::from_millis(200)) {
            self.heard.push(line);
        }
        (status, took, self.heard.join("\n"))
    }
}

impl Drop for Running {
    /// A test that failed must not leave what it tests for.
    fn drop(&mut self) {
        for (process, _) in tree(self.process) {
            process.signal(Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// A small guest, a load that a slow link drains in some seconds.
pub(crate) fn scenario(matrix: &str, repeats: u32) -> String {
    format!(
        r#"name = "lifecycle"
about = "a small guest over a link on which it takes some seconds"
[guest]
memory = "192 MiB"
accelerator = "tcg"
[workload.uniform]
memory = "32 MiB"
rate = "2 MiB/s"
[network.migration]
rate = "200 Mbit/s"
[migration]
timeout = "60 s"
settle = "500 ms"
[matrix]
{matrix}
[run]
repeats = {repeats}
"#
    )
}

/// Whether this process, and so each that it starts, does not ignore SIGHUP, signal 1.
pub(crate) fn hangs_up() -> bool {
    let status = read_all(Path::new("/proc/self/status"));
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    u64::from_str_radix(ignored.unwrap().trim(), 16).unwrap() & 1 == 0
}

pub(crate) fn read_all(path: &Path) -> String {
    let mut text = String::new();
    std::fs::File::open(path)
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    text
}

/// The line of the progress when a migration begins.
pub(crate) const MIGRATING: &str = "migrating (at most";
/// A phase of a small guest under TCG takes a few seconds; beside other work a few times that.
const LINE_LIMIT: Duration = Duration::from_secs(90);
/// After the controller's end nothing but the kernel's own clearing away is left: milliseconds, unless the machine stands still.
const SETTLING: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);
