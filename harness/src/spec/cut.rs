//! A link that fails during a migration.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::hypervisor::MigrationStatus;
use crate::role::Role;

/// When and how a link fails. Packets are dropped without a word, as by a switch that died: no end notices before its timers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CutSpec {
    /// From when on.
    pub at: Moment,
    /// Which direction, by where it leads; both without it.
    pub toward: Option<Role>,
    /// For how long (a flap); until the migration has ended without it.
    pub down: Option<Duration>,
}

/// A moment of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// When all stands and `migrate` comes next.
    Before,
    /// After so many bytes of frames since `migrate`, in each direction that is cut. Exact; only a user-space link counts them.
    Bytes(u64),
    /// So long after `migrate` was accepted.
    After(Duration),
    /// When this pass over memory begins; the first is 1.
    Pass(u64),
    /// When the guest has stopped on the source and its device state is next.
    Switchover,
    /// When the guest runs on the destination without all of its memory.
    PostCopy,
    /// When no more than so many bytes of memory are left to send in post-copy, by the first reading that says so.
    Left(u64),
    /// When QEMU reports this status.
    Status(Status),
}

/// The statuses of QEMU's that something can be done at. What can come twice, such as `recovering`, counts each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The source prepares; with some carriers it connects.
    Setup,
    /// Memory is sent.
    Active,
    /// The guest has stopped and QEMU waits for a word to go on (`pause-before-switchover`).
    PreSwitchover,
    /// Device state is sent.
    Device,
    /// A cancel is being done.
    Cancelling,
    /// The source has handed over; the destination may still load the device state.
    PostCopyActive,
    /// Post-copy lost its stream.
    PostCopyPaused,
    /// Post-copy gets a new one.
    Recovering,
}

impl Status {
    /// The words in scenarios.
    pub const NAMES: [(&str, Status); 8] = [
        ("setup", Status::Setup),
        ("active", Status::Active),
        ("pre-switchover", Status::PreSwitchover),
        ("device", Status::Device),
        ("cancelling", Status::Cancelling),
        ("post-copy-active", Status::PostCopyActive),
        ("post-copy-paused", Status::PostCopyPaused),
        ("recovering", Status::Recovering),
    ];

    /// Whether QEMU's `MigrationStatus` is this one.
    fn is(self, status: &MigrationStatus) -> bool {
        use MigrationStatus as Qemus;
        match self {
            Status::Setup => *status == Qemus::Setup,
            Status::Active => *status == Qemus::Active,
            Status::PreSwitchover => *status == Qemus::PreSwitchover,
            Status::Device => *status == Qemus::Device,
            Status::Cancelling => *status == Qemus::Cancelling,
            Status::PostCopyActive => *status == Qemus::PostcopyActive,
            Status::PostCopyPaused => *status == Qemus::PostcopyPaused,
            // QEMU before 9.1 knows no setup of its own for it.
            Status::Recovering => {
                matches!(status, Qemus::PostcopyRecoverSetup | Qemus::PostcopyRecover)
            }
        }
    }
}

/// What a migration has come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// All stands and `migrate` comes next.
    Ready,
    /// `migrate` was accepted.
    Accepted,
    /// A pass began.
    Pass(u64),
    /// The source's `MigrationStatus` changed to this.
    Status(MigrationStatus),
    /// The guest runs at the destination.
    Runs,
    /// The guest runs at the destination and its memory follows; again after each recovery.
    PostCopy,
    /// So many bytes of memory are left to send in post-copy.
    Left(u64),
    /// A post-copy that may be recovered has moved no byte for as long as the scenario allows.
    Still,
}

impl Moment {
    /// Whether this stage is the moment. Bytes and times are no stages.
    pub fn is_reached_by(self, stage: &Stage) -> bool {
        match (self, stage) {
            (Moment::Before, Stage::Ready) | (Moment::PostCopy, Stage::PostCopy) => true,
            (Moment::Status(wanted), Stage::Status(status)) => wanted.is(status),
            (Moment::Left(wanted), Stage::Left(left)) => *left <= wanted,
            (Moment::Pass(wanted), Stage::Pass(pass)) => *pass >= wanted,
            // The first pass begins with the stream, of which no event tells.
            (Moment::Pass(wanted), Stage::Status(status)) => {
                wanted <= 1 && *status == MigrationStatus::Active
            }
            (Moment::Switchover, Stage::Status(status)) => {
                matches!(
                    status,
                    MigrationStatus::Device | MigrationStatus::PreSwitchover
                )
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_moments() {
        let status = |status: &str| Stage::Status(status.into());
        let reached = |moment: Moment, stage: Stage| moment.is_reached_by(&stage);
        assert!(reached(Moment::Pass(1), status("active")));
        assert!(!reached(Moment::Pass(2), status("active")));
        assert!(!reached(Moment::Pass(3), Stage::Pass(2)));
        // A pass whose event came together with the next one's.
        assert!(reached(Moment::Pass(3), Stage::Pass(4)));
        assert!(reached(Moment::Switchover, status("device")));
        // Only both hosts together know that.
        assert!(reached(Moment::PostCopy, Stage::PostCopy));
        assert!(!reached(Moment::PostCopy, status("postcopy-active")));
        assert!(!reached(Moment::PostCopy, Stage::Runs));
        assert!(reached(Moment::Left(4096), Stage::Left(0)));
        assert!(!reached(Moment::Left(4096), Stage::Left(8192)));
        assert!(!reached(Moment::Bytes(0), Stage::Accepted));
        assert!(reached(Moment::Before, Stage::Ready));
        assert!(!reached(Moment::Before, Stage::Accepted));
        let recovering = Moment::Status(Status::Recovering);
        assert!(reached(recovering, status("postcopy-recover-setup")));
        assert!(reached(recovering, status("postcopy-recover")));
        assert!(!reached(recovering, status("postcopy-active")));
    }
}
