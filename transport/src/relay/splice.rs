//! One direction of a relay inside the kernel: `splice(2)` from a socket into a pipe and on into the other socket.
//!
//! `EAGAIN` from `splice` does not say which of its two ends would block, and waiting for the wrong one waits for ever. So the
//! pipe is only filled when it is empty and only drained when it is not: then only the socket can be the one that blocks.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::net::Shutdown;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

use super::slow::Slowness;
use crate::carrier::channel::pass_on_end;
use crate::carrier::counters::Moved;

/// A socket that tokio watches.
pub(super) trait KernelSocket: AsFd {
    async fn ready(&self, interest: Interest) -> io::Result<()>;
    /// Runs a system call that has just become possible; `WouldBlock` from it clears the readiness.
    fn attempt(
        &self,
        interest: Interest,
        call: impl FnOnce() -> io::Result<usize>,
    ) -> io::Result<usize>;
}

/// Moves bytes until the source ends, then passes the end on.
pub(super) async fn direction(
    from: &impl KernelSocket,
    to: &impl KernelSocket,
    moved: &Moved,
    sleep_per_mib: Duration,
) -> io::Result<()> {
    // A direction that stays silent needs no pipe.
    from.ready(Interest::READABLE).await?;
    let pipe = Pipe::new()?;
    let mut slowness = Slowness::new(sleep_per_mib);
    let mut since_yield = 0;
    loop {
        let filled = transfer(from, Interest::READABLE, from, &pipe.write, pipe.capacity).await?;
        if filled == 0 {
            moved.end();
            return pass_on_end(rustix::net::shutdown(to, Shutdown::Write).map_err(Into::into));
        }
        moved.taken();
        let mut left = filled;
        while left > 0 {
            let drained = transfer(to, Interest::WRITABLE, &pipe.read, to, left).await?;
            if drained == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            left -= drained;
            moved.given(drained);
        }
        slowness.after(filled).await;
        // System calls are invisible to tokio's scheduling budget, and a busy channel must not starve its neighbours.
        since_yield += filled;
        if since_yield >= BYTES_PER_TURN {
            since_yield = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// One successful `splice`, waiting for the one socket that can block.
async fn transfer(
    socket: &impl KernelSocket,
    interest: Interest,
    from: impl AsFd + Copy,
    to: impl AsFd + Copy,
    len: usize,
) -> io::Result<usize> {
    loop {
        let call = || {
            Ok(splice(
                from,
                None,
                to,
                None,
                len,
                SpliceFlags::MOVE | SpliceFlags::NONBLOCK,
            )?)
        };
        match socket.attempt(interest, call) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                socket.ready(interest).await?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Dropped with whatever is in it; never used for another channel.
struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    capacity: usize,
}

impl Pipe {
    fn new() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // An ordinary user may run out of the kernel's allowance for large pipes; the default size then works too, slower.
        let capacity = fcntl_setpipe_size(&write, PIPE_LEN).unwrap_or(PIPE_LEN_DEFAULT);
        Ok(Self {
            read,
            write,
            capacity,
        })
    }
}

impl KernelSocket for TcpStream {
    async fn ready(&self, interest: Interest) -> io::Result<()> {
        self.ready(interest).await.map(drop)
    }

    fn attempt(
        &self,
        interest: Interest,
        call: impl FnOnce() -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.try_io(interest, call)
    }
}

impl KernelSocket for UnixStream {
    async fn ready(&self, interest: Interest) -> io::Result<()> {
        self.ready(interest).await.map(drop)
    }

    fn attempt(
        &self,
        interest: Interest,
        call: impl FnOnce() -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.try_io(interest, call)
    }
}

/// What an unprivileged process may ask for by default (`/proc/sys/fs/pipe-max-size`).
const PIPE_LEN: usize = 1024 * 1024;
const PIPE_LEN_DEFAULT: usize = 64 * 1024;
const BYTES_PER_TURN: usize = 4 * PIPE_LEN;
