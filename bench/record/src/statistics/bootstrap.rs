//! The bootstrap interval of a median.
//!
//! Nothing is resampled: what the median of a resample can be, and how likely that is, follows from the binomial distribution (Efron,
//! "Bootstrap methods: another look at the jackknife", 1979, section 3; Maritz and Jarrett, 1978). So the interval is the one that endless
//! resampling tends to.
//!
//! Percentile intervals of few values are too short. The share that is cut off is therefore made smaller in the way of Student's t
//! (Hesterberg, "What teachers should know about the bootstrap", 2015, section 4.3.3: the expanded percentile interval).

use super::distribution::{binomial_at_least, normal_above, student_t};
use super::location::middle;
use super::{Interval, sorted};

/// The bootstrap interval of the median.
///
/// `None` with so few values that even from the smallest to the greatest of them is no interval of this `confidence`: with 5 values both ends
/// miss the median with a chance of 2 × (1/2)⁵ = 6 %, so 95 % take 6 values.
pub fn median_interval(values: &[f64], confidence: f64) -> Option<Interval> {
    let values = sorted(values);
    if !(0.5..1.0).contains(&confidence) || values.len() < values_needed(confidence) {
        return None;
    }
    let medians = Medians::of(&values);
    let cut = expanded(1.0 - confidence, values.len());
    Some(Interval {
        low: medians.quantile(cut),
        high: medians.quantile(1.0 - cut),
    })
}

/// How many values an interval of the median takes.
fn values_needed(confidence: f64) -> usize {
    let missed = 1.0 - confidence;
    // A confidence that rounds to 1 takes more values than there ever are.
    (2..64)
        .find(|n| 2.0 * 0.5_f64.powi(*n) <= missed)
        .map_or(usize::MAX, |n| n.unsigned_abs() as usize)
}

/// The share to cut off at either end so that of `n` values `missed` of all intervals miss.
fn expanded(missed: f64, n: usize) -> f64 {
    let n = n.max(2);
    let t = student_t(n - 1, missed / 2.0);
    normal_above(t * (n as f64 / (n - 1) as f64).sqrt())
}

/// What the median of a resample can be, from the smallest, each with the chance that it is at most that.
#[derive(Debug)]
struct Medians {
    steps: Vec<(f64, f64)>,
}

impl Medians {
    /// Of sorted finite values, at least one.
    fn of(sorted: &[f64]) -> Self {
        let mut steps = match sorted.len() {
            n if n % 2 == 1 => odd(sorted),
            n if n <= PAIRS_MAX => even(sorted),
            _ => even_mixed(sorted),
        };
        steps.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut sum = 0.0;
        for (_, chance) in &mut steps {
            sum += *chance;
            *chance = sum;
        }
        Medians { steps }
    }

    /// The smallest value that the median does not exceed with the chance `share`.
    fn quantile(&self, share: f64) -> f64 {
        // The sums are off by rounding, so the whole is what stands last.
        let whole = self.steps.last().map_or(1.0, |last| last.1);
        let at = self
            .steps
            .partition_point(|(_, sum)| *sum < share * whole * (1.0 - ROUNDING));
        let last = self.steps.len().saturating_sub(1);
        self.steps.get(at.min(last)).map_or(f64::NAN, |step| step.0)
    }
}

/// The median is one of the values: the k-th or one before it if at least half of the resample is.
fn odd(sorted: &[f64]) -> Vec<(f64, f64)> {
    ranked(sorted, sorted.len() / 2 + 1)
}

/// The chance of each value to be the one at `rank` (from 1) of a resample.
fn ranked(sorted: &[f64], rank: usize) -> Vec<(f64, f64)> {
    let n = sorted.len();
    let mut before = 0.0;
    let chance = |(index, value): (usize, &f64)| {
        let up_to = at_least(n, rank, (index + 1) as f64 / n as f64);
        let chance = (up_to - before).max(0.0);
        before = up_to;
        (*value, chance)
    };
    sorted.iter().enumerate().map(chance).collect()
}

/// [`binomial_at_least`], or what it comes to with many trials.
fn at_least(n: usize, least: usize, p: f64) -> f64 {
    if n <= EXACT_MAX || p >= 1.0 {
        return binomial_at_least(n, least, p);
    }
    let z = (least as f64 - 0.5 - n as f64 * p) / (n as f64 * p * (1.0 - p)).sqrt();
    if z.abs() > Z_MAX {
        return if z > 0.0 { 0.0 } else { 1.0 };
    }
    normal_above(z)
}

/// The median lies between two values i and j, half of the resample up to i and half from j on.
fn even(sorted: &[f64]) -> Vec<(f64, f64)> {
    let n = sorted.len();
    let half = n / 2;
    let share = |count: usize| (count as f64 / n as f64).powf(half as f64);
    let ways = (1..=half).fold(1.0, |ways, k| ways * (half + k) as f64 / k as f64);
    let mut steps = Vec::with_capacity(n * (n + 1) / 2);
    for (i, lower) in sorted.iter().enumerate() {
        let low = share(i + 1) - share(i);
        // Both at i: whatever is left of the chance that the lower one is there.
        let mut left = binomial_at_least(n, half, (i + 1) as f64 / n as f64)
            - binomial_at_least(n, half, i as f64 / n as f64);
        for (j, upper) in sorted.iter().enumerate().skip(i + 1) {
            let chance = ways * low * (share(n - j) - share(n - j - 1));
            left -= chance;
            steps.push((middle(*lower, *upper), chance));
        }
        steps.push((*lower, left.max(0.0)));
    }
    steps
}

