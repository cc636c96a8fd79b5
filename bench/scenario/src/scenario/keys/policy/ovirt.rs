//! `[policy.ovirt-…]` (the schedules of ovirt-engine) and `[policy.vdsm-legacy]` (options of vdsm.conf).

use super::{Key, Kind, TIME_SCALE, Table, downtime, key};

const INITIAL_ITEMS: Key = key(
    "initial-items",
    Kind::Text,
    "100",
    "The downtime limit of the begin in ms (setDowntime).",
);
const CONVERGENCE_ITEMS: &str = "What is done when: `LIMIT:ACTION`, separated by commas; an action is a downtime limit in ms, `postcopy` or `abort`, and is done at the look at which the count of `rule` has grown beyond its limit, one at a look.";
const LAST_ITEMS: &str = "What is done after that, one action each time the count has grown.";
const RULE: Key = key(
    "rule",
    Kind::Choice(&["4.3.3", "4.2"]),
    "4.3.3",
    "What vdsm counts: QEMU's iterations since its first look, since 4.3.3; or looks at which more remains than at the one before, up to 4.2.",
);
const COMPRESSION: &str = "Whether xbzrle is on; it excludes multifd.";
const AUTO_CONVERGENCE: Key = key(
    "auto-convergence",
    Kind::Flag,
    "true",
    "Whether QEMU's throttle is on, with QEMU's own steps.",
);
const MONITOR_INTERVAL: Key = key(
    "migration-monitor-interval",
    Kind::Time,
    "10 s",
    "Time between two looks of vdsm.",
);

pub(super) static MINIMAL_DOWNTIME: Table = Table {
    about: "oVirt's policy \"Minimal downtime\": raises the downtime limit with each iteration up to 500 ms, then gives up. \
            Rule of vdsm 4.3.3 or 4.2, lib/vdsm/virt/migration.py, with the schedule of ovirt-engine, 0000_config.sql.",
    keys: &[
        RULE,
        INITIAL_ITEMS,
        key(
            "convergence-items",
            Kind::Text,
            "1:150, 2:200, 3:300, 4:400, 6:500",
            CONVERGENCE_ITEMS,
        ),
        key("last-items", Kind::Text, "abort", LAST_ITEMS),
        AUTO_CONVERGENCE,
        key("migration-compression", Kind::Flag, "false", COMPRESSION),
        MONITOR_INTERVAL,
        TIME_SCALE,
    ],
};

pub(super) static SUSPEND_IF_NEEDED: Table = Table {
    about: "oVirt's policy \"Suspend workload if needed\": as \"Minimal downtime\" with xbzrle, and 5 s before it gives up. \
            Rule of vdsm 4.3.3 or 4.2, lib/vdsm/virt/migration.py, with the schedule of ovirt-engine, 0000_config.sql.",
    keys: &[
        RULE,
        INITIAL_ITEMS,
        key(
            "convergence-items",
            Kind::Text,
            "1:150, 2:200, 3:300, 4:400, 6:500",
            CONVERGENCE_ITEMS,
        ),
        key("last-items", Kind::Text, "5000, abort", LAST_ITEMS),
        AUTO_CONVERGENCE,
        key("migration-compression", Kind::Flag, "true", COMPRESSION),
        MONITOR_INTERVAL,
        TIME_SCALE,
    ],
};

pub(super) static POST_COPY: Table = Table {
    about: "oVirt's policy \"Post-copy migration\": two steps of the downtime limit, then post-copy. \
            Rule of vdsm 4.3.3 or 4.2, lib/vdsm/virt/migration.py, with the schedule of ovirt-engine, 0000_config.sql.",
    keys: &[
        RULE,
        INITIAL_ITEMS,
        key(
            "convergence-items",
            Kind::Text,
            "1:150, 2:200",
            CONVERGENCE_ITEMS,
        ),
        key("last-items", Kind::Text, "postcopy, abort", LAST_ITEMS),
        AUTO_CONVERGENCE,
        key("migration-compression", Kind::Flag, "false", COMPRESSION),
        MONITOR_INTERVAL,
        TIME_SCALE,
    ],
};

pub(super) static VDSM_LEGACY: Table = Table {
    about: "vdsm without a policy of the engine: an exponential ramp of the downtime limit from the first stall on, and two timeouts. \
            Rule of vdsm 4.2, lib/vdsm/virt/migration.py; later ones always have a policy. A stall is a look at which more remains than before.",
    keys: &[
        downtime(
            "migration-downtime",
            "500 ms",
            "The downtime limit at the end of the ramp.",
        ),
        key(
            "migration-downtime-steps",
            Kind::Count { min: 1, max: 1000 },
            "10",
            "Steps of the ramp.",
        ),
        key(
            "migration-downtime-delay",
            Kind::Time,
            "75 s",
            "Time of the whole ramp per GiB; between two steps at most a minute.",
        ),
        MONITOR_INTERVAL,
        key(
            "migration-max-time-per-gib-mem",
            Kind::Time,
            "64 s",
            "Time per GiB after which it gives up; \"0 s\" turns it off.",
        ),
        key(
            "migration-progress-timeout",
            Kind::Time,
            "150 s",
            "Gives up when nothing less remains for so long.",
        ),
        TIME_SCALE,
    ],
};
