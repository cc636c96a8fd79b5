//! Why a migration does not converge, in the same words wherever it is told: live, after it, and of all repeats of a cell.
//!
//! Pre-copy ends once what is left after a dirty sync can be sent within the downtime limit. So the answer is made of four things: how fast
//! the guest dirties memory against how fast it is sent, the least that was ever left, the downtime that this needs against the limit, and
//! how far the guest was throttled.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::metric::Unit;
use crate::record::{CellRecord, Outcome, Repeat};
use crate::statistics::median;

/// What decides whether a migration converges; of what is not known, nothing is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Convergence {
    /// What the guest dirties, bytes per second.
    pub dirtied_bps: Option<f64>,
    /// What is sent of it, bytes per second.
    pub sent_bps: Option<f64>,
    /// The least that was left after a dirty sync, bytes.
    pub least_left_bytes: Option<f64>,
    /// The downtime limit, ms.
    pub limit_ms: Option<f64>,
    /// The most that the guest was throttled, percent.
    pub throttle_percent: Option<f64>,
    /// Whether the first pass over memory has not ended: then the guest's dirtying is not to blame yet.
    pub first_pass: bool,
}

impl Convergence {
    /// The downtime in which the least that was left could have been sent, ms.
    pub fn needed_ms(&self) -> Option<f64> {
        let needed = self.least_left_bytes? * 1e3 / self.sent_bps?;
        needed.is_finite().then_some(needed)
    }

