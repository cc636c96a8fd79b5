//! Stands between QEMU and whoever it migrates to, passes every byte on, and has it written down.
//!
//! Each connection that is accepted is a channel, and gets a connection of its own to the other side, in the same order. Each direction is
//! passed on until it ends, and its end as a half-close. An entry is queued before its bytes are passed on, so the file's order
//! is that of cause and effect. What becomes of the file never changes what becomes of the stream, but for its pace: when
//! the queue (`capture/recorder.rs`) is full, the stream waits for the disk.
//!
//! # The end
//! The capture ends when it is told to, and by itself once the first channel has ended in order, no channel is open, and none opens for
//! [`TeeOptions::linger`]. The first channel is the main one, which outlives the migration's others; a channel that breaks ends
//! nothing, since a post-copy migration may be recovered on new ones.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::capture::recorder::{Happened, Item, Recorder, Written};
use crate::capture::{Direction, Totals, Writer};
use crate::carrier::chain;
use crate::carry::error::CarryError;
use crate::carry::local::{self, LocalListener};

/// A socket that QEMU may migrate to.
pub struct Tee {
    listener: LocalListener,
    listen: PathBuf,
    to: PathBuf,
    options: TeeOptions,
}

/// What can be told, each by its consequence.
#[derive(Clone, Debug)]
pub struct TeeOptions {
    /// How long to go on trying to reach the other side, for each channel.
    pub local_deadline: Duration,
    /// How long channels may still take to end by themselves after a stop.
    pub drain_deadline: Duration,
    /// How long to wait for another channel once the first one has ended in order and none is open; `None` waits for the stop alone.
    pub linger: Option<Duration>,
    /// A user of this host, besides the one of this process, whose processes may be at either socket. Anybody else gets and gives no byte.
    pub peer_uid: Option<u32>,
}

/// Something that happened. Fields may be added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum TeeEvent {
    /// QEMU may migrate.
    Listening {
        /// To this unix socket.
        path: PathBuf,
    },
    /// A channel is passed on from now on.
    ChannelOpen {
        /// Its number.
        number: u32,
    },
    /// A channel has ended.
    ChannelClosed {
        /// Its number.
        number: u32,
        /// Bytes towards the destination.
        to_destination_bytes: u64,
        /// Bytes towards the source.
        to_source_bytes: u64,
        /// Why it broke, if it did.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// Somebody connected and was turned away.
    Refused {
        /// Why.
        reason: String,
    },
    /// The capture cannot be written any further. The stream goes on.
    Broke {
        /// Why.
        error: String,
    },
    /// The last event.
    Finished {
        /// Channels in the file.
        channels: u32,
        /// Bytes towards the destination in the file.
        to_destination_bytes: u64,
        /// Bytes towards the source in the file.
        to_source_bytes: u64,
        /// Size of the file.
        file_bytes: u64,
        /// Whether all of the stream is in the file.
        whole: bool,
    },
}

/// Who is told.
pub type TeeListener = Arc<dyn Fn(TeeEvent) + Send + Sync>;

