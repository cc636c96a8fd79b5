//! The listening side of a session: an `sshd` for each of the peer's tunnels, which connects to the destination's QEMU itself.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::beneath;
use super::child::Child;
use super::deadlines::EXPLANATION_DEADLINE;
use super::error::SshError;
use super::log::Log;
use super::server::Server;
use super::settings::Connections;
use crate::carrier::channel::Channel;
use crate::carrier::notices::Ends;
use crate::carrier::token::Token;
use crate::carrier::{CarrierError, ChannelError, Session, SessionEnd, chain};

/// The session, which ends when this is dropped.
pub(super) struct Accepted(pub(super) Arc<Served>);

/// The session underneath, and what is served in it.
pub(super) struct Served {
    beneath: Box<dyn Session>,
    serving: Arc<Serving>,
    /// An `sshd` ended of which the peer says nothing, so it gets no goodbye.
    has_failed: AtomicBool,
}

/// Every `sshd` that let the peer in.
struct Serving {
    connections: Connections,
    /// What the first `sshd` that let somebody in said of it.
    details: watch::Sender<Option<String>>,
    /// How many run.
    running: watch::Sender<usize>,
    cut: CancellationToken,
    /// When the one for all ended by itself. The session may be about to explain that.
    broke: watch::Sender<Option<Instant>>,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    logs: Vec<Log>,
    /// The end of the one for all.
    error: Option<SshError>,
    loss: Option<String>,
}

/// Counts one `sshd` for as long as it lives.
struct Running(Arc<Serving>);

/// How an `sshd` ended after its login.
enum End {
    /// By itself, and whether the peer had said so.
    Alone { error: SshError, announced: bool },
    /// By us.
    Cut,
}

impl Served {
    pub(super) fn new(beneath: Box<dyn Session>, connections: Connections) -> Self {
        Self {
            beneath,
            serving: Arc::new(Serving {
                connections,
                details: watch::Sender::default(),
                running: watch::Sender::default(),
                cut: CancellationToken::new(),
                broke: watch::Sender::default(),
                heard: Mutex::default(),
            }),
            has_failed: AtomicBool::new(false),
        }
    }

    /// Gives the next connection that joined to an `sshd`, and waits until that has let the peer in. Dropping the future hangs up.
    pub(super) async fn log_in(
        &self,
        server: &Server,
        token: &Token,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let channel = match self.beneath.accept_channel().await {
            Ok(Some(channel)) => channel,
            Ok(None) => return Err(Box::new(ChannelError::Ended(SessionEnd::Goodbye))),
            Err(error) => return Err(Box::new(error)),
        };
        let (mut wire, ends) = channel
            .into_parts()
            .expect("the carrier underneath has sockets");
        let introduced = server.introduction().send(&mut wire, token).await;
        introduced.map_err(SshError::Introduction)?;
        let mut child = server.start(wire)?;
        if !child.log().ready().await {
            return Err(child.ended().await.into());
        }
        let details = child.log().details();
        self.serving.follow(child, ends);
        self.serving.details.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert(details);
            is_first
        });
        Ok(())
    }
}

impl Serving {
    /// Waits for its end beside everything else.
    fn follow(self: &Arc<Self>, child: Child, ends: Option<Ends>) {
        self.heard().logs.push(child.log().clone());
        self.running.send_modify(|count| *count += 1);
        let running = Running(Arc::clone(self));
        tokio::spawn(async move {
            let Running(serving) = &running;
            let ended = serve(child, ends, serving.connections, &serving.cut).await;
            serving.note(ended);
        });
    }

