//! Where a series of measurements over time changed its level.
//!
//! The way is that of E-divisive (Matteson and James, "A nonparametric approach for multiple change point analysis", 2014), which `MongoDB`
//! uses for its builds (Daly et al., 2020): find the split that tells most, ask a permutation test whether chance would do as well, and go on
//! in both parts. What is split by are ranks (Pettitt, "A non-parametric approach to the change-point problem", 1979) instead of distances:
//! a single wild run is no change of level, and a permutation costs n instead of n².
//!
//! It finds steps, not slopes: a slow drift becomes one or several steps somewhere on its way.

use rand_core::Rng as _;
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};

use super::median;
use super::rank::doubled_ranks;

/// A change of level.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ChangePoint {
    /// Index of the first value of the new level.
    pub index: usize,
    /// Median from the change before to this one.
    pub before: f64,
    /// Median from here to the next change.
    pub after: f64,
    /// The chance of a split as clear in values of one level, by permutation.
    pub p: f64,
}

/// The changes of level, in the order of the series. Values that are no finite numbers are passed over.
///
/// A level has at least three values, and a series without a change is told to have one with a chance of 1 %. Ten values are the fewest in
/// which a change can be found. Of more than 10 000 values the last 10 000 are looked at.
pub fn change_points(series: &[f64], seed: u64) -> Vec<ChangePoint> {
    let (places, values): (Vec<usize>, Vec<f64>) = series
        .iter()
        .copied()
        .enumerate()
        .skip(series.len().saturating_sub(VALUES_MAX))
        .filter(|(_, value)| value.is_finite())
        .unzip();
    let mut generator = Pcg64Mcg::new(u128::from(seed) << 1 | 1);
    let mut splits: Vec<(usize, f64)> = Vec::new();
    // Not recursive: a series may have as many levels as thirds of its length.
    let mut open = vec![(0, values.len())];
    while let Some((from, to)) = open.pop() {
        if let Some((at, p)) = split(&values[from..to], &mut generator) {
            splits.push((from + at, p));
            open.push((from, from + at));
            open.push((from + at, to));
        }
    }
    splits.sort_by_key(|(at, _)| *at);
    let bound = |index: usize| splits.get(index).map_or(values.len(), |(at, _)| *at);
    let mut start = 0;
    let mut changes = Vec::with_capacity(splits.len());
    for (index, (at, p)) in splits.iter().enumerate() {
        if let (Some(before), Some(after)) = (
            median(&values[start..*at]),
            median(&values[*at..bound(index + 1)]),
        ) {
            changes.push(ChangePoint {
                index: places[*at],
                before,
                after,
                p: *p,
            });
        }
        start = *at;
    }
    changes
}

/// The clearest split, if it is clear enough, with its chance.
fn split(values: &[f64], generator: &mut Pcg64Mcg) -> Option<(usize, f64)> {
    if values.len() < VALUES_MIN {
        return None;
    }
    let mut ranks = doubled_ranks(values);
    let (at, clear) = clearest(&ranks);
    if clear <= 0.0 {
        return None;
    }
    let mut as_clear = 0;
    for _ in 0..PERMUTATIONS {
        shuffle(&mut ranks, generator);
        // The same permutation up to rounding is as clear.
        as_clear += u32::from(clearest(&ranks).1 >= clear * (1.0 - ROUNDING));
        if f64::from(as_clear + 1) > ALPHA * f64::from(PERMUTATIONS + 1) {
            return None;
        }
    }
    Some((at, f64::from(as_clear + 1) / f64::from(PERMUTATIONS + 1)))
}

/// The split at which the ranks of both sides differ most, in squares of their standard deviation there (without the factor that all
/// splits share).
fn clearest(ranks: &[usize]) -> (usize, f64) {
    let n = ranks.len();
    let (mut best, mut most) = (0, 0.0);
    let mut sum = 0.0;
    for (index, rank) in ranks.iter().enumerate() {
        sum += *rank as f64;
        let left = index + 1;
        if left < LEVEL_MIN || n - left < LEVEL_MIN {
            continue;
        }
        let off = sum - left as f64 * (n + 1) as f64;
        let clear = off * off / (left as f64 * (n - left) as f64);
        if clear > most {
            (best, most) = (left, clear);
        }
    }
    (best, most)
}

