//! `[migration]`.

use super::{Key, Kind, Table};

/// `[migration]`.
pub(crate) static MIGRATION: Table = Table {
    about: "QEMU's migration settings and lmbench's limits around them.",
    keys: &[
        Key {
            name: "downtime-limit",
            kind: Kind::Time,
            default: Some("300 ms"),
            about: "QEMU stops the guest when it believes that the rest fits this time. Lower never ends on a busy guest; higher is a longer pause.",
        },
        Key {
            name: "max-bandwidth",
            kind: Kind::Rate,
            default: Some("unbounded"),
            about: "QEMU's own limit on the stream. The default lifts QEMU's 128 MiB/s, which would be measured instead of the carrier.",
        },
        Key {
            name: "max-postcopy-bandwidth",
            kind: Kind::Rate,
            default: Some("unbounded"),
            about: "The same for the background stream after the switch to post-copy. A limit leaves room for page requests.",
        },
        Key {
            name: "timeout",
            kind: Kind::Time,
            default: Some("60 s"),
            about: "Time allowed from `migrate` to the end; then timeout-action.",
        },
        Key {
            name: "timeout-action",
            kind: Kind::Choice(&["cancel", "pause", "post-copy"]),
            default: Some("cancel"),
            about: "cancel: the guest stays on the source, and the outcome is did-not-converge; pause: stop it so that the migration ends; \
                    post-copy: switch to it.",
        },
        Key {
            name: "multifd-channels",
            kind: Kind::Count { min: 1, max: 255 },
            default: Some("1"),
            about: "Parallel connections for memory; 1 turns multifd off. Each can use a core on both hosts.",
        },
        Key {
            name: "preempt",
            kind: Kind::Flag,
            default: Some("false"),
            about: "A connection of its own for post-copy's page requests, so that they do not queue behind the background stream.",
        },
        Key {
            name: "settle",
            kind: Kind::Time,
            default: Some("2 s"),
            about: "Time the workload runs before `migrate`. Its undisturbed rate, the yardstick of brownout_ms and workload_slowdown, is \
                    measured here.",
        },
        Key {
            name: "metering",
            kind: Kind::Flag,
            default: Some("true"),
            about: "false: nothing is sampled while the guest migrates, neither QEMU's counters nor CPU nor connections; what is known before and \
                    after remains, and what the guest says by itself (guest.heartbeat). As an axis of the matrix it tells what metering costs.",
        },
        Key {
            name: "count-syscalls",
            kind: Kind::Flag,
            default: Some("false"),
            about: "Count system calls of QEMU and the carrier. Needs root and a mounted tracefs, and makes each call of this machine slower.",
        },
        Key {
            name: "qmp",
            kind: Kind::Names,
            default: None,
            about: "Any other QMP migration capability (a boolean) or parameter, by its QMP name.",
        },
    ],
};
