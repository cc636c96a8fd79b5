//! The rule, and what it makes of an effect.

use serde::{Deserialize, Serialize};

use crate::statistics::{
    Effect, Pairing, Shift, effect, few_pairs_p, share_noise, shift, smallest_p, unpaired_p,
};

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
    /// If there is a difference, it is within the margin.
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
        // However noisy the measurement: who can't tell a tenth from nothing does not know that they are the same.
        let margin = 1.0 + self.margin;
        if 1.0 / margin <= effect.interval.low && effect.interval.high <= margin {
            Difference::Same
        } else {
            Difference::Unclear
        }
    }

    /// Judges what has no ratio: noise floor and margin are parts of `scale`, which is what is usual, and no difference below `resolution` is one;
    /// both in the values' unit.
    pub fn decide_shift(
        &self,
        shift: &Shift,
        adjusted_p: f64,
        scale: f64,
        resolution: f64,
    ) -> Difference {
        let excludes_same = !shift.interval.contains(0.0);
        let floor = resolution.max(self.noise_floor * scale.abs());
        let is_seen = shift.value.abs() > floor * ABOVE_ROUNDING;
        if excludes_same && is_seen && adjusted_p <= self.alpha {
            return if shift.value > 0.0 {
                Difference::Higher
            } else {
                Difference::Lower
            };
        }
        let margin = self.margin * scale.abs();
        if -margin <= shift.interval.low && shift.interval.high <= margin {
            Difference::Same
        } else {
            Difference::Unclear
        }
    }

    /// Whether the effect is greater than what the same thing measured twice shows.
    pub fn is_beyond_noise(&self, effect: &Effect) -> bool {
        effect.ratio.ln().abs() > self.noise_floor.max(0.0).ln_1p() * ABOVE_ROUNDING
    }

    /// The effect of `candidate` over `base`, in one of so many `questions`. Pairs whose partners share no noise count as independent values,
    /// which tell more then.
    pub fn effect(
        &self,
        base: &[f64],
        candidate: &[f64],
        pairing: Pairing,
        questions: usize,
    ) -> Option<Effect> {
        let measured = |pairing| effect(base, candidate, pairing);
        let width = |effect: &Effect| (effect.interval.high / effect.interval.low).ln();
        let effect = telling(pairing, share_noise(base, candidate), measured, width)?;
        if !self.are_too_few_pairs(effect.pairs, questions) {
            return Some(effect);
        }
        let mut values = base.iter().chain(candidate);
        let p = if values.all(|value| *value > 0.0) {
            let logarithms =
                |values: &[f64]| -> Vec<f64> { values.iter().map(|value| value.ln()).collect() };
            few_pairs_p(&logarithms(base), &logarithms(candidate))
        } else {
            few_pairs_p(base, candidate)
        };
        Some(Effect { p, ..effect })
    }

    /// The same as a difference in the values' unit, for what has no ratio.
    pub fn shift(
        &self,
        base: &[f64],
        candidate: &[f64],
        pairing: Pairing,
        questions: usize,
    ) -> Option<Shift> {
        let measured = |pairing| shift(base, candidate, pairing);
        let width = |shift: &Shift| shift.interval.high - shift.interval.low;
        let shift = telling(pairing, share_noise(base, candidate), measured, width)?;
        if !self.are_too_few_pairs(shift.pairs, questions) {
            return Some(shift);
        }
        let p = few_pairs_p(base, candidate);
        Some(Shift { p, ..shift })
    }

    /// Whether the ranks of so many pairs (0 if there are none) are too coarse for one of many questions, as six coins fall alike in 3 of 100
    /// cases. Then the chance is Student's.
    pub fn are_too_few_pairs(&self, pairs: usize, questions: usize) -> bool {
        pairs > 0 && smallest_p(pairs, None) * questions as f64 > self.alpha
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

/// What was measured in the way that tells more: pairs if they share noise and have the narrower interval for it. Some that share none seem to.
fn telling<T>(
    pairing: Pairing,
    share_noise: bool,
    measured: impl Fn(Pairing) -> Option<T>,
    width: impl Fn(&T) -> f64,
) -> Option<T> {
    let alone = measured(Pairing::Independent)?;
    if pairing == Pairing::Pairs && share_noise {
        let pairs = measured(Pairing::Pairs);
        return Some(
            pairs
                .filter(|pairs| width(pairs) < width(&alone))
                .unwrap_or(alone),
        );
    }
    Some(alone)
}

/// The chance of completions as unequal as `good` of `good + bad` on either side, if nothing but chance told both sides apart: Fisher's exact
/// test, two-sided, as the ranks of noughts and ones give it.
pub(super) fn completions_p([good, bad]: [usize; 2], [other_good, other_bad]: [usize; 2]) -> f64 {
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
/// A step of a clock is no more than that step because of a quotient's last digit.
const ABOVE_ROUNDING: f64 = 1.0 + 1e-9;

#[cfg(test)]
mod tests {
    use super::super::NoiseFloor;
    use super::*;
    use crate::statistics::Interval;
    use crate::statistics::simulated::{Noise, Shape};

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
    fn a_few_pairs_that_share_noise_are_told_by_students_test() {
        let base = [100.0, 101.0, 102.0, 103.0, 104.0, 105.0];
        let candidate = base.map(|value| value * 1.2);
        let by = |questions| {
            let seen = RULE.effect(&base, &candidate, Pairing::Pairs, questions);
            let effect = seen.unwrap();
            (effect.pairs, RULE.decide(&effect, effect.p))
        };
        // Six pairs that all point one way: 2 / 2⁶ is more than 1 %.
        assert_eq!(by(1), (6, Difference::Higher));
        for (pairs, questions, few) in [
            (8, 1, false),
            (7, 1, true),
            (8, 2, true),
            (12, 20, false),
            (0, 20, false),
        ] {
            assert_eq!(
                RULE.are_too_few_pairs(pairs, questions),
                few,
                "{pairs} pairs, {questions} questions"
            );
        }
    }

    #[test]
    fn what_is_surely_different_is_not_the_same_for_a_noisy_machine() {
        // Twelve pairs, all 7 to 11 % slower, on a machine that swings by 30 %.
        let base = [
            100.0, 131.0, 104.0, 125.0, 110.0, 98.0, 129.0, 117.0, 103.0, 122.0, 109.0, 114.0,
        ];
        let slower = [
            1.07, 1.11, 1.09, 1.10, 1.08, 1.09, 1.095, 1.1, 1.09, 1.085, 1.095, 1.1,
        ];
        let candidate: Vec<f64> = base
            .iter()
            .zip(slower)
            .map(|(base, by)| base * by)
            .collect();
        let effect = RULE.effect(&base, &candidate, Pairing::Pairs, 1).unwrap();
        let floor = NoiseFloor::of_repeats().of("total_time_ms", &base, &candidate, Pairing::Pairs);
        assert_eq!(
            RULE.above(floor).decide(&effect, effect.p),
            Difference::Higher,
            "{effect:?} {floor:?}"
        );
        // And with a floor above it nobody knows.
        assert_eq!(
            RULE.above(Some(0.129)).decide(&effect, effect.p),
            Difference::Unclear
        );
    }

    #[test]
    fn differences_without_a_ratio_are_judged_by_themselves() {
        let zero = [0.0; 8];
        let few = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let many = [3.0, 4.0, 5.0, 3.0, 4.0, 6.0, 2.0, 4.0];
        let judged = |candidate: &[f64], resolution| {
            let shift = RULE
                .shift(&zero, candidate, Pairing::Independent, 1)
                .unwrap();
            RULE.decide_shift(&shift, shift.p, 0.0, resolution)
        };
        assert_eq!(judged(&zero, 0.0), Difference::Same);
        assert_eq!(judged(&few, 0.0), Difference::Same);
        assert_eq!(judged(&many, 0.0), Difference::Higher);
        assert_eq!(judged(&many, 5.0), Difference::Unclear);
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

    /// How many of so many comparisons of values that `draw` makes are called different.
    fn called(rounds: usize, pairing: Pairing, mut draw: impl FnMut() -> [Vec<f64>; 2]) -> usize {
        let is_called = |_: &usize| {
            let [base, candidate] = draw();
            let effect = RULE.effect(&base, &candidate, pairing, 1).unwrap();
            let floor = NoiseFloor::of_repeats().of("total_time_ms", &base, &candidate, pairing);
            let difference = RULE.above(floor).decide(&effect, effect.p);
            matches!(difference, Difference::Lower | Difference::Higher)
        };
        (0..rounds).filter(is_called).count()
    }

    // 1 % of 200 is 2; 7 are more than three standard errors above.
    #[test]
    fn the_same_thing_twice_is_rarely_called_different() {
        let mut noise = Noise::new(3);
        for pairing in [Pairing::Pairs, Pairing::Independent] {
            for n in [5, 16] {
                for shape in Shape::ALL {
                    let alarms = called(200, pairing, || {
                        [noise.values(shape, n, 1.0), noise.values(shape, n, 1.0)]
                    });
                    assert!(
                        alarms <= 7,
                        "{pairing:?} n = {n}, {shape:?}: {alarms} of 200"
                    );
                }
            }
        }
    }

    // The bar: power 0.98 for 10 % with 16 repeats, at the variation that total time has (CV 1.5 to 11 %, here 5 %).
    #[test]
    fn a_shift_is_found() {
        let mut noise = Noise::new(4);
        for pairing in [Pairing::Pairs, Pairing::Independent] {
            for (cv, factor, least) in [(0.05, 1.1, 196), (0.05, 0.9, 196), (0.1, 1.2, 160)] {
                let mut arm = |factor: f64| (0..16).map(|_| noise.skewed(cv) * factor).collect();
                let found = called(200, pairing, || [arm(1.0), arm(factor)]);
                assert!(
                    found >= least,
                    "{pairing:?} cv = {cv}, × {factor}: {found} of 200"
                );
            }
        }
    }

    // Whatever the distribution, the rule finds what its own test would find alone; 3 of 200 are lost to the noise floor at most. And pairs find no
    // less than the same values without partners, up to chance.
    #[test]
    fn nothing_is_lost_to_wild_values_two_levels_or_pairs() {
        for shape in Shape::ALL {
            let arms = || {
                let mut noise = Noise::new(6);
                move || [noise.values(shape, 16, 1.0), noise.values(shape, 16, 1.1)]
            };
            let mut draw = arms();
            let by_test = (0..200).filter(|_| {
                let [base, candidate] = draw();
                unpaired_p(&base, &candidate) <= RULE.alpha
            });
            let by_test = by_test.count();
            let found =
                [Pairing::Independent, Pairing::Pairs].map(|pairing| called(200, pairing, arms()));
            assert!(
                found[0] + 3 >= by_test && found[1] + 8 >= found[0],
                "{shape:?}: {found:?} {by_test}"
            );
        }
    }

    // A machine that swings by 20 %, and repeats that scatter by 2 % on it.
    #[test]
    fn pairs_see_a_tenth_through_a_swinging_machine() {
        let mut noise = Noise::new(7);
        for n in [6, 8, 12] {
            for (factor, found) in [(1.0, 0..=13), (1.1, 475..=500)] {
                let called = called(500, Pairing::Pairs, || {
                    let machine: Vec<f64> = (0..n).map(|_| noise.skewed(0.2)).collect();
                    let mut arm = |factor: f64| {
                        machine
                            .iter()
                            .map(|machine| machine * factor * noise.skewed(0.02))
                            .collect()
                    };
                    [arm(1.0), arm(factor)]
                });
                assert!(
                    found.contains(&called),
                    "n = {n}, × {factor}: {called} of 500"
                );
            }
        }
    }
}
