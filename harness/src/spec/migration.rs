//! QEMU's migration settings.

use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{Knobs, RecoverySpec};

/// QEMU's migration settings and lmbench's limits around them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MigrationSpec {
    /// `downtime-limit`.
    pub downtime_limit: Duration,
    /// `max-bandwidth` in bytes per second; `None` lifts QEMU's 128 MiB/s default.
    pub max_bandwidth: Option<u64>,
    /// `max-postcopy-bandwidth` in bytes per second; `None` is unlimited.
    pub max_postcopy_bandwidth: Option<u64>,
    /// `multifd-channels`; 1 turns multifd off.
    pub multifd_channels: u32,
    /// `postcopy-preempt`.
    pub preempt: bool,
    /// Time allowed from `migrate` to the end.
    pub timeout: Duration,
    /// What happens then.
    pub timeout_action: TimeoutAction,
    /// What happens to a post-copy whose connection breaks.
    #[serde(default)]
    pub recovery: RecoverySpec,
    /// Time the workload runs before `migrate`, in which its undisturbed rate is measured.
    pub settle: Duration,
    /// Whether anything is sampled while it goes on: QEMU's counters, CPU and connections.
    pub metering: bool,
    /// Whether system calls are counted too.
    pub count_syscalls: bool,
    /// QEMU's other knobs.
    #[serde(default)]
    pub knobs: Box<Knobs>,
    /// Any other capability (a bool) or parameter by its QMP name.
    pub qmp: IndexMap<String, serde_json::Value>,
}

/// What ends a migration that does not converge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeoutAction {
    /// `migrate_cancel`; the guest stays on the source.
    Cancel,
    /// Stop the guest so that the migration ends (virsh's `--timeout-suspend`).
    Pause,
    /// `migrate-start-postcopy` (virsh's `--timeout-postcopy`).
    PostCopy,
}
