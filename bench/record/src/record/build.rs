//! A record that grows: made when a run starts, extended after every repeat, always fit to be written as it stands.
//!
//! What the format promises is kept here, whatever the caller brings: no metrics of a repeat that failed, no value that is not
//! a number, summaries over completed repeats only.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    CellRecord, Environment, FORMAT, Outcome, Record, Repeat, ScenarioText, new_run_id, summarise,
};

impl Record {
    /// The record of a run that starts now: every cell by id and parameters, no repeat yet.
    pub fn new(
        scenario: ScenarioText,
        environment: Environment,
        seed: u64,
        repeats: u32,
        cells: impl IntoIterator<Item = (String, IndexMap<String, Value>)>,
    ) -> Self {
        let started = Timestamp::now();
        let empty = |(id, parameters)| CellRecord {
            id,
            parameters,
            repeats: Vec::new(),
            settled: false,
            summary: BTreeMap::new(),
        };
        Record {
            format: FORMAT,
            run_id: new_run_id(started, &scenario.name),
            started: rfc3339(started),
            finished: None,
            complete: false,
            scenario,
            environment,
            seed,
            planned_repeats: Some(repeats),
            calibration: None,
            cells: cells.into_iter().map(empty).collect(),
        }
    }

    /// Adds a repeat that ended now to the cell at `cell`; one of the same number is replaced, as when a resumed run tries again.
    pub fn push(&mut self, cell: usize, repeat: Repeat) {
        assert!(
            cell < self.cells.len(),
            "a repeat belongs to a cell of the record"
        );
        let cell = &mut self.cells[cell];
        cell.repeats
            .retain(|earlier| earlier.repeat != repeat.repeat);
        cell.repeats.push(repeat.cleaned());
        cell.summary = summarise(&cell.repeats);
        self.finished = Some(rfc3339(Timestamp::now()));
        self.complete = self.planned().is_some_and(|planned| self.done() >= planned);
    }

    /// No more repeats of the cell at `cell` are wanted.
    pub fn settle(&mut self, cell: usize) {
        if let Some(cell) = self.cells.get_mut(cell) {
            cell.settled = true;
        }
        self.complete = self.planned().is_some_and(|planned| self.done() >= planned);
    }

    /// Migrations that the run set out to do, as far as they are still wanted; warm-ups not among them.
    pub fn planned(&self) -> Option<usize> {
        let repeats = self.planned_repeats? as usize;
        let wanted = |cell: &CellRecord| {
            if cell.settled {
                cell.repeats.len()
            } else {
                repeats
            }
        };
        // A record may say any number.
        let sum = |sum: usize, cell| sum.saturating_add(wanted(cell));
        Some(self.cells.iter().fold(0, sum))
    }

    /// Migrations done, in whatever way they ended.
    pub fn done(&self) -> usize {
        self.cells.iter().map(|cell| cell.repeats.len()).sum()
    }

    /// How many repeats ended in which way.
    pub fn outcomes(&self) -> BTreeMap<Outcome, usize> {
        count(self.cells.iter().flat_map(|cell| &cell.repeats))
    }

    /// The position of a cell by its id.
    pub fn cell_index(&self, id: &str) -> Option<usize> {
        self.cells.iter().position(|cell| cell.id == id)
    }

    /// The record as it is written: one JSON document, ended by a newline.
    pub fn to_json(&self) -> String {
        // Maps here have string keys and serde_json writes non-finite numbers as null, so nothing can fail.
        let mut json = serde_json::to_string_pretty(self).expect("a record has string keys only");
        json.push('\n');
        json
    }
}

impl CellRecord {
    /// How many repeats ended in which way.
    pub fn outcomes(&self) -> BTreeMap<Outcome, usize> {
        count(&self.repeats)
    }

    /// How many migrations completed, and how many did not or failed. What was not tried, or was given up by hand, says nothing.
    pub fn tried(&self) -> [usize; 2] {
        let ended = |outcomes: &[Outcome]| {
            let repeats = self.repeats.iter();
            repeats
                .filter(|repeat| outcomes.contains(&repeat.outcome))
                .count()
        };
        [
            ended(&[Outcome::Completed]),
            ended(&[Outcome::DidNotConverge, Outcome::Failed]),
        ]
    }
}

impl ScenarioText {
    /// A scenario's name and its file's text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let sha256 = format!("{:x}", Sha256::digest(&text));
        ScenarioText {
            name: name.into(),
            sha256,
            text,
        }
    }
}

impl Repeat {
    /// A migration after which the guest runs on the destination.
    pub fn completed(repeat: u32, started_ms: f64, metrics: BTreeMap<String, f64>) -> Self {
        Repeat {
            metrics,
            outcome: Outcome::Completed,
            reason: None,
            ..Repeat::unfinished(repeat, started_ms, Outcome::Failed, "")
        }
    }

