//! Which cells' guests have ever become ready in a run, so that a hopeless boot is not waited for again and again.
//!
//! A guest that once was ready may fail later by bad luck: that is a failed repeat and no more. If no guest of the run
//! ever became ready, the first failure ends it. If other cells' guests do, only the cell's other repeats are skipped;
//! `--resume` tries them again.

use std::collections::BTreeSet;

use super::repeat::Done;
use super::{RunError, lacking};
use crate::plan::{Plan, Step};
use crate::record::{Outcome, Record};

/// What is known of each cell's boots.
pub(super) struct Boots {
    ready: BTreeSet<usize>,
    hopeless: BTreeSet<usize>,
}

impl Boots {
    /// A resumed run's cells that migrated before have proven that they boot.
    pub(super) fn of(record: &Record, plan: &Plan) -> Self {
        let migrated = |id: &str| {
            let cell = record.cell_index(id).map(|index| &record.cells[index]);
            cell.is_some_and(|cell| {
                cell.repeats
                    .iter()
                    .any(|repeat| repeat.outcome.has_metrics())
            })
        };
        let cells = plan.cells.iter().enumerate();
        Boots {
            ready: cells
                .filter(|(_, cell)| migrated(&cell.id))
                .map(|(index, _)| index)
                .collect(),
            hopeless: BTreeSet::new(),
        }
    }

    /// What stands in for a repeat of a cell whose guest never becomes ready.
    pub(super) fn skipped(&self, step: Step, run_started_ns: u64) -> Option<Done> {
        let reason = "this cell's guest did not become ready before; `--resume` tries again";
        let hopeless = self.hopeless.contains(&step.cell);
        hopeless.then(|| lacking::skipped(step.repeat, run_started_ns, reason))
    }

    /// Notes how a boot went; an error if no guest of this run ever boots.
    pub(super) fn judge(&mut self, step: Step, done: &Done) -> Result<(), RunError> {
        let Some(failure) = &done.boot_failure else {
            // A lost agent says nothing about the guest, and neither does a repeat that was skipped.
            if !done.hosts_lost && done.repeat.outcome != Outcome::Skipped {
                self.ready.insert(step.cell);
            }
            return Ok(());
        };
        if self.ready.is_empty() {
            return Err(RunError::Environment(format!(
                "no guest becomes ready, so nothing can be measured: {failure}"
            )));
        }
        if !self.ready.contains(&step.cell) {
            self.hopeless.insert(step.cell);
        }
        Ok(())
    }
}
