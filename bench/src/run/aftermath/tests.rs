//! What two QEMUs need, state by state: never two running copies, none only where none can be saved.

use super::super::health::Side;
use super::*;

fn side(run: &str, migration: &str, ran: bool) -> Side {
    let machine = match run {
        "gone" => Machine::Gone("was killed by signal 9".into()),
        "silent" => Machine::Silent("no answer".into()),
        state => Machine::State(state.into()),
    };
    Side {
        machine,
        migration: migration.into(),
        remaining_bytes: None,
        ran,
    }
}

fn word(deed: Deed) -> &'static str {
    match deed {
        Deed::Nothing => "nothing",
        Deed::Wait => "wait",
        Deed::Cancel => "cancel",
        Deed::Sever => "sever",
        Deed::Fence(Role::Source, _) => "fence source",
        Deed::Fence(Role::Destination, _) => "fence destination",
        Deed::Continue(Role::Source, _) => "continue source",
        Deed::Continue(Role::Destination, _) => "continue destination",
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
