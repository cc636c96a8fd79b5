//! Which differences are real: of two runs cell by cell, or of the values of an axis of one run.
//!
//! Values of an axis are compared over pairs of repeats that differ in nothing else: the same other settings, the same number.
//! Runs were not interleaved, so theirs are compared unpaired. The p values of all that a report compares in one metric
//! are corrected together (Holm). What is a difference says the one rule in [`crate::judge`].

use super::Source;
use super::label::{self, Axis, quantity};
use super::model::{Best, Comparison, Difference, Range, Verdict};
use super::values::of_cell;
use crate::judge::{Difference as Decided, NoiseFloor, RULE};
use crate::metric::Direction;
use crate::record::{CellRecord, Outcome, Record};
use crate::statistics::{Effect, Interval, Pairing, holm, median};
use crate::terminal::text::clean_short;

/// All comparisons of a report, corrected metric by metric.
pub(super) fn comparisons(sources: &[Source]) -> Vec<Comparison> {
    let mut drafts = match sources {
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
        let asked = drafts.iter_mut().flat_map(|(_, asked)| asked);
        tell(asked.filter(|asked| asked.id == *metric).collect());
    }
    let told = |(mut comparison, asked): (Comparison, Vec<Asked>)| {
        comparison.rows = asked.into_iter().filter_map(|asked| asked.told).collect();
        comparison
    };
    drafts.into_iter().map(told).collect()
}

/// Two sets of values of a metric.
struct Asked {
    id: &'static str,
    base: String,
    candidate: String,
    values: (Vec<f64>, Vec<f64>),
    pairing: Pairing,
    /// How much two measurements of the base differ.
    floor: Option<f64>,
    /// What came of it.
    told: Option<Difference>,
}

impl Asked {
    /// `None` with too few values, or such that have no ratio.
    fn new(
        id: &'static str,
        [base, candidate]: [&str; 2],
        values: (Vec<f64>, Vec<f64>),
        pairing: Pairing,
        floor: Option<f64>,
    ) -> Option<Self> {
        let positive = |values: &[f64]| values.iter().all(|value| *value > 0.0);
        let few = values.0.len().min(values.1.len()) < FEWEST;
        if few || !positive(&values.0) || !positive(&values.1) {
            return None;
        }
        Some(Asked {
            id,
            base: base.to_owned(),
            candidate: candidate.to_owned(),
            values,
            pairing,
            floor,
            told: None,
        })
    }

    fn effect(&self, questions: usize) -> Option<Effect> {
        let (base, candidate) = &self.values;
        RULE.effect(base, candidate, self.pairing, questions)
    }
}

/// Answers questions that belong together.
fn tell(mut asked: Vec<&mut Asked>) {
    let questions = asked.len();
    let effects: Vec<Option<Effect>> = asked.iter().map(|asked| asked.effect(questions)).collect();
    let raw = effects
        .iter()
        .map(|effect| effect.map_or(1.0, |effect| effect.p));
    let adjusted = holm(&raw.collect::<Vec<_>>());
    for ((asked, effect), p) in asked.iter_mut().zip(effects).zip(adjusted) {
        asked.told = effect.map(|effect| difference(asked, &effect, p));
    }
}

/// Every value of an axis against the first one that has results.
fn of_axis(record: &Record, axis: &Axis) -> Option<(Comparison, Vec<Asked>)> {
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
    let rows: Vec<Asked> = METRICS
        .iter()
        .flat_map(|id| others().map(move |value| (value, *id)))
        .filter_map(|(value, id)| on_axis(record, axis, [base, value], id))
        .collect();
    if rows.is_empty() {
        return None;
    }
    let axis_name = label::axis(&axis.key);
    let comparison = Comparison {
        title: format!("{axis_name} against {}", clean_short(base, 60)),
        method: "Ratios over pairs of repeats with the same number that differ in this setting only, with 95 % intervals.".to_owned(),
        rows: Vec::new(),
        best: METRICS
            .iter()
            .filter_map(|id| best(record, axis, base, id))
            .collect(),
    };
    Some((comparison, rows))
}

/// Two values of an axis.
fn on_axis(
    record: &Record,
    axis: &Axis,
    [base, candidate]: [&str; 2],
    id: &'static str,
) -> Option<Asked> {
    let names = [base, candidate].map(|name| clean_short(name, 60));
    let values = pairs(record, axis, [base, candidate], id);
    let floor = floor(record, axis, [base, candidate], id);
    let names = [names[0].as_str(), names[1].as_str()];
    Asked::new(id, names, values, Pairing::Pairs, floor)
}

/// How much two measurements differ of the cells at both values, by the middle one of them: pairs of all of them are compared together.
fn floor(record: &Record, axis: &Axis, values: [&str; 2], id: &str) -> Option<f64> {
    let pairs = cell_pairs(record, axis, values, id);
    let floors: Vec<f64> = pairs
        .iter()
        .filter_map(|(base, other)| floor_of(id, base, other, Pairing::Pairs))
        .collect();
    median(&floors)
}

fn floor_of(id: &str, base: &[f64], candidate: &[f64], pairing: Pairing) -> Option<f64> {
    NoiseFloor::of_repeats().of(id, base, candidate, pairing)
}

