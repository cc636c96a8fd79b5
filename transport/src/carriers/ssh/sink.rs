//! The sink half: gives every connection that proves the token to an `sshd`, which connects to the destination's QEMU itself.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::child::Child;
use super::log::Log;
use super::server::{self, Server};
use super::{Connections, EXPLANATION_DEADLINE, Settings, SshError, above, beneath, with_scheme};
use crate::carrier::channel::Channel;
use crate::carrier::endpoint::{Endpoint, Scheme};
use crate::carrier::notices::Ends;
use crate::carrier::token::Token;
use crate::carrier::{Arrival, Carrier as _, ChannelError, Session, SessionEnd};
use crate::carriers::tcp::Tcp;
use crate::carry::channels::{CUT, Channels, Patience};
use crate::carry::replay::at_sink;
use crate::carry::sink::{Greeted, accept_channel, greet};
use crate::carry::source::{lost, ms};
use crate::carry::{CarryError, Event, Listener, Local, Options, chain, local};

/// Runs next to the QEMU that a migration arrives at. See [`crate::carry::Sink`].
pub struct Sink {
    /// What the source has to hold too.
    pub token: Token,
    /// Where to listen, `ssh://…`.
    pub endpoint: Endpoint,
    /// Where the stream goes; a unix socket.
    pub local: Local,
    /// As for the source half.
    pub settings: Settings,
    /// Of these only the drain deadline matters: no byte is relayed here.
    pub options: Options,
}

/// What the sink works on until the session ends.
struct Work {
    server: Arc<Server>,
    token: Token,
    connections: Connections,
    /// With the moment its peer was accepted.
    session: Option<(Arc<dyn Session>, Instant)>,
    handshakes: JoinSet<Greeted>,
    servings: JoinSet<Served>,
    /// Of every `sshd` that let somebody in.
    logs: Vec<Log>,
    cut: CancellationToken,
    ready: bool,
    /// An `sshd` that ended while the session went on, and until when the session may explain that.
    broken: Option<(Instant, SshError)>,
}

/// What became of a connection.
enum Served {
    LoggedIn {
        peer: String,
        child: Box<Child>,
        ends: Option<Ends>,
    },
    Failed {
        peer: String,
        error: SshError,
    },
    /// After the login, and whether the source had said so.
    Ended {
        error: SshError,
        announced: bool,
    },
    /// By us.
    Cut,
}

/// How the session goes to its end.
struct Ending {
    patience: Patience,
    result: Result<(), CarryError>,
    goodbye: bool,
}

impl Sink {
    /// Runs until the end that [`crate::carry`] defines.
    pub async fn run(self, events: Listener, stop: CancellationToken) -> Result<(), CarryError> {
        at_sink(self.local.clone(), events, stop, |local, events, stop| {
            Self { local, ..self }.relay(events, stop)
        })
        .await
    }

    async fn relay(self, events: Listener, stop: CancellationToken) -> Result<(), CarryError> {
        let Local::Unix(path) = &self.local else {
            return Err(CarryError::NoDescriptors(Scheme::Ssh));
        };
        local::check_length(path)?;
        let beneath = beneath(&self.endpoint)?;
        let target = safe(path, self.options.peer_uid)?;
        let server = Server::prepare(&self.token, &self.settings, &target).await?;
        let tcp = Tcp::new(self.token.clone(), self.settings.tcp());
        let listener = tcp.listen(&beneath).await.map_err(above)?;
        let mut channels = Channels::new(events);
        channels.tell(Event::Listening {
            endpoint: with_scheme(listener.endpoint(), Scheme::Ssh),
            token: self.token.clone(),
        });
        let mut work = Work {
            server: Arc::new(server),
            token: self.token,
            connections: self.settings.connections,
            session: None,
            handshakes: JoinSet::new(),
            servings: JoinSet::new(),
            logs: Vec::new(),
            cut: CancellationToken::new(),
            ready: false,
            broken: None,
        };
        let drain = self.options.drain_deadline;
        let Ending {
            patience,
            result,
            goodbye,
        } = work.run(listener, &mut channels, &stop, drain).await;
        let session = work
            .session
            .as_ref()
            .map(|(session, _)| Arc::clone(session));
        // A source that has said goodbye has ended its ssh, and waits for our word on what went through it. One that has not ends its ssh
        // after ours, once nothing goes through it any more.
        let ended = matches!(patience, Patience::Endless) && result.is_ok();
        if let Some(session) = session.as_ref().filter(|_| goodbye && !ended) {
            session.close().await;
        }
        let cut = work.end(patience, &stop, drain).await;
        if let Some(said) = work.logs.iter().find_map(Log::failure) {
            channels.broke(said);
        }
        if cut {
            channels.broke(CUT.to_owned());
        }
        if let Some(session) = session.as_ref().filter(|_| ended) {
            session.close().await;
        }
        channels.finish(result, (session.as_deref(), false))
    }
}

