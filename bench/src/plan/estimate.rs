//! How long a run can take. Guests boot and migrations end as they like, so these are bounds and no forecast.

use std::time::Duration;

use super::Plan;
use crate::scenario::Setup;

/// Bounds of a run's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// If guests boot as usual and every migration takes its whole timeout.
    pub usual_max: Duration,
    /// If everything that has a limit reaches it.
    pub longest: Duration,
}

impl Plan {
    /// Bounds of this plan's time.
    pub fn estimate(&self) -> Estimate {
        let total = |one: fn(&Setup) -> Duration| {
            self.steps
                .iter()
                .map(|step| one(&self.cells[step.cell].setup))
                .fold(Duration::ZERO, Duration::saturating_add)
        };
        Estimate {
            usual_max: total(|setup| {
                BOOT_USUAL
                    .min(setup.guest.boot_timeout)
                    .saturating_add(after_boot(setup))
            }),
            longest: total(|setup| setup.guest.boot_timeout.saturating_add(after_boot(setup))),
        }
    }
}

/// What follows the boot of one migration.
fn after_boot(setup: &Setup) -> Duration {
    let fill = setup.workload.as_ref().map_or(Duration::ZERO, |workload| {
        Duration::from_secs(workload.memory_bytes.div_ceil(FILL_BYTES_PER_SECOND))
    });
    [
        fill,
        setup.migration.settle,
        setup.migration.timeout,
        AROUND,
    ]
    .into_iter()
    .fold(Duration::ZERO, Duration::saturating_add)
}

/// A guest's usual boot under TCG.
const BOOT_USUAL: Duration = Duration::from_secs(6);

/// Slow for a guest under TCG, which fills its memory with random data before the clock starts.
const FILL_BYTES_PER_SECOND: u64 = 200 << 20;

/// Start of the destination, comparison of the memory, teardown.
const AROUND: Duration = Duration::from_secs(4);
