//! QEMU's answer to `query-migrate`, as one gets it and as samples keep it: the one place that reads its JSON.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::hypervisor::{MigrationStats, MigrationStatus, RamStats, Reading, XbzrleStats};

impl From<Value> for Reading {
    fn from(raw: Value) -> Reading {
        Reading {
            stats: MigrationStats::from(&raw),
            raw,
        }
    }
}

impl Reading {
    /// What QEMU says of post-copy, by its own names, for the record.
    pub fn of_post_copy(&self) -> Map<String, Value> {
        let all = self.raw.as_object().into_iter().flatten();
        all.filter(|(name, _)| name.starts_with("postcopy-"))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

impl From<&Value> for MigrationStats {
    fn from(raw: &Value) -> MigrationStats {
        let milliseconds = |name: &str| whole(&raw[name]).map(Duration::from_millis);
        let microseconds = |name: &str| whole(&raw[name]).map(Duration::from_micros);
        MigrationStats {
            status: raw["status"]
                .as_str()
                .map_or(MigrationStatus::None, MigrationStatus::from),
            total_time: milliseconds("total-time"),
            downtime: milliseconds("downtime"),
            expected_downtime: milliseconds("expected-downtime"),
            setup_time: milliseconds("setup-time"),
            cpu_throttle_percentage: whole(&raw["cpu-throttle-percentage"]),
            error_desc: raw["error-desc"].as_str().map(str::to_owned),
            blocked_reasons: list(&raw["blocked-reasons"], |reason| {
                reason.as_str().map(str::to_owned)
            }),
            ram: raw.get("ram").map(ram),
            xbzrle: raw.get("xbzrle-cache").map(|cache| XbzrleStats {
                pages: whole(&cache["pages"]),
            }),
            vfio_transferred: whole(&raw["vfio"]["transferred"]),
            postcopy_blocktime: milliseconds("postcopy-blocktime"),
            postcopy_vcpu_blocktime: list(&raw["postcopy-vcpu-blocktime"], |time| {
                whole(time).map(Duration::from_millis)
            }),
            postcopy_latency_counts: list(&raw["postcopy-latency-dist"], whole),
            dirty_limit_throttle_time_per_round: microseconds(
                "dirty-limit-throttle-time-per-round",
            ),
            dirty_limit_ring_full_time: microseconds("dirty-limit-ring-full-time"),
        }
    }
}

fn ram(ram: &Value) -> RamStats {
    let counter = |name: &str| whole(&ram[name]);
    RamStats {
        transferred: counter("transferred"),
        remaining: counter("remaining"),
        total: counter("total"),
        duplicate: counter("duplicate"),
        normal: counter("normal"),
        normal_bytes: counter("normal-bytes"),
        dirty_pages_rate: counter("dirty-pages-rate"),
        mbps: ram["mbps"].as_f64(),
        dirty_sync_count: counter("dirty-sync-count"),
        postcopy_requests: counter("postcopy-requests"),
        page_size: counter("page-size"),
        multifd_bytes: counter("multifd-bytes"),
        pages_per_second: counter("pages-per-second"),
        precopy_bytes: counter("precopy-bytes"),
        downtime_bytes: counter("downtime-bytes"),
        postcopy_bytes: counter("postcopy-bytes"),
        dirty_sync_missed_zero_copy: counter("dirty-sync-missed-zero-copy"),
    }
}

/// QEMU counts in whole numbers; samples that were made of another tool's report may hold the same as a fraction.
fn whole(value: &Value) -> Option<u64> {
    let fraction = || value.as_f64().filter(|number| *number >= 0.0);
    value
        .as_u64()
        .or_else(|| fraction().map(|number| number as u64))
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
        let stats = MigrationStats::from(&json!({}));
        assert_eq!(stats, MigrationStats::default());
    }

    #[test]
    fn reads_units_and_keeps_what_it_does_not_know() {
        let raw = json!({
            "status": "active", "total-time": 1500, "expected-downtime": 300, "setup-time": 3,
            "cpu-throttle-percentage": 20, "dirty-limit-ring-full-time": 70, "blocked-reasons": ["a device"],
            "postcopy-vcpu-blocktime": [4, 5], "vfio": {"transferred": 9}, "new-counter": 8,
            "ram": {"transferred": u64::MAX, "mbps": 943.25, "dirty-sync-count": 2},
        });
        let Reading { stats, raw: kept } = Reading::from(raw.clone());
        assert_eq!(stats.status, MigrationStatus::Active);
        assert_eq!(stats.total_time, Some(Duration::from_millis(1500)));
        assert_eq!(
            (stats.downtime, stats.setup_time),
            (None, Some(Duration::from_millis(3)))
        );
        assert_eq!(
            stats.dirty_limit_ring_full_time,
            Some(Duration::from_micros(70))
        );
        assert_eq!(
            stats.postcopy_vcpu_blocktime,
            [4, 5].map(Duration::from_millis)
        );
        assert_eq!(
            (stats.blocked_reasons, stats.vfio_transferred),
            (vec!["a device".to_owned()], Some(9))
        );
        let ram = stats.ram.unwrap();
        assert_eq!((ram.transferred, ram.mbps), (Some(u64::MAX), Some(943.25)));
        assert_eq!((ram.dirty_sync_count, ram.remaining), (Some(2), None));
        assert_eq!(kept, raw);
    }

    // The cache's counters are there whenever the capability is on, and that alone says something.
    #[test]
    fn differences_are_told_from_none() {
        let stats = |raw: Value| MigrationStats::from(&raw).xbzrle;
        assert_eq!(stats(json!({ "status": "active" })), None);
        let on = stats(json!({ "xbzrle-cache": { "pages": 3 } }));
        assert_eq!(on, Some(XbzrleStats { pages: Some(3) }));
    }

    #[test]
    fn fractions_of_other_tools_are_read_and_damage_is_not() {
        let raw = json!({ "ram": { "transferred": 4096.0, "remaining": -1, "total": "x" } });
        let ram = MigrationStats::from(&raw).ram.unwrap();
        assert_eq!(ram.transferred, Some(4096));
        assert_eq!((ram.remaining, ram.total), (None, None));
    }

    #[test]
    fn a_reading_is_kept_in_the_words_of_qemu() {
        let raw = json!({ "status": "warp", "postcopy-requests-new": [1], "ram": {} });
        let reading = Reading::from(raw.clone());
        assert_eq!(serde_json::to_value(&reading).unwrap(), raw);
        let back: Reading = serde_json::from_value(raw).unwrap();
        assert_eq!(back, reading);
        assert_eq!(reading.of_post_copy()["postcopy-requests-new"], json!([1]));
    }
}
