//! The rule, and what it makes of an effect.

use serde::{Deserialize, Serialize};

use crate::statistics::{Effect, Pairing, effect, smallest_p, unpaired_p};

/// What is asked of a difference. Three things must hold: its interval leaves "the same" out, the chance to see it without a cause is small
/// with all questions counted, and it is greater than the noise floor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Chance of a false alarm that is taken, compared with chances that were adjusted for the number of questions.
    pub alpha: f64,
    /// Differences up to this are what the same thing measured twice shows: 0.02 is 2 %. A measured floor may be greater, see
    /// [`Rule::above`].
    pub noise_floor: f64,
    /// Differences whose whole interval is within this are none worth speaking of: 0.05 is 5 %.
    pub margin: f64,
}

/// The one that holds.
///
/// - α is 1 %: whoever compares a hundred pairs of the same thing, be it in CI or by hand, gets one false alarm. At the 5 % of textbooks a
///   gate that runs ten times a day cries every second day, and nobody listens to it any more. The price is one or two repeats more.
/// - The least noise floor is criterion's noise threshold.
/// - The margin is the 5 % that the figures of other tools are given with.
pub const RULE: Rule = Rule {
    alpha: 0.01,
    noise_floor: 0.01,
    margin: 0.05,
};

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
    /// The same rule with the noise floor that was measured, if that is greater.
    #[must_use]
    pub fn above(&self, floor: Option<f64>) -> Rule {
        Rule {
            noise_floor: floor.unwrap_or(0.0).max(self.noise_floor),
            ..*self
        }
    }

    /// Judges an effect; `adjusted_p` is its chance after [`crate::statistics::holm`], or as it is if nothing else was asked.
    pub fn decide(&self, effect: &Effect, adjusted_p: f64) -> Difference {
        let excludes_same = !effect.interval.contains(1.0);
        if excludes_same && self.is_beyond_noise(effect) && adjusted_p <= self.alpha {
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

    /// Whether the effect is greater than what the same thing measured twice shows.
    pub fn is_beyond_noise(&self, effect: &Effect) -> bool {
        effect.ratio.ln().abs() > self.noise_floor.max(0.0).ln_1p()
    }

    /// The effect of `candidate` over `base`, in one of so many `questions`: ratio and interval by the given pairing, the chance by
    /// [`Rule::chance_of`] it.
    pub fn effect(
        &self,
        base: &[f64],
        candidate: &[f64],
        pairing: Pairing,
        questions: usize,
    ) -> Option<Effect> {
        let effect = effect(base, candidate, pairing, SEED)?;
        let pairs = base.len().min(candidate.len());
        Some(match (pairing, self.chance_of(pairing, pairs, questions)) {
            (Pairing::Pairs, Pairing::Independent) => Effect {
                p: unpaired_p(base, candidate),
                ..effect
            },
            _ => effect,
        })
    }

    /// By what the chance is counted. The chances of a few pairs are too coarse for one of many questions, as six coins fall alike in 3 of 100
    /// cases; then it is that of the values without their partners, which is finer, and rather too great than too small where partners are alike.
    pub fn chance_of(&self, pairing: Pairing, pairs: usize, questions: usize) -> Pairing {
        if pairing == Pairing::Pairs && smallest_p(pairs, None) * questions as f64 > self.alpha {
            return Pairing::Independent;
        }
        pairing
    }

    /// Whether so many values of each side could tell a difference, however great, in one of so many `questions`.
    pub fn can_tell(&self, base: usize, candidate: usize, questions: usize) -> bool {
        smallest_p(base, Some(candidate)) * questions as f64 <= self.alpha
    }

    /// The fewest values of each side that can.
    pub fn repeats_needed(&self, questions: usize) -> usize {
        let can = |n: &usize| self.can_tell(*n, *n, questions);
        (1..REPEATS_MAX).find(can).unwrap_or(REPEATS_MAX)
    }
}

/// The chance of completions as unequal as `good` of `good + bad` on either side, if nothing but chance told both sides apart: Fisher's exact
/// test, two-sided, as the ranks of noughts and ones give it.
pub fn completions_p([good, bad]: [usize; 2], [other_good, other_bad]: [usize; 2]) -> f64 {
    // Counts of a file that lies must not become gigabytes.
    let ones = |count: usize| std::iter::repeat_n(1.0, count.min(COUNT_MAX));
    let noughts = |count: usize| std::iter::repeat_n(0.0, count.min(COUNT_MAX));
    let one: Vec<f64> = ones(good).chain(noughts(bad)).collect();
    let other: Vec<f64> = ones(other_good).chain(noughts(other_bad)).collect();
    unpaired_p(&one, &other)
}

/// More are not proposed.
const REPEATS_MAX: usize = 100;
const COUNT_MAX: usize = 10_000;
/// Of the bootstrap: the same values give the same interval.
const SEED: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Interval;
    use crate::statistics::simulated::Noise;

    #[test]
    fn fisher_is_that_of_the_books() {
        // Fisher's lady tasting tea, both ends of the distribution: 34/70 with three of four cups right, 2/70 with all.
        assert!((completions_p([3, 1], [1, 3]) - 34.0 / 70.0).abs() < 1e-12);
        assert!((completions_p([4, 0], [0, 4]) - 2.0 / 70.0).abs() < 1e-12);
        assert!((completions_p([5, 0], [7, 0]) - 1.0).abs() < 1e-12);
        assert!(completions_p([usize::MAX, 0], [0, usize::MAX]) < 1e-9);
    }

    #[test]
    fn more_questions_need_more_repeats() {
        let needed = [1, 2, 3, 20].map(|asked| RULE.repeats_needed(asked));
        assert_eq!(needed, [5, 6, 6, 8]);
    }

    #[test]
    fn few_pairs_keep_their_ratio_and_are_told_by_the_values_without_partners() {
        let base = [100.0, 101.0, 102.0, 103.0, 104.0, 105.0];
        let candidate = base.map(|value| value * 1.2);
        let by = |questions| {
            let seen = RULE.effect(&base, &candidate, Pairing::Pairs, questions);
            let effect = seen.unwrap();
            (effect.pairs, RULE.decide(&effect, effect.p))
        };
        // Six pairs that all point one way: 2 / 2⁶ is more than 1 %, 2 / 924 is not.
        assert_eq!(by(1), (6, Difference::Higher));
        for (pairs, questions, expected) in [
            (8, 1, Pairing::Pairs),
            (7, 1, Pairing::Independent),
            (8, 2, Pairing::Independent),
            (12, 20, Pairing::Pairs),
        ] {
            let by = RULE.chance_of(Pairing::Pairs, pairs, questions);
            assert_eq!(by, expected, "{pairs} pairs, {questions} questions");
        }
    }

    #[test]
    fn all_three_must_hold() {
        let rule = RULE;
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
        let rule = RULE;
        let is_called = |_: &u64| {
            let base: Vec<f64> = (0..n).map(|_| noise.skewed(cv)).collect();
            let candidate: Vec<f64> = (0..n).map(|_| noise.skewed(cv) * factor).collect();
            let effect = rule.effect(&base, &candidate, pairing, 1).unwrap();
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
