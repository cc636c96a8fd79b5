//! What the instruments cost and tell, from the calibrations that the records carry, and which values lie below what they tell.

use lmbench_record::metric::{self, Unit};
use lmbench_record::record::{Calibration, Instrument, Record};

use super::Source;
use super::model::{InstrumentRow, Instruments};
use super::values::of_cell;
use crate::terminal::calibration::{cells, name, note, origin, skipped};
use crate::terminal::text::{clean_short, counted};

/// One for each calibration: runs of the same share it.
pub(super) fn instruments(sources: &[Source]) -> Vec<Instruments> {
    let mut groups: Vec<(Option<&Calibration>, Vec<usize>)> = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let calibration = source.record.calibration.as_ref();
        match groups.iter_mut().find(|(known, _)| *known == calibration) {
            Some((_, runs)) => runs.push(index),
            None => groups.push((calibration, vec![index])),
        }
    }
    groups
        .into_iter()
        .map(|(calibration, runs)| {
            let records: Vec<&Record> = runs.iter().map(|index| &sources[*index].record).collect();
            let rows = calibration.iter().flat_map(|known| &known.instruments);
            Instruments {
                runs: letters(&runs, sources.len()),
                origin: calibration.map(origin),
                rows: rows.take(ROWS).map(|one| row(one, &records)).collect(),
            }
        })
        .collect()
}

/// `Run A, B`; nothing where there is only one run.
fn letters(runs: &[usize], all: usize) -> String {
    if all < 2 {
        return String::new();
    }
    let shown = runs.iter().take(LETTERS).map(|index| super::letter(*index));
    let shown: Vec<String> = shown.map(String::from).collect();
    let noun = if runs.len() == 1 { "Run" } else { "Runs" };
    let more = if runs.len() > LETTERS { ", …" } else { "" };
    format!("{noun} {}{more}", shown.join(", "))
}

fn row(instrument: &Instrument, records: &[&Record]) -> InstrumentRow {
    let below = below(instrument, records);
    InstrumentRow {
        name: name(instrument),
        reads: clean_short(&instrument.reads, LONGEST),
        tells: instrument
            .tells
            .iter()
            .take(TELLS)
            .map(|id| clean_short(id, 60))
            .collect(),
        cells: cells(instrument),
        note: note(instrument),
        limits: skipped(instrument).into_iter().chain(below).collect(),
    }
}

/// Values that are less than what the instrument tells apart: they say "less than that" and no more.
fn below(instrument: &Instrument, records: &[&Record]) -> Vec<String> {
    let Some(resolution_ms) = instrument.resolution_ms() else {
        return Vec::new();
    };
    let of_metric = |id: &String| {
        let known = metric::metric(id).filter(|known| known.unit == Unit::Millisecond)?;
        let (mut below, mut all) = (0, 0);
        for cell in records.iter().flat_map(|record| &record.cells) {
            let intervals = of_cell(cell, "heartbeat_interval_ms");
            for (repeat, value) in of_cell(cell, known.id) {
                // A scenario may set the interval that the default's calibration does not know.
                let own = intervals
                    .get(&repeat)
                    .filter(|_| instrument.id == "heartbeat");
                let limit_ms = own.copied().unwrap_or(resolution_ms);
                all += 1;
                below += usize::from(value > 0.0 && value < limit_ms);
            }
        }
        (below > 0).then(|| {
            let values = counted(all, "value");
            format!("{below} of {values} of {} below what it tells", known.id)
        })
    };
    instrument
        .tells
        .iter()
        .take(TELLS)
        .filter_map(of_metric)
        .collect()
}

const ROWS: usize = 100;
const TELLS: usize = 20;
const LETTERS: usize = 12;
const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use lmbench_record::record::example;
    use lmbench_record::record::{Resolution, ResolutionFrom, ResolutionUnit};

    fn calibrated() -> Record {
        let mut record = example::jvm();
        record.calibration = Some(example::calibration());
        record
    }

    fn of(records: impl IntoIterator<Item = Record>) -> Vec<Instruments> {
        let sources: Vec<Source> = records.into_iter().map(Source::without_samples).collect();
        instruments(&sources)
    }

    #[test]
    fn runs_of_one_calibration_share_it_and_those_without_one_are_told() {
        let found = of([calibrated(), example::jvm(), calibrated()]);
        let shown: Vec<(&str, bool, usize)> = found
            .iter()
            .map(|one| (one.runs.as_str(), one.origin.is_some(), one.rows.len()))
            .collect();
        assert_eq!(shown, [("Runs A, C", true, 3), ("Run B", false, 0)]);
        assert_eq!(of([calibrated()])[0].runs, "");
    }

    #[test]
    fn values_below_what_an_instrument_tells_are_named() {
        let heartbeat = |resolution_us: f64, interval_ms: f64, pause_ms: f64| {
            let mut instrument = Instrument::new("heartbeat", "", &["guest_pause_ms", "nonsense"]);
            instrument.resolution = Some(Resolution {
                value: resolution_us,
                unit: ResolutionUnit::Us,
                from: ResolutionFrom::Setting,
            });
            let mut record = example::jvm();
            for repeat in record.cells.iter_mut().flat_map(|cell| &mut cell.repeats) {
                let metrics = &mut repeat.metrics;
                metrics.insert("guest_pause_ms".to_owned(), pause_ms);
                metrics.insert("heartbeat_interval_ms".to_owned(), interval_ms);
            }
            below(&instrument, &[&record]).join(", ")
        };
        let all = "9 of 9 values of guest_pause_ms below what it tells";
        // The run's own interval decides.
        assert_eq!(heartbeat(5_000.0, 5.0, 7.0), "");
        assert_eq!(heartbeat(5_000.0, 10.0, 7.0), all);
        assert_eq!(heartbeat(5_000.0, 5.0, 4.9), all);
        assert_eq!(heartbeat(5_000.0, 5.0, 0.0), "");
    }

    #[test]
    fn nothing_in_a_hostile_calibration_is_passed_on() {
        let mut record = calibrated();
        let calibration = record.calibration.as_mut().unwrap();
        calibration.instruments[0].id = "\u{1b}[31m".repeat(100_000);
        calibration.instruments[0].tells = vec!["x\u{202e}".repeat(1000); 1000];
        calibration.instruments[0].latency_us = Some(f64::MAX);
        let row = calibration.instruments[0].clone();
        calibration.instruments.extend(vec![row; 1000]);
        let found = of([record]);
        assert_eq!(found[0].rows.len(), ROWS);
        let text = format!("{found:?}");
        assert!(
            !text.contains('\u{1b}') && text.len() < 1 << 20,
            "{}",
            text.len()
        );
    }
}
