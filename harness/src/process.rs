//! Child processes that never outlive their owner: a process group each, killed on drop, and `SIGKILL` from the
//! kernel when the owner itself is killed. In a lab each is written down for the next start, should even that fail.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use lmbench_os::child::die_with_parent;
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open,
    test_kill_process_group, waitid,
};
use thiserror::Error;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::lab;

/// What can go wrong with a child process.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// The program could not be started.
    #[error("can't start {}", program.display())]
    Start {
        /// Its path.
        program: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The log could not be opened.
    #[error("can't write the log {}", path.display())]
    Log {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something of the group lives on.
    #[error("process group {pid} of {name} survived SIGKILL for {after:?}")]
    Survived {
        /// What it is.
        name: String,
        /// Leader of the group.
        pid: u32,
        /// How long was waited.
        after: Duration,
    },
}

/// How a child is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pipes {
    /// Standard input is empty and standard output goes to the log.
    None,
    /// Standard input and output are pipes to us; standard error goes to the log.
    InputAndOutput,
}

/// A running child with its process group.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program`, its messages going to `log`.
    ///
    /// Must be called on a thread that lives as long as the child shall: the kernel's parent-death signal is bound to the
    /// starting thread. Agents run on one thread, their main one.
    pub fn start(
        name: &str,
        program: &Path,
        arguments: &[OsString],
        environment: &[(String, String)],
        log: &Path,
        pipes: Pipes,
    ) -> Result<Self, ProcessError> {
        let log_error = |source| ProcessError::Log {
            path: log.to_owned(),
            source,
        };
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .map_err(log_error)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .envs(environment.iter().map(|(key, value)| (key, value)));
        command
            .stderr(file.try_clone().map_err(log_error)?)
            .process_group(0)
            .kill_on_drop(true);
        match pipes {
            Pipes::None => command.stdin(Stdio::null()).stdout(file),
            Pipes::InputAndOutput => command.stdin(Stdio::piped()).stdout(Stdio::piped()),
        };
        die_with_parent(command.as_std_mut());
        let child = command.spawn().map_err(|source| ProcessError::Start {
            program: program.to_owned(),
            source,
        })?;
        let pid = child.id().unwrap_or(0);
        if let Some(lab) = lab::lab_of_this_process()
            && let Err(error) = lab::record_process(&lab, pid)
        {
            tracing::warn!(%error, name, pid, "not written down for the next start");
        }
        Ok(Process {
            name: name.to_owned(),
            pid,
            child,
            log: log.to_owned(),
        })
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The pipes of [`Pipes::InputAndOutput`], once.
    pub fn take_pipes(&mut self) -> Option<(ChildStdin, ChildStdout)> {
        Some((self.child.stdin.take()?, self.child.stdout.take()?))
    }

    /// Waits for its end.
    pub async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// The exit status if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sees its end without taking it away from [`Process::wait`]: the zombie stays, and with it its CPU time.
    pub fn watch(&self) -> std::io::Result<Watch> {
        let pid = self.group().ok_or(Errno::SRCH)?;
        Ok(Watch(pidfd_open(pid, PidfdFlags::empty())?))
    }

    /// Where its messages go.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The last lines of its log, for error messages.
    pub fn log_tail(&self) -> String {
        log_tail(&self.log)
    }

    /// Kills the whole group and makes sure that nothing of it is left.
    pub async fn end(mut self) -> Result<(), ProcessError> {
        self.kill_group();
        let reaped = tokio::time::timeout(KILL_DEADLINE, self.child.wait())
            .await
            .is_ok();
        let deadline = tokio::time::Instant::now() + KILL_DEADLINE;
        // Grandchildren are reaped by init, not by us; their end can only be polled.
        while reaped && self.group_lives() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(KILL_POLL).await;
        }
        if reaped && !self.group_lives() {
            return Ok(());
        }
        Err(ProcessError::Survived {
            name: self.name.clone(),
            pid: self.pid,
            after: KILL_DEADLINE,
        })
    }

    fn group(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.pid).ok()?)
    }

    fn group_lives(&self) -> bool {
        self.group()
            .is_some_and(|group| test_kill_process_group(group).is_ok())
    }

    /// Kills the whole group; the zombie stays.
    pub fn kill_group(&self) {
        if let Some(group) = self.group() {
            // A group that is gone already is what we want.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Once reaped, the id may belong to somebody else.
        if self.child.id().is_some() {
            self.kill_group();
        }
    }
}

/// A look at a child's end.
#[derive(Debug)]
pub struct Watch(OwnedFd);

impl Watch {
    /// How it has ended, if it has and nobody has waited for it yet.
    pub fn ended(&self) -> Option<ExitStatus> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::PidFd(self.0.as_fd()), options).ok()??;
        // The two halves of a wait status, as in wait(2).
        let raw = status
            .terminating_signal()
            .or_else(|| status.exit_status().map(|code| (code & 0xff) << 8))?;
        Some(ExitStatus::from_raw(raw))
    }

    /// Waits for the end. Not for one that somebody else has waited for: nobody can see that any more.
    pub async fn end(&self) -> std::io::Result<ExitStatus> {
        // Listened to before the first look, so that no end falls between look and wait.
        let mut ends = signal(SignalKind::child())?;
        loop {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            ends.recv().await;
        }
    }
}

