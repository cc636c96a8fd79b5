//! Decides for one token which connection or stream may become what. Shared by the listener and the session.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::carrier::Refusal;
use crate::channel::Channel;

#[derive(Default)]
pub(super) struct Registry(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    Unclaimed,
    Running {
        /// A set and not a counter, because streams that overtake each other arrive out of order.
        taken: BTreeSet<u32>,
        /// Unbounded by type, bounded by `channels_max`, since no number comes twice.
        arrivals: mpsc::UnboundedSender<Channel>,
    },
    Over,
}

/// A channel that was let in and is being told so. While it lives, the queue of arrivals stays open: a peer that was welcomed
/// and then says goodbye finds its channel delivered.
pub(super) struct Joining(mpsc::UnboundedSender<Channel>);

impl Registry {
    /// Begins the session, if there was none. What comes out is the queue of its channels.
    pub(super) fn claim(&self) -> Result<mpsc::UnboundedReceiver<Channel>, Refusal> {
        let mut state = self.lock();
        if !matches!(*state, State::Unclaimed) {
            return Err(Refusal::SessionTaken);
        }
        let (arrivals, arrived) = mpsc::unbounded_channel();
        *state = State::Running {
            taken: BTreeSet::new(),
            arrivals,
        };
        Ok(arrived)
    }

    /// Takes the channel's number, for ever.
    pub(super) fn join(&self, number: u32, channels_max: u32) -> Result<Joining, Refusal> {
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
    pub(super) fn end(&self) {
        *self.lock() = State::Over;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Joining {
    pub(super) fn deliver(self, channel: Channel) {
        // The receiver is gone only if the session is, and then nobody wants the channel.
        let _ = self.0.send(channel);
    }
}