/// A capture went wrong.
#[derive(Debug, thiserror::Error)]
pub enum TeeError {
    /// The socket that QEMU should connect to.
    #[error(transparent)]
    Listen(CarryError),
    /// The file took only a part of the stream, or nothing.
    #[error("cannot write the capture")]
    Write(#[source] io::Error),
    /// A channel did not come to its end in order, or was cut. The file has what came of it.
    #[error("the stream broke: {said}")]
    Channel {
        /// What the first such channel said.
        said: String,
    },
    /// The other side was never reached, so the migration failed.
    #[error("cannot reach {}", path.display())]
    Reach {
        /// Its socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Default for TeeOptions {
    fn default() -> Self {
        Self {
            local_deadline: Duration::from_secs(10),
            drain_deadline: Duration::from_secs(5),
            linger: Some(Duration::from_secs(1)),
            peer_uid: None,
        }
    }
}

impl Tee {
    /// Listens on one unix socket, for a stream to whoever listens on the other one. Needs a tokio runtime.
    pub fn bind(listen: PathBuf, to: PathBuf, options: TeeOptions) -> Result<Self, TeeError> {
        local::check_length(&to).map_err(TeeError::Listen)?;
        let listener = LocalListener::bind(&listen, options.peer_uid).map_err(TeeError::Listen)?;
        Ok(Self {
            listener,
            listen,
            to,
            options,
        })
    }

    /// Writes into a file that is empty and open for writing, until it is told to stop or the stream has ended
    /// ([`TeeOptions::linger`]). The file should be readable for its owner only: it will hold a guest's memory.
    pub async fn run(
        self,
        file: File,
        events: TeeListener,
        stop: CancellationToken,
    ) -> Result<Totals, TeeError> {
        let Self {
            listener,
            listen: path,
            to,
            options,
        } = self;
        let writer = Writer::new(file).map_err(TeeError::Write)?;
        let mut recorder = Recorder::start(writer).map_err(TeeError::Write)?;
        events(TeeEvent::Listening { path });
        let mut channels = Channels {
            events: &events,
            queue: recorder.queue.clone(),
            running: JoinSet::new(),
            begin: None,
            count: 0,
            main_ended: false,
            broke: None,
        };
        let mut broke = None;
        let result = loop {
            let over = channels.main_ended && channels.running.is_empty();
            tokio::select! {
                () = stop.cancelled() => break Ok(()),
                () = pause(options.linger.filter(|_| over)) => break Ok(()),
                Some(ended) = channels.running.join_next() => channels.ended(ended),
                error = told(&mut recorder.broke, broke.is_some()) => {
                    events(TeeEvent::Broke { error: chain(&error) });
                    broke = Some(error);
                }
                accepted = listener.accept() => match accepted {
                    Ok(Err(stranger)) => events(TeeEvent::Refused {
                        reason: stranger.to_string(),
                    }),
                    Ok(Ok(stream)) => {
                        let reached = local::connect(&to, options.local_deadline, options.peer_uid);
                        match stop.run_until_cancelled(reached).await {
                            None => break Ok(()),
                            Some(Ok(to)) => channels.begin(stream, to).await,
                            Some(Err(source)) => break Err(TeeError::Reach { path: to, source }),
                        }
                    }
                    Err(error) => break Err(TeeError::Listen(error)),
                },
            }
        };
        drop(listener);
        let all = async {
            while let Some(ended) = channels.running.join_next().await {
                channels.ended(ended);
            }
        };
        if timeout(options.drain_deadline, all).await.is_err() {
            channels.broke.get_or_insert_with(|| CUT.to_owned());
        }
        channels.running.shutdown().await;
        let lost = channels.broke.take();
        drop(channels);
        let (late, written) = recorder.finish().await;
        if let Some(error) = late {
            events(TeeEvent::Broke {
                error: chain(&error),
            });
            broke = Some(error);
        }
        let Written { totals, whole } = written.unwrap_or(Written {
            totals: Totals::default(),
            whole: false,
        });
        events(TeeEvent::Finished {
            channels: totals.channels,
            to_destination_bytes: totals.to_destination_bytes,
            to_source_bytes: totals.to_source_bytes,
            file_bytes: totals.file_bytes,
            whole,
        });
        result?;
        match (broke, lost) {
            (Some(error), _) => Err(TeeError::Write(error)),
            (None, Some(said)) => Err(TeeError::Channel { said }),
            (None, None) => Ok(totals),
        }
    }
}

/// What runs.
struct Channels<'a> {
    events: &'a TeeListener,
    queue: mpsc::Sender<Item>,
    running: JoinSet<Ended>,
    begin: Option<Instant>,
    count: u32,
    main_ended: bool,
    /// What the first channel that broke said.
    broke: Option<String>,
}

/// How a channel went.
struct Ended {
    number: u32,
    to_destination_bytes: u64,
    to_source_bytes: u64,
    error: Option<io::Error>,
}

impl Channels<'_> {
    async fn begin(&mut self, source: UnixStream, destination: UnixStream) {
        let begin = *self.begin.get_or_insert_with(Instant::now);
        let number = self.count;
        self.count += 1;
        let tap = Tap {
            queue: self.queue.clone(),
            channel: number,
            begin,
        };
        tap.tell(Happened::Open).await;
        (self.events)(TeeEvent::ChannelOpen { number });
        self.running.spawn(channel(tap, source, destination));
    }

