//! The picture at a report's top: what a migration takes from its operator and its guest, cell by cell.

use lmbench_record::record::{CellRecord, Outcome};
use lmbench_record::statistics::median;

use super::Source;
use super::label::quantity;
use super::model::{Mark, Picture, PictureRow};
use super::values::of_cell;
use crate::terminal::words;

/// Of the first cells, [`ROWS`] at most; `None` if nothing completed or there is only one cell to look at.
pub(super) fn picture(sources: &[Source]) -> Option<Picture> {
    let cells: Vec<&CellRecord> = sources
        .iter()
        .flat_map(|source| &source.record.cells)
        .collect();
    let known = |id: &&str| cells.iter().any(|cell| mark(cell, id).is_some());
    let ids: Vec<&str> = METRICS
        .iter()
        .filter_map(|choice| choice.iter().copied().find(|id| known(id)))
        .collect();
    if cells.len() < 2 || ids.is_empty() {
        return None;
    }
    let rows = cells.iter().take(ROWS).enumerate();
    let rows = rows.map(|(index, cell)| PictureRow {
        cell: index,
        marks: ids.iter().map(|id| mark(cell, id)).collect(),
        without: without(cell),
    });
    Some(Picture {
        quantities: ids.iter().map(|id| quantity(id)).collect(),
        rows: rows.collect(),
        left_out: cells.len().saturating_sub(ROWS),
    })
}

fn mark(cell: &CellRecord, id: &str) -> Option<Mark> {
    let values: Vec<f64> = of_cell(cell, id).into_values().collect();
    Some(Mark {
        median: median(&values)?,
        low: values.iter().copied().min_by(f64::total_cmp)?,
        high: values.iter().copied().max_by(f64::total_cmp)?,
    })
}

/// How a cell ended of which nothing completed.
fn without(cell: &CellRecord) -> Option<String> {
    let outcomes = cell.outcomes();
    if outcomes.contains_key(&Outcome::Completed) {
        return None;
    }
    let most = outcomes.iter().max_by_key(|(_, count)| **count);
    Some(
        most.map_or("not done", |(outcome, _)| words(*outcome))
            .to_owned(),
    )
}

/// What a migration costs, in four currencies; of each the first that was measured.
const METRICS: &[&[&str]] = &[
    &["total_time_ms"],
    &["blackout_ms", "downtime_ms"],
    &["workload_slowdown", "guest_pause_ms"],
    &["cpu_migration_s"],
];
const ROWS: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;
    use lmbench_record::record::example;

    #[test]
    fn every_cell_has_a_row_and_says_why_it_is_empty() {
        let picture = picture(&[Source::without_samples(example::troubled())]).unwrap();
        let ids: Vec<&str> = picture.quantities.iter().map(|q| q.id.as_str()).collect();
        assert_eq!(
            ids[..3],
            ["total_time_ms", "blackout_ms", "workload_slowdown"]
        );
        let empty: Vec<_> = picture
            .rows
            .iter()
            .map(|row| row.without.as_deref())
            .collect();
        assert_eq!(empty, [None, None, Some("failed"), Some("skipped")]);
        for row in &picture.rows {
            assert_eq!(row.without.is_some(), row.marks.iter().all(Option::is_none));
        }
    }
}
