//! What a metric's values over a cell's repeats come down to: median, range, and an interval for the median.
//!
//! The interval is the bootstrap's, see [`crate::statistics::median_interval`].

use std::collections::BTreeMap;

use super::values::{by_metric, completed};
use super::{CellRecord, Repeat, Summary};
use crate::statistics::{median, median_interval};

/// Summaries of every metric that at least one completed repeat has.
pub fn summarise(repeats: &[Repeat]) -> BTreeMap<String, Summary> {
    summaries(completed(repeats))
}

impl CellRecord {
    /// What its unfinished migrations measured. It does not speak for completed ones: who is given up early sends less.
    pub fn unfinished_summary(&self) -> BTreeMap<String, Summary> {
        summaries(self.unfinished())
    }
}

fn summaries<'a>(repeats: impl Iterator<Item = &'a Repeat>) -> BTreeMap<String, Summary> {
    by_metric(repeats)
        .into_iter()
        .filter_map(|(id, values)| Some((id.to_owned(), summary(values)?)))
        .collect()
}

/// The summary of finite values; `None` without any.
pub fn summary(mut values: Vec<f64>) -> Option<Summary> {
    values.sort_by(f64::total_cmp);
    let (min, max) = (*values.first()?, *values.last()?);
    let ci95 = median_interval(&values, 0.95).map(|interval| [interval.low, interval.high]);
    Some(Summary {
        n: u32::try_from(values.len()).unwrap_or(u32::MAX),
        median: median(&values)?,
        ci95,
        min,
        max,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Outcome;
    use super::*;

    #[test]
    fn small_samples_have_no_interval() {
        let of_five = summary(vec![5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();
        assert_eq!(
            of_five,
            Summary {
                n: 5,
                median: 3.0,
                ci95: None,
                min: 1.0,
                max: 5.0
            }
        );
        let of_six = summary(vec![6.0, 5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();
        assert_eq!(
            of_six,
            Summary {
                n: 6,
                median: 3.5,
                ci95: Some([1.0, 6.0]),
                min: 1.0,
                max: 6.0
            }
        );
        assert_eq!(summary(vec![]), None);
    }

    #[test]
    fn only_completed_repeats_count() {
        let repeats = [
            Repeat::completed(1, 0.0, BTreeMap::from([("iterations".to_owned(), 3.0)])),
            Repeat {
                outcome: Outcome::DidNotConverge,
                ..Repeat::completed(2, 0.0, BTreeMap::from([("iterations".to_owned(), 99.0)]))
            },
            Repeat::unfinished(3, 0.0, Outcome::Failed, "the link went away"),
        ];
        let mut cell = CellRecord {
            id: "cell".to_owned(),
            parameters: indexmap::IndexMap::new(),
            settled: false,
            summary: BTreeMap::new(),
            repeats: repeats.to_vec(),
        };
        assert!((cell.unfinished_summary()["iterations"].median - 99.0).abs() < 1e-9);
        cell.repeats.remove(1);
        assert!(cell.unfinished_summary().is_empty());
        let summaries = summarise(&repeats);
        assert_eq!(summaries.keys().collect::<Vec<_>>(), ["iterations"]);
        assert_eq!(
            (summaries["iterations"].n, summaries["iterations"].max),
            (1, 3.0)
        );
    }

    proptest! {
        #[test]
        fn median_and_interval_lie_within_the_range(values in proptest::collection::vec(-1e300f64..1e300, 1..60)) {
            let summary = summary(values).unwrap();
            prop_assert!(summary.min <= summary.median && summary.median <= summary.max);
            if let Some([low, high]) = summary.ci95 {
                prop_assert!(summary.min <= low && low <= summary.median && summary.median <= high && high <= summary.max);
            }
        }
    }
}
