//! Decides for one token which connection or stream may become what. Shared by the listener and the session.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::channel::Channel;
use super::error::ChannelError;
use super::handshake_error::Refusal;
use super::session_end::SessionEnd;

#[derive(Default)]
pub(crate) struct Registry(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    Unclaimed,
    Running {
        /// A set and not a counter, because channels that overtake each other arrive out of order.
        taken: BTreeSet<u32>,
        /// Unbounded by type, bounded by `channels_max`, since no number comes twice.
        arrivals: mpsc::UnboundedSender<Channel>,
    },
    Over,
}

/// A channel that was let in and is being told so. While it lives, the queue of arrivals stays open: a peer that was welcomed
/// and then says goodbye finds its channel delivered.
pub(crate) struct Joining(mpsc::UnboundedSender<Channel>);

/// The channels that joined a session, in the order of their arrival. Once it is dropped nothing can join any more.
pub(crate) struct ChannelQueue {
    registry: Arc<Registry>,
    queue: tokio::sync::Mutex<mpsc::UnboundedReceiver<Channel>>,
}

impl ChannelQueue {
    /// The next channel; after the session's end those that had joined before, then `None` for a goodbye. Dropping the future
    /// loses no channel.
    pub(crate) async fn next(
        &self,
        ended: impl Future<Output = SessionEnd>,
    ) -> Result<Option<Channel>, ChannelError> {
        let mut queue = self.queue.lock().await;
        let end = tokio::select! {
            biased;
            Some(channel) = queue.recv() => return Ok(Some(channel)),
            end = ended => end,
        };
        // No channel can join from here on; those that were being let in arrive first.
        self.end();
        match (queue.recv().await, end) {
            (Some(channel), _) => Ok(Some(channel)),
            (None, SessionEnd::Goodbye) => Ok(None),
            (None, end) => Err(ChannelError::Ended(end)),
        }
    }

    /// Lets nothing join any more.
    pub(crate) fn end(&self) {
        self.registry.end();
    }
}

impl Drop for ChannelQueue {
    fn drop(&mut self) {
        self.end();
    }
}

impl Registry {
    /// Begins the session, if there was none.
    pub(crate) fn claim(self: &Arc<Self>) -> Result<ChannelQueue, Refusal> {
        let mut state = self.lock();
        if !matches!(*state, State::Unclaimed) {
            return Err(Refusal::SessionTaken);
        }
        let (arrivals, arrived) = mpsc::unbounded_channel();
        *state = State::Running {
            taken: BTreeSet::new(),
            arrivals,
        };
        Ok(ChannelQueue {
            registry: Arc::clone(self),
            queue: tokio::sync::Mutex::new(arrived),
        })
    }

    /// Takes the channel's number, for ever.
    pub(crate) fn join(&self, number: u32, channels_max: u32) -> Result<Joining, Refusal> {
        match &mut *self.lock() {
            State::Unclaimed => Err(Refusal::NoSession),
            State::Over => Err(Refusal::SessionOver),
            State::Running { .. } if number >= channels_max => Err(Refusal::ChannelLimit),
            State::Running { taken, arrivals } => {
                if taken.insert(number) {
                    Ok(Joining(arrivals.clone()))
                } else {
                    Err(Refusal::ChannelTaken)
                }
            }
        }
    }

    /// Nothing can join any more. The queue ends once those that were let in before are in it.
    fn end(&self) {
        *self.lock() = State::Over;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Joining {
    pub(crate) fn deliver(self, channel: Channel) {
        // The receiver is gone only if the session is, and then nobody wants the channel.
        let _ = self.0.send(channel);
    }
}
