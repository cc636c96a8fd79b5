//! Both tables, read back by their libraries.

use std::fs;

use ::csv::StringRecord;
use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
use ::parquet::record::Field;
use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::record::{Repeat, example};

fn run(record: Record) -> Run {
    Run {
        record,
        samples: PathBuf::from("/nonexistent/samples.jsonl"),
    }
}

fn written(runs: &[Run], format: TableFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_metrics(runs, format, &mut bytes).unwrap();
    bytes
}

fn csv_rows(bytes: &[u8]) -> (Vec<String>, Vec<StringRecord>) {
    let mut reader = ::csv::Reader::from_reader(bytes);
    let header = reader
        .headers()
        .unwrap()
        .iter()
        .map(str::to_owned)
        .collect();
    (header, reader.records().map(Result::unwrap).collect())
}

/// Every row as the texts that CSV has for it.
fn parquet_rows(bytes: Vec<u8>) -> (Vec<String>, Vec<Vec<String>>) {
    let reader = SerializedFileReader::new(Bytes::from(bytes)).unwrap();
    let schema = reader.metadata().file_metadata().schema().clone();
    let header = schema
        .get_fields()
        .iter()
        .map(|field| field.name().to_owned())
        .collect();
    let rows = reader.get_row_iter(None).unwrap().map(|row| {
        let row = row.unwrap();
        let texts = row.get_column_iter().map(|(_, field)| match field {
            Field::Null => String::new(),
            Field::Str(text) => text.clone(),
            Field::Double(number) => number.to_string(),
            Field::Long(integer) => integer.to_string(),
            other => panic!("no column has {other:?}"),
        });
        texts.collect()
    });
    (header, rows.collect())
}

#[test]
fn a_row_for_each_metric_of_each_repeat_and_none_is_lost() {
    let runs = [run(example::jvm()), run(example::troubled())];
    let (header, rows) = csv_rows(&written(&runs, TableFormat::Csv));
    let expected: usize = runs
        .iter()
        .flat_map(|run| &run.record.cells)
        .flat_map(|cell| &cell.repeats)
        .map(|repeat| repeat.metrics.len().max(1))
        .sum();
    assert_eq!(rows.len(), expected);
    let column = |name: &str| header.iter().position(|column| column == name).unwrap();
    let find = |wanted: &[(&str, &str)]| -> Vec<&StringRecord> {
        let fits = |row: &&StringRecord| {
            wanted
                .iter()
                .all(|(name, value)| &row[column(name)] == *value)
        };
        rows.iter().filter(fits).collect()
    };
    let downtime = find(&[
        ("scenario", "jvm-heavy"),
        ("parameter.carrier", "tcp"),
        ("repeat", "2"),
        ("metric", "downtime_ms"),
    ]);
    let value = runs[0].record.cells[1].repeats[1].metrics["downtime_ms"];
    assert_eq!(downtime[0][column("value")].parse(), Ok(value));
    assert_eq!(
        (&downtime[0][column("unit")], &downtime[0][column("better")]),
        ("ms", "lower")
    );
    let failed = find(&[("outcome", "failed")]);
    assert_eq!(failed.len(), 2);
    assert!(failed[0][column("reason")].contains("load of migration failed"));
    assert_eq!(&failed[0][column("value")], "");
}

#[test]
fn parquet_holds_what_csv_holds() {
    let runs = [run(example::wide()), run(example::troubled())];
    let (header, rows) = csv_rows(&written(&runs, TableFormat::Csv));
    let (parquet_header, parquet_rows) = parquet_rows(written(&runs, TableFormat::Parquet));
    assert_eq!(parquet_header, header);
    assert_eq!(parquet_rows.len(), rows.len());
    for (parquet, csv) in parquet_rows.iter().zip(&rows) {
        assert_eq!(
            parquet.iter().map(String::as_str).collect::<Vec<_>>(),
            csv.iter().collect::<Vec<_>>()
        );
    }
}

#[test]
fn samples_are_rows_of_leaves_and_damaged_lines_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let samples = directory.path().join("samples.jsonl");
    let line = |at_ms: f64, data: &str| {
        format!(
            "{{\"cell\":\"carrier=native-tcp,policy=static\",\"repeat\":1,\"at_ms\":{at_ms},\"host\":\"source\",\"kind\":\"cpu\",\"data\":{data}}}\n"
        )
    };
    let text = line(
        1.5,
        r#"{"qemu":{"total_ns":7},"threads":[{"name":"=live"}],"carrier":null}"#,
    ) + "{\"cell\":\n"
        // Of a cell that is not exported.
        + &line(2.5, "true").replace("native-tcp", "gone")
        + "{\"torn";
    fs::write(&samples, text).unwrap();
    let runs = [Run {
        record: example::jvm(),
        samples,
    }];
    let mut bytes = Vec::new();
    let troubles = write_samples(&runs, TableFormat::Csv, &mut bytes).unwrap();
    assert_eq!((troubles.len(), troubles[0].lines), (1, 1));
    assert!(troubles[0].first.to_string().contains("line 2"));
    insta::assert_snapshot!(String::from_utf8(bytes).unwrap());
    let mut bytes = Vec::new();
    write_samples(&runs, TableFormat::Parquet, &mut bytes).unwrap();
    assert_eq!(parquet_rows(bytes).1.len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    // Names and numbers come from files.
    #[test]
    fn any_text_and_number_comes_back(name in any::<String>(), key in any::<String>(), value in proptest::num::f64::NORMAL | proptest::num::f64::ZERO) {
        let mut record = example::empty(&name, 1, 1);
        record.cells[0].parameters.insert(key, serde_json::json!({ "deep": [name.clone()] }));
        record.push(0, Repeat::completed(1, 0.0, [(name.clone(), value)].into()));
        let runs = [run(record)];
        let (_, csv) = csv_rows(&written(&runs, TableFormat::Csv));
        let (_, parquet) = parquet_rows(written(&runs, TableFormat::Parquet));
        prop_assert_eq!(&csv[0][1], &name);
        prop_assert_eq!(csv[0].iter().next_back().unwrap().parse(), Ok(value));
        prop_assert_eq!(&parquet[0], &csv[0].iter().map(str::to_owned).collect::<Vec<_>>());
        let text = openmetrics::text(&runs);
        prop_assert!(text.ends_with("\n# EOF\n"));
    }
}
