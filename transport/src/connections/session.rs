//! The two sides of a session: one opens connections, the other one is joined by them.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};

use async_trait::async_trait;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::task::coop::unconstrained;

use super::control::Control;
use super::{Link, Terms, Wrap};
use crate::carrier::{ChannelError, Refusal, Session, SessionEnd};
use crate::channel::Channel;
use crate::endpoint::Endpoint;
use crate::preamble::encode_verdict;

/// The dialling side.
pub(super) struct Dialled<W> {
    terms: Terms<W>,
    endpoint: Endpoint,
    control: Control,
    next: AtomicU32,
}

/// The listening side.
pub(super) struct Accepted {
    control: Control,
    registry: Arc<Registry>,
    arrived: tokio::sync::Mutex<mpsc::UnboundedReceiver<Channel>>,
}

/// Decides for one token which connection may become what. Shared by the listener and the session.
#[derive(Default)]
pub(super) struct Registry(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    Unclaimed,
    Running {
        /// A set and not a counter, because connections that overtake each other arrive out of order.
        taken: BTreeSet<u32>,
        /// Unbounded by type, bounded by `channels_max`, since no number comes twice.
        arrivals: mpsc::UnboundedSender<Channel>,
    },
    Over,
}

impl<W> Dialled<W> {
    pub(super) fn new(terms: Terms<W>, endpoint: Endpoint, control: Control) -> Self {
        Self {
            terms,
            endpoint,
            control,
            next: AtomicU32::new(0),
        }
    }
}

impl Accepted {
    pub(super) fn new(
        control: Control,
        registry: Arc<Registry>,
        arrived: mpsc::UnboundedReceiver<Channel>,
    ) -> Self {
        Self {
            control,
            registry,
            arrived: tokio::sync::Mutex::new(arrived),
        }
    }
}

impl Registry {
    /// Makes the connection the session, if there was none, and tells it the verdict.
    pub(super) fn claim(
        &self,
        link: &mut impl Link,
    ) -> Result<mpsc::UnboundedReceiver<Channel>, Refusal> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*state, State::Unclaimed) {
            tell(link, Err(Refusal::SessionTaken));
            return Err(Refusal::SessionTaken);
        }
        let (arrivals, arrived) = mpsc::unbounded_channel();
        *state = State::Running {
            taken: BTreeSet::new(),
            arrivals,
        };
        tell(link, Ok(()));
        Ok(arrived)
    }

    /// Makes the connection a channel of the session and tells it the verdict. Both happen under one lock: a peer that was
    /// welcomed and then says goodbye finds its channel delivered.
    pub(super) fn join(
        &self,
        number: u32,
        channels_max: u32,
        mut link: impl Link,
    ) -> Result<(), Refusal> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = match &mut *state {
            State::Unclaimed => Err(Refusal::NoSession),
            State::Over => Err(Refusal::SessionOver),
            State::Running { .. } if number >= channels_max => Err(Refusal::ChannelLimit),
            State::Running { taken, .. } => {
                if taken.insert(number) {
                    Ok(())
                } else {
                    Err(Refusal::ChannelTaken)
                }
            }
        };
        tell(&mut link, verdict);
        if let (Ok(()), State::Running { arrivals, .. }) = (verdict, &*state) {
            // The receiver lives as long as the session, which ends this state before it goes.
            let _ = arrivals.send(link.into_channel(number));
        }
        verdict
    }

    fn end(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::Over;
    }
}

/// One byte always fits the empty buffer of a live connection; a dead one will be found out by its owner. So the write is
/// done at once or not at all, which the caller's lock demands.
fn tell(link: &mut impl Link, verdict: Result<(), Refusal>) {
    let byte = [encode_verdict(verdict)];
    let write = unconstrained(async {
        link.write_all(&byte).await?;
        link.flush().await
    });
    let _ = pin!(write).poll(&mut Context::from_waker(Waker::noop()));
}

#[async_trait]
impl<W: Wrap> Session for Dialled<W> {
    fn peer(&self) -> String {
        self.control.peer()
    }

    fn details(&self) -> Option<String> {
        self.control.details()
    }

    async fn open_channel(&self) -> Result<Channel, ChannelError> {
        if let Some(end) = self.control.end() {
            return Err(ChannelError::Ended(end));
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let link = self.terms.connect(&self.endpoint, number).await;
        link.map(|link| link.into_channel(number))
            .map_err(|source| ChannelError::Open { number, source })
    }

    async fn accept_channel(&self) -> Result<Option<Channel>, ChannelError> {
        Err(ChannelError::WrongSide("accept"))
    }

    async fn ended(&self) -> SessionEnd {
        self.control.ended().await
    }

    async fn close(&self) {
        self.control.goodbye().await;
    }
}

#[async_trait]
impl Session for Accepted {
    fn peer(&self) -> String {
        self.control.peer()
    }

    fn details(&self) -> Option<String> {
        self.control.details()
    }

    async fn open_channel(&self) -> Result<Channel, ChannelError> {
        Err(ChannelError::WrongSide("open"))
    }

    async fn accept_channel(&self) -> Result<Option<Channel>, ChannelError> {
        let mut arrived = self.arrived.lock().await;
        let end = tokio::select! {
            biased;
            Some(channel) = arrived.recv() => return Ok(Some(channel)),
            end = self.control.ended() => end,
        };
        // No channel can join from here on, so what is in the queue now is all there will ever be.
        self.registry.end();
        match (arrived.try_recv(), end) {
            (Ok(channel), _) => Ok(Some(channel)),
            (Err(_), SessionEnd::Goodbye) => Ok(None),
            (Err(_), end) => Err(ChannelError::Ended(end)),
        }
    }

    async fn ended(&self) -> SessionEnd {
        self.control.ended().await
    }

    async fn close(&self) {
        self.registry.end();
        self.control.goodbye().await;
    }
}

impl Drop for Accepted {
    fn drop(&mut self) {
        self.registry.end();
    }
}
