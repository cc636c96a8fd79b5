//! The model's counters in the form of QEMU's `query-migrate`, so that the one parser of samples reads them too.

use lmbench_model::{Side, Stats, Status};
use serde_json::{Value, json};

use super::flight::Flight;
use crate::hypervisor::{MigrationStatus, Reading};

/// What the machine on this side says; `last` is the status that it told last.
pub(super) fn reading(flight: Option<(&mut Flight, Side)>, last: &MigrationStatus) -> Reading {
    let Some((flight, side)) = flight.filter(|_| *last != MigrationStatus::None) else {
        return Reading::from(json!({}));
    };
    let model = flight.model.stats();
    Reading::from(match side {
        Side::Source => of_source(&model),
        Side::Destination => of_destination(&model, last, flight.model.settings().postcopy_ram),
    })
}

fn of_source(model: &Stats) -> Value {
    let ram = model.ram;
    let mut answer = json!({
        "status": model.status.as_str(),
        "total-time": ms(model.total_time),
        "setup-time": ms(model.setup_time),
        "ram": {
            "transferred": ram.transferred, "remaining": ram.remaining, "total": ram.total, "duplicate": ram.duplicate,
            "normal": ram.normal, "normal-bytes": ram.normal_bytes, "dirty-pages-rate": ram.dirty_pages_rate, "mbps": ram.mbps,
            "dirty-sync-count": ram.dirty_sync_count, "postcopy-requests": ram.postcopy_requests, "page-size": ram.page_size,
            "multifd-bytes": ram.multifd_bytes, "pages-per-second": ram.pages_per_second, "precopy-bytes": ram.precopy_bytes,
            "downtime-bytes": ram.downtime_bytes, "postcopy-bytes": ram.postcopy_bytes,
        },
    });
    if model.status == Status::Active {
        answer["expected-downtime"] = json!(ms(model.expected_downtime));
    }
    if let Some(downtime) = model.downtime {
        answer["downtime"] = json!(ms(downtime));
    }
    if let Some(percent) = model.cpu_throttle_percentage {
        answer["cpu-throttle-percentage"] = json!(percent);
    }
    if model.status == Status::Failed {
        answer["error-desc"] = json!("Channel error: Input/output error (simulated)");
    }
    answer
}

fn of_destination(model: &Stats, last: &MigrationStatus, post_copy: bool) -> Value {
    let mut answer = json!({ "status": last });
    if post_copy {
        answer["postcopy-blocktime"] = json!(ms(model.postcopy_blocktime));
    }
    answer
}

fn ms(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
