//! The sink half: takes the session, and brings every channel of it to the destination's QEMU.
//!
//! Channel 0 is brought to QEMU with its first byte and not before: it is open before the migration starts and may stay silent for
//! long, and a QEMU that has a connection but no byte on it may block its whole main loop until one comes (it peeks at the channel's
//! magic). QEMU's source always speaks first on it, so nothing waits for the destination's side.
//!
//! Every further channel exists because QEMU opened it, and follows as soon as QEMU has channel 0. Not before, even if it speaks:
//! where channels do not say what they are, QEMU takes the first one for the main one. And it does not have to speak: the one for
//! urgent pages (post-copy preempt) stays silent until a page is asked for, while the destination waits for it, and is known by its
//! coming second.

use std::path::Path;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::channels::{Channels, Opened, Opening, Patience};
use super::error::CarryError;
use super::event::Event;
use super::local;
use super::options::{Listener, Local, Options};
use super::replay::at_sink;
use super::source::{hand_over, lost, ms};
use crate::carrier::channel::{CUT, Channel};
use crate::carrier::endpoint::Endpoint;
use crate::carrier::token::Token;
use crate::carrier::{
    Admitted, Carrier, CarrierError, ChannelError, HandshakeError, Pending, Session, SessionEnd,
    chain,
};
use crate::handover::Role;

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
    /// What is still to be told of the session: whose it is, and since when.
    unready: Option<(String, Instant)>,
    /// Cancelled once channel 0 has reached QEMU, or never will; the guard goes with channel 0.
    main_settled: CancellationToken,
    main: Option<DropGuard>,
}

/// How a handshake went.
struct Greeted {
    peer: String,
    begin: Instant,
    result: Result<Admitted, HandshakeError>,
}

impl Sink {
    /// Runs until the end that [`super`] defines.
    pub async fn run(self, events: Listener, stop: CancellationToken) -> Result<(), CarryError> {
        at_sink(self.local.clone(), events, stop, |local, events, stop| {
            Self { local, ..self }.relay(events, stop)
        })
        .await
    }

    async fn relay(mut self, events: Listener, stop: CancellationToken) -> Result<(), CarryError> {
        let (Local::Unix(path) | Local::Fd(path)) = &self.local else {
            return Err(CarryError::WrongHalf);
        };
        local::check_length(path)?;
        if matches!(self.local, Local::Fd(_)) && !self.carrier.kernel_sockets() {
            return Err(CarryError::NoDescriptors(self.carrier.scheme()));
        }
        // A descriptor has to be handed over from here.
        let forwards = match &self.local {
            Local::Unix(path) => self.carrier.forward_to(path, self.options.peer_uid)?,
            _ => false,
        };
        let listener = self.carrier.listen(&self.endpoint).await?;
        let mut channels = Channels::new(events);
        channels.tell(Event::Listening {
            endpoint: listener.endpoint().clone(),
            token: self.token.clone(),
        });
        let main_settled = CancellationToken::new();
        let mut work = Work {
            listener,
            handshakes: JoinSet::new(),
            session: None,
            unready: None,
            main: Some(main_settled.clone().drop_guard()),
            main_settled,
        };
        let (patience, result) = self.serve(&mut work, &mut channels, &stop).await;
        let Work { session, .. } = work;
        let drain = self.options.drain_deadline;
        channels.drain(patience, &stop, drain).await;
        if let Some(session) = &session {
            channels.close(&**session, patience, &stop, drain).await;
        }
        channels.finish(result, (session.as_deref(), !forwards))
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
                        welcome(greeted, work, channels).await;
                    }
                }
                () = ready(session.clone()), if work.unready.is_some() => {
                    if let Some(session) = &session {
                        tell_ready(work.unready.take(), &**session, channels);
                    }
                }
                error = session_failed(session.clone()) => return (Patience::Over, Err(error.into())),
                arrival = accept_channel(session.clone()) => match arrival {
                    Ok(Some(channel)) => self.begin(channel, work, channels),
                    Ok(None) => return (SessionEnd::Goodbye.into(), Ok(())),
                    Err(ChannelError::Ended(end)) => return (end.into(), lost(end)),
                    Err(error) => return (Patience::Endless, Err(error.into())),
                },
            }
        }
    }

    fn begin(&self, channel: Channel, work: &mut Work, channels: &mut Channels) {
        let settled = work.main_settled.clone();
        let settles = work.main.take_if(|_| channel.number() == 0);
        let (number, options) = (channel.number(), self.options.clone());
        let stopping = channels.stopping().clone();
        match self.local.clone() {
            Local::Fd(path) => channels.hand_over(number, async move {
                if settles.is_none() {
                    settled.cancelled().await;
                }
                let handed_over = hand_over(&path, &options, Role::Sink, channel).await;
                drop(settles);
                handed_over
            }),
            Local::Replay(_) | Local::Discard | Local::Verify(_) => {
                unreachable!("such ends are sockets by now")
            }
            Local::Unix(path) => channels.relay(Some(number), self.options.path, async move {
                let after = settles.is_none().then_some(&settled);
                let opening = bring(channel, after, &stopping, &path, &options).await;
                drop(settles);
                opening
            }),
        }
    }
}

