//! A row for each metric of each repeat.

use std::io::Write;

use super::{Column, ExportError, Kind, Run, Table, Value, flat};
use crate::metric::{Direction, metric};
use crate::record::{Record, Repeat};
use crate::store::host_name;

pub(super) fn columns(runs: &[Run]) -> Vec<Column> {
    let mut columns = flat::named(&[
        ("run", Kind::Text),
        ("scenario", Kind::Text),
        ("scenario_sha256", Kind::Text),
        ("started", Kind::Text),
        ("lmbench", Kind::Text),
        ("qemu", Kind::Text),
        ("kernel", Kind::Text),
        ("accelerator", Kind::Text),
        ("cpu", Kind::Text),
        ("cores", Kind::Integer),
        ("source", Kind::Text),
        ("destination", Kind::Text),
        ("cell", Kind::Text),
    ]);
    columns.extend(flat::parameters(runs));
    columns.extend(flat::named(&[
        ("repeat", Kind::Integer),
        ("started_ms", Kind::Number),
        ("outcome", Kind::Text),
        ("reason", Kind::Text),
        ("metric", Kind::Text),
        ("unit", Kind::Text),
        ("better", Kind::Text),
        ("value", Kind::Number),
    ]));
    columns
}

pub(super) fn rows<W: Write + Send>(
    record: &Record,
    columns: &[Column],
    table: &mut Table<W>,
) -> Result<(), ExportError> {
    let environment = &record.environment;
    let run = [
        Value::text(&record.run_id),
        Value::text(&record.scenario.name),
        Value::text(&record.scenario.sha256),
        Value::text(&record.started),
        Value::text(&environment.lmbench),
        Value::text(&environment.qemu),
        Value::text(&environment.kernel),
        Value::text(&environment.accelerator),
        Value::text(&environment.cpu),
        Value::Integer(i64::from(environment.cores)),
        Value::maybe(host_name(record, "source").as_deref()),
        Value::maybe(host_name(record, "destination").as_deref()),
    ];
    for cell in &record.cells {
        let mut beginning = run.to_vec();
        beginning.push(Value::text(&cell.id));
        beginning.extend(flat::of_cell(cell, columns));
        for repeat in &cell.repeats {
            let mut beginning = beginning.clone();
            beginning.extend([
                Value::Integer(i64::from(repeat.repeat)),
                Value::Number(repeat.started_ms),
                Value::text(repeat.outcome.name()),
                Value::maybe(repeat.reason.as_deref()),
            ]);
            for end in values(repeat) {
                let mut row = beginning.clone();
                row.extend(end);
                table.row(row)?;
            }
        }
    }
    Ok(())
}

fn values(repeat: &Repeat) -> Vec<[Value; 4]> {
    if repeat.metrics.is_empty() {
        return vec![[const { Value::Absent }; 4]];
    }
    let one = |(id, value): (&String, &f64)| {
        let known = metric(id);
        let better = known.map(|metric| match metric.direction {
            Direction::LowerIsBetter => "lower",
            Direction::HigherIsBetter => "higher",
            Direction::Informational => "neither",
        });
        [
            Value::text(id),
            Value::maybe(known.map(|metric| metric.unit.name())),
            Value::maybe(better),
            Value::Number(*value),
        ]
    };
    repeat.metrics.iter().map(one).collect()
}
