//! The metrics of two cells, one by one.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Verdict;
use crate::judge::{NoiseFloor, Rule};
use crate::metric::{ALL, Direction, Metric, Topic, Unit, metric};
use crate::record::CellRecord;
use crate::statistics::{
    Between, Effect, Interval, Pairing, Shift, holm, mad, median, median_interval, outliers,
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

/// Which metrics are looked at, in the order of reports; `chosen` is empty for all.
pub(super) fn asked(base: &CellRecord, candidate: &CellRecord, chosen: &[String]) -> AskedMetrics {
    let (one, other) = (ids(base), ids(candidate));
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
    /// How many metrics are asked.
    pub(super) questions: usize,
    pub(super) noise: &'a NoiseFloor,
    /// If the cells are of two runs, the candidate's.
    pub(super) other_run: Option<OtherRun>,
    pub(super) rule: &'a Rule,
}

/// The candidate's run, where it isn't the base's.
#[derive(Debug, Clone, Copy)]
pub(super) struct OtherRun {
    /// When it began, in days; none if its record doesn't say.
    pub(super) day: Option<f64>,
}

/// A metric with everything but what the number of questions decides.
struct Measured<'a> {
    asked: &'a Asked,
    base: Vec<f64>,
    candidate: Vec<f64>,
    effect: Option<Effect>,
    difference: Option<Shift>,
    floor: Option<f64>,
}

impl Measured<'_> {
    fn p(&self) -> f64 {
        let difference = || self.difference.map(|shift| shift.p);
        self.effect
            .map(|effect| effect.p)
            .or_else(difference)
            .unwrap_or(1.0)
    }
}

pub(super) fn compared(
    base: &CellRecord,
    candidate: &CellRecord,
    asked: &[Asked],
    method: &Method<'_>,
) -> Vec<MetricComparison> {
    let measured: Vec<Measured<'_>> = asked
        .iter()
        .map(|asked| measure(base, candidate, asked, method))
        .collect();
    let chances: Vec<f64> = measured
        .iter()
        .filter(|measured| measured.asked.kind != Kind::Explains)
        .map(Measured::p)
        .collect();
    let mut adjusted = holm(&chances).into_iter();
    let told = |measured: &Measured<'_>| {
        let adjusted_p = match measured.asked.kind {
            Kind::Explains => None,
            Kind::Proxy | Kind::Wall => adjusted.next(),
        };
        Some(MetricComparison {
            id: measured.asked.id.clone(),
            unit: metric(&measured.asked.id).map_or("", |metric| metric.unit.name()),
            kind: measured.asked.kind,
            base: described(&measured.base)?,
            candidate: described(&measured.candidate)?,
            effect: measured.effect,
            difference: measured.difference,
            adjusted_p,
            noise_floor: Some(method.rule.above(measured.floor).noise_floor),
            verdict: adjusted_p.map(|p| verdict(measured, p, method.rule)),
        })
    };
    measured.iter().filter_map(told).collect()
}

fn measure<'a>(
    base: &CellRecord,
    candidate: &CellRecord,
    asked: &'a Asked,
    method: &Method<'_>,
) -> Measured<'a> {
    let (id, pairing) = (&asked.id, method.pairing);
    let (one, other) = (base.values(id), candidate.values(id));
    let (left, right) = match pairing {
        Pairing::Pairs => paired(base, candidate, id),
        Pairing::Independent => (one.clone(), other.clone()),
    };
    let effect = method.rule.effect(&left, &right, pairing, method.questions);
    let difference = match effect {
        Some(_) => None,
        None => method.rule.shift(&left, &right, pairing, method.questions),
    };
    let between = || -> Option<Between> {
        let day = method.other_run?.day;
        method.noise.between(&base.id, id, day)
    };
    Measured {
        asked,
        effect: effect.map(|effect| match between() {
            Some(between) => effect.with(between),
            None => effect,
        }),
        difference,
        floor: method.noise.of(id, &left, &right, pairing),
        base: one,
        candidate: other,
    }
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

fn verdict(measured: &Measured<'_>, p: f64, rule: &Rule) -> Verdict {
    let metric = metric(&measured.asked.id);
    let higher_is_better =
        metric.is_some_and(|metric| metric.direction == Direction::HigherIsBetter);
    let rule = rule.above(measured.floor);
    let difference = match (measured.effect, measured.difference) {
        (Some(effect), _) => rule.decide(&effect, p),
        (None, Some(shift)) => {
            let scale = median(&measured.base).unwrap_or(0.0);
            let resolution = metric.map_or(0.0, |metric| metric.resolution(scale));
            rule.decide_shift(&shift, p, scale, resolution)
        }
        (None, None) => return Verdict::CantTell,
    };
    Verdict::of(difference, higher_is_better)
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
