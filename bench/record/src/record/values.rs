//! The values that a cell's completed repeats have, in the order of the repeats, and those of its unfinished ones. What is no finite number
//! is none.

use std::collections::BTreeMap;

use super::{CellRecord, Outcome, Repeat};

impl CellRecord {
    /// The repeats that have values to speak of.
    pub fn completed(&self) -> impl Iterator<Item = &Repeat> {
        completed(&self.repeats)
    }

    /// Those that ended otherwise and were measured all the same.
    pub fn unfinished(&self) -> impl Iterator<Item = &Repeat> {
        let repeats = self.repeats.iter();
        repeats
            .filter(|repeat| repeat.outcome != Outcome::Completed && repeat.outcome.has_metrics())
    }

    /// A metric's values.
    pub fn values(&self, id: &str) -> Vec<f64> {
        self.completed()
            .filter_map(|repeat| repeat.metrics.get(id).copied())
            .filter(|value| value.is_finite())
            .collect()
    }

    /// All metrics' values.
    pub fn values_by_metric(&self) -> BTreeMap<&str, Vec<f64>> {
        by_metric(self.completed())
    }
}

pub(super) fn by_metric<'a>(
    repeats: impl Iterator<Item = &'a Repeat>,
) -> BTreeMap<&'a str, Vec<f64>> {
    let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for repeat in repeats {
        for (id, value) in repeat.metrics.iter().filter(|(_, value)| value.is_finite()) {
            values.entry(id).or_default().push(*value);
        }
    }
    values
}

pub(super) fn completed(repeats: &[Repeat]) -> impl Iterator<Item = &Repeat> {
    repeats
        .iter()
        .filter(|repeat| repeat.outcome == Outcome::Completed)
}
