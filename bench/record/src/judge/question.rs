//! What is asked of a metric of two sides, and the answer: the one place where `compare`, `gate` and `report` let the rule decide.
//!
//! Questions that are asked together are counted together, by Holm's method. The same values, asked beside the same questions, get the same answer,
//! whoever asks.

use serde::Serialize;

use super::{Difference, RULE, Rule};
use crate::metric::{Direction, metric};
use crate::statistics::{Between, Effect, Pairing, Shift, holm, median};

/// A metric of two sides.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Its id.
    pub id: &'a str,
    /// The base's values, in the metric's unit.
    pub base: &'a [f64],
    /// The candidate's; of pairs in the same order.
    pub candidate: &'a [f64],
    /// What the values of both have to do with each other.
    pub pairing: Pairing,
    /// How much two measurements of the base differ, as a share; see [`super::NoiseFloor`].
    pub floor: Option<f64>,
    /// How far two runs of the same lie apart, if the sides are of two runs and that is known.
    pub between: Option<Between>,
    /// The shares of its work that the guest lost on either side, if the metric is one of its operations.
    pub lost: Option<[f64; 2]>,
}

/// By how much the sides differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measured {
    /// A ratio.
    Effect(Effect),
    /// A difference in the metric's unit, where no ratio tells.
    Shift(Shift),
    /// Too few values that are numbers.
    Nothing,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// By how much the sides differ.
    pub measured: Measured,
    /// The chance of such values for no reason, with all questions counted.
    pub p: f64,
    /// What the rule says.
    pub difference: Difference,
}

/// What a difference means, in the metric's own direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The candidate is better.
    Better,
    /// The candidate is worse.
    Worse,
    /// No difference worth speaking of.
    Same,
    /// These values can't tell.
    CantTell,
}

impl Verdict {
    /// The words for it.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Better => "better",
            Verdict::Worse => "worse",
            Verdict::Same => "same",
            Verdict::CantTell => "can't tell",
        }
    }

    /// Whether the sides differ.
    pub fn is_difference(self) -> bool {
        matches!(self, Verdict::Better | Verdict::Worse)
    }

    /// What a difference means for a metric.
    pub fn of(difference: Difference, id: &str) -> Self {
        let higher_is_better =
            metric(id).is_some_and(|metric| metric.direction == Direction::HigherIsBetter);
        match difference {
            Difference::Same => Verdict::Same,
            Difference::Unclear => Verdict::CantTell,
            Difference::Higher if higher_is_better => Verdict::Better,
            Difference::Lower if !higher_is_better => Verdict::Better,
            Difference::Higher | Difference::Lower => Verdict::Worse,
        }
    }
}

/// Whether a metric is of single operations of the guest, of which there are the fewer the less it did.
pub fn is_of_operations(id: &str) -> bool {
    id.contains("op_latency_us")
}

/// The metric that says how much the guest did not do.
pub const WORK_LOST: &str = "workload_slowdown";

