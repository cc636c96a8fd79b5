//! The list of runs in every status.

use std::path::Path;

use super::*;
use crate::record::example;
use crate::store::Liveness;

#[test]
fn runs_of_every_status() {
    let mut runs: Vec<RunSummary> = [
        (example::jvm(), Liveness::Running),
        (example::wide(), Liveness::Ended),
        (example::troubled(), Liveness::Died),
        (example::empty("\u{1b}[31mred", 3, 2), Liveness::Ended),
    ]
    .iter()
    .map(|(record, liveness)| RunSummary::new(record, Path::new("results/x"), *liveness))
    .collect();
    let mut broken = runs[0].clone();
    "20260228-070000-half-written-0bad".clone_into(&mut broken.run_id);
    broken.status = store::Status::Unreadable;
    broken.scenario = None;
    broken.problem = Some("the record \"results/…/record.json\" is damaged at line 3, column 9: EOF while parsing a string".to_owned());
    runs.push(broken);
    let text = list_text(&runs, 0, &BTreeMap::new());
    assert!(
        text.lines().all(|line| line.chars().count() <= 100),
        "{text}"
    );
    let short = list_text(&runs[..2], 9900, &BTreeMap::new());
    assert!(short.contains("\nand 9900 older runs: --limit"), "{short}");
    insta::assert_snapshot!(format!("{text}\n{}", list_problems(&runs)));
}

#[test]
fn no_runs() {
    assert_eq!(list_text(&[], 0, &BTreeMap::new()), "no runs\n");
}

#[test]
fn a_run_that_goes_on_says_where_it_is() {
    let record = example::wide();
    let run = RunSummary::new(&record, Path::new("results/x"), Liveness::Running);
    let standing = Status {
        run: run.run_id.clone(),
        migrations: 119,
        finished: 3,
        ..Status::default()
    };
    let text = list_text(
        std::slice::from_ref(&run),
        0,
        &BTreeMap::from([(run.run_id.clone(), standing)]),
    );
    assert!(
        text.contains("\n  [3/119] between two migrations"),
        "{text}"
    );
    assert!(
        text.lines().all(|line| line.chars().count() <= 100),
        "{text}"
    );
}
