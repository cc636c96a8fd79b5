//! Which migrations are shown from beginning to end: of each cell the median one and the worst, as many as a page bears.

use lmbench_record::record::{CellRecord, Outcome, Record, Repeat};

use super::bars::median_repeat;

/// A migration that gets a time line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    /// Position of the cell in its record.
    pub(super) cell: usize,
    pub(super) repeat: u32,
    pub(super) why: &'static str,
}

/// At most `most` of a record: first one of each cell, then the worst of those that have several.
pub(super) fn choose(record: &Record, most: usize) -> Vec<Chosen> {
    let mut first = Vec::new();
    let mut second = Vec::new();
    for (cell, found) in record.cells.iter().enumerate() {
        let median = median_repeat(found, "total_time_ms").map(|(repeat, _)| repeat.repeat);
        let worst = worst(found);
        let chosen = |repeat, why| Chosen { cell, repeat, why };
        match (median, worst) {
            (Some(median), Some(worst)) if median != worst.repeat => {
                first.push(chosen(median, "the median by total time"));
                second.push(chosen(worst.repeat, "the worst"));
            }
            (Some(median), _) if found.repeats.len() == 1 => {
                first.push(chosen(median, "the only one"));
            }
            (Some(median), _) => first.push(chosen(median, "the median by total time")),
            (None, Some(worst)) => first.push(chosen(
                worst.repeat,
                "none completed; the first that was tried",
            )),
            (None, None) => {}
        }
    }
    first.truncate(most);
    second.truncate(most - first.len());
    first.extend(second);
    first.sort_by_key(|chosen| chosen.cell);
    first
}

/// One that failed, else one that did not converge, else the one that took longest.
fn worst(cell: &CellRecord) -> Option<&Repeat> {
    let by_outcome = |outcome| cell.repeats.iter().find(|repeat| repeat.outcome == outcome);
    let total = |repeat: &Repeat| repeat.metrics.get("total_time_ms").copied().unwrap_or(0.0);
    by_outcome(Outcome::Failed)
        .or_else(|| by_outcome(Outcome::DidNotConverge))
        .or_else(|| by_outcome(Outcome::Cancelled))
        .or_else(|| {
            let completed = cell.repeats.iter();
            let completed = completed.filter(|repeat| repeat.outcome == Outcome::Completed);
            completed.max_by(|a, b| total(a).total_cmp(&total(b)))
        })
}

/// How many time lines a report has, over all its runs.
pub(super) const TIMELINES: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;
    use lmbench_record::record::example;

    #[test]
    fn each_cell_comes_before_any_cells_second() {
        let record = example::wide();
        assert_eq!(record.cells.len(), 17);
        let cells = |chosen: &[Chosen]| {
            let mut cells: Vec<usize> = chosen.iter().map(|chosen| chosen.cell).collect();
            cells.dedup();
            cells.len()
        };
        let chosen = choose(&record, 20);
        assert_eq!((chosen.len(), cells(&chosen)), (20, 17));
        assert_eq!(choose(&record, 5).len(), 5);
        assert!(choose(&record, 0).is_empty());
    }

    #[test]
    fn what_failed_is_the_worst() {
        let record = example::troubled();
        let chosen = choose(&record, 9);
        let of_cell = |cell| chosen.iter().filter(move |chosen| chosen.cell == cell);
        assert!(
            of_cell(1).any(|chosen| chosen.repeat == 2),
            "the one that did not converge"
        );
        assert_eq!(of_cell(2).count(), 1, "none completed");
    }
}