/// Answers all questions about the same two sides.
pub fn answers(questions: &[Question<'_>]) -> Vec<Answer> {
    let measured: Vec<Measured> = questions
        .iter()
        .map(|question| question.measure(questions.len()))
        .collect();
    let chances: Vec<f64> = measured.iter().map(Measured::p).collect();
    let told = questions.iter().zip(measured).zip(holm(&chances));
    told.map(|((question, measured), p)| Answer {
        measured,
        p,
        difference: question.decide(&measured, p),
    })
    .collect()
}

impl Question<'_> {
    /// By how much the sides differ, as one of so many `questions`.
    pub fn measure(&self, questions: usize) -> Measured {
        let (base, candidate) = (self.base, self.candidate);
        if let Some(effect) = RULE.effect(base, candidate, self.pairing, questions) {
            return Measured::Effect(match self.between {
                Some(between) => effect.with(between),
                None => effect,
            });
        }
        let shift = RULE.shift(base, candidate, self.pairing, questions);
        shift.map_or(Measured::Nothing, Measured::Shift)
    }

    /// The rule with this question's noise floor.
    pub fn rule(&self) -> Rule {
        RULE.above(self.floor)
    }

    /// What the rule makes of it; `p` is adjusted.
    pub fn decide(&self, measured: &Measured, p: f64) -> Difference {
        let difference = match measured {
            Measured::Effect(effect) => self.rule().decide(effect, p),
            Measured::Shift(shift) => {
                let usual = median(self.base).unwrap_or(0.0);
                let resolution = metric(self.id).map_or(0.0, |metric| metric.resolution(usual));
                self.rule().decide_shift(shift, p, usual, resolution)
            }
            Measured::Nothing => Difference::Unclear,
        };
        if self.is_for_less_work(difference) {
            Difference::Unclear
        } else {
            difference
        }
    }

    /// Whether the side with the lower values is that on which the guest did less: what it did not do took no time, and a guest that is held back is
    /// not quick.
    fn is_for_less_work(&self, difference: Difference) -> bool {
        let Some([base, candidate]) = self.lost else {
            return false;
        };
        match difference {
            Difference::Lower => candidate > base + RULE.margin,
            Difference::Higher => base > candidate + RULE.margin,
            Difference::Same | Difference::Unclear => false,
        }
    }
}

impl Measured {
    /// The chance of such values for no reason, as the only question.
    pub fn p(&self) -> f64 {
        match self {
            Measured::Effect(effect) => effect.p,
            Measured::Shift(shift) => shift.p,
            Measured::Nothing => 1.0,
        }
    }

    /// The ratio.
    pub fn effect(&self) -> Option<Effect> {
        match self {
            Measured::Effect(effect) => Some(*effect),
            Measured::Shift(_) | Measured::Nothing => None,
        }
    }

    /// The difference where there is no ratio.
    pub fn shift(&self) -> Option<Shift> {
        match self {
            Measured::Shift(shift) => Some(*shift),
            Measured::Effect(_) | Measured::Nothing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question<'a>(id: &'a str, base: &'a [f64], candidate: &'a [f64]) -> Question<'a> {
        Question {
            id,
            base,
            candidate,
            pairing: Pairing::Independent,
            floor: None,
            between: None,
            lost: None,
        }
    }

    const BASE: [f64; 8] = [900.0, 910.0, 905.0, 920.0, 899.0, 915.0, 907.0, 911.0];

    #[test]
    fn a_latency_is_no_better_for_work_that_was_not_done() {
        let quicker = BASE.map(|value| value * 0.5);
        let told = |lost| {
            let question = Question {
                lost,
                ..question("op_latency_us_p99", &BASE, &quicker)
            };
            Verdict::of(answers(&[question])[0].difference, question.id)
        };
        assert_eq!(told(None), Verdict::Better);
        assert_eq!(told(Some([0.3, 0.3])), Verdict::Better);
        assert_eq!(told(Some([0.6, 0.3])), Verdict::Better);
        assert_eq!(told(Some([0.3, 0.6])), Verdict::CantTell);
        // Nor is the base, the other way round.
        let slower = Question {
            lost: Some([0.6, 0.3]),
            ..question("op_latency_us_p99", &quicker, &BASE)
        };
        assert_eq!(answers(&[slower])[0].difference, Difference::Unclear);
    }

    #[test]
    fn more_questions_make_a_chance_greater_and_never_smaller() {
        let other = BASE.map(|value| value * 1.02);
        let one = question("total_time_ms", &BASE, &other);
        let same = question("blackout_ms", &BASE, &BASE);
        let alone = answers(&[one])[0];
        let beside = answers(&[one, same, same])[0];
        assert_eq!(alone.measured, beside.measured);
        assert!((beside.p - alone.p * 3.0).abs() < 1e-12);
        let none = question("total_time_ms", &BASE[..2], &other[..2]);
        let answer = answers(&[none])[0];
        assert_eq!(answer.measured, Measured::Nothing);
        assert_eq!(answer.difference, Difference::Unclear);
    }
}
