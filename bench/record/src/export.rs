//! Records for other programs: CSV and Parquet in long form, a row for each value, and `OpenMetrics` text for monitoring.
//!
//! Values and texts are as the records have them. It draws no conclusions and knows no terminal.

mod csv;
mod flat;
mod metrics;
pub mod openmetrics;
mod parquet;
mod samples;

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::record::Record;
use crate::store::{StoreError, read_samples};

pub use samples::SampleTrouble;

/// A run to export.
#[derive(Debug)]
pub struct Run {
    /// Its record.
    pub record: Record,
    /// Where its samples are, if it has any.
    pub samples: PathBuf,
}

/// A form of tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// RFC 4180, a header line first.
    Csv,
    /// Apache Parquet, compressed with Snappy.
    Parquet,
}

/// Why an export did not come about.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file can't be written.
    #[error(
        "cannot write {path:?}: {source}\nhint: check the folder and its free space, or name another file with `-o`"
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The samples can't be read at all.
    #[error(transparent)]
    Samples(#[from] StoreError),
    /// A table did not take a row; its file, where that is known, and why.
    #[error("cannot write {0}")]
    Table(String),
}

impl ExportError {
    /// An error of the file itself.
    pub fn write(path: &Path, source: std::io::Error) -> Self {
        ExportError::Write {
            path: path.to_owned(),
            source,
        }
    }
}

/// Writes a row for each metric of each repeat; a repeat without metrics has one, so that none is lost.
pub fn write_metrics(
    runs: &[Run],
    format: TableFormat,
    output: impl Write + Send,
) -> Result<(), ExportError> {
    let columns = metrics::columns(runs);
    let mut table = Table::new(format, &columns, output)?;
    for run in runs {
        metrics::rows(&run.record, &columns, &mut table)?;
    }
    table.end()
}

/// Writes a row for each number and text of each sample; damaged lines are left out and told.
pub fn write_samples(
    runs: &[Run],
    format: TableFormat,
    output: impl Write + Send,
) -> Result<Vec<SampleTrouble>, ExportError> {
    let columns = samples::columns(runs);
    let mut table = Table::new(format, &columns, output)?;
    let mut troubles = Vec::new();
    for run in runs {
        let samples = read_samples(&run.samples)?;
        troubles.extend(samples::rows(run, samples, &columns, &mut table)?);
    }
    table.end()?;
    Ok(troubles)
}

/// About how many bytes [`write_samples`] would write.
pub fn samples_bytes(runs: &[Run], format: TableFormat) -> Result<u64, ExportError> {
    let columns = samples::columns(runs);
    let of_each = runs.iter().map(|run| samples::bytes(run, format, &columns));
    of_each.sum()
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    name: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Integer,
}

/// What stands in one place of a row.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Absent,
    Text(String),
    Number(f64),
    Integer(i64),
}

impl Value {
    fn text(text: &str) -> Self {
        Value::Text(text.to_owned())
    }

    fn maybe(text: Option<&str>) -> Self {
        text.map_or(Value::Absent, Value::text)
    }
}

/// A table that is written row by row.
enum Table<W: Write + Send> {
    Csv(self::csv::Table<W>),
    Parquet(self::parquet::Table<W>),
}

impl<W: Write + Send> Table<W> {
    fn new(format: TableFormat, columns: &[Column], output: W) -> Result<Self, ExportError> {
        Ok(match format {
            TableFormat::Csv => Table::Csv(self::csv::Table::new(columns, output)?),
            TableFormat::Parquet => Table::Parquet(self::parquet::Table::new(columns, output)?),
        })
    }

    /// Adds a row, which has a value for each column.
    fn row(&mut self, row: Vec<Value>) -> Result<(), ExportError> {
        match self {
            Table::Csv(table) => table.row(&row),
            Table::Parquet(table) => table.row(row),
        }
    }

    fn end(self) -> Result<(), ExportError> {
        match self {
            Table::Csv(table) => table.end(),
            Table::Parquet(table) => table.end(),
        }
    }
}

#[cfg(test)]
mod tests;
