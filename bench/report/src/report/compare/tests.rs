//! Runs with and without differences, and what is named of them.

use std::collections::BTreeMap;

use lmbench_record::judge::Verdict;
use lmbench_record::record::{Repeat, example};
use lmbench_record::statistics::simulated::Noise;

use super::*;

/// When a repeat of cells that take turns starts, ms.
fn at(repeat: u32, cell: usize) -> f64 {
    f64::from(repeat) * 1e5 + cell as f64 * 1e3
}

/// Three carriers of eight repeats: tcp takes as long as native-tcp, give or take, and ssh half as long again.
fn record() -> Record {
    let mut record = example::empty("compare", 8, 3);
    for repeat in 1..=8_u32 {
        let noise = 1.0 + f64::from(repeat * 37 % 11) / 500.0;
        let wobble = if repeat % 2 == 0 { 1.01 } else { 0.99 };
        for (cell, ms) in [(0, 1000.0), (1, 1000.0 * wobble), (2, 1500.0)] {
            let metrics = BTreeMap::from([("total_time_ms".to_owned(), ms * noise)]);
            record.push(cell, Repeat::completed(repeat, at(repeat, cell), metrics));
        }
    }
    record
}

fn verdicts(comparison: &Comparison) -> Vec<(String, Verdict)> {
    let rows = comparison.rows.iter();
    rows.map(|row| (row.candidate.clone(), row.verdict))
        .collect()
}

#[test]
fn noise_is_no_difference_and_half_as_long_again_is_one() {
    let comparisons = comparisons(&[Source::without_samples(record())]);
    let expected = [
        ("tcp".to_owned(), Verdict::Same),
        ("ssh".to_owned(), Verdict::Worse),
    ];
    assert_eq!(verdicts(&comparisons[0]), expected);
    assert!((comparisons[0].rows[1].ratio - 1.5).abs() < 0.01);
}

#[test]
fn a_run_is_not_different_from_itself() {
    let twice = [record(), record()].map(Source::without_samples);
    let comparisons = comparisons(&twice);
    assert_eq!(comparisons[2].rows.len(), 3);
    assert!(
        comparisons[2]
            .rows
            .iter()
            .all(|row| matches!(row.verdict, Verdict::CantTell | Verdict::Same))
    );
}

/// Cells of `n` repeats, each with these metrics, all alike but for what `factor` makes of a cell.
fn measured(noise: &mut Noise, cells: usize, n: u32, factor: impl Fn(usize) -> f64) -> Record {
    let mut record = example::empty("arms", n, cells);
    for repeat in 1..=n {
        for cell in 0..record.cells.len() {
            let value = |id: &str| (id.to_owned(), factor(cell) * noise.skewed(0.05));
            let metrics = ["total_time_ms", "blackout_ms", "brownout_ms", "wire_bytes"].map(value);
            record.push(
                cell,
                Repeat::completed(repeat, at(repeat, cell), BTreeMap::from(metrics)),
            );
        }
    }
    record
}

fn names_something(record: Record) -> bool {
    let starred = standings(&record)
        .iter()
        .any(|standing| standing.best.is_some() || standing.differs);
    let found = comparisons(&[Source::without_samples(record)]);
    let real = |row: &Difference| row.stands_out;
    starred
        || found
            .iter()
            .any(|found| found.rows.iter().any(real) || !found.best.is_empty())
}

// Of 45 reports of nothing not even one is expected to name something; of 9 in 100 two or more would in 92 of 100 cases.
#[test]
fn a_report_of_nothing_names_nobody() {
    let mut noise = Noise::new(5);
    let mut found = 0;
    for cells in [2, 4, 8] {
        let named = (0..15).filter(|_| names_something(measured(&mut noise, cells, 8, |_| 1.0)));
        found += named.count();
    }
    assert!(found <= 1, "{found} of 45");
}

#[test]
fn the_best_of_many_is_found() {
    let mut noise = Noise::new(6);
    for cells in [2, 4, 6] {
        let record = measured(
            &mut noise,
            cells,
            8,
            |cell| if cell == 1 { 0.7 } else { 1.0 },
        );
        assert_eq!(standings(&record)[0].best, Some(1), "{cells} cells");
    }
}

#[test]
fn who_fails_is_not_the_best() {
    let mut noise = Noise::new(7);
    let mut record = measured(&mut noise, 2, 16, |cell| if cell == 1 { 0.5 } else { 1.0 });
    let all = comparisons(&[Source::without_samples(record.clone())]);
    assert_eq!(all[0].best[0].winners, ["tcp"]);
    for repeat in 1..=8 {
        record.push(1, Repeat::unfinished(repeat, 0.0, Outcome::Failed, "cut"));
    }
    assert!(
        standings(&record)
            .iter()
            .all(|standing| standing.best.is_none())
    );
    let found = comparisons(&[Source::without_samples(record)]);
    assert!(found[0].best.is_empty(), "{:?}", found[0].best);
    assert_eq!(found[0].partly, [("tcp".to_owned(), [8, 8])]);
}

