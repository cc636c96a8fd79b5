//! Which differences are real: of two runs cell by cell, or of the values of an axis of one run.
//!
//! Values of an axis are compared over pairs of repeats that differ in nothing else: the same other settings, the same number.
//! Runs were not interleaved, so theirs are compared unpaired. The p values of all that a report compares in one metric
//! are corrected together (Holm).

use super::Source;
use super::label::{self, Axis, quantity};
use super::model::{Best, Comparison, Difference, Range, Verdict};
use super::values::of_cell;
use crate::metric::Direction;
use crate::record::{CellRecord, Outcome, Record};
use crate::statistics::{
    Difference as Decided, Effect, Interval, Pairing, Rule, effect, holm, median,
};
use crate::terminal::text::clean_short;

/// All comparisons of a report, corrected metric by metric.
pub(super) fn comparisons(sources: &[Source]) -> Vec<Comparison> {
    let mut comparisons = match sources {
        [] => Vec::new(),
        [only] => label::axes(&only.record)
            .iter()
            .filter_map(|axis| of_axis(&only.record, axis))
            .collect(),
        [base, others @ ..] => others
            .iter()
            .enumerate()
            .map(|(index, other)| of_runs(&base.record, &other.record, super::letter(index + 1)))
            .collect(),
    };
    for metric in METRICS {
        let mut asked: Vec<&mut Difference> = comparisons
            .iter_mut()
            .flat_map(|comparison| &mut comparison.rows)
            .filter(|row| row.quantity.id == *metric)
            .collect();
        let raw: Vec<f64> = asked.iter().map(|difference| difference.p).collect();
        for (difference, p) in asked.iter_mut().zip(holm(&raw)) {
            difference.p = p;
            difference.verdict = verdict(difference);
        }
    }
    comparisons
}

