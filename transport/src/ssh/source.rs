//! The source half: an `ssh` that listens for QEMU itself, or one for each of QEMU's connections.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::tunnel::{Maker, Tunnel};
use super::{EXPLANATION_DEADLINE, Settings, SshError, above, beneath};
use crate::carrier::{Carrier as _, Session, SessionEnd};
use crate::carry::channels::{Channels, Patience};
use crate::carry::source::{lost, ms};
use crate::carry::{CarryError, Event, Listener, Local, Options, local};
use crate::endpoint::{Endpoint, Scheme};
use crate::tcp::Tcp;
use crate::token::Token;

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
    /// Of these only the drain deadline matters: no byte is relayed here.
    pub options: Options,
}

impl Source {
    /// Runs until the end that [`crate::carry`] defines.
    pub async fn run(self, events: Listener, stop: CancellationToken) -> Result<(), CarryError> {
        let Local::Unix(path) = &self.local else {
            return Err(CarryError::NoDescriptors(Scheme::Ssh));
        };
        local::check_length(path)?;
        if path.symlink_metadata().is_ok() {
            return Err(CarryError::PathTaken { path: path.clone() });
        }
        let beneath = beneath(&self.endpoint)?;
        let maker = Maker::new(self.token.clone(), self.settings.clone())?;
        let tcp = Tcp::new(self.token, self.settings.tcp());
        let begin = Instant::now();
        let opening = async {
            let session: Arc<dyn Session> = tcp.dial(&beneath).await.map_err(above)?.into();
            let tunnel = Tunnel::open(Arc::new(maker), &*session).await?;
            Ok::<_, CarryError>((session, tunnel))
        };
        let Some(opened) = stop.run_until_cancelled(opening).await else {
            return Ok(());
        };
        let (session, tunnel) = opened?;
        let published = Published::new(path, &tunnel.socket)?;
        let channels = Channels::new(events);
        channels.tell(Event::Ready {
            peer: session.peer(),
            handshake_ms: ms(begin.elapsed()),
            details: Some(tunnel.details.clone()),
        });
        let drain = self.options.drain_deadline;
        let result = shared(&session, tunnel, published, &stop, drain).await;
        channels.finish();
        result
    }
}

/// Until the end, with one `ssh` for everything.
async fn shared(
    session: &Arc<dyn Session>,
    mut tunnel: Tunnel,
    published: Published,
    stop: &CancellationToken,
    drain: Duration,
) -> Result<(), CarryError> {
    let (patience, result) = tokio::select! {
        () = stop.cancelled() => (Patience::For(drain), Ok(())),
        end = session.ended() => (end.into(), lost(end)),
        error = tunnel.child.ended() => return broken(session, error).await,
    };
    // From here on QEMU cannot open a channel.
    drop(published);
    match patience {
        Patience::Over => {}
        Patience::For(deadline) => drop(timeout(deadline, tunnel.drained()).await),
        Patience::Endless => {
            let stopped = tokio::select! {
                () = tunnel.drained() => false,
                () = stop.cancelled() => true,
            };
            if stopped {
                let _ = timeout(drain, tunnel.drained()).await;
            }
        }
    }
    tunnel.child.end().await;
    session.close().await;
    result
}

/// `ssh` ended. Usually the sink has ended its `sshd` and is about to say so, or has died. No goodbye goes to a sink that did
/// neither: what was carried is lost, and it must not take this for an orderly end.
async fn broken(session: &Arc<dyn Session>, error: SshError) -> Result<(), CarryError> {
    match timeout(EXPLANATION_DEADLINE, session.ended()).await {
        Ok(SessionEnd::Goodbye) => {
            session.close().await;
            Ok(())
        }
        Ok(end) => lost(end),
        Err(_) => Err(error.into()),
    }
}

/// The path that QEMU knows, which leads to the socket of `ssh`: there is none before the tunnel stands, and whoever holds the
/// path can tell an ssh that was told to end from one that still takes connections. Dropping it removes the path.
struct Published(PathBuf);

impl Published {
    fn new(path: &Path, socket: &Path) -> Result<Self, CarryError> {
        let linked = std::os::unix::fs::symlink(socket, path);
        linked.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => CarryError::PathTaken {
                path: path.to_owned(),
            },
            _ => CarryError::Listen {
                path: path.to_owned(),
                source,
            },
        })?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        // Somebody may have removed it already.
        let _ = std::fs::remove_file(&self.0);
    }
}
