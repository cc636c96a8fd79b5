//! `OpenStack` Nova's options, section `[libvirt]`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The options of the downtime ramp.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NovaRamp {
    /// `live_migration_downtime`, ms: the ceiling.
    pub downtime_ms: u64,
    /// `live_migration_downtime_steps`.
    pub steps: u32,
    /// `live_migration_downtime_delay` between two steps, per GiB.
    pub delay_per_gib: Duration,
}

impl Default for NovaRamp {
    fn default() -> Self {
        NovaRamp {
            downtime_ms: 500,
            steps: 10,
            delay_per_gib: Duration::from_secs(75),
        }
    }
}

/// `live_migration_timeout_action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NovaTimeoutAction {
    /// Give up.
    Abort,
    /// Post-copy if it is permitted, else stop the guest.
    ForceComplete,
}

/// Nova's monitor of today.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NovaSpec {
    /// The ramp.
    pub ramp: NovaRamp,
    /// `live_migration_completion_timeout`, per GiB; zero turns it off.
    pub completion_timeout_per_gib: Duration,
    /// What happens then.
    pub timeout_action: NovaTimeoutAction,
    /// `live_migration_permit_post_copy`.
    pub permit_post_copy: bool,
    /// `live_migration_permit_auto_converge`, which Nova ignores where post-copy is permitted.
    pub permit_auto_converge: bool,
    /// Factor on all of its times.
    pub time_scale: f64,
}

impl Default for NovaSpec {
    fn default() -> Self {
        NovaSpec {
            ramp: NovaRamp::default(),
            completion_timeout_per_gib: Duration::from_secs(800),
            timeout_action: NovaTimeoutAction::Abort,
            permit_post_copy: false,
            permit_auto_converge: false,
            time_scale: 1.0,
        }
    }
}

/// Nova's monitor from Newton to Rocky.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NovaHistoricSpec {
    /// The ramp.
    pub ramp: NovaRamp,
    /// `live_migration_completion_timeout`, per GiB; zero turns it off.
    pub completion_timeout_per_gib: Duration,
    /// `live_migration_progress_timeout`; zero turns it off.
    pub progress_timeout: Duration,
    /// `live_migration_permit_post_copy`.
    pub permit_post_copy: bool,
    /// Factor on all of its times.
    pub time_scale: f64,
}

impl Default for NovaHistoricSpec {
    fn default() -> Self {
        NovaHistoricSpec {
            ramp: NovaRamp::default(),
            completion_timeout_per_gib: Duration::from_secs(800),
            progress_timeout: Duration::ZERO,
            permit_post_copy: true,
            time_scale: 1.0,
        }
    }
}
