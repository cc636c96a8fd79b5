//! A run as it is watched, in windows of several sizes.

use std::path::PathBuf;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;
use serde_json::json;

use super::*;
use crate::event::{Decision, Phase, Progress};
use crate::plan::Plan;
use crate::record::{Outcome, Repeat, example};
use crate::scenario;

/// Four cells, three repeats each.
fn plan() -> Plan {
    let text = r#"
name = "watched"
[guest]
memory = "256 MiB"
[workload.uniform]
memory = "64 MiB"
rate = "10 MiB/s"
[migration]
downtime-limit = "300 ms"
[matrix]
carrier = ["native-tcp", "tcp"]
policy = ["static", "post-copy"]
[run]
repeats = 3
"#;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("watched.toml");
    std::fs::write(&path, text).unwrap();
    let scenario = scenario::load(&path).unwrap_or_else(|error| panic!("{}", error.render(false)));
    Plan::new(&scenario, &[], None, None).unwrap()
}

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn started(plan: &Plan) -> RunEvent {
    RunEvent::RunStarted {
        run_id: "20260301-120000-watched-1f3c".to_owned(),
        scenario: plan.scenario.clone(),
        cells: plan.cells.len(),
        migrations: plan.steps.len(),
        directory: PathBuf::from("results/x"),
    }
}

fn begins(plan: &Plan, cell: usize, position: usize) -> RunEvent {
    RunEvent::RepeatStarted {
        position,
        cell: plan.cells[cell].id.clone(),
        repeat: 1,
        repeats: plan.repeats,
        policy: "static".to_owned(),
    }
}

fn phase(phase: Phase, limit: u64) -> RunEvent {
    RunEvent::Phase {
        phase,
        limit: Some(at(limit)),
    }
}

fn reading(tenths: u64) -> RunEvent {
    let seconds = tenths as f64 / 10.0;
    RunEvent::Progress(Progress {
        elapsed: Duration::from_millis(tenths * 100),
        status: "active".into(),
        pass: tenths / 40 + 1,
        throughput_bps: 8e8 * (1.0 - (-seconds).exp()),
        dirty_rate_bps: (tenths > 20).then_some(6e7 + 2e7 * seconds.sin()),
        remaining_bytes: ((240 - tenths) << 20) / 2,
        throttle_percent: (tenths > 60).then_some(20 + 10 * (tenths as u32 / 40)),
        expected_downtime_ms: (tenths > 20).then(|| 4000.0 / seconds),
        least_left_bytes: (tenths > 40).then_some(60 << 20),
        downtime_limit_ms: Some(if tenths > 30 { 400.0 } else { 300.0 }),
    })
}

fn decision(tenths: u64, by: &str, data: serde_json::Value) -> RunEvent {
    RunEvent::Decision(Decision {
        elapsed: Duration::from_millis(tenths * 100),
        by: by.to_owned(),
        data,
    })
}

/// Two migrations are done, one completed and one not; the third has been going for 12 s.
fn third_migration() -> Board {
    let plan = plan();
    let mut board = Board::new(&plan, None, at(90));
    board.observe(&started(&plan), at(100));
    let record = example::jvm();
    let completed = record.cells[1].repeats[0].clone();
    let stalled = Repeat::unfinished(1, 0.0, Outcome::DidNotConverge, "188 MiB left");
    for (cell, repeat) in [(0, completed), (1, stalled)] {
        let began = 100 + 30 * cell as u64;
        board.observe(&begins(&plan, cell, cell + 1), at(began));
        board.observe(&phase(Phase::Migrating, 60), at(began + 5));
        board.observe(&reading(1), at(began + 6));
        let cell = plan.cells[cell].id.clone();
        board.observe(&RunEvent::RepeatFinished { cell, repeat }, at(began + 29));
    }
    board.observe(&begins(&plan, 2, 3), at(160));
    board.observe(&phase(Phase::Booting, 60), at(160));
    board.observe(&phase(Phase::Migrating, 60), at(170));
    for tenths in 0..120 {
        let now = at(170) + Duration::from_millis(tenths * 100);
        board.observe(&reading(tenths), now);
        if tenths == 30 {
            let set = json!({ "action": { "set": { "downtime-limit": { "ms": 400 } } }, "reason": "the ramp's next step" });
            board.observe(&decision(tenths, "policy", set), now);
        }
        if tenths == 70 {
            let order = json!({ "order": "pause\u{1b}[2J", "outcome": "refused", "detail": "it is paused\u{7}" });
            board.observe(&decision(tenths, "operator", order), now);
        }
    }
    board
}