    fn ended(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        // A channel that panicked has nothing to tell; the panic itself was printed.
        let Ok(ended) = ended else { return };
        self.main_ended |= ended.number == 0 && ended.error.is_none();
        let error = ended.error.as_ref().map(|error| chain(error));
        if let Some(error) = &error {
            let said = format!("channel {}: {error}", ended.number);
            self.broke.get_or_insert(said);
        }
        (self.events)(TeeEvent::ChannelClosed {
            number: ended.number,
            to_destination_bytes: ended.to_destination_bytes,
            to_source_bytes: ended.to_source_bytes,
            error,
        });
    }
}

async fn channel(tap: Tap, source: UnixStream, destination: UnixStream) -> Ended {
    let counters = [AtomicU64::new(0), AtomicU64::new(0)];
    let (from_source, to_source) = source.into_split();
    let (from_destination, to_destination) = destination.into_split();
    let forward = Direction::ToDestination;
    let back = Direction::ToSource;
    let result = tokio::try_join!(
        pump(from_source, to_destination, forward, &tap, &counters[0]),
        pump(from_destination, to_source, back, &tap, &counters[1]),
    );
    Ended {
        number: tap.channel,
        to_destination_bytes: counters[0].load(Ordering::Relaxed),
        to_source_bytes: counters[1].load(Ordering::Relaxed),
        error: result.err(),
    }
}

/// Passes one direction on until its end. The first error of a channel ends both of its directions.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    direction: Direction,
    tap: &Tap,
    passed: &AtomicU64,
) -> io::Result<()> {
    let end = |broken| tap.tell(Happened::End { direction, broken });
    let mut buffer = BytesMut::new();
    loop {
        if buffer.capacity() < CHUNK_LEN_MIN {
            buffer = BytesMut::with_capacity(CHUNK_LEN_MAX);
        }
        let bytes = match from.read_buf(&mut buffer).await {
            Ok(0) => break,
            Ok(_) => buffer.split().freeze(),
            Err(error) => {
                end(true).await;
                return Err(error);
            }
        };
        let len = bytes.len() as u64;
        tap.tell(Happened::Bytes {
            direction,
            bytes: bytes.clone(),
        })
        .await;
        if let Err(error) = to.write_all(&bytes).await {
            end(true).await;
            return Err(error);
        }
        passed.fetch_add(len, Ordering::Relaxed);
    }
    end(false).await;
    match to.shutdown().await {
        // Whoever has gone already needs no half-close.
        Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
        _ => Ok(()),
    }
}

/// A channel's way into the file.
struct Tap {
    queue: mpsc::Sender<Item>,
    channel: u32,
    begin: Instant,
}

impl Tap {
    async fn tell(&self, what: Happened) {
        let item = Item {
            at_ns: u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX),
            channel: self.channel,
            what,
        };
        // Once the file takes nothing more, the stream goes on without it.
        let _ = self.queue.send(item).await;
    }
}

/// Pending without an end.
async fn pause(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

/// Pending when it was told already, or nothing goes wrong.
async fn told(broke: &mut oneshot::Receiver<io::Error>, already: bool) -> io::Error {
    if already {
        return std::future::pending().await;
    }
    match broke.await {
        Ok(error) => error,
        Err(_) => io::Error::other("the writing thread has died"),
    }
}

const CUT: &str = "cut, because the capture was stopped";
/// What is read at once.
const CHUNK_LEN_MAX: usize = 256 * 1024;
/// Less room than this is not read into: small reads would become small blocks.
const CHUNK_LEN_MIN: usize = 64 * 1024;
