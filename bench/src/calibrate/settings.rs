//! The guest that is booted for a calibration: what a scenario gets that says nothing, made small.

use std::time::Duration;

use lmbench_guest::spec::WorkloadSpec;
use lmbench_harness::spec::GuestSpec;

use crate::scenario;

/// A guest, and the workload that does nothing.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) guest: GuestSpec,
    pub(super) workload: WorkloadSpec,
}

/// What runs do by default.
pub(super) fn default() -> Result<Settings, String> {
    let scenario =
        scenario::parse("calibration".as_ref(), SCENARIO).map_err(|error| error.to_string())?;
    let setup = scenario.cells.into_iter().next().map(|cell| cell.setup);
    let setup = setup.ok_or("the scenario has no cell")?;
    let workload = setup.workload.ok_or("the scenario has no workload")?;
    let mut guest = setup.guest;
    guest.boot_timeout = BOOT_LIMIT;
    Ok(Settings { guest, workload })
}

/// Nobody on a tenant network is asked, and its memory is migrated to nowhere.
const SCENARIO: &str = "name = \"calibration\"\n\
    [guest]\nmemory = \"256 MiB\"\nprealloc = false\ntenant = false\n\
    [workload.idle]\nmemory = \"16 MiB\"\n";
/// A guest that takes longer is none to calibrate with.
const BOOT_LIMIT: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_intervals_are_those_of_runs() {
        let settings = default().unwrap();
        assert!(!settings.guest.heartbeat.is_zero());
        assert_eq!(settings.guest.tenant, Some(false));
        assert_eq!(settings.workload.memory_bytes, 16 << 20);
    }
}
