//! nova: `nova/virt/libvirt/migration.py` (`downtime_steps`, `update_downtime`, `should_abort`, `should_switch_to_postcopy`) and the
//! monitor loop of `driver.py`.

use super::*;
use crate::spec::{NovaHistoricSpec, NovaRamp, NovaSpec, NovaTimeoutAction};

// data_gb = 8: delay = int(75 * 8) = 600 s, base = 500 / 10 = 50, offset = (500 - 50) / 10 = 45; points (600 i, 50 + 45 i).
// The last point that lies strictly before the elapsed time holds. Timeout = int(800 * 8) = 6400 s, strictly.
#[test]
fn the_ramp_of_an_8_gib_guest_and_its_end() {
    check(
        &PolicySpec::Nova(NovaSpec::default()),
        gib(8),
        &[
            (0.0, active(1, 8000.0), ""),
            (0.5, active(1, 8000.0), "limit 50"),
            (1.0, active(1, 8000.0), ""),
            (600.0, active(3, 100.0), ""),
            (600.5, active(3, 100.0), "limit 95"),
            (1200.5, active(3, 100.0), "limit 140"),
            (1800.5, active(3, 100.0), "limit 185"),
            (2400.5, active(3, 100.0), "limit 230"),
            (3000.5, active(3, 100.0), "limit 275"),
            (3600.5, active(3, 100.0), "limit 320"),
            (4200.5, active(3, 100.0), "limit 365"),
            (4800.5, active(3, 100.0), "limit 410"),
            (5400.5, active(3, 100.0), "limit 455"),
            (6000.0, active(3, 100.0), ""),
            (6000.5, active(3, 100.0), "limit 500"),
            (6400.0, active(3, 100.0), ""),
            (6400.5, active(3, 100.0), "cancel"),
            (6401.0, active(3, 100.0), ""),
        ],
    );
}

// The example in Nova's own docstring: 10 steps, 30 s of delay, 3 GB, 400 ms: 40, 76, 112, … 400 ms every 90 s.
#[test]
fn the_example_of_nova_s_documentation() {
    let ramp = NovaRamp {
        downtime_ms: 400,
        steps: 10,
        delay_per_gib: Duration::from_secs(30),
    };
    let rows: Vec<(f64, Progress, String)> = [40, 76, 112, 148, 184, 220, 256, 292, 328, 364, 400]
        .iter()
        .enumerate()
        .map(|(step, ms)| {
            (
                90.0 * step as f64 + 0.5,
                active(2, 100.0),
                format!("limit {ms}"),
            )
        })
        .collect();
    let rows: Vec<(f64, Progress, &str)> = rows
        .iter()
        .map(|(at, progress, words)| (*at, progress.clone(), words.as_str()))
        .collect();
    let spec = NovaSpec {
        ramp,
        ..NovaSpec::default()
    };
    check(&PolicySpec::Nova(spec), gib(3), &rows);
}

// 512 MiB count as 2 GiB: 150 s between steps, timeout 1600 s. 3.5 GiB: int(75 * 3.5) = 262 s.
#[test]
fn small_guests_count_as_two_gib_and_the_delay_is_whole_seconds() {
    let spec = PolicySpec::Nova(NovaSpec::default());
    let small = Subject {
        memory_bytes: 512 << 20,
    };
    check(
        &spec,
        small,
        &[
            (0.5, active(1, 9.0), "limit 50"),
            (150.0, active(1, 9.0), ""),
            (150.5, active(1, 9.0), "limit 95"),
            (1600.0, active(1, 9.0), "limit 500"),
            (1600.5, active(1, 9.0), "cancel"),
        ],
    );
    let odd = Subject {
        memory_bytes: 3584 << 20,
    };
    check(
        &spec,
        odd,
        &[
            (0.5, active(1, 9.0), "limit 50"),
            (262.0, active(1, 9.0), ""),
            (262.5, active(1, 9.0), "limit 95"),
        ],
    );
}

// The loop sleeps half a second: what comes in between is not seen.
#[test]
fn it_looks_twice_a_second() {
    check(
        &PolicySpec::Nova(NovaSpec::default()),
        gib(2),
        &[
            (0.1, active(1, 9.0), "limit 50"),
            (149.9, active(1, 9.0), ""),
            (150.1, active(1, 9.0), "limit 95"),
            (300.0, active(1, 9.0), ""),
            (300.1, active(1, 9.0), ""),
            (300.5, active(1, 9.0), "limit 140"),
        ],
    );
}

