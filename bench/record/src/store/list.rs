//! What runs there are, one line's worth each.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;
use serde_json::Value;

use super::Status;
use super::StoreError;
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
    /// The same, if it is a time.
    #[serde(skip)]
    pub started_at: Option<Timestamp>,
    /// Name of the source host, if the record knows one.
    pub source: Option<String>,
    /// Name of the destination host.
    pub destination: Option<String>,
    /// The carriers that its cells use, sorted; an axis of the matrix, or what the scenario's text chooses.
    pub carriers: Vec<String>,
    /// The policies, likewise.
    pub policies: Vec<String>,
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
    /// Only runs of a scenario whose name is this.
    pub scenario: Option<String>,
    /// Only runs with a cell over this carrier.
    pub carrier: Option<String>,
    /// Only runs with a cell under this policy.
    pub policy: Option<String>,
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
        let scenario = &self.scenario;
        let among = |wanted: &Option<String>, names: &[String]| {
            wanted.as_ref().is_none_or(|name| names.contains(name))
        };
        host && (scenario.is_none() || *scenario == run.scenario)
            && among(&self.carrier, &run.carriers)
            && among(&self.policy, &run.policies)
            && self
                .since
                .is_none_or(|since| run.started_at.is_some_and(|started| started >= since))
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

pub(crate) fn host_name(record: &Record, role: &str) -> Option<String> {
    record
        .environment
        .hosts
        .get(role)?
        .get("name")
        .and_then(Value::as_str)
        .map(str::to_owned)
}
