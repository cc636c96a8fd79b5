//! Tunnels that nobody uses any more, each until its last byte has arrived.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::tunnel::Tunnel;

/// The tunnels that are to end by themselves. Dropping one of them early hangs up.
#[derive(Default)]
pub(super) struct Lingering {
    count: watch::Sender<usize>,
    tasks: Mutex<Vec<AbortHandle>>,
    loss: OnceLock<String>,
}

/// Counts one for as long as it lives.
struct Counted(Arc<Lingering>);

impl Lingering {
    /// Ends a tunnel when all has gone through it, or at once if its channel `was_cut`.
    pub(super) fn take(self: &Arc<Self>, tunnel: Tunnel, was_cut: bool) {
        // Without a runtime nothing goes through it any more.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        self.count.send_modify(|count| *count += 1);
        let counted = Counted(Arc::clone(self));
        let task = runtime.spawn(async move {
            let Counted(lingering) = &counted;
            if let Err(said) = linger(tunnel, was_cut).await {
                // The first one counts.
                let _ = lingering.loss.set(said);
            }
        });
        self.tasks().push(task.abort_handle());
    }

    /// Waits until none is left.
    pub(super) async fn all_ended(&self) {
        let mut count = self.count.subscribe();
        // The sender lives as long as this value.
        let _ = count.wait_for(|count| *count == 0).await;
    }

    /// Drops the rest.
    pub(super) fn cut(&self) {
        for task in self.tasks().drain(..) {
            task.abort();
        }
    }

    /// What the first one said through which not all had gone.
    pub(super) fn loss(&self) -> Option<String> {
        self.loss.get().cloned()
    }

    fn tasks(&self) -> MutexGuard<'_, Vec<AbortHandle>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.count.send_modify(|count| *count -= 1);
    }
}

/// An error if it had ended before all had gone through it.
async fn linger(mut tunnel: Tunnel, was_cut: bool) -> Result<(), String> {
    if was_cut {
        return tunnel.end(true).await;
    }
    tunnel.drained().await;
    let is_cut = tunnel.child.is_cut();
    tunnel.end(is_cut).await
}
