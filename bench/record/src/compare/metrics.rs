//! The metrics of two cells, one by one.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::conditions;
use crate::judge::{NoiseFloor, Question, Verdict, WORK_LOST, answers, is_of_operations};
use crate::metric::{ALL, Direction, Metric, Topic, Unit, metric};
use crate::record::CellRecord;
use crate::statistics::{
    Between, Effect, Interval, Pairing, Shift, mad, median, median_interval, outliers,
};

/// What a metric is good for in a comparison; better first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Counts and CPU time per byte, which repeat themselves nearly exactly and see what a busy machine hides.
    Proxy,
    /// Times and speeds by the wall clock, and what the guest felt: what matters, and what noise reaches.
    Wall,
    /// It has no better and no worse, or is a part of another: it explains, and is not asked.
    Explains,
}

/// A metric in both cells.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricComparison {
    /// Its id.
    pub id: String,
    /// Unit of the values.
    pub unit: &'static str,
    /// What it is good for.
    pub kind: Kind,
    /// The base's values.
    pub base: Values,
    /// The candidate's.
    pub candidate: Values,
    /// Candidate over base; absent where no ratio tells, as of a base that is mostly zero, or with fewer than three values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// Candidate minus base, in `unit`, where no ratio tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Shift>,
    /// The chance of such values for no reason, with all questions counted; absent where nothing is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adjusted_p: Option<f64>,
    /// Up to which share two measurements of the same differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise_floor: Option<f64>,
    /// What that means; absent where nothing is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

/// A metric's values in a cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Values {
    /// How many.
    pub n: usize,
    /// Their median.
    pub median: f64,
    /// Its 95 % interval; absent with too few values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ci95: Option<Interval>,
    /// Their median absolute deviation.
    pub mad: f64,
    /// How many of them are outliers; they count as all others.
    pub outliers: usize,
}

/// A metric that is looked at.
pub(super) struct Asked {
    pub(super) id: String,
    pub(super) kind: Kind,
}

/// The metrics of two cells.
pub(super) struct AskedMetrics {
    pub(super) both: Vec<Asked>,
    pub(super) only_base: Vec<String>,
    pub(super) only_candidate: Vec<String>,
}

impl AskedMetrics {
    /// How many have a better and a worse.
    pub(super) fn questions(&self) -> usize {
        let both = self.both.iter();
        both.filter(|asked| asked.kind != Kind::Explains).count()
    }
}

/// Cells of the base with their partners.
pub(super) type Cells<'a> = [(&'a CellRecord, &'a CellRecord)];

/// Which metrics are looked at, in the order of reports; `chosen` is empty for all.
pub(super) fn asked(cells: &Cells<'_>, chosen: &[String]) -> AskedMetrics {
    let one: BTreeSet<&str> = cells.iter().flat_map(|(base, _)| ids(base)).collect();
    let other: BTreeSet<&str> = cells.iter().flat_map(|(_, other)| ids(other)).collect();
    let is_chosen = |id: &str| chosen.is_empty() || chosen.iter().any(|chosen| chosen == id);
    let only = |has: &BTreeSet<&str>, lacks: &BTreeSet<&str>| -> Vec<String> {
        has.difference(lacks)
            .filter(|id| is_chosen(id) && metric(id).is_none_or(|metric| !metric.detail))
            .map(|id| (*id).to_owned())
            .collect()
    };
    let mut both: Vec<Asked> = one
        .intersection(&other)
        .filter(|id| is_chosen(id))
        .map(|id| Asked {
            id: (*id).to_owned(),
            kind: metric(id).map_or(Kind::Explains, |metric| kind(metric, !chosen.is_empty())),
        })
        .collect();
    let place = |id: &str| {
        ALL.iter()
            .position(|metric| metric.id == id)
            .unwrap_or(ALL.len())
    };
    both.sort_by_key(|asked| (asked.kind, place(&asked.id)));
    AskedMetrics {
        both,
        only_base: only(&one, &other),
        only_candidate: only(&other, &one),
    }
}

fn ids(cell: &CellRecord) -> BTreeSet<&str> {
    cell.completed()
        .flat_map(|repeat| repeat.metrics.iter())
        .filter(|(_, value)| value.is_finite())
        .map(|(id, _)| id.as_str())
        .collect()
}

fn kind(metric: &Metric, is_chosen: bool) -> Kind {
    if metric.direction == Direction::Informational || metric.detail && !is_chosen {
        return Kind::Explains;
    }
    let counts = matches!(
        metric.unit,
        // Seconds of a processor, by the topic.
        Unit::Byte | Unit::Second | Unit::SecondPerGib | Unit::CountPerGib | Unit::Ratio
    );
    if counts && matches!(metric.topic, Topic::Transfer | Topic::Processor) {
        Kind::Proxy
    } else {
        Kind::Wall
    }
}

/// How many repeats of the same number completed in both.
pub(super) fn pairs(base: &CellRecord, candidate: &CellRecord) -> usize {
    let numbers: BTreeSet<u32> = base.completed().map(|repeat| repeat.repeat).collect();
    candidate
        .completed()
        .filter(|repeat| numbers.contains(&repeat.repeat))
        .count()
}

