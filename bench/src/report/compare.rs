//! Which differences are real: of the values of an axis, of the cells of a run, or of two runs cell by cell.
//!
//! Values of an axis are compared over pairs of repeats that differ in nothing else: the same other settings, the same number.
//! Runs were not interleaved, so theirs are compared unpaired. What is a difference says the one rule in [`crate::judge`], twice: of the two
//! by themselves, as `compare` asks it, and with all that is asked of this run in mind ([`Family`]), as somebody who reads the whole report
//! looks for what stands out. Only what both call a difference is named. What another run beside it shows takes nothing away.

mod arms;

pub(super) use arms::{Standing, standings};

use super::Source;
use super::label::{self, Axis, quantity};
use super::model::{Best, Comparison, Difference, Range, Verdict};
use super::values::of_cell;
use crate::conditions;
use crate::judge::{Difference as Decided, Family, NoiseFloor, RULE};
use crate::metric::Direction;
use crate::record::{CellRecord, Outcome, Record};
use crate::statistics::{Effect, Interval, Pairing, holm, median};
use crate::terminal::text::clean_short;
use arms::{Arms, families, family_p};

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

/// Two sets of values of a metric.
struct Asked {
    id: &'static str,
    base: String,
    candidate: String,
    values: (Vec<f64>, Vec<f64>),
    pairing: Pairing,
    /// How much two measurements of the base differ.
    floor: Option<f64>,
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
        })
    }

    fn effect(&self, questions: usize) -> Option<Effect> {
        let (base, candidate) = &self.values;
        RULE.effect(base, candidate, self.pairing, questions)
    }

    /// Whether the candidate is worse, with the chance of all that is asked of the run, and as one of all metrics of the two.
    fn is_worse(&self, family_p: f64) -> bool {
        let questions = METRICS.len();
        self.effect(questions).is_some_and(|effect| {
            let alone = (effect.p * questions as f64).min(1.0);
            self.verdict(&effect, alone.max(family_p)) == Verdict::Worse
        })
    }

    fn verdict(&self, effect: &Effect, p: f64) -> Verdict {
        let direction = quantity(self.id).direction;
        match RULE.above(self.floor).decide(effect, p) {
            Decided::Unclear => Verdict::Unclear,
            Decided::Same => Verdict::Same,
            Decided::Lower => towards(direction, true),
            Decided::Higher => towards(direction, false),
        }
    }

    /// `alone` is the chance with all metrics of the two in mind, `family_p` with all that is asked of the run.
    fn told(&self, effect: &Effect, alone: f64, family_p: f64) -> Difference {
        let Interval { low, high } = effect.interval;
        let p = alone.max(family_p);
        let by_itself = self.verdict(effect, alone);
        let verdict = match self.verdict(effect, p) {
            Verdict::Unclear if by_itself.is_real() => Verdict::Alone,
            verdict => verdict,
        };
        Difference {
            quantity: quantity(self.id),
            candidate: self.candidate.clone(),
            base: self.base.clone(),
            ratio: effect.ratio,
            interval: Range { low, high },
            pairs: self.values.0.len().min(self.values.1.len()),
            p,
            verdict,
        }
    }
}

/// Answers what is asked of the same two, one question for each metric, with the chances of all that is asked.
fn tell(asked: &[Asked], family_p: impl Fn(&Asked) -> f64) -> Vec<Difference> {
    let effects: Vec<Option<Effect>> = asked.iter().map(|a| a.effect(asked.len())).collect();
    let raw = effects
        .iter()
        .map(|effect| effect.map_or(1.0, |effect| effect.p));
    let alone = holm(&raw.collect::<Vec<_>>());
    let told = asked.iter().zip(effects).zip(alone);
    told.filter_map(|((asked, effect), alone)| Some(asked.told(&effect?, alone, family_p(asked))))
        .collect()
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
        let cells = record
            .cells
            .iter()
            .filter(|cell| conditions::as_asked(cell));
        cells.filter(|cell| is_at(cell, axis, value)).collect()
    };
    let has_results = |value: &&String| {
        let cells = cells_at(value);
        cells
            .iter()
            .any(|cell| cell.outcomes().contains_key(&Outcome::Completed))
    };
    let names: Vec<String> = axis
        .values
        .iter()
        .filter(has_results)
        .take(VALUES)
        .cloned()
        .collect();
    let arms = Arms {
        cells: names.iter().map(cells_at).collect(),
        names,
    };
    let (base, others) = arms.names.split_first()?;
    let family = arms.family(Some(axis));
    let mut rows = Vec::new();
    for (other, value) in (1..).zip(others) {
        let asked: Vec<Asked> = METRICS
            .iter()
            .filter_map(|id| on_axis(record, axis, [base, value], id))
            .collect();
        rows.extend(tell(&asked, |asked| {
            family_p(&family, families, asked.id, 0, other)
        }));
    }
    if rows.is_empty() {
        return None;
    }
    let order = |row: &Difference| METRICS.iter().position(|id| *id == row.quantity.id);
    rows.sort_by_key(order);
    let shares =
        (0..arms.names.len()).map(|arm| (clean_short(&arms.names[arm], 60), arms.tried(arm)));
    Some(Comparison {
        run: None,
        axis: axis.key.clone(),
        title: format!("{} against {}", label::axis(&axis.key), clean_short(base, 60)),
        method: "Ratios over pairs of repeats with the same number that differ in this setting only, with 95 % intervals. A difference is named if chance shows one as clear in 1 of 100 such reports, all of it counted.".to_owned(),
        rows,
        best: METRICS
            .iter()
            .filter_map(|id| best(record, axis, &arms, (&family, families), id))
            .collect(),
        partly: shares.filter(|(_, tried)| tried[1] > 0).collect(),
    })
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
fn pairs(record: &Record, axis: &Axis, values: [&str; 2], id: &str) -> (Vec<f64>, Vec<f64>) {
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
    let ranked = || {
        record
            .cells
            .iter()
            .filter(|cell| conditions::as_asked(cell))
    };
    let cells = ranked().filter(|cell| is_at(cell, axis, base));
    let pairs_of = |cell: &CellRecord| {
        let is_sibling = |other: &&CellRecord| {
            is_at(other, axis, candidate)
                && other.parameters.len() == cell.parameters.len()
                && cell.parameters.iter().all(|(key, value)| {
                    *key == axis.key || other.parameters.get(key) == Some(value)
                })
        };
        let candidates = of_cell(ranked().find(is_sibling)?, id);
        let pairs = of_cell(cell, id)
            .into_iter()
            .filter_map(|(repeat, base)| Some((base, *candidates.get(&repeat)?)));
        Some(pairs.take(PAIRS).unzip())
    };
    cells.filter_map(pairs_of).collect()
}

