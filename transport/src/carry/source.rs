//! The source half: dials first, then makes a channel of every connection that QEMU opens.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::channels::{Channels, Opened, Opening, Patience};
use super::error::CarryError;
use super::event::Event;
use super::local::{self, Entry, LocalListener};
use super::options::{Listener, Local, Options};
use super::replay::at_source;
use crate::carrier::channel::Channel;
use crate::carrier::endpoint::Endpoint;
use crate::carrier::{Carrier, Session, SessionEnd, chain};
use crate::handover::{self, Role};

/// Runs next to the QEMU that a migration leaves.
pub struct Source {
    /// What carries the channels. It holds the sink's token.
    pub carrier: Box<dyn Carrier>,
    /// Where the sink listens.
    pub endpoint: Endpoint,
    /// Where QEMU's stream comes from.
    pub local: Local,
    /// Everything else.
    pub options: Options,
}

impl Source {
    /// Runs until the end that [`super`] defines.
    pub async fn run(self, events: Listener, stop: CancellationToken) -> Result<(), CarryError> {
        at_source(self.local.clone(), events, stop, |local, events, stop| {
            Self { local, ..self }.relay(events, stop)
        })
        .await
    }

    async fn relay(self, events: Listener, stop: CancellationToken) -> Result<(), CarryError> {
        let listener = match &self.local {
            Local::Unix(path) => Some(LocalListener::bind(path, self.options.peer_uid)?),
            Local::Fd(path) => local::check_length(path).map(|()| None)?,
            _ => return Err(CarryError::WrongHalf),
        };
        if matches!(self.local, Local::Fd(_)) && !self.carrier.kernel_sockets() {
            return Err(CarryError::NoDescriptors(self.carrier.scheme()));
        }
        let begin = Instant::now();
        let Some(opened) = stop.run_until_cancelled(self.open()).await else {
            return Ok(());
        };
        let (session, first) = opened?;
        let counts = session.listening_socket().is_none();
        let entry = match (listener, session.listening_socket()) {
            (Some(listener), Some(socket)) => Some(listener.link_to(socket)?),
            (Some(listener), None) => Some(Entry::Listening(listener)),
            (None, _) => None,
        };
        let mut channels = Channels::new(events);
        channels.tell(Event::Ready {
            peer: session.peer(),
            handshake_ms: ms(begin.elapsed()),
            details: session.details(),
        });
        let result = self
            .serve(entry, &session, first, &mut channels, &stop)
            .await;
        channels.finish(result, (Some(&*session), counts))
    }

    /// The session and channel 0, so that whatever is wrong shows before the migration starts. Where QEMU opens the channels without
    /// this process, there is none to hold.
    async fn open(&self) -> Result<(Arc<dyn Session>, Option<Channel>), CarryError> {
        let session: Arc<dyn Session> = self.carrier.dial(&self.endpoint).await?.into();
        let first = match session.listening_socket() {
            Some(_) => None,
            None => Some(session.open_channel().await?),
        };
        Ok((session, first))
    }

    async fn serve(
        &self,
        entry: Option<Entry>,
        session: &Arc<dyn Session>,
        mut first: Option<Channel>,
        channels: &mut Channels,
        stop: &CancellationToken,
    ) -> Result<(), CarryError> {
        if let (Local::Fd(path), Some(channel)) = (&self.local, first.take_if(|_| entry.is_none()))
        {
            let (path, options) = (path.clone(), self.options.clone());
            channels.hand_over(channel.number(), async move {
                hand_over(&path, &options, Role::Source, channel).await
            });
        }
        let (patience, result, is_over) = loop {
            let accept = async {
                match &entry {
                    Some(entry) => entry.accept().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => break (Patience::For(self.options.drain_deadline), Ok(()), false),
                end = session.ended() => break (end.into(), lost(end), true),
                error = session.failed() => break (Patience::Over, Err(error.into()), true),
                () = channels.next_end() => {}
                accepted = accept => match accepted {
                    Ok(Err(stranger)) => channels.refuse(LOCAL_PEER.to_owned(), stranger.to_string()),
                    Ok(Ok(local)) => {
                        let (session, first) = (Arc::clone(session), first.take());
                        let number = first.as_ref().map(Channel::number);
                        channels.relay(number, self.options.path, async move { open(session, first, local).await });
                    }
                    Err(error) => break (Patience::For(self.options.drain_deadline), Err(error), false),
                },
            }
        };
        // From here on nobody can open a channel: not QEMU, since the path goes, and not a held channel 0.
        drop(entry);
        // Ended in order, since a channel that is just dropped looks cut to the peer; unless nobody is there any more.
        if let Some(unused) = first.filter(|_| !is_over) {
            let ended = timeout(self.options.drain_deadline, unused.end_unused()).await;
            if let Ok(Err(error)) = ended {
                channels.broke(chain(&error));
            }
        }
        let drain = self.options.drain_deadline;
        channels.drain(patience, stop, drain).await;
        channels.close(&**session, patience, stop, drain).await;
        result
    }
}

async fn open(session: Arc<dyn Session>, held: Option<Channel>, local: UnixStream) -> Opening {
    if let Some(channel) = held {
        return Opening::Open(Opened {
            local,
            channel,
            open_ms: None,
        });
    }
    let begin = Instant::now();
    match session.open_channel().await {
        Ok(channel) => Opening::Open(Opened {
            local,
            channel,
            open_ms: Some(ms(begin.elapsed())),
        }),
        Err(error) => Opening::Failed {
            error: chain(&error),
        },
    }
}

/// Gives a channel to whoever listens on the path, or will soon.
pub(crate) async fn hand_over(
    path: &Path,
    options: &Options,
    role: Role,
    channel: Channel,
) -> Result<(), CarryError> {
    let number = channel.number();
    let failed = |source| CarryError::Handover {
        channel: number,
        path: path.to_owned(),
        source,
    };
    let ends = channel.ends().cloned();
    let stream = channel
        .into_tcp()
        .map_err(|_| failed(std::io::ErrorKind::Unsupported.into()))?;
    let sent = async {
        let receiver = local::connect(path, options.local_deadline, options.peer_uid).await?;
        handover::send(&receiver, role, number, stream).await
    };
    sent.await.map_err(|source| {
        if let Some(ends) = ends {
            ends.broke();
        }
        failed(source)
    })
}

pub(crate) fn lost(end: SessionEnd) -> Result<(), CarryError> {
    match end {
        SessionEnd::Goodbye => Ok(()),
        end => Err(CarryError::PeerLost(end)),
    }
}

/// Who connected to the local socket, in words.
pub(crate) const LOCAL_PEER: &str = "a process of this host";

pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
