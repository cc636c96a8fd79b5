//! How much one set of measurements differs from another: a ratio with its interval, and the chance to see such a one for no reason.

use rand_core::Rng as _;
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};

use super::bootstrap::{Medians, expanded, values_needed};
use super::distribution::student_t;
use super::location::median_of_sorted;
use super::rank::{paired_p, unpaired_p};
use super::{Interval, sorted};

/// What the values of base and candidate have to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pairing {
    /// The n-th of either were measured side by side, so what troubled one troubled the other.
    Pairs,
    /// They were not.
    Independent,
}

/// A difference as a ratio: 1.1 is a candidate 10 % above its base.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Candidate over base.
    pub ratio: f64,
    /// 95 % interval of it.
    pub interval: Interval,
    /// Pairs that it rests on; 0 if the values were not paired.
    pub pairs: usize,
    /// The chance of values as far apart if nothing but chance told them apart; two-sided, not adjusted for other questions.
    pub p: f64,
}

/// The effect of `candidate` over `base`.
///
/// Pairs: the median of the ratios; of values without a partner the last ones are left out. Independent: the ratio of the medians. `None`
/// with fewer than three values (pairs) that are finite, or when one is zero or below, which no ratio tells.
///
/// The interval is the median's expanded bootstrap interval, see [`super::median_interval`]. Below six values (pairs) there is none, and the interval is
/// Student's, of the values' logarithms, which for three of them is very wide.
pub fn effect(base: &[f64], candidate: &[f64], pairing: Pairing, seed: u64) -> Option<Effect> {
    match pairing {
        Pairing::Pairs => paired(base, candidate),
        Pairing::Independent => independent(base, candidate, seed),
    }
}

fn paired(base: &[f64], candidate: &[f64]) -> Option<Effect> {
    let pairs: Vec<(f64, f64)> = base
        .iter()
        .zip(candidate)
        .filter(|(base, candidate)| base.is_finite() && candidate.is_finite())
        .map(|(base, candidate)| (*base, *candidate))
        .collect();
    if pairs
        .iter()
        .any(|(base, candidate)| base.min(*candidate) <= 0.0)
    {
        return None;
    }
    let logs: Vec<f64> = pairs
        .iter()
        .map(|(base, candidate)| log_ratio(*base, *candidate))
        .collect();
    let ordered = sorted(&logs);
    if ordered.len() < VALUES_MIN {
        return None;
    }
    let center = median_of_sorted(&ordered)?;
    let interval = if ordered.len() < values_needed(CONFIDENCE) {
        around(
            center,
            ordered.len(),
            variance(&ordered) / ordered.len() as f64,
        )
    } else {
        let medians = Medians::of(&ordered);
        let cut = expanded(1.0 - CONFIDENCE, ordered.len());
        (medians.quantile(cut), medians.quantile(1.0 - cut))
    };
    Some(Effect {
        ratio: center.exp(),
        interval: exponential(interval),
        pairs: ordered.len(),
        p: paired_p(&logs),
    })
}

fn independent(base: &[f64], candidate: &[f64], seed: u64) -> Option<Effect> {
    let (base, candidate) = (sorted(base), sorted(candidate));
    let few = base.len().min(candidate.len());
    // Sorted: the first is the smallest.
    if few < VALUES_MIN || base[0] <= 0.0 || candidate[0] <= 0.0 {
        return None;
    }
    let center = log_ratio(median_of_sorted(&base)?, median_of_sorted(&candidate)?);
    let interval = if few < values_needed(CONFIDENCE) {
        let share = |values: &[f64]| {
            let logs: Vec<f64> = values.iter().map(|value| value.ln()).collect();
            variance(&logs) / values.len() as f64
        };
        around(center, few, share(&base) + share(&candidate))
    } else {
        resampled(&base, &candidate, few, seed)
    };
    Some(Effect {
        ratio: center.exp(),
        interval: exponential((interval.0.min(center), interval.1.max(center))),
        pairs: 0,
        p: unpaired_p(&base, &candidate),
    })
}

/// The interval of the logarithm of the ratio of two medians, each drawn from what resamples would have.
fn resampled(base: &[f64], candidate: &[f64], few: usize, seed: u64) -> (f64, f64) {
    let logs = |values: &[f64]| -> Vec<f64> { values.iter().map(|value| value.ln()).collect() };
    let (base, candidate) = (Medians::of(&logs(base)), Medians::of(&logs(candidate)));
    let mut generator = Pcg64Mcg::new(u128::from(seed) << 1 | 1);
    let mut share = || f64::from(generator.next_u32()) / (f64::from(u32::MAX) + 1.0);
    let mut draws: Vec<f64> = (0..DRAWS)
        .map(|_| candidate.quantile(share()) - base.quantile(share()))
        .collect();
    let cut = (expanded(1.0 - CONFIDENCE, few) * DRAWS as f64).floor() as usize;
    let cut = cut.min(DRAWS / 2 - 1);
    let low = *draws.select_nth_unstable_by(cut, f64::total_cmp).1;
    let high = *draws
        .select_nth_unstable_by(DRAWS - 1 - cut, f64::total_cmp)
        .1;
    (low, high)
}

/// Student's interval around the median of `n` values; `variance_of_mean` is that of their mean.
fn around(center: f64, n: usize, variance_of_mean: f64) -> (f64, f64) {
    let t = student_t(n - 1, (1.0 - CONFIDENCE) / 2.0);
    let half = t * (variance_of_mean * MEDIAN_OVER_MEAN).sqrt();
    (center - half, center + half)
}

fn variance(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / (n - 1.0)
}