/// `sshd` connects to the socket by itself, without a look at who listens, so nobody else may be able to make one at its path, nor to put
/// another folder in the place of one above it. Links are followed now and not later. The folder itself may not be one like /tmp.
fn safe(socket: &Path, peer_uid: Option<u32>) -> Result<PathBuf, SshError> {
    let folder = match socket.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let exposed = |folder: &Path, why| SshError::Exposed {
        folder: folder.to_owned(),
        why,
    };
    let found = folder.canonicalize();
    let found = found.map_err(|error| exposed(folder, error.to_string()))?;
    let ours = rustix::process::geteuid().as_raw();
    for above in found.ancestors() {
        let metadata = std::fs::metadata(above);
        let metadata = metadata.map_err(|error| exposed(above, error.to_string()))?;
        let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
        let known = [0, ours].contains(&owner) || Some(owner) == peer_uid;
        // In a user namespace root itself has no name, and owns the folders above ours.
        if !known && (above == found || owner != OVERFLOW || server::knows_everybody()) {
            return Err(exposed(above, format!("it belongs to user {owner}")));
        }
        let sticky = above != found && mode & 0o1000 != 0;
        if mode & 0o022 != 0 && !sticky {
            return Err(exposed(above, format!("its mode is {mode:o}")));
        }
    }
    Ok(socket
        .file_name()
        .map_or_else(|| found.clone(), |name| found.join(name)))
}

impl Work {
    async fn run(
        &mut self,
        mut listener: Box<dyn crate::carrier::Listener>,
        channels: &mut Channels,
        stop: &CancellationToken,
        drain: Duration,
    ) -> Ending {
        let ending = |patience, result| Ending {
            patience,
            result,
            goodbye: true,
        };
        loop {
            let session = self
                .session
                .as_ref()
                .map(|(session, _)| Arc::clone(session));
            tokio::select! {
                () = stop.cancelled() => return ending(Patience::For(drain), Ok(())),
                accepted = listener.accept() => match accepted {
                    Ok(pending) => drop(self.handshakes.spawn(greet(pending))),
                    Err(source) => {
                        let place = with_scheme(listener.endpoint(), Scheme::Ssh).to_string();
                        return ending(Patience::For(drain), Err(CarryError::Accept { place, source }));
                    }
                },
                Some(greeted) = self.handshakes.join_next() => {
                    // A handshake that panicked concerns its peer alone, who finds the connection closed.
                    if let Ok(greeted) = greeted {
                        self.welcome(greeted, channels);
                    }
                }
                Some(served) = self.servings.join_next() => {
                    if let Ok(served) = served {
                        self.served(served, channels);
                    }
                }
                arrival = accept_channel(session.clone()) => match arrival {
                    Ok(Some(channel)) => {
                        let peer = session.map_or_else(String::new, |session| session.peer());
                        let (server, token) = (Arc::clone(&self.server), self.token.clone());
                        self.servings.spawn(log_in(server, token, channel, peer, self.cut.clone()));
                    }
                    Ok(None) => return ending(SessionEnd::Goodbye.into(), Ok(())),
                    Err(ChannelError::Ended(end)) => return ending(end.into(), lost(end)),
                    Err(error) => return ending(Patience::Endless, Err(error.into())),
                },
                error = unexplained(&mut self.broken) => return Ending {
                    patience: Patience::Over,
                    result: Err(error.into()),
                    // What was carried is lost, so the source must not take this for an orderly end.
                    goodbye: false,
                },
            }
        }
    }

    fn welcome(&mut self, greeted: Greeted, channels: &mut Channels) {
        match greeted.result {
            Ok(Arrival::Session(new)) => {
                let now = Instant::now();
                let took = Duration::from_secs_f64(greeted.took_ms / 1e3);
                self.session = Some((new.into(), now.checked_sub(took).unwrap_or(now)));
            }
            Ok(Arrival::Joined { .. }) => {}
            Err(error) => channels.refuse(greeted.peer, chain(&error)),
        }
    }

    /// Waits for its end beside everything else.
    fn follow(&mut self, child: Child, ends: Option<Ends>) {
        self.logs.push(child.log().clone());
        let connections = self.connections;
        self.servings
            .spawn(serve(child, ends, connections, self.cut.clone()));
    }

    fn served(&mut self, served: Served, channels: &mut Channels) {
        match served {
            Served::LoggedIn { peer, child, ends } => {
                let details = Some(child.log().details());
                self.follow(*child, ends);
                if let Some((_, begin)) = self.session.as_ref().filter(|_| !self.ready) {
                    self.ready = true;
                    let handshake_ms = ms(begin.elapsed());
                    channels.tell(Event::Ready {
                        peer,
                        handshake_ms,
                        details,
                    });
                }
            }
            Served::Failed { peer, error } => channels.refuse(peer, chain(&error)),
            // With a connection for each channel they come and go.
            Served::Ended { error, .. } if self.connections == Connections::Shared => {
                // Usually the source has ended its ssh and is about to say so, or has died.
                self.broken = Some((Instant::now() + EXPLANATION_DEADLINE, error));
            }
            Served::Ended {
                error,
                announced: false,
            } => channels.broke(chain(&error)),
            Served::Ended { .. } | Served::Cut => {}
        }
    }

