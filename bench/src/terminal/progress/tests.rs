//! A run's events as they come, and what is shown of them.

use std::path::PathBuf;

use indicatif::ProgressDrawTarget;

use super::*;
use crate::event::{Phase, Progress};
use crate::record::example;

/// Two migrations with a reading every second, each with the time it comes at.
fn events() -> Vec<(u64, RunEvent)> {
    let record = example::jvm();
    let cell = record.cells[1].id.clone();
    let phase = |phase, limit: Option<u64>| RunEvent::Phase {
        phase,
        limit: limit.map(Duration::from_secs),
    };
    let mut events = vec![(
        0,
        RunEvent::RunStarted {
            run_id: record.run_id.clone(),
            scenario: "evil\u{1b}[31m".to_owned(),
            cells: 3,
            migrations: 3,
            directory: PathBuf::from("results/x"),
        },
    )];
    for (position, start) in [(1, 1), (2, 31)] {
        let repeat = u32::try_from(position).unwrap();
        events.push((
            start,
            RunEvent::RepeatStarted {
                position,
                cell: cell.clone(),
                repeat,
                repeats: 2,
                policy: "static".to_owned(),
            },
        ));
        events.push((start, phase(Phase::Booting, Some(60))));
        events.push((start + 10, phase(Phase::Migrating, Some(20))));
        events.extend(
            (1..=12).map(|second| (start + 10 + second, RunEvent::Progress(progress(second)))),
        );
        let completed = record.cells[1].repeats[0].clone();
        let stalled = example::stalled().cells[1].repeats[1].clone();
        let repeat = if position == 1 { completed } else { stalled };
        events.push((
            start + 25,
            RunEvent::RepeatFinished {
                cell: cell.clone(),
                repeat,
            },
        ));
    }
    events.push((
        57,
        RunEvent::Warning("the clocks differ by 2 ms\u{7}".to_owned()),
    ));
    events
}

fn progress(second: u64) -> Progress {
    Progress {
        elapsed: Duration::from_secs(second),
        status: "active".into(),
        pass: second / 4 + 1,
        throughput_bps: 9.4e8,
        dirty_rate_bps: (second > 4).then_some(1.27e8),
        remaining_bytes: (15 - second) << 24,
        throttle_percent: (second > 8).then_some(20),
        expected_downtime_ms: None,
        least_left_bytes: (second > 4).then_some(60 << 20),
        downtime_limit_ms: Some(300.0),
    }
}

#[test]
fn lines_are_plain_and_few() {
    let mut lines = Lines::new(Vec::new());
    let mut shown = String::new();
    for (at, event) in events() {
        lines.observe(&event, Duration::from_secs(at));
    }
    shown += std::str::from_utf8(&lines.into_output()).unwrap();
    assert!(
        !shown.chars().any(|c| c.is_control() && c != '\n'),
        "{shown:?}"
    );
    // The opening, a warning, and two of each of the two migrations.
    assert_eq!(shown.lines().count(), 2 + 2 * 2);
    insta::assert_snapshot!(shown);
}

#[test]
fn both_templates_draw() {
    for colour in [false, true] {
        let mut bar = Bar::on(ProgressDrawTarget::hidden(), colour);
        for (at, event) in events() {
            bar.observe(&event, Duration::from_secs(at));
        }
    }
}
