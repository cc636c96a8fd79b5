//! What the threads of a replay share: how far each channel has got, and the end of everything.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use super::error::ReplayError;

/// Shared by all threads of one end.
#[derive(Default)]
pub(super) struct Stage {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    over: bool,
    error: Option<ReplayError>,
    streams: Vec<Weak<UnixStream>>,
    sent: Vec<u64>,
}

impl Stage {
    /// From now on the stream ends when everything does.
    pub(super) fn add(&self, stream: &Arc<UnixStream>) {
        let mut state = self.lock();
        if state.over {
            let _ = stream.shutdown(Shutdown::Both);
        }
        state.streams.push(Arc::downgrade(stream));
        state.sent.push(0);
    }

    /// A channel has sent this much so far.
    pub(super) fn sent(&self, channel: usize, bytes: u64) {
        self.lock().sent[channel] = bytes;
        self.changed.notify_all();
    }

    /// Waits until every channel has sent as much; `false` when everything ended before.
    pub(super) fn wait_sent(&self, after: &[u64]) -> bool {
        let mut state = self.lock();
        while !state.over
            && state
                .sent
                .iter()
                .zip(after)
                .any(|(sent, after)| sent < after)
        {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        !state.over
    }

    /// Waits for a moment; `false` when everything ended before.
    pub(super) fn wait_until(&self, moment: Instant) -> bool {
        let mut state = self.lock();
        while !state.over {
            let left = moment.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            (state, _) = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
        false
    }

    /// The first error counts, and ends everything. After the end nothing does.
    pub(super) fn fail(&self, error: ReplayError) {
        let mut state = self.lock();
        if !state.over {
            state.error = Some(error);
            self.end(state);
        }
    }

    /// Keeps the first error and lets the rest go on.
    pub(super) fn note(&self, error: ReplayError) {
        let mut state = self.lock();
        if !state.over {
            state.error.get_or_insert(error);
        }
    }

    /// Ends everything.
    pub(super) fn cut(&self) {
        self.end(self.lock());
    }

    /// The first error, which is taken, and whether everything was ended early.
    pub(super) fn outcome(&self) -> (Option<ReplayError>, bool) {
        let mut state = self.lock();
        (state.error.take(), state.over)
    }

    fn end(&self, mut state: MutexGuard<'_, State>) {
        state.over = true;
        for stream in state.streams.iter().filter_map(Weak::upgrade) {
            // A stream that has ended needs no end.
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
