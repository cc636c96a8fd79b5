//! A source that wakes though its guest has moved on in post-copy.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::Running;
use crate::hypervisor::{EventKind, GuestError, GuestEvent, GuestEvents};
use crate::policy::Action;

impl Running<'_> {
    /// Stops the guest of a migration that failed in post-copy. QEMU 10.0.2 that loses its connection when it has sent all memory does not
    /// pause its post-copy: the migration fails, and a moment later its guest runs as of the switch-over, beside the destination's. Which copy
    /// may live is for whoever sees both hosts; until then none but the destination's may run.
    pub(super) async fn hold_back(
        &mut self,
        events: &mut dyn GuestEvents,
    ) -> Result<(), GuestError> {
        let deadline = Instant::now() + WAKES_WITHIN;
        // A guest that is stopped before it wakes would wake all the same.
        let mut woke = false;
        while let Ok(event) = timeout_at(deadline, events.next()).await {
            let Some(event) = event else {
                return Err(self.guest.exit_reason().await);
            };
            woke = event.kind == EventKind::Resume;
            self.observer.event(event);
            if woke {
                break;
            }
        }
        let refused = match self.guest.apply(&Action::Pause).await {
            Ok(()) => None,
            Err(GuestError::Refused { reason, .. }) => Some(reason),
            Err(error) => return Err(error),
        };
        let reason = "the migration failed in post-copy: the guest has moved on";
        let data = json!({ "reason": reason, "woke": woke, "refused": refused });
        self.observer.event(GuestEvent::own("held-back", data));
        Ok(())
    }
}

/// QEMU announces both within the same millisecond.
const WAKES_WITHIN: Duration = Duration::from_millis(200);
