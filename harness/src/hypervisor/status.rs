//! The states of a migration and of a guest. QEMU's names are the names that records and drivers use.

use super::named::named;

named! {
    /// Where a migration stands.
    #[derive(Default)]
    MigrationStatus {
        /// No migration was asked for yet.
        #[default]
        None = "none",
        /// Connections are made.
        Setup = "setup",
        /// Being cancelled.
        Cancelling = "cancelling",
        /// Cancelled; the guest is where it was.
        Cancelled = "cancelled",
        /// Memory moves while the guest runs.
        Active = "active",
        /// Device state moves before post-copy (QEMU 10.2 and later).
        PostcopyDevice = "postcopy-device",
        /// The guest runs on the destination while its memory follows.
        PostcopyActive = "postcopy-active",
        /// Post-copy lost its connection.
        PostcopyPaused = "postcopy-paused",
        /// A new connection for post-copy is made.
        PostcopyRecoverSetup = "postcopy-recover-setup",
        /// Post-copy resumes on its new connection.
        PostcopyRecover = "postcopy-recover",
        /// Done. The source's [`RunState`] may still be `finish-migrate` for a moment.
        Completed = "completed",
        /// Failing; clean-up is under way.
        Failing = "failing",
        /// Failed.
        Failed = "failed",
        /// Running in lock step.
        Colo = "colo",
        /// Waits for `migrate-continue` before the switchover.
        PreSwitchover = "pre-switchover",
        /// The guest stands still and its device state moves.
        Device = "device",
        /// Waits until the guest has unplugged a device.
        WaitUnplug = "wait-unplug",
    }
}

impl MigrationStatus {
    /// Whether the migration is over: completed, failed or cancelled. A paused post-copy is not.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            MigrationStatus::Completed | MigrationStatus::Failed | MigrationStatus::Cancelled
        )
    }

    /// Whether the switch to post-copy has been made: the guest is the destination's, or about to be.
    pub fn is_post_copy(&self) -> bool {
        match self {
            MigrationStatus::PostcopyDevice
            | MigrationStatus::PostcopyActive
            | MigrationStatus::PostcopyPaused
            | MigrationStatus::PostcopyRecoverSetup
            | MigrationStatus::PostcopyRecover => true,
            MigrationStatus::Other(name) => name.starts_with("postcopy"),
            _ => false,
        }
    }
}

named! {
    /// What a guest does.
    RunState {
        /// Stopped by a debugger.
        Debug = "debug",
        /// Waits for an incoming migration.
        InMigrate = "inmigrate",
        /// QEMU cannot go on.
        InternalError = "internal-error",
        /// Stopped by a disk error.
        IoError = "io-error",
        /// Stopped by `stop`.
        Paused = "paused",
        /// Stopped because it has moved away.
        PostMigrate = "postmigrate",
        /// Not started yet.
        Prelaunch = "prelaunch",
        /// Stopped for the last part of a migration.
        FinishMigrate = "finish-migrate",
        /// Being restored from a snapshot.
        RestoreVm = "restore-vm",
        /// Runs.
        Running = "running",
        /// Being saved to a snapshot.
        SaveVm = "save-vm",
        /// Has shut down.
        Shutdown = "shutdown",
        /// Sleeps by its own wish.
        Suspended = "suspended",
        /// Stopped by a watchdog.
        Watchdog = "watchdog",
        /// Its kernel has panicked.
        GuestPanicked = "guest-panicked",
        /// Stopped in lock step.
        Colo = "colo",
    }
}

impl RunState {
    /// Whether the guest executes instructions.
    pub fn is_running(&self) -> bool {
        *self == RunState::Running
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_survives_the_round_trip() {
        assert_eq!(
            (MigrationStatus::KNOWN.len(), RunState::KNOWN.len()),
            (17, 16)
        );
        for status in MigrationStatus::KNOWN {
            assert_eq!(&MigrationStatus::from(status.as_str()), status);
        }
        for state in RunState::KNOWN {
            assert_eq!(&RunState::from(state.as_str()), state);
        }
    }

    #[test]
    fn an_unknown_name_is_kept() {
        let status: MigrationStatus = serde_json::from_str("\"warp\"").unwrap();
        assert_eq!(status, MigrationStatus::Other("warp".to_owned()));
        assert_eq!(
            (status.to_string().as_str(), status.is_final()),
            ("warp", false)
        );
        assert_eq!(serde_json::to_string(&status).unwrap(), "\"warp\"");
    }

    #[test]
    fn post_copy_is_told_by_the_name_also_where_it_is_new() {
        let all = MigrationStatus::KNOWN.iter();
        let post_copy = all.filter(|status| status.is_post_copy()).count();
        assert_eq!(post_copy, 5);
        assert!(MigrationStatus::from("postcopy-warp").is_post_copy());
        assert!(!MigrationStatus::from("warp").is_post_copy());
    }

    #[test]
    fn three_states_are_final() {
        let ends: Vec<&str> = MigrationStatus::KNOWN
            .iter()
            .filter(|status| status.is_final())
            .map(MigrationStatus::as_str)
            .collect();
        assert_eq!(ends, ["cancelled", "completed", "failed"]);
    }
}
