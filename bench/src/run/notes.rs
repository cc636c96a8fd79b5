//! What the controller itself did and saw during one migration, on its own clock. Shared by all who help.

use std::sync::{Arc, Mutex, PoisonError};

use lmbench_harness::agent::protocol::TimedEvent;
use lmbench_harness::clock::monotonic_ns;
use serde_json::Value;

/// A list that only grows until it is taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes(Arc<Mutex<Vec<TimedEvent>>>);

impl Notes {
    /// Writes down what happened now.
    pub(super) fn add(&self, name: &str, data: Value) {
        let event = TimedEvent {
            at_ns: monotonic_ns(),
            name: name.to_owned(),
            data,
        };
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.push(event);
    }

    /// Adds what happened before.
    pub(super) fn extend(&self, happened: Vec<TimedEvent>) {
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.extend(happened);
    }

    /// Everything so far.
    pub(super) fn take(&self) -> Vec<TimedEvent> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
