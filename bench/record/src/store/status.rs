//! How a run stands, in the words of lists and filters.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::Liveness;
use crate::record::{Outcome, Record};

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// A process is at it.
    Running,
    /// Every planned migration was done and none failed; one that did not converge is a result.
    Completed,
    /// It was ended in order before every migration was done.
    Partial,
    /// Its process went away in the middle.
    Interrupted,
    /// Every planned migration was done and at least one failed.
    Failed,
    /// Its record can not be read.
    Unreadable,
}

impl Status {
    /// Every status.
    pub const ALL: [Status; 6] = [
        Status::Running,
        Status::Completed,
        Status::Partial,
        Status::Interrupted,
        Status::Failed,
        Status::Unreadable,
    ];

    /// Of a run with this record.
    pub fn of(record: &Record, liveness: Liveness) -> Status {
        let failed = record.outcomes().contains_key(&Outcome::Failed);
        Status::of_parts(record.complete, failed, liveness)
    }

    /// Of a run that did all it planned or not, with a migration that failed or not.
    pub fn of_parts(complete: bool, failed: bool, liveness: Liveness) -> Status {
        match liveness {
            Liveness::Running => Status::Running,
            _ if complete && failed => Status::Failed,
            _ if complete => Status::Completed,
            Liveness::Died => Status::Interrupted,
            Liveness::Ended => Status::Partial,
        }
    }

    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Status::Running => "running",
            Status::Completed => "completed",
            Status::Partial => "partial",
            Status::Interrupted => "interrupted",
            Status::Failed => "failed",
            Status::Unreadable => "unreadable",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Status::ALL
            .into_iter()
            .find(|status| status.name() == text)
            .ok_or_else(|| {
                let names = Status::ALL.map(Status::name).join(", ");
                format!("unknown status {text:?}\nhint: one of {names}")
            })
    }
}
