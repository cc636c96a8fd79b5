//! The top level, `[run]`.

use super::carrier::CARRIER;
use super::fault::FAULT;
use super::guest::GUEST;
use super::migration::MIGRATION;
use super::network::NETWORK;
use super::policy::POLICY;
use super::workload::WORKLOAD;
use super::{Key, Kind, Table};

/// The whole file.
pub(crate) static SCENARIO: Table = Table {
    about: "A scenario: one question about live migration, as a guest, a workload, a network and a matrix of settings to compare.",
    keys: &[
        Key {
            name: "name",
            kind: Kind::Text,
            default: None,
            about: "Names the scenario in records and folders: lower-case letters, digits and hyphens.",
        },
        Key {
            name: "about",
            kind: Kind::Text,
            default: Some(""),
            about: "The question that the scenario answers, for people.",
        },
        Key {
            name: "guest",
            kind: Kind::Table(&GUEST),
            default: None,
            about: GUEST.about,
        },
        Key {
            name: "workload",
            kind: Kind::Table(&WORKLOAD),
            default: None,
            about: WORKLOAD.about,
        },
        Key {
            name: "network",
            kind: Kind::Table(&NETWORK),
            default: None,
            about: NETWORK.about,
        },
        Key {
            name: "migration",
            kind: Kind::Table(&MIGRATION),
            default: None,
            about: MIGRATION.about,
        },
        CARRIER,
        POLICY,
        Key {
            name: "fault",
            kind: Kind::Table(&FAULT),
            default: None,
            about: FAULT.about,
        },
        Key {
            name: "matrix",
            kind: Kind::Axes,
            default: None,
            about: "Axes: paths of settings with lists of values. Every combination is a cell; the first axis changes slowest.",
        },
        Key {
            name: "run",
            kind: Kind::Table(&RUN),
            default: None,
            about: RUN.about,
        },
        Key {
            name: "gate",
            kind: Kind::Limits,
            default: None,
            about: "What `lmbench gate` asks, by metric id: how much worse than the baseline (\"+10 %\"), a limit of the median (\"<= 300 ms\") \
                    or of each repeat (\"every <= 1 s\"), or several with commas between; by outcome (completed, did-not-converge, \
                    cancelled, failed, skipped) \"all\", \"none\" or a share (\"<= 10 %\"). [gate.cells.\"carrier=tls\"] replaces \
                    rules for the cells with these values.",
        },
    ],
};

/// `[run]`.
static RUN: Table = Table {
    about: "How often, and in which order.",
    keys: &[
        Key {
            name: "repeats",
            kind: Kind::Repeats { max: 1000 },
            default: Some("3"),
            about: "Measured migrations per cell. An interval of the median needs 6; fewer show only the extremes. \
                    \"until ci95 < 5 %, at most 20\" repeats each cell until the 95 % interval of its total time reaches no further than 5 % \
                    to either side of the median (half its width), \"until downtime_ms ci95 < 10 %, at most 20\" the same for another metric.",
        },
        Key {
            name: "warmup",
            kind: Kind::Count { min: 0, max: 100 },
            default: Some("0"),
            about: "Migrations per cell before the measured ones, not recorded: they fill caches and cost as much time as the others.",
        },
        Key {
            name: "order",
            kind: Kind::Choice(&["interleaved", "sequential"]),
            default: Some("interleaved"),
            about: "interleaved: rounds of all cells, freshly shuffled each, so that a machine that gets slower hits every cell alike; \
                    sequential: cell by cell, for watching.",
        },
        Key {
            name: "seed",
            kind: Kind::Count {
                min: 0,
                max: i64::MAX as u64,
            },
            default: Some("1"),
            about: "Seed of the order and of the workload's random choices; the same seed runs the same experiment.",
        },
    ],
};
