//! What two QEMUs need, state by state: never two running copies, none only where none can be saved.

use super::*;

fn side(run: &str, migration: &str, ran: bool) -> Side {
    let machine = match run {
        "gone" => Machine::Gone("was killed by signal 9".into()),
        "silent" => Machine::Silent("no answer".into()),
        state => Machine::State(state.into()),
    };
    Side {
        machine,
        migration: (!migration.is_empty()).then(|| migration.into()),
        remaining_bytes: None,
        ran,
        was_in_post_copy: false,
    }
}

fn word(step: Step) -> &'static str {
    match step {
        Step::Nothing => "nothing",
        Step::Wait => "wait",
        Step::Cancel => "cancel",
        Step::Sever => "sever",
        Step::Fence(Role::Source, _) => "fence source",
        Step::Fence(Role::Destination, _) => "fence destination",
        Step::Continue(Role::Source, _) => "continue source",
        Step::Continue(Role::Destination, _) => "continue destination",
    }
}

/// Source's run state and migration, the destination's, and what they need if the guest never ran at the destination.
const TABLE: &[[&str; 5]] = &[
    // Pre-copy: the guest is the source's.
    ["running", "failed", "gone", "", "nothing"],
    [
        "running",
        "failed",
        "inmigrate",
        "active",
        "fence destination",
    ],
    [
        "running",
        "failed",
        "running",
        "completed",
        "fence destination",
    ],
    ["running", "failed", "silent", "", "fence destination"],
    [
        "paused",
        "failed",
        "paused",
        "completed",
        "fence destination",
    ],
    [
        "paused",
        "failed",
        "inmigrate",
        "active",
        "fence destination",
    ],
    ["paused", "failed", "gone", "", "continue source"],
    ["finish-migrate", "cancelled", "gone", "", "continue source"],
    ["running", "active", "gone", "", "cancel"],
    ["finish-migrate", "device", "gone", "", "cancel"],
    // Cancelled first, QEMU 10.0.2 would let both run.
    [
        "finish-migrate",
        "device",
        "inmigrate",
        "active",
        "fence destination",
    ],
    [
        "running",
        "cancelling",
        "inmigrate",
        "active",
        "fence destination",
    ],
    // Completed: the guest is the destination's.
    [
        "postmigrate",
        "completed",
        "running",
        "completed",
        "nothing",
    ],
    [
        "postmigrate",
        "completed",
        "paused",
        "completed",
        "continue destination",
    ],
    ["postmigrate", "completed", "inmigrate", "active", "wait"],
    [
        "running",
        "completed",
        "running",
        "completed",
        "fence source",
    ],
    ["postmigrate", "completed", "silent", "", "nothing"],
    // Post-copy: it needs both.
    [
        "finish-migrate",
        "postcopy-active",
        "running",
        "postcopy-active",
        "nothing",
    ],
    [
        "finish-migrate",
        "postcopy-paused",
        "running",
        "postcopy-paused",
        "nothing",
    ],
    [
        "running",
        "postcopy-paused",
        "running",
        "postcopy-paused",
        "fence source",
    ],
    // The source is gone.
    ["gone", "", "running", "completed", "nothing"],
    ["gone", "", "paused", "completed", "continue destination"],
    ["gone", "", "paused", "failed", "nothing"],
    ["gone", "", "inmigrate", "active", "wait"],
    ["gone", "", "inmigrate", "failed", "nothing"],
    ["gone", "", "running", "postcopy-active", "wait"],
    ["gone", "", "running", "postcopy-paused", "nothing"],
    ["gone", "", "gone", "", "nothing"],
    // Nobody knows what the source does.
    ["silent", "", "running", "completed", "fence source"],
    ["silent", "", "running", "postcopy-active", "nothing"],
    ["silent", "", "inmigrate", "active", "nothing"],
    // It may wait in a connection to nobody.
    ["silent", "", "gone", "", "sever"],
];

#[test]
fn exactly_one_copy_where_one_can_be_saved() {
    for [run, migration, run_there, migration_there, wanted] in TABLE {
        let snapshot = Sides {
            source: side(run, migration, true),
            destination: side(run_there, migration_there, false),
        };
        assert_eq!(
            word(next(&snapshot)),
            *wanted,
            "{run}/{migration} and {run_there}/{migration_there}"
        );
    }
}

#[test]
fn a_way_back_after_the_end_only_if_the_guest_never_ran_there() {
    let sources = [
        ("postmigrate", "completed"),
        ("finish-migrate", "postcopy-paused"),
        ("finish-migrate", "postcopy-active"),
    ];
    for (run, migration) in sources {
        for (ran, wanted) in [(false, "continue source"), (true, "nothing")] {
            let snapshot = Sides {
                source: side(run, migration, true),
                destination: side("gone", "", ran),
            };
            assert_eq!(word(next(&snapshot)), wanted, "{migration}, ran: {ran}");
        }
    }
}

// What QEMU 10.0.2 made of `migrate-pause` after the last page: the source "failed" and ran its guest beside the destination's.
#[test]
fn the_guest_that_moved_on_in_post_copy_is_the_one_that_stays() {
    for (run, run_there, migration_there, wanted) in [
        ("running", "running", "postcopy-active", "fence source"),
        ("running", "running", "completed", "fence source"),
        ("running", "paused", "postcopy-paused", "fence source"),
        ("running", "gone", "", "fence source"),
        ("finish-migrate", "running", "postcopy-active", "wait"),
        ("finish-migrate", "running", "completed", "nothing"),
    ] {
        let mut snapshot = Sides {
            source: side(run, "failed", true),
            destination: side(run_there, migration_there, true),
        };
        snapshot.source.was_in_post_copy = true;
        let seen = word(next(&snapshot));
        assert_eq!(seen, wanted, "{run}, {run_there}/{migration_there}");
        // One that never ran there has not moved on.
        snapshot.destination.ran = false;
        assert_ne!(word(next(&snapshot)), "fence source", "{run_there}");
    }
}

#[test]
fn what_is_on_its_way_is_waited_for() {
    let mut snapshot = Sides {
        source: side("finish-migrate", "postcopy-active", true),
        destination: side("running", "postcopy-active", true),
    };
    for (remaining_bytes, wanted) in [
        (Some(0), "wait"),
        (Some(4096), "nothing"),
        (None, "nothing"),
    ] {
        snapshot.source.remaining_bytes = remaining_bytes;
        assert_eq!(word(next(&snapshot)), wanted, "{remaining_bytes:?}");
    }
}

#[test]
fn a_guest_without_all_of_its_memory_is_not_whole() {
    let whole = |run, migration, there| {
        is_whole(&Sides {
            source: side(run, migration, true),
            destination: side("running", there, true),
        })
    };
    assert!(whole("postmigrate", "completed", "completed"));
    assert!(whole("running", "failed", "failed"));
    assert!(!whole(
        "finish-migrate",
        "postcopy-paused",
        "postcopy-paused"
    ));
    assert!(!whole("gone", "", "postcopy-active"));
}
