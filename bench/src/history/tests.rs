//! Series, levels, and what is told of a change.

use indexmap::IndexMap;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::terminal::history_text;

fn point(run: usize, median: f64) -> HistoryPoint {
    let text = |text: &str| Some(text.to_owned());
    HistoryPoint {
        run_id: format!("20260301-{run:06}-jvm-heavy-0000"),
        started: Some(format!("2026-03-{:02}T12:00:00Z", run % 28 + 1)),
        scenario: text("jvm-heavy"),
        scenario_sha256: text("0123456789abcdef"),
        cell: "carrier=tcp,policy=static".to_owned(),
        parameters: IndexMap::new(),
        accelerator: text("kvm"),
        cpu: text("Intel(R) Xeon(R) Platinum 8481C"),
        qemu: text("10.0.2"),
        lmbench: text("0.1.0"),
        kernel: text("6.12.0"),
        cores: Some(2),
        source: text("rack1-node07"),
        destination: text("rack1-node08"),
        n: 5,
        tried: 5,
        median,
        ci95: None,
        min: median * 0.9,
        max: median * 1.1,
    }
}

/// Twelve runs about 280 ms and, from the thirteenth on, twelve about 350 ms.
fn stepped() -> Vec<HistoryPoint> {
    let noise = [
        0.0, 4.0, -3.0, 2.0, -5.0, 1.0, 3.0, -2.0, 5.0, -1.0, -4.0, 2.5,
    ];
    let runs = noise.map(|noise| 280.0 + noise).into_iter();
    let runs = runs.chain(noise.map(|noise| 350.0 + noise));
    let mut points: Vec<HistoryPoint> = (1..)
        .zip(runs)
        .map(|(run, median)| point(run, median))
        .collect();
    for after in &mut points[12..] {
        after.lmbench = Some("0.2.0".to_owned());
        after.scenario_sha256 = Some("fedcba9876543210".to_owned());
    }
    points
}

#[test]
fn a_step_is_found_with_its_run_and_what_changed() {
    let history = History::new("blackout_ms", stepped());
    let series = &history.cells[0].series[0];
    assert_eq!(series.levels.len(), 2, "{:?}", series.levels);
    let level = &series.levels[1];
    assert_eq!((level.first, level.runs), (12, 12));
    assert_eq!(level.run_id, series.points[12].run_id);
    let change = level.change.as_ref().unwrap();
    assert_eq!(change.verdict, Verdict::Worse);
    let what: Vec<&str> = change
        .differences
        .iter()
        .map(|difference| difference.what)
        .collect();
    assert_eq!(what, ["lmbench", "the scenario's text"]);
    insta::assert_snapshot!(history_text(&history));
}

#[test]
fn more_is_better_where_the_metric_says_so() {
    let verdict = |metric: &str| {
        let history = History::new(metric, stepped());
        history.cells[0].series[0].levels[1]
            .change
            .as_ref()
            .unwrap()
            .verdict
    };
    assert_eq!(verdict("throughput_bps"), Verdict::Better);
    assert_eq!(verdict("iterations"), Verdict::Different);
    assert_eq!(verdict("nobody_knows"), Verdict::Different);
}

#[test]
fn another_machine_is_another_series_and_no_regression() {
    let mut points = stepped();
    for after in &mut points[12..] {
        after.qemu = Some("10.1.0".to_owned());
    }
    let history = History::new("blackout_ms", points);
    let series = &history.cells[0].series;
    assert_eq!(series.len(), 2);
    assert!(series.iter().all(|series| series.levels.len() == 1));
    assert_eq!(
        series[1].machine_changed,
        [Difference {
            what: "QEMU",
            from: "10.0.2".to_owned(),
            to: "10.1.0".to_owned()
        }]
    );
    let text = history_text(&history);
    assert!(
        text.contains("not compared") && !text.contains("worse"),
        "{text}"
    );
}

#[test]
fn two_and_ninety_six_processors_are_no_series() {
    let mut points = stepped();
    for after in &mut points[12..] {
        after.cores = Some(96);
    }
    let history = History::new("blackout_ms", points);
    let series = &history.cells[0].series;
    assert_eq!(series.len(), 2);
    assert_eq!(series[1].machine_changed[0].what, "online CPUs");
    let text = history_text(&history);
    assert!(
        text.contains("96 CPUs") && !text.contains("worse"),
        "{text}"
    );
}

// +0.3 % of what scatters by a hundredth of that is real, and nothing to act on.
#[test]
fn a_change_too_small_to_matter_is_none() {
    let levels = |factor: f64| {
        let points = (0..24).map(|run| {
            let level = if run < 12 { 280.0 } else { 280.0 * factor };
            point(run, level * (1.0 + f64::from(run as u32 * 5 % 7) * 1e-5))
        });
        let history = History::new("blackout_ms", points.collect());
        history.cells[0].series[0].levels.len()
    };
    assert_eq!((levels(1.003), levels(0.997), levels(1.02)), (1, 1, 2));
}

