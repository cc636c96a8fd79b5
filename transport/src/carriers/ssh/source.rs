//! The source half: an `ssh` that listens for QEMU itself, or one for each of QEMU's connections.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::tunnel::{Maker, Tunnel};
use super::{
    Connections, END_DEADLINE, EXPLANATION_DEADLINE, Settings, SshError, above, beneath,
    per_channel,
};
use crate::carrier::endpoint::{Endpoint, Scheme};
use crate::carrier::token::Token;
use crate::carrier::{Carrier as _, Session, SessionEnd};
use crate::carriers::tcp::Tcp;
use crate::carry::channels::{Channels, Patience};
use crate::carry::local::LocalListener;
use crate::carry::replay::at_source;
use crate::carry::source::{lost, ms};
use crate::carry::{CarryError, Event, Listener, Local, Options, local};

/// Runs next to the QEMU that a migration leaves. See [`crate::carry::Source`].
pub struct Source {
    /// The sink's token.
    pub token: Token,
    /// Where the sink listens, `ssh://…`.
    pub endpoint: Endpoint,
    /// Where QEMU's stream comes from; a unix socket.
    pub local: Local,
    /// As for the sink half.
    pub settings: Settings,
    /// Of these the drain deadline matters, and with a connection for each channel the path of the relay.
    pub options: Options,
}

impl Source {
    /// Runs until the end that [`crate::carry`] defines.
    pub async fn run(self, events: Listener, stop: CancellationToken) -> Result<(), CarryError> {
        at_source(self.local.clone(), events, stop, |local, events, stop| {
            Self { local, ..self }.relay(events, stop)
        })
        .await
    }

    async fn relay(self, events: Listener, stop: CancellationToken) -> Result<(), CarryError> {
        let Local::Unix(path) = &self.local else {
            return Err(CarryError::NoDescriptors(Scheme::Ssh));
        };
        let entry = Entry::reserve(path, self.settings.connections, self.options.peer_uid)?;
        let beneath = beneath(&self.endpoint)?;
        let maker = Arc::new(Maker::new(self.token.clone(), self.settings.clone())?);
        let tcp = Tcp::new(self.token, self.settings.tcp());
        let begin = Instant::now();
        let opening = async {
            let session: Arc<dyn Session> = tcp.dial(&beneath).await.map_err(above)?.into();
            let tunnel = Tunnel::open(Arc::clone(&maker), &*session).await?;
            Ok::<_, CarryError>((session, tunnel))
        };
        let Some(opened) = stop.run_until_cancelled(opening).await else {
            return Ok(());
        };
        let (session, tunnel) = opened?;
        let entry = entry.open(path, &tunnel)?;
        let mut channels = Channels::new(events);
        channels.tell(Event::Ready {
            peer: session.peer(),
            handshake_ms: ms(begin.elapsed()),
            details: Some(tunnel.details.clone()),
        });
        let counts = matches!(entry, Entry::Listening(_));
        let result = match entry {
            Entry::Listening(listener) => {
                let tunnels = (&session, maker, tunnel);
                per_channel::run(listener, tunnels, &mut channels, &stop, &self.options).await
            }
            entry => {
                let drain = self.options.drain_deadline;
                shared(&session, tunnel, entry, &stop, drain).await
            }
        };
        channels.finish(result, (Some(&*session), counts))
    }
}

/// The path that QEMU knows. Dropping it removes the path, so that QEMU cannot open any channel.
enum Entry {
    /// It was free, and `ssh` is going to have it.
    Free,
    /// It leads to the socket of `ssh`, which is elsewhere so that its path has no odd characters, and so that it can still be told
    /// from others when this path has gone.
    Link { _link: Link },
    /// This process listens there.
    Listening(LocalListener),
}

impl Entry {
    /// Finds out what is wrong with the path before anybody is called.
    fn reserve(
        path: &Path,
        connections: Connections,
        peer_uid: Option<u32>,
    ) -> Result<Self, CarryError> {
        if connections == Connections::PerChannel {
            return LocalListener::bind(path, peer_uid).map(Self::Listening);
        }
        local::check_length(path)?;
        match path.symlink_metadata() {
            Ok(_) => Err(CarryError::PathTaken {
                path: path.to_owned(),
            }),
            Err(_) => Ok(Self::Free),
        }
    }

    /// Makes the path, if it is not there yet.
    fn open(self, path: &Path, tunnel: &Tunnel) -> Result<Self, CarryError> {
        if !matches!(self, Self::Free) {
            return Ok(self);
        }
        let path = path.to_owned();
        match std::os::unix::fs::symlink(&tunnel.socket, &path) {
            Ok(()) => Ok(Self::Link { _link: Link(path) }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(CarryError::PathTaken { path })
            }
            Err(source) => Err(CarryError::Listen { path, source }),
        }
    }
}

/// Removes the path when it is dropped.
struct Link(PathBuf);

impl Drop for Link {
    fn drop(&mut self) {
        // Somebody may have removed it already.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Until the end, with one `ssh` for everything.
async fn shared(
    session: &Arc<dyn Session>,
    mut tunnel: Tunnel,
    entry: Entry,
    stop: &CancellationToken,
    drain: Duration,
) -> Result<(), CarryError> {
    let (patience, result) = tokio::select! {
        biased;
        () = stop.cancelled() => (Patience::For(drain), Ok(())),
        end = session.ended() => (end.into(), lost(end)),
        error = tunnel.child.ended() => return broken(session, error).await,
    };
    // From here on QEMU cannot open a channel.
    drop(entry);
    let used = tunnel.is_used();
    let stopped_here = matches!(patience, Patience::For(_));
    let drained = match patience {
        Patience::Over => false,
        Patience::For(deadline) => timeout(deadline, tunnel.drained()).await.is_ok(),
        Patience::Endless => {
            let stopped = tokio::select! {
                () = tunnel.drained() => false,
                () = stop.cancelled() => true,
            };
            !stopped || timeout(drain, tunnel.drained()).await.is_ok()
        }
    };
    // One that ended while QEMU was connected to it has lost what was on its way. When this end is stopped nothing else should have ended it,
    // and whether QEMU was connected cannot be seen any more; but a Ctrl-C comes to it too. A sink that is stopped ends it by itself.
    let is_cut = tunnel.child.is_cut();
    if is_cut {
        // For its last words.
        let _ = timeout(END_DEADLINE, tunnel.child.ended()).await;
    }
    let early = used || (stopped_here && !tunnel.child.log().was_killed());
    let cut = !drained || (early && is_cut);
    let ended = tunnel.end(cut).await;
    farewell(session).await;
    result?;
    ended.map_err(|said| CarryError::Broke { said })
}

/// Says goodbye and waits for the sink's, which follows its word on what became of the stream behind `sshd`.
pub(super) async fn farewell(session: &Arc<dyn Session>) {
    session.close().await;
    let _ = timeout(END_DEADLINE, session.ended()).await;
}

/// `ssh` ended. Usually the sink has ended its `sshd` and is about to say so, or has died. No goodbye goes to a sink that did
/// neither: what was carried is lost, and it must not take this for an orderly end.
pub(super) async fn broken(session: &Arc<dyn Session>, error: SshError) -> Result<(), CarryError> {
    match timeout(EXPLANATION_DEADLINE, session.ended()).await {
        Ok(SessionEnd::Goodbye) => {
            session.close().await;
            Ok(())
        }
        Ok(end) => lost(end),
        Err(_) => Err(error.into()),
    }
}
