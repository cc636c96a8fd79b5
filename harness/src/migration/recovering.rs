//! The run loop's part in a post-copy that gets a new connection: it waits for it, and tells when the old one may be dead.

use std::time::Duration;

use serde_json::json;

use super::{Running, event_now};
use crate::hypervisor::GuestEvent;
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

    /// A link that drops everything tells neither QEMU nor the carriers. Whoever makes the new connection knows whether the old one may be
    /// broken for it.
    pub(super) fn tell_if_still(&mut self, now: Duration, progress: &Progress) {
        let still = self
            .recovery_after
            .and_then(|after| self.stillness.on_progress(now, progress, after));
        if let Some(still) = still {
            let data = json!({ "still_s": still.as_secs_f64(), "progress": progress });
            self.observer.event(event_now("no-progress", data));
        }
    }
}
