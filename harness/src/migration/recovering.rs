//! The run loop's part in a post-copy that gets a new connection: it waits for it, and notices that the old one is dead.

use std::time::Duration;

use serde_json::json;

use super::{Running, event_now};
use crate::guest::{GuestError, GuestEvent};
use crate::progress::Progress;

impl Running<'_> {
    /// Whether nothing can come after this status. A post-copy without a connection may get a new one, if anybody makes one.
    pub(super) fn is_final(&self, status: &str) -> bool {
        match status {
            "completed" | "failed" | "cancelled" => true,
            "postcopy-paused" => self.recovery_after.is_none(),
            _ => false,
        }
    }

    /// Whether somebody is about to make a new connection; how long that may take is his affair.
    pub(super) fn is_recovering(&self, status: &str) -> bool {
        let waits = matches!(
            status,
            "postcopy-paused" | "postcopy-recover-setup" | "postcopy-recover"
        );
        waits && self.recovery_after.is_some()
    }

    /// What an event says of how far the guest has moved.
    pub(super) fn heard(&mut self, event: &GuestEvent) {
        let Some(status) = event.migration_status() else {
            return;
        };
        status.clone_into(&mut self.status);
        if status.starts_with("postcopy") {
            // A new connection has the whole time to show that it works.
            if self.in_post_copy && status == "postcopy-active" {
                self.deadline.moved(self.started.elapsed());
            }
            self.in_post_copy = true;
        }
    }

    /// A link that drops everything tells neither QEMU nor the carriers. So that both look for a new connection, the source lets go of the
    /// old one.
    pub(super) async fn break_if_still(
        &mut self,
        now: Duration,
        progress: &Progress,
    ) -> Result<(), GuestError> {
        let Some(after) = self.recovery_after else {
            return Ok(());
        };
        let Some(still) = self.stillness.on_progress(now, progress, after) else {
            return Ok(());
        };
        let data = json!({ "still_s": still.as_secs_f64(), "progress": progress });
        self.observer.event(event_now("no-progress", data));
        match self.guest.let_go().await {
            Err(GuestError::Refused { operation, reason }) => {
                let data = json!({ "operation": operation, "reason": reason });
                self.observer.event(event_now("refused", data));
                Ok(())
            }
            other => other,
        }
    }
}
