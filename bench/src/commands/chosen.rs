//! The runs that a user names on the command line.

use super::{Exit, Failed};
use crate::cells::{Selector, check, taken};
use crate::record::{CellRecord, Record, RecordError};
use crate::store::{FoundRun, Store};
use crate::terminal::text::clean;

/// Finds a run by what the user wrote for it.
pub(super) fn find(store: &Store, run: &str) -> Result<FoundRun, Failed> {
    store
        .find(run)
        .map_err(|error| Failed::from_error(Exit::Usage, &error))
}

/// Reads the record of a run that was found, without events and histograms.
pub(super) fn figures_of(found: &FoundRun) -> Result<Record, Failed> {
    found.figures().map_err(|error| unreadable(&error))
}

/// Reads all of the record of a run that was found.
pub(super) fn whole_of(found: &FoundRun) -> Result<Record, Failed> {
    found.whole().map_err(|error| unreadable(&error))
}

/// Says what to do where the error does not.
pub(super) fn unreadable(error: &RecordError) -> Failed {
    Failed::from_error(Exit::Usage, error)
        .hint("leave this run out; `lmbench list` tells which can be read")
}

/// Finds a run and reads its record, without events and histograms.
pub(super) fn figures(store: &Store, run: &str) -> Result<Record, Failed> {
    figures_of(&find(store, run)?)
}

/// That cells of a run were chosen which it has.
pub(super) fn check_cells(record: &Record, chosen: &[Selector]) -> Result<(), Failed> {
    let cells = record.cells.iter();
    let named = cells.map(|cell| (cell.id.as_str(), &cell.parameters));
    check(chosen, &format!("run {}", record.run_id), named).map_err(|error| {
        // Names of cells come from a file; the line breaks are ours.
        let lines: Vec<String> = error.to_string().split("\nhint: ").map(clean).collect();
        Failed::new(Exit::Usage, lines.join("\nhint: "))
    })
}

/// Leaves the chosen cells of a run in its record.
pub(super) fn keep_cells(record: &mut Record, chosen: &[Selector]) -> Result<(), Failed> {
    check_cells(record, chosen)?;
    let is_kept = |cell: &CellRecord| taken(chosen, &cell.id, &cell.parameters);
    record.cells.retain(is_kept);
    Ok(())
}
