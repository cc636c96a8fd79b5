//! Shares out what all channels of a session may have received that nobody has read.
//!
//! Every channel begins with a floor, which nothing can take away, so none ever waits for another one to be read. A window
//! grows while its channel is read, as TCP's does (receive buffer autotuning, Linux `tcp_rcv_space_adjust`): twofold for every half of
//! it that was read, up to an equal part of what is there. Where channels come later, the larger windows shrink as they are read,
//! since credit that was given cannot be taken back.

use std::sync::{Arc, Mutex, PoisonError};

use quinn::{Connection, VarInt};

use super::settings::Settings;

/// The bytes of one end of a session.
pub(super) struct Budget {
    /// What every channel has, [`FLOOR`] or less.
    floor: u64,
    /// What can be given beyond the floors.
    whole: u64,
    /// The most for one channel.
    window_max: u64,
    state: Mutex<State>,
}

struct State {
    free: u64,
    channels: u64,
}

/// What one channel has of it.
pub(super) struct Share {
    budget: Arc<Budget>,
    grant: Grant,
}

/// A window as both sides of it count: what was granted beyond the floor, and what is to be given back.
#[derive(Debug, Default, PartialEq, Eq)]
struct Grant {
    bytes: u64,
    debt: u64,
    read: u64,
}

impl Budget {
    /// Of that many bytes, at most half of which are floors.
    pub(super) fn new(bytes: u64, channels_max: u32, window_max: u64) -> Arc<Self> {
        let floor = FLOOR.min(bytes / 2 / u64::from(channels_max.max(1))).max(1);
        let whole = bytes.saturating_sub(u64::from(channels_max) * floor);
        Arc::new(Self {
            floor,
            whole,
            window_max,
            state: Mutex::new(State {
                free: whole,
                channels: 0,
            }),
        })
    }

    /// For another channel.
    pub(super) fn join(self: &Arc<Self>) -> Share {
        let mut grant = Grant::default();
        self.lock().channels += 1;
        self.grow(&mut grant, FIRST);
        Share {
            budget: Arc::clone(self),
            grant,
        }
    }

    /// Takes note of bytes that were read. Whether the window is another one now.
    fn read(&self, grant: &mut Grant, len: u64) -> bool {
        let back = len.min(grant.debt);
        grant.debt -= back;
        self.lock().free += back;
        grant.read += len;
        if grant.read < self.floor.midpoint(grant.bytes) {
            return false;
        }
        grant.read = 0;
        let before = grant.bytes;
        let fair = self.fair();
        if grant.bytes > fair {
            grant.debt += grant.bytes - fair;
            grant.bytes = fair;
        } else {
            self.grow(grant, 2 * (self.floor + grant.bytes));
        }
        grant.bytes != before
    }

    /// Raises a window towards that many bytes.
    fn grow(&self, grant: &mut Grant, window: u64) {
        let wanted = (window.min(self.window_max).saturating_sub(self.floor)).min(self.fair());
        let mut state = self.lock();
        let step = wanted.saturating_sub(grant.bytes).min(state.free);
        state.free -= step;
        grant.bytes += step;
    }

    fn leave(&self, grant: &Grant) {
        let mut state = self.lock();
        state.free += grant.bytes + grant.debt;
        state.channels -= 1;
    }

    /// An equal part for every channel.
    fn fair(&self) -> u64 {
        self.whole / self.lock().channels.max(1)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// What the channel may have received and not read, in bytes.
    pub(super) fn window(&self) -> u64 {
        self.budget.floor + self.grant.bytes
    }

    /// Takes note of bytes that were read. Whether the window is another one now.
    pub(super) fn read(&mut self, len: usize) -> bool {
        self.budget.read(&mut self.grant, len as u64)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.leave(&self.grant);
    }
}

/// For channels with connections of their own.
pub(super) fn of_connections(settings: &Settings) -> Arc<Budget> {
    Budget::new(
        SESSION_MAX,
        settings.channels_max,
        settings.connection_window,
    )
}

/// What all streams of a connection together may have received and not read.
pub(super) fn set_window(connection: &Connection, bytes: u64) {
    connection.set_receive_window(VarInt::from_u64(bytes).unwrap_or(VarInt::MAX));
}

/// What a connection may have received before it is a channel, and always.
pub(super) const FLOOR: u64 = 64 << 10;
/// What a channel is given at its begin, if it is there.
const FIRST: u64 = 1 << 20;
/// Of both kinds together: two channels have 32 MiB each, which is 2.5 Gbit/s at a round trip of 100 ms.
pub(super) const SESSION_MAX: u64 = 128 << 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A channel as its peer sees it: what it may still send, and what was sent and not read.
    #[derive(Default)]
    struct Peer {
        grant: Grant,
        window: u64,
        shrink: u64,
        credit: u64,
        unread: u64,
    }

