//! Cells that this QEMU or host can't do: their repeats stand in the record as skipped, with the reason, and cost nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lmbench_harness::clock::monotonic_ns;
use lmbench_harness::role::Role;

use super::repeat::Done;
use crate::record::{Outcome, Repeat};

/// Reasons by the cell's id, each with the hosts that gave it.
#[derive(Debug, Default)]
pub(super) struct Lacking(BTreeMap<String, BTreeMap<String, BTreeSet<Role>>>);

impl Lacking {
    pub(super) fn add(&mut self, cell: &str, reason: &str, roles: &BTreeSet<Role>) {
        let reasons = self.0.entry(cell.to_owned()).or_default();
        reasons.entry(reason.to_owned()).or_default().extend(roles);
    }

    /// Adds what others found of other cells.
    pub(super) fn extend(&mut self, other: Lacking) {
        self.0.extend(other.0);
    }

    /// Why this cell can't be run, each reason with the host if only one gives it; `None` if it can.
    pub(super) fn reason(&self, cell: &str) -> Option<String> {
        let reasons = self.0.get(cell)?.iter();
        let reasons: Vec<String> = reasons
            .map(|(reason, roles)| on_host(reason, roles))
            .collect();
        Some(reasons.join("; "))
    }

    pub(super) fn has(&self, cell: &str) -> bool {
        self.0.contains_key(cell)
    }

    /// What stands in for a repeat of a cell that can't be done.
    pub(super) fn skipped(&self, cell: &str, repeat: u32, run_started_ns: u64) -> Option<Done> {
        Some(skipped(repeat, run_started_ns, &self.reason(cell)?))
    }
}

/// What was found, with the host if only one says so.
pub(super) fn on_host(text: &str, roles: &BTreeSet<Role>) -> String {
    match roles.first() {
        Some(role) if roles.len() == 1 => format!("on the {role}: {text}"),
        _ => text.to_owned(),
    }
}

/// A repeat that is not tried.
pub(super) fn skipped(repeat: u32, run_started_ns: u64, reason: &str) -> Done {
    let started = Duration::from_nanos(monotonic_ns().saturating_sub(run_started_ns));
    let started_ms = started.as_secs_f64() * 1e3;
    Done {
        repeat: Repeat::unfinished(repeat, started_ms, Outcome::Skipped, reason),
        samples: Vec::new(),
        hosts_lost: false,
        boot_failure: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_stands_in_the_skipped_repeat() {
        let source = BTreeSet::from([Role::Source]);
        let destination = BTreeSet::from([Role::Destination]);
        let mut lacking = Lacking::default();
        lacking.add("a=1", "no KVM", &source);
        lacking.add("a=1", "no KVM", &destination);
        lacking.add("a=1", "no huge pages", &source);
        assert!(lacking.has("a=1") && !lacking.has("a=2"));
        assert!(lacking.skipped("a=2", 1, 0).is_none());
        let done = lacking.skipped("a=1", 3, 0).unwrap();
        assert_eq!(
            (done.repeat.repeat, done.repeat.outcome),
            (3, Outcome::Skipped)
        );
        assert_eq!(
            done.repeat.reason.as_deref(),
            Some("no KVM; on the source: no huge pages")
        );
    }
}
