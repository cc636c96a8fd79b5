//! Whether a cell was measured often enough, for runs whose number of repeats is not fixed.
//!
//! A cell is asked before each of its repeats, so that a round of all cells becomes one of those that still have something to tell. It
//! looks at the width of an interval and not at whether a difference is there yet: looking again and again for a difference finds one.

use lmbench_record::record::CellRecord;
use lmbench_record::statistics::{median, median_interval};

use super::repeats::Until;

impl Until {
    /// Whether more repeats of the cell are not wanted.
    pub fn is_met(&self, cell: &CellRecord) -> bool {
        let values = cell.values(self.metric);
        if values.is_empty() {
            // Nothing that could become narrow.
            return cell.repeats.len() >= TRIES_WITHOUT_VALUE;
        }
        let (Some(interval), Some(median)) = (median_interval(&values, 0.95), median(&values))
        else {
            return false;
        };
        let half = interval.high / 2.0 - interval.low / 2.0;
        // Also of a median of zero, around which all are zero.
        half <= 0.0 || half < median.abs() * self.within.fraction()
    }
}

/// As many as an interval takes.
const TRIES_WITHOUT_VALUE: usize = 6;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use lmbench_record::record::{Repeat, example};

    fn cell(values: &[f64]) -> CellRecord {
        let mut record = example::empty("until", 20, 1);
        for (repeat, value) in (1..).zip(values) {
            let metrics = BTreeMap::from([("downtime_ms".to_owned(), *value)]);
            record.push(0, Repeat::completed(repeat, 0.0, metrics));
        }
        record.cells.remove(0)
    }

    #[test]
    fn a_narrow_interval_is_enough() {
        let until = Until {
            metric: "downtime_ms",
            within: "5 %".parse().unwrap(),
        };
        // The interval of six is their range: 98 to 106 is 4 % to either side.
        for (values, met) in [
            (&[100.0; 5][..], false),
            (&[98.0, 99.0, 100.0, 101.0, 102.0, 106.0], true),
            (&[98.0, 99.0, 100.0, 101.0, 102.0, 112.0], false),
            (&[0.0; 6], true),
            (&[0.0, 0.0, 0.0, 0.0, 0.0, 1.0], false),
            (&[], false),
        ] {
            assert_eq!(until.is_met(&cell(values)), met, "{values:?}");
        }
        let total_time = Until {
            metric: "total_time_ms",
            ..until
        };
        assert!(!total_time.is_met(&cell(&[1.0; 5])));
        assert!(total_time.is_met(&cell(&[1.0; 6])));
    }
}
