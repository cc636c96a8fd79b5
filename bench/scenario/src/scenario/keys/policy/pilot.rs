//! `[policy.pilot]`: goals and permissions.

use super::super::{Key, Kind, Table};

pub(super) static PILOT: Table = Table {
    about: "lmbench's own closed loop: it is given goals, forecasts what each lever would lead to, and pulls the mildest that serves them.",
    keys: &[
        Key {
            name: "max-blackout",
            kind: Kind::Time,
            default: Some("300 ms"),
            about: "Longest time in which the guest runs nowhere. It replaces downtime-limit and covers what that leaves out: buffers, device state, loading.",
        },
        Key {
            name: "max-total-time",
            kind: Kind::Time,
            default: None,
            about: "Longest time from migrate to the end; without it, as short as the goals of higher priority allow.",
        },
        Key {
            name: "max-slowdown",
            kind: Kind::Share,
            default: None,
            about: "Largest share of its work that the guest may lose during the migration; without it, as small as the goals of higher priority allow.",
        },
        Key {
            name: "priorities",
            kind: Kind::Text,
            default: Some("blackout, total-time, slowdown"),
            about: "Which goal yields last where not all can be met. \"slowdown\" first waits where the default would switch to post-copy.",
        },
        Key {
            name: "post-copy",
            kind: Kind::Flag,
            default: Some("true"),
            about: "Whether it may switch to post-copy, with a connection of its own for the pages that the guest waits for. A failure in \
                    between loses the guest.",
        },
        Key {
            name: "throttle",
            kind: Kind::Flag,
            default: Some("true"),
            about: "Whether it may slow the guest's vCPUs.",
        },
        Key {
            name: "pause",
            kind: Kind::Flag,
            default: Some("false"),
            about: "Whether it may stop the guest for longer than max-blackout if nothing else ends the migration.",
        },
    ],
};
