//! `policy`: which one, or the tables with their settings. Those of peers have the peers' own names, in kebab-case.

mod kubevirt;
mod nova;
mod others;
mod ovirt;
mod pilot;

use super::{Key, Kind, Table};
use pilot::PILOT;

/// `policy = "NAME"` or `[policy.NAME]`.
pub(super) const POLICY: Key = Key {
    name: "policy",
    kind: Kind::Selection {
        options: &POLICIES,
        planned: &["dirty-limit"],
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
        option("pause", &PAUSE),
        option("nova", &nova::NOVA),
        option("nova-historic", &nova::NOVA_HISTORIC),
        option("ovirt-minimal-downtime", &ovirt::MINIMAL_DOWNTIME),
        option("ovirt-suspend-if-needed", &ovirt::SUSPEND_IF_NEEDED),
        option("ovirt-post-copy", &ovirt::POST_COPY),
        option("vdsm-legacy", &ovirt::VDSM_LEGACY),
        option("proxmox", &others::PROXMOX),
        option("kubevirt-ramp", &kubevirt::RAMP),
        option("kubevirt-stall", &kubevirt::STALL),
        option("virsh-timeout-suspend", &others::VIRSH_TIMEOUT_SUSPEND),
        option("virsh-timeout-postcopy", &others::VIRSH_TIMEOUT_POSTCOPY),
        option("force-complete", &others::FORCE_COMPLETE),
        option("pilot", &PILOT),
    ],
};

const fn option(name: &'static str, table: &'static Table) -> Key {
    Key {
        name,
        kind: Kind::Table(table),
        default: None,
        about: table.about,
    }
}

/// A key with a default.
const fn key(name: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Key {
    Key {
        name,
        kind,
        default: Some(default),
        about,
    }
}

/// The factor that makes a peer's times fit a small guest.
const TIME_SCALE: Key = key(
    "time-scale",
    Kind::Number {
        min: 0.0001,
        max: 1000.0,
    },
    "1",
    "Factor on all times of the peer's rule, its polling included: 0.01 lets a 1 GiB guest see in 8 s what Nova does in 800 s. Downtime limits stay as they are.",
);

/// A limit on the blackout.
const fn downtime(name: &'static str, default: &'static str, about: &'static str) -> Key {
    key(name, Kind::Time, default, about)
}

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
        Key {
            name: "tailslow",
            kind: Kind::Flag,
            default: Some("false"),
            about: "Make the last steps smaller (cpu-throttle-tailslow): kinder to the guest, and slower to end.",
        },
        Key {
            name: "trigger-threshold",
            kind: Kind::Count { min: 1, max: 100 },
            default: None,
            about: "Throttle once a pass dirtied more than this percentage of what it sent (throttle-trigger-threshold); without it QEMU's own, 50.",
        },
    ],
};

static POST_COPY: Table = Table {
    about: "Move the running guest first and fetch its memory on demand. Always ends; a failure in between loses the guest.",
    keys: &[
        Key {
            name: "after-passes",
            kind: Kind::Count { min: 0, max: 1000 },
            default: Some("1 unless `after` is set"),
            about: "Switch after this many whole passes over memory, 0 is at once; with `after` as well, whichever comes first.",
        },
        Key {
            name: "after",
            kind: Kind::Time,
            default: None,
            about: "Switch after this time.",
        },
    ],
};

static PAUSE: Table = Table {
    about: "Stop the guest, so that the migration ends; it goes on at the destination. Always ends, and the blackout is as long as the rest.",
    keys: &[Key {
        name: "after-passes",
        kind: Kind::Count { min: 0, max: 1000 },
        default: Some("5"),
        about: "Stop after this many whole passes over memory; 0 is at once.",
    }],
};

#[cfg(test)]
mod tests {
    use super::*;

    // A rule changes with its peer: one that does not say of when it is can't be told from one that is out of date.
    #[test]
    fn every_peer_says_whose_rule_it_is() {
        let own = ["static", "auto-converge", "post-copy", "pause", "pilot"];
        for key in POLICIES.keys.iter().filter(|key| !own.contains(&key.name)) {
            let (_, rule) = key.about.split_once(" Rule of ").unwrap_or_default();
            let has_version = rule.contains(|c: char| c.is_ascii_digit());
            let has_file = [".py", ".go", ".pm", ".c"]
                .iter()
                .any(|end| rule.contains(end));
            assert!(has_version && has_file, "{}: {:?}", key.name, key.about);
        }
    }
}