    /// What it cost the guest: its memory, its only copy, or that there was but one.
    pub fn loss(&self) -> Option<&'static str> {
        let integrity = self.integrity.as_ref()?;
        if integrity.memory_intact == Some(false) {
            return Some("memory was lost");
        }
        match integrity.running_on.as_str() {
            "both" => Some("the guest ran on both hosts"),
            "none" => Some("the guest was lost"),
            _ => None,
        }
    }

    /// Whether it moved a guest that nothing shows to have run.
    pub fn is_unproven(&self) -> bool {
        let integrity = self.integrity.as_ref();
        let signs = integrity.and_then(|integrity| integrity.signs_of_life.as_ref());
        signs.is_some_and(Vec::is_empty)
    }

    /// A migration that ended otherwise, and why. It has no metrics yet; a failed or skipped one never gets any.
    pub fn unfinished(
        repeat: u32,
        started_ms: f64,
        outcome: Outcome,
        reason: impl Into<String>,
    ) -> Self {
        Repeat {
            repeat,
            outcome,
            reason: Some(reason.into()),
            started_ms,
            metrics: BTreeMap::new(),
            integrity: None,
            events: Vec::new(),
            deviations: Vec::new(),
            op_latency_ns: Vec::new(),
        }
    }

    /// Without what format 1 forbids. JSON has no NaN: one would make the whole record unreadable.
    fn cleaned(mut self) -> Self {
        if !self.outcome.has_metrics() {
            self.metrics.clear();
        }
        self.metrics.retain(|_, value| value.is_finite());
        self.events.retain(|event| event.at_ms.is_finite());
        if !self.started_ms.is_finite() {
            self.started_ms = 0.0;
        }
        self
    }
}

impl Outcome {
    /// Every outcome, in the order of reports.
    pub const ALL: [Outcome; 5] = [
        Outcome::Completed,
        Outcome::DidNotConverge,
        Outcome::Cancelled,
        Outcome::Failed,
        Outcome::Skipped,
    ];

    /// The word in records.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Completed => "completed",
            Outcome::DidNotConverge => "did-not-converge",
            Outcome::Cancelled => "cancelled",
            Outcome::Failed => "failed",
            Outcome::Skipped => "skipped",
        }
    }

    /// Whether such a repeat measured anything: a migration that did not end still shows how it went.
    pub fn has_metrics(self) -> bool {
        match self {
            Outcome::Completed | Outcome::DidNotConverge | Outcome::Cancelled => true,
            Outcome::Failed | Outcome::Skipped => false,
        }
    }
}

fn count<'a>(repeats: impl IntoIterator<Item = &'a Repeat>) -> BTreeMap<Outcome, usize> {
    let mut counts = BTreeMap::new();
    for repeat in repeats {
        *counts.entry(repeat.outcome).or_default() += 1;
    }
    counts
}

/// To the millisecond, in UTC.
fn rfc3339(at: Timestamp) -> String {
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;

    #[test]
    fn a_failed_repeat_keeps_no_metrics_and_nan_is_absent() {
        let mut record = example::empty("promises", 3, 1);
        let metrics = BTreeMap::from([
            ("downtime_ms".to_owned(), 1.0),
            ("total_time_ms".to_owned(), f64::NAN),
        ]);
        record.push(
            0,
            Repeat {
                outcome: Outcome::Failed,
                ..Repeat::completed(1, f64::INFINITY, metrics.clone())
            },
        );
        record.push(0, Repeat::completed(2, 5.0, metrics));
        assert!(record.cells[0].repeats[0].metrics.is_empty());
        assert_eq!(
            record.cells[0].repeats[1]
                .metrics
                .keys()
                .collect::<Vec<_>>(),
            ["downtime_ms"]
        );
        assert_eq!(record.cells[0].summary["downtime_ms"].n, 1);
        assert!(!record.complete);
        let text = record.to_json();
        assert_eq!(
            Record::from_json(text.as_bytes(), "memory".as_ref()).unwrap(),
            record
        );
    }

    #[test]
    fn a_run_is_complete_when_every_planned_repeat_is_done() {
        let mut record = example::empty("whole", 2, 2);
        for (cell, repeat) in [(0, 1), (1, 1), (1, 2), (1, 2)] {
            record.push(cell, Repeat::completed(repeat, 0.0, BTreeMap::new()));
            assert!(!record.complete, "a repeat tried twice counts once");
        }
        record.push(
            0,
            Repeat::unfinished(2, 0.0, Outcome::Failed, "no route to host"),
        );
        assert!(record.complete);
        assert_eq!(
            record.outcomes(),
            BTreeMap::from([(Outcome::Completed, 3), (Outcome::Failed, 1)])
        );
    }
}
