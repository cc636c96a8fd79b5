//! A run's files, with all that is made of them: texts, lists, histories, comparisons, verdicts, reports, exports, replays.
//!
//! The input is `record.json`, or that, a byte 0x1e and `samples.jsonl`.

#[path = "page.rs"]
mod page;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::LazyLock;

use lmbench::compare::{Choice, Options, Side, compare};
use lmbench::export::{Run, TableFormat, openmetrics, write_metrics, write_samples};
use lmbench::gate::{Ask, Baseline, judge, show};
use lmbench::history::{History, to_csv};
use lmbench::record::Record;
use lmbench::replay::{self, Reading, Replay};
use lmbench::report::{Source, html::html, markdown::markdown, report, terminal::terminal};
use lmbench::store::{Filter, FoundRun, Store, read_samples};
use lmbench::{scenario, terminal as texts};
use lmbench_harness::spec::PolicySpec;

/// Must neither panic nor take long, whatever `input` is.
pub(crate) fn read(input: &[u8]) {
    let place = Place::new();
    let mut files = input.splitn(2, |byte| *byte == SEPARATOR);
    place.write("record.json", files.next().unwrap_or_default());
    place.write("samples.jsonl", files.next().unwrap_or_default());
    let store = Store::open(&place.0);
    listed(&store);
    let found = store.find("run").expect("it is there");
    match found.whole() {
        Ok(record) => told(&record, &found),
        Err(error) => assert!(error.to_string().contains("run/record.json")),
    }
}

fn listed(store: &Store) {
    let catalogue = store.catalogue().expect("the folder is ours");
    let runs = catalogue.runs(&Filter::default());
    assert_eq!(runs.len(), 1);
    is_clean(&texts::list_text(&runs, 0, &BTreeMap::new()));
    is_clean(&texts::list_problems(&runs));
    let points = catalogue
        .history("total_time_ms")
        .expect("the index is ours");
    let history = History::new("total_time_ms", points);
    is_clean(&texts::history_text(&history));
    assert!(to_csv(&history).is_ok());
}

fn told(record: &Record, found: &FoundRun) {
    is_clean(&texts::summary_text(record));
    is_clean(&texts::show_text(record, true));
    is_clean(&texts::events_text(record));
    let again = Record::from_json(record.to_json().as_bytes(), &found.record);
    assert!(again.is_ok_and(|again| again == *record));
    compared(record);
    judged(record);
    reported(found);
    exported(record, found);
    replayed(record, found);
}

fn compared(record: &Record) {
    let choice = Choice::all();
    let side = Side {
        record,
        choice: &choice,
    };
    let options = Options {
        metrics: &[],
        noise: std::slice::from_ref(record),
    };
    if let Ok(comparison) = compare(side, side, &options) {
        is_clean(&texts::compare_text(&comparison, true));
        assert!(serde_json::to_string(&comparison).is_ok());
    }
}

fn judged(record: &Record) {
    let baseline = Baseline::of(record, &[]).ok();
    if let Some(baseline) = &baseline {
        let again = Baseline::from_json(baseline.to_json().as_bytes(), "baseline.json".as_ref());
        assert!(again.is_ok());
    }
    let rules = scenario::rules("record".as_ref(), &record.scenario.text).unwrap_or_default();
    let report = judge(&Ask {
        record,
        rules: &rules,
        baseline: baseline.as_ref(),
        only: &[],
    });
    is_clean(&texts::gate_text(&report, true));
    let _ = (
        show::markdown(&report),
        show::junit(&report, true),
        show::line(&report),
        show::json(&report, 0),
    );
}

fn reported(found: &FoundRun) {
    let source = || {
        let source = Source::read(found, &[], 0, 1).expect("it was read before");
        source.with_limits(scenario::longest_blackouts)
    };
    for sources in [vec![source()], vec![source(), source()]] {
        let report = report(&sources);
        is_clean(&terminal(&report));
        let _ = markdown(&report);
        page::runs_one_script(&html(&report).to_ascii_lowercase());
    }
}

fn exported(record: &Record, found: &FoundRun) {
    let runs = [Run {
        record: record.clone(),
        samples: found.samples(),
    }];
    for format in [TableFormat::Csv, TableFormat::Parquet] {
        write_metrics(&runs, format, io::sink()).expect("nowhere takes everything");
        write_samples(&runs, format, io::sink()).expect("nowhere takes everything");
    }
    assert!(openmetrics::text(&runs).ends_with("# EOF\n"));
}

fn replayed(record: &Record, found: &FoundRun) {
    let mut readings: BTreeMap<(String, u32), Vec<Reading>> = BTreeMap::new();
    let samples = read_samples(&found.samples()).expect("the file is there");
    for sample in samples.flatten() {
        if let Some(reading) = replay::reading(&sample) {
            readings
                .entry((sample.cell, sample.repeat))
                .or_default()
                .push(reading);
        }
    }
    let mut replays = Vec::new();
    for cell in &record.cells {
        for repeat in &cell.repeats {
            if let Some(readings) = readings.get_mut(&(cell.id.clone(), repeat.repeat)) {
                readings.sort_by_key(|(at, _)| *at);
                let recorded = replay::recorded(record, &cell.id, readings);
                replays.push(Replay::new(cell, repeat, readings, &POLICIES, &recorded));
            }
        }
    }
    is_clean(&texts::replay_text(&record.run_id, &replays));
    assert!(serde_json::to_string(&replays).is_ok());
}

/// Every policy as it is without settings.
static POLICIES: LazyLock<Vec<PolicySpec>> = LazyLock::new(|| {
    let names = scenario::policy_names();
    names
        .iter()
        .map(|name| scenario::policy(name, &[]).expect("it has defaults"))
        .collect()
});

/// Nothing in it moves a terminal's cursor.
fn is_clean(text: &str) {
    assert!(
        !text.contains(|character: char| character.is_control() && character != '\n'),
        "{text:?}"
    );
}

/// A folder of runs with one run.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        let place = std::env::temp_dir().join(format!("lmbench-fuzz-{}", std::process::id()));
        fs::create_dir_all(place.join("run")).expect("a temporary folder can be made");
        Place(place)
    }

    fn write(&self, file: &str, bytes: &[u8]) {
        fs::write(self.0.join("run").join(file), bytes).expect("the folder is ours");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const SEPARATOR: u8 = 0x1e;