fn picture(board: &Board, now: Duration, size: (u16, u16), colour: bool) -> TestBackend {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal
        .draw(|frame| draw::draw(frame, board, now, Look { colour }))
        .unwrap();
    terminal.backend().clone()
}

#[test]
fn a_migration_in_windows_of_several_sizes() {
    let board = third_migration();
    let mut pictures = String::new();
    for size in [(80, 24), (120, 40), (40, 10), (20, 5)] {
        let drawn = picture(&board, at(182), size, true);
        pictures += &format!("{}x{}\n{drawn}\n", size.0, size.1);
    }
    assert!(!pictures.contains('\u{1b}') && !pictures.contains('\u{7}'));
    insta::assert_snapshot!(pictures);
}

#[test]
fn before_between_and_after_migrations() {
    let plan = plan();
    let mut pictures = String::new();
    let mut show = |name: &str, board: &Board, now| {
        pictures += &format!("{name}\n{}\n", picture(board, at(now), (80, 24), true));
    };
    let mut board = Board::new(&plan, None, at(100));
    show("looking at the hosts", &board, 103);
    board.observe(&started(&plan), at(104));
    board.observe(&begins(&plan, 0, 1), at(104));
    board.observe(&phase(Phase::Booting, 60), at(104));
    show("the first guest boots", &board, 106);
    let mut board = third_migration();
    board.observe(&phase(Phase::Verifying, 60), at(183));
    let warning = RunEvent::Warning("the clocks differ\u{7}".to_owned());
    board.observe(&warning, at(183));
    board.observe(&warning, at(183));
    show("what was last seen stays", &board, 184);
    let failed = RunEvent::RepeatFinished {
        cell: plan.cells[2].id.clone(),
        repeat: Repeat::unfinished(1, 0.0, Outcome::Failed, "it broke"),
    };
    board.observe(&failed, at(190));
    show("between two migrations", &board, 191);
    insta::assert_snapshot!(pictures);
}

// A window may be of any size, and an event may come out of its order.
#[test]
fn no_window_is_too_small_for_an_answer() {
    let full = third_migration();
    let mut odd = Board::new(&plan(), None, at(5));
    for event in [
        reading(3),
        decision(1, "policy", json!(null)),
        RunEvent::RepeatFinished {
            cell: "unknown".to_owned(),
            repeat: Repeat::unfinished(0, 0.0, Outcome::Failed, ""),
        },
    ] {
        odd.observe(&event, at(1));
    }
    for width in (1..60).step_by(3).chain([500]) {
        for height in (1..40).chain([200]) {
            picture(&full, at(182), (width, height), true);
            picture(&odd, at(0), (width, height), false);
        }
    }
}

#[test]
fn without_colour_there_is_none() {
    let board = third_migration();
    let coloured = |colour| {
        let drawn = picture(&board, at(182), (120, 40), colour);
        let mut cells = drawn.buffer().content.iter();
        cells.any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
    };
    assert!(coloured(true));
    assert!(!coloured(false));
}

#[test]
fn a_run_that_goes_on_shows_what_it_had() {
    let plan = plan();
    let mut record = example::jvm();
    plan.cells[3].id.clone_into(&mut record.cells[1].id);
    let board = Board::new(&plan, Some(&record), at(0));
    assert_eq!(board.cells[3].outcomes(), record.cells[1].outcomes());
    assert_eq!(
        board.cells[3].summary.get(board::BLACKOUT),
        record.cells[1].summary.get(board::BLACKOUT)
    );
    assert!(board.cells[2].repeats.is_empty());
}

#[test]
fn the_last_lines_last() {
    let mut lasting = Lasting::default();
    for number in 0..LASTING_MAX + 2 {
        lasting.push(format!("line {number}"));
    }
    let text = lasting.text();
    assert!(
        text.starts_with("(2 earlier lines not kept)\nline 2\n"),
        "{}",
        &text[..40]
    );
    assert!(text.ends_with(&format!("line {}\n", LASTING_MAX + 1)));
}
