//! A metric over many runs: the same cell on the same kind of machine, and where it changed for good.
//!
//! Only like is compared with like. Another accelerator, CPU model, number of CPUs or version of QEMU begins a series of its own:
//! that figures differ there is told, and is no regression. Within a series the levels are found by
//! [`crate::statistics::change_points`], and a change of less than 1 % is none: in runs enough, anything can be told apart.

mod csv;
#[cfg(any(test, feature = "example"))]
pub mod example;
mod series;

use serde::Serialize;

use crate::cells::{Selector, taken};
use crate::metric::{Direction, metric};
use crate::store::HistoryPoint;

pub use self::csv::to_csv;

/// The history of a metric.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct History {
    /// The metric's id.
    pub metric: String,
    /// Unit of all values; absent for a metric that this lmbench does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<&'static str>,
    /// Which way is better: `lower`, `higher` or `neither`.
    pub better: &'static str,
    /// Cells in the order in which they were first run.
    pub cells: Vec<CellHistory>,
}

/// A cell of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellHistory {
    /// Name of the scenario.
    pub scenario: Option<String>,
    /// Id of the cell.
    pub cell: String,
    /// A series for each kind of machine, in the order in which they first ran it.
    pub series: Vec<Series>,
    /// Runs of which no migration completed, oldest first: they have no value, and no place in a series.
    pub without: Vec<HistoryPoint>,
}

/// What runs must have in common to be compared over time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Machine {
    /// What executed the guests.
    pub accelerator: Option<String>,
    /// CPU model of the source.
    pub cpu: Option<String>,
    /// Online CPUs of the source.
    pub cores: Option<u32>,
    /// Version of QEMU.
    pub qemu: Option<String>,
}

/// A cell on one kind of machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// The kind.
    pub machine: Machine,
    /// How it differs from the one before, where there is one.
    pub machine_changed: Vec<Difference>,
    /// Its runs, oldest first.
    pub points: Vec<HistoryPoint>,
    /// The parts between changes, at least one.
    pub levels: Vec<Level>,
}

/// Runs one after the other that do not differ beyond their noise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Level {
    /// Position of its first run in the series.
    pub first: usize,
    /// The run it begins with.
    pub run_id: String,
    /// Number of runs.
    pub runs: usize,
    /// Median of the runs' medians.
    pub median: f64,
    /// Smallest of them.
    pub min: f64,
    /// Largest of them.
    pub max: f64,
    /// How it came from the level before; absent in the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// How it goes up or down slowly, which is no run's doing; absent where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<Slope>,
}

/// A level that drifts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Slope {
    /// Median of the first third of its runs.
    pub from: f64,
    /// Median of the last third.
    pub to: f64,
    /// The chance of one as clear in a level that does not drift.
    pub p: f64,
    /// In the metric's own direction.
    pub verdict: Verdict,
}

/// A change that lasted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// The chance of a change as clear in a series without one.
    pub p: f64,
    /// This level's median over the one's before; absent when that was zero.
    pub ratio: Option<f64>,
    /// In the metric's own direction.
    pub verdict: Verdict,
    /// What else differs between the last run before and the first one after. It need not be the cause.
    pub differences: Vec<Difference>,
}

/// Whether a change is good news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is.
    Better,
    /// It is not.
    Worse,
    /// The metric has no good or bad.
    Different,
}

/// Something about two runs that is not the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What: `lmbench`, `QEMU`, `kernel`, …
    pub what: &'static str,
    /// Before.
    pub from: String,
    /// After.
    pub to: String,
}

/// Which points are wanted; all that is set must hold.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The cells that are chosen, as [`taken`] has it.
    pub cells: Vec<Selector>,
    /// Name of the scenario.
    pub scenario: Option<String>,
    /// Started then or later.
    pub since: Option<jiff::Timestamp>,
}

impl Wanted {
    /// Whether a point is.
    pub fn admits(&self, point: &HistoryPoint) -> bool {
        let started = || point.started.as_deref()?.parse::<jiff::Timestamp>().ok();
        let cell = taken(&self.cells, &point.cell, &point.parameters);
        cell && (self.scenario.is_none() || self.scenario == point.scenario)
            && self
                .since
                .is_none_or(|since| started().is_some_and(|started| started >= since))
    }
}

impl History {
    /// Of points that stand oldest first.
    pub fn new(metric_id: &str, points: Vec<HistoryPoint>) -> Self {
        let known = metric(metric_id);
        let direction = known.map_or(Direction::Informational, |metric| metric.direction);
        History {
            metric: metric_id.to_owned(),
            unit: known.map(|metric| metric.unit.name()),
            better: match direction {
                Direction::LowerIsBetter => "lower",
                Direction::HigherIsBetter => "higher",
                Direction::Informational => "neither",
            },
            cells: series::cells(points, direction),
        }
    }
}

#[cfg(test)]
mod tests;