#[test]
fn noise_alone_has_one_level() {
    let points = stepped().into_iter().take(12).collect();
    assert_eq!(
        History::new("blackout_ms", points).cells[0].series[0]
            .levels
            .len(),
        1
    );
}

#[test]
fn cells_are_wanted_by_id_or_parameters() {
    let parameters = [("carrier", "tcp"), ("policy", "static")];
    let parameters = parameters.map(|(key, value)| (key.to_owned(), json!(value)));
    let point = HistoryPoint {
        parameters: parameters.into(),
        ..point(1, 1.0)
    };
    for (cell, admitted) in [
        ("carrier=tcp,policy=static", true),
        ("policy=static", true),
        ("policy=static,carrier=tcp", true),
        ("carrier=tcp,policy=nova", false),
        ("carrier=t", false),
    ] {
        let wanted = Wanted {
            cells: vec![cell.into()],
            ..Wanted::default()
        };
        assert_eq!(wanted.admits(&point), admitted, "{cell:?}");
    }
    let since = |text: &str| Wanted {
        since: Some(text.parse().unwrap()),
        ..Wanted::default()
    };
    assert!(since("2026-03-02T12:00:00Z").admits(&point));
    assert!(!since("2026-03-02T12:00:01Z").admits(&point));
}

#[test]
fn csv_has_a_row_for_each_run_with_its_level() {
    let mut points = stepped();
    points[0].cell = "=cmd(),\"quoted\"\nnext".to_owned();
    let bytes = to_csv(&History::new("blackout_ms", points)).unwrap();
    let mut reader = ::csv::Reader::from_reader(bytes.as_slice());
    let rows: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 24);
    assert_eq!(&rows[0][3], "=cmd(),\"quoted\"\nnext");
    assert_eq!(rows[0][12].parse(), Ok(280.0));
    assert_eq!((&rows[1][17], &rows[23][17]), ("1", "2"));
}

#[test]
fn a_median_of_few_says_of_how_many() {
    let mut points = stepped();
    points[3].n = 1;
    points[3].tried = 6;
    let text = history_text(&History::new("downtime_ms", points));
    assert!(
        text.contains("has the value of 1 of 6 migrations only"),
        "{text}"
    );
    let whole = history_text(&History::new("downtime_ms", stepped()));
    assert!(!whole.contains("only"), "{whole}");
}

#[test]
fn a_drift_is_named_and_has_no_first_run() {
    let wobble = |run: usize| (run * 37 % 11) as f64;
    let points = (0..40).map(|run| point(run, 280.0 + 2.0 * run as f64 + wobble(run)));
    let history = History::new("blackout_ms", points.collect());
    let levels = &history.cells[0].series[0].levels;
    assert_eq!(levels.len(), 1, "{levels:?}");
    let drift = levels[0].drift.as_ref().unwrap();
    assert_eq!(drift.verdict, Verdict::Worse);
    assert!(drift.to > drift.from * 1.1, "{drift:?}");
    let text = history_text(&history);
    assert!(text.contains("drifts") && text.contains("worse"), "{text}");
    let level = History::new(
        "blackout_ms",
        (0..40).map(|run| point(run, 280.0 + wobble(run))).collect(),
    );
    assert_eq!(level.cells[0].series[0].levels[0].drift, None);
}

#[test]
fn a_run_of_which_nothing_completed_is_told() {
    let mut points = stepped();
    let last = HistoryPoint {
        n: 0,
        tried: 6,
        median: f64::NAN,
        min: f64::NAN,
        max: f64::NAN,
        ..point(25, 0.0)
    };
    points.push(last);
    let history = History::new("blackout_ms", points);
    let cell = &history.cells[0];
    assert_eq!((cell.series[0].points.len(), cell.without.len()), (24, 1));
    let text = history_text(&history);
    assert!(
        text.contains("has no value: none of 6 migrations completed"),
        "{text}"
    );
    let csv = String::from_utf8(to_csv(&history).unwrap()).unwrap();
    let row = csv.lines().last().unwrap();
    assert!(row.contains(",0,,,,,,") && row.ends_with(",6"), "{row}");
}

proptest! {
    // Records may hold any number and any name.
    #[test]
    fn no_history_panics_or_controls_a_terminal(
        medians in proptest::collection::vec(prop_oneof![-1e308..1e308, Just(0.0), Just(f64::MAX), Just(f64::MIN)], 0..40),
        name in any::<String>(),
        started in proptest::option::of(any::<String>()),
    ) {
        let points = (1..).zip(medians).map(|(run, median)| HistoryPoint {
            cell: name.clone(),
            scenario: Some(name.clone()),
            cpu: Some(name.clone()),
            kernel: Some(format!("{name}{}", run / 10)),
            started: started.clone(),
            ..point(run, median)
        }).collect();
        let history = History::new(&name, points);
        let text = history_text(&history);
        prop_assert!(text.chars().all(|letter| letter == '\n' || !letter.is_control()));
        prop_assert!(to_csv(&history).is_ok());
        prop_assert!(serde_json::to_string(&history).is_ok());
    }
}
