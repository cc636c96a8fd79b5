//! What counts as trouble, state by state.

use super::*;

fn side(run: &str, migration: &str) -> Side {
    let machine = match run {
        "gone" => Machine::Gone("was killed by signal 9".into()),
        "silent" => Machine::Silent("no answer".into()),
        state => Machine::State(state.into()),
    };
    Side {
        migration: (!migration.is_empty()).then(|| migration.into()),
        ..Side::without(machine)
    }
}

#[test]
fn every_trouble_and_no_other() {
    use Trouble::{MonitorUnresponsive, NotResumed, PausedOnBoth, PostCopyPaused, RunningOnBoth};
    let table: &[(&str, &str, &str, &str, &[Trouble])] = &[
        // Before, during and after a migration that goes well.
        ("running", "none", "inmigrate", "none", &[]),
        ("running", "active", "inmigrate", "active", &[]),
        (
            "finish-migrate",
            "postcopy-active",
            "running",
            "postcopy-active",
            &[],
        ),
        ("postmigrate", "completed", "running", "completed", &[]),
        // Failed and back on the source.
        ("running", "failed", "gone", "", &[]),
        ("running", "cancelled", "inmigrate", "active", &[]),
        // Trouble.
        (
            "running",
            "failed",
            "running",
            "completed",
            &[RunningOnBoth],
        ),
        (
            "running",
            "completed",
            "running",
            "completed",
            &[RunningOnBoth],
        ),
        ("paused", "failed", "inmigrate", "active", &[PausedOnBoth]),
        (
            "finish-migrate",
            "device",
            "inmigrate",
            "active",
            &[PausedOnBoth],
        ),
        ("paused", "failed", "gone", "", &[]),
        (
            "postmigrate",
            "completed",
            "inmigrate",
            "active",
            &[PausedOnBoth, NotResumed],
        ),
        (
            "postmigrate",
            "completed",
            "paused",
            "completed",
            &[PausedOnBoth, NotResumed],
        ),
        ("postmigrate", "completed", "gone", "", &[NotResumed]),
        (
            "finish-migrate",
            "postcopy-paused",
            "running",
            "postcopy-active",
            &[PostCopyPaused],
        ),
        (
            "finish-migrate",
            "postcopy-active",
            "running",
            "postcopy-paused",
            &[PostCopyPaused],
        ),
        (
            "finish-migrate",
            "postcopy-paused",
            "gone",
            "",
            &[PostCopyPaused],
        ),
        (
            "finish-migrate",
            "postcopy-paused",
            "silent",
            "",
            &[MonitorUnresponsive, PostCopyPaused],
        ),
        ("silent", "", "running", "completed", &[MonitorUnresponsive]),
        (
            "postmigrate",
            "completed",
            "silent",
            "",
            &[MonitorUnresponsive],
        ),
    ];
    for (run, migration, run_there, migration_there, wanted) in table {
        let snapshot = Sides {
            source: side(run, migration),
            destination: side(run_there, migration_there),
        };
        assert_eq!(
            troubles(&snapshot),
            *wanted,
            "{run}/{migration} and {run_there}/{migration_there}"
        );
    }
}

#[test]
fn a_lost_agent_takes_its_qemu_along_and_a_stuck_one_may_not() {
    let role = Role::Source;
    let gone = Side::of(Err(AgentError::Gone { role }));
    assert!(gone.machine.is_gone());
    // Nobody is left who could tell that its guest never ran.
    assert!(gone.ran);
    let within = Duration::from_secs(8);
    let stuck = Side::of(Err(AgentError::Silent { role, within }));
    assert!(matches!(stuck.machine, Machine::Silent(_)));
    let mute = Side::of(Ok(Condition::default()));
    assert!(matches!(mute.machine, Machine::Silent(_)));
}

#[test]
fn a_standstill_is_told_once() {
    let mut standstill = Standstill::default();
    let mut at = |seconds: u64, pass: u64, transferred_bytes: u64, remaining_bytes: u64| {
        let progress = Progress {
            status: "active".into(),
            pass,
            transferred_bytes,
            remaining_bytes,
            ..Progress::default()
        };
        standstill
            .on_progress(Duration::from_secs(seconds), &progress)
            .map(|told| (told["still_s"].as_f64(), told["passes"].as_u64()))
    };
    assert_eq!(at(0, 1, 10, 90), None);
    assert_eq!(at(4, 1, 10, 90), None);
    assert_eq!(at(5, 1, 10, 90), Some((Some(5.0), None)));
    assert_eq!(at(6, 1, 10, 90), None);
    assert_eq!(at(7, 2, 20, 80), None);
    // Ten passes, none of which left less than the second did.
    assert_eq!(at(8, 11, 30, 85), None);
    assert_eq!(at(9, 12, 40, 80), Some((None, Some(10))));
    assert_eq!(at(10, 13, 50, 81), None);
    assert_eq!(at(11, 14, 60, 79), None);
    assert_eq!(at(12, 24, 70, 79), Some((None, Some(10))));
}