/// Finite for all positive finite values, whose ratio may not be.
fn log_ratio(base: f64, candidate: f64) -> f64 {
    if base.total_cmp(&candidate).is_eq() {
        // Not the rounding of two logarithms.
        return 0.0;
    }
    let ratio = candidate / base;
    if ratio.is_normal() {
        ratio.ln()
    } else {
        candidate.ln() - base.ln()
    }
}

/// Kept finite, so that it can stand in a file.
fn exponential((low, high): (f64, f64)) -> Interval {
    Interval {
        low: low.exp().min(f64::MAX),
        high: high.exp().min(f64::MAX),
    }
}

const CONFIDENCE: f64 = 0.95;
/// Fewer have no spread to speak of.
const VALUES_MIN: usize = 3;
/// Variance of a median over that of a mean of the same normal values, for many of them: π/2.
const MEDIAN_OVER_MEAN: f64 = std::f64::consts::FRAC_PI_2;
/// Of six values 0.24 % are cut off at either end, which is five of these.
const DRAWS: usize = 2000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::simulated::Noise;
    use super::*;

    fn shifted(noise: &mut Noise, n: usize, cv: f64, factor: f64) -> Vec<f64> {
        (0..n).map(|_| noise.skewed(cv) * factor).collect()
    }

    #[test]
    fn equal_values_have_no_effect() {
        let values = [5.0, 6.0, 7.0, 8.0, 9.0, 10.0];
        for pairing in [Pairing::Pairs, Pairing::Independent] {
            let effect = effect(&values, &values, pairing, 1).unwrap();
            assert!((effect.ratio - 1.0).abs() < 1e-12 && (effect.p - 1.0).abs() < 1e-12);
            assert!(effect.interval.contains(1.0));
        }
    }

    #[test]
    fn pairs_see_through_what_troubles_both() {
        // The machine gets ten times slower, the candidate is 10 % slower throughout.
        let base: Vec<f64> = (1..=10).map(|k| f64::from(k) * 100.0).collect();
        let candidate: Vec<f64> = base.iter().map(|value| value * 1.1).collect();
        let seen = effect(&base, &candidate, Pairing::Pairs, 1).unwrap();
        assert!((seen.ratio - 1.1).abs() < 1e-9 && seen.interval.low > 1.09 && seen.p < 0.002);
        let unseen = effect(&base, &candidate, Pairing::Independent, 1).unwrap();
        assert!(unseen.interval.contains(1.0) && unseen.p > 0.3);
    }

    #[test]
    fn what_has_no_ratio_has_no_effect() {
        for (base, candidate) in [
            (&[1.0, 2.0, 0.0][..], &[1.0, 2.0, 3.0][..]),
            (&[1.0, 2.0, 3.0], &[1.0, -2.0, 3.0]),
            (&[1.0, 2.0], &[1.0, 2.0, 3.0]),
            (&[], &[]),
            (&[f64::NAN; 5], &[1.0; 5]),
        ] {
            assert_eq!(effect(base, candidate, Pairing::Pairs, 1), None);
            assert_eq!(effect(base, candidate, Pairing::Independent, 1), None);
        }
    }

    #[test]
    fn intervals_hold_the_ratio_as_often_as_they_say() {
        let mut noise = Noise::new(2);
        for (n, pairing) in [
            (3, Pairing::Pairs),
            (5, Pairing::Pairs),
            (8, Pairing::Pairs),
            (16, Pairing::Pairs),
            (3, Pairing::Independent),
            (8, Pairing::Independent),
            (15, Pairing::Independent),
        ] {
            let mut held = 0;
            for seed in 0..300 {
                let base = shifted(&mut noise, n, 0.2, 1.0);
                let candidate = shifted(&mut noise, n, 0.2, 1.3);
                let effect = effect(&base, &candidate, pairing, seed).unwrap();
                held += u32::from(effect.interval.contains(1.3));
            }
            // 274 is three standard errors below 285.
            assert!(held >= 274, "{pairing:?} n = {n}: {held} of 300");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(a in proptest::collection::vec(any::<f64>(), 0..12), b in proptest::collection::vec(any::<f64>(), 0..12)) {
            for pairing in [Pairing::Pairs, Pairing::Independent] {
                if let Some(effect) = effect(&a, &b, pairing, 3) {
                    prop_assert!(effect.interval.low <= effect.interval.high, "{:?}", effect);
                    prop_assert!(!effect.ratio.is_nan() && (0.0..=1.0).contains(&effect.p));
                }
            }
        }

        #[test]
        fn a_scale_of_both_changes_nothing(a in proptest::collection::vec(0.1f64..1e4, 3..12), b in proptest::collection::vec(0.1f64..1e4, 3..12), power in -8i32..8) {
            let scaled = |values: &[f64]| -> Vec<f64> { values.iter().map(|value| value * 2f64.powi(power)).collect() };
            for pairing in [Pairing::Pairs, Pairing::Independent] {
                // Only the logarithms of few independent values round.
                match (effect(&a, &b, pairing, 3), effect(&scaled(&a), &scaled(&b), pairing, 3)) {
                    (Some(one), Some(other)) => {
                        prop_assert!((one.ratio / other.ratio - 1.0).abs() < 1e-9 && (one.p - other.p).abs() < 1e-12);
                        prop_assert!((one.interval.low / other.interval.low - 1.0).abs() < 1e-6, "{:?} {:?}", one, other);
                    }
                    (one, other) => prop_assert_eq!(one, other),
                }
            }
        }

        #[test]
        fn the_same_seed_gives_the_same_answer(a in proptest::collection::vec(0.1f64..1e4, 6..20), seed in any::<u64>()) {
            let b: Vec<f64> = a.iter().rev().map(|value| value * 1.2).collect();
            prop_assert_eq!(effect(&a, &b, Pairing::Independent, seed), effect(&a, &b, Pairing::Independent, seed));
        }
    }
}
