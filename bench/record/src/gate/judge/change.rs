//! A metric beside the baseline: regressed, improved, inconclusive or pass.
//!
//! Worse only if it is a difference at all, by the rule that holds everywhere ([`judge::answers`], of all metrics of the cell), and the whole
//! 95 % interval of the ratio is beyond the tolerance. An interval with the tolerance inside does not tell. How much runs of the same differ is
//! in interval and chance, if the baseline is of several. What has no ratio, as the baseline is mostly zero, is judged by its difference.

use super::super::report::{Change, Check, Subject, Verdict};
use super::sample;
use crate::judge::{self, Answer, Difference, Measured, RULE};
use crate::metric::{Direction, Metric};
use crate::statistics::{Between, Effect, Pairing, Shift, median};

/// A metric of a cell, to be compared.
pub(super) struct Question<'a> {
    pub(super) metric: &'static Metric,
    /// How much worse it may get, as a part of the baseline.
    pub(super) tolerance: f64,
    pub(super) base: &'a [f64],
    pub(super) run: &'a [f64],
    /// How much two runs of the same differ, if that is known.
    pub(super) floor: Option<f64>,
    /// How far a run lies from those of the baseline, if that is known.
    pub(super) between: Option<Between>,
    /// The shares of its work that the guest lost in the baseline and in the run, where the metric is one of its operations.
    pub(super) lost: Option<[f64; 2]>,
}

impl Question<'_> {
    /// What is asked of it by the rule of all commands.
    fn asked(&self) -> judge::Question<'_> {
        judge::Question {
            id: self.metric.id,
            base: self.base,
            candidate: self.run,
            pairing: Pairing::Independent,
            floor: self.floor,
            between: self.between,
            lost: self.lost,
        }
    }
}

