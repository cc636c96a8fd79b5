//! One look at a migration: `query-migrate`.

use std::time::Duration;

use serde_json::Value;

use super::ram::RamInfo;
use super::status::MigrationStatus;

/// QEMU's account of a migration. What a QEMU leaves out is `None`; what this type does not name is in `raw`.
///
/// A `completed` reply may lack `ram`: keep the last sample taken in flight.
#[derive(Debug, Clone, PartialEq)]
pub struct MigrateInfo {
    /// Where it stands; `none` when QEMU has nothing to tell.
    pub status: MigrationStatus,
    /// Time since its begin, or from begin to end.
    pub total_time: Option<Duration>,
    /// The downtime as QEMU counts it, once completed.
    pub downtime: Option<Duration>,
    /// The downtime that QEMU expects, while active.
    pub expected_downtime: Option<Duration>,
    /// Time until memory began to move.
    pub setup_time: Option<Duration>,
    /// How much auto-converge slows the guest.
    pub cpu_throttle_percentage: Option<u64>,
    /// Why it failed.
    pub error_desc: Option<String>,
    /// What keeps this guest from being migrated.
    pub blocked_reasons: Vec<String>,
    /// Memory counters.
    pub ram: Option<RamInfo>,
    /// Bytes of VFIO device state sent.
    pub vfio_transferred: Option<u64>,
    /// Time that all vCPUs together waited for post-copy pages. Destination only.
    pub postcopy_blocktime: Option<Duration>,
    /// The same per vCPU.
    pub postcopy_vcpu_blocktime: Vec<Duration>,
    /// Dirty limit: the longest throttle of a vCPU in the last pass.
    pub dirty_limit_throttle_time_per_round: Option<Duration>,
    /// Dirty limit: the estimated time in which a vCPU fills its dirty ring.
    pub dirty_limit_ring_full_time: Option<Duration>,
    /// The whole reply.
    pub raw: Value,
}

impl From<Value> for MigrateInfo {
    fn from(raw: Value) -> MigrateInfo {
        let milliseconds = |name: &str| raw[name].as_u64().map(Duration::from_millis);
        let microseconds = |name: &str| raw[name].as_u64().map(Duration::from_micros);
        MigrateInfo {
            status: raw["status"]
                .as_str()
                .map_or(MigrationStatus::None, MigrationStatus::from),
            total_time: milliseconds("total-time"),
            downtime: milliseconds("downtime"),
            expected_downtime: milliseconds("expected-downtime"),
            setup_time: milliseconds("setup-time"),
            cpu_throttle_percentage: raw["cpu-throttle-percentage"].as_u64(),
            error_desc: raw["error-desc"].as_str().map(str::to_owned),
            blocked_reasons: list(&raw["blocked-reasons"], |reason| {
                reason.as_str().map(str::to_owned)
            }),
            ram: raw.get("ram").map(RamInfo::from),
            vfio_transferred: raw["vfio"]["transferred"].as_u64(),
            postcopy_blocktime: milliseconds("postcopy-blocktime"),
            postcopy_vcpu_blocktime: list(&raw["postcopy-vcpu-blocktime"], |time| {
                time.as_u64().map(Duration::from_millis)
            }),
            dirty_limit_throttle_time_per_round: microseconds(
                "dirty-limit-throttle-time-per-round",
            ),
            dirty_limit_ring_full_time: microseconds("dirty-limit-ring-full-time"),
            raw,
        }
    }
}

fn list<T>(value: &Value, item: impl Fn(&Value) -> Option<T>) -> Vec<T> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(item)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_empty_reply_is_no_migration() {
        let info = MigrateInfo::from(json!({}));
        assert_eq!(
            (info.status, info.ram, info.total_time),
            (MigrationStatus::None, None, None)
        );
    }

    #[test]
    fn reads_units_and_keeps_what_it_does_not_know() {
        let raw = json!({
            "status": "active", "total-time": 1500, "expected-downtime": 300, "setup-time": 3,
            "cpu-throttle-percentage": 20, "dirty-limit-ring-full-time": 70, "blocked-reasons": ["a device"],
            "postcopy-vcpu-blocktime": [4, 5], "vfio": {"transferred": 9}, "new-counter": 8,
            "ram": {"transferred": u64::MAX, "mbps": 943.25, "dirty-sync-count": 2},
        });
        let info = MigrateInfo::from(raw.clone());
        assert_eq!(info.status, MigrationStatus::Active);
        assert_eq!(info.total_time, Some(Duration::from_millis(1500)));
        assert_eq!(
            (info.downtime, info.setup_time),
            (None, Some(Duration::from_millis(3)))
        );
        assert_eq!(
            info.dirty_limit_ring_full_time,
            Some(Duration::from_micros(70))
        );
        assert_eq!(
            info.postcopy_vcpu_blocktime,
            [4, 5].map(Duration::from_millis)
        );
        assert_eq!(
            (info.blocked_reasons, info.vfio_transferred),
            (vec!["a device".to_owned()], Some(9))
        );
        let ram = info.ram.unwrap();
        assert_eq!((ram.transferred, ram.mbps), (Some(u64::MAX), Some(943.25)));
        assert_eq!((ram.dirty_sync_count, ram.remaining), (Some(2), None));
        assert_eq!(info.raw, raw);
    }
}
