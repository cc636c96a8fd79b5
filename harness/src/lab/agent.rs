//! Starts and ends an agent, the process that holds its host's network namespace. Does not speak with it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::error::LabError;
use super::process::{Deadline, Handle};
use crate::role::Role;

/// What a caller gets of an agent: its pipes and its pid. The lab keeps the process and waits for it.
///
/// The pipes are the standard library's; `tokio::process::ChildStdin::from_std` and its sisters make them asynchronous.
#[derive(Debug)]
pub struct AgentProcess {
    /// The agent's own pid.
    pub pid: u32,
    /// An agent ends when this is dropped.
    pub stdin: ChildStdin,
    /// What the agent says.
    pub stdout: ChildStdout,
    /// Present if [`super::LabOptions::agent_stderr`] asked for a pipe. It must be read, or the agent blocks.
    pub stderr: Option<ChildStderr>,
}

/// Where an agent's standard error goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AgentStderr {
    /// To this program's.
    #[default]
    Inherit,
    /// To [`AgentProcess::stderr`].
    Piped,
}

/// A running agent.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) role: Role,
    pub(super) command: String,
    child: Child,
    handle: Handle,
    process: Option<AgentProcess>,
}

/// A network namespace's identity for as long as it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NamespaceId {
    device: u64,
    inode: u64,
}

impl NamespaceId {
    pub(super) fn of(pid: &str) -> Option<NamespaceId> {
        let metadata = fs::metadata(format!("/proc/{pid}/ns/net")).ok()?;
        Some(NamespaceId {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }
}

impl Agent {
    /// Starts `unshare --net -- argv`, which becomes the agent: the pid stays.
    pub(super) fn start(
        role: Role,
        argv: &[OsString],
        lab: &Path,
        stderr: AgentStderr,
    ) -> Result<Agent, LabError> {
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
            // Ctrl-C at the terminal is the controller's to handle; agents end in order afterwards.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(if stderr == AgentStderr::Piped {
                Stdio::piped()
            } else {
                Stdio::inherit()
            })
            .spawn()
            .map_err(failed)?;
        let process = child.stdin.take().zip(child.stdout.take());
        let process = process.map(|(stdin, stdout)| AgentProcess {
            pid: child.id(),
            stdin,
            stdout,
            stderr: child.stderr.take(),
        });
        let Some(handle) = Handle::of_child(&child) else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(failed(std::io::Error::other(
                "the kernel has no pidfd; Linux 5.3 or newer is needed",
            )));
        };
        let words = argv
            .iter()
            .map(|word| word.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ");
        Ok(Agent {
            role,
            command: format!("unshare --net -- {words}"),
            child,
            handle,
            process,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn take(&mut self) -> Option<AgentProcess> {
        self.process.take()
    }

    /// Waits until the process has left our network namespace for its own.
    pub(super) fn wait_for_namespace(&mut self) -> Result<NamespaceId, LabError> {
        let own = NamespaceId::of("self");
        let deadline = Deadline::after(START_LIMIT);
        while !deadline.left().is_zero() {
            let namespace = NamespaceId::of(&self.pid().to_string());
            if let Some(namespace) = namespace.filter(|namespace| Some(*namespace) != own) {
                return Ok(namespace);
            }
            // The kernel announces no such change; it takes unshare about a millisecond, and an early end wakes us at once.
            self.handle.ends_within(Duration::from_millis(1));
            self.check_running()?;
        }
        Err(LabError::Timeout {
            awaited: format!("the {} agent's network namespace", self.role),
            limit: START_LIMIT,
        })
    }

    pub(super) fn check_running(&mut self) -> Result<(), LabError> {
        match self.status() {
            Some(status) => Err(LabError::AgentEnded {
                role: self.role,
                status,
                command: self.command.clone(),
            }),
            None => Ok(()),
        }
    }

    /// How the agent ended, if it has.
    pub(super) fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for its end; false if it still runs then.
    pub(super) fn ends_by(&mut self, deadline: Deadline) -> bool {
        if self.status().is_none() {
            self.handle.ends_within(deadline.left());
        }
        self.status().is_some()
    }

    /// Kills it. What it started dies with it, by the kernel's hand.
    pub(super) fn kill(&self) {
        self.handle.signal(Signal::KILL);
    }

    pub(super) fn handle(&self) -> Option<Handle> {
        self.handle.duplicate()
    }
}

/// Kills the agents of a lab that somebody else is just closing, and so ends the waiting for them.
#[derive(Debug)]
pub struct AgentKiller(pub(super) Vec<Handle>);

impl AgentKiller {
    /// Does so.
    pub fn kill(&self) {
        for agent in &self.0 {
            agent.signal(Signal::KILL);
        }
    }
}

/// In the environment of everything that agents start: the lab's directory.
pub const LAB_VARIABLE: &str = "LMBENCH_LAB";

/// The lab's directory, inside an agent or anything that it started.
pub fn lab_of_this_process() -> Option<PathBuf> {
    std::env::var_os(LAB_VARIABLE).map(PathBuf::from)
}

/// Whether a process was started in this lab, by the mark in its environment (readable for the same user only).
pub(super) fn bears_mark(pid: u32, lab: &Path) -> bool {
    let mut mark = OsString::from(LAB_VARIABLE);
    mark.push("=");
    mark.push(lab);
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment
        .split(|byte| *byte == 0)
        .any(|entry| entry == OsStr::as_encoded_bytes(&mark))
}

const START_LIMIT: Duration = Duration::from_secs(20);
