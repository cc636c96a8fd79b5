//! Which differences are real: of the values of an axis, of the cells of a run, or of two runs cell by cell.
//!
//! What a difference is says `compare`, of the same cells in the same words: a report asks it, and repeats its answer. What a report *names*
//! besides, in a sentence, by a colour or by a star, also has to stand out of all that is asked: of a run, of all its axes, cells and metrics
//! ([`Family`](lmbench_record::judge::Family)); of two runs, of all their cells and metrics. So 1 of 100 runs in which nothing differs has anything named,
//! and so has 1 of 100 comparisons with another run. A run is asked by itself: what stands beside it in a report adds nothing to it and takes
//! nothing away.

mod arms;

use lmbench_record::compare::{self, Choice, MetricComparison, Options, Side};
use lmbench_record::conditions;
use lmbench_record::judge::RULE;
use lmbench_record::metric::Direction;
use lmbench_record::record::{CellRecord, Outcome, Record};
use lmbench_record::statistics::{Interval, holm};

pub(super) use arms::{STARRED, Standing, standings};

use super::Source;
use super::label::{self, Axis, quantity};
use super::model::{Best, Comparison, Difference, Range};
use super::values::is_succeeded;
use crate::terminal::text::clean_short;
use arms::{Arms, families};

/// All comparisons of a report: of each run's axes, then of the runs with the first.
pub(super) fn comparisons(sources: &[Source]) -> Vec<Comparison> {
    let mut comparisons = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        for mut comparison in of_axes(&source.record) {
            if sources.len() > 1 {
                comparison.run = Some(super::letter(index));
                comparison.title = format!("Run {}: {}", super::letter(index), comparison.title);
            }
            comparisons.push(comparison);
        }
    }
    if let [base, others @ ..] = sources {
        let letters = (1..).map(super::letter);
        let runs = others.iter().zip(letters);
        comparisons
            .extend(runs.map(|(other, letter)| of_runs(&base.record, &other.record, letter)));
    }
    comparisons
}

/// What `compare` says of a headline metric, as a row; `None` with too few values, or such that have no ratio.
fn row(
    told: &MetricComparison,
    all: &[MetricComparison],
    [base, candidate]: [&str; 2],
    stands_out: bool,
) -> Option<Difference> {
    let effect = told.effect.filter(|_| values(told) >= FEWEST)?;
    let id = METRICS.iter().find(|id| **id == told.id)?;
    if is_succeeded(id, |newer| all.iter().any(|told| told.id == newer)) {
        return None;
    }
    let Interval { low, high } = effect.interval;
    let verdict = told.verdict?;
    let questions = all.iter().filter(|told| told.verdict.is_some()).count();
    let (one, other) = match effect.pairs {
        0 => (told.base.n, told.candidate.n),
        pairs => (pairs, pairs),
    };
    let tells = RULE.can_tell(one, other, questions);
    Some(Difference {
        quantity: quantity(id),
        candidate: candidate.to_owned(),
        base: base.to_owned(),
        ratio: effect.ratio,
        interval: Range { low, high },
        pairs: values(told),
        needed: (!tells).then(|| RULE.repeats_needed(questions)),
        p: told.adjusted_p?,
        verdict,
        stands_out: stands_out && verdict.is_difference(),
    })
}

/// Pairs, or the smaller number of values.
fn values(told: &MetricComparison) -> usize {
    let pairs = told.effect.map_or(0, |effect| effect.pairs);
    match pairs {
        0 => told.base.n.min(told.candidate.n),
        pairs => pairs,
    }
}

/// Of all axes of a run.
fn of_axes(record: &Record) -> Vec<Comparison> {
    let families = families(record);
    let axes = label::axes(record);
    axes.iter()
        .filter_map(|axis| of_axis(record, axis, families))
        .collect()
}

/// Every value of an axis against the first one that has results.
fn of_axis(record: &Record, axis: &Axis, families: usize) -> Option<Comparison> {
    let cells_at = |value: &String| -> Vec<&CellRecord> {
        let cells = record.cells.iter();
        let cells = cells.filter(|cell| conditions::as_asked(cell));
        let is_at =
            |cell: &&CellRecord| label::value(cell, &axis.key).as_deref() == Some(value.as_str());
        cells.filter(is_at).collect()
    };
    let has_results = |value: &&String| {
        let cells = cells_at(value);
        cells
            .iter()
            .any(|cell| cell.outcomes().contains_key(&Outcome::Completed))
    };
    let names: Vec<&String> = axis.values.iter().filter(has_results).collect();
    let left_out = names.len().saturating_sub(VALUES);
    let names: Vec<&String> = names.into_iter().take(VALUES).collect();
    let cells = names.iter().map(|name| cells_at(name)).collect();
    let names = names.iter().map(|name| clean_short(name, 60)).collect();
    let arms = Arms::new(names, cells, Some(axis), families);
    let (base, others) = arms.names.split_first()?;
    let mut rows = Vec::new();
    for (other, name) in (1..).zip(others) {
        let all = arms.compared(0, other);
        rows.extend(all.iter().filter_map(|told| {
            let stands_out = arms.stands_out(&told.id, 0, other);
            row(told, &all, [base, name], stands_out)
        }));
    }
    if rows.is_empty() {
        return None;
    }
    rows.sort_by_key(place);
    let shares = (0..arms.names.len()).map(|arm| (arms.names[arm].clone(), arms.tried(arm)));
    let partly = shares.filter(|(_, tried)| tried[1] > 0).collect();
    let left_out = match left_out {
        0 => String::new(),
        more => format!(" The first {VALUES} values are compared, and {more} more are not."),
    };
    Some(Comparison {
        run: None,
        axis: axis.key.clone(),
        title: format!("{} against {base}", label::axis(&axis.key)),
        method: format!(
            "Ratios of repeats that differ in this setting only, with 95 % intervals and the verdicts of `lmbench compare`. {NAMED} Other runs in this report change nothing in it.{left_out}"
        ),
        rows,
        best: METRICS.iter().filter_map(|id| best(&arms, id)).collect(),
        partly,
    })
}

