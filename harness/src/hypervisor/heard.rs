//! What a guest's own code says of itself, on the clock of the host that hears it.

use lmbench_guest::wire::Report;
use serde::{Deserialize, Serialize};

/// A workload that runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Filled {
    /// Pages filled.
    pub pages: u64,
    /// Guest nanoseconds that it took.
    pub fill_ns: u64,
    /// The guest's own overhead per page write, ns.
    pub overhead_ns_per_operation: u64,
}

/// A heartbeat as it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Counts from the workload's start without gaps.
    pub sequence: u64,
    /// When it arrived, ns on this host's clock.
    pub at_ns: u64,
    /// When it was sent, ns on the guest's clock.
    pub guest_ns: u64,
}

/// A report as it arrived.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimedReport {
    /// When it arrived, ns on this host's clock.
    pub at_ns: u64,
    /// What it says.
    pub report: Report,
}

/// What was heard since it was last asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Heard {
    /// Heartbeats, in the order in which they came.
    pub heartbeats: Vec<Heartbeat>,
    /// Reports, in the order in which they came.
    pub reports: Vec<TimedReport>,
}
