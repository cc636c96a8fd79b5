//! Tables as Parquet, row groups of bounded size, every column optional.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;

use super::{Column, ExportError, Kind, Value};

pub(super) struct Table<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
}

impl<W: Write + Send> Table<W> {
    pub(super) fn new(columns: &[Column], output: W) -> Result<Self, ExportError> {
        let schema = schema(columns).map_err(|error| wrong(&error))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("lmbench ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let writer = SerializedFileWriter::new(output, Arc::new(schema), Arc::new(properties))
            .map_err(|error| wrong(&error))?;
        Ok(Table {
            writer,
            columns: columns.to_vec(),
            rows: Vec::new(),
        })
    }

    pub(super) fn row(&mut self, row: Vec<Value>) -> Result<(), ExportError> {
        self.rows.push(row);
        if self.rows.len() == ROWS_PER_GROUP {
            self.write_group().map_err(|error| wrong(&error))?;
        }
        Ok(())
    }

    pub(super) fn end(mut self) -> Result<(), ExportError> {
        let ended = self
            .write_group()
            .and_then(|()| self.writer.close().map(|_| ()));
        ended.map_err(|error| wrong(&error))
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for (index, column) in self.columns.iter().enumerate() {
            let Some(mut writer) = group.next_column()? else {
                break;
            };
            let values = self.rows.iter().map(|row| &row[index]);
            write_column(&mut writer, column.kind, values)?;
            writer.close()?;
        }
        group.close()?;
        self.rows.clear();
        Ok(())
    }
}

fn write_column<'a>(
    writer: &mut SerializedColumnWriter<'_>,
    kind: Kind,
    values: impl Iterator<Item = &'a Value> + Clone,
) -> Result<(), ParquetError> {
    // A value that is not of its column's kind is absent, here and below.
    let fits = |value: &Value| {
        matches!(
            (kind, value),
            (Kind::Text, Value::Text(_))
                | (Kind::Number, Value::Number(_))
                | (Kind::Integer, Value::Integer(_))
        )
    };
    let levels: Vec<i16> = values.clone().map(|value| i16::from(fits(value))).collect();
    match kind {
        Kind::Text => {
            let texts: Vec<ByteArray> = values
                .filter_map(|value| match value {
                    Value::Text(text) => Some(ByteArray::from(text.as_str())),
                    _ => None,
                })
                .collect();
            writer
                .typed::<ByteArrayType>()
                .write_batch(&texts, Some(&levels), None)?;
        }
        Kind::Number => {
            let numbers: Vec<f64> = values
                .filter_map(|value| match value {
                    Value::Number(number) => Some(*number),
                    _ => None,
                })
                .collect();
            writer
                .typed::<DoubleType>()
                .write_batch(&numbers, Some(&levels), None)?;
        }
        Kind::Integer => {
            let integers: Vec<i64> = values
                .filter_map(|value| match value {
                    Value::Integer(integer) => Some(*integer),
                    _ => None,
                })
                .collect();
            writer
                .typed::<Int64Type>()
                .write_batch(&integers, Some(&levels), None)?;
        }
    }
    Ok(())
}

/// Built by hand: names of parameters hold what the text form of a schema takes for its own.
fn schema(columns: &[Column]) -> Result<Type, ParquetError> {
    let field = |column: &Column| {
        let physical = match column.kind {
            Kind::Text => Physical::BYTE_ARRAY,
            Kind::Number => Physical::DOUBLE,
            Kind::Integer => Physical::INT64,
        };
        let mut field = Type::primitive_type_builder(&column.name, physical)
            .with_repetition(Repetition::OPTIONAL);
        if column.kind == Kind::Text {
            field = field
                .with_logical_type(Some(LogicalType::String))
                .with_converted_type(ConvertedType::UTF8);
        }
        field.build().map(Arc::new)
    };
    let fields = columns.iter().map(field).collect::<Result<_, _>>()?;
    Type::group_type_builder("lmbench")
        .with_fields(fields)
        .build()
}

fn wrong(error: &ParquetError) -> ExportError {
    ExportError::Table(error.to_string())
}

const ROWS_PER_GROUP: usize = 1 << 16;
