//! The runs that a user names on the command line.

use super::{Exit, Failed};
use crate::record::{Record, RecordError};
use crate::store::{FoundRun, Store};

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
