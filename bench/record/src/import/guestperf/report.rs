//! The JSON that guestperf writes (its `report.py`, `progress.py`, `timings.py`): fields of newer versions are passed over, and
//! those that older ones lack are absent.

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A whole report.
#[derive(Debug, Deserialize)]
pub(super) struct Report {
    #[serde(default)]
    pub(super) hardware: Map<String, Value>,
    pub(super) scenario: Map<String, Value>,
    pub(super) progress_history: Vec<Progress>,
    #[serde(default)]
    pub(super) guest_timings: Vec<Timing>,
    #[serde(default)]
    pub(super) qemu_timings: Vec<Timing>,
    #[serde(default)]
    pub(super) vcpu_timings: Vec<Timing>,
    pub(super) binary: Option<String>,
    pub(super) dst_host: Option<String>,
    pub(super) kernel: Option<String>,
    pub(super) initrd: Option<String>,
    pub(super) transport: Option<String>,
    pub(super) sleep: Option<f64>,
}

/// A reading of `query-migrate`, one per pass and the last; what QEMU did not say is 0.
#[derive(Debug, Deserialize)]
pub(super) struct Progress {
    pub(super) status: String,
    pub(super) ram: Ram,
    /// Seconds since 1970, by the controller's clock.
    pub(super) now: Option<f64>,
    /// QEMU's `total-time`, ms.
    #[serde(default)]
    pub(super) duration: f64,
    /// ms.
    #[serde(default)]
    pub(super) downtime: f64,
    /// ms.
    #[serde(default)]
    pub(super) downtime_expected: f64,
    /// ms.
    #[serde(default)]
    pub(super) setup_time: f64,
    #[serde(default)]
    pub(super) throttle_pcent: f64,
}

/// Its part about memory.
#[derive(Debug, Deserialize)]
pub(super) struct Ram {
    #[serde(default)]
    pub(super) transferred_bytes: f64,
    #[serde(default)]
    pub(super) remaining_bytes: f64,
    #[serde(default)]
    pub(super) total_bytes: f64,
    #[serde(default)]
    pub(super) duplicate_pages: f64,
    #[serde(default)]
    pub(super) normal_pages: f64,
    #[serde(default)]
    pub(super) normal_bytes: f64,
    #[serde(default)]
    pub(super) dirty_rate_pps: f64,
    #[serde(default)]
    pub(super) transfer_rate_mbs: f64,
    #[serde(default)]
    pub(super) iterations: f64,
}

/// Something read at a time.
#[derive(Debug, Deserialize)]
pub(super) struct Timing {
    pub(super) tid: i64,
    /// Seconds since 1970; of guest timings by the guest's clock.
    pub(super) timestamp: f64,
    /// Milliseconds: of CPU time since the thread began, or that a pass over 1 GiB took.
    pub(super) value: f64,
}

impl Progress {
    /// By the names that QEMU gives, without what guestperf's zero may only stand for.
    pub(super) fn as_query_migrate(&self) -> Value {
        let ram = &self.ram;
        let mut of_ram = Map::new();
        for (key, value) in [
            ("transferred", ram.transferred_bytes),
            ("remaining", ram.remaining_bytes),
            ("total", ram.total_bytes),
            ("duplicate", ram.duplicate_pages),
            ("normal", ram.normal_pages),
            ("normal-bytes", ram.normal_bytes),
            ("dirty-pages-rate", ram.dirty_rate_pps),
            ("mbps", ram.transfer_rate_mbs),
            ("dirty-sync-count", ram.iterations),
        ] {
            of_ram.insert(key.to_owned(), number(value));
        }
        // Until QEMU knows a dirty rate it repeats the downtime limit.
        let expected = if ram.dirty_rate_pps > 0.0 {
            self.downtime_expected
        } else {
            0.0
        };
        let mut progress = Map::new();
        progress.insert("status".to_owned(), json!(self.status));
        for (key, value) in [
            ("total-time", self.duration),
            ("downtime", self.downtime),
            ("expected-downtime", expected),
            ("setup-time", self.setup_time),
            ("cpu-throttle-percentage", self.throttle_pcent),
        ] {
            if value > 0.0 {
                progress.insert(key.to_owned(), number(value));
            }
        }
        progress.insert("ram".to_owned(), Value::Object(of_ram));
        Value::Object(progress)
    }
}

/// Whole numbers without a decimal point, as QEMU writes its counters.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && (0.0..9e15).contains(&value) {
        json!(value as u64)
    } else {
        json!(value)
    }
}
