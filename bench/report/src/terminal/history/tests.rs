//! What a terminal shows of series whose steps are known.

use lmbench_record::history::example::{point, stepped};
use proptest::prelude::*;

use super::*;

#[test]
fn a_step_is_found_with_its_run_and_what_changed() {
    let history = History::new("blackout_ms", stepped());
    insta::assert_snapshot!(history_text(&history));
}

#[test]
fn another_machine_is_not_called_worse() {
    let of = |change: fn(&mut HistoryPoint)| {
        let mut points = stepped();
        points[12..].iter_mut().for_each(change);
        history_text(&History::new("blackout_ms", points))
    };
    let text = of(|point| point.qemu = Some("10.1.0".to_owned()));
    assert!(
        text.contains("not compared") && !text.contains("worse"),
        "{text}"
    );
    let text = of(|point| point.cores = Some(96));
    assert!(
        text.contains("96 CPUs") && !text.contains("worse"),
        "{text}"
    );
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
fn a_drift_is_named() {
    let wobble = |run: usize| (run * 37 % 11) as f64;
    let points = (0..40).map(|run| point(run, 280.0 + 2.0 * run as f64 + wobble(run)));
    let text = history_text(&History::new("blackout_ms", points.collect()));
    assert!(text.contains("drifts") && text.contains("worse"), "{text}");
}

#[test]
fn a_run_of_which_nothing_completed_is_told() {
    let mut points = stepped();
    points.push(HistoryPoint {
        n: 0,
        tried: 6,
        median: f64::NAN,
        min: f64::NAN,
        max: f64::NAN,
        ..point(25, 0.0)
    });
    let text = history_text(&History::new("blackout_ms", points));
    assert!(
        text.contains("has no value: none of 6 migrations completed"),
        "{text}"
    );
}

proptest! {
    // Records may hold any number and any name.
    #[test]
    fn no_history_controls_a_terminal(
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
        let text = history_text(&History::new(&name, points));
        prop_assert!(text.chars().all(|letter| letter == '\n' || !letter.is_control()));
    }
}
