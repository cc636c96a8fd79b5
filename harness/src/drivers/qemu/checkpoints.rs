//! What QEMU's own trace tells of a switch-over, beyond its events: when it had saved memory, when the devices, when it had loaded them.
//!
//! The trace event `vmstate_downtime_checkpoint` (QEMU 8.2 and newer) is a handful of lines per migration in a file of its own. A QEMU that lacks
//! it, or was built without traces to files, writes nothing.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::clock::monotonic_ns;
use crate::hypervisor::GuestEvent;

/// Name of the file in the runtime directory.
pub(super) const FILE: &str = "trace.log";
/// What QEMU is asked to trace. A pattern: one that it does not know is no complaint.
pub(super) const PATTERN: &str = "vmstate_downtime_checkpoint*";

/// The checkpoints of the QEMU that has its files in this directory, as events `checkpoint`. QEMU stamps them with the wall clock, which is
/// carried over to the monotonic clock by the distance between the two now: a wall clock that was set since would move them.
pub fn checkpoints(directory: &Path) -> Vec<GuestEvent> {
    let text = std::fs::read_to_string(directory.join(FILE)).unwrap_or_default();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let wall_us = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
    let clock_ns = monotonic_ns();
    let event = |(at_us, name): (u64, &str)| {
        let age_ns = wall_us.checked_sub(at_us)?.checked_mul(1000)?;
        let at_ns = clock_ns.checked_sub(age_ns)?;
        let data = json!({ "name": name });
        Some(GuestEvent::named(at_ns, "checkpoint", data))
    };
    text.lines().filter_map(parse).filter_map(event).collect()
}

/// `15452@1795255751.901574:vmstate_downtime_checkpoint src-iterable-saved`: microseconds of the wall clock, and the checkpoint.
fn parse(line: &str) -> Option<(u64, &str)> {
    let (stamp, rest) = line.split_once(':')?;
    let (seconds, micros) = stamp.split_once('@')?.1.split_once('.')?;
    let (seconds, micros): (u64, u64) = (seconds.parse().ok()?, micros.parse().ok()?);
    let name = rest.strip_prefix("vmstate_downtime_checkpoint ")?.trim();
    let at_us = seconds.checked_mul(1_000_000)?.checked_add(micros)?;
    Some((at_us, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_a_stamp_and_a_name() {
        let of = |line| parse(line);
        assert_eq!(
            of("15452@1795255751.901574:vmstate_downtime_checkpoint src-iterable-saved"),
            Some((1_795_255_751_901_574, "src-iterable-saved"))
        );
        for other in [
            "",
            "vmstate_downtime_checkpoint src-iterable-saved",
            "1@2.3:vm_state_notify running 1",
            "1@x.3:vmstate_downtime_checkpoint a",
            "1@18446744073709551615.3:vmstate_downtime_checkpoint a",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn stamps_are_carried_over_to_our_clock() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(checkpoints(directory.path()), []);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let (seconds, micros) = (now.as_secs(), now.subsec_micros());
        let line = format!("1@{seconds}.{micros:06}:vmstate_downtime_checkpoint x\nnoise\n");
        std::fs::write(directory.path().join(FILE), line).unwrap();
        let before_ns = monotonic_ns();
        let events = checkpoints(directory.path());
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].data["name"], "x");
        // Between the two readings of the clocks lies a write, and whatever keeps this test from running.
        assert!(before_ns.abs_diff(events[0].at_ns) < 1_000_000_000);
    }
}