/// Every value of an axis against the first one that has results.
fn of_axis(record: &Record, axis: &Axis) -> Option<Comparison> {
    let has_results = |value: &&String| {
        record.cells.iter().any(|cell| {
            is_at(cell, axis, value) && cell.outcomes().contains_key(&Outcome::Completed)
        })
    };
    let base = axis.values.iter().find(has_results)?;
    let others = || {
        axis.values
            .iter()
            .filter(|value| *value != base)
            .take(VALUES)
    };
    let rows: Vec<Difference> = METRICS
        .iter()
        .flat_map(|id| others().map(move |value| (value, *id)))
        .filter_map(|(value, id)| {
            let (bases, candidates) = pairs(record, axis, [base, value], id);
            let names = [base, value].map(|name| clean_short(name, 60));
            difference(id, names, (&bases, &candidates), Pairing::Pairs)
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    let axis_name = label::axis(&axis.key);
    Some(Comparison {
        title: format!("{axis_name} against {}", clean_short(base, 60)),
        method: "Ratios over pairs of repeats with the same number that differ in this setting only, with 95 % intervals.".to_owned(),
        rows,
        best: METRICS
            .iter()
            .filter_map(|id| best(record, axis, base, id))
            .collect(),
    })
}

fn is_at(cell: &CellRecord, axis: &Axis, value: &str) -> bool {
    label::value(cell, &axis.key).as_deref() == Some(value)
}

/// The values of two points of an axis, pair by pair.
pub(super) fn pairs(
    record: &Record,
    axis: &Axis,
    [base, candidate]: [&str; 2],
    id: &str,
) -> (Vec<f64>, Vec<f64>) {
    let mut pairs = (Vec::new(), Vec::new());
    for cell in record.cells.iter().filter(|cell| is_at(cell, axis, base)) {
        let is_sibling = |other: &&CellRecord| {
            is_at(other, axis, candidate)
                && other.parameters.len() == cell.parameters.len()
                && cell.parameters.iter().all(|(key, value)| {
                    *key == axis.key || other.parameters.get(key) == Some(value)
                })
        };
        let Some(sibling) = record.cells.iter().find(is_sibling) else {
            continue;
        };
        let candidates = of_cell(sibling, id);
        for (repeat, base) in of_cell(cell, id) {
            if let Some(candidate) = candidates.get(&repeat)
                && pairs.0.len() < PAIRS
            {
                pairs.0.push(base);
                pairs.1.push(*candidate);
            }
        }
    }
    pairs
}

/// Cells of the same parameters, or the only ones.
fn of_runs(base: &Record, other: &Record, letter: char) -> Comparison {
    let only = base.cells.len() == 1 && other.cells.len() == 1;
    let axes = label::axes(other);
    let mut rows = Vec::new();
    for cell in other.cells.iter().take(CELLS) {
        let mut same = base.cells.iter();
        let Some(same) = same.find(|b| only || b.parameters == cell.parameters) else {
            continue;
        };
        for id in METRICS {
            let values =
                |cell| -> Vec<f64> { of_cell(cell, id).into_values().take(PAIRS).collect() };
            let names = ["A".to_owned(), label::cell(other, cell, &axes)];
            rows.extend(difference(
                id,
                names,
                (&values(same), &values(cell)),
                Pairing::Independent,
            ));
        }
    }
    let method = if rows.is_empty() {
        "There is nothing to compare: no cell of the same parameters has values of six repeats or more in both runs."
    } else {
        "Ratios of medians, cell by cell, with 95 % intervals. The runs were not interleaved: a change of the machine between them is part of the difference."
    };
    Comparison {
        title: format!("Run {letter} against run A"),
        method: method.to_owned(),
        rows,
        best: Vec::new(),
    }
}

/// The best of an axis's values at a metric: the leader against the base is compared with all others, and keeps the title alone
/// only if it is really better than each. `None` if nobody is better than anybody, or the metric has no good direction.
fn best(record: &Record, axis: &Axis, base: &str, id: &str) -> Option<Best> {
    let ratio_to_base = |value: &String| {
        if value == base {
            return Some(1.0);
        }
        let (bases, values) = pairs(record, axis, [base, value], id);
        let ratios = bases.iter().zip(&values).map(|(base, value)| value / base);
        let ratios: Vec<f64> = ratios.filter(|ratio| ratio.is_finite()).collect();
        (ratios.len() >= FEWEST).then(|| median(&ratios)).flatten()
    };
    let quantity = quantity(id);
    let sign = match quantity.direction {
        Direction::LowerIsBetter => 1.0,
        Direction::HigherIsBetter => -1.0,
        Direction::Informational => return None,
    };
    let mut values: Vec<(f64, &String)> = axis
        .values
        .iter()
        .take(VALUES)
        .filter_map(|value| Some((sign * ratio_to_base(value)?, value)))
        .collect();
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let ((_, leader), others) = values.split_first()?;
    let mut compared: Vec<Difference> = others
        .iter()
        .filter_map(|(_, other)| {
            let (leaders, others) = pairs(record, axis, [leader, other], id);
            let names = [leader, other].map(|name| clean_short(name, 60));
            difference(id, names, (&leaders, &others), Pairing::Pairs)
        })
        .collect();
    let raw: Vec<f64> = compared.iter().map(|difference| difference.p).collect();
    for (difference, p) in compared.iter_mut().zip(holm(&raw)) {
        difference.p = p;
        difference.verdict = verdict(difference);
    }
    let worse = |difference: &&Difference| difference.verdict == Verdict::Worse;
    if compared.len() < others.len() || compared.iter().filter(worse).count() == 0 {
        return None;
    }
    let tied = compared.iter().filter(|difference| !worse(difference));
    let mut winners = vec![clean_short(leader, 60)];
    winners.extend(tied.map(|difference| difference.candidate.clone()));
    Some(Best { quantity, winners })
}

/// `None` with too few values, or such that have no ratio.
fn difference(
    id: &str,
    [base, candidate]: [String; 2],
    (bases, candidates): (&[f64], &[f64]),
    pairing: Pairing,
) -> Option<Difference> {
    let positive = |values: &[f64]| values.iter().all(|value| *value > 0.0);
    let few = bases.len().min(candidates.len()) < FEWEST;
    if few || !positive(bases) || !positive(candidates) {
        return None;
    }
    let effect = effect(bases, candidates, pairing, SEED)?;
    Some(Difference {
        quantity: quantity(id),
        candidate,
        base,
        ratio: effect.ratio,
        interval: Range {
            low: effect.interval.low,
            high: effect.interval.high,
        },
        pairs: bases.len().min(candidates.len()),
        p: effect.p,
        verdict: Verdict::Unclear,
    })
}

/// Which way is better only the metric knows.
fn verdict(difference: &Difference) -> Verdict {
    let effect = Effect {
        ratio: difference.ratio,
        interval: Interval {
            low: difference.interval.low,
            high: difference.interval.high,
        },
        pairs: difference.pairs,
        p: difference.p,
    };
    let lower = match RULE.decide(&effect, difference.p) {
        Decided::Unclear => return Verdict::Unclear,
        Decided::Same => return Verdict::Same,
        Decided::Lower => true,
        Decided::Higher => false,
    };
    match (difference.quantity.direction, lower) {
        (Direction::Informational, _) => Verdict::Different,
        (Direction::LowerIsBetter, true) | (Direction::HigherIsBetter, false) => Verdict::Better,
        _ => Verdict::Worse,
    }
}

/// What is compared, in this order.
const METRICS: &[&str] = super::values::HEADLINES;
/// With fewer values nothing can be told: five fair coins fall alike in 6 of 100 cases.
const FEWEST: usize = 6;
/// Below 2 % a difference is none, whatever the statistics say; within 5 % things are called the same.
const RULE: Rule = Rule {
    alpha: 0.05,
    noise_floor: 0.02,
    margin: 0.05,
};
/// Values of an axis, cells of a run, and values of an arm beyond which a report would take too long.
const VALUES: usize = 12;
const CELLS: usize = 30;
const PAIRS: usize = 200;
/// Of the bootstrap: the same record gives the same intervals.
const SEED: u64 = 1;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::record::{Repeat, example};

    /// Three carriers of eight repeats: tcp takes as long as native-tcp, give or take, and ssh half as long again.
    fn record() -> Record {
        let mut record = example::empty("compare", 8, 3);
        for repeat in 1..=8_u32 {
            let noise = 1.0 + f64::from(repeat * 37 % 11) / 500.0;
            let wobble = if repeat % 2 == 0 { 1.01 } else { 0.99 };
            for (cell, ms) in [(0, 1000.0), (1, 1000.0 * wobble), (2, 1500.0)] {
                let metrics = BTreeMap::from([("total_time_ms".to_owned(), ms * noise)]);
                record.push(cell, Repeat::completed(repeat, 0.0, metrics));
            }
        }
        record
    }

    fn verdicts(comparison: &Comparison) -> Vec<(String, Verdict)> {
        let rows = comparison.rows.iter();
        rows.map(|row| (row.candidate.clone(), row.verdict))
            .collect()
    }

    #[test]
    fn noise_is_no_difference_and_half_as_long_again_is_one() {
        let comparisons = comparisons(&[Source::without_samples(record())]);
        let expected = [
            ("tcp".to_owned(), Verdict::Same),
            ("ssh".to_owned(), Verdict::Worse),
        ];
        assert_eq!(verdicts(&comparisons[0]), expected);
        assert!((comparisons[0].rows[1].ratio - 1.5).abs() < 0.01);
    }

    #[test]
    fn a_run_is_not_different_from_itself() {
        let twice = [record(), record()].map(Source::without_samples);
        let comparisons = comparisons(&twice);
        assert_eq!(comparisons[0].rows.len(), 3);
        assert!(
            comparisons[0]
                .rows
                .iter()
                .all(|row| matches!(row.verdict, Verdict::Unclear | Verdict::Same))
        );
    }

    #[test]
    fn five_repeats_say_nothing() {
        let mut record = record();
        for cell in &mut record.cells {
            cell.repeats.truncate(5);
        }
        assert!(comparisons(&[Source::without_samples(record)]).is_empty());
    }
}
