//! The noise floor: how much two measurements of the same thing differ. A change that is smaller says nothing, however sure it is.
//!
//! Runs of the same tell it best (A/A): every two medians of a cell are compared, and the floor of a metric is what 95 % of these ratios
//! stay below, of fewer than 20 the greatest. One run has only its own repeats, which can't know what changes from run to run. They are
//! split in halves, once as they alternate and once as they follow each other: what a comparison of the halves would take for a
//! difference, the greater of both, over √2 because a half has only half as many values. The scatter alone would say nothing that the
//! interval and the chance do not say already; the halves see drift, too.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::metric::{Direction, metric};
use crate::record::Record;
use crate::statistics::median;

/// Where floors come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseSource {
    /// Other runs of the base, by their ids.
    Runs(Vec<String>),
    /// Halves of the base's own repeats.
    Halves,
}

/// Knows the floors.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NoiseFloor {
    /// By metric id.
    between_runs: BTreeMap<String, f64>,
}

impl NoiseFloor {
    /// Nothing is known but the base's own repeats.
    pub fn of_repeats() -> Self {
        NoiseFloor::default()
    }

    /// From runs of the same, of which there are at least two; without, as [`NoiseFloor::of_repeats`].
    pub fn of_runs(runs: &[&Record]) -> Self {
        let mut medians: BTreeMap<(&str, &str), Vec<f64>> = BTreeMap::new();
        for cell in runs.iter().flat_map(|run| &run.cells) {
            for (id, values) in cell.values_by_metric() {
                if has_direction(id)
                    && let Some(median) = median(&values).filter(|median| *median > 0.0)
                {
                    medians.entry((&cell.id, id)).or_default().push(median);
                }
            }
        }
        let mut floors: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for ((_, id), medians) in &medians {
            for (index, one) in medians.iter().enumerate() {
                let others = medians[index + 1..].iter();
                let apart = others.filter_map(|other| apart(*one, *other));
                floors.entry(id).or_default().extend(apart);
            }
        }
        let floors = floors.into_iter();
        NoiseFloor {
            between_runs: floors
                .filter_map(|(id, apart)| Some((id.to_owned(), greatest_but_odd(apart)?)))
                .collect(),
        }
    }

    /// From what a file says of the noise between runs.
    pub fn known(between_runs: &BTreeMap<String, f64>) -> Self {
        let sound = |floor: &f64| floor.is_finite() && *floor >= 0.0;
        let known = between_runs.iter().filter(|(_, floor)| sound(floor));
        NoiseFloor {
            between_runs: known.map(|(id, floor)| (id.clone(), *floor)).collect(),
        }
    }

    /// What is known of the noise between runs, by metric id.
    pub fn between_runs(&self) -> &BTreeMap<String, f64> {
        &self.between_runs
    }

    /// The floor of a metric as a share, 0.02 is 2 %, where these are the base's values in the order of its repeats. `None` where nothing can
    /// say it: then the rule's own holds.
    pub fn of(&self, id: &str, base: &[f64]) -> Option<f64> {
        let known = self.between_runs.get(id).copied();
        known.or_else(|| halves(base))
    }
}

fn halves(values: &[f64]) -> Option<f64> {
    let every_other =
        |first: usize| -> Vec<f64> { values.iter().skip(first).step_by(2).copied().collect() };
    let (early, late) = values.split_at(values.len() / 2);
    if early.len() < HALF_MIN {
        return None;
    }
    let turns = difference(&every_other(0), &every_other(1))?;
    let sides = difference(early, late)?;
    Some(((turns.max(sides) + 1.0).ln() / std::f64::consts::SQRT_2).exp_m1())
}

fn difference(a: &[f64], b: &[f64]) -> Option<f64> {
    apart(median(a)?, median(b)?)
}

/// By how much the greater is above the smaller.
fn apart(a: f64, b: f64) -> Option<f64> {
    if a.total_cmp(&b).is_eq() {
        return Some(0.0);
    }
    let apart = a.max(b) / a.min(b) - 1.0;
    (a.min(b) > 0.0 && apart.is_finite()).then_some(apart)
}

