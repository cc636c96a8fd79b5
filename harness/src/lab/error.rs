//! Everything that can go wrong with a lab, each with what failed and how to mend it. Decides nothing.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use crate::role::Role;

/// Why a lab could not be made, changed or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// A file or directory of the lab.
    #[error("cannot {operation} {}\nhint: the lab lives below $XDG_RUNTIME_DIR, or /tmp if that is not set: it must be a local, writable directory", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Somebody else could read or replace what is in the directory.
    #[error("{} {why}\nhint: remove it, or set XDG_RUNTIME_DIR to a directory of your own", path.display())]
    Insecure {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Unix sockets in the lab would have names that the kernel refuses.
    #[error("{} is {bytes} bytes long, and a unix socket below it would pass the kernel's limit of 107\nhint: set XDG_RUNTIME_DIR to a directory whose path is at least {excess} bytes shorter", path.display())]
    PathTooLong {
        /// The directory.
        path: PathBuf,
        /// Its length.
        bytes: usize,
        /// By how much it is too long.
        excess: usize,
    },
    /// A tool did not start.
    #[error("cannot start {tool}\nhint: install the package {package} (harness/setup.sh does)")]
    Tool {
        /// The program.
        tool: &'static str,
        /// What it comes with.
        package: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// An `ip` or `tc` command failed.
    #[error(
        "`{command}` failed: {stderr}\nhint: with `cannot open`, `not found` or `failed to execute`, install iproute2 and util-linux, otherwise repeat it by hand to see why"
    )]
    Command {
        /// The command as a user can repeat it.
        command: String,
        /// What it said.
        stderr: String,
    },
    /// The agent ended before its host was ready.
    #[error(
        "the {role} agent ended ({status}) while its host was being made\nhint: run `{command}` by hand to see why"
    )]
    AgentEnded {
        /// Which.
        role: Role,
        /// How.
        status: ExitStatus,
        /// How it had been started.
        command: String,
    },
    /// Something did not happen in time.
    #[error("{awaited} took longer than {} s\nhint: the machine may be overloaded: try again with less running beside lmbench", limit.as_secs_f64())]
    Timeout {
        /// What was awaited.
        awaited: String,
        /// For how long.
        limit: Duration,
    },
    /// The kernel cannot do what the scenario asks for.
    #[error("{key}: {missing}\nhint: {mend}")]
    Unsupported {
        /// The scenario's key.
        key: String,
        /// What the kernel lacks.
        missing: String,
        /// What to do.
        mend: String,
    },
    /// A user-space link could not be made, or its process is gone.
    #[error(
        "the user-space link failed: {why}\nhint: `lmbench doctor` tells whether TAP devices work here; `method = \"kernel\"` does without them where the kernel has netem"
    )]
    Link {
        /// What happened.
        why: String,
    },
    /// A setting that no link can have.
    #[error("{key}: {why}")]
    Setting {
        /// The scenario's key.
        key: String,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// This user may not make namespaces.
    #[error("this user may not make network namespaces: {why}\nhint: {mend}")]
    NotPermitted {
        /// What was refused.
        why: String,
        /// What to do.
        mend: String,
    },
    /// The lab is gone, but the agents had left processes in it, which had to be killed.
    #[error("the agents left processes in the lab, which were killed: {}\nhint: this is a bug of lmbench unless an agent was killed", processes.join(", "))]
    LeftBehind {
        /// Process ids with their programs' names.
        processes: Vec<String>,
    },
    /// Processes that even SIGKILL did not end in time.
    #[error("processes of the lab survive: {}\nhint: the namespaces stay until they end (look for state D in `ps`)", processes.join(", "))]
    Survivors {
        /// Process ids with their programs' names.
        processes: Vec<String>,
    },
}

impl LabError {
    pub(super) fn file(
        operation: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(io::Error) -> LabError {
        let path = path.to_owned();
        move |source| LabError::File {
            operation,
            path,
            source,
        }
    }
}
