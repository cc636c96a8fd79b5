//! `policy`: which one, or the tables with their settings.

use super::{Key, Kind, Table};

/// `policy = "NAME"` or `[policy.NAME]`.
pub(super) const POLICY: Key = Key {
    name: "policy",
    kind: Kind::Selection {
        options: &POLICIES,
        planned: &["nova", "ovirt", "kubevirt", "proxmox", "dirty-limit"],
    },
    default: Some("static"),
    about: "Who decides during a migration: a name, or one table [policy.NAME] with its settings, or an axis of the matrix.",
};

static POLICIES: Table = Table {
    about: "The policies.",
    keys: &[
        Key {
            name: "static",
            kind: Kind::Table(&STATIC),
            default: None,
            about: STATIC.about,
        },
        Key {
            name: "auto-converge",
            kind: Kind::Table(&AUTO_CONVERGE),
            default: None,
            about: AUTO_CONVERGE.about,
        },
        Key {
            name: "post-copy",
            kind: Kind::Table(&POST_COPY),
            default: None,
            about: POST_COPY.about,
        },
    ],
};

static STATIC: Table = Table {
    about: "Nobody decides: QEMU with the settings of the scenario. Nothing to set.",
    keys: &[],
};

const PERCENT: Kind = Kind::Count { min: 1, max: 99 };

static AUTO_CONVERGE: Table = Table {
    about: "QEMU throttles the guest's CPUs until it dirties less than the link carries.",
    keys: &[
        Key {
            name: "initial",
            kind: PERCENT,
            default: Some("20"),
            about: "First throttle in percent (cpu-throttle-initial).",
        },
        Key {
            name: "increment",
            kind: PERCENT,
            default: Some("10"),
            about: "Percent added when that was not enough (cpu-throttle-increment). Higher ends sooner and hurts the guest more.",
        },
        Key {
            name: "max",
            kind: PERCENT,
            default: Some("99"),
            about: "Highest throttle in percent (max-cpu-throttle). Below about 90 a busy guest may never converge.",
        },
    ],
};

static POST_COPY: Table = Table {
    about: "Move the running guest first and fetch its memory on demand. Always ends; a failure in between loses the guest.",
    keys: &[
        Key {
            name: "after-passes",
            kind: Kind::Count { min: 1, max: 1000 },
            default: Some("1 unless `after` is set"),
            about: "Switch after this many whole passes over memory; with `after` as well, whichever comes first.",
        },
        Key {
            name: "after",
            kind: Kind::Time,
            default: None,
            about: "Switch after this time.",
        },
    ],
};
