//! What the agent keeps in memory until it is collected.

use std::sync::{Arc, Mutex, PoisonError};

use super::protocol::{Readings, TimedEvent, TimedSample};
use crate::hypervisor::GuestEvent;

/// A shared notebook. Writers only push and one request takes all, so nobody ever waits for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Notebook(Arc<Mutex<Readings>>);

impl Notebook {
    pub(super) fn event(&self, event: GuestEvent) {
        self.with(|readings| readings.events.push(TimedEvent::from(event)));
    }

    pub(super) fn sample(&self, sample: TimedSample) {
        self.with(|readings| readings.samples.push(sample));
    }

    /// When the last sample was taken.
    pub(super) fn last_sample_ns(&self) -> Option<u64> {
        self.with(|readings| readings.samples.last().map(|sample| sample.at_ns))
    }

    /// Whether such an event was written down and not yet taken.
    pub(super) fn has(&self, is_such: impl Fn(&TimedEvent) -> bool) -> bool {
        self.with(|readings| readings.events.iter().any(is_such))
    }

    pub(super) fn take(&self) -> Readings {
        self.with(std::mem::take)
    }

    fn with<T>(&self, write: impl FnOnce(&mut Readings) -> T) -> T {
        write(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
