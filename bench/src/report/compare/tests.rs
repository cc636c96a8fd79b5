//! Runs with and without differences, and what is named of them.

use std::collections::BTreeMap;

use super::*;
use crate::record::{Repeat, example};
use crate::statistics::simulated::Noise;

/// Three carriers of eight repeats: tcp takes as long as native-tcp, give or take, and ssh half as long again.
fn record() -> Record {
    let mut record = example::empty("compare", 8, 3);
    for repeat in 1..=8_u32 {
        let noise = 1.0 + f64::from(repeat * 37 % 11) / 500.0;
        let wobble = if repeat % 2 == 0 { 1.01 } else { 0.99 };
        for (cell, ms) in [(0, 1000.0), (1, 1000.0 * wobble), (2, 1500.0)] {
            let metrics = BTreeMap::from([("total_time_ms".to_owned(), ms * noise)]);
            record.push(cell, Repeat::completed(repeat, 0.0, metrics));
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
            .all(|row| matches!(row.verdict, Verdict::Unclear | Verdict::Same))
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
                Repeat::completed(repeat, 0.0, BTreeMap::from(metrics)),
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
    let real = |row: &Difference| row.verdict.is_real();
    starred
        || found
            .iter()
            .any(|found| found.rows.iter().any(real) || !found.best.is_empty())
}

// At most 1 of 100 reports of nothing is expected to name something; 4 of 15 are far beyond.
#[test]
fn a_report_of_nothing_names_nobody() {
    let mut noise = Noise::new(5);
    for cells in [2, 4, 8] {
        let found = (0..15).filter(|_| names_something(measured(&mut noise, cells, 8, |_| 1.0)));
        let found = found.count();
        assert!(found <= 3, "{cells} cells: {found} of 15");
    }
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