/// Fisher and Yates.
fn shuffle(items: &mut [usize], generator: &mut Pcg64Mcg) {
    for last in (1..items.len()).rev() {
        // Too few items for the bias of this to matter.
        let chosen = (u64::from(generator.next_u32()) * (last as u64 + 1)) >> 32;
        items.swap(last, chosen as usize);
    }
}

const ALPHA: f64 = 0.01;
const PERMUTATIONS: u32 = 999;
const LEVEL_MIN: usize = 3;
/// Nine values fully apart at their best split still have a chance above 1 %: 2 of 126.
const VALUES_MIN: usize = 10;
const VALUES_MAX: usize = 10_000;
const ROUNDING: f64 = 1e-9;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::simulated::Noise;
    use super::*;

    fn levels(noise: &mut Noise, levels: &[(usize, f64)], cv: f64) -> Vec<f64> {
        let mut series = Vec::new();
        for (n, level) in levels {
            series.extend((0..*n).map(|_| noise.skewed(cv) * level));
        }
        series
    }

    #[test]
    fn steps_are_found_where_they_are() {
        let mut noise = Noise::new(5);
        let series = levels(&mut noise, &[(30, 100.0), (30, 120.0), (30, 90.0)], 0.03);
        let changes = change_points(&series, 1);
        let at: Vec<usize> = changes.iter().map(|change| change.index).collect();
        assert_eq!(at, [30, 60]);
        assert!((changes[0].before - 100.0).abs() < 3.0 && (changes[0].after - 120.0).abs() < 4.0);
        assert!((changes[1].after - 90.0).abs() < 3.0);
    }

    #[test]
    fn a_wild_run_is_no_change_of_level() {
        let mut series = levels(&mut Noise::new(6), &[(40, 100.0)], 0.02);
        series[20] = 1e6;
        assert_eq!(change_points(&series, 1), []);
        assert_eq!(change_points(&[7.0; 40], 1), []);
    }

    #[test]
    fn a_new_level_is_seen_after_a_few_runs() {
        let series = levels(&mut Noise::new(7), &[(40, 100.0), (4, 115.0)], 0.02);
        let changes = change_points(&series, 1);
        assert_eq!(
            changes
                .iter()
                .map(|change| change.index)
                .collect::<Vec<_>>(),
            [40]
        );
    }

    // 1 % of 300 is 3; 9 are more than three standard errors above.
    #[test]
    fn steady_series_have_no_changes() {
        let mut noise = Noise::new(8);
        let is_changed =
            |seed: &u64| !change_points(&levels(&mut noise, &[(40, 1.0)], 0.3), *seed).is_empty();
        let changed = (0..300).filter(is_changed).count();
        assert!(changed <= 9, "{changed} of 300");
    }

    #[test]
    fn values_that_are_no_numbers_are_passed_over() {
        let mut series = levels(&mut Noise::new(9), &[(15, 1.0), (15, 2.0)], 0.02);
        series.insert(3, f64::NAN);
        series.insert(10, f64::INFINITY);
        let changes = change_points(&series, 1);
        assert_eq!(
            changes
                .iter()
                .map(|change| change.index)
                .collect::<Vec<_>>(),
            [17]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn nothing_panics_and_a_scale_changes_nothing(series in proptest::collection::vec(any::<f64>(), 0..40), clean in proptest::collection::vec(0.1f64..10.0, 0..40), power in -8i32..8) {
            let changes = change_points(&series, 2);
            prop_assert!(changes.windows(2).all(|two| two[0].index < two[1].index));
            let scaled: Vec<f64> = clean.iter().map(|value| value * 2f64.powi(power)).collect();
            let places = |series: &[f64]| -> Vec<usize> { change_points(series, 2).iter().map(|change| change.index).collect() };
            prop_assert_eq!(places(&clean), places(&scaled));
        }
    }
}
