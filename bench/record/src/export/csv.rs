//! Tables as CSV (RFC 4180, lines end with a line feed). A text that begins with `=`, `+`, `-` or `@` stays as it is: data are
//! not changed for the sake of programs that take them for formulas.

use std::io::Write;

use csv::Writer;

use super::{Column, ExportError, Value};

pub(super) struct Table<W: Write> {
    writer: Writer<W>,
}

impl<W: Write> Table<W> {
    pub(super) fn new(columns: &[Column], output: W) -> Result<Self, ExportError> {
        let mut writer = Writer::from_writer(output);
        writer
            .write_record(columns.iter().map(|column| &column.name))
            .map_err(|error| wrong(&error))?;
        Ok(Table { writer })
    }

    pub(super) fn row(&mut self, row: &[Value]) -> Result<(), ExportError> {
        let cells = row.iter().map(|value| match value {
            Value::Absent => String::new(),
            Value::Text(text) => text.clone(),
            // The shortest text that is read back as the same number.
            Value::Number(number) => number.to_string(),
            Value::Integer(integer) => integer.to_string(),
        });
        self.writer
            .write_record(cells)
            .map_err(|error| wrong(&error))
    }

    pub(super) fn end(mut self) -> Result<(), ExportError> {
        self.writer
            .flush()
            .map_err(|error| ExportError::Table(error.to_string()))
    }
}

fn wrong(error: &csv::Error) -> ExportError {
    ExportError::Table(error.to_string())
}