    impl Peer {
        fn join(budget: &Budget) -> Self {
            let mut grant = Grant::default();
            budget.lock().channels += 1;
            budget.grow(&mut grant, FIRST);
            let window = budget.floor + grant.bytes;
            Self {
                grant,
                window,
                credit: window,
                ..Self::default()
            }
        }

        /// As quinn counts (`StreamsState::add_read_credits` and `set_receive_window`).
        fn read(&mut self, budget: &Budget, len: u64) {
            let len = len.min(self.unread);
            self.unread -= len;
            let absorbed = len.min(self.shrink);
            self.shrink -= absorbed;
            self.credit += len - absorbed;
            if budget.read(&mut self.grant, len) {
                let window = budget.floor + self.grant.bytes;
                self.credit += window.saturating_sub(self.window);
                self.shrink += self.window.saturating_sub(window);
                self.window = window;
            }
        }

        fn send(&mut self, len: u64) {
            let len = len.min(self.credit);
            self.credit -= len;
            self.unread += len;
        }
    }

    proptest! {
        /// Whoever sends, reads, comes or stops: what could be unread is never more than the session's, and never less than a floor.
        #[test]
        fn the_sum_is_bounded_and_nobody_starves(
            steps in prop::collection::vec((0..4u8, 0..64usize, 0..(40u64 << 20)), 1..400)
        ) {
            let budget = Budget::new(SESSION_MAX, 64, 64 << 20);
            let mut peers = vec![Peer::join(&budget)];
            for (step, index, len) in steps {
                let index = index % peers.len();
                match step {
                    0 if peers.len() < 64 => peers.push(Peer::join(&budget)),
                    0 | 1 => peers[index].send(len),
                    2 => peers[index].read(&budget, len),
                    _ if peers.len() > 1 => budget.leave(&peers.swap_remove(index).grant),
                    _ => {}
                }
                let held: u64 = peers.iter().map(|peer| peer.credit + peer.unread).sum();
                prop_assert!(held <= SESSION_MAX, "{held}");
                prop_assert!(peers.iter().all(|peer| peer.credit + peer.unread >= FLOOR));
            }
            for peer in peers {
                budget.leave(&peer.grant);
            }
            prop_assert_eq!(budget.lock().free, budget.whole);
        }
    }

    #[test]
    fn a_single_channel_that_is_read_has_its_whole_window() {
        let budget = Budget::new(SESSION_MAX, 1024, 64 << 20);
        let mut peer = Peer::join(&budget);
        let mut total = 0;
        while peer.window < 32 << 20 {
            peer.send(1 << 18);
            peer.read(&budget, 1 << 18);
            total += 1 << 18;
            assert!(total < 64 << 20, "{} after {total} bytes", peer.window);
        }
    }

    /// Later ones get as much as the first, once that is read on.
    #[test]
    fn channels_that_are_read_come_to_equal_parts() {
        let budget = Budget::new(SESSION_MAX, 64, 64 << 20);
        let mut peers = Vec::new();
        for _ in 0..8 {
            peers.push(Peer::join(&budget));
            for _ in 0..2000 {
                for peer in &mut peers {
                    peer.send(1 << 18);
                    peer.read(&budget, 1 << 18);
                }
            }
        }
        for peer in peers {
            assert_eq!(peer.grant.bytes, budget.whole / 8);
        }
    }
}
