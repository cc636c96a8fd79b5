//! How much one set of measurements differs from another: a ratio with its interval, and the chance to see such a one for no reason.

use serde::{Deserialize, Serialize};

use super::Interval;
use super::location::median;
use super::shift::{Shift, shift};

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

/// The effect of `candidate` over `base`: the [`shift`] of their logarithms as a ratio. Where some values are zero it is the shift of the values
/// themselves beside the base's median.
///
/// `None` with fewer than three values (pairs) that are finite, if one is below zero, or if the base's median is zero, which no ratio tells.
pub fn effect(base: &[f64], candidate: &[f64], pairing: Pairing) -> Option<Effect> {
    let all = || {
        base.iter()
            .chain(candidate)
            .filter(|value| value.is_finite())
    };
    if all().any(|value| *value < 0.0) {
        return None;
    }
    if all().any(|value| *value == 0.0) {
        let scale = median(base).filter(|median| *median > 0.0)?;
        let shift = shift(base, candidate, pairing)?;
        return Some(Effect::of(&shift, |by| 1.0 + by / scale));
    }
    let shift = shift(&logarithms(base), &logarithms(candidate), pairing)?;
    Some(Effect::of(&shift, f64::exp))
}

/// Of what is positive and finite; the rest becomes what is passed over.
pub(super) fn logarithms(values: &[f64]) -> Vec<f64> {
    values.iter().map(|value| value.ln()).collect()
}

impl Effect {
    pub(super) fn of(shift: &Shift, ratio: impl Fn(f64) -> f64) -> Self {
        // Kept finite and positive, so that it can stand in a file and has a logarithm.
        let ratio = |by| ratio(by).clamp(f64::MIN_POSITIVE, f64::MAX);
        Effect {
            ratio: ratio(shift.value),
            interval: Interval {
                low: ratio(shift.interval.low),
                high: ratio(shift.interval.high),
            },
            pairs: shift.pairs,
            p: shift.p,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::simulated::{Noise, Shape};
    use super::*;

    #[test]
    fn equal_values_have_no_effect() {
        let values = [5.0, 6.0, 7.0, 8.0, 9.0, 10.0];
        for pairing in [Pairing::Pairs, Pairing::Independent] {
            let effect = effect(&values, &values, pairing).unwrap();
            assert!((effect.ratio - 1.0).abs() < 1e-12 && (effect.p - 1.0).abs() < 1e-12);
            assert!(effect.interval.contains(1.0));
        }
    }

    #[test]
    fn pairs_see_through_what_troubles_both() {
        // The machine gets ten times slower, the candidate is 10 % slower throughout.
        let base: Vec<f64> = (1..=10).map(|k| f64::from(k) * 100.0).collect();
        let candidate: Vec<f64> = base.iter().map(|value| value * 1.1).collect();
        let seen = effect(&base, &candidate, Pairing::Pairs).unwrap();
        assert!((seen.ratio - 1.1).abs() < 1e-9 && seen.interval.low > 1.09 && seen.p < 0.002);
        let unseen = effect(&base, &candidate, Pairing::Independent).unwrap();
        assert!(unseen.interval.contains(1.0) && unseen.p > 0.3);
    }

    #[test]
    fn what_has_no_ratio_has_no_effect() {
        for (base, candidate) in [
            (&[1.0, 0.0, 0.0][..], &[1.0, 2.0, 3.0][..]),
            (&[1.0, 2.0, 3.0], &[1.0, -2.0, 3.0]),
            (&[1.0, 2.0], &[1.0, 2.0, 3.0]),
            (&[], &[]),
            (&[f64::NAN; 5], &[1.0; 5]),
        ] {
            assert_eq!(effect(base, candidate, Pairing::Pairs), None);
            assert_eq!(effect(base, candidate, Pairing::Independent), None);
        }
    }

    #[test]
    fn one_zero_takes_no_ratio_away() {
        let base = [100.0, 101.0, 102.0, 103.0, 104.0, 105.0, 0.0, 106.0];
        let candidate = base.map(|value| value * 1.1);
        for pairing in [Pairing::Pairs, Pairing::Independent] {
            let seen = effect(&base, &candidate, pairing).unwrap();
            assert!((seen.ratio - 1.1).abs() < 0.02, "{seen:?}");
        }
        let gone = effect(&base, &[0.0; 8], Pairing::Independent).unwrap();
        assert!(gone.ratio < 0.1 && gone.interval.low > 0.0, "{gone:?}");
    }

    // 95 % of 1000 are 950, give or take 7: 93 and 97 % are three of these away. More values are drawn by `cargo bench --bench judging`.
    #[test]
    fn intervals_hold_the_ratio_as_often_as_they_say() {
        let mut noise = Noise::new(2);
        for (n, pairing) in [
            (3, Pairing::Pairs),
            (8, Pairing::Pairs),
            (6, Pairing::Independent),
            (30, Pairing::Independent),
        ] {
            for shape in [Shape::Skewed, Shape::Tailed, Shape::TwoLevels] {
                let held = (0..1000).filter(|_| {
                    let base = noise.values(shape, n, 1.0);
                    let candidate = noise.values(shape, n, 1.3);
                    let effect = effect(&base, &candidate, pairing).unwrap();
                    effect.interval.contains(1.3)
                });
                let held = held.count();
                let few = n == 3;
                assert!(
                    held >= 930 && (few || held <= 970),
                    "{pairing:?} {shape:?} n = {n}: {held} of 1000"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(a in proptest::collection::vec(any::<f64>(), 0..12), b in proptest::collection::vec(any::<f64>(), 0..12)) {
            let positive = |values: &[f64]| -> Vec<f64> { values.iter().map(|value| value.abs()).collect() };
            for (a, b) in [(a.clone(), b.clone()), (positive(&a), positive(&b))] {
                for pairing in [Pairing::Pairs, Pairing::Independent] {
                    if let Some(effect) = effect(&a, &b, pairing) {
                        prop_assert!(effect.interval.low <= effect.interval.high, "{:?}", effect);
                        prop_assert!(effect.ratio.is_finite() && (0.0..=1.0).contains(&effect.p));
                    }
                }
            }
        }

        #[test]
        fn a_scale_of_both_changes_nothing(a in proptest::collection::vec(0.1f64..1e4, 3..12), b in proptest::collection::vec(0.1f64..1e4, 3..12), power in -8i32..8) {
            let scaled = |values: &[f64]| -> Vec<f64> { values.iter().map(|value| value * 2f64.powi(power)).collect() };
            for pairing in [Pairing::Pairs, Pairing::Independent] {
                match (effect(&a, &b, pairing), effect(&scaled(&a), &scaled(&b), pairing)) {
                    (Some(one), Some(other)) => {
                        prop_assert!((one.ratio / other.ratio - 1.0).abs() < 1e-9);
                        prop_assert!((one.interval.low / other.interval.low - 1.0).abs() < 1e-6, "{:?} {:?}", one, other);
                    }
                    (one, other) => prop_assert_eq!(one, other),
                }
            }
        }
    }
}
