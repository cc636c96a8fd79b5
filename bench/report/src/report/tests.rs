//! Whole reports of made-up records.

use lmbench_record::record::example;

use super::model::Answer;
use super::*;

fn of(records: impl IntoIterator<Item = Record>) -> Report {
    let sources: Vec<Source> = records.into_iter().map(Source::without_samples).collect();
    report(&sources)
}

#[test]
fn several_runs_have_letters_and_are_compared_with_the_first() {
    let report = of([example::jvm(), example::jvm(), example::jvm()]);
    assert_eq!(
        report.runs.iter().map(|run| run.letter).collect::<Vec<_>>(),
        [Some('A'), Some('B'), Some('C')]
    );
    assert_eq!(report.cells.len(), 9);
    assert!(
        report.cells[3].label.starts_with("B · "),
        "{:?}",
        report.cells[3]
    );
    let titles: Vec<&str> = report
        .comparisons
        .iter()
        .map(|c| c.title.as_str())
        .collect();
    assert_eq!(titles, ["Run B against run A", "Run C against run A"]);
    assert_eq!(report.title, "jvm-heavy");
}

#[test]
fn every_run_of_two_axes_has_its_grids() {
    let mut record = example::wide();
    record.cells.truncate(15);
    let alone = of([record.clone()]).grids;
    let both = of([record.clone(), record]).grids;
    assert!(alone.iter().all(|grid| grid.run.is_none()));
    let letters: Vec<_> = both.iter().filter_map(|grid| grid.run).collect();
    let expected: String = "A".repeat(alone.len()) + &"B".repeat(alone.len());
    assert_eq!(letters.into_iter().collect::<String>(), expected);
}

#[test]
fn two_machines_are_told_before_anything_else() {
    let mut other = example::jvm();
    other.environment.cores = 96;
    let report = of([example::jvm(), other]);
    let first = &report.answers[0];
    assert!(first.text.contains("different machines"), "{first:?}");
    assert!(
        first.points[0].starts_with("run B against run A") && first.points[0].contains("96"),
        "{first:?}"
    );
    let report = of([example::jvm(), example::jvm()]);
    let told = |answer: &Answer| answer.text.contains("different machines");
    assert!(!report.answers.iter().any(told));
}

#[test]
fn what_went_wrong_says_in_which_run() {
    let report = of([example::jvm(), example::troubled()]);
    assert!(!report.troubles.is_empty());
    assert!(
        report.troubles.iter().all(|line| line.starts_with("B · ")),
        "{:?}",
        report.troubles
    );
}

#[test]
fn a_run_that_measured_nothing_has_a_report_too() {
    let report = of([example::empty("nothing", 3, 2)]);
    assert!(
        report.overview.is_none() && report.distributions.is_empty() && report.timelines.is_empty()
    );
    assert!(
        report
            .answers
            .iter()
            .any(|answer| answer.text.contains("6 migrations not done")),
        "{:?}",
        report.answers
    );
    assert!(report.repeats.rows.is_empty());
}

#[test]
fn rows_of_every_table_are_as_wide_as_their_head() {
    let report = of([example::wide()]);
    assert!(
        report
            .repeats
            .rows
            .iter()
            .all(|row| row.len() == report.repeats.columns.len())
    );
    let overview = report.overview.unwrap();
    assert!(
        overview
            .rows
            .iter()
            .all(|row| row.len() == overview.columns.len())
    );
    assert_eq!(overview.rows.len(), report.cells.len());
}

#[test]
fn letters_end_somewhere() {
    assert_eq!(
        [letter(0), letter(25), letter(26), letter(999)],
        ['A', 'Z', '…', '…']
    );
}
