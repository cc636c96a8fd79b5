//! The sink half: takes the session, and brings every channel of it to the destination's QEMU.
//!
//! A channel is brought to QEMU with its first byte and not before. A QEMU that has a connection but no byte on it may block
//! its whole main loop until one comes (it peeks at the channel's magic), and the held channel 0 may stay silent for long.
//! QEMU's source always speaks first on each channel, so nothing waits for the destination's side of it.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::channels::{Channels, Opened, Opening, Patience};
use super::source::{hand_over, lost, ms};
use super::{CarryError, Event, Listener, Local, Options, chain, local};
use crate::carrier::{
    Arrival, Carrier, ChannelError, HandshakeError, Pending, Session, SessionEnd,
};
use crate::channel::Channel;
use crate::endpoint::Endpoint;
use crate::handover::Role;
use crate::token::Token;

/// Runs next to the QEMU that a migration arrives at.
pub struct Sink {
    /// What carries the channels. It holds the token.
    pub carrier: Box<dyn Carrier>,
    /// The same token, to be told to the owner.
    pub token: Token,
    /// Where to listen.
    pub endpoint: Endpoint,
    /// Where the stream goes.
    pub local: Local,
    /// Everything else.
    pub options: Options,
}

/// What the sink works on until the session ends.
struct Work {
    listener: Box<dyn crate::carrier::Listener>,
    handshakes: JoinSet<Greeted>,
    session: Option<Arc<dyn Session>>,
}

/// How a handshake went.
struct Greeted {
    peer: String,
    took_ms: f64,
    result: Result<Arrival, HandshakeError>,
}

impl Sink {
    /// Runs until the end that [`super`] defines.
    pub async fn run(self, events: Listener, stop: CancellationToken) -> Result<(), CarryError> {
        let (Local::Unix(path) | Local::Fd(path)) = &self.local;
        local::check_length(path)?;
        if matches!(self.local, Local::Fd(_)) && !self.carrier.kernel_sockets() {
            return Err(CarryError::NoDescriptors(self.carrier.scheme()));
        }
        let listener = self.carrier.listen(&self.endpoint).await?;
        let mut channels = Channels::new(events);
        channels.tell(Event::Listening {
            endpoint: listener.endpoint().clone(),
            token: self.token.clone(),
        });
        let mut work = Work {
            listener,
            handshakes: JoinSet::new(),
            session: None,
        };
        let (patience, result) = self.serve(&mut work, &mut channels, &stop).await;
        let Work { session, .. } = work;
        channels
            .drain(patience, &stop, self.options.drain_deadline)
            .await;
        let mut statistics = None;
        if let Some(session) = session {
            session.close().await;
            statistics = session.statistics();
        }
        channels.finish(statistics);
        result
    }

    async fn serve(
        &self,
        work: &mut Work,
        channels: &mut Channels,
        stop: &CancellationToken,
    ) -> (Patience, Result<(), CarryError>) {
        loop {
            let session = work.session.clone();
            tokio::select! {
                () = stop.cancelled() => return (Patience::For(self.options.drain_deadline), Ok(())),
                () = channels.next_end() => {}
                accepted = work.listener.accept() => match accepted {
                    Ok(pending) => drop(work.handshakes.spawn(greet(pending))),
                    Err(source) => {
                        let place = work.listener.endpoint().to_string();
                        let error = CarryError::Accept { place, source };
                        return (Patience::For(self.options.drain_deadline), Err(error));
                    }
                },
                Some(greeted) = work.handshakes.join_next() => {
                    // A handshake that panicked concerns its peer alone, who finds the connection closed.
                    if let Ok(greeted) = greeted {
                        welcome(greeted, &mut work.session, channels);
                    }
                }
                arrival = accept_channel(session) => match arrival {
                    Ok(Some(channel)) => self.begin(channel, channels),
                    Ok(None) => return (SessionEnd::Goodbye.into(), Ok(())),
                    Err(ChannelError::Ended(end)) => return (end.into(), lost(end)),
                    Err(error) => return (Patience::Endless, Err(error.into())),
                },
            }
        }
    }

    fn begin(&self, mut channel: Channel, channels: &mut Channels) {
        let (number, deadline) = (channel.number(), self.options.local_deadline);
        match self.local.clone() {
            Local::Fd(path) => {
                channels.hand_over(number, async move {
                    hand_over(&path, deadline, Role::Sink, channel).await
                });
            }
            Local::Unix(path) => channels.relay(Some(number), self.options.path, async move {
                match channel.first_byte().await {
                    Ok(true) => {}
                    Ok(false) => return Opening::Unused,
                    Err(error) => {
                        return Opening::Failed {
                            error: chain(&error),
                        };
                    }
                }
                match local::connect(&path, deadline).await {
                    Ok(local) => Opening::Open(Opened {
                        local,
                        channel,
                        open_ms: None,
                    }),
                    Err(error) => {
                        channel.abort();
                        Opening::Failed {
                            error: chain(&error),
                        }
                    }
                }
            }),
        }
    }
}

async fn greet(pending: Box<dyn Pending>) -> Greeted {
    let (peer, begin) = (pending.peer(), Instant::now());
    let result = pending.handshake().await;
    Greeted {
        peer,
        took_ms: ms(begin.elapsed()),
        result,
    }
}

fn welcome(greeted: Greeted, session: &mut Option<Arc<dyn Session>>, channels: &mut Channels) {
    let Greeted {
        peer,
        took_ms,
        result,
    } = greeted;
    match result {
        Ok(Arrival::Session(new)) => {
            channels.tell(Event::Ready {
                peer,
                handshake_ms: took_ms,
                details: new.details(),
            });
            *session = Some(new.into());
        }
        Ok(Arrival::Joined { .. }) => {}
        Err(error) => channels.refuse(peer, chain(&error)),
    }
}

async fn accept_channel(
    session: Option<Arc<dyn Session>>,
) -> Result<Option<Channel>, ChannelError> {
    match session {
        Some(session) => session.accept_channel().await,
        None => std::future::pending().await,
    }
}
