//! Records that are damaged in every way we know of, and the one that must stay readable forever.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::record::{Outcome, example};

fn read(text: &str) -> Result<Record, RecordError> {
    Record::from_json(text.as_bytes(), Path::new("results/x/record.json"))
}

#[test]
fn the_fixture_of_format_1_is_still_read() {
    let record = read(include_str!("../fixtures/format-1.json")).unwrap();
    assert_eq!(record.run_id, "20260301-120000-jvm-heavy-1f3c");
    assert_eq!(record.cells[1].repeats[0].outcome, Outcome::DidNotConverge);
    assert_eq!(
        record.cells[0].summary["downtime_ms"].ci95,
        Some([200.0, 230.0])
    );
    assert_eq!(record.cells[0].repeats[0].events[1].name, "RESUME");
    // The fixture is what the contract shows: fields that joined later are absent, and some are of the future.
    assert_eq!(
        (record.planned_repeats, record.finished, record.complete),
        (None, None, false)
    );
}

#[test]
fn each_kind_of_damage_has_its_message() {
    let whole = example::jvm().to_json();
    let cases = [
        ("empty", String::new()),
        ("cut off", whole[..whole.len() / 2].to_owned()),
        (
            "not a number",
            whole.replacen("\"seed\": 7", "\"seed\": NaN", 1),
        ),
        (
            "huge number",
            whole.replacen("\"started_ms\": 0.0", "\"started_ms\": 1e999", 1),
        ),
        (
            "deeply nested",
            format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
        ),
        (
            "another format",
            whole.replacen("\"format\": 1", "\"format\": 2", 1),
        ),
        (
            "format of another kind",
            r#"{"format": "\u001b[31mone"}"#.to_owned(),
        ),
        ("no format", "{}".to_owned()),
        ("not an object", "[1, 2]".to_owned()),
        (
            "unknown outcome",
            whole.replacen("\"completed\"", "\"\\u001b[2Jlost\"", 1),
        ),
        (
            "missing field",
            r#"{"format": 1, "run_id": "x"}"#.to_owned(),
        ),
        (
            "failed with metrics",
            whole.replacen("\"completed\"", "\"failed\"", 1),
        ),
    ];
    let mut messages = Vec::new();
    for (name, text) in cases {
        let error = read(&text).expect_err(name).to_string();
        assert!(!error.contains('\u{1b}'), "{name}: {error:?}");
        messages.push(format!("{name}: {error}"));
    }
    insta::assert_snapshot!(messages.join("\n"));
}

// Each beside each would be five thousand million comparisons.
#[test]
fn a_hundred_thousand_cells_are_told_apart_in_time() {
    let cell = |index: u32| {
        let id = (index % 99_999).to_string();
        serde_json::json!({ "id": id, "parameters": {}, "repeats": [] })
    };
    let mut record: Value = serde_json::from_str(&example::jvm().to_json()).unwrap();
    record["cells"] = (0..100_000).map(cell).collect();
    let error = read(&record.to_string()).unwrap_err().to_string();
    assert!(error.contains("two cells are called \"0\""), "{error}");
}

#[test]
fn a_missing_file_and_a_folder_are_errors_that_name_them() {
    for path in ["/nonexistent/record.json", "/proc"] {
        assert!(
            Record::read_whole(Path::new(path))
                .unwrap_err()
                .to_string()
                .contains(path)
        );
    }
}

/// A valid record with `cuts` replaced by other bytes.
fn mutated(cuts: &[(usize, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = example::jvm().to_json().into_bytes();
    for (at, new) in cuts {
        let at = at % bytes.len();
        let end = (at + new.len()).min(bytes.len());
        bytes.splice(at..end, new.iter().copied());
    }
    bytes
}

proptest! {
    // Every digit survives: the gate compares what was measured, not what a parser made of it.
    #[test]
    fn numbers_are_read_back_exactly(values in proptest::collection::vec(any::<f64>().prop_filter("finite", |value| value.is_finite()), 1..20)) {
        let mut record = example::empty("exact", 1, 1);
        let metrics = values.iter().enumerate().map(|(index, value)| (format!("metric_{index}"), *value)).collect();
        record.push(0, crate::record::Repeat::completed(1, values[0], metrics));
        prop_assert_eq!(read(&record.to_json()).unwrap(), record);
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Record::from_json(&bytes, Path::new("x")).is_err());
    }

    // What is still read after a mutation must also be written so that it can be read.
    #[test]
    fn mutated_records_do_not_panic(cuts in proptest::collection::vec((any::<usize>(), proptest::collection::vec(any::<u8>(), 1..8)), 1..6)) {
        exercise(&mutated(&cuts))?;
    }

    #[test]
    fn mutated_digits_do_not_panic(cuts in proptest::collection::vec((any::<usize>(), "[0-9e.,-]{1,6}".prop_map(String::into_bytes)), 1..6)) {
        exercise(&mutated(&cuts))?;
    }
}

fn exercise(bytes: &[u8]) -> Result<(), TestCaseError> {
    match Record::from_json(bytes, Path::new("x")) {
        Ok(record) => {
            prop_assert!(Record::from_json(record.to_json().as_bytes(), Path::new("x")).is_ok());
        }
        Err(error) => prop_assert!(error.to_string().contains("\"x\"")),
    }
    Ok(())
}