/// What 95 % stay below, by nearest rank.
fn greatest_but_odd(mut apart: Vec<f64>) -> Option<f64> {
    apart.sort_by(f64::total_cmp);
    let rank = (apart.len() * 95).div_ceil(100);
    apart.get(rank.checked_sub(1)?).copied()
}

/// Only what has a better way can get worse.
fn has_direction(id: &str) -> bool {
    metric(id).is_some_and(|metric| metric.direction != Direction::Informational)
}

/// Of fewer values a median is one of them, or their mean.
const HALF_MIN: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Repeat, example};

    fn with_values(values: &[f64]) -> Record {
        let mut record = example::empty("noise", values.len() as u32, 1);
        for (repeat, value) in (1..).zip(values) {
            let metrics = BTreeMap::from([
                ("downtime_ms".to_owned(), *value),
                ("iterations".to_owned(), *value),
                ("nobody_knows".to_owned(), *value),
                ("stalls".to_owned(), 0.0),
            ]);
            record.push(0, Repeat::completed(repeat, 0.0, metrics));
        }
        record
    }

    #[test]
    fn halves_see_both_drift_and_scatter() {
        let floor = |values: &[f64]| NoiseFloor::of_repeats().of("downtime_ms", values);
        let close = |values: &[f64], ratio: f64| {
            let expected = ratio.powf(1.0 / std::f64::consts::SQRT_2) - 1.0;
            let floor = floor(values).unwrap();
            assert!((floor - expected).abs() < 1e-6, "{floor}");
        };
        close(&[5.0; 8], 1.0);
        // Slower at the end.
        close(&[10.0, 10.0, 10.0, 11.0, 11.0, 11.0], 1.1);
        // Every other one slower.
        close(&[10.0, 12.0, 10.0, 12.0, 10.0, 12.0], 1.2);
        assert_eq!(floor(&[1.0; 5]), None);
        assert_eq!(floor(&[0.0, 1.0, 0.0, 1.0, 0.0, 1.0]), None);
        assert_eq!(floor(&[f64::NAN; 8]), None);
    }

    #[test]
    fn runs_of_the_same_show_how_much_they_differ() {
        let runs = [[100.0; 3], [104.0; 3], [110.0; 3]].map(|values| with_values(&values));
        let floors = NoiseFloor::of_runs(&runs.iter().collect::<Vec<_>>());
        let known: Vec<&String> = floors.between_runs().keys().collect();
        assert_eq!(known, ["downtime_ms"]);
        let of = |id: &str| floors.of(id, &[5.0; 8]).unwrap();
        assert!((of("downtime_ms") - 0.1).abs() < 1e-9);
        // What the runs don't know, the repeats do.
        assert_eq!(of("total_time_ms").to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn one_run_alone_knows_nothing_of_others() {
        let run = with_values(&[100.0; 3]);
        assert_eq!(NoiseFloor::of_runs(&[&run]), NoiseFloor::of_repeats());
    }

    #[test]
    fn one_odd_comparison_of_many_is_left_out() {
        let mut apart: Vec<f64> = (1..=40).map(|step| f64::from(step) / 1000.0).collect();
        apart.push(9.0);
        assert!(greatest_but_odd(apart).unwrap() < 0.05);
        assert_eq!(greatest_but_odd(Vec::new()), None);
    }

    #[test]
    fn nonsense_in_a_file_is_passed_over() {
        let floors = [
            ("a", f64::NAN),
            ("b", -1.0),
            ("c", f64::INFINITY),
            ("d", 0.2),
        ];
        let floors = floors.map(|(id, floor)| (id.to_owned(), floor)).into();
        let known = NoiseFloor::known(&floors);
        assert_eq!(known.between_runs().keys().collect::<Vec<_>>(), ["d"]);
    }
}
