//! How long a request may live: as long as its repeat.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::hypervisor::Hold;

/// What one repeat's requests share: its end, and a hold on every guest it started, however far the guest has come.
#[derive(Clone, Default)]
pub(super) struct Life {
    pub(super) over: CancellationToken,
    holds: Arc<Mutex<Vec<Arc<dyn Hold>>>>,
}

impl Life {
    pub(super) fn holds(&self) -> MutexGuard<'_, Vec<Arc<dyn Hold>>> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
