//! Two stacked bars: what the blackout was made of, and CPU time per GiB.

use lmbench_record::metric::Unit;
use lmbench_record::record::{CellRecord, Outcome, Repeat};
use lmbench_record::statistics::median;

use super::Source;
use super::model::{Bar, Bars, Part};
use super::spread::ROWS;
use super::values::{CPU_PARTS, CPU_PARTS_OLDER, of_cell};

/// The blackout of each cell's median repeat: parts of a real one add up, medians of parts would not.
pub(super) fn blackout(sources: &[Source]) -> Option<Bars> {
    let cells = sources.iter().flat_map(|source| &source.record.cells);
    let mut rows = Vec::new();
    let mut left_out = 0;
    for (cell, record) in cells.enumerate() {
        let Some((repeat, total)) = median_repeat(record, "blackout_ms") else {
            continue;
        };
        if rows.len() == ROWS {
            left_out += 1;
            continue;
        }
        let mut values: Vec<Option<f64>> = BLACKOUT
            .iter()
            .map(|(id, _)| {
                repeat
                    .metrics
                    .get(*id)
                    .copied()
                    .filter(|ms| *ms >= 0.0 && ms.is_finite())
            })
            .collect();
        let known: f64 = values.iter().flatten().sum();
        let rest = (total - known).max(0.0);
        // Below a hundredth it is rounding.
        values.push((rest > total / 100.0).then_some(rest));
        rows.push(Bar {
            cell,
            of: format!("#{}", repeat.repeat),
            values,
            total,
        });
    }
    let known = |row: &Bar| row.values[..BLACKOUT.len()].iter().any(Option::is_some);
    if !rows.iter().any(known) {
        // Records of programs that did not look.
        return None;
    }
    let parts = BLACKOUT.iter().map(|(_, part)| part.clone());
    let rest = Part {
        name: "not told apart",
        meaning: "of the blackout, but in none of the parts that were seen",
    };
    (!rows.is_empty()).then(|| Bars {
        unit: Unit::Millisecond,
        parts: parts.chain([rest]).collect(),
        rows,
        left_out,
    })
}

/// The completed repeat whose value is the median, the lower of two; of several equal ones the first.
pub(super) fn median_repeat<'a>(cell: &'a CellRecord, id: &str) -> Option<(&'a Repeat, f64)> {
    let completed = cell.repeats.iter();
    let completed = completed.filter(|repeat| repeat.outcome == Outcome::Completed);
    let mut known: Vec<(&Repeat, f64)> = completed
        .filter_map(|repeat| Some((repeat, super::values::value(repeat, id)?)))
        .collect();
    known.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.repeat.cmp(&b.0.repeat)));
    known.get(known.len().saturating_sub(1) / 2).copied()
}

/// CPU seconds per GiB by cell and side, medians.
pub(super) fn processor(sources: &[Source]) -> Option<Bars> {
    let cells = || sources.iter().flat_map(|source| &source.record.cells);
    // Bars of one picture mean the same.
    let all_newer = cells()
        .filter(|cell| cell.completed().next().is_some())
        .all(|cell| !of_cell(cell, CPU_PARTS[0]).is_empty());
    let mut rows = Vec::new();
    let mut left_out = 0;
    for (cell, record) in cells().enumerate() {
        let median = |id: &str| {
            let values: Vec<f64> = of_cell(record, id).into_values().collect();
            Some(median(&values)?.max(0.0))
        };
        let parts = if all_newer {
            &CPU_PARTS
        } else {
            &CPU_PARTS_OLDER
        };
        let sides = [("source", &parts[..2]), ("destination", &parts[2..])];
        for (side, ids) in sides {
            let values: Vec<Option<f64>> = ids.iter().map(|id| median(id)).collect();
            if values.iter().all(Option::is_none) {
                continue;
            }
            if rows.len() >= ROWS * 2 {
                left_out += usize::from(side == "source");
                continue;
            }
            rows.push(Bar {
                cell,
                of: side.to_owned(),
                total: values.iter().flatten().sum(),
                values,
            });
        }
    }
    (!rows.is_empty()).then(|| Bars {
        unit: Unit::SecondPerGib,
        parts: vec![
            Part {
                name: if all_newer {
                    "QEMU"
                } else {
                    "QEMU without vCPUs"
                },
                meaning: if all_newer {
                    "what migrating costs inside QEMU; over its own sockets that is all of it"
                } else {
                    "all of QEMU's time but the guest's own: the longer the migration, the more of it is not migration"
                },
            },
            Part {
                name: "carrier",
                meaning: "the process that carries the stream",
            },
        ],
        rows,
        left_out,
    })
}

const fn part(name: &'static str, meaning: &'static str) -> Part {
    Part { name, meaning }
}

const BLACKOUT: &[(&str, Part)] = &[
    (
        "blackout_stop_ms",
        part(
            "stop",
            "STOP to status device: vCPUs stop, disks are flushed",
        ),
    ),
    (
        "blackout_sync_ms",
        part("sync", "the last look for dirty memory"),
    ),
    (
        "blackout_ram_ms",
        part("memory", "the last pass over dirty memory"),
    ),
    (
        "blackout_state_ms",
        part("devices", "the devices are saved"),
    ),
    (
        "blackout_send_ms",
        part("send", "until the source gave away the last byte"),
    ),
    (
        "blackout_drain_ms",
        part("drain", "what was still on the way"),
    ),
    (
        "blackout_load_ms",
        part("load", "the destination loads the state"),
    ),
    ("blackout_start_ms", part("start", "state loaded to RESUME")),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use lmbench_record::record::{Record, example};

    fn with(metrics: &[(&str, f64)]) -> Record {
        let mut record = example::empty("bars", 1, 1);
        let metrics: BTreeMap<String, f64> = metrics
            .iter()
            .map(|(id, value)| ((*id).to_owned(), *value))
            .collect();
        record.push(0, Repeat::completed(1, 0.0, metrics));
        record
    }

    #[test]
    fn what_the_parts_do_not_explain_is_a_part_of_its_own() {
        let record = with(&[
            ("blackout_ms", 100.0),
            ("blackout_stop_ms", 10.0),
            ("blackout_sync_ms", 30.0),
        ]);
        let bars = blackout(&[Source::without_samples(record)]).unwrap();
        let row = &bars.rows[0];
        assert_eq!(row.values.len(), bars.parts.len());
        assert_eq!(row.values.last(), Some(&Some(60.0)));
        let sum: f64 = row.values.iter().flatten().sum();
        assert!((sum - row.total).abs() < 1e-9);
    }

    #[test]
    fn the_median_repeat_is_a_real_one() {
        let mut record = example::empty("median", 4, 1);
        for (repeat, ms) in [(1, 40.0), (2, 10.0), (3, 30.0), (4, 20.0)] {
            let metrics = BTreeMap::from([("blackout_ms".to_owned(), ms)]);
            record.push(0, Repeat::completed(repeat, 0.0, metrics));
        }
        let (repeat, ms) = median_repeat(&record.cells[0], "blackout_ms").unwrap();
        assert_eq!((repeat.repeat, ms), (4, 20.0));
    }
}
