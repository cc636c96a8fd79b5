//! A record without what most readers of large ones do not look at: the events of all but some repeats, and the histograms.
//!
//! Ten thousand repeats have more than a hundred megabytes of events; as values they would take several times that.

use std::collections::BTreeMap;
use std::path::Path;

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::read::{bytes, consistent, damaged, decoded};
use super::{
    Calibration, CellRecord, Deviation, Environment, Event, Integrity, Outcome, Record,
    RecordError, Repeat, ScenarioText, Summary,
};

impl Record {
    /// Reads a record's file without events and histograms: what lists, comparisons, gates and exports look at. What is left out is
    /// not checked either.
    pub fn read_figures(path: &Path) -> Result<Record, RecordError> {
        Record::read_slim(path, |_| true, |_| Vec::new())
    }

    /// The same of the cells that `keep` takes, with the events of those repeats that `choose` names, by the position of the cell among them
    /// and the number of the repeat.
    pub fn read_slim(
        path: &Path,
        keep: impl Fn(&CellRecord) -> bool,
        choose: impl FnOnce(&Record) -> Vec<(usize, u32)>,
    ) -> Result<Record, RecordError> {
        let bytes = bytes(path)?;
        let slim = decoded(&bytes, path, |slim: &Slim| slim.format)?;
        let (record, events) = slim.split();
        let mut record = consistent(record, path)?;
        let cells = record.cells.drain(..).zip(events);
        let (cells, events): (Vec<_>, Vec<_>) = cells.filter(|(cell, _)| keep(cell)).unzip();
        record.cells = cells;
        for (cell, number) in choose(&record) {
            let cells = record.cells.iter_mut().zip(&events).nth(cell);
            let Some((cell, events)) = cells else {
                continue;
            };
            for (repeat, events) in cell.repeats.iter_mut().zip(events) {
                if repeat.repeat == number {
                    repeat.events = serde_json::from_str(events.get())
                        .map_err(|error: serde_json::Error| damaged(path, error))?;
                }
            }
        }
        Ok(record)
    }
}

#[derive(Deserialize)]
struct Slim<'a> {
    format: u32,
    run_id: String,
    started: String,
    #[serde(default)]
    finished: Option<String>,
    #[serde(default)]
    complete: bool,
    scenario: ScenarioText,
    environment: Environment,
    seed: u64,
    #[serde(default)]
    planned_repeats: Option<u32>,
    #[serde(default)]
    calibration: Option<Calibration>,
    #[serde(borrow)]
    cells: Vec<SlimCell<'a>>,
}

#[derive(Deserialize)]
struct SlimCell<'a> {
    id: String,
    parameters: IndexMap<String, Value>,
    #[serde(borrow)]
    repeats: Vec<SlimRepeat<'a>>,
    #[serde(default)]
    settled: bool,
    #[serde(default)]
    summary: BTreeMap<String, Summary>,
}

#[derive(Deserialize)]
struct SlimRepeat<'a> {
    repeat: u32,
    outcome: Outcome,
    reason: Option<String>,
    started_ms: f64,
    metrics: BTreeMap<String, f64>,
    #[serde(default)]
    integrity: Option<Integrity>,
    #[serde(default)]
    deviations: Vec<Deviation>,
    #[serde(borrow)]
    events: &'a RawValue,
}

impl<'a> Slim<'a> {
    /// The record without events, and the events by cells and repeats.
    fn split(self) -> (Record, Vec<Vec<&'a RawValue>>) {
        let mut events = Vec::new();
        let mut cell = |cell: SlimCell<'a>| {
            let raw = cell.repeats.iter().map(|repeat| repeat.events);
            events.push(raw.collect());
            CellRecord {
                id: cell.id,
                parameters: cell.parameters,
                repeats: cell
                    .repeats
                    .into_iter()
                    .map(SlimRepeat::without_events)
                    .collect(),
                settled: cell.settled,
                summary: cell.summary,
            }
        };
        let record = Record {
            format: self.format,
            run_id: self.run_id,
            started: self.started,
            finished: self.finished,
            complete: self.complete,
            scenario: self.scenario,
            environment: self.environment,
            seed: self.seed,
            planned_repeats: self.planned_repeats,
            calibration: self.calibration,
            cells: self.cells.into_iter().map(&mut cell).collect(),
        };
        (record, events)
    }
}

impl SlimRepeat<'_> {
    fn without_events(self) -> Repeat {
        Repeat {
            repeat: self.repeat,
            outcome: self.outcome,
            reason: self.reason,
            started_ms: self.started_ms,
            metrics: self.metrics,
            integrity: self.integrity,
            events: Vec::<Event>::new(),
            deviations: self.deviations,
            op_latency_ns: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::example;

    fn written(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn it_is_the_record_but_for_what_is_left_out() {
        let mut record = example::wide();
        let file = written(&record.to_json());
        let slim = Record::read_slim(file.path(), |_| true, |_| vec![(1, 3), (99, 1)]).unwrap();
        for (position, cell) in record.cells.iter_mut().enumerate() {
            for repeat in &mut cell.repeats {
                repeat.op_latency_ns.clear();
                if (position, repeat.repeat) != (1, 3) {
                    repeat.events.clear();
                }
            }
        }
        assert!(
            slim.cells[1]
                .repeats
                .iter()
                .any(|repeat| !repeat.events.is_empty())
        );
        assert_eq!(slim, record);
    }

    #[test]
    fn damage_is_an_error_as_it_is_to_other_readers() {
        let text = example::jvm().to_json();
        for (broken, part) in [
            (text.replace("\"format\": 1", "\"format\": 2"), "format 2"),
            (text[..text.len() / 2].to_owned(), "damaged at line"),
            (
                text.replace("carrier=tcp", "carrier=ssh"),
                "two cells are called",
            ),
        ] {
            let file = written(&broken);
            let error = Record::read_figures(file.path()).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