    /// `dirtied 45.8 MiB/s against 45.6 MiB/s sent; at least 12.3 MiB left, …`; empty where nothing is known.
    pub fn words(&self) -> String {
        let speed = |bps| Unit::BytePerSecond.format(bps);
        let speeds = match (self.dirtied_bps, self.sent_bps) {
            (Some(dirtied), Some(sent)) => Some(format!(
                "dirtied {} against {} sent",
                speed(dirtied),
                speed(sent)
            )),
            (Some(dirtied), None) => Some(format!("dirtied {}", speed(dirtied))),
            (None, Some(sent)) => Some(format!("sent {}", speed(sent))),
            (None, None) => None,
        };
        let first_pass = self
            .first_pass
            .then(|| "the first pass over memory not ended".to_owned());
        let throttle = self.throttle_percent.filter(|percent| *percent > 0.0);
        let throttle = throttle.map(|percent| format!("throttled to {percent:.0} %"));
        let parts = [speeds, first_pass, self.rest(), throttle];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    /// The words behind what separates them from others; empty where nothing is known.
    pub fn after(&self, separator: &str) -> String {
        let words = self.words();
        if words.is_empty() {
            words
        } else {
            format!("{separator}{words}")
        }
    }

    fn rest(&self) -> Option<String> {
        let left = format!(
            "at least {} left",
            Unit::Byte.format(self.least_left_bytes?)
        );
        let time = |ms| Unit::Millisecond.format(ms);
        Some(match (self.needed_ms(), self.limit_ms) {
            (Some(needed), Some(limit)) => format!(
                "{left}, which takes a downtime of {} (limit {})",
                time(needed),
                time(limit)
            ),
            (Some(needed), None) => format!("{left}, which takes a downtime of {}", time(needed)),
            (None, _) => left,
        })
    }

    /// Of figures by metric id.
    fn of(figure: impl Fn(&str) -> Option<f64>) -> Self {
        let bits = figure("guest_throughput_bps").or_else(|| figure("throughput_bps"));
        Convergence {
            dirtied_bps: figure("dirty_rate_bps"),
            sent_bps: bits.map(|bits| bits / 8.0),
            least_left_bytes: figure("remaining_bytes_min"),
            limit_ms: figure("downtime_limit_ms"),
            throttle_percent: figure("throttle_max_percent"),
            first_pass: figure("iterations").is_some_and(|passes| passes <= 1.0),
        }
    }
}

/// What kept this migration from converging; `None` of one that ended otherwise.
pub fn of_repeat(repeat: &Repeat) -> Option<Convergence> {
    (repeat.outcome == Outcome::DidNotConverge)
        .then(|| Convergence::of(|id| repeat.metrics.get(id).copied()))
}

/// What kept a cell's migrations from converging, by the medians of those that did not, and which these were.
pub fn of_cell(cell: &CellRecord) -> Option<(Convergence, Vec<&Repeat>)> {
    let repeats = cell.repeats.iter();
    let stalled: Vec<&Repeat> = repeats
        .filter(|repeat| repeat.outcome == Outcome::DidNotConverge)
        .collect();
    let figure = |id: &str| {
        let values = stalled.iter().filter_map(|repeat| repeat.metrics.get(id));
        median(&values.copied().collect::<Vec<_>>())
    };
    (!stalled.is_empty()).then(|| (Convergence::of(figure), stalled.clone()))
}

/// The downtime limit that a decision has set, ms: a policy's `action`, or an operator's `order` that was not refused.
pub fn limit_set(decision: &Value) -> Option<f64> {
    if decision.get("outcome").and_then(Value::as_str) == Some("refused") {
        return None;
    }
    let deed = decision.get("action").or_else(|| decision.get("order"))?;
    let ms = deed.get("set")?.get("downtime-limit")?.get("ms")?;
    Some(ms.as_u64()? as f64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn stalled(number: u32, metrics: &[(&str, f64)]) -> Repeat {
        let metrics = metrics.iter().map(|(id, value)| ((*id).to_owned(), *value));
        Repeat {
            metrics: metrics.collect::<BTreeMap<_, _>>(),
            ..Repeat::unfinished(number, 0.0, Outcome::DidNotConverge, "not converged")
        }
    }

    const MIB: f64 = 1024.0 * 1024.0;

    #[test]
    fn all_four_reasons_are_told() {
        let repeat = stalled(
            1,
            &[
                ("dirty_rate_bps", 45.8 * MIB),
                ("throughput_bps", 9e9),
                ("guest_throughput_bps", 40.0 * MIB * 8.0),
                ("remaining_bytes_min", 20.0 * MIB),
                ("downtime_limit_ms", 100.0),
                ("throttle_max_percent", 80.0),
                ("iterations", 21.0),
            ],
        );
        assert_eq!(
            of_repeat(&repeat).unwrap().words(),
            "dirtied 45.8 MiB/s against 40 MiB/s sent; at least 20 MiB left, which takes a downtime of 500 ms (limit 100 ms); throttled to 80 %"
        );
        let completed = Repeat {
            outcome: Outcome::Completed,
            ..repeat
        };
        assert_eq!(of_repeat(&completed), None);
    }

    #[test]
    fn of_what_is_not_known_nothing_is_said() {
        for (metrics, words) in [
            (&[][..], ""),
            (&[("throttle_max_percent", 0.0)], ""),
            (&[("throughput_bps", 8.0 * MIB)], "sent 1 MiB/s"),
            (&[("remaining_bytes_min", MIB)], "at least 1 MiB left"),
            (
                &[("iterations", 1.0), ("throughput_bps", 8.0 * MIB)],
                "sent 1 MiB/s; the first pass over memory not ended",
            ),
            (
                &[("remaining_bytes_min", MIB), ("throughput_bps", 0.0)],
                "sent 0 B/s; at least 1 MiB left",
            ),
        ] {
            assert_eq!(of_repeat(&stalled(1, metrics)).unwrap().words(), words);
        }
    }

    #[test]
    fn a_cell_is_told_by_its_stalled_repeats() {
        let rate = |number, rate| stalled(number, &[("dirty_rate_bps", rate)]);
        let mut cell = CellRecord {
            id: "policy=static".to_owned(),
            parameters: indexmap::IndexMap::new(),
            repeats: vec![rate(1, MIB), rate(2, 2.0 * MIB), rate(4, 9.0 * MIB)],
            settled: false,
            summary: BTreeMap::new(),
        };
        cell.repeats.push(Repeat::completed(
            3,
            0.0,
            BTreeMap::from([("dirty_rate_bps".to_owned(), 1.0)]),
        ));
        let (why, repeats) = of_cell(&cell).unwrap();
        assert_eq!(why.words(), "dirtied 2 MiB/s");
        let numbers: Vec<u32> = repeats.iter().map(|repeat| repeat.repeat).collect();
        assert_eq!(numbers, [1, 2, 4]);
        cell.repeats.retain(|repeat| repeat.repeat == 3);
        assert!(of_cell(&cell).is_none());
    }

    #[test]
    fn a_limit_is_known_after_it_was_set() {
        for (data, limit) in [
            (
                json!({ "action": { "set": { "downtime-limit": { "ms": 169 } } } }),
                Some(169.0),
            ),
            (
                json!({ "order": { "set": { "downtime-limit": { "ms": 500 } } }, "outcome": "done" }),
                Some(500.0),
            ),
            (
                json!({ "order": { "set": { "downtime-limit": { "ms": 9 } } }, "outcome": "refused" }),
                None,
            ),
            (json!({ "action": "start-post-copy" }), None),
            (
                json!({ "action": { "set": { "downtime-limit": { "ms": "1" } } } }),
                None,
            ),
            (
                json!({ "action": { "set": { "max-bandwidth": { "bytes_per_second": 1 } } } }),
                None,
            ),
            (json!(null), None),
        ] {
            assert_eq!(limit_set(&data), limit, "{data}");
        }
    }
}
