//! What runs there are, one line's worth each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;
use serde_json::Value;

use super::Status;
use super::find::run_ids;
use super::{Liveness, RECORD_FILE, StoreError};
use crate::record::{Outcome, Record};

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunSummary {
    /// Its id.
    pub run_id: String,
    /// Its folder.
    pub directory: PathBuf,
    /// How it stands.
    pub status: Status,
    /// Why it is unreadable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Name of the scenario; like everything below absent when the record is unreadable.
    pub scenario: Option<String>,
    /// When it started, RFC 3339.
    pub started: Option<String>,
    /// Name of the source host, if the record knows one.
    pub source: Option<String>,
    /// Name of the destination host.
    pub destination: Option<String>,
    /// Number of cells.
    pub cells: usize,
    /// Migrations done.
    pub done: usize,
    /// Migrations planned.
    pub planned: Option<usize>,
    /// How they ended.
    pub outcomes: BTreeMap<Outcome, usize>,
}

/// Which runs to list; all that is set must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only runs that stand so.
    pub status: Option<Status>,
    /// Only runs with this source or destination.
    pub host: Option<String>,
    /// Only runs that started then or later.
    pub since: Option<Timestamp>,
}

impl RunSummary {
    /// Of a record in `directory`.
    pub fn new(record: &Record, directory: &Path, liveness: Liveness) -> Self {
        RunSummary {
            run_id: record.run_id.clone(),
            directory: directory.to_owned(),
            status: Status::of(record, liveness),
            problem: None,
            scenario: Some(record.scenario.name.clone()),
            started: Some(record.started.clone()),
            source: host_name(record, "source"),
            destination: host_name(record, "destination"),
            cells: record.cells.len(),
            done: record.done(),
            planned: record.planned(),
            outcomes: record.outcomes(),
        }
    }

    fn unreadable(run_id: String, directory: PathBuf, problem: String) -> Self {
        RunSummary {
            run_id,
            directory,
            status: Status::Unreadable,
            problem: Some(problem),
            scenario: None,
            started: None,
            source: None,
            destination: None,
            cells: 0,
            done: 0,
            planned: None,
            outcomes: BTreeMap::new(),
        }
    }

    fn started_at(&self) -> Option<Timestamp> {
        self.started.as_deref().and_then(|text| text.parse().ok())
    }
}

impl Filter {
    /// Whether a run is wanted. An unreadable one is, unless a status was asked for: hiding it would hide the trouble.
    pub fn admits(&self, run: &RunSummary) -> bool {
        if self.status.is_some_and(|status| status != run.status) {
            return false;
        }
        if run.status == Status::Unreadable {
            return true;
        }
        let host = self.host.as_ref().is_none_or(|host| {
            run.source.as_ref() == Some(host) || run.destination.as_ref() == Some(host)
        });
        host && self
            .since
            .is_none_or(|since| run.started_at().is_some_and(|started| started >= since))
    }
}

/// The time that `--since` means: RFC 3339, a date (UTC), or an age such as `90m`, `2h`, `3d`, `1w`.
pub fn parse_since(text: &str, now: Timestamp) -> Result<Timestamp, StoreError> {
    let wrong = || StoreError::Since {
        text: text.to_owned(),
    };
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    if let Ok(at) = text
        .parse::<Date>()
        .and_then(|date| date.to_zoned(TimeZone::UTC))
    {
        return Ok(at.timestamp());
    }
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return Err(wrong()),
    };
    let number: u32 = text[..text.len() - 1].trim().parse().map_err(|_| wrong())?;
    now.checked_sub(SignedDuration::from_secs(i64::from(number) * seconds))
        .map_err(|_| wrong())
}

pub(super) fn list(out_dir: &Path, filter: &Filter) -> Result<Vec<RunSummary>, StoreError> {
    let mut runs: Vec<RunSummary> = run_ids(out_dir)?
        .into_iter()
        .map(|id| summarise(out_dir, id))
        .collect();
    runs.retain(|run| filter.admits(run));
    runs.sort_by_key(|run| std::cmp::Reverse((run.started_at(), run.run_id.clone())));
    Ok(runs)
}

fn summarise(out_dir: &Path, id: String) -> RunSummary {
    let directory = out_dir.join(&id);
    // The lock first: a run that ends in between is then complete in the record, never "died".
    let liveness = Liveness::of(&directory);
    match Record::read(&directory.join(RECORD_FILE)) {
        // The folder's name is what `show` finds, whatever the record says after somebody copied it.
        Ok(record) => RunSummary {
            run_id: id,
            ..RunSummary::new(&record, &directory, liveness)
        },
        Err(error) => RunSummary::unreadable(id, directory, error.to_string()),
    }
}

fn host_name(record: &Record, role: &str) -> Option<String> {
    record
        .environment
        .hosts
        .get(role)?
        .get("name")
        .and_then(Value::as_str)
        .map(str::to_owned)
}
