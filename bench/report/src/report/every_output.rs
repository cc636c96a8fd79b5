//! What every output must tell, in the same words.

use std::collections::BTreeMap;

use lmbench_record::compare::{Choice, Options, Side, compare};
use lmbench_record::conditions::example::{record, unlimited};
use lmbench_record::conditions::{UNPROVEN, as_asked};
use lmbench_record::convergence::of_cell;
use lmbench_record::record::{Integrity, Record, Repeat, example};

use super::{Source, html, markdown, model, report, terminal};
use crate::terminal::{compare_text, show_text, summary_text};

fn page(record: &Record) -> model::Report {
    report(&[Source::without_samples(record.clone())])
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
        ("report", terminal::terminal(&page)),
        ("Markdown", markdown::markdown(&page)),
        ("HTML", html::html(&page)),
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
fn every_output_says_what_was_not_got() {
    let record = unlimited();
    let words = record.cells[1].repeats[0].deviations[0].words();
    for (output, text) in outputs(&record) {
        assert!(text.contains(&words), "{output} lacks {words}:\n{text}");
    }
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
fn what_the_host_can_not_give_is_told_as_that() {
    let mut record = unlimited();
    for repeat in &mut record.cells[1].repeats {
        repeat.deviations[0].ranked = true;
    }
    let text = summary_text(&record);
    assert!(
        text.contains("not as asked: carrier=tcp") && !text.contains("not ranked"),
        "{text}"
    );
}

// `baseline` sends whoever asks why nothing completed to `show`.
#[test]
fn every_output_says_why_nothing_converged() {
    let record = example::stalled();
    let words = of_cell(&record.cells[1]).unwrap().0.words();
    assert!(
        words.starts_with("dirtied 122 MiB/s against 112 MiB/s sent; at least "),
        "{words}"
    );
    for (output, text) in outputs(&record) {
        assert!(text.contains(&words), "{output} lacks {words}:\n{text}");
    }
}
