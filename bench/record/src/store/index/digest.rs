//! What the index keeps of a record.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::choices::Known;
use super::quoted;
use super::scan::Stamp;
use crate::record::{Outcome, Record, RecordError, Summary, summarise};
use crate::store::list::{RunSummary, host_name};
use crate::store::{Liveness, RECORD_FILE, Status};

/// A record in short; everything is absent or empty when it can't be read.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Digest {
    /// Why it can't be read, with [`PLACE`] where the file is named.
    pub(super) problem: Option<String>,
    pub(super) scenario: Option<String>,
    pub(super) scenario_sha256: Option<String>,
    pub(super) started: Option<String>,
    pub(super) source: Option<String>,
    pub(super) destination: Option<String>,
    pub(super) done: usize,
    pub(super) planned: Option<usize>,
    pub(super) complete: bool,
    pub(super) outcomes: BTreeMap<Outcome, usize>,
    pub(super) carriers: Vec<String>,
    pub(super) policies: Vec<String>,
    pub(super) lmbench: Option<String>,
    pub(super) qemu: Option<String>,
    pub(super) kernel: Option<String>,
    pub(super) accelerator: Option<String>,
    pub(super) cpu: Option<String>,
    pub(super) cores: Option<u32>,
    /// Number of cells.
    pub(super) cells: usize,
    /// The cells' values, which are written to the index and read from it by history alone.
    pub(super) values: Vec<CellDigest>,
}

/// A cell of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CellDigest {
    pub(super) id: String,
    /// As JSON.
    pub(super) parameters: String,
    pub(super) summary: BTreeMap<String, Summary>,
    /// Migrations that ended by themselves.
    pub(super) tried: usize,
}

/// The record at `path`, and the stamp under which it may be kept; without one it has to be read again the next time. `now` is
/// a moment before this call.
pub(super) fn read(path: &Path, now: SystemTime, known: &mut Known) -> (Option<Stamp>, Digest) {
    let stamp = || fs::metadata(path).ok().map(|metadata| Stamp::of(&metadata));
    let before = stamp();
    let read = Record::read_figures(path);
    // Replaced while it was read: what was read is a whole record, but nobody knows which.
    let stamp = before.filter(|before| before.is_settled(now) && stamp() == Some(*before));
    match read {
        Ok(record) => (stamp, Digest::of(&record, known)),
        Err(error) => {
            let lasts = !matches!(error, RecordError::Io { .. });
            (stamp.filter(|_| lasts), Digest::unreadable(&error, path))
        }
    }
}

impl Digest {
    fn of(record: &Record, known: &mut Known) -> Self {
        let environment = &record.environment;
        let (carriers, policies) = known.of(record);
        let cell = |cell: &crate::record::CellRecord| CellDigest {
            id: short(&cell.id),
            parameters: serde_json::to_string(&cell.parameters)
                .ok()
                .filter(|text| text.len() <= LONGEST_PARAMETERS)
                .unwrap_or_else(|| "{}".to_owned()),
            tried: cell.tried().iter().sum(),
            // Of the repeats, not the record's own summary, which anybody may have written there.
            summary: summarise(&cell.repeats)
                .into_iter()
                .map(|(metric, summary)| (short(&metric), summary))
                .collect(),
        };
        Digest {
            problem: None,
            scenario: Some(short(&record.scenario.name)),
            scenario_sha256: Some(short(&record.scenario.sha256)),
            started: Some(short(&record.started)),
            source: host_name(record, "source").as_deref().map(short),
            destination: host_name(record, "destination").as_deref().map(short),
            done: record.done(),
            planned: record.planned(),
            complete: record.complete,
            outcomes: record.outcomes(),
            carriers: carriers.iter().map(|name| short(name)).collect(),
            policies: policies.iter().map(|name| short(name)).collect(),
            lmbench: Some(short(&environment.lmbench)),
            qemu: Some(short(&environment.qemu)),
            kernel: Some(short(&environment.kernel)),
            accelerator: Some(short(&environment.accelerator)),
            cpu: Some(short(&environment.cpu)),
            cores: Some(environment.cores),
            cells: record.cells.len(),
            values: record.cells.iter().map(cell).collect(),
        }
    }

    fn unreadable(error: &RecordError, path: &Path) -> Self {
        let problem = error.to_string().replace(&quoted(path), PLACE);
        Digest {
            problem: Some(problem),
            ..Digest::default()
        }
    }

    /// How the run stands, for lists.
    pub(super) fn summary(
        self,
        run_id: String,
        directory: PathBuf,
        liveness: Liveness,
    ) -> RunSummary {
        let failed = self.outcomes.contains_key(&Outcome::Failed);
        let status = match &self.problem {
            Some(_) => Status::Unreadable,
            None => Status::of_parts(self.complete, failed, liveness),
        };
        let place = || quoted(&directory.join(RECORD_FILE));
        RunSummary {
            problem: self.problem.map(|problem| problem.replace(PLACE, &place())),
            run_id,
            status,
            started_at: self.started.as_deref().and_then(|text| text.parse().ok()),
            scenario: self.scenario,
            started: self.started,
            source: self.source,
            destination: self.destination,
            carriers: self.carriers,
            policies: self.policies,
            cells: self.cells,
            done: self.done,
            planned: self.planned,
            outcomes: self.outcomes,
            directory,
        }
    }
}

impl RunSummary {
    /// Of a record in `directory`.
    pub fn new(record: &Record, directory: &Path, liveness: Liveness) -> Self {
        let digest = Digest::of(record, &mut Known::default());
        digest.summary(record.run_id.clone(), directory.to_owned(), liveness)
    }
}

/// A text of a record, no longer than anybody reads: the index must not grow with what a damaged record holds.
fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Stands for the record's path: the same folder has several names.
const PLACE: &str = "\u{1}";
const LONGEST: usize = 1000;
const LONGEST_PARAMETERS: usize = 64 << 10;