/// How a process ended, to follow its name: `was killed by signal 9`.
pub fn how(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("was killed by signal {signal}"),
        (None, Some(code)) => format!("ended with exit status {code}"),
        (None, None) => format!("ended ({status})"),
    }
}

/// The last lines of a log file, trimmed to what fits an error message.
pub fn log_tail(path: &Path) -> String {
    let text = tail(path).unwrap_or_default();
    let lines: Vec<&str> = text
        .lines()
        .map(|line| without_stamp(line.trim_end()))
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
}

/// The end of a file that may have any size: a guest writes its console as long as it likes.
fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let begin = file.metadata()?.len().saturating_sub(LOG_TAIL_BYTES);
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    file.take(LOG_TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// QEMU stamps its messages, which says nothing in a reason: `2026-11-21T10:09:12.253165Z qemu-system-x86_64: …`.
fn without_stamp(line: &str) -> &str {
    match line.split_once("Z ") {
        Some((stamp, words)) if is_stamp(stamp) => words,
        _ => line,
    }
}

fn is_stamp(text: &str) -> bool {
    let stands = |(place, letter): (usize, char)| match place {
        4 | 7 => letter == '-',
        10 => letter == 'T',
        13 | 16 => letter == ':',
        19 => letter == '.',
        _ => letter.is_ascii_digit(),
    };
    text.len() > 19 && text.chars().enumerate().all(stands)
}

const KILL_DEADLINE: Duration = Duration::from_secs(10);
const KILL_POLL: Duration = Duration::from_millis(2);
const LOG_TAIL_LINES: usize = 5;
const LOG_TAIL_BYTES: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    // A guest's console: a sparse file stands for one of many gigabytes.
    #[test]
    fn of_a_log_of_any_size_only_the_end_is_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 40).unwrap();
        let mut end = File::options().append(true).open(file.path()).unwrap();
        std::io::Write::write_all(&mut end, b"\nthe end\n").unwrap();
        let tail = log_tail(file.path());
        assert!(tail.ends_with("\nthe end") && tail.len() < 5000);
    }

    #[test]
    fn stamps_are_taken_off() {
        for (line, words) in [
            (
                "2026-11-21T10:09:12.253165Z qemu-system-x86_64: no",
                "qemu-system-x86_64: no",
            ),
            ("2026-11-21 Z qemu", "2026-11-21 Z qemu"),
            ("FIZZ Z z", "FIZZ Z z"),
            ("Z x", "Z x"),
            ("plain", "plain"),
        ] {
            assert_eq!(without_stamp(line), words);
        }
    }

    fn start(script: &str, pipes: Pipes) -> (Process, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let arguments = ["-c".into(), script.into()];
        let log = directory.path().join("log");
        (
            Process::start("test", Path::new("/bin/sh"), &arguments, &[], &log, pipes).unwrap(),
            directory,
        )
    }

    // A shell's background child has another parent but the same group; `end` must take it too.
    #[tokio::test]
    async fn end_takes_grandchildren() {
        use tokio::io::AsyncBufReadExt as _;
        let (mut process, _directory) =
            start("sleep 1000 & echo started; wait", Pipes::InputAndOutput);
        let (_input, output) = process.take_pipes().unwrap();
        let mut line = String::new();
        tokio::io::BufReader::new(output)
            .read_line(&mut line)
            .await
            .unwrap();
        let group = process.group().unwrap();
        process.end().await.unwrap();
        assert!(test_kill_process_group(group).is_err());
    }

    // The watcher must neither miss an end nor take it from whoever waits for it.
    #[tokio::test]
    async fn a_watched_end_stays_to_be_waited_for() {
        for (script, code, words) in [
            ("exit 3", Some(3), "ended with exit status 3"),
            ("kill -9 $$", None, "was killed by signal 9"),
        ] {
            let (mut process, _directory) = start(script, Pipes::None);
            let watch = process.watch().unwrap();
            let seen = watch.end().await.unwrap();
            assert_eq!((seen.code(), how(seen).as_str()), (code, words));
            assert_eq!(watch.ended(), Some(seen));
            assert_eq!(process.wait().await.unwrap(), seen);
            assert_eq!(watch.ended(), None);
        }
    }

    #[tokio::test]
    async fn log_keeps_the_last_words() {
        let (mut process, _directory) = start("echo one; echo two >&2; exit 3", Pipes::None);
        assert_eq!(process.wait().await.unwrap().code(), Some(3));
        assert_eq!(process.log_tail(), "one\ntwo");
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let error = Process::start(
            "x",
            Path::new("/no/such"),
            &[],
            &[],
            &directory.path().join("log"),
            Pipes::None,
        )
        .unwrap_err();
        assert_eq!(error.to_string(), "can't start /no/such");
    }
}
