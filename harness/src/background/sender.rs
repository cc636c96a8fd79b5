//! The end that makes the traffic, at a steady rate, and times the probes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::report::{RoundTrips, rate_bps};
use super::wire::{Kind, PROBE_BYTES, announce, prepare};
use super::{BURST, BackgroundError, BackgroundReport, PROBE_INTERVAL, RATE_MIN_BPS, TICK};
use crate::clock::monotonic_ns;

/// Sends background traffic to a [`super::Receiver`]. Dropping it ends it, and with it the receiver.
#[derive(Debug)]
pub struct Sender {
    sent: Arc<AtomicU64>,
    stop: CancellationToken,
    task: JoinHandle<BackgroundReport>,
}

impl Sender {
    /// Connects, and begins to send `rate_bps` bits of payload per second and twenty probes a second.
    pub async fn start(address: SocketAddr, rate_bps: u64) -> Result<Sender, BackgroundError> {
        if rate_bps < RATE_MIN_BPS {
            return Err(BackgroundError::Rate { rate_bps });
        }
        let failed = |source| BackgroundError::Connect { address, source };
        let stream = connect(address, Kind::Stream).await.map_err(failed)?;
        let probe = connect(address, Kind::Probe).await.map_err(failed)?;
        let pacer = Pacer::new(rate_bps, monotonic_ns());
        // What is written beyond this waits here and not in the kernel, where it would leave as a burst once the link is free.
        let unsent = u32::try_from(pacer.bytes_in(BURST))
            .unwrap_or(u32::MAX)
            .max(UNSENT_MIN_BYTES);
        socket2::SockRef::from(&stream)
            .set_tcp_notsent_lowat(unsent)
            .map_err(failed)?;
        let (sent, stop) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
        let task = tokio::spawn(run(stream, probe, pacer, Arc::clone(&sent), stop.clone()));
        Ok(Sender { sent, stop, task })
    }

    /// Bytes sent so far, for a curve over time.
    pub fn sent_bytes(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Whether the traffic has ended, by the receiver's doing or by an error.
    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Ends the traffic, and asks the receiver how much arrived.
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

impl Drop for Sender {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}

async fn connect(address: SocketAddr, kind: Kind) -> io::Result<TcpStream> {
    let mut stream = timeout(CONNECT_LIMIT, TcpStream::connect(address))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    prepare(&stream)?;
    announce(&mut stream, kind).await?;
    Ok(stream)
}

async fn run(
    mut stream: TcpStream,
    probe: TcpStream,
    pacer: Pacer,
    sent: Arc<AtomicU64>,
    stop: CancellationToken,
) -> BackgroundReport {
    let (asked_bps, started_ns) = (pacer.rate_bps, monotonic_ns());
    // Both halves live until the count is in: the receiver takes the probe's end for the sender's death.
    let (mut answers, mut questions) = probe.into_split();
    let (mut round_trips, mut probes_sent) = (RoundTrips::default(), 0);
    let ended = tokio::select! {
        ended = send(&mut stream, pacer, &sent) => ended.err(),
        ended = ask(&mut questions, &mut probes_sent) => ended.err(),
        ended = listen(&mut answers, &mut round_trips) => ended.err(),
        () = stop.cancelled() => None,
    };
    let duration = Duration::from_nanos(monotonic_ns() - started_ns);
    let sent_bytes = sent.load(Ordering::Relaxed);
    let received_bytes = if ended.is_none() {
        settle(&mut stream).await
    } else {
        None
    };
    BackgroundReport {
        sent_bytes: Some(sent_bytes),
        received_bytes,
        asked_bps: Some(asked_bps),
        achieved_bps: rate_bps(sent_bytes, duration),
        duration,
        probe_us: round_trips.pairs(),
        probes_sent,
        ended_early: ended.map(|error| error.to_string()),
    }
}

/// Returns only with an error.
async fn send(stream: &mut TcpStream, mut pacer: Pacer, sent: &AtomicU64) -> io::Result<()> {
    // Not zeroes: nothing on the way shall compress it.
    let chunk: Vec<u8> = (0..CHUNK_BYTES)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 16) as u8)
        .collect();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let mut due = pacer.due(monotonic_ns());
        while due > 0 {
            let part = due.min(CHUNK_BYTES as u64) as usize;
            let written = stream.write(&chunk[..part]).await?;
            sent.fetch_add(written as u64, Ordering::Relaxed);
            due -= written as u64;
        }
    }
}

/// Sends a probe on every tick, answered or not.
async fn ask(questions: &mut OwnedWriteHalf, probes_sent: &mut u64) -> io::Result<()> {
    let mut ticks = interval(PROBE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let mut message = [0; PROBE_BYTES];
        message[..8].copy_from_slice(&monotonic_ns().to_be_bytes());
        questions.write_all(&message).await?;
        *probes_sent += 1;
    }
}

async fn listen(answers: &mut OwnedReadHalf, round_trips: &mut RoundTrips) -> io::Result<()> {
    loop {
        let mut message = [0; PROBE_BYTES];
        answers.read_exact(&mut message).await?;
        let mut stamp = [0; 8];
        stamp.copy_from_slice(&message[..8]);
        round_trips.add(monotonic_ns().saturating_sub(u64::from_be_bytes(stamp)) / 1_000);
    }
}

/// Closes the stream and reads the receiver's count.
async fn settle(stream: &mut TcpStream) -> Option<u64> {
    let count = async {
        stream.shutdown().await?;
        stream.read_u64().await
    };
    timeout(SETTLE_LIMIT, count).await.ok()?.ok()
}

/// How much may be sent when: the rate, with no memory of more than [`BURST`].
#[derive(Debug)]
pub(super) struct Pacer {
    rate_bps: u64,
    last_ns: u64,
    /// Bit-nanoseconds that did not make a whole byte.
    remainder: u128,
}

impl Pacer {
    pub(super) fn new(rate_bps: u64, now_ns: u64) -> Pacer {
        Pacer {
            rate_bps,
            last_ns: now_ns,
            remainder: 0,
        }
    }

    /// Bytes to send now.
    pub(super) fn due(&mut self, now_ns: u64) -> u64 {
        let elapsed = now_ns
            .saturating_sub(self.last_ns)
            .min(BURST.as_nanos() as u64);
        self.last_ns = self.last_ns.max(now_ns);
        let credit = u128::from(self.rate_bps) * u128::from(elapsed) + self.remainder;
        self.remainder = credit % BITNS_PER_BYTE;
        (credit / BITNS_PER_BYTE) as u64
    }

    fn bytes_in(&self, time: Duration) -> u64 {
        (u128::from(self.rate_bps) * time.as_nanos() / BITNS_PER_BYTE) as u64
    }
}

const BITNS_PER_BYTE: u128 = 8 * 1_000_000_000;
const CHUNK_BYTES: usize = 256 * 1024;
const UNSENT_MIN_BYTES: u32 = 16 * 1024;
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// The rest of the stream is on the way for this long at most before its count is given up.
const SETTLE_LIMIT: Duration = Duration::from_secs(2);