// force_complete: post-copy if it is permitted, else pause; Nova goes on with its ramp beside a stopped guest.
#[test]
fn force_complete_uses_what_is_permitted_once() {
    let force = |permit_post_copy| {
        PolicySpec::Nova(NovaSpec {
            timeout_action: NovaTimeoutAction::ForceComplete,
            permit_post_copy,
            permit_auto_converge: true,
            completion_timeout_per_gib: Duration::from_secs(100),
            ..NovaSpec::default()
        })
    };
    check(
        &force(true),
        gib(2),
        &[
            (0.5, active(1, 9.0), "limit 50"),
            (200.0, active(2, 9.0), "limit 95"),
            (200.5, active(2, 9.0), "post-copy"),
            (201.0, active(2, 9.0), ""),
            (1000.0, active(2, 9.0), ""),
        ],
    );
    check(
        &force(false),
        gib(2),
        &[
            (0.5, active(1, 9.0), "limit 50"),
            (200.5, active(2, 9.0), "pause, limit 95"),
            (201.0, active(2, 9.0), ""),
            (300.5, active(2, 9.0), "limit 140"),
        ],
    );
    // Auto-converge is ignored where post-copy is permitted.
    let needs = from_spec(&force(true), gib(2)).needs();
    assert_eq!((needs.post_copy, needs.throttle), (true, None));
    let needs = from_spec(&force(false), gib(2)).needs();
    assert_eq!(
        (needs.post_copy, needs.throttle),
        (false, Some(Throttle::DEFAULT))
    );
}

#[test]
fn a_timeout_of_zero_is_none() {
    let spec = NovaSpec {
        completion_timeout_per_gib: Duration::ZERO,
        ..NovaSpec::default()
    };
    check(
        &PolicySpec::Nova(spec),
        gib(2),
        &[(9e6, active(9, 9.0), "limit 500")],
    );
}

// A hundredth: the step at 600 s comes after 6 s, strictly. The first decision says so, and no other.
#[test]
fn scaled_times_are_scaled_and_said_once() {
    let spec = PolicySpec::Nova(NovaSpec {
        time_scale: 0.01,
        ..NovaSpec::default()
    });
    let mut policy = from_spec(&spec, gib(8));
    let mut at = |time| policy.on_progress(seconds(time), &active(2, 9.0));
    let first = at(0.1);
    assert_eq!(words(&first), "limit 50");
    assert!(first[0].reason.contains("× 0.01"), "{}", first[0].reason);
    assert_eq!(words(&at(6.0)), "");
    let second = at(6.1);
    assert_eq!(words(&second), "limit 95");
    assert!(!second[0].reason.contains("0.01"), "{}", second[0].reason);
    assert_eq!(words(&at(64.1)), "cancel");
}

// round((previous - current) * 100 / previous) < 10 after the first iteration, between two looks half a second apart. Python
// rounds 9.5 to the even 10, which is not below it.
#[test]
fn historic_switches_below_ten_percent() {
    let spec = PolicySpec::NovaHistoric(NovaHistoricSpec::default());
    check(
        &spec,
        gib(8),
        &[
            (0.5, active(1, 1000.0), "limit 50"),
            (1.0, active(1, 1000.0), ""),
            (1.5, active(1, 990.0), ""),
            (2.0, active(2, 891.0), ""),
            (2.5, active(2, 800.0), ""),
            (3.0, active(2, 724.0), ""),
            (3.2, active(2, 724.0), ""),
            (3.5, active(2, 656.0), "post-copy"),
            (4.0, active(2, 656.0), ""),
        ],
    );
    // A rise is no progress; a guest of which nothing remained before is not judged.
    check(
        &spec,
        gib(8),
        &[
            (0.5, active(2, 0.0), "limit 50"),
            (1.0, active(2, 100.0), ""),
            (1.5, active(2, 101.0), "post-copy"),
        ],
    );
    assert!(from_spec(&spec, gib(8)).needs().post_copy);
}

// progress_time moves at each new low mark; abort when more than the timeout has passed since. Both timeouts end it before the switch.
#[test]
fn historic_gives_up_without_progress() {
    let spec = PolicySpec::NovaHistoric(NovaHistoricSpec {
        progress_timeout: Duration::from_secs(150),
        permit_post_copy: false,
        ..NovaHistoricSpec::default()
    });
    check(
        &spec,
        gib(8),
        &[
            (0.5, active(1, 1000.0), "limit 50"),
            (100.0, active(2, 500.0), ""),
            (250.0, active(2, 500.0), ""),
            (250.5, active(2, 500.0), "cancel"),
        ],
    );
    let off = PolicySpec::NovaHistoric(NovaHistoricSpec {
        permit_post_copy: false,
        ..NovaHistoricSpec::default()
    });
    check(
        &off,
        gib(2),
        &[
            (0.5, active(1, 1000.0), "limit 50"),
            (1600.0, active(1, 1000.0), "limit 500"),
            (1600.5, active(1, 1000.0), "cancel"),
        ],
    );
}
