//! A row for each number and text of each sample.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use serde_json::Value as Json;

use super::{Column, ExportError, Kind, Run, Table, TableFormat, Value, flat};
use crate::store::{Sample, StoreError, read_samples};

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

/// What a table of a run's samples takes, told by its first ones.
pub(super) fn bytes(
    run: &Run,
    format: TableFormat,
    columns: &[Column],
) -> Result<u64, ExportError> {
    let mut read = 0;
    let beginning = read_samples(&run.samples)?
        .take(BEGINNING)
        .inspect(|sample| {
            let text = sample.as_ref().map(serde_json::to_string);
            read += text.map_or(0, |text| text.map_or(0, |text| text.len() as u64 + 1));
        });
    let mut written = Counted(0);
    let mut table = Table::new(format, columns, &mut written)?;
    rows(run, beginning, columns, &mut table)?;
    table.end()?;
    let length = fs::metadata(&run.samples).map_or(0, |file| file.len());
    let ratio = written.0 as f64 / (read as f64).max(1.0);
    Ok((length as f64 * ratio) as u64)
}

/// Counts what is written, and throws it away.
struct Counted(u64);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn rows<W: Write + Send>(
    run: &Run,
    samples: impl Iterator<Item = Result<Sample, StoreError>>,
    columns: &[Column],
    table: &mut Table<W>,
) -> Result<Option<SampleTrouble>, ExportError> {
    let cells = run.record.cells.iter();
    let parameters: HashMap<&str, Vec<Value>> = cells
        .map(|cell| (cell.id.as_str(), flat::of_cell(cell, columns)))
        .collect();
    let mut trouble: Option<SampleTrouble> = None;
    for sample in samples {
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
        // Those of cells that were not chosen are in the same file.
        let Some(parameters) = parameters.get(sample.cell.as_str()) else {
            continue;
        };
        let mut beginning = vec![Value::text(&run.record.run_id), Value::text(&sample.cell)];
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

/// Samples that tell how long the others will be: those of the first migration or two.
const BEGINNING: usize = 2000;
