//! The policies by name, with their settings. Each peer's stand in a file of their own, under the peer's names and with its defaults.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::PilotSpec;

mod kubevirt;
mod nova;
mod ovirt;
mod proxmox;
mod virsh;

pub use kubevirt::{KubevirtLimits, KubevirtRampSpec, KubevirtRule, KubevirtStallSpec};
pub use nova::{NovaHistoricSpec, NovaRamp, NovaSpec, NovaTimeoutAction};
pub use ovirt::{OvirtName, OvirtSpec, StallAction, StallItem, VdsmLegacySpec, VdsmRule};
pub use proxmox::{ProxmoxRule, ProxmoxSpec};
pub use virsh::{ForceCompleteSpec, VirshTimeoutSpec};

/// Who decides during a migration, with its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicySpec {
    /// Nobody: QEMU with the settings of the scenario.
    Static,
    /// QEMU's own throttle.
    AutoConverge {
        /// `cpu-throttle-initial`, percent.
        initial: u32,
        /// `cpu-throttle-increment`, percent.
        increment: u32,
        /// `max-cpu-throttle`, percent.
        max: u32,
        /// `cpu-throttle-tailslow`: the last steps are smaller.
        #[serde(default)]
        tailslow: bool,
        /// `throttle-trigger-threshold`, percent of the bytes sent in a pass that the guest may dirty in it; `None` is QEMU's own.
        #[serde(default)]
        trigger_threshold: Option<u32>,
    },
    /// Switch to post-copy at whichever comes first.
    PostCopy {
        /// After this many whole passes over memory.
        after_passes: Option<u32>,
        /// After this time.
        after: Option<Duration>,
    },
    /// Stop the guest, so that the migration ends without more dirty memory.
    Pause {
        /// After this many whole passes over memory.
        after_passes: u32,
    },
    /// `OpenStack` Nova's monitor.
    Nova(NovaSpec),
    /// The one that Nova had until 2018, which switched to post-copy by itself.
    NovaHistoric(NovaHistoricSpec),
    /// One of oVirt's three.
    Ovirt(OvirtSpec),
    /// vdsm without a policy of oVirt's engine.
    VdsmLegacy(VdsmLegacySpec),
    /// Proxmox VE's loop.
    Proxmox(ProxmoxSpec),
    /// `KubeVirt`'s dynamic downtime (VEP 291).
    KubevirtRamp(KubevirtRampSpec),
    /// `KubeVirt`'s stall detection (VEP 248).
    KubevirtStall(KubevirtStallSpec),
    /// `virsh migrate --timeout N --timeout-suspend`.
    VirshTimeoutSuspend(VirshTimeoutSpec),
    /// `virsh migrate --timeout N --timeout-postcopy`.
    VirshTimeoutPostcopy(VirshTimeoutSpec),
    /// An operator's force-complete, after a time.
    ForceComplete(ForceCompleteSpec),
    /// lmbench's own closed loop.
    Pilot(PilotSpec),
}
