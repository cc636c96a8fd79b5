//! When a difference is called one.

use serde::{Deserialize, Serialize};

use super::Effect;

/// What is asked of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Chance of a false alarm that is taken, compared with chances that were adjusted for the number of questions.
    pub alpha: f64,
    /// Differences up to this are what the same thing measured twice shows: 0.02 is 2 %.
    pub noise_floor: f64,
    /// Differences whose whole interval is within this are none worth speaking of: 0.05 is 5 %.
    pub margin: f64,
}

/// A false alarm in a hundred comparisons, criterion's noise threshold, and the 5 % that numbers of other tools are given with.
impl Default for Rule {
    fn default() -> Self {
        Rule {
            alpha: 0.01,
            noise_floor: 0.01,
            margin: 0.05,
        }
    }
}

/// What came of it. Which way is better only the metric knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Difference {
    /// The candidate's values are lower.
    Lower,
    /// The candidate's values are higher.
    Higher,
    /// If there is a difference, it is within the margin or the noise floor.
    Same,
    /// These values can't tell.
    Unclear,
}

impl Rule {
    /// Judges an effect; `adjusted_p` is its chance after [`super::holm`], or as it is if nothing else was asked.
    pub fn decide(&self, effect: &Effect, adjusted_p: f64) -> Difference {
        let excludes_same = !effect.interval.contains(1.0);
        let beyond_noise = effect.ratio.ln().abs() > (1.0 + self.noise_floor.max(0.0)).ln();
        if excludes_same && beyond_noise && adjusted_p <= self.alpha {
            return if effect.ratio > 1.0 {
                Difference::Higher
            } else {
                Difference::Lower
            };
        }
        let margin = 1.0 + self.margin.max(self.noise_floor);
        if 1.0 / margin <= effect.interval.low && effect.interval.high <= margin {
            Difference::Same
        } else {
            Difference::Unclear
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulated::Noise;
    use super::super::{Interval, Pairing, effect};
    use super::*;

    #[test]
    fn all_three_must_hold() {
        let rule = Rule::default();
        let seen = |ratio: f64, low: f64, high: f64| Effect {
            ratio,
            interval: Interval { low, high },
            pairs: 0,
            p: 0.0,
        };
        for (effect, p, expected) in [
            (seen(1.10, 1.05, 1.15), 0.001, Difference::Higher),
            (seen(0.90, 0.85, 0.95), 0.001, Difference::Lower),
            (seen(1.10, 0.99, 1.15), 0.001, Difference::Unclear),
            (seen(1.10, 1.05, 1.15), 0.02, Difference::Unclear),
            (seen(1.005, 1.002, 1.008), 0.001, Difference::Same),
            (seen(1.00, 0.96, 1.04), 0.9, Difference::Same),
            (seen(1.00, 0.90, 1.10), 0.9, Difference::Unclear),
            (
                seen(f64::NAN, f64::NAN, f64::NAN),
                f64::NAN,
                Difference::Unclear,
            ),
        ] {
            assert_eq!(rule.decide(&effect, p), expected, "{effect:?} {p}");
        }
    }

    fn called(noise: &mut Noise, n: usize, cv: f64, factor: f64, pairing: Pairing) -> usize {
        let rule = Rule::default();
        let is_called = |seed: &u64| {
            let base: Vec<f64> = (0..n).map(|_| noise.skewed(cv)).collect();
            let candidate: Vec<f64> = (0..n).map(|_| noise.skewed(cv) * factor).collect();
            let effect = effect(&base, &candidate, pairing, *seed).unwrap();
            let difference = rule.decide(&effect, effect.p);
            matches!(difference, Difference::Lower | Difference::Higher)
        };
        (0..ROUNDS).filter(is_called).count()
    }

    const ROUNDS: u64 = 300;

    // 1 % of 300 is 3; 9 are more than three standard errors above.
    #[test]
    fn the_same_thing_twice_is_rarely_called_different() {
        let mut noise = Noise::new(3);
        for pairing in [Pairing::Pairs, Pairing::Independent] {
            for (n, cv) in [(5, 0.05), (8, 0.3), (16, 0.1)] {
                let false_alarms = called(&mut noise, n, cv, 1.0, pairing);
                assert!(
                    false_alarms <= 9,
                    "{pairing:?} n = {n}, cv = {cv}: {false_alarms} of {ROUNDS}"
                );
            }
        }
    }

    // The bar: power 0.8 for 10 % with 16 repeats, at the variation that total time has (CV 1.5 to 11 %, here 5 %).
    #[test]
    fn a_shift_is_found() {
        let mut noise = Noise::new(4);
        for pairing in [Pairing::Pairs, Pairing::Independent] {
            for (cv, factor) in [(0.05, 1.1), (0.05, 0.9), (0.1, 1.2)] {
                let found = called(&mut noise, 16, cv, factor, pairing);
                assert!(
                    found >= 240,
                    "{pairing:?} cv = {cv}, × {factor}: {found} of {ROUNDS}"
                );
            }
        }
    }
}
