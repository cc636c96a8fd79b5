//! What remained at the passes within the window and before it.

use std::collections::VecDeque;
use std::time::Duration;

/// The least on both sides of `now - length`.
pub(super) struct Window {
    length: Duration,
    /// The least of those before the window.
    old: Option<u64>,
    /// Time and bytes of those within it; as many as passes end in it.
    young: VecDeque<(Duration, u64)>,
}

impl Window {
    pub(super) fn new(length: Duration) -> Self {
        Window {
            length,
            old: None,
            young: VecDeque::new(),
        }
    }

    /// Adds a pass; returns the least of before the window and the least within it.
    pub(super) fn record(&mut self, now: Duration, remaining: u64) -> (Option<u64>, u64) {
        while let Some((at, bytes)) = self.young.front().copied()
            && now.saturating_sub(at) >= self.length
        {
            self.old = Some(self.old.map_or(bytes, |old| old.min(bytes)));
            self.young.pop_front();
        }
        self.young.push_back((now, remaining));
        let young = self.young.iter().map(|(_, bytes)| *bytes).min();
        (self.old, young.unwrap_or(remaining))
    }
}
