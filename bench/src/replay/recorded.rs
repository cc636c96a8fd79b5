//! What a record and its samples say of one migration, as far as a policy could have seen it.

use std::path::Path;
use std::time::Duration;

use lmbench_harness::hypervisor::{MigrationStats, MigrationStatus};
use lmbench_harness::policy::Subject;
use lmbench_harness::progress::Progress;
use lmbench_harness::spec::PolicySpec;

use super::Reading;
use crate::record::{Record, Repeat};
use crate::scenario;
use crate::store::Sample;

/// What was migrated, and under which policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The guest.
    pub subject: Subject,
    /// The policy of the recorded run; `None` if its scenario can't be read any more.
    pub policy: Option<PolicySpec>,
    /// The scenario's downtime limit, ms; a policy may have begun with another one.
    pub downtime_limit_ms: Option<u64>,
}

/// From the record's scenario, or, if this program can't read that, from a reading.
pub fn recorded(record: &Record, cell: &str, readings: &[Reading]) -> Recorded {
    let text = &record.scenario.text;
    let scenario = scenario::parse(Path::new("record"), text).ok();
    let cells = scenario.iter().flat_map(|scenario| &scenario.cells);
    if let Some(found) = cells.into_iter().find(|found| found.id == cell) {
        return Recorded {
            subject: (&found.setup.guest).into(),
            policy: Some(found.setup.policy.clone()),
            downtime_limit_ms: u64::try_from(found.setup.migration.downtime_limit.as_millis()).ok(),
        };
    }
    let total = readings.iter().map(|(_, progress)| progress.total_bytes);
    Recorded {
        subject: Subject {
            // QEMU counts a little more than the guest's RAM.
            memory_bytes: total.max().unwrap_or(0) >> 24 << 24,
        },
        policy: None,
        downtime_limit_ms: None,
    }
}

/// The reading that a sample holds; none if it is of something else, or of an end that no policy is shown.
pub fn reading(sample: &Sample) -> Option<Reading> {
    let answer = sample.data.get("migration")?;
    if sample.kind != "migration" || sample.host != "source" || sample.data["trigger"] == "final" {
        return None;
    }
    let progress = Progress::from(&MigrationStats::from(answer));
    let at = Duration::try_from_secs_f64(sample.at_ms.max(0.0) / 1e3).ok()?;
    let is_over = progress.status.is_final() || progress.status == MigrationStatus::PostcopyPaused;
    (!is_over).then_some((at, progress))
}

/// When somebody first changed the recorded migration, ms.
pub(crate) fn first_lever_ms(repeat: &Repeat) -> Option<f64> {
    let is_lever = |name: &str| matches!(name, "policy" | "timeout" | "operator");
    let levers = repeat.events.iter().filter(|event| is_lever(&event.name));
    levers.map(|event| event.at_ms).min_by(f64::total_cmp)
}
