//! The run loop's part in a post-copy that gets a new connection: it waits for it, and tells when the old one may be dead.

use std::time::Duration;

use serde_json::json;

use super::Running;
use crate::hypervisor::{GuestEvent, MigrationStatus};
use crate::progress::Progress;

impl Running<'_> {
    /// Whether nothing can come after this status. A post-copy without a connection may get a new one, if anybody makes one.
    pub(super) fn is_final(&self, status: &MigrationStatus) -> bool {
        let paused = *status == MigrationStatus::PostcopyPaused;
        status.is_final() || (paused && self.recovery_after.is_none())
    }

    /// Whether somebody is about to make a new connection, who has a time limit for it.
    pub(super) fn is_recovering(&self, status: &MigrationStatus) -> bool {
        let waits = matches!(
            status,
            MigrationStatus::PostcopyPaused
                | MigrationStatus::PostcopyRecoverSetup
                | MigrationStatus::PostcopyRecover
        );
        waits && self.recovery_after.is_some()
    }

    /// The hypervisor tells a new status: what it says of how far the guest has moved.
    pub(super) fn heard(&mut self, status: &MigrationStatus) {
        self.status = status.clone();
        if status.is_post_copy() {
            // A new connection has the whole time to show that it works.
            if self.in_post_copy && *status == MigrationStatus::PostcopyActive {
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
            self.observer.event(GuestEvent::own("no-progress", data));
        }
    }
}
