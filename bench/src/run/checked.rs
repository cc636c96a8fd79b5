//! What a run would hear before its first guest, and no more: for `--dry-run`.

use super::labs::Labs;
use super::{Interrupt, RunError, unless_interrupted};
use crate::plan::Plan;

/// What both hosts say to a plan that they can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Cells that would be skipped, by their position in the plan, and why.
    pub skipped: Vec<(usize, String)>,
    /// What the machine of both hosts has left for guests.
    pub memory_available_bytes: u64,
}

/// Makes the lab, has both hosts examine every cell, and removes the lab; no guest is booted. What would end the run is the error.
pub async fn check(plan: &Plan, mut interrupt: Interrupt) -> Result<Checked, RunError> {
    let hurry = interrupt.clone();
    let labs = unless_interrupted(&mut interrupt, Labs::create(plan)).await??;
    let result = match unless_interrupted(&mut interrupt, labs.check(plan, false)).await {
        Ok(Ok(ready)) => Ok(Checked {
            skipped: plan
                .cells
                .iter()
                .enumerate()
                .filter_map(|(index, cell)| Some((index, ready.lacking.reason(&cell.id)?)))
                .collect(),
            memory_available_bytes: labs.memory_available_bytes(),
        }),
        Ok(Err(error)) | Err(error) => Err(error),
    };
    let closed = labs.close(&hurry).await;
    let checked = result?;
    closed?;
    Ok(checked)
}