    /// Waits for every `sshd`, as long as that may take, then cuts the rest. Whether there was any.
    async fn end(&mut self, patience: Patience, stop: &CancellationToken, drain: Duration) -> bool {
        match patience {
            Patience::Over => {}
            Patience::For(deadline) => drop(timeout(deadline, self.all_ended()).await),
            Patience::Endless => {
                let stopped = tokio::select! {
                    () = self.all_ended() => false,
                    () = stop.cancelled() => true,
                };
                if stopped {
                    let _ = timeout(drain, self.all_ended()).await;
                }
            }
        }
        let cuts = !self.servings.is_empty();
        self.cut.cancel();
        self.all_ended().await;
        cuts
    }

    async fn all_ended(&mut self) {
        while let Some(served) = self.servings.join_next().await {
            // A login that came through in the meantime has nothing to say any more.
            if let Ok(Served::LoggedIn { child, ends, .. }) = served {
                self.follow(*child, ends);
            }
        }
    }
}

async fn log_in(
    server: Arc<Server>,
    token: Token,
    channel: Channel,
    peer: String,
    cut: CancellationToken,
) -> Served {
    let work = async {
        let (mut wire, ends) = channel
            .into_parts()
            .expect("the carrier underneath has sockets");
        server
            .introduction()
            .send(&mut wire, &token)
            .await
            .map_err(SshError::Introduction)?;
        let mut child = server.start(wire)?;
        if child.log().ready().await {
            Ok((child, ends))
        } else {
            Err(child.ended().await)
        }
    };
    tokio::select! {
        result = work => match result {
            Ok((child, ends)) => Served::LoggedIn { peer, child: Box::new(child), ends },
            Err(error) => Served::Failed { peer, error },
        },
        // Dropping the work hangs up and kills.
        () = cut.cancelled() => Served::Cut,
    }
}

async fn serve(
    mut child: Child,
    ends: Option<Ends>,
    connections: Connections,
    cut: CancellationToken,
) -> Served {
    let log = child.log().clone();
    let ended = async {
        let error = child.ended().await;
        let announced = match (&ends, connections) {
            (Some(ends), Connections::PerChannel) => ends.complete(0).await.is_ok(),
            // With one for all the session itself has to explain an end.
            (None, _) | (_, Connections::Shared) => true,
        };
        Served::Ended { error, announced }
    };
    let telling = async {
        log.failed().await;
        if let Some(ends) = &ends {
            ends.broke();
        }
        std::future::pending().await
    };
    let ended = tokio::select! {
        biased;
        never = telling => never,
        ended = ended => Some(ended),
        () = cut.cancelled() => None,
    };
    if let Some(ended) = ended {
        return ended;
    }
    child.end().await;
    Served::Cut
}

/// Pending as long as nothing has broken, or the session may still explain it.
async fn unexplained(broken: &mut Option<(Instant, SshError)>) -> SshError {
    if let Some((deadline, _)) = broken {
        tokio::time::sleep_until(*deadline).await;
    }
    match broken.take() {
        Some((_, error)) => error,
        None => std::future::pending().await,
    }
}

/// The kernel's default of /proc/sys/kernel/overflowuid.
const OVERFLOW: u32 = 65534;

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, create_dir, set_permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// Whoever may write to a folder above a private one can put their own in its place, but not where it is sticky.
    #[test]
    fn no_folder_above_the_socket_is_open_to_others() {
        let base = tempfile::tempdir().unwrap();
        let shared = base.path().join("shared");
        let private = shared.join("private");
        create_dir(&shared).unwrap();
        create_dir(&private).unwrap();
        let link = base.path().join("link");
        symlink(&private, &link).unwrap();
        let socket = private.canonicalize().unwrap().join("socket");
        for (above, mode, refused) in [
            (0o755, 0o700, false),
            (0o777, 0o700, true),
            (0o770, 0o700, true),
            (0o1777, 0o700, false),
            (0o755, 0o770, true),
            (0o755, 0o1777, true),
        ] {
            set_permissions(&shared, Permissions::from_mode(above)).unwrap();
            set_permissions(&private, Permissions::from_mode(mode)).unwrap();
            for folder in [&private, &link] {
                match safe(&folder.join("socket"), None) {
                    Ok(target) => assert!(!refused && target == socket, "{above:o} {mode:o}"),
                    Err(error) => assert!(refused, "{above:o} {mode:o}: {error}"),
                }
            }
        }
    }
}