/// Cells of the same parameters, or the only ones.
fn of_runs(base: &Record, other: &Record, letter: char) -> Comparison {
    let only = base.cells.len() == 1 && other.cells.len() == 1;
    let axes = label::axes(other);
    let mut asked: Vec<Vec<Asked>> = Vec::new();
    for cell in other.cells.iter().take(CELLS) {
        let mut same = base.cells.iter();
        let same = same.find(|b| only || b.parameters == cell.parameters);
        let Some(same) = same.filter(|same| conditions::are_same(same, cell)) else {
            continue;
        };
        let name = label::cell(other, cell, &axes);
        let in_metric = |&id: &&'static str| {
            let values =
                |cell| -> Vec<f64> { of_cell(cell, id).into_values().take(PAIRS).collect() };
            let values = (values(same), values(cell));
            let floor = floor_of(id, &values.0, &values.1, Pairing::Independent);
            Asked::new(id, ["A", &name], values, Pairing::Independent, floor)
        };
        asked.push(METRICS.iter().filter_map(in_metric).collect());
    }
    let rows = of_cells(&asked);
    let mut method = if rows.is_empty() {
        "There is nothing to compare: no cell of the same parameters has values of six repeats or more in both runs."
    } else {
        "Ratios, cell by cell, with 95 % intervals. The runs were not interleaved: a change of the machine between them is part of the difference."
    }
    .to_owned();
    if base.scenario.sha256 != other.scenario.sha256 {
        method += " The scenarios are not the same: what they ask differently is part of it, too.";
    }
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

/// Answers about pairs of cells: each by itself, and all of them together.
fn of_cells(asked: &[Vec<Asked>]) -> Vec<Difference> {
    let raw = asked.iter().flat_map(|asked| {
        let effects = asked.iter().map(move |one| one.effect(asked.len()));
        effects.map(|effect| effect.map_or(1.0, |effect| effect.p))
    });
    let together = holm(&raw.collect::<Vec<_>>());
    let mut rows = Vec::new();
    let mut first = 0;
    for asked in asked {
        let place = |one: &Asked| asked.iter().position(|other| other.id == one.id);
        let chance = |one: &Asked| place(one).map_or(1.0, |place| together[first + place]);
        rows.extend(tell(asked, chance));
        first += asked.len();
    }
    rows
}

/// The best of an axis's values at a metric: the leader against the base is compared with all others, and keeps the title alone
/// only if it is really better than each. `None` if nobody is better than anybody, if the metric has no good direction, or if one of them
/// completes less often than others: who gives up on what is hard is quick at the rest.
fn best(
    record: &Record,
    axis: &Axis,
    arms: &Arms<'_>,
    (family, families): (&Family, usize),
    id: &'static str,
) -> Option<Best> {
    let sign = sign(id)?;
    let base = arms.names.first()?;
    let ratio_to_base = |value: &String| {
        if value == base {
            return Some(1.0);
        }
        let (bases, values) = pairs(record, axis, [base, value], id);
        let ratios = bases.iter().zip(&values).map(|(base, value)| value / base);
        let ratios: Vec<f64> = ratios.filter(|ratio| ratio.is_finite()).collect();
        (ratios.len() >= FEWEST).then(|| median(&ratios)).flatten()
    };
    let values = arms.names.iter();
    let mut values: Vec<(f64, &String)> = values
        .filter_map(|value| Some((sign * ratio_to_base(value)?, value)))
        .collect();
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let ((_, leader), others) = values.split_first()?;
    let mut winners = vec![*leader];
    let mut worse = 0;
    for (_, other) in others {
        let asked = on_axis(record, axis, [leader, other], id)?;
        let (one, two) = (arms.place(leader)?, arms.place(other)?);
        if asked.is_worse(family_p(family, families, id, one, two)) {
            worse += 1;
        } else {
            winners.push(other);
        }
    }
    let gives_up = |name: &&String| arms.place(name).is_none_or(|arm| arms.completes_less(arm));
    if worse == 0 || winners.iter().any(gives_up) {
        return None;
    }
    Some(Best {
        quantity: quantity(id),
        winners: winners.iter().map(|name| clean_short(name, 60)).collect(),
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
const STARRED: usize = 24;
const CELLS: usize = 30;
const PAIRS: usize = 200;

#[cfg(test)]
mod tests;