/// For many values, whose neighbours lie close together: the lower of both middle values, or the upper, instead of their mean.
fn even_mixed(sorted: &[f64]) -> Vec<(f64, f64)> {
    let half = sorted.len() / 2;
    let lower = ranked(sorted, half).into_iter();
    let upper = ranked(sorted, half + 1);
    lower
        .zip(upper)
        .map(|((value, low), (_, high))| (value, f64::midpoint(low, high)))
        .collect()
}

/// Beyond, the pairs of values get many, and tell no more.
const PAIRS_MAX: usize = 40;
/// Beyond, the normal distribution tells the same, and in less time than the square of the number.
const EXACT_MAX: usize = 200;
/// What is further out than this does not happen.
const Z_MAX: f64 = 8.0;
const ROUNDING: f64 = 1e-12;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::simulated::Noise;
    use super::*;

    fn interval(values: &[f64]) -> Option<(f64, f64)> {
        median_interval(values, 0.95).map(|interval| (interval.low, interval.high))
    }

    #[test]
    fn few_values_have_their_range_or_nothing() {
        assert_eq!(interval(&[1.0, 2.0, 3.0, 4.0, 5.0]), None);
        assert_eq!(interval(&[6.0, 5.0, 1.0, 4.0, 2.0, 3.0]), Some((1.0, 6.0)));
        assert_eq!(median_interval(&[1.0; 9], 1.0), None);
        assert_eq!(median_interval(&[1.0; 9], f64::NAN), None);
    }

    #[test]
    fn chances_are_those_of_resampling_itself() {
        // All 4^4 and 5^5 resamples, counted.
        for n in [4, 5] {
            let values: Vec<f64> = (0..n).map(|value| f64::from(value * value)).collect();
            let all = (n as usize).pow(n as u32);
            let mut counted: Vec<f64> = (0..all)
                .map(|code| {
                    let draw =
                        |place: i32| values[code / (n as usize).pow(place as u32) % n as usize];
                    super::super::median(&(0..n).map(draw).collect::<Vec<_>>()).unwrap()
                })
                .collect();
            counted.sort_by(f64::total_cmp);
            let medians = Medians::of(&values);
            for (value, sum) in medians.steps {
                let at_most = counted.partition_point(|counted| *counted <= value);
                // Equal values stand in several steps, the last of which has them all.
                assert!(
                    sum <= at_most as f64 / all as f64 + 1e-12,
                    "n = {n}, {value}"
                );
            }
            let medians = Medians::of(&values);
            for share in [0.01, 0.1, 0.3, 0.5, 0.77, 0.999] {
                let at = (share * all as f64).ceil() as usize - 1;
                assert_eq!(
                    medians.quantile(share).to_bits(),
                    counted[at].to_bits(),
                    "n = {n}, {share}"
                );
            }
        }
    }

    const SAMPLES: u32 = 800;

    // Of 800 intervals 5 % may miss; 92.5 % is more than three standard errors below 95 %.
    #[test]
    fn intervals_hold_the_median_as_often_as_they_say() {
        let mut noise = Noise::new(1);
        for n in [6, 7, 8, 11, 16, 24, 60] {
            let mut held = 0;
            for _ in 0..SAMPLES {
                let values: Vec<f64> = (0..n).map(|_| noise.skewed(0.3)).collect();
                held += u32::from(median_interval(&values, 0.95).unwrap().contains(1.0));
            }
            assert!(held >= 740, "n = {n}: {held} of {SAMPLES}");
        }
    }

    #[test]
    fn many_values_have_the_interval_of_the_sign_test() {
        // Rank of the lower end: n/2 - 0.98 √n.
        let values = |n: u32| -> Vec<f64> { (1..=n).map(f64::from).collect() };
        for (n, rank) in [(199, 86.0), (201, 87.0), (10_000, 4902.0), (10_001, 4903.0)] {
            let (low, high) = interval(&values(n)).unwrap();
            let upper = f64::from(n) + 1.0 - rank;
            assert!(
                (low - rank).abs() <= 2.0 && (high - upper).abs() <= 2.0,
                "n = {n}: {low} {high}"
            );
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_the_median_lies_within(values in proptest::collection::vec(any::<f64>(), 0..60)) {
            if let Some(interval) = median_interval(&values, 0.95) {
                prop_assert!(interval.contains(super::super::median(&values).unwrap()));
            }
        }

        #[test]
        fn a_scale_scales_it(values in proptest::collection::vec(0.1f64..1e6, 6..50), power in -8i32..8) {
            let factor = 2f64.powi(power);
            let scaled: Vec<f64> = values.iter().map(|value| value * factor).collect();
            prop_assert_eq!(interval(&values).map(|(low, high)| (low * factor, high * factor)), interval(&scaled));
        }
    }
}
