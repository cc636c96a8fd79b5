//! What a Proxmox VE administrator can set of its loop.

use serde::{Deserialize, Serialize};

/// How far the limit is doubled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ProxmoxRule {
    /// Up to QEMU's maximum of 2 000 000 ms, since PVE 9.1.
    #[default]
    Capped,
    /// Without end, up to PVE 9.0: beyond its maximum QEMU refuses what is set.
    Endless,
}

/// Proxmox VE's loop around a migration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ProxmoxSpec {
    /// Whether there is a ceiling.
    pub rule: ProxmoxRule,
    /// `migrate_downtime` (there in seconds), ms.
    pub migrate_downtime_ms: u64,
    /// Whether the capability is on, as it always is there.
    pub auto_converge: bool,
    /// Whether the capability is on, as it always is there; with a cache of a tenth of the guest's memory.
    pub xbzrle: bool,
    /// Factor on all of its times.
    pub time_scale: f64,
}

impl Default for ProxmoxSpec {
    fn default() -> Self {
        ProxmoxSpec {
            rule: ProxmoxRule::default(),
            migrate_downtime_ms: 100,
            auto_converge: true,
            xbzrle: true,
            time_scale: 1.0,
        }
    }
}