/// How the metrics of two cells are compared.
pub(super) struct Method<'a> {
    pub(super) pairing: Pairing,
    pub(super) noise: &'a NoiseFloor,
    /// If the cells are of two runs, the candidate's.
    pub(super) other_run: Option<OtherRun>,
}

/// The candidate's run, where it isn't the base's.
#[derive(Debug, Clone, Copy)]
pub(super) struct OtherRun {
    /// When it began, in days; none if its record doesn't say.
    pub(super) day: Option<f64>,
}

/// The values of a metric: all of both, and those that are compared.
struct Sides {
    all: [Vec<f64>; 2],
    compared: [Vec<f64>; 2],
    floor: Option<f64>,
    between: Option<Between>,
    lost: Option<[f64; 2]>,
}

pub(super) fn compared(
    cells: &Cells<'_>,
    asked: &[Asked],
    method: &Method<'_>,
) -> Vec<MetricComparison> {
    let sides: Vec<Sides> = asked.iter().map(|a| sides(cells, &a.id, method)).collect();
    let question = |(asked, sides)| question(asked, sides, method.pairing);
    let questions: Vec<Question<'_>> = asked.iter().zip(&sides).map(question).collect();
    let are_same = cells
        .iter()
        .all(|(base, candidate)| conditions::are_same(base, candidate));
    let explains = asked.partition_point(|asked| asked.kind != Kind::Explains);
    let answers = answers(&questions[..explains]);
    let told = |(place, asked): (usize, &Asked)| {
        let (question, sides) = (&questions[place], &sides[place]);
        let answer = answers.get(place);
        let measured = answer.map_or_else(|| question.measure(explains), |answer| answer.measured);
        Some(MetricComparison {
            id: asked.id.clone(),
            unit: metric(&asked.id).map_or("", |metric| metric.unit.name()),
            kind: asked.kind,
            base: described(&sides.all[0])?,
            candidate: described(&sides.all[1])?,
            effect: measured.effect(),
            difference: measured.shift(),
            adjusted_p: answer.map(|answer| answer.p),
            noise_floor: Some(question.rule().noise_floor),
            // What did not get the same conditions differs for that, whatever the figures.
            verdict: answer.map(|answer| match answer.difference {
                difference if are_same => Verdict::of(difference, &asked.id),
                _ => Verdict::CantTell,
            }),
        })
    };
    asked.iter().enumerate().filter_map(told).collect()
}

fn question<'a>(asked: &'a Asked, sides: &'a Sides, pairing: Pairing) -> Question<'a> {
    Question {
        id: &asked.id,
        base: &sides.compared[0],
        candidate: &sides.compared[1],
        pairing,
        floor: sides.floor,
        between: sides.between,
        lost: sides.lost,
    }
}

fn sides(cells: &Cells<'_>, id: &str, method: &Method<'_>) -> Sides {
    let of = |(base, candidate): &(&CellRecord, &CellRecord)| match method.pairing {
        Pairing::Pairs => paired(base, candidate, id),
        Pairing::Independent => (base.values(id), candidate.values(id)),
    };
    let compared: Vec<(Vec<f64>, Vec<f64>)> = cells.iter().map(of).collect();
    let floors = compared
        .iter()
        .filter_map(|(base, candidate)| method.noise.of(id, base, candidate, method.pairing));
    let floors: Vec<f64> = floors.collect();
    let between = || -> Option<Between> {
        let [(base, _)] = cells else { return None };
        let day = method.other_run?.day;
        method.noise.between(&base.id, id, day)
    };
    let (left, right): (Vec<_>, Vec<_>) = compared.into_iter().unzip();
    Sides {
        all: both_sides(cells, id),
        compared: [left.concat(), right.concat()],
        // Of several cells the middle one's.
        floor: median(&floors),
        between: between(),
        lost: lost(cells).filter(|_| is_of_operations(id)),
    }
}

fn both_sides(cells: &Cells<'_>, id: &str) -> [Vec<f64>; 2] {
    let base = cells.iter().flat_map(|(base, _)| base.values(id));
    let candidate = cells.iter().flat_map(|(_, candidate)| candidate.values(id));
    [base.collect(), candidate.collect()]
}

/// The shares of its work that the guest lost on either side.
fn lost(cells: &Cells<'_>) -> Option<[f64; 2]> {
    let [base, candidate] = both_sides(cells, WORK_LOST);
    Some([median(&base)?, median(&candidate)?])
}

/// The values of the repeats that completed in both, in the same order.
fn paired(base: &CellRecord, candidate: &CellRecord, id: &str) -> (Vec<f64>, Vec<f64>) {
    base.completed()
        .filter_map(|repeat| {
            let mut partners = candidate.completed();
            let partner = partners.find(|partner| partner.repeat == repeat.repeat)?;
            Some((*repeat.metrics.get(id)?, *partner.metrics.get(id)?))
        })
        .filter(|(one, other)| one.is_finite() && other.is_finite())
        .unzip()
}

fn described(values: &[f64]) -> Option<Values> {
    Some(Values {
        n: values.len(),
        median: median(values)?,
        ci95: median_interval(values, 0.95),
        mad: mad(values)?,
        outliers: outliers(values).iter().filter(|is| **is).count(),
    })
}