// The same two cells, the same words, the same chance: whether a report tells it or `compare`.
#[test]
fn a_report_repeats_what_compare_says() {
    let mut noise = Noise::new(8);
    let mut told = 0;
    for by in [1.0, 1.03, 1.08, 1.3] {
        let runs = [0, 1].map(|_| {
            let mut record = measured(&mut noise, 3, 8, |cell| if cell == 2 { by } else { 1.0 });
            // More is asked of two cells than what the headlines are.
            for repeat in record.cells.iter_mut().flat_map(|cell| &mut cell.repeats) {
                let more = ["ram_bytes", "downtime_ms", "stall_ms"];
                let more = more.map(|id| (id.to_owned(), noise.skewed(0.05)));
                repeat.metrics.extend(more);
            }
            record
        });
        let [one, other] = &runs;
        let other = Record {
            run_id: "other".to_owned(),
            ..other.clone()
        };
        let found = comparisons(&[one.clone(), other.clone()].map(Source::without_samples));
        for row in &found[0].rows {
            let choices = [&row.base, &row.candidate];
            let choices = choices.map(|carrier| Choice::cells(format!("carrier={carrier}")));
            let [base, candidate] = [0, 1].map(|side: usize| Side {
                record: one,
                choice: &choices[side],
            });
            told += same_as(row, base, candidate);
        }
        let whole = Choice::all();
        for row in &found[2].rows {
            let cell = other
                .cells
                .iter()
                .find(|cell| cell.id.contains(&format!("={},", row.candidate)));
            let choice = Choice::cells(&cell.unwrap().id);
            let side = |record, choice| Side { record, choice };
            told += same_as(row, side(one, &choice), side(&other, &choice));
        }
        assert_eq!(
            compare::compare(
                Side {
                    record: one,
                    choice: &whole
                },
                Side {
                    record: &other,
                    choice: &whole
                },
                &Options::default()
            )
            .unwrap()
            .cells
            .len(),
            3
        );
    }
    assert_eq!(told, 4 * (2 + 3) * 4);
}

/// That a row says what `compare` says of the same sides.
fn same_as(row: &Difference, base: Side<'_>, candidate: Side<'_>) -> usize {
    let told = compare::compare(base, candidate, &Options::default()).unwrap();
    let mut metrics = told.cells[0].metrics.iter();
    let told = metrics.find(|told| told.id == row.quantity.id).unwrap();
    assert_eq!(told.verdict, Some(row.verdict), "{row:?} {told:?}");
    let (ratio, p) = (told.effect.unwrap().ratio, told.adjusted_p.unwrap());
    assert!((ratio - row.ratio).abs() + (p - row.p).abs() < 1e-12);
    1
}

#[test]
fn a_latency_of_a_guest_that_did_less_is_not_better() {
    let mut noise = Noise::new(9);
    let told = |lost: f64, noise: &mut Noise| {
        let mut record = measured(noise, 2, 8, |_| 1.0);
        for (cell, of_cell) in record.cells.iter_mut().enumerate() {
            for repeat in &mut of_cell.repeats {
                let (lost, us) = if cell == 1 {
                    (lost, 300.0)
                } else {
                    (0.3, 900.0)
                };
                let metrics = [("workload_slowdown", lost), ("op_latency_us_p99", us)];
                let metrics =
                    metrics.map(|(id, value)| (id.to_owned(), value * noise.skewed(0.02)));
                repeat.metrics.extend(metrics);
            }
        }
        let starred = standings(&record)
            .iter()
            .filter(|standing| standing.best == Some(1))
            .count();
        let found = comparisons(&[Source::without_samples(record)]);
        let rows = found[0].rows.iter();
        let row = rows
            .clone()
            .find(|row| row.quantity.id == "op_latency_us_p99");
        (row.unwrap().verdict, starred)
    };
    assert_eq!(told(0.3, &mut noise), (Verdict::Better, 1));
    assert_eq!(told(0.8, &mut noise), (Verdict::CantTell, 0));
}

#[test]
fn another_run_takes_nothing_away() {
    let alone = comparisons(&[Source::without_samples(record())]);
    let beside = comparisons(&[record(), record()].map(Source::without_samples));
    assert_eq!(alone[0].rows, beside[0].rows);
    assert_eq!(alone[0].best, beside[0].best);
    assert_eq!(beside.len(), 3);
}

#[test]
fn five_repeats_say_nothing() {
    let mut record = record();
    for cell in &mut record.cells {
        cell.repeats.truncate(5);
    }
    assert!(comparisons(&[Source::without_samples(record)]).is_empty());
}
