//! Starts, commands and ends the process behind a user-space link (`crate::link`). Knows nothing of addresses.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::Signal;

use super::agent::LAB_VARIABLE;
use super::error::LabError;
use super::process::{Deadline, Handle};
use crate::link::{Answer, Command as LinkCommand, Report};
use crate::role::Role;

/// A running link. Its devices live as long as it does.
#[derive(Debug)]
pub(super) struct LinkProcess {
    pub(super) command: String,
    child: Child,
    handle: Handle,
    /// Closing it ends the process.
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    unread: Vec<u8>,
    /// What the hosts' devices had dropped when it was last asked.
    dropped: BTreeMap<Role, u64>,
}

impl LinkProcess {
    /// Starts `unshare --net -- argv` and has it make its devices, `source` and `destination`, in a network namespace of its own.
    ///
    /// The devices move to the hosts from there. Made inside the hosts' namespaces they would keep these alive when the agents are gone,
    /// because a TAP's descriptor holds the namespace in which it was opened.
    pub(super) fn start(argv: &[OsString], lab: &Path, seed: u64) -> Result<LinkProcess, LabError> {
        let failed = |source| LabError::Tool {
            tool: "unshare",
            package: "util-linux",
            source,
        };
        let mut child = Command::new("unshare")
            .args(["--net", "--"])
            .args(argv)
            .env(LAB_VARIABLE, lab)
            .env("PATH", super::command::search_path())
            // As with agents: Ctrl-C at the terminal is the controller's to handle.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (Some(handle), Some((stdin, stdout))) = (Handle::of_child(&child), pipes) else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(failed(std::io::Error::other(
                "the kernel has no pidfd; Linux 5.3 or newer is needed",
            )));
        };
        let words: Vec<_> = argv.iter().map(|word| word.to_string_lossy()).collect();
        let mut process = LinkProcess {
            command: format!("unshare --net -- {}", words.join(" ")),
            child,
            handle,
            stdin: Some(stdin),
            stdout,
            unread: Vec::new(),
            dropped: BTreeMap::new(),
        };
        // From here on an error drops the process, which ends it.
        process.tell(&LinkCommand::Open { seed })?;
        Ok(process)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(super) fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Has something done.
    pub(super) fn tell(&mut self, command: &LinkCommand) -> Result<(), LabError> {
        match self.ask(command)? {
            Answer::Done {} => Ok(()),
            Answer::Failed { why } => Err(LabError::Link { why }),
            Answer::Report(_) => Err(self.broken("it answered with a report")),
        }
    }

    /// Its counters, which begin anew.
    pub(super) fn report(&mut self) -> Result<Report, LabError> {
        match self.ask(&LinkCommand::Report { restart: true })? {
            Answer::Report(report) => Ok(report),
            other => Err(self.broken(&format!("it answered {other:?}"))),
        }
    }

    /// How many more than last time a host's device has dropped.
    pub(super) fn dropped_since(&mut self, role: Role, dropped: u64) -> u64 {
        let before = self.dropped.insert(role, dropped).unwrap_or(0);
        dropped.saturating_sub(before)
    }

    /// Closes its input and waits for its end; one that does not end in time is killed.
    pub(super) fn end(&mut self, deadline: Deadline) {
        drop(self.stdin.take());
        if self.status().is_none() && !self.handle.ends_within(deadline.left()) {
            tracing::warn!(
                pid = self.pid(),
                "the link does not end by itself and is killed"
            );
            self.handle.signal(Signal::KILL);
        }
        let _ = self.child.wait();
    }

    fn ask(&mut self, command: &LinkCommand) -> Result<Answer, LabError> {
        let mut line =
            serde_json::to_string(command).map_err(|error| self.broken(&error.to_string()))?;
        line.push('\n');
        let sent = self.stdin.as_mut().map(|stdin| {
            stdin
                .write_all(line.as_bytes())
                .and_then(|()| stdin.flush())
        });
        if !matches!(sent, Some(Ok(()))) {
            return Err(self.broken("it does not listen any more"));
        }
        let deadline = Deadline::after(ANSWER_LIMIT);
        loop {
            let line = self.line(deadline)?;
            // What is no JSON object is not its own, but of whatever it runs in.
            if line.trim_start().starts_with('{') {
                return serde_json::from_str(&line)
                    .map_err(|error| self.broken(&format!("its answer makes no sense: {error}")));
            }
        }
    }

    fn line(&mut self, deadline: Deadline) -> Result<String, LabError> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            let left = deadline.left();
            let timeout = Timespec {
                tv_sec: left.as_secs().cast_signed(),
                tv_nsec: left.subsec_nanos().into(),
            };
            match poll(
                &mut [PollFd::new(&self.stdout, PollFlags::IN)],
                Some(&timeout),
            ) {
                Ok(0) => {
                    return Err(LabError::Timeout {
                        awaited: "an answer of the link's process".to_owned(),
                        limit: ANSWER_LIMIT,
                    });
                }
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(error) => return Err(self.broken(&error.to_string())),
            }
            let mut chunk = [0; 4096];
            match rustix::io::read(&self.stdout, &mut chunk[..]) {
                Ok(0) => return Err(self.broken("its output ended")),
                Ok(len) => self.unread.extend_from_slice(&chunk[..len]),
                Err(Errno::INTR) => {}
                Err(error) => return Err(self.broken(&error.to_string())),
            }
        }
    }

    fn broken(&mut self, why: &str) -> LabError {
        let end = match self.status() {
            Some(status) => format!(" ({status})"),
            None => String::new(),
        };
        LabError::Link {
            why: format!("its process `{}` is of no use: {why}{end}", self.command),
        }
    }
}

impl Drop for LinkProcess {
    fn drop(&mut self) {
        if self.status().is_none() {
            self.end(Deadline::after(END_LIMIT));
        }
    }
}

/// The answer takes microseconds once the process runs, and a test's executable some milliseconds to start.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// Ending takes a line of output.
pub(super) const END_LIMIT: Duration = Duration::from_secs(2);
