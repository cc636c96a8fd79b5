//! By how much one set of values lies above another: Hodges and Lehmann's estimate, with the interval of the rank tests.
//!
//! Of independent sets it is the median of all differences, of pairs the median of the means of any two (Walsh's averages). Its interval is
//! what the rank-sum or the signed-rank test would not refuse (Hodges and Lehmann, "Estimates of location based on rank tests", 1963;
//! Lehmann, "Nonparametrics", 1975, sections 2.5 and 4.4), so it never contradicts their chances, and it misses as often as it says whatever
//! the values' distribution. A wild value moves neither; of two levels that values jump between the middle is not one or the other.

use serde::{Deserialize, Serialize};

use super::distribution::student_t;
use super::ordered::Differences;
use super::rank::{paired_p, unpaired_p};
use super::{Interval, Pairing, mean_and_variance, sorted};

/// A difference in the values' own unit: 3 is a candidate 3 above its base.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Shift {
    /// Candidate minus base.
    pub value: f64,
    /// 95 % interval of it.
    pub interval: Interval,
    /// Pairs that it rests on; 0 if the values were not paired.
    pub pairs: usize,
    /// The chance of values as far apart if nothing but chance told them apart; two-sided, not adjusted for other questions.
    pub p: f64,
}

/// The shift of `candidate` over `base`; of values without a partner the last ones are left out. `None` with fewer than three values (pairs)
/// that are finite.
///
/// Below six pairs, or four values on each side, no interval of the ranks holds 95 %: it is Student's then, which for three is very wide.
pub fn shift(base: &[f64], candidate: &[f64], pairing: Pairing) -> Option<Shift> {
    match pairing {
        Pairing::Pairs => of_pairs(&differences(base, candidate)),
        Pairing::Independent => independent(sorted(base), sorted(candidate)),
    }
}

/// Candidate minus base, pair by pair, where both are finite.
pub(super) fn differences(base: &[f64], candidate: &[f64]) -> Vec<f64> {
    let pairs = base.iter().zip(candidate);
    pairs
        .filter(|(base, candidate)| base.is_finite() && candidate.is_finite())
        .map(|(base, candidate)| finite(candidate - base))
        .collect()
}

fn of_pairs(pairs: &[f64]) -> Option<Shift> {
    let n = pairs.len();
    if n < VALUES_MIN {
        return None;
    }
    let all = Differences::Pairs(sorted(pairs));
    let value = all.middle();
    let interval = all
        .interval(MISSED)
        .unwrap_or_else(|| around(value, n - 1, mean_and_variance(pairs).1 / n as f64));
    Some(Shift {
        value,
        interval,
        pairs: n,
        p: paired_p(pairs),
    })
}

fn independent(base: Vec<f64>, candidate: Vec<f64>) -> Option<Shift> {
    let few = base.len().min(candidate.len());
    if few < VALUES_MIN {
        return None;
    }
    let p = unpaired_p(&base, &candidate);
    let share = |values: &[f64]| mean_and_variance(values).1 / values.len() as f64;
    let variance = share(&base) + share(&candidate);
    let all = Differences::Independent { base, candidate };
    let value = all.middle();
    let interval = all
        .interval(MISSED)
        .unwrap_or_else(|| around(value, few - 1, variance));
    Some(Shift {
        value,
        interval,
        pairs: 0,
        p,
    })
}

/// Student's interval; `variance` is that of a mean.
fn around(center: f64, freedom: usize, variance: f64) -> Interval {
    let half = student_t(freedom, MISSED / 2.0) * (variance * ESTIMATE_OVER_MEAN).sqrt();
    Interval {
        low: finite(center - half),
        high: finite(center + half),
    }
}

/// Kept finite, so that it can stand in a file; what is no number is as far as can be.
pub(super) fn finite(value: f64) -> f64 {
    if value.is_nan() {
        return f64::MAX;
    }
    value.clamp(f64::MIN, f64::MAX)
}

/// Intervals hold the value with a confidence of 95 %.
pub(super) const MISSED: f64 = 0.05;
/// Fewer have no spread to speak of.
const VALUES_MIN: usize = 3;
/// Variance of this estimate over that of a mean of the same normal values, for many of them: π/3.
const ESTIMATE_OVER_MEAN: f64 = std::f64::consts::FRAC_PI_3;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_example_by_hand() {
        // Differences 1 to 9 of three and three, whose middle is 5.
        let seen = shift(&[0.0, 1.0, 2.0], &[3.0, 6.0, 9.0], Pairing::Independent).unwrap();
        assert!((seen.value - 5.0).abs() < 1e-12 && seen.pairs == 0);
        // Walsh's averages of 1, 2, 9: 1, 1.5, 2, 5, 5.5, 9.
        let seen = shift(&[0.0; 3], &[1.0, 2.0, 9.0], Pairing::Pairs).unwrap();
        assert!((seen.value - 3.5).abs() < 1e-12 && seen.pairs == 3);
        assert_eq!(
            shift(&[1.0, 2.0], &[1.0, 2.0, 3.0], Pairing::Independent),
            None
        );
    }

    proptest! {
        #[test]
        fn nothing_panics(a in proptest::collection::vec(any::<f64>(), 0..12), b in proptest::collection::vec(any::<f64>(), 0..12)) {
            for pairing in [Pairing::Pairs, Pairing::Independent] {
                if let Some(shift) = shift(&a, &b, pairing) {
                    prop_assert!(shift.interval.low <= shift.interval.high, "{:?}", shift);
                    prop_assert!(shift.value.is_finite() && (0.0..=1.0).contains(&shift.p));
                }
            }
        }

        // The interval and the chance are of the same test: one leaves zero out where the other is small.
        #[test]
        fn interval_and_chance_agree(a in proptest::collection::vec(0.0f64..9.0, 6..14), b in proptest::collection::vec(0.0f64..9.0, 6..14), by in 0.0f64..9.0) {
            let b: Vec<f64> = b.iter().map(|value| value + by).collect();
            for pairing in [Pairing::Pairs, Pairing::Independent] {
                let shift = shift(&a, &b, pairing).unwrap();
                if shift.p <= 0.01 {
                    prop_assert!(!shift.interval.contains(0.0), "{:?}", shift);
                }
                if shift.p > 0.1 {
                    prop_assert!(shift.interval.contains(0.0), "{:?}", shift);
                }
            }
        }
    }
}
