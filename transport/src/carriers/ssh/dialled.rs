//! The dialling side of a session: one `ssh` that listens for QEMU itself, or one for each channel.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::channel::SshChannel;
use super::deadlines::{END_DEADLINE, EXPLANATION_DEADLINE};
use super::error::SshError;
use super::lingering::Lingering;
use super::log::Log;
use super::settings::Connections;
use super::tunnel::{Maker, Tunnel};
use super::{beneath, sockets};
use crate::carrier::channel::Channel;
use crate::carrier::{CarrierError, ChannelError, Session, SessionEnd};

/// The session underneath, and what goes through it.
pub(super) struct Dialled {
    beneath: Box<dyn Session>,
    maker: Arc<Maker>,
    details: String,
    first: First,
    lingering: Arc<Lingering>,
    /// An `ssh` ended of which the peer says nothing, so it gets no goodbye.
    has_failed: AtomicBool,
    loss: OnceLock<String>,
}

/// The `ssh` that logged in when the session was dialled.
enum First {
    /// For all channels.
    Shared {
        tunnel: AsyncMutex<Option<Tunnel>>,
        socket: PathBuf,
        log: Log,
        draining: Draining,
    },
    /// For the first channel.
    Held {
        tunnel: Mutex<Option<Tunnel>>,
        log: Log,
        used: CancellationToken,
    },
}

/// How the end of the one `ssh` went so far.
#[derive(Default)]
struct Draining {
    /// QEMU was connected to it when it was to drain.
    was_used: AtomicBool,
    /// It was this end that ended the session.
    ended_here: AtomicBool,
    is_over: AtomicBool,
}

impl Dialled {
    pub(super) fn new(
        beneath: Box<dyn Session>,
        maker: Arc<Maker>,
        connections: Connections,
        first: Tunnel,
    ) -> Self {
        let (details, log) = (first.details.clone(), first.child.log().clone());
        let first = match connections {
            Connections::Shared => First::Shared {
                socket: first.socket.clone(),
                tunnel: AsyncMutex::new(Some(first)),
                log,
                draining: Draining::default(),
            },
            Connections::PerChannel => First::Held {
                tunnel: Mutex::new(Some(first)),
                log,
                used: CancellationToken::new(),
            },
        };
        Self {
            beneath,
            maker,
            details,
            first,
            lingering: Arc::default(),
            has_failed: AtomicBool::new(false),
            loss: OnceLock::new(),
        }
    }

    /// Ends the one `ssh`. One that ended while QEMU was connected to it has lost what was on its way. When this end ends the session
    /// nothing else should have ended it, and whether QEMU was connected cannot be seen any more; but a Ctrl-C comes to it too. A
    /// peer that is stopped ends it by itself.
    async fn end_shared(mut tunnel: Tunnel, draining: &Draining) -> Result<(), String> {
        let is_drained = draining.is_over.load(Ordering::Relaxed) || !tunnel.is_used();
        let is_cut = tunnel.child.is_cut();
        if is_cut {
            // For its last words.
            let _ = timeout(END_DEADLINE, tunnel.child.ended()).await;
        }
        let ended_here = draining.ended_here.load(Ordering::Relaxed);
        let early = draining.was_used.load(Ordering::Relaxed)
            || (ended_here && !tunnel.child.log().was_killed());
        tunnel.end(!is_drained || (early && is_cut)).await
    }
}

#[async_trait]
impl Session for Dialled {
    fn peer(&self) -> String {
        self.beneath.peer()
    }

    fn details(&self) -> Option<String> {
        Some(self.details.clone())
    }

    fn listening_socket(&self) -> Option<&Path> {
        match &self.first {
            First::Shared { socket, .. } => Some(socket),
            First::Held { .. } => None,
        }
    }

    async fn open_channel(&self) -> Result<Channel, ChannelError> {
        if let Some(end) = beneath::end(&*self.beneath).await {
            return Err(ChannelError::Ended(end));
        }
        let First::Held { tunnel, used, .. } = &self.first else {
            return Err(ChannelError::OpenedLocally);
        };
        let held = tunnel.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (tunnel, used) = match held {
            Some(tunnel) => (tunnel, used.clone()),
            None => (
                Tunnel::open(Arc::clone(&self.maker), &*self.beneath).await?,
                CancellationToken::new(),
            ),
        };
        let number = tunnel.number;
        let io = SshChannel::new(tunnel, Arc::clone(&self.lingering), used);
        Ok(Channel::new(number, Box::new(io)))
    }

    async fn accept_channel(&self) -> Result<Option<Channel>, ChannelError> {
        Err(ChannelError::WrongSide("accept"))
    }

    fn broken_channel(&self) -> Option<u32> {
        self.beneath.broken_channel()
    }

    async fn ended(&self) -> SessionEnd {
        self.beneath.ended().await
    }

    /// An `ssh` that waits for QEMU ended. Usually the peer has ended its `sshd` and is about to say so, or has died.
    async fn failed(&self) -> CarrierError {
        let log = match &self.first {
            First::Shared { log, .. } => {
                log.silent().await;
                log
            }
            First::Held { log, used, .. } => {
                if used.run_until_cancelled(log.silent()).await.is_none() {
                    return std::future::pending().await;
                }
                log
            }
        };
        if timeout(EXPLANATION_DEADLINE, self.beneath.ended())
            .await
            .is_ok()
        {
            return std::future::pending().await;
        }
        self.has_failed.store(true, Ordering::Relaxed);
        let (program, said) = ("ssh", log.last_words());
        SshError::Ended { program, said }.into()
    }

    async fn drained(&self) {
        let First::Shared {
            socket, draining, ..
        } = &self.first
        else {
            return self.lingering.all_ended().await;
        };
        let was_used = sockets::is_connected(socket);
        let ended_there = beneath::end(&*self.beneath).await.is_some();
        draining.was_used.store(was_used, Ordering::Relaxed);
        draining.ended_here.store(!ended_there, Ordering::Relaxed);
        sockets::all_closed(socket).await;
        draining.is_over.store(true, Ordering::Relaxed);
    }

    fn loss(&self) -> Option<String> {
        self.loss.get().cloned().or_else(|| self.lingering.loss())
    }

    /// Says goodbye and waits for the peer's, which follows its word on what became of the stream behind `sshd`.
    async fn close(&self) {
        if let First::Shared {
            tunnel, draining, ..
        } = &self.first
            && let Some(tunnel) = tunnel.lock().await.take()
            && let Err(said) = Self::end_shared(tunnel, draining).await
        {
            // The first one counts.
            let _ = self.loss.set(said);
        }
        if let First::Held { tunnel, .. } = &self.first {
            drop(tunnel.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
        self.lingering.cut();
        if self.has_failed.load(Ordering::Relaxed) {
            // What was carried is lost, and the peer must not take this for an orderly end.
            return;
        }
        self.beneath.close().await;
        let _ = timeout(END_DEADLINE, self.beneath.ended()).await;
    }
}

impl Drop for Dialled {
    fn drop(&mut self) {
        self.lingering.cut();
    }
}
