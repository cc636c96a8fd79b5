//! What is kept, how the file looks, and what is said of files that are none.

use std::path::Path;

use super::*;
use crate::record::{Repeat, example};

fn read(text: &str) -> Result<Baseline, BaselineError> {
    Baseline::from_json(text.as_bytes(), Path::new("base.json"))
}

/// A small run with two metrics.
fn small() -> Record {
    let mut record = example::empty("kept", 3, 2);
    for (cell, repeat) in [(0, 1), (0, 2), (0, 3), (1, 1)] {
        let value = 100.0 + f64::from(repeat) / 3.0;
        let metrics = BTreeMap::from([
            ("downtime_ms".to_owned(), value),
            ("iterations".to_owned(), 4.0),
        ]);
        record.push(cell, Repeat::completed(repeat, 0.0, metrics));
    }
    record.push(
        1,
        Repeat::unfinished(2, 0.0, Outcome::DidNotConverge, "slow"),
    );
    record
}

#[test]
fn a_baseline_reads_as_it_was_written() {
    for record in [
        small(),
        example::jvm(),
        example::wide(),
        example::troubled(),
    ] {
        let baseline = Baseline::of(&record, &[]).unwrap();
        assert_eq!(read(&baseline.to_json()).unwrap(), baseline);
    }
}

#[test]
fn people_can_read_it() {
    let baseline = Baseline::of(&small(), &[small()]).unwrap();
    insta::assert_snapshot!("file", baseline.to_json());
}

#[test]
fn what_tomorrow_adds_is_passed_over() {
    let text = Baseline::of(&small(), &[]).unwrap().to_json();
    let more = text.replacen('{', "{ \"tomorrow\": [1, {\"a\": null}],", 1);
    assert!(read(&more).is_ok());
}

#[test]
fn a_run_without_values_is_none() {
    let mut record = example::empty("none", 1, 1);
    assert!(matches!(
        Baseline::of(&record, &[]),
        Err(BaselineError::Nothing { .. })
    ));
    record.push(0, Repeat::unfinished(1, 0.0, Outcome::Failed, "x"));
    assert!(matches!(
        Baseline::of(&record, &[]),
        Err(BaselineError::Nothing { .. })
    ));
}

#[test]
fn files_that_are_none_are_named_with_the_mend() {
    let good = Baseline::of(&small(), &[]).unwrap().to_json();
    let cut = &good[..good.len() / 2];
    let cases = [
        "",
        "[]",
        "null",
        "not JSON \u{1b}[31m",
        "{}",
        "{\"kind\": \"other\"}",
        &small().to_json(),
        &good.replace("\"format\": 1", "\"format\": \"\u{1b}[2J\""),
        cut,
        &good.replace("\"cores\": 2", "\"cores\": -2"),
        &good.replace("\"median\": 4.0", "\"median\": 1e999"),
        &good.replace("\"completed\": 3", "\"gone\\u001b[2J\": 3"),
    ];
    let said: Vec<String> = cases
        .iter()
        .map(|text| {
            let error = read(text).expect_err(text).to_string();
            assert!(!error.contains('\u{1b}'), "{error:?}");
            error
        })
        .collect();
    insta::assert_snapshot!("refused", said.join("\n\n"));
}
