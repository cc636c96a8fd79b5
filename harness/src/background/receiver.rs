//! The end that takes the traffic, counts it, and returns probes. Serves one sender.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::report::rate_bps;
use super::wire::{Kind, PROBE_BYTES, prepare, recognise};
use super::{BackgroundError, BackgroundReport, SILENCE_LIMIT};
use crate::clock::monotonic_ns;

/// Takes background traffic from one [`super::Sender`]. Dropping it ends it, and with it the sender.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<BackgroundReport>,
}

impl Receiver {
    /// Listens in the network namespace of the calling thread. Port 0 takes any free one, see [`Receiver::local_addr`].
    pub async fn bind(address: SocketAddr) -> Result<Receiver, BackgroundError> {
        let failed = |source| BackgroundError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(listener, stop.clone()));
        Ok(Receiver {
            address,
            stop,
            task,
        })
    }

    /// Where a sender finds it.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Whether the traffic has ended, by the sender's doing or by an error.
    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Ends the traffic; the report holds what arrived.
    pub async fn stop(mut self) -> BackgroundReport {
        self.stop.cancel();
        (&mut self.task)
            .await
            .unwrap_or_else(|error| BackgroundReport {
                ended_early: Some(error.to_string()),
                ..BackgroundReport::default()
            })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, stop: CancellationToken) -> BackgroundReport {
    let mut count = Count::default();
    let (ended, stopped) = tokio::select! {
        ended = take(listener, &mut count) => (ended, false),
        () = stop.cancelled() => (Ok(()), true),
    };
    let duration = Duration::from_nanos(count.last_ns.saturating_sub(count.first_ns));
    let ended_early = ended
        .err()
        .filter(|_| !stopped)
        .map(|error| error.to_string());
    let achieved_bps = rate_bps(count.bytes, duration);
    BackgroundReport {
        received_bytes: Some(count.bytes),
        achieved_bps,
        duration,
        ended_early,
        ..BackgroundReport::default()
    }
}

/// What has arrived and when.
#[derive(Debug, Default)]
struct Count {
    bytes: u64,
    first_ns: u64,
    last_ns: u64,
}

/// Until the stream ends, or either connection fails: both are dropped then, which ends the sender.
async fn take(listener: TcpListener, count: &mut Count) -> io::Result<()> {
    let (mut stream, mut probe) = (None, None);
    while stream.is_none() || probe.is_none() {
        let (mut connection, peer) = listener.accept().await?;
        prepare(&connection)?;
        // A stranger's connection (a port scanner's) is dropped and disturbs nobody.
        match timeout(HELLO_LIMIT, recognise(&mut connection)).await {
            Ok(Ok(Kind::Stream)) => stream = Some(connection),
            Ok(Ok(Kind::Probe)) => probe = Some(connection),
            _ => tracing::warn!(%peer, "a connection that is no background traffic"),
        }
    }
    let (Some(stream), Some(probe)) = (stream, probe) else {
        return Ok(());
    };
    tokio::select! {
        ended = count_stream(stream, count) => ended,
        ended = echo(probe) => ended,
    }
}

async fn count_stream(mut stream: TcpStream, count: &mut Count) -> io::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    count.first_ns = monotonic_ns();
    count.last_ns = count.first_ns;
    loop {
        let silence = || {
            io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no traffic for {} s", SILENCE_LIMIT.as_secs()),
            )
        };
        let read = timeout(SILENCE_LIMIT, stream.read(&mut buffer))
            .await
            .map_err(|_| silence())??;
        if read == 0 {
            break;
        }
        count.bytes += read as u64;
        count.last_ns = monotonic_ns();
    }
    stream.write_all(&count.bytes.to_be_bytes()).await?;
    stream.shutdown().await
}

async fn echo(mut probe: TcpStream) -> io::Result<()> {
    let mut message = [0; PROBE_BYTES];
    loop {
        probe.read_exact(&mut message).await?;
        probe.write_all(&message).await?;
    }
}

const READ_BYTES: usize = 256 * 1024;
const HELLO_LIMIT: Duration = Duration::from_secs(5);
