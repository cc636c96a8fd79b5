//! Joins a local stream and a channel, in both directions.
//!
//! Each direction moves bytes until its source ends, passes the end on as a half-close, and leaves the other direction alone.
//! The first error ends both and cuts the channel, so that the far end sees an error and not an orderly end; and where the channel
//! belongs to a session, a relay has not ended well before the far end's relay has told the same (see `notices.rs`). Memory is bounded: one pipe
//! or one buffer per direction, made when the first byte comes; a reader that stops, stops the writer.
//!
//! Two ways to move the bytes: [`Path::Splice`] inside the kernel, when both ends are kernel sockets, and [`Path::Copy`]
//! through a buffer. `cargo bench -p lmbench --bench relay` compares them.
//! Splice is the default because it costs less CPU: medians of four interleaved runs of 3 GiB over veth on a busy two-core machine,
//! source + sink CPU-s/GiB, were 0.18 + 0.12 spliced and 0.22 + 0.20 copied, at 1.3 and 1.1 GB/s (no relay: 2.0 GB/s).

mod copy;
mod slow;
mod splice;

use std::io;
use std::time::Duration;

use tokio::net::UnixStream;

pub use crate::carrier::counters::Counters;

use crate::carrier::channel::{Channel, Directions};
use crate::carrier::notices::Ends;

/// How the bytes get from one socket to the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Path {
    /// Splice where both ends are kernel sockets, the carrier's own way where it has one (encrypting in place, as `tls` and `quic`),
    /// copy otherwise.
    #[default]
    Auto,
    /// `splice(2)` through a pipe: no copy in this process. An error for channels that are not kernel sockets.
    Splice,
    /// [`Path::Splice`] with a sleep for each MiB sent, all of them together: a carrier that is slower by a known amount.
    Slow {
        /// The sleep.
        sleep_per_mib: Duration,
    },
    /// Read and write through a buffer: works for every channel.
    Copy,
}

/// A relay broke off.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// Moving bytes towards the peer failed.
    #[error("relay from the local stream to channel {channel} failed")]
    Sending {
        /// The channel's number.
        channel: u32,
        /// Why.
        source: io::Error,
    },
    /// Moving bytes from the peer failed.
    #[error("relay from channel {channel} to the local stream failed")]
    Receiving {
        /// The channel's number.
        channel: u32,
        /// Why.
        source: io::Error,
    },
    /// The peer told that the channel is broken.
    #[error("relay of channel {channel} failed")]
    PeerBroke {
        /// The channel's number.
        channel: u32,
        /// What it told.
        source: io::Error,
    },
    /// Splice was asked for, but the channel is made in user space.
    #[error("channel {channel} is not a kernel socket and cannot be spliced")]
    NotSpliceable {
        /// The channel's number.
        channel: u32,
    },
}

/// Relays until both directions have ended, or one has failed. Dropping the future cuts the channel.
pub async fn relay(
    local: UnixStream,
    channel: Channel,
    path: Path,
    counters: &Counters,
) -> Result<(), RelayError> {
    let mut relay = Relay {
        local,
        ends: channel.ends().cloned(),
        channel: Some(channel),
    };
    let result = relay.run(path, counters).await;
    if result.is_ok() {
        relay.channel = None;
    }
    result
}

/// Cuts the channel when it is dropped before both directions have ended, for whatever reason.
struct Relay {
    local: UnixStream,
    ends: Option<Ends>,
    channel: Option<Channel>,
}

impl Relay {
    async fn run(&mut self, path: Path, counters: &Counters) -> Result<(), RelayError> {
        let channel = self
            .channel
            .as_mut()
            .expect("the channel is taken only after the run");
        let ending = Ending {
            channel: channel.number(),
            ends: self.ends.as_ref(),
            counters,
        };
        let slowness = match path {
            Path::Slow { sleep_per_mib } => sleep_per_mib,
            Path::Auto | Path::Splice | Path::Copy => Duration::ZERO,
        };
        match (path, channel.as_tcp()) {
            (Path::Splice | Path::Slow { .. }, None) => {
                return Err(RelayError::NotSpliceable {
                    channel: channel.number(),
                });
            }
            (Path::Splice | Path::Slow { .. } | Path::Auto, Some(stream)) => {
                return ending
                    .both(
                        splice::direction(&self.local, stream, &counters.sent, slowness),
                        splice::direction(stream, &self.local, &counters.received, Duration::ZERO),
                    )
                    .await;
            }
            (Path::Copy, _) | (Path::Auto, None) => {}
        }
        if path == Path::Auto
            && let Some(Directions { send, receive }) = channel.pump(&self.local, counters)
        {
            return ending.both(send, receive).await;
        }
        let (from_local, to_local) = self.local.split();
        let (from_channel, to_channel) = tokio::io::split(channel);
        ending
            .both(
                copy::direction(from_local, to_channel, &counters.sent),
                copy::direction(from_channel, to_local, &counters.received),
            )
            .await
    }
}

/// What makes the end of both directions the end of the channel.
struct Ending<'a> {
    channel: u32,
    /// Missing where the channel belongs to no session.
    ends: Option<&'a Ends>,
    counters: &'a Counters,
}

impl Ending<'_> {
    /// Runs both directions until both ends of the channel agree on their ends.
    async fn both(
        &self,
        send: impl Future<Output = io::Result<()>>,
        receive: impl Future<Output = io::Result<()>>,
    ) -> Result<(), RelayError> {
        let Self {
            channel,
            ends,
            counters: Counters { sent, received },
        } = *self;
        let sending = |source| RelayError::Sending { channel, source };
        let receiving = |source| RelayError::Receiving { channel, source };
        let send = async {
            send.await.map_err(sending)?;
            let Some(ends) = ends else { return Ok(()) };
            ends.sent(sent.bytes());
            ends.confirmed(sent.bytes()).await.map_err(sending)
        };
        let receive = async {
            receive.await.map_err(receiving)?;
            let Some(ends) = ends else { return Ok(()) };
            ends.took(received.bytes());
            ends.complete(received.bytes()).await.map_err(receiving)
        };
        let peer_broke = async {
            match ends {
                Some(ends) => ends.broken(|| !sent.has_ended()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            // An error of our own says more.
            result = async { tokio::try_join!(send, receive) } => result.map(drop),
            source = peer_broke => Err(RelayError::PeerBroke { channel, source }),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(channel) = self.channel.take() {
            channel.abort();
        }
    }
}
