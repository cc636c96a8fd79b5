//! Texts of records that others made or damaged.

use std::path::Path;

use lmbench_record::import::guestperf::{from_json, runs};
use lmbench_record::record::{Record, example};
use proptest::prelude::*;

use super::{show_text, summary_text};

const REPORT: &str = include_str!("../../../tests/fixtures/guestperf.json");

#[test]
fn an_imported_report_is_shown_as_any_run() {
    let read = from_json(
        REPORT.as_bytes(),
        Path::new("reports/post-copy-iters-5.json"),
    )
    .unwrap();
    let imported = runs(vec![read]).pop().expect("a report makes a run");
    insta::assert_snapshot!(show_text(&imported.record, false));
}

/// A text with `cuts` replaced by other bytes.
fn mutated(text: &str, cuts: &[(usize, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (at, new) in cuts {
        let at = at % bytes.len();
        let end = (at + new.len()).min(bytes.len());
        bytes.splice(at..end, new.iter().copied());
    }
    bytes
}

fn is_shown(record: &Record) -> Result<(), TestCaseError> {
    let text = summary_text(record) + &show_text(record, true);
    let escape = '\u{1b}';
    prop_assert!(!text.contains(escape));
    Ok(())
}

proptest! {
    // What is still read after a mutation must also survive being shown.
    #[test]
    fn mutated_records_are_shown(cuts in proptest::collection::vec((any::<usize>(), proptest::collection::vec(any::<u8>(), 1..8)), 1..6)) {
        let bytes = mutated(&example::jvm().to_json(), &cuts);
        if let Ok(record) = Record::from_json(&bytes, Path::new("x")) {
            is_shown(&record)?;
        }
    }

    #[test]
    fn mutated_digits_are_shown(cuts in proptest::collection::vec((any::<usize>(), "[0-9e.,-]{1,6}".prop_map(String::into_bytes)), 1..6)) {
        let bytes = mutated(&example::jvm().to_json(), &cuts);
        if let Ok(record) = Record::from_json(&bytes, Path::new("x")) {
            is_shown(&record)?;
        }
    }

    #[test]
    fn mutated_reports_are_shown(cuts in proptest::collection::vec((any::<usize>(), "[0-9e.,\"a-]{1,6}".prop_map(String::into_bytes)), 1..6)) {
        let read = from_json(&mutated(REPORT, &cuts), Path::new("x"));
        for imported in runs(read.into_iter().collect()) {
            is_shown(&imported.record)?;
        }
    }
}
