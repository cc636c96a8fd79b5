//! The noise floor: how much a metric differs between runs of the same. A change that is smaller says nothing, however sure it is.
//!
//! By A/A runs: every two medians of a cell are compared; the floor is what 95 % of these ratios stay below (of fewer than 20 the
//! greatest). Without such runs it is estimated from the spread of a run's own repeats, which can't know what differs between runs.

use std::collections::BTreeMap;

use crate::metric::{Direction, metric};
use crate::record::{CellRecord, Outcome, Record};
use crate::statistics::{mad, median};

/// The floor where nothing is known of a metric: criterion's noise threshold.
pub(super) const FLOOR_UNKNOWN: f64 = 0.01;

/// A cell's values by metric id, over its completed repeats; at most [`VALUES_MAX`] each.
pub(super) fn finite_values(cell: &CellRecord) -> BTreeMap<&str, Vec<f64>> {
    let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let completed = cell
        .repeats
        .iter()
        .filter(|repeat| repeat.outcome == Outcome::Completed);
    for repeat in completed.take(VALUES_MAX) {
        for (id, value) in &repeat.metrics {
            if value.is_finite() {
                values.entry(id).or_default().push(*value);
            }
        }
    }
    values
}

/// The floor by metric id, from runs of the same.
pub(super) fn of_runs(runs: &[&Record]) -> BTreeMap<String, f64> {
    let mut medians: BTreeMap<(&str, &str), Vec<f64>> = BTreeMap::new();
    for run in runs {
        for cell in &run.cells {
            for (id, values) in finite_values(cell) {
                if is_judged(id)
                    && let Some(median) = median(&values).filter(|median| *median > 0.0)
                {
                    medians.entry((&cell.id, id)).or_default().push(median);
                }
            }
        }
    }
    let mut ratios: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for ((_, id), medians) in &medians {
        for (index, one) in medians.iter().enumerate() {
            for other in &medians[index + 1..] {
                let ratio = (one / other).max(other / one) - 1.0;
                ratios.entry(id).or_default().push(ratio);
            }
        }
    }
    floors(ratios)
}

/// The floor by metric id, from the spread of one run's repeats.
///
/// The median of n values has the standard error 1.2533 σ / √n (of a normal distribution), σ is 1.4826 times the median absolute
/// deviation, and two medians differ by √2 × 1.96 of it in one case of twenty.
pub(super) fn of_spread(run: &Record) -> BTreeMap<String, f64> {
    let mut shares: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for cell in &run.cells {
        for (id, values) in finite_values(cell) {
            if values.len() < REPEATS_MIN || !is_judged(id) {
                continue;
            }
            let (Some(median), Some(mad)) = (median(&values), mad(&values)) else {
                continue;
            };
            if median > 0.0 {
                let error = 1.2533 * 1.4826 * mad / (values.len() as f64).sqrt();
                let floor = 1.96 * std::f64::consts::SQRT_2 * error / median;
                shares.entry(id).or_default().push(floor);
            }
        }
    }
    floors(shares)
}

/// What 95 % stay below, by nearest rank.
fn floors(ratios: BTreeMap<&str, Vec<f64>>) -> BTreeMap<String, f64> {
    let floor = |mut ratios: Vec<f64>| {
        ratios.retain(|ratio| ratio.is_finite());
        ratios.sort_by(f64::total_cmp);
        let rank = (ratios.len() * 95).div_ceil(100);
        ratios.get(rank.checked_sub(1)?).copied()
    };
    ratios
        .into_iter()
        .filter_map(|(id, ratios)| Some((id.to_owned(), floor(ratios)?)))
        .collect()
}

/// Only what has a better way can get worse.
fn is_judged(id: &str) -> bool {
    metric(id).is_some_and(|metric| metric.direction != Direction::Informational)
}

/// A scenario's greatest number of repeats; a record with more was not written by lmbench.
pub(super) const VALUES_MAX: usize = 1000;
/// Of fewer repeats the deviation is no estimate.
const REPEATS_MIN: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::example;

    fn with_values(values: &[f64]) -> Record {
        let mut record = example::empty("noise", values.len() as u32, 1);
        for (repeat, value) in (1..).zip(values) {
            let metrics = BTreeMap::from([
                ("downtime_ms".to_owned(), *value),
                ("iterations".to_owned(), *value),
                ("nobody_knows".to_owned(), *value),
                ("stalls".to_owned(), 0.0),
            ]);
            record.push(0, crate::record::Repeat::completed(repeat, 0.0, metrics));
        }
        record
    }

    #[test]
    fn runs_of_the_same_show_how_much_they_differ() {
        let runs = [[100.0; 3], [104.0; 3], [110.0; 3]].map(|values| with_values(&values));
        let floor = of_runs(&runs.iter().collect::<Vec<_>>());
        assert_eq!(floor.keys().collect::<Vec<_>>(), ["downtime_ms"]);
        assert!((floor["downtime_ms"] - 0.1).abs() < 1e-9, "{floor:?}");
    }

    #[test]
    fn spread_grows_the_floor_and_repeats_shrink_it() {
        let floor = |values: &[f64]| of_spread(&with_values(values)).get("downtime_ms").copied();
        assert_eq!(floor(&[100.0, 130.0]), None);
        assert_eq!(floor(&[100.0; 3]), Some(0.0));
        let (narrow, wide) = (
            floor(&[99.0, 100.0, 101.0]).unwrap(),
            floor(&[90.0, 100.0, 110.0]).unwrap(),
        );
        assert!((wide / narrow - 10.0).abs() < 1e-6);
        let many: Vec<f64> = [90.0, 100.0, 110.0].repeat(12);
        assert!(floor(&many).unwrap() < wide / 3.0);
        assert_eq!(floor(&[0.0, 0.0, 0.0]), None);
    }

    #[test]
    fn one_odd_comparison_of_many_is_left_out() {
        let mut ratios: Vec<f64> = (1..=40).map(|step| f64::from(step) / 1000.0).collect();
        ratios.push(9.0);
        let floor = floors(BTreeMap::from([("downtime_ms", ratios)]));
        assert!(floor["downtime_ms"] < 0.05);
        assert!(floors(BTreeMap::from([("downtime_ms", vec![f64::NAN])])).is_empty());
    }
}
