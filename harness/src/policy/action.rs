//! What can be done to a migration while it goes on.

use serde::{Deserialize, Serialize};

/// What a policy, a timeout or an operator wants done now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Move the running guest and fetch the rest of its memory on demand.
    StartPostCopy,
    /// Stop the guest so that the migration ends without more dirty memory.
    Pause,
    /// Let a guest run again that was stopped.
    Resume,
    /// Give up; the guest stays on the source.
    Cancel,
    /// Change a setting.
    Set(Setting),
}

/// A setting that the hypervisor takes during a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// The blackout that the hypervisor may cause when it believes that the rest fits into it.
    DowntimeLimit {
        /// Milliseconds.
        ms: u64,
    },
    /// The limit on the stream.
    MaxBandwidth {
        /// `None` lifts it.
        bytes_per_second: Option<u64>,
    },
    /// The limit on the background stream of post-copy.
    MaxPostcopyBandwidth {
        /// `None` lifts it.
        bytes_per_second: Option<u64>,
    },
    /// The bandwidth that the hypervisor reckons with when it decides on the switch-over.
    AvailSwitchoverBandwidth {
        /// `None` leaves it to its own estimate.
        bytes_per_second: Option<u64>,
    },
    /// The cache of pages already sent, for sending differences; a power of two.
    XbzrleCache {
        /// Bytes.
        bytes: u64,
    },
    /// How the hypervisor slows the guest's vCPUs, where the policy needs that it may.
    Throttle(Throttle),
    /// When the throttle acts: once a pass dirtied more than this share of what it sent.
    ThrottleTrigger {
        /// Percent.
        percent: u32,
    },
    /// Whether the throttle's last steps are smaller than the others.
    ThrottleTailSlow {
        /// Whether they are.
        on: bool,
    },
}

/// The steps of the hypervisor's throttle, in percent of a vCPU's time taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttle {
    /// The first.
    pub initial: u32,
    /// Each further one.
    pub increment: u32,
    /// The last.
    pub max: u32,
}

impl Throttle {
    /// QEMU's own steps, which peers that switch its throttle on leave as they are.
    pub const DEFAULT: Throttle = Throttle {
        initial: 20,
        increment: 10,
        max: 99,
    };
}

/// An action with its reason, for the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What to do.
    pub action: Action,
    /// Why, for a reader of the record.
    pub reason: String,
}
