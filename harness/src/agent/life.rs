//! How long a request may live: as long as its repeat.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::drivers::qemu::Keeper;

/// What one repeat's requests share: its end, and a hold on every guest it started, however far the guest has come.
#[derive(Clone, Default)]
pub(super) struct Life {
    pub(super) over: CancellationToken,
    keepers: Arc<Mutex<Vec<Keeper>>>,
}

impl Life {
    pub(super) fn keepers(&self) -> MutexGuard<'_, Vec<Keeper>> {
        self.keepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
