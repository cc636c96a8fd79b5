//! What can go wrong between us and QEMU's machine protocol.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

/// Why an operation on a [`Qmp`](super::Qmp) failed.
#[derive(Debug, Clone, Error)]
pub enum QmpError {
    /// The socket cannot be used at all.
    #[error("cannot connect to QMP socket {}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Nobody listened on the socket in time.
    #[error("QMP socket {} did not accept a connection within {after:?}", path.display())]
    NotListening {
        /// The socket.
        path: PathBuf,
        /// The time allowed.
        after: Duration,
        /// What the last attempt said.
        source: Arc<io::Error>,
    },
    /// The other end accepted and then said nothing; QEMU does so while another client holds the monitor.
    #[error("no QMP greeting within {after:?}; is another client connected to this monitor?")]
    NoGreeting {
        /// The time allowed.
        after: Duration,
    },
    /// The connection ended before the greeting.
    #[error("QMP connection ended before the greeting")]
    ClosedBeforeGreeting {
        /// Why it ended.
        #[source]
        reason: CloseReason,
    },
    /// QEMU answered with an error.
    #[error("QEMU refused `{command}`: {description}")]
    Refused {
        /// The command.
        command: String,
        /// QEMU's error class, for example `CommandNotFound`.
        class: String,
        /// QEMU's text.
        description: String,
    },
    /// The reply did not come in time. QEMU may still run the command.
    #[error("QEMU did not answer `{command}` within {after:?}")]
    TimedOut {
        /// The command.
        command: String,
        /// The time allowed.
        after: Duration,
    },
    /// Earlier commands had no reply yet, and their number is limited. QEMU never saw this command.
    #[error(
        "`{command}` was not sent within {after:?}: QEMU has not answered the commands before it"
    )]
    NotSent {
        /// The command.
        command: String,
        /// The time allowed.
        after: Duration,
    },
    /// This QEMU did not offer out-of-band commands.
    #[error("cannot run `{command}` out of band: this QEMU does not offer it")]
    NoOutOfBand {
        /// The command.
        command: String,
    },
    /// The connection ended before the reply.
    #[error("QMP connection ended before QEMU answered `{command}`")]
    Closed {
        /// The command.
        command: String,
        /// Why it ended.
        #[source]
        reason: CloseReason,
    },
    /// The reply has another shape than the command's.
    #[error("QEMU's reply to `{command}` is not {expected}")]
    Unexpected {
        /// The command.
        command: String,
        /// What the reply should be.
        expected: &'static str,
    },
}

impl QmpError {
    pub(super) fn unexpected(command: &str, expected: &'static str) -> QmpError {
        QmpError::Unexpected {
            command: command.to_owned(),
            expected,
        }
    }
}

/// Why a connection ended.
#[derive(Debug, Clone, Error)]
pub enum CloseReason {
    /// The other end closed it: QEMU quit, crashed or was killed.
    #[error("QEMU closed the connection")]
    EndOfStream,
    /// Reading failed.
    #[error("reading from the QMP socket failed")]
    Read(#[source] Arc<io::Error>),
    /// Writing failed.
    #[error("writing to the QMP socket failed")]
    Write(#[source] Arc<io::Error>),
    /// The other end sent a line without end.
    #[error("a QMP line is longer than {limit} bytes")]
    LineTooLong {
        /// The longest line accepted.
        limit: usize,
    },
    /// The other end sent something that is no QMP message.
    #[error("not a QMP message ({problem}): {excerpt}")]
    Junk {
        /// What is wrong with it.
        problem: String,
        /// Its beginning.
        excerpt: String,
    },
    /// QEMU greeted again, which puts its monitor back to the beginning of a conversation that went on.
    #[error("QEMU greeted twice")]
    GreetedTwice,
    /// QEMU could not read something we sent, and says so without naming a command.
    #[error("QEMU could not read our message: {description}")]
    Misunderstood {
        /// QEMU's text.
        description: String,
    },
}
