//! `KubeVirt`'s `MigrationConfiguration` and the settings of its two ways to end what does not converge.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Whose word holds where `KubeVirt`'s code and its proposal (VEP) differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum KubevirtRule {
    /// The code's: stall detection as in 1.9, the ramp as in 1.10.
    #[default]
    Code,
    /// The proposal's.
    Vep,
}

/// What `MigrationConfiguration` permits and bounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KubevirtLimits {
    /// `completionTimeoutPerGiB`; zero turns it off.
    pub completion_timeout_per_gib: Duration,
    /// `progressTimeout`; of the stall detection the window (`stallProgressTimeout`).
    pub progress_timeout: Duration,
    /// `allowPostCopy`.
    pub allow_post_copy: bool,
    /// `allowWorkloadDisruption`.
    pub allow_workload_disruption: bool,
    /// `allowAutoConverge`.
    pub allow_auto_converge: bool,
}

impl Default for KubevirtLimits {
    fn default() -> Self {
        KubevirtLimits {
            completion_timeout_per_gib: Duration::from_secs(150),
            progress_timeout: Duration::from_secs(150),
            allow_post_copy: false,
            allow_workload_disruption: false,
            allow_auto_converge: false,
        }
    }
}

/// The gate `MigrationDowntimeTuning`, VEP 291.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KubevirtRampSpec {
    /// The code's or the proposal's.
    pub rule: KubevirtRule,
    /// `initialMs`.
    pub initial_ms: u64,
    /// `maxDowntimeMs`: the ceiling.
    pub max_downtime_ms: u64,
    /// What the way from the first limit to the ceiling is divided by; `None` is `steps`, as the code has it, or `steps - 1` under the
    /// proposal's rule, as its own timeline has it.
    pub divisor: Option<u32>,
    /// `steps`.
    pub steps: u32,
    /// `startAfterIteration`.
    pub start_after_iteration: u32,
    /// `cooldownSeconds`.
    pub cooldown: Duration,
    /// What goes on around it.
    pub limits: KubevirtLimits,
    /// Factor on all of its times.
    pub time_scale: f64,
}

impl KubevirtRampSpec {
    /// With that rule's defaults.
    pub fn of(rule: KubevirtRule) -> Self {
        KubevirtRampSpec {
            rule,
            initial_ms: 150,
            max_downtime_ms: match rule {
                KubevirtRule::Code => 900,
                KubevirtRule::Vep => 1050,
            },
            divisor: None,
            steps: 7,
            start_after_iteration: 3,
            cooldown: Duration::from_secs(10),
            limits: KubevirtLimits::default(),
            time_scale: 1.0,
        }
    }
}

/// The gate `MigrationStallDetection`, VEP 248.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KubevirtStallSpec {
    /// The code's or the proposal's.
    pub rule: KubevirtRule,
    /// `maxDowntimeMs`.
    pub max_downtime_ms: u64,
    /// `stallMargin`, percent.
    pub stall_margin_percent: u32,
    /// `switchoverTimeout`: how long the hypervisor may take to use a raised limit.
    pub switchover_timeout: Duration,
    /// `completionTimeoutFactor`.
    pub completion_timeout_factor: f64,
    /// `precopyPossibleFactor`.
    pub precopy_possible_factor: f64,
    /// `patienceWindowDecayFactor`.
    pub patience_window_decay_factor: f64,
    /// `ewmaAlpha`.
    pub ewma_alpha: f64,
    /// `searchLocalMinima`.
    pub search_local_minima: bool,
    /// What goes on around it.
    pub limits: KubevirtLimits,
    /// Factor on all of its times.
    pub time_scale: f64,
}

impl KubevirtStallSpec {
    /// With that rule's defaults.
    pub fn of(rule: KubevirtRule) -> Self {
        KubevirtStallSpec {
            rule,
            max_downtime_ms: 900,
            stall_margin_percent: 4,
            switchover_timeout: Duration::from_mins(1),
            completion_timeout_factor: 2.0,
            precopy_possible_factor: 1.5,
            patience_window_decay_factor: 0.5,
            ewma_alpha: 0.4,
            search_local_minima: true,
            limits: KubevirtLimits {
                progress_timeout: match rule {
                    KubevirtRule::Code => Duration::from_secs(40),
                    KubevirtRule::Vep => Duration::from_mins(1),
                },
                ..KubevirtLimits::default()
            },
            time_scale: 1.0,
        }
    }
}
