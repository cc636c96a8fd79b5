//! Records for tests, of which one did not get what its scenario asked for.

use std::collections::BTreeMap;

use crate::record::{Deviation, Record, Repeat, example};

/// Two cells, the second twice as fast as the first.
pub fn record() -> Record {
    let mut record = example::empty("limits", 10, 2);
    for number in 1..=10 {
        for (cell, ms) in [(0, 10_000.0), (1, 5_000.0)] {
            let ms = ms + f64::from(number * 7 % 10);
            let metrics = BTreeMap::from([("total_time_ms".to_owned(), ms)]);
            record.push(cell, Repeat::completed(number, f64::from(number), metrics));
        }
    }
    record
}

/// The same, whose second cell's stream escaped its limit.
pub fn unlimited() -> Record {
    let mut record = record();
    for repeat in &mut record.cells[1].repeats {
        repeat.deviations = vec![Deviation {
            setting: "migration.max-bandwidth".to_owned(),
            asked: "40.0 MiB/s".to_owned(),
            got: format!("{}.0 MiB/s", 79 + repeat.repeat),
            ranked: false,
        }];
    }
    record
}
