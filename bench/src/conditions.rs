//! Whether migrations got the conditions that their scenario asked for, in the same words wherever it is told.
//!
//! What did not get them is measured and shown, and ranked with nothing: a stream that escaped the link's limit is no better than one that
//! kept to it.

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
    use std::collections::BTreeMap;

    use super::*;
    use crate::compare::{Choice, Options, Side, Verdict, compare};
    use crate::record::{Integrity, Record, Repeat, example};
    use crate::report::{self, Source};
    use crate::terminal::{compare_text, show_text, summary_text};

    /// Two cells, the second twice as fast as the first.
    fn record() -> Record {
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

    fn unlimited() -> Record {
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

    fn page(record: &Record) -> report::model::Report {
        report::report(&[Source::without_samples(record.clone())])
    }

    /// Without the lines' breaks.
    fn outputs(record: &Record) -> Vec<(&'static str, String)> {
        let page = page(record);
        let all = Choice::all();
        let side = Side {
            record,
            choice: &all,
        };
        let compared = compare(side, side, &Options::default()).unwrap();
        let texts = [
            ("run", summary_text(record)),
            ("show", show_text(record, false)),
            ("compare", compare_text(&compared, false)),
            ("report", report::terminal::terminal(&page)),
            ("Markdown", report::markdown::markdown(&page)),
            ("HTML", report::html::html(&page)),
        ];
        let words = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let texts = texts.into_iter();
        texts.map(|(output, text)| (output, words(text))).collect()
    }

    #[test]
    fn who_did_not_get_the_conditions_is_not_the_best() {
        let is_ranked = |record: &Record| {
            let page = page(record);
            let rows = page.overview.iter().flat_map(|overview| &overview.rows);
            let best = rows.flatten().flatten().any(|shade| shade.best);
            let real = page.comparisons.iter().flat_map(|found| &found.rows);
            best || real.count() > 0
        };
        assert!(is_ranked(&record()));
        assert!(!is_ranked(&unlimited()));
    }

    // The colours of the others are as if it were not there.
    #[test]
    fn who_did_not_get_the_conditions_has_no_colour() {
        let mut record = example::empty("limits", 10, 3);
        for number in 1..=10 {
            for (cell, ms) in [(0, 10_000.0), (1, 5_000.0), (2, 100.0)] {
                let ms = ms + f64::from(number * 7 % 10);
                let metrics = BTreeMap::from([("total_time_ms".to_owned(), ms)]);
                let mut repeat = Repeat::completed(number, f64::from(number), metrics);
                if cell == 2 {
                    repeat.deviations = unlimited().cells[1].repeats[0].deviations.clone();
                }
                record.push(cell, repeat);
            }
        }
        let overview = page(&record).overview.unwrap();
        let shades = overview.rows.iter().map(|row| row[0].clone().unwrap());
        let levels: Vec<Option<u8>> = shades.map(|shade| shade.level).collect();
        assert_eq!(levels, [Some(8), Some(0), None]);
    }

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
    fn every_output_says_it_in_the_same_words() {
        let record = unlimited();
        let words = record.cells[1].repeats[0].deviations[0].words();
        for (output, text) in outputs(&record) {
            assert!(text.contains(&words), "{output} lacks {words}:\n{text}");
        }
        let missed = missed(&record.cells[1]);
        assert_eq!(missed.len(), 1);
        assert_eq!(missed[0].repeats, (1..=10).collect::<Vec<u32>>());
    }

    #[test]
    fn a_guest_without_a_sign_of_life_is_told_by_every_output() {
        let mut record = record();
        for repeat in &mut record.cells[1].repeats {
            repeat.integrity = Some(Integrity {
                memory_intact: None,
                running_on: "destination".to_owned(),
                pages_checked: 0,
                signs_of_life: Some(Vec::new()),
            });
        }
        for (output, text) in outputs(&record) {
            let told = text.to_lowercase().contains(UNPROVEN);
            assert!(told, "{output} does not tell:\n{text}");
        }
        assert!(!as_asked(&record.cells[1]), "it can't be the best");
    }

    #[test]
    fn what_the_host_can_not_give_is_told_and_ranked() {
        let mut record = unlimited();
        for repeat in &mut record.cells[1].repeats {
            repeat.deviations[0].ranked = true;
        }
        assert!(as_asked(&record.cells[1]));
        assert!(are_same(&record.cells[0], &record.cells[1]));
        let text = summary_text(&record);
        assert!(
            text.contains("not as asked: carrier=tcp") && !text.contains("not ranked"),
            "{text}"
        );
    }

    #[test]
    fn cells_that_missed_the_same_are_alike() {
        let (asked, missed) = (record(), unlimited());
        assert!(as_asked(&asked.cells[1]) && !as_asked(&missed.cells[1]));
        assert!(are_same(&missed.cells[1], &missed.cells[1]));
        assert!(!are_same(&missed.cells[0], &missed.cells[1]));
    }
}
