//! What the gate found: checks, each with a verdict and the numbers it rests on.

use serde::Serialize;

use crate::record::Outcome;
use crate::statistics::Interval;

/// What comes of a check, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing worse was found.
    Pass,
    /// It got better, surely.
    Improved,
    /// The figures don't tell.
    Inconclusive,
    /// It got worse, surely, or missed its limit.
    Regressed,
}

impl Verdict {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Improved => "improved",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Regressed => "regressed",
        }
    }
}

/// What a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A metric beside the baseline.
    Change(&'static str),
    /// A metric and its limit.
    Limit(&'static str),
    /// A metric that is not there.
    Missing(&'static str),
    /// How migrations end; a certain way if it was asked for.
    Outcome(Option<Outcome>),
    /// Whether the guest and its memory are there after each migration.
    Memory,
    /// Whether the cell was measured.
    Cell,
    /// Whether the run was done to its end.
    Run,
}

impl Subject {
    /// The word for the kind of it.
    pub fn kind(self) -> &'static str {
        match self {
            Subject::Change(_) => "change",
            Subject::Limit(_) => "limit",
            Subject::Missing(_) => "missing",
            Subject::Outcome(_) => "outcome",
            Subject::Memory => "memory",
            Subject::Cell => "cell",
            Subject::Run => "run",
        }
    }

    /// The metric's id, if it is about one.
    pub fn metric(self) -> Option<&'static str> {
        match self {
            Subject::Change(id) | Subject::Limit(id) | Subject::Missing(id) => Some(id),
            _ => None,
        }
    }

    /// What tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Subject::Change(id) | Subject::Limit(id) | Subject::Missing(id) => id,
            Subject::Outcome(Some(outcome)) => outcome.name(),
            Subject::Outcome(None) => "outcomes",
            Subject::Memory => "memory",
            Subject::Cell => "cell",
            Subject::Run => "run",
        }
    }
}

/// Values in short.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sample {
    /// How many.
    pub n: usize,
    /// Their median, in the metric's unit.
    pub median: f64,
}

/// A change against the baseline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// This run over the baseline.
    pub ratio: f64,
    /// 95 % interval of the ratio.
    pub interval: Interval,
    /// Probability of such a change where there is none.
    pub p: f64,
    /// The same, with all metrics of the cell in mind (Holm).
    pub p_holm: f64,
}

/// One check.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The cell's id; empty for the whole run.
    pub cell: String,
    /// What it is about.
    pub subject: Subject,
    /// What came of it.
    pub verdict: Verdict,
    /// Why, in words.
    pub reason: String,
    /// The baseline's values.
    pub baseline: Option<Sample>,
    /// The run's values.
    pub run: Option<Sample>,
    /// How they differ.
    pub change: Option<Change>,
    /// What was asked, as it would be written in a scenario.
    pub rule: Option<String>,
    /// Smallest change that says something, as a part of the value.
    pub noise_floor: Option<f64>,
}

impl Check {
    pub(super) fn new(
        cell: &str,
        subject: Subject,
        verdict: Verdict,
        reason: impl Into<String>,
    ) -> Self {
        Check {
            cell: cell.to_owned(),
            subject,
            verdict,
            reason: reason.into(),
            baseline: None,
            run: None,
            change: None,
            rule: None,
            noise_floor: None,
        }
    }
}

/// All that the gate found.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The run.
    pub run_id: String,
    /// Its scenario.
    pub scenario: String,
    /// The baseline's run, if there is a baseline.
    pub baseline: Option<String>,
    /// What whoever reads the verdict should know.
    pub notes: Vec<String>,
    /// The checks, in the order of the cells.
    pub checks: Vec<Check>,
}

impl Report {
    /// The worst of the checks. Where nothing was checked, nothing is known.
    pub fn verdict(&self) -> Verdict {
        self.checks
            .iter()
            .map(|check| check.verdict)
            .max()
            .unwrap_or(Verdict::Inconclusive)
    }

    /// How many checks ended so.
    pub fn count(&self, verdict: Verdict) -> usize {
        let checks = self.checks.iter();
        checks.filter(|check| check.verdict == verdict).count()
    }

    /// The checks from the worst verdict to the best, in the order of the cells within each.
    pub fn worst_first(&self) -> Vec<&Check> {
        let mut checks: Vec<&Check> = self.checks.iter().collect();
        checks.sort_by_key(|check| std::cmp::Reverse(check.verdict));
        checks
    }
}