/// Connects a channel to QEMU once it has spoken, or after another one.
async fn bring(
    mut channel: Channel,
    after: Option<&CancellationToken>,
    stopping: &CancellationToken,
    path: &Path,
    options: &Options,
) -> Opening {
    let spoken = match after {
        None => tokio::select! {
            biased;
            spoken = channel.first_byte() => spoken,
            () = stopping.cancelled() => return Opening::Unused,
        },
        Some(other) => {
            if !other.is_cancelled() {
                tokio::select! {
                    biased;
                    // That of a first one which never spoke comes now, too.
                    () = stopping.cancelled() => {
                        channel.abort();
                        return Opening::Failed { error: CUT.to_owned() };
                    }
                    () = other.cancelled() => {}
                }
            }
            tokio::select! {
                biased;
                spoken = channel.first_byte() => spoken,
                () = std::future::ready(()) => Ok(true),
            }
        }
    };
    match spoken {
        Ok(true) => {}
        Ok(false) => {
            return match channel.end_unused().await {
                Ok(()) => Opening::Unused,
                Err(error) => failed(&error),
            };
        }
        Err(error) => {
            channel.abort();
            return failed(&error);
        }
    }
    match local::connect(path, options.local_deadline, options.peer_uid).await {
        Ok(local) => Opening::Open(Opened {
            local,
            channel,
            open_ms: None,
        }),
        Err(error) => {
            channel.abort();
            failed(&error)
        }
    }
}

fn failed(error: &std::io::Error) -> Opening {
    Opening::Failed {
        error: chain(error),
    }
}

async fn greet(pending: Box<dyn Pending>) -> Greeted {
    let (peer, begin) = (pending.peer(), Instant::now());
    let result = pending.handshake().await;
    Greeted {
        peer,
        begin,
        result,
    }
}

async fn welcome(greeted: Greeted, work: &mut Work, channels: &mut Channels) {
    let Greeted {
        peer,
        begin,
        result,
    } = greeted;
    match result {
        Ok(Admitted::Session(new)) => {
            let unready = Some((peer, begin));
            // With most carriers it is ready at once, and that is told before anything that comes through it.
            tokio::select! {
                biased;
                () = new.ready() => tell_ready(unready, &*new, channels),
                () = std::future::ready(()) => work.unready = unready,
            }
            work.session = Some(new.into());
        }
        Ok(Admitted::Joined { .. }) => {}
        Err(error) => channels.refuse(peer, chain(&error)),
    }
}

fn tell_ready(unready: Option<(String, Instant)>, session: &dyn Session, channels: &Channels) {
    if let Some((peer, begin)) = unready {
        channels.tell(Event::Ready {
            peer,
            handshake_ms: ms(begin.elapsed()),
            details: session.details(),
        });
    }
}

async fn ready(session: Option<Arc<dyn Session>>) {
    match session {
        Some(session) => session.ready().await,
        None => std::future::pending().await,
    }
}

async fn session_failed(session: Option<Arc<dyn Session>>) -> CarrierError {
    match session {
        Some(session) => session.failed().await,
        None => std::future::pending().await,
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
