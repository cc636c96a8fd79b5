//! The plan: which migration comes when.
//!
//! Pure and repeatable: the same scenario, seed and filter give the same steps on every machine and in every version, so a run can be
//! resumed from its record alone. Starts nothing and asks no clock.

mod estimate;
mod idle;
mod order;
mod show;
#[cfg(test)]
mod tests;

pub use estimate::Estimate;

use std::collections::BTreeSet;

use crate::cells::{CellError, Selector, check, taken};
use crate::record::{Outcome, Record};
use crate::scenario::units::Until;
use crate::scenario::{Cell, Scenario, reseed};

/// What a run will do.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Name of the scenario.
    pub scenario: String,
    /// The cells that take part, in the order of the scenario; their workloads have the run's seed.
    pub cells: Vec<Cell>,
    /// The migrations in the order in which they are done.
    pub steps: Vec<Step>,
    /// Measured migrations per cell, at most.
    pub repeats: u32,
    /// When a cell was measured often enough before that.
    pub until: Option<Until>,
    /// Migrations per cell before those.
    pub warmup: u32,
    /// Of the order and of the workloads. The workload's seed is the same in all cells and repeats: they migrate the same memory and
    /// differ in nothing but what the matrix says.
    pub seed: u64,
}

/// One migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step {
    /// Index into [`Plan::cells`].
    pub cell: usize,
    /// From 1; 0 is a warm-up, which no record keeps.
    pub repeat: u32,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No cell was chosen.
    #[error(transparent)]
    Cells(#[from] CellError),
    /// `--repeats 0`.
    #[error("zero repeats measure nothing\nhint: give at least --repeats 1")]
    NoRepeats,
    /// More migrations than a plan holds.
    #[error(
        "{migrations} migrations are too many for one run\nhint: at most {STEPS_MAX}; lower the repeats, or choose some with --cell"
    )]
    TooMany {
        /// How many there would be.
        migrations: u64,
    },
}

/// Migrations at most: months of work, and still a list that fits memory easily.
const STEPS_MAX: u64 = 1_000_000;

impl Plan {
    /// Plans a run; `repeats` and `seed` override the scenario's.
    pub fn new(
        scenario: &Scenario,
        chosen: &[Selector],
        repeats: Option<u32>,
        seed: Option<u64>,
    ) -> Result<Self, PlanError> {
        // Who gives a number means it.
        let until = scenario.run.until.filter(|_| repeats.is_none());
        let repeats = repeats.unwrap_or(scenario.run.repeats);
        if repeats == 0 {
            return Err(PlanError::NoRepeats);
        }
        let mut cells = cells(scenario, chosen)?;
        let warmup = scenario.run.warmup;
        let migrations = cells.len() as u64 * (u64::from(repeats) + u64::from(warmup));
        if migrations > STEPS_MAX {
            return Err(PlanError::TooMany { migrations });
        }
        let seed = seed.unwrap_or(scenario.run.seed);
        for cell in &mut cells {
            reseed(&mut cell.setup, seed);
        }
        Ok(Self {
            scenario: scenario.name.clone(),
            steps: order::steps(scenario.run.order, cells.len(), warmup, repeats, seed),
            cells,
            repeats,
            until,
            warmup,
            seed,
        })
    }

    /// Plans the rest of a run that was begun: its cells, repeats and seed stand in its record, whatever was asked for by then.
    pub fn resumed(
        scenario: &Scenario,
        chosen: &[Selector],
        record: &Record,
    ) -> Result<Self, PlanError> {
        let begun = Scenario {
            cells: scenario
                .cells
                .iter()
                .filter(|cell| record.cell_index(&cell.id).is_some())
                .cloned()
                .collect(),
            ..scenario.clone()
        };
        let plan = Plan::new(&begun, chosen, record.planned_repeats, Some(record.seed))?;
        // The condition stands in the scenario, whose text is the one that the run was begun with. `--repeats` had set it aside.
        let is_whole = record.planned_repeats == Some(scenario.run.repeats);
        Ok(Self {
            until: scenario.run.until.filter(|_| is_whole),
            ..plan
        })
    }

    /// The steps that a record does not hold yet, for `--resume`.
    ///
    /// Completed, and did not converge, are results. What failed, was skipped or was cancelled is done again. Warm-ups are repeated for
    /// the cells that still have something to measure: what they warmed has cooled down since.
    pub fn remaining(&self, record: &Record) -> Vec<Step> {
        let done: BTreeSet<(&str, u32)> = record
            .cells
            .iter()
            .flat_map(|cell| {
                cell.repeats
                    .iter()
                    .map(move |repeat| (cell.id.as_str(), repeat))
            })
            .filter(|(_, repeat)| {
                matches!(repeat.outcome, Outcome::Completed | Outcome::DidNotConverge)
            })
            .map(|(id, repeat)| (id, repeat.repeat))
            .collect();
        let settled: BTreeSet<&str> = record
            .cells
            .iter()
            .filter(|cell| cell.settled)
            .map(|cell| cell.id.as_str())
            .collect();
        let is_open = |step: &&Step| {
            let id = self.cells[step.cell].id.as_str();
            step.repeat > 0 && !settled.contains(id) && !done.contains(&(id, step.repeat))
        };
        let open: BTreeSet<Step> = self.steps.iter().filter(is_open).copied().collect();
        let unfinished: BTreeSet<usize> = open.iter().map(|step| step.cell).collect();
        let needed = |step: &&Step| {
            open.contains(step) || (step.repeat == 0 && unfinished.contains(&step.cell))
        };
        self.steps.iter().filter(needed).copied().collect()
    }
}

/// The cells that were chosen.
fn cells(scenario: &Scenario, chosen: &[Selector]) -> Result<Vec<Cell>, CellError> {
    let all = scenario.cells.iter();
    let named = all.clone().map(|cell| (cell.id.as_str(), &cell.parameters));
    check(chosen, &format!("scenario {}", scenario.name), named)?;
    let kept = all.filter(|cell| taken(chosen, &cell.id, &cell.parameters));
    Ok(kept.cloned().collect())
}
