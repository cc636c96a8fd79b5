//! `[policy.nova]` and `[policy.nova-historic]`: options of nova.conf, section `[libvirt]`.

use super::{Key, Kind, TIME_SCALE, Table, downtime, key};

const DOWNTIME: Key = downtime(
    "live-migration-downtime",
    "500 ms",
    "The downtime limit at the end of the ramp; Nova's least is 100 ms.",
);
const STEPS: Key = key(
    "live-migration-downtime-steps",
    Kind::Count { min: 3, max: 1000 },
    "10",
    "Steps of the ramp, which begins at the downtime divided by them.",
);
const DELAY: Key = key(
    "live-migration-downtime-delay",
    Kind::Time,
    "75 s",
    "Time between two steps per GiB of memory, of which Nova counts at least two; its least is 3 s.",
);
const COMPLETION_TIMEOUT: Key = key(
    "live-migration-completion-timeout",
    Kind::Time,
    "800 s",
    "Time per GiB after which it acts; \"0 s\" turns it off. The scenario's own timeout stays around it.",
);

pub(super) static NOVA: Table = Table {
    about: "OpenStack Nova's monitor: a slow ramp of the downtime limit, then a timeout. A guest of 8 GiB gets the whole limit after 6000 s: see time-scale. \
            Rule of nova's master of 2026-08 (commit 00a030403f), nova/virt/libvirt/driver.py and migration.py.",
    keys: &[
        DOWNTIME,
        STEPS,
        DELAY,
        COMPLETION_TIMEOUT,
        key(
            "live-migration-timeout-action",
            Kind::Choice(&["abort", "force_complete"]),
            "abort",
            "What happens then: give up, or post-copy if it is permitted and else a stop of the guest.",
        ),
        key(
            "live-migration-permit-post-copy",
            Kind::Flag,
            "false",
            "Whether post-copy may be used.",
        ),
        key(
            "live-migration-permit-auto-converge",
            Kind::Flag,
            "false",
            "Whether QEMU's throttle is on; ignored where post-copy is permitted, as Nova does.",
        ),
        TIME_SCALE,
    ],
};

pub(super) static NOVA_HISTORIC: Table = Table {
    about: "Nova's monitor from Newton to Rocky: the same ramp, and post-copy once less than 10 % of what remains goes in half a second after the first pass. \
            Rule of nova 14 to 18 (commit 1651850f6f), nova/virt/libvirt/driver.py and migration.py.",
    keys: &[
        DOWNTIME,
        STEPS,
        DELAY,
        COMPLETION_TIMEOUT,
        key(
            "live-migration-progress-timeout",
            Kind::Time,
            "0 s",
            "Gives up when nothing less remains for so long; \"0 s\", the default from Ocata on, turns it off.",
        ),
        key(
            "live-migration-permit-post-copy",
            Kind::Flag,
            "true",
            "Whether post-copy may be used; its default there was false, with which the rule does nothing.",
        ),
        TIME_SCALE,
    ],
};