    fn note(&self, ended: End) {
        match (ended, self.connections) {
            (End::Alone { error, .. }, Connections::Shared) => {
                // Usually the peer has ended its ssh and is about to say so, or has died.
                self.heard().error = Some(error);
                let explained = Instant::now() + EXPLANATION_DEADLINE;
                self.broke.send_replace(Some(explained));
            }
            // With a connection for each channel they come and go.
            (
                End::Alone {
                    error,
                    announced: false,
                },
                Connections::PerChannel,
            ) => {
                self.heard().loss.get_or_insert(chain(&error));
            }
            (End::Alone { .. } | End::Cut, Connections::Shared | Connections::PerChannel) => {}
        }
    }

    async fn all_ended(&self) {
        let mut running = self.running.subscribe();
        // The sender lives as long as this value.
        let _ = running.wait_for(|count| *count == 0).await;
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(
    mut child: Child,
    ends: Option<Ends>,
    connections: Connections,
    cut: &CancellationToken,
) -> End {
    let log = child.log().clone();
    let ended = async {
        let error = child.ended().await;
        let announced = match (&ends, connections) {
            (Some(ends), Connections::PerChannel) => ends.complete(0).await.is_ok(),
            // With one for all the session itself has to explain an end.
            (None, _) | (_, Connections::Shared) => true,
        };
        End::Alone { error, announced }
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
    End::Cut
}

#[async_trait]
impl Session for Accepted {
    fn peer(&self) -> String {
        self.0.beneath.peer()
    }

    fn details(&self) -> Option<String> {
        self.0.serving.details.borrow().clone()
    }

    /// Until the first `sshd` has let the peer in.
    async fn ready(&self) {
        let mut details = self.0.serving.details.subscribe();
        // The sender lives as long as this value.
        let _ = details.wait_for(Option::is_some).await;
    }

    async fn open_channel(&self) -> Result<Channel, ChannelError> {
        Err(ChannelError::WrongSide("open"))
    }

    /// Gives none out: they are brought to the destination's QEMU.
    async fn accept_channel(&self) -> Result<Option<Channel>, ChannelError> {
        match self.ended().await {
            SessionEnd::Goodbye => Ok(None),
            end @ (SessionEnd::Gone | SessionEnd::Unreachable) => Err(ChannelError::Ended(end)),
        }
    }

    fn broken_channel(&self) -> Option<u32> {
        self.0.beneath.broken_channel()
    }

    async fn ended(&self) -> SessionEnd {
        self.0.beneath.ended().await
    }

    async fn failed(&self) -> CarrierError {
        let mut broke = self.0.serving.broke.subscribe();
        let explained = match broke.wait_for(Option::is_some).await {
            Ok(explained) => *explained,
            // The sender lives as long as this value.
            Err(_) => None,
        };
        if let Some(explained) = explained {
            sleep_until(explained).await;
        }
        if beneath::end(&*self.0.beneath).await.is_none()
            && let Some(error) = self.0.serving.heard().error.take()
        {
            self.0.has_failed.store(true, Ordering::Relaxed);
            return error.into();
        }
        std::future::pending().await
    }

    /// A peer that has said goodbye has ended its `ssh`, and waits for our word on what went through it. One that has not ends its
    /// `ssh` after ours, once nothing goes through it any more.
    async fn drained(&self) {
        let has_failed = self.0.has_failed.load(Ordering::Relaxed);
        if !has_failed && beneath::end(&*self.0.beneath).await.is_none() {
            self.0.beneath.close().await;
        }
        self.0.serving.all_ended().await;
    }

    fn loss(&self) -> Option<String> {
        let heard = self.0.serving.heard();
        let said = || heard.logs.iter().find_map(Log::failure);
        heard.loss.clone().or_else(said)
    }

    async fn close(&self) {
        self.0.serving.cut.cancel();
        self.0.serving.all_ended().await;
        // What was carried is lost after a failure, and the peer must not take this for an orderly end.
        if !self.0.has_failed.load(Ordering::Relaxed) {
            self.0.beneath.close().await;
        }
    }
}

impl Drop for Accepted {
    fn drop(&mut self) {
        self.0.serving.cut.cancel();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.send_modify(|count| *count -= 1);
    }
}