fn is_at(cell: &CellRecord, axis: &Axis, value: &str) -> bool {
    label::value(cell, &axis.key).as_deref() == Some(value)
}

/// The values of two points of an axis, pair by pair.
pub(super) fn pairs(
    record: &Record,
    axis: &Axis,
    values: [&str; 2],
    id: &str,
) -> (Vec<f64>, Vec<f64>) {
    let cells = cell_pairs(record, axis, values, id).into_iter();
    cells
        .flat_map(|(bases, candidates)| bases.into_iter().zip(candidates))
        .take(PAIRS)
        .unzip()
}

/// The same, cell by cell.
fn cell_pairs(
    record: &Record,
    axis: &Axis,
    [base, candidate]: [&str; 2],
    id: &str,
) -> Vec<(Vec<f64>, Vec<f64>)> {
    let cells = record.cells.iter().filter(|cell| is_at(cell, axis, base));
    let pairs_of = |cell: &CellRecord| {
        let is_sibling = |other: &&CellRecord| {
            is_at(other, axis, candidate)
                && other.parameters.len() == cell.parameters.len()
                && cell.parameters.iter().all(|(key, value)| {
                    *key == axis.key || other.parameters.get(key) == Some(value)
                })
        };
        let candidates = of_cell(record.cells.iter().find(is_sibling)?, id);
        let pairs = of_cell(cell, id)
            .into_iter()
            .filter_map(|(repeat, base)| Some((base, *candidates.get(&repeat)?)));
        Some(pairs.take(PAIRS).unzip())
    };
    cells.filter_map(pairs_of).collect()
}

/// Cells of the same parameters, or the only ones.
fn of_runs(base: &Record, other: &Record, letter: char) -> (Comparison, Vec<Asked>) {
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
            let name = label::cell(other, cell, &axes);
            let (left, right) = (values(same), values(cell));
            let floor = floor_of(id, &left, &right, Pairing::Independent);
            rows.extend(Asked::new(
                id,
                ["A", &name],
                (left, right),
                Pairing::Independent,
                floor,
            ));
        }
    }
    let method = if rows.is_empty() {
        "There is nothing to compare: no cell of the same parameters has values of six repeats or more in both runs."
    } else {
        "Ratios, cell by cell, with 95 % intervals. The runs were not interleaved: a change of the machine between them is part of the difference."
    };
    let comparison = Comparison {
        title: format!("Run {letter} against run A"),
        method: method.to_owned(),
        rows: Vec::new(),
        best: Vec::new(),
    };
    (comparison, rows)
}

/// The best of an axis's values at a metric: the leader against the base is compared with all others, and keeps the title alone
/// only if it is really better than each. `None` if nobody is better than anybody, or the metric has no good direction.
fn best(record: &Record, axis: &Axis, base: &str, id: &'static str) -> Option<Best> {
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
    let mut compared: Vec<Asked> = others
        .iter()
        .filter_map(|(_, other)| on_axis(record, axis, [leader, other], id))
        .collect();
    tell(compared.iter_mut().collect());
    let compared: Vec<Difference> = compared
        .into_iter()
        .filter_map(|asked| asked.told)
        .collect();
    let worse = |difference: &&Difference| difference.verdict == Verdict::Worse;
    if compared.len() < others.len() || compared.iter().filter(worse).count() == 0 {
        return None;
    }
    let tied = compared.iter().filter(|difference| !worse(difference));
    let mut winners = vec![clean_short(leader, 60)];
    winners.extend(tied.map(|difference| difference.candidate.clone()));
    Some(Best { quantity, winners })
}

/// `p` is adjusted. Which way is better only the metric knows.
fn difference(asked: &Asked, effect: &Effect, p: f64) -> Difference {
    let quantity = quantity(asked.id);
    let Interval { low, high } = effect.interval;
    let verdict = match RULE.above(asked.floor).decide(effect, p) {
        Decided::Unclear => Verdict::Unclear,
        Decided::Same => Verdict::Same,
        Decided::Lower => towards(quantity.direction, true),
        Decided::Higher => towards(quantity.direction, false),
    };
    Difference {
        quantity,
        candidate: asked.candidate.clone(),
        base: asked.base.clone(),
        ratio: effect.ratio,
        interval: Range { low, high },
        pairs: asked.values.0.len().min(asked.values.1.len()),
        p,
        verdict,
    }
}

fn towards(direction: Direction, lower: bool) -> Verdict {
    match (direction, lower) {
        (Direction::Informational, _) => Verdict::Different,
        (Direction::LowerIsBetter, true) | (Direction::HigherIsBetter, false) => Verdict::Better,
        _ => Verdict::Worse,
    }
}

/// What is compared, in this order.
const METRICS: &[&str] = super::values::HEADLINES;
/// With fewer values nothing can be told: five fair coins fall alike in 6 of 100 cases.
const FEWEST: usize = 6;
/// Values of an axis, cells of a run, and values of an arm beyond which a report would take too long.
const VALUES: usize = 12;
const CELLS: usize = 30;
const PAIRS: usize = 200;

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
