//! What it cost a policy to decide, and how soon its actions followed what they react to.

use serde_json::{Value, json};

use crate::clock::monotonic_ns;
use crate::hypervisor::GuestEvent;

/// When a reading was called for, and how long the policy thought about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thought {
    /// The hypervisor's stamp of the event, or when the reading was asked for.
    pub(super) since_ns: u64,
    pub(super) cost_ns: u64,
}

/// All thoughts and actions of one migration.
#[derive(Debug, Default)]
pub(super) struct Tally {
    cost_ns: Vec<u64>,
    reaction_ns: Vec<u64>,
}

impl Tally {
    /// The policy was asked.
    pub(super) fn thought(&mut self, thought: Thought) {
        self.cost_ns.push(thought.cost_ns);
    }

    /// An action is handed to the hypervisor now; adds to its event what it took to get there.
    pub(super) fn acts(&mut self, thought: Thought, data: &mut Value) {
        let reaction_ns = monotonic_ns().saturating_sub(thought.since_ns);
        self.reaction_ns.push(reaction_ns);
        data["cost_us"] = json!(thought.cost_ns as f64 / 1e3);
        data["reaction_ms"] = json!(reaction_ns as f64 / 1e6);
    }

    /// The event that sums it up; `None` if the policy was never asked.
    pub(super) fn event(&self) -> Option<GuestEvent> {
        let cost_us = quantiles(&self.cost_ns, 1e3)?;
        let data = json!({
            "readings": self.cost_ns.len(),
            "decisions": self.reaction_ns.len(),
            "cost_us": cost_us,
            "reaction_ms": quantiles(&self.reaction_ns, 1e6),
        });
        Some(GuestEvent::own("decisions", data))
    }
}

/// The quantiles that matter, in another unit.
fn quantiles(nanoseconds: &[u64], unit: f64) -> Option<Value> {
    let mut sorted = nanoseconds.to_vec();
    sorted.sort_unstable();
    let last = sorted.len().checked_sub(1)?;
    // Nearest rank: of few values the 99th percentile is the largest.
    let at = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100).clamp(1, last + 1) - 1];
    let value = |nanoseconds: u64| nanoseconds as f64 / unit;
    Some(json!({ "p50": value(at(50)), "p99": value(at(99)), "max": value(sorted[last]) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let values: Vec<u64> = (1..=200).rev().map(|value| value * 1000).collect();
        let wanted = json!({ "p50": 100.0, "p99": 198.0, "max": 200.0 });
        assert_eq!(quantiles(&values, 1e3), Some(wanted));
        assert_eq!(quantiles(&[7], 1.0).unwrap()["p50"], 7.0);
        assert_eq!(quantiles(&[], 1.0), None);
    }

    #[test]
    fn who_was_never_asked_has_nothing_to_tell() {
        assert!(Tally::default().event().is_none());
    }

    #[test]
    fn an_action_tells_its_delay() {
        let mut tally = Tally::default();
        let thought = Thought {
            since_ns: monotonic_ns() - 5_000_000,
            cost_ns: 2500,
        };
        tally.thought(thought);
        let mut data = json!({ "action": "cancel" });
        tally.acts(thought, &mut data);
        assert_eq!(data["cost_us"], 2.5);
        assert!(data["reaction_ms"].as_f64().unwrap() >= 5.0);
        let summary = tally.event().unwrap().data;
        assert_eq!(
            (&summary["readings"], &summary["decisions"]),
            (&json!(1), &json!(1))
        );
        assert_eq!(summary["cost_us"]["max"], 2.5);
    }
}
