//! Routes and the choice between them, by hand-made figures.

use std::time::Duration;

use super::*;

fn route(lever: Lever, total: f64, blackout: f64, slowdown: f64) -> Route {
    Route {
        lever,
        total,
        blackout,
        slowdown,
    }
}

fn spec(priorities: [Goal; 3]) -> PilotSpec {
    PilotSpec {
        max_blackout: Duration::from_millis(300),
        max_total_time: None,
        max_slowdown: None,
        priorities,
        post_copy: true,
        throttle: true,
        pause: false,
        bandwidth: None,
        post_copy_bandwidth: None,
    }
}

#[test]
fn the_order_of_priority_decides() {
    use Goal::{Blackout, Slowdown, TotalTime};
    let wait = route(Lever::Wait, 20.0, 0.25, 0.02);
    let post_copy = route(Lever::PostCopy, 10.0, 0.1, 0.3);
    let routes = [wait, post_copy];
    for (priorities, wanted) in [
        ([Blackout, TotalTime, Slowdown], post_copy),
        ([Blackout, Slowdown, TotalTime], wait),
        // Both keep the blackout, so that it does not matter which comes first.
        ([TotalTime, Blackout, Slowdown], post_copy),
    ] {
        assert_eq!(choose(&routes, &spec(priorities)), Some(wanted));
    }
}

#[test]
fn of_what_is_as_good_the_mildest_is_taken() {
    let wait = route(Lever::Wait, 11.0, 0.29, 0.02);
    let post_copy = route(Lever::PostCopy, 10.0, 0.1, 0.02);
    assert_eq!(choose(&[wait, post_copy], &spec(Goal::DEFAULT)), Some(wait));
}

#[test]
fn the_goal_is_not_exceeded_knowingly() {
    let long = route(Lever::PostCopy, 5.0, 0.5, 0.1);
    let pause = route(Lever::Pause, 5.0, 2.0, 0.1);
    let throttle = route(Lever::Throttle(80), 50.0, 0.3, 0.8);
    assert_eq!(choose(&[long, pause], &spec(Goal::DEFAULT)), None);
    let permitted = PilotSpec {
        pause: true,
        ..spec(Goal::DEFAULT)
    };
    assert_eq!(choose(&[long, pause], &permitted), Some(pause));
    assert_eq!(choose(&[throttle, long, pause], &permitted), Some(throttle));
}

#[test]
fn limits_count_before_what_is_best() {
    let limited = PilotSpec {
        max_total_time: Some(Duration::from_secs(30)),
        max_slowdown: Some(0.2),
        ..spec(Goal::DEFAULT)
    };
    let wait = route(Lever::Wait, 29.0, 0.2, 0.02);
    let throttle = route(Lever::Throttle(60), 15.0, 0.2, 0.5);
    let post_copy = route(Lever::PostCopy, 10.0, 0.1, 0.3);
    assert_eq!(choose(&[wait, throttle, post_copy], &limited), Some(wait));
    assert_eq!(choose(&[throttle, post_copy], &limited), Some(post_copy));
}

struct Line(f64);

impl Forecast for Line {
    fn dirtied(&self, seconds: f64) -> f64 {
        self.0 * seconds
    }
}

// 100 MB left at 10 MB/s and 5 MB/s dirtied: 50, 25, 12.5 and 6.25 MB after 10, 15, 17.5 and 18.75 s.
#[test]
fn passes_shrink_by_the_ratio_of_the_rates() {
    let outlook = Outlook {
        now: 0.0,
        in_pass: 0.0,
        remaining: 100e6,
        bandwidth: 10e6,
        room: 7e6,
        switch: 0.0,
        drain: 0.0,
        post_copy_switch: 0.0,
        speed: 1.0,
    };
    let passes = outlook.passes(&Line(5e6), 1.0);
    assert!((passes.fits_in.unwrap() - 18.75).abs() < 1e-9);
    assert!((passes.least - 6.25e6).abs() < 1e-3);
    assert_eq!(outlook.passes(&Line(10e6), 1.0).fits_in, None);
    assert!(outlook.passes(&Line(10e6), 0.5).fits_in.is_some());
}
