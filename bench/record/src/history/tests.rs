//! Series, levels, and what is said of a change.

use proptest::prelude::*;
use serde_json::json;

use super::example::{point, stepped};
use super::*;

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
fn a_drift_is_named_and_has_no_first_run() {
    let wobble = |run: usize| (run * 37 % 11) as f64;
    let points = (0..40).map(|run| point(run, 280.0 + 2.0 * run as f64 + wobble(run)));
    let history = History::new("blackout_ms", points.collect());
    let levels = &history.cells[0].series[0].levels;
    assert_eq!(levels.len(), 1, "{levels:?}");
    let drift = levels[0].drift.as_ref().unwrap();
    assert_eq!(drift.verdict, Verdict::Worse);
    assert!(drift.to > drift.from * 1.1, "{drift:?}");
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
    let csv = String::from_utf8(to_csv(&history).unwrap()).unwrap();
    let row = csv.lines().last().unwrap();
    assert!(row.contains(",0,,,,,,") && row.ends_with(",6"), "{row}");
}

proptest! {
    // Records may hold any number and any name.
    #[test]
    fn no_history_panics(
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
        prop_assert!(to_csv(&history).is_ok());
        prop_assert!(serde_json::to_string(&history).is_ok());
    }
}
