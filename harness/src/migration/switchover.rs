//! A switch-over that waits for our word (`pause-before-switchover`), as a management layer has it to fence disks first.

use serde_json::json;

use super::Running;
use crate::hypervisor::{GuestError, GuestEvent, MigrationStatus};

impl Running<'_> {
    /// Gives the word at once. From `pre-switchover` to `device` the guest stands for nothing but the round trip.
    pub(super) async fn switch_over(&mut self) -> Result<(), GuestError> {
        let data = json!({ "state": MigrationStatus::PreSwitchover });
        let said = GuestEvent::own("migrate-continue", data);
        match self.guest.switch_over().await {
            Ok(()) => {
                // From now on a cancel comes too late, whatever QEMU says of its status until its thread has woken up.
                self.status = MigrationStatus::Device;
                self.observer.event(said);
                Ok(())
            }
            // A cancel came first.
            Err(GuestError::Refused { operation, reason }) => {
                let told = json!({ "operation": operation, "reason": reason });
                self.observer.event(GuestEvent::own("refused", told));
                Ok(())
            }
            other => other,
        }
    }
}
