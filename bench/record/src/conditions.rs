//! Whether migrations got the conditions that their scenario asked for, in the same words wherever it is told.
//!
//! What did not get them is measured and shown, and ranked with nothing: a stream that escaped the link's limit is no better than one that
//! kept to it.

#[cfg(any(test, feature = "example"))]
pub mod example;

use crate::record::{CellRecord, Deviation};

/// What is said of migrations of which [`is_unproven`](crate::record::Repeat::is_unproven) is true.
pub const UNPROVEN: &str = "nothing shows that the guest ran";

/// What a cell's repeats did not get: how often it was so, with the first of its kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Missed<'a> {
    /// The first repeat's.
    pub deviation: &'a Deviation,
    /// Numbers of the repeats.
    pub repeats: Vec<u32>,
}

impl Deviation {
    /// `migration.max-bandwidth: asked 40.0 MiB/s, got 80.1 MiB/s`.
    pub fn words(&self) -> String {
        let Deviation {
            setting,
            asked,
            got,
            ..
        } = self;
        format!("{setting}: asked {asked}, got {got}")
    }
}

/// What a cell did not get, by setting and what was asked of it.
pub fn missed(cell: &CellRecord) -> Vec<Missed<'_>> {
    let mut missed: Vec<Missed<'_>> = Vec::new();
    for repeat in &cell.repeats {
        for deviation in &repeat.deviations {
            let same = |known: &&mut Missed<'_>| {
                (&known.deviation.setting, &known.deviation.asked)
                    == (&deviation.setting, &deviation.asked)
            };
            match missed.iter_mut().find(same) {
                Some(known) => known.repeats.push(repeat.repeat),
                None => missed.push(Missed {
                    deviation,
                    repeats: vec![repeat.repeat],
                }),
            }
        }
    }
    missed
}

/// Whether a cell can be ranked beside others: every migration got what the scenario asked for, and moved a guest that ran.
pub fn as_asked(cell: &CellRecord) -> bool {
    let mut repeats = cell.repeats.iter();
    let is_ranked = |deviation: &Deviation| deviation.ranked;
    repeats.all(|repeat| repeat.deviations.iter().all(is_ranked) && !repeat.is_unproven())
}

/// Whether two cells differ in nothing but what the scenario asked: both got it, or both missed the same.
pub fn are_same(one: &CellRecord, other: &CellRecord) -> bool {
    let settings = |cell| -> Vec<String> {
        let missed = missed(cell).into_iter();
        let missed = missed.filter(|missed| !missed.deviation.ranked);
        let mut settings: Vec<String> = missed
            .map(|missed| missed.deviation.setting.clone())
            .collect();
        settings.sort();
        settings.dedup();
        settings
    };
    settings(one) == settings(other)
}

#[cfg(test)]
mod tests {
    use super::example::{record, unlimited};
    use super::*;
    use crate::compare::{Choice, Options, Side, Verdict, compare};
    use crate::record::Record;

    #[test]
    fn cells_of_other_conditions_are_not_better() {
        let better = |record: &Record| {
            let cells = ["carrier=native-tcp", "carrier=tcp"].map(Choice::cells);
            let [base, candidate] = [0, 1].map(|side| Side {
                record,
                choice: &cells[side],
            });
            let compared = compare(base, candidate, &Options::default()).unwrap();
            let cell = &compared.cells[0];
            let verdicts = cell.metrics.iter().map(|metric| metric.verdict);
            verdicts.flatten().any(|verdict| verdict == Verdict::Better)
        };
        assert!(better(&record()));
        assert!(!better(&unlimited()));
    }

    #[test]
    fn cells_that_missed_the_same_are_alike() {
        let (asked, missed) = (record(), unlimited());
        assert!(as_asked(&asked.cells[1]) && !as_asked(&missed.cells[1]));
        assert!(are_same(&missed.cells[1], &missed.cells[1]));
        assert!(!are_same(&missed.cells[0], &missed.cells[1]));
    }

    #[test]
    fn the_same_deviation_is_told_once_with_its_repeats() {
        let record = unlimited();
        let missed = missed(&record.cells[1]);
        assert_eq!(missed.len(), 1);
        assert_eq!(missed[0].repeats, (1..=10).collect::<Vec<u32>>());
    }

    #[test]
    fn what_the_host_can_not_give_is_ranked() {
        let mut record = unlimited();
        for repeat in &mut record.cells[1].repeats {
            repeat.deviations[0].ranked = true;
        }
        assert!(as_asked(&record.cells[1]));
        assert!(are_same(&record.cells[0], &record.cells[1]));
    }
}
