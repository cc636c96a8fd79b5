//! Every repeat's value, cell by cell, with the median's interval.

use lmbench_record::metric;
use lmbench_record::record::{CellRecord, summary};
use lmbench_record::statistics::outliers;

use super::Source;
use super::label::quantity;
use super::model::{Distribution, Range, Spread};
use super::values::{DRAWN, of_cell};

/// One for each metric that any cell has values of.
pub(super) fn distributions(sources: &[Source]) -> Vec<Distribution> {
    let cells: Vec<&CellRecord> = sources.iter().flat_map(|s| &s.record.cells).collect();
    DRAWN
        .iter()
        .filter_map(|id| distribution(&cells, id))
        .collect()
}

fn distribution(cells: &[&CellRecord], id: &str) -> Option<Distribution> {
    let mut rows = Vec::new();
    let mut left_out = 0;
    for (cell, record) in cells.iter().enumerate() {
        let values: Vec<f64> = of_cell(record, id).into_values().collect();
        let Some(summary) = summary(values.clone()) else {
            continue;
        };
        if rows.len() == ROWS {
            left_out += 1;
            continue;
        }
        let interval = summary.ci95.map(|[low, high]| Range { low, high });
        rows.push(Spread {
            cell,
            outliers: outliers(&values),
            values,
            median: summary.median,
            interval,
        });
    }
    let all = || rows.iter().flat_map(|row| row.values.iter().copied());
    let range = Range {
        low: all().min_by(f64::total_cmp)?,
        high: all().max_by(f64::total_cmp)?,
    };
    Some(Distribution {
        quantity: quantity(id),
        definition: metric::metric(id)
            .map_or(
                "the sum of `cpu_qemu_without_vcpus_…` and `cpu_carrier_…` of both sides",
                |m| m.definition,
            )
            .to_owned(),
        range,
        rows,
        left_out,
    })
}

/// More rows than this are no picture any more.
pub(super) const ROWS: usize = 60;
