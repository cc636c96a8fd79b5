//! The least that remained at the end of a pass, and how near to it is near enough.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use crate::spec::KubevirtStallSpec;

/// What remained at passes before a window that ends now, and within it.
pub(super) struct Minimum {
    window: Duration,
    /// Of one.
    margin: f64,
    decay: f64,
    /// The least of those before the window.
    old: Option<u64>,
    /// Time and bytes of those within it that may become the least: each is less than the one before.
    young: VecDeque<(Duration, u64)>,
    stalled: Option<Stalled>,
}

/// What is waited for.
struct Stalled {
    best: u64,
    /// What remained at passes since, those taken as `best` left out.
    seen: BinaryHeap<Reverse<u64>>,
    patience: Duration,
    until: Duration,
}

impl Minimum {
    pub(super) fn new(spec: &KubevirtStallSpec) -> Self {
        Minimum {
            window: spec.limits.progress_timeout,
            margin: f64::from(spec.stall_margin_percent) / 100.0,
            decay: spec.patience_window_decay_factor,
            old: None,
            young: VecDeque::new(),
            stalled: None,
        }
    }

    /// Takes a pass; whether the migration stalls, which it never ceases to do.
    pub(super) fn stalls(&mut self, now: Duration, remaining: u64) -> bool {
        self.record(now, remaining);
        if let Some(stalled) = &mut self.stalled {
            stalled.relaxes(now, remaining, self.decay);
            return true;
        }
        let Some(old) = self.old else {
            return false;
        };
        if remaining < share(old, 1.0 - self.margin) {
            return false;
        }
        let young = self.young.iter().map(|(_, bytes)| *bytes);
        self.stalled = Some(Stalled {
            best: young.fold(old, u64::min),
            seen: BinaryHeap::new(),
            patience: self.window,
            until: now.saturating_add(self.window),
        });
        true
    }

    /// Whether what remains is near enough to the least.
    pub(super) fn is_here(&self, remaining: u64) -> bool {
        self.stalled
            .as_ref()
            .is_some_and(|stalled| remaining <= share(stalled.best, 1.0 + self.margin))
    }

    fn record(&mut self, now: Duration, remaining: u64) {
        while let Some((at, bytes)) = self.young.front().copied()
            && now.saturating_sub(at) >= self.window
        {
            self.old = Some(self.old.map_or(bytes, |old| old.min(bytes)));
            self.young.pop_front();
        }
        let is_above_old = self.old.is_some_and(|old| remaining > old);
        let is_above_last = self
            .young
            .back()
            .is_some_and(|(_, last)| remaining >= *last);
        if !is_above_old && !is_above_last {
            self.young.push_back((now, remaining));
        }
    }
}

impl Stalled {
    /// When patience is over: aims at the least of what was seen since, this pass with it, and has less patience.
    fn relaxes(&mut self, now: Duration, remaining: u64, decay: f64) {
        self.seen.push(Reverse(remaining));
        if now < self.until {
            return;
        }
        if let Some(Reverse(next)) = self.seen.pop() {
            self.best = next;
        }
        let patience = Duration::try_from_secs_f64(self.patience.as_secs_f64() * decay);
        self.patience = patience.unwrap_or(self.patience);
        self.until = now.saturating_add(self.patience);
    }
}

/// Whole bytes, as `KubeVirt` cuts them.
fn share(bytes: u64, factor: f64) -> u64 {
    (bytes as f64 * factor) as u64
}
