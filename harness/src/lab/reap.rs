//! Clears away what a lab leaves when its owner is killed. Touches only labs of this user whose lock is free.

use std::path::Path;
use std::time::Duration;

use super::agent::bears_mark;
use super::directory::{Root, recorded_processes, remove_tree};
use super::error::LabError;
use super::process::{Process, end_all, find};

/// Ends the processes of dead labs and removes their directories. What resists is reported and left: it must not keep a new lab from starting.
pub(super) fn reap(root: &Root) -> Result<(), LabError> {
    for lab in root.stale()? {
        tracing::info!(lab = %lab.display(), "removing a lab whose owner is gone");
        let (_, survivors) = end_all(&processes_of(&lab), GRACE);
        if !survivors.is_empty() {
            tracing::warn!(lab = %lab.display(), ?survivors, "processes of a dead lab survive");
            continue;
        }
        if let Err(error) = remove_tree(&lab) {
            tracing::warn!(%error, "a dead lab stays");
        }
    }
    Ok(())
}

/// The processes that belong to a lab: those recorded in its directory, and those that carry its mark.
///
/// The mark finds everything that agents started, but can be read only from the same user namespace or from outside it; the record works always.
pub(super) fn processes_of(lab: &Path) -> Vec<Process> {
    let mut processes = recorded_processes(lab);
    let marked = find(|pid| bears_mark(pid, lab));
    for process in marked {
        if !processes.contains(&process) {
            processes.push(process);
        }
    }
    processes
}

/// Agents that have just lost their controller get this long to end what they started.
const GRACE: Duration = Duration::from_secs(2);
