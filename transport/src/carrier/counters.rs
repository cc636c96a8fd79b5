//! What the two directions of a relay have moved, and when they last did.
//!
//! Two readings of the clock per chunk of up to 256 KiB, some 25 ns each.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use lmbench_os::clock::monotonic_ns;

/// Bytes moved so far. Shared, so that they can be read while the relay runs and after it failed.
#[derive(Debug, Default)]
pub struct Counters {
    pub(crate) sent: Moved,
    pub(crate) received: Moved,
}

impl Counters {
    /// Counts a chunk as a relay does that moves it to the channel: for whoever wants to know what the counting costs.
    pub fn count_sent(&self, bytes: usize) {
        self.sent.taken();
        self.sent.given(bytes);
    }

    /// Bytes that came from the local stream and were given to the channel.
    pub fn sent_bytes(&self) -> u64 {
        self.sent.bytes()
    }

    /// Bytes that came from the channel and were given to the local stream.
    pub fn received_bytes(&self) -> u64 {
        self.received.bytes()
    }

    /// When the local stream last gave something away, ns of this host's `CLOCK_MONOTONIC`.
    pub fn last_taken_ns(&self) -> Option<u64> {
        self.sent.last_taken_ns()
    }

    /// When the local stream was last given something, ns of this host's `CLOCK_MONOTONIC`.
    pub fn last_given_ns(&self) -> Option<u64> {
        self.received.last_given_ns()
    }
}

/// One direction.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    bytes: AtomicU64,
    taken_ns: AtomicU64,
    given_ns: AtomicU64,
    ended: AtomicBool,
}

impl Moved {
    /// Something was taken from where it comes from.
    pub(crate) fn taken(&self) {
        self.taken_ns.store(monotonic_ns(), Ordering::Relaxed);
    }

    /// `bytes` were given to where they go.
    pub(crate) fn given(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.given_ns.store(monotonic_ns(), Ordering::Relaxed);
    }

    /// The end has come, and is about to be passed on.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// When something was last taken; `None` before.
    pub(crate) fn last_taken_ns(&self) -> Option<u64> {
        Some(self.taken_ns.load(Ordering::Relaxed)).filter(|at_ns| *at_ns > 0)
    }

    /// When something was last given; `None` before.
    pub(crate) fn last_given_ns(&self) -> Option<u64> {
        Some(self.given_ns.load(Ordering::Relaxed)).filter(|at_ns| *at_ns > 0)
    }
}
