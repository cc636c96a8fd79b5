//! What a metric's values over a cell's repeats come down to: median, range, and an interval for the median.
//!
//! The interval is the exact one from order statistics: how many of n values lie below the median is binomial with p = 1/2
//! whatever the distribution, so it needs no assumption about noise that is known to be skewed.

use std::collections::BTreeMap;

use super::{Outcome, Repeat, Summary};

/// Summaries of every metric that at least one completed repeat has.
pub fn summarise(repeats: &[Repeat]) -> BTreeMap<String, Summary> {
    let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for repeat in repeats
        .iter()
        .filter(|repeat| repeat.outcome == Outcome::Completed)
    {
        for (id, value) in repeat.metrics.iter().filter(|(_, value)| value.is_finite()) {
            values.entry(id).or_default().push(*value);
        }
    }
    values
        .into_iter()
        .filter_map(|(id, values)| Some((id.to_owned(), summary(values)?)))
        .collect()
}

/// The summary of finite values; `None` without any.
pub fn summary(mut values: Vec<f64>) -> Option<Summary> {
    values.sort_by(f64::total_cmp);
    let (min, max) = (*values.first()?, *values.last()?);
    let ci95 =
        interval_rank(values.len()).map(|rank| [values[rank - 1], values[values.len() - rank]]);
    Some(Summary {
        n: u32::try_from(values.len()).unwrap_or(u32::MAX),
        median: median(&values),
        ci95,
        min,
        max,
    })
}

/// The median of sorted values; there is at least one.
fn median(sorted: &[f64]) -> f64 {
    let upper = sorted[sorted.len() / 2];
    if sorted.len() % 2 == 1 {
        upper
    } else {
        // Halved before the sum, which could otherwise overflow.
        sorted[sorted.len() / 2 - 1] / 2.0 + upper / 2.0
    }
}

/// The greatest rank k such that [k-th smallest, k-th largest] of `n` values holds the median with at least 95 %.
///
/// `None` when even the whole range does not: with 5 values both ends miss it with 2 × (1/2)^5 = 6 %.
fn interval_rank(n: usize) -> Option<usize> {
    let mut log_probability = -(n as f64) * std::f64::consts::LN_2;
    let mut below = 0.0;
    let mut rank = None;
    for k in 1..=n / 2 {
        // Now: the probability that exactly k - 1 of n values lie below the median.
        below += log_probability.exp();
        if below > (1.0 - COVERAGE) / 2.0 {
            break;
        }
        rank = Some(k);
        log_probability += ((n - k + 1) as f64 / k as f64).ln();
    }
    rank
}

const COVERAGE: f64 = 0.95;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranks_are_those_of_the_sign_test_tables() {
        // Conover, Practical Nonparametric Statistics: ranks of the 95 % interval of a median.
        for (n, rank) in [
            (5, None),
            (6, Some(1)),
            (8, Some(1)),
            (9, Some(2)),
            (10, Some(2)),
            (20, Some(6)),
            (50, Some(18)),
        ] {
            assert_eq!(interval_rank(n), rank, "n = {n}");
        }
        // Far beyond where (1/2)^n is zero as a double; the normal approximation gives 5000 - 0.98 × 100.
        assert!(interval_rank(10_000).is_some_and(|rank| (4895..=4905).contains(&rank)));
    }

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