fn place(row: &Difference) -> Option<usize> {
    METRICS.iter().position(|id| *id == row.quantity.id)
}

/// Cells of the same parameters, or the only ones.
fn of_runs(base: &Record, other: &Record, letter: char) -> Comparison {
    let all = Choice::all();
    let side = |record| Side {
        record,
        choice: &all,
    };
    let found = compare::compare(side(base), side(other), &Options::default());
    let cells = found.map_or(Vec::new(), |found| found.cells);
    let axes = label::axes(other);
    let (mut rows, mut raw) = (Vec::new(), Vec::new());
    for cell in &cells {
        let Some(record) = other.cells.iter().find(|known| known.id == cell.candidate) else {
            continue;
        };
        let name = label::cell(other, record, &axes);
        for told in &cell.metrics {
            if let Some(row) = row(told, &cell.metrics, ["A", &name], true) {
                raw.push(told.effect.map_or(1.0, |effect| effect.p));
                rows.push(row);
            }
        }
    }
    for (row, p) in rows.iter_mut().zip(holm(&raw)) {
        row.stands_out &= p <= RULE.alpha;
    }
    let mut method = match rows.len() {
        0 => "There is nothing to compare: no cell of the same parameters has values of six repeats or more in both runs.".to_owned(),
        _ => format!("Ratios, cell by cell, with 95 % intervals and the verdicts of `lmbench compare`. {NAMED} Not interleaved; {}.", compare::ASSUMED),
    };
    if base.scenario.sha256 != other.scenario.sha256 {
        method += " The scenarios are not the same: what they ask differently is part of it, too.";
    }
    if let Some(more) = rows.len().checked_sub(ROWS).filter(|more| *more > 0) {
        method = format!("{method} The first {ROWS} ratios are shown, and {more} more are not.");
    }
    rows.truncate(ROWS);
    Comparison {
        run: Some(letter),
        axis: String::new(),
        title: format!("Run {letter} against run A"),
        method,
        rows,
        best: Vec::new(),
        partly: Vec::new(),
    }
}

/// The best of an axis's values at a metric: the leader against the base is compared with all others, and keeps the title alone
/// only if it is really better than each. `None` if nobody is better than anybody, if the metric has no good direction, or if one of them
/// completes less often than others: who gives up on what is hard is quick at the rest.
fn best(arms: &Arms<'_>, id: &'static str) -> Option<Best> {
    let sign = sign(id)?;
    let ratio_to_base = |arm: usize| {
        if arm == 0 {
            return Some(1.0);
        }
        let told = arms.told(id, 0, arm)?;
        let effect = told.effect.filter(|_| values(&told) >= FEWEST)?;
        Some(effect.ratio)
    };
    let ratios = (0..arms.names.len()).filter_map(|arm| Some((sign * ratio_to_base(arm)?, arm)));
    let mut ranked: Vec<(f64, usize)> = ratios.collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let ((_, leader), others) = ranked.split_first()?;
    let is_worse = |(_, other): &&(f64, usize)| arms.is_worse(id, *leader, *other);
    let (worse, level): (Vec<&_>, Vec<&_>) = others.iter().partition(is_worse);
    let mut winners = vec![*leader];
    winners.extend(level.into_iter().map(|(_, arm)| *arm));
    if worse.is_empty() || winners.iter().any(|arm| arms.completes_less(*arm)) {
        return None;
    }
    Some(Best {
        quantity: quantity(id),
        winners: winners.iter().map(|arm| arms.names[*arm].clone()).collect(),
    })
}

/// Which way values are sorted, so that the best comes first; `None` where nothing is better.
fn sign(id: &str) -> Option<f64> {
    match quantity(id).direction {
        Direction::LowerIsBetter => Some(1.0),
        Direction::HigherIsBetter => Some(-1.0),
        Direction::Informational => None,
    }
}

/// What is compared, in this order.
const METRICS: &[&str] = super::values::HEADLINES;
/// With fewer values nothing can be told: five fair coins fall alike in 6 of 100 cases.
const FEWEST: usize = 6;
/// Values of an axis beyond which a report would take too long, and rows that nobody reads to their end.
const VALUES: usize = 12;
const ROWS: usize = 400;
const NAMED: &str = "A difference is named above if chance shows one as clear anywhere among all that is asked here in 1 of 100 cases; others are told as if they were asked alone.";

#[cfg(test)]
mod tests;
