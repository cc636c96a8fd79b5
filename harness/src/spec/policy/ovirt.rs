//! oVirt's migration policies, and vdsm's own options for migrations without one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Which of the engine's policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OvirtName {
    /// "Minimal downtime".
    MinimalDowntime,
    /// "Suspend workload if needed".
    SuspendIfNeeded,
    /// "Post-copy migration".
    PostCopy,
}

/// What a schedule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StallAction {
    /// `setDowntime`, ms.
    SetDowntime(u64),
    /// `postcopy`.
    PostCopy,
    /// `abort`.
    Abort,
}

/// An entry of `convergenceItems`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StallItem {
    /// `stallingLimit`: done once vdsm's count is above it.
    pub stalling_limit: u32,
    /// What is done.
    pub action: StallAction,
}

/// What vdsm counts on its way through a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum VdsmRule {
    /// QEMU's iterations since the first look, since vdsm 4.3.3 (2019).
    #[default]
    Iterations,
    /// Looks at which more remains than at the one before, up to vdsm 4.2.
    Looks,
}

/// A policy of oVirt's engine, carried out by vdsm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OvirtSpec {
    /// Which.
    pub name: OvirtName,
    /// vdsm's count.
    pub rule: VdsmRule,
    /// `initialItems`: the downtime limit of the begin, ms.
    pub initial_downtime_ms: u64,
    /// `convergenceItems`.
    pub convergence: Vec<StallItem>,
    /// `lastItems`: one each time the count grows, once those are used up.
    pub last: Vec<StallAction>,
    /// `autoConvergence`.
    pub auto_convergence: bool,
    /// `migrationCompression`: xbzrle.
    pub migration_compression: bool,
    /// vdsm's `migration_monitor_interval`.
    pub monitor_interval: Duration,
    /// Factor on all of its times.
    pub time_scale: f64,
}

impl OvirtSpec {
    /// The policy of that name as the engine ships it (`0000_config.sql`, `MigrationPolicies`).
    pub fn shipped(name: OvirtName) -> Self {
        let steps: &[(u32, u64)] = match name {
            OvirtName::MinimalDowntime | OvirtName::SuspendIfNeeded => {
                &[(1, 150), (2, 200), (3, 300), (4, 400), (6, 500)]
            }
            OvirtName::PostCopy => &[(1, 150), (2, 200)],
        };
        let last = match name {
            OvirtName::MinimalDowntime => vec![StallAction::Abort],
            OvirtName::SuspendIfNeeded => vec![StallAction::SetDowntime(5000), StallAction::Abort],
            OvirtName::PostCopy => vec![StallAction::PostCopy, StallAction::Abort],
        };
        let item = |(stalling_limit, ms): &(u32, u64)| StallItem {
            stalling_limit: *stalling_limit,
            action: StallAction::SetDowntime(*ms),
        };
        OvirtSpec {
            name,
            rule: VdsmRule::default(),
            initial_downtime_ms: 100,
            convergence: steps.iter().map(item).collect(),
            last,
            auto_convergence: true,
            migration_compression: name == OvirtName::SuspendIfNeeded,
            monitor_interval: Duration::from_secs(10),
            time_scale: 1.0,
        }
    }
}

/// vdsm.conf, section `[vars]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct VdsmLegacySpec {
    /// `migration_downtime`, ms.
    pub downtime_ms: u64,
    /// `migration_downtime_steps`.
    pub downtime_steps: u32,
    /// `migration_downtime_delay` of the whole ramp, per GiB.
    pub downtime_delay_per_gib: Duration,
    /// `migration_monitor_interval`.
    pub monitor_interval: Duration,
    /// `migration_max_time_per_gib_mem`; zero turns it off.
    pub max_time_per_gib: Duration,
    /// `migration_progress_timeout`.
    pub progress_timeout: Duration,
    /// Factor on all of its times.
    pub time_scale: f64,
}

impl Default for VdsmLegacySpec {
    fn default() -> Self {
        VdsmLegacySpec {
            downtime_ms: 500,
            downtime_steps: 10,
            downtime_delay_per_gib: Duration::from_secs(75),
            monitor_interval: Duration::from_secs(10),
            max_time_per_gib: Duration::from_secs(64),
            progress_timeout: Duration::from_secs(150),
            time_scale: 1.0,
        }
    }
}
