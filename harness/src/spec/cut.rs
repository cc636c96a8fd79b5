//! A link that fails during a migration.

use std::time::Duration;

use serde::{Deserialize, Serialize};

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
}

/// What a migration has come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// `migrate` was accepted.
    Accepted,
    /// A pass began.
    Pass(u64),
    /// QEMU's `MigrationStatus` changed to this.
    Status(String),
}

impl Moment {
    /// Whether this stage is the moment. Bytes and times are no stages.
    pub fn is_reached_by(self, stage: &Stage) -> bool {
        match (self, stage) {
            (Moment::Pass(wanted), Stage::Pass(pass)) => *pass >= wanted,
            // The first pass begins with the stream, of which no event tells.
            (Moment::Pass(wanted), Stage::Status(status)) => wanted <= 1 && status == "active",
            (Moment::Switchover, Stage::Status(status)) => {
                matches!(status.as_str(), "device" | "pre-switchover")
            }
            (Moment::PostCopy, Stage::Status(status)) => status == "postcopy-active",
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_moments() {
        let status = |status: &str| Stage::Status(status.to_owned());
        let reached = |moment: Moment, stage: Stage| moment.is_reached_by(&stage);
        assert!(reached(Moment::Pass(1), status("active")));
        assert!(!reached(Moment::Pass(2), status("active")));
        assert!(!reached(Moment::Pass(3), Stage::Pass(2)));
        // A pass whose event came together with the next one's.
        assert!(reached(Moment::Pass(3), Stage::Pass(4)));
        assert!(reached(Moment::Switchover, status("device")));
        assert!(reached(Moment::PostCopy, status("postcopy-active")));
        assert!(!reached(Moment::PostCopy, status("postcopy-paused")));
        assert!(!reached(Moment::Bytes(0), Stage::Accepted));
    }
}