/// Compares the metrics of one cell.
pub(super) fn judge(cell: &str, questions: &[Question<'_>]) -> Vec<Check> {
    let untold: Vec<Option<(Verdict, String)>> = questions.iter().map(untold).collect();
    let asked = questions.iter().zip(&untold);
    let asked: Vec<judge::Question<'_>> = asked
        .filter(|(_, untold)| untold.is_none())
        .map(|(question, _)| question.asked())
        .collect();
    let mut answers = judge::answers(&asked).into_iter();
    let mut checks = Vec::with_capacity(questions.len());
    for (question, untold) in questions.iter().zip(untold) {
        let id = question.metric.id;
        let answer = match untold {
            Some(_) => None,
            None => answers.next(),
        };
        let (verdict, reason) = match (untold, &answer) {
            (Some(untold), _) => untold,
            (None, Some(answer)) => verdict(question, answer, asked.len()),
            (None, None) => continue,
        };
        let change = answer.and_then(|answer| {
            let effect = answer.measured.effect()?;
            Some(Change {
                ratio: effect.ratio,
                interval: effect.interval,
                p: effect.p,
                p_holm: answer.p,
            })
        });
        checks.push(Check {
            baseline: sample(question.base),
            run: sample(question.run),
            change,
            rule: Some(rule_text(question)),
            noise_floor: Some(question.asked().rule().noise_floor),
            ..Check::new(cell, Subject::Change(id), verdict, reason)
        });
    }
    checks
}

/// The verdict where there is nothing to ask, and why.
fn untold(question: &Question<'_>) -> Option<(Verdict, String)> {
    let (base, run) = (question.base, question.run);
    if same_values(base, run) {
        return Some((
            Verdict::Pass,
            "the same values as in the baseline".to_owned(),
        ));
    }
    let least = base.len().min(run.len());
    if least < REPEATS_MIN {
        let reason = format!(
            "{} here and {} in the baseline: a comparison needs {REPEATS_MIN} on each side",
            completed(run.len()),
            base.len()
        );
        return Some((Verdict::Inconclusive, reason));
    }
    None
}

fn verdict(question: &Question<'_>, answer: &Answer, asked: usize) -> (Verdict, String) {
    match answer.measured {
        Measured::Effect(effect) if is_finite(&effect) => changed(question, &effect, answer, asked),
        Measured::Effect(_) => (
            Verdict::Inconclusive,
            "the values are beyond what can be compared".to_owned(),
        ),
        Measured::Shift(shift) => shifted(question, &shift, answer),
        Measured::Nothing => (
            Verdict::Inconclusive,
            "too few of the values are numbers".to_owned(),
        ),
    }
}

/// What is the same, value by value in whichever order, got no worse, however much it scatters and however few there are.
fn same_values(base: &[f64], run: &[f64]) -> bool {
    let sorted = |values: &[f64]| {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        values
    };
    let (base, run) = (sorted(base), sorted(run));
    let of_one =
        |values: &[f64], value: &f64| values.iter().all(|one| one.total_cmp(value).is_eq());
    // Values that never vary are the same in any number.
    let constant = base.len().min(run.len()) >= REPEATS_MIN
        && base
            .first()
            .is_some_and(|first| of_one(&base, first) && of_one(&run, first));
    constant || (!base.is_empty() && base == run)
}

fn is_sure(answer: &Answer) -> bool {
    matches!(answer.difference, Difference::Lower | Difference::Higher)
}

/// A number that is none is on no side of a bound, which would look like a pass.
fn is_finite(effect: &Effect) -> bool {
    let bounds = [effect.ratio, effect.interval.low, effect.interval.high];
    let sound = |value: &f64| value.is_finite() && *value > 0.0;
    bounds.iter().all(sound) && effect.p.is_finite()
}

/// The verdict on an effect that is finite and positive, the answer to one of `asked` questions.
fn changed(
    question: &Question<'_>,
    effect: &Effect,
    answer: &Answer,
    asked: usize,
) -> (Verdict, String) {
    // As if smaller were better: how many times as bad it got.
    let (low, high, bound) = match question.metric.direction {
        Direction::HigherIsBetter => (
            1.0 / effect.interval.high,
            1.0 / effect.interval.low,
            1.0 / (1.0 - question.tolerance),
        ),
        _ => (
            effect.interval.low,
            effect.interval.high,
            1.0 + question.tolerance,
        ),
    };
    let rule = question.asked().rule();
    let p = answer.p;
    let sure = is_sure(answer);
    let figures = format!(
        "{} ({} to {})",
        change(effect.ratio),
        change(effect.interval.low),
        change(effect.interval.high)
    );
    let tolerance = rule_text(question);
    let turns = match question.between {
        Some(_) => "",
        None => "; not interleaved",
    };
    if low > bound && sure {
        return (
            Verdict::Regressed,
            format!("{figures}, beyond the tolerance {tolerance}{turns}"),
        );
    }
    if high < 1.0 / bound && sure {
        return (
            Verdict::Improved,
            format!("{figures}, better by more than the tolerance {tolerance}{turns}"),
        );
    }
    if low > bound && !rule.is_beyond_noise(effect) {
        let floor = change(1.0 + rule.noise_floor);
        return (
            Verdict::Pass,
            format!("{figures}, no more than the noise floor ({floor})"),
        );
    }
    if low > bound {
        return (
            Verdict::Inconclusive,
            format!(
                "{figures}, beyond the tolerance {tolerance}, but that may be chance (p = {p:.2}): {} repeats or more on each side would tell",
                rule.repeats_needed(asked)
                    .max(question.run.len().min(question.base.len()) + 1)
            ),
        );
    }
    if high > bound {
        let wanted = repeats_wanted(question, (low, high), bound);
        return (
            Verdict::Inconclusive,
            format!("{figures}, with the tolerance {tolerance} inside: {wanted}"),
        );
    }
    (
        Verdict::Pass,
        format!("{figures}, within the tolerance {tolerance}"),
    )
}

/// The verdict on a difference in the metric's own unit. The tolerance is a part of what is usual, and none of nothing.
fn shifted(question: &Question<'_>, shift: &Shift, answer: &Answer) -> (Verdict, String) {
    let (unit, usual) = (
        question.metric.unit,
        median(question.base).unwrap_or(0.0).abs(),
    );
    let resolution = question.metric.resolution(usual);
    let bound = (usual * question.tolerance).max(resolution);
    let (low, high) = match question.metric.direction {
        Direction::HigherIsBetter => (-shift.interval.high, -shift.interval.low),
        _ => (shift.interval.low, shift.interval.high),
    };
    let sure = is_sure(answer);
    let figures = format!(
        "no ratio tells, as it was {}: differs by {} ({})",
        unit.format(median(question.base).unwrap_or(0.0)),
        unit.format(shift.value),
        unit.format_range(shift.interval.low, shift.interval.high)
    );
    let (verdict, words) = if low > bound && sure {
        (Verdict::Regressed, "surely worse")
    } else if high < -bound && sure {
        (Verdict::Improved, "surely better")
    } else if high > bound {
        (
            Verdict::Inconclusive,
            "which may be worse; more repeats would tell",
        )
    } else {
        (Verdict::Pass, "within the tolerance")
    };
    (verdict, format!("{figures}, {words}"))
}

/// How many repeats would leave the tolerance outside of the interval, if the change is what it looks like: an interval shrinks with
/// their root.
fn repeats_wanted(question: &Question<'_>, (low, high): (f64, f64), bound: f64) -> String {
    let have = question.run.len().min(question.base.len());
    if let Some(alone) = RULE.effect(question.base, question.run, Pairing::Independent, 1)
        && question.between.is_some()
        && alone.interval.high.ln() - alone.interval.low.ln() < (high.ln() - low.ln()) * RUNS_DECIDE
    {
        return "runs of the same differ by as much; more of them in the baseline, or newer ones, would tell".to_owned();
    }
    let (width, middle) = (high.ln() - low.ln(), f64::midpoint(high.ln(), low.ln()));
    let distance = (bound.ln() - middle).abs();
    let wanted = (have as f64 * (width / 2.0 / distance).powi(2)).ceil();
    if wanted.is_finite() && wanted <= REPEATS_BEARABLE {
        let wanted = wanted.max(have as f64 + 1.0);
        format!("about {wanted} repeats on each side would tell")
    } else {
        format!("more than {REPEATS_BEARABLE} repeats on each side would tell")
    }
}

fn rule_text(question: &Question<'_>) -> String {
    let sign = match question.metric.direction {
        Direction::HigherIsBetter => '-',
        _ => '+',
    };
    format!("{sign}{} %", short(question.tolerance * 100.0))
}

/// A ratio as a change: `+12 %`, `-3.4 %`, `12×`.
pub(in crate::gate) fn change(ratio: f64) -> String {
    let percent = (ratio - 1.0) * 100.0;
    if percent >= 900.0 {
        return format!("{}×", short(ratio));
    }
    let text = short(percent.abs());
    if text == "0" {
        return "±0 %".to_owned();
    }
    let sign = if percent < 0.0 { '-' } else { '+' };
    format!("{sign}{text} %")
}

/// One decimal below ten, none above; very large ones by their power of ten.
fn short(value: f64) -> String {
    if value >= 1e6 {
        return format!("{value:.0e}");
    }
    let decimals = usize::from(value < 9.95);
    let text = format!("{value:.decimals$}");
    match text.strip_suffix(".0") {
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

fn completed(migrations: usize) -> String {
    match migrations {
        1 => "1 completed migration".to_owned(),
        more => format!("{more} completed migrations"),
    }
}

/// Of fewer values there is no interval.
const REPEATS_MIN: usize = 3;
/// Below, what runs differ by is more of the interval than what repeats do.
const RUNS_DECIDE: f64 = 0.7;
/// More than these are not proposed.
const REPEATS_BEARABLE: f64 = 200.0;

#[cfg(test)]
mod tests;
