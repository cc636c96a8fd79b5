//! A row for each number and text of each sample.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;

use serde_json::Value as Json;

use super::{Column, ExportError, Kind, Run, Table, Value, flat};
use crate::store::{StoreError, read_samples};

/// Samples that could not be exported.
#[derive(Debug)]
pub struct SampleTrouble {
    /// Their file.
    pub path: PathBuf,
    /// Lines left out.
    pub lines: usize,
    /// What is wrong with the first of them.
    pub first: StoreError,
}

pub(super) fn columns(runs: &[Run]) -> Vec<Column> {
    let mut columns = flat::named(&[("run", Kind::Text), ("cell", Kind::Text)]);
    columns.extend(flat::parameters(runs));
    columns.extend(flat::named(&[
        ("repeat", Kind::Integer),
        ("at_ms", Kind::Number),
        ("host", Kind::Text),
        ("kind", Kind::Text),
        ("key", Kind::Text),
        ("number", Kind::Number),
        ("text", Kind::Text),
    ]));
    columns
}

pub(super) fn rows<W: Write + Send>(
    run: &Run,
    columns: &[Column],
    table: &mut Table<W>,
) -> Result<Option<SampleTrouble>, ExportError> {
    let cells = run.record.cells.iter();
    let parameters: HashMap<&str, Vec<Value>> = cells
        .map(|cell| (cell.id.as_str(), flat::of_cell(cell, columns)))
        .collect();
    // Of a cell that the record does not know, nothing is.
    let unknown = vec![Value::Absent; columns.len() - FIXED_COLUMNS];
    let mut trouble: Option<SampleTrouble> = None;
    for sample in read_samples(&run.samples)? {
        let sample = match sample {
            Ok(sample) => sample,
            Err(error) => {
                let told = trouble.get_or_insert_with(|| SampleTrouble {
                    path: run.samples.clone(),
                    lines: 0,
                    first: error,
                });
                told.lines += 1;
                continue;
            }
        };
        let mut beginning = vec![Value::text(&run.record.run_id), Value::text(&sample.cell)];
        let parameters = parameters.get(sample.cell.as_str()).unwrap_or(&unknown);
        beginning.extend(parameters.iter().cloned());
        beginning.extend([
            Value::Integer(i64::from(sample.repeat)),
            Value::Number(sample.at_ms),
            Value::text(&sample.host),
            Value::text(&sample.kind),
        ]);
        let mut written = Ok(());
        flat::leaves(&sample.data, "", &mut |key, leaf| {
            if written.is_ok() {
                let mut row = beginning.clone();
                row.push(Value::text(key));
                row.extend(number_and_text(leaf));
                written = table.row(row);
            }
        });
        written?;
    }
    Ok(trouble)
}

fn number_and_text(leaf: &Json) -> [Value; 2] {
    match leaf {
        Json::Number(number) => [
            number.as_f64().map_or(Value::Absent, Value::Number),
            Value::Absent,
        ],
        Json::Bool(truth) => [Value::Number(f64::from(u8::from(*truth))), Value::Absent],
        Json::String(text) => [Value::Absent, Value::text(text)],
        _ => [Value::Absent, Value::Absent],
    }
}

/// Those that are not for parameters.
const FIXED_COLUMNS: usize = 9;
