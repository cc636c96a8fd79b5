//! What OpenSSH could not do.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::carrier::CarrierError;
use crate::folder::FolderError;

/// OpenSSH could not do its part.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// OpenSSH is not installed.
    #[error(
        "no program `{program}` in PATH or the usual places for daemons\nhint: install OpenSSH, server and client"
    )]
    Missing {
        /// Its name.
        program: &'static str,
    },
    /// A program could not be started.
    #[error("cannot start {}", program.display())]
    Start {
        /// Its path.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `sshd` does not like its configuration or its surroundings.
    #[error("sshd refuses to work here: {said}")]
    Server {
        /// Its last words.
        said: String,
    },
    /// The directory that `sshd` locks itself in is missing.
    #[error("cannot make sshd's directory {}\nhint: as root, mkdir -m 755 {}", path.display(), path.display())]
    PrivilegeSeparation {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No user to log in as.
    #[error("no user for sshd to let in: {0}\nhint: run as a user that has a name here")]
    User(String),
    /// Somebody else could put a socket in the place of QEMU's.
    #[error("others can change what is in {}: {why}\nhint: sshd connects to whoever listens there, so use a folder that only you can write to, such as one of mode 700", folder.display())]
    Exposed {
        /// The folder of the local socket.
        folder: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// There is nowhere to bring channels to.
    #[error("sshd connects to a local socket, and none was named")]
    NoSocket,
    /// The keys or sockets have no place.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The key does not fit OpenSSH's format.
    #[error("cannot write a key")]
    Key(#[from] ssh_key::Error),
    /// The sink did not say whom and what to ask for.
    #[error("sink did not introduce its sshd")]
    Introduction(#[source] io::Error),
    /// `ssh` did not get through.
    #[error("ssh did not get through: {said}")]
    Refused {
        /// Its last words.
        said: String,
    },
    /// `ssh` was too slow.
    #[error("ssh was not ready within {after:?}, last words: {said}")]
    TimedOut {
        /// The deadline.
        after: Duration,
        /// Its last words.
        said: String,
    },
    /// The process that carried everything has ended while it was needed.
    #[error("{program} ended too early: {said}")]
    Ended {
        /// Which.
        program: &'static str,
        /// Its last words.
        said: String,
    },
}

impl From<SshError> for CarrierError {
    fn from(error: SshError) -> Self {
        match error {
            SshError::Refused { .. } | SshError::TimedOut { .. } | SshError::Ended { .. } => {
                Self::Broke(Box::new(error))
            }
            SshError::Missing { .. }
            | SshError::Start { .. }
            | SshError::Server { .. }
            | SshError::PrivilegeSeparation { .. }
            | SshError::User(_)
            | SshError::Exposed { .. }
            | SshError::NoSocket
            | SshError::Folder(_)
            | SshError::Key(_)
            | SshError::Introduction(_) => Self::Unequipped(Box::new(error)),
        }
    }
}
