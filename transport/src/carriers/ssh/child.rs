//! A process of OpenSSH with a TCP connection as its standard input and output.
//!
//! It stays in our process group, so that whoever kills that takes it too, and gets `SIGKILL` from the kernel when we are killed
//! alone. `sshd` has children of its own, which neither reaches; what ends them for sure is the end of the connection, so we keep a
//! descriptor of it to hang up with.

use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use lmbench_os::child::die_with_parent;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use super::deadlines::END_DEADLINE;
use super::error::SshError;
use super::log::Log;

/// Dropping it hangs up and kills.
#[derive(Debug)]
pub(super) struct Child {
    name: &'static str,
    process: tokio::process::Child,
    wire: std::net::TcpStream,
    log: Log,
}

impl Child {
    /// Starts it. `command` must not set any of the three standard streams.
    pub(super) fn start(
        name: &'static str,
        mut command: Command,
        wire: TcpStream,
    ) -> Result<Self, SshError> {
        let program = Path::new(command.as_std().get_program()).to_owned();
        let started = into_blocking(wire).and_then(|wire| {
            let end = || io::Result::Ok(Stdio::from(OwnedFd::from(wire.try_clone()?)));
            command
                .stdin(end()?)
                .stdout(end()?)
                .stderr(Stdio::piped())
                .kill_on_drop(true);
            die_with_parent(command.as_std_mut());
            let process = command.spawn()?;
            Ok((wire, process))
        });
        let (wire, mut process) = started.map_err(|source| SshError::Start { program, source })?;
        let stderr = process.stderr.take().expect("standard error is a pipe");
        Ok(Self {
            name,
            process,
            wire,
            log: Log::follow(stderr),
        })
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    /// Waits until it has ended, which it should not do by itself. Dropping the future is fine.
    pub(super) async fn ended(&mut self) -> SshError {
        // Waiting for one's own child fails only when it was waited for already.
        let _ = self.process.wait().await;
        // Its children may still hold the pipe that it wrote its last words to.
        let _ = timeout(WORDS_DEADLINE, self.log.silent()).await;
        SshError::Ended {
            program: self.name,
            said: self.log.last_words(),
        }
    }

    /// Whether it or its connection has ended, which neither should have done by itself.
    pub(super) fn is_cut(&mut self) -> bool {
        // Whatever has arrived and was not read yet shows that the connection stands.
        let peeked = recv(
            &self.wire,
            &mut [0; 1],
            RecvFlags::PEEK | RecvFlags::DONTWAIT,
        );
        let stands = match peeked {
            Ok((_, len)) => len > 0,
            Err(error) => error == Errno::AGAIN,
        };
        !stands || !matches!(self.process.try_wait(), Ok(None))
    }

    /// Hangs up and waits for its end; kills it if it does not come.
    pub(super) async fn end(mut self) {
        self.hang_up();
        if timeout(END_DEADLINE, self.process.wait()).await.is_err() {
            // It may have ended in this moment.
            let _ = self.process.kill().await;
        }
    }

    fn hang_up(&self) {
        // Nothing is left to hang up if the peer has done so.
        let _ = self.wire.shutdown(Shutdown::Both);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.hang_up();
    }
}

fn into_blocking(wire: TcpStream) -> io::Result<std::net::TcpStream> {
    let wire = wire.into_std()?;
    wire.set_nonblocking(false)?;
    Ok(wire)
}

const WORDS_DEADLINE: Duration = Duration::from_millis(100);
