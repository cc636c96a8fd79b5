//! Feeds and drains sockets as the two QEMUs would, and takes the time. The references without a carrier are made of nothing else.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use lmbench_harness::role::Role;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};

use super::hosts::Hosts;
use super::stream::Stream;

/// One transfer.
#[derive(Debug, Clone)]
pub(crate) struct Transfer {
    /// From before the first write to the end of the stream.
    pub(crate) took: Duration,
    /// CPU seconds of the carrier's half on the source; of the writer where there is no carrier.
    pub(crate) source_s: f64,
    /// The same on the destination.
    pub(crate) sink_s: f64,
    /// What the source's half counted, if it counts.
    pub(crate) statistics: serde_json::Value,
}

/// Through one unix socket.
pub(crate) fn raw_unix(stream: &Stream) -> Result<Transfer, String> {
    let (near, far) = UnixStream::pair().map_err(words)?;
    near.set_write_timeout(Some(SILENCE_MAX)).map_err(words)?;
    transfer(near, move || Ok(far), stream)
}

/// Through one TCP connection between the hosts.
pub(crate) fn raw_tcp(hosts: &Hosts, stream: &Stream) -> Result<Transfer, String> {
    let address = hosts.address(Role::Destination);
    let listener = hosts.on(Role::Destination, || {
        TcpListener::bind((address, 0)).map_err(words)
    })?;
    let target = listener.local_addr().map_err(words)?;
    let near = hosts.on(Role::Source, || TcpStream::connect(target).map_err(words))?;
    near.set_write_timeout(Some(SILENCE_MAX)).map_err(words)?;
    transfer(near, move || accept_tcp(&listener), stream)
}

/// Writes the stream into one socket, reads it from another one until its end, and sees whether all has come.
pub(crate) fn transfer<N, F>(
    mut near: N,
    far: impl FnOnce() -> Result<F, String>,
    stream: &Stream,
) -> Result<Transfer, String>
where
    N: std::io::Write + Send,
    F: Read,
{
    std::thread::scope(|scope| {
        let begin = Instant::now();
        let writer = scope.spawn(move || {
            let before = thread_cpu();
            stream.write(&mut near).map(|()| thread_cpu() - before)
        });
        let before = thread_cpu();
        let drained = far().and_then(|mut far| drain(&mut far));
        let (took, sink_s) = (begin.elapsed(), thread_cpu() - before);
        // Whatever is wrong on this end is known better here than by the writer.
        let bytes = drained?;
        let written = writer.join().map_err(|_| "the writer panicked")?;
        let source_s = written.map_err(|error| format!("can't write the stream: {error}"))?;
        if bytes != stream.len() {
            return Err(format!(
                "{bytes} bytes of {} arrived, then the stream ended",
                stream.len()
            ));
        }
        Ok(Transfer {
            took,
            source_s,
            sink_s,
            statistics: serde_json::Value::Null,
        })
    })
}

/// The next connection; a carrier that breaks makes none.
pub(crate) fn accept_unix(listener: &UnixListener) -> Result<UnixStream, String> {
    wait(listener)?;
    let (stream, _) = listener.accept().map_err(words)?;
    stream.set_read_timeout(Some(SILENCE_MAX)).map_err(words)?;
    Ok(stream)
}

fn accept_tcp(listener: &TcpListener) -> Result<TcpStream, String> {
    wait(listener)?;
    let (stream, _) = listener.accept().map_err(words)?;
    stream.set_read_timeout(Some(SILENCE_MAX)).map_err(words)?;
    Ok(stream)
}

fn wait(listener: &impl AsFd) -> Result<(), String> {
    let limit = Timespec::try_from(SILENCE_MAX).map_err(words)?;
    let mut descriptors = [PollFd::new(listener, PollFlags::IN)];
    match poll(&mut descriptors, Some(&limit)) {
        Ok(0) => Err(format!("nothing arrived within {SILENCE_MAX:?}")),
        Ok(_) => Ok(()),
        Err(error) => Err(words(error)),
    }
}

fn drain(from: &mut impl Read) -> Result<u64, String> {
    let mut buffer = vec![0; READ_LEN];
    let mut bytes = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(len) => bytes += len as u64,
            Err(error) => return Err(format!("the stream broke after {bytes} bytes: {error}")),
        }
    }
}

fn thread_cpu() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

const READ_LEN: usize = 1 << 20;
/// Longer than any transfer stands still.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(20);
