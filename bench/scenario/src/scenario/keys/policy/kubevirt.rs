//! `[policy.kubevirt-ramp]` (VEP 291) and `[policy.kubevirt-stall]` (VEP 248), with `KubeVirt`'s `MigrationConfiguration` around them.
//!
//! Where a default depends on `rule`, the table has the one of the code.

use super::{Key, Kind, TIME_SCALE, Table, downtime, key};

const COMPLETION_TIMEOUT: Key = key(
    "completion-timeout-per-gib",
    Kind::Time,
    "150 s",
    "Time per GiB after which it acts with what is allowed, and else gives up; \"0 s\" turns it off.",
);
const ALLOW_POST_COPY: Key = key(
    "allow-post-copy",
    Kind::Flag,
    "false",
    "Whether post-copy may be used.",
);
const ALLOW_WORKLOAD_DISRUPTION: Key = key(
    "allow-workload-disruption",
    Kind::Flag,
    "false",
    "Whether the guest may be stopped for as long as it takes.",
);
const ALLOW_AUTO_CONVERGE: Key = key(
    "allow-auto-converge",
    Kind::Flag,
    "false",
    "Whether QEMU's throttle is on, with QEMU's own steps.",
);

pub(super) static RAMP: Table = Table {
    about: "KubeVirt's dynamic downtime: a linear ramp of the downtime limit that begins after some iterations. \
            Rule of kubevirt 1.10 (commit d923fdb815), pkg/virt-launcher/virtwrap/live-migration-source.go, or of VEP 291.",
    keys: &[
        key(
            "rule",
            Kind::Choice(&["1.10", "vep"]),
            "1.10",
            "Whose rule: the code's, which cools down from the first limit on and counts any fall of what remains as progress, or the \
             proposal's, which cools down from start-after-iteration on and wants the least ever.",
        ),
        downtime("initial", "150 ms", "The first downtime limit (initialMs)."),
        downtime(
            "max-downtime",
            "900 ms",
            "The last one (maxDowntimeMs); 1050 ms with rule = \"vep\".",
        ),
        key(
            "steps",
            Kind::Count { min: 1, max: 1000 },
            "7",
            "Steps from the first limit to the last.",
        ),
        key(
            "divisor",
            Kind::Count { min: 1, max: 1000 },
            "steps, or steps - 1 with rule = \"vep\"",
            "What the way from the first limit to the last is divided by: the code has `steps`, the proposal's own timeline one less.",
        ),
        key(
            "start-after-iteration",
            Kind::Count { min: 0, max: 1000 },
            "3",
            "Iteration (QEMU's dirty syncs) from which on it waits and steps.",
        ),
        key(
            "cooldown",
            Kind::Time,
            "10 s",
            "Time between two steps (cooldownSeconds).",
        ),
        COMPLETION_TIMEOUT,
        key(
            "progress-timeout",
            Kind::Time,
            "150 s",
            "Gives up when there is no progress for so long; \"0 s\" turns it off.",
        ),
        ALLOW_POST_COPY,
        ALLOW_WORKLOAD_DISRUPTION,
        ALLOW_AUTO_CONVERGE,
        TIME_SCALE,
    ],
};

const FACTOR: Kind = Kind::Number {
    min: 1.0,
    max: 1000.0,
};
const PART: Kind = Kind::Number {
    min: 0.01,
    max: 1.0,
};

pub(super) static STALL: Table = Table {
    about: "KubeVirt's stall detection: once what remains stops to fall, it switches over at a local minimum of it. \
            Rule of kubevirt 1.9.0, pkg/virt-launcher/virtwrap/stall-detector.go, or of VEP 248.",
    keys: &[
        key(
            "rule",
            Kind::Choice(&["1.9", "vep"]),
            "1.9",
            "Whose rule: the code's, which waits for a minimum in any case, judges by what remains then, and takes post-copy at a stall only \
             if disruption is allowed too; or the proposal's, which does not.",
        ),
        downtime(
            "max-downtime",
            "900 ms",
            "The longest blackout without a permit to disrupt (maxDowntimeMs).",
        ),
        key(
            "progress-timeout",
            Kind::Time,
            "40 s",
            "The window: a stall is what brings nothing against the least before it (stallProgressTimeout); 60 s with rule = \"vep\".",
        ),
        key(
            "stall-margin",
            Kind::Share,
            "4 %",
            "What counts as nothing, and as near enough to the least; whole percents.",
        ),
        key(
            "switchover-timeout",
            Kind::Time,
            "60 s",
            "Time that QEMU gets to use a raised limit before it gives up.",
        ),
        key(
            "completion-timeout-factor",
            FACTOR,
            "2",
            "The budget for a switch-over, in completion timeouts.",
        ),
        key(
            "precopy-possible-factor",
            FACTOR,
            "1.5",
            "Up to so many times max-downtime it hopes for luck; beyond that it gives up.",
        ),
        key(
            "patience-window-decay-factor",
            PART,
            "0.5",
            "How fast it gets impatient with a minimum that does not come again.",
        ),
        key(
            "ewma-alpha",
            PART,
            "0.4",
            "Weight of the latest bandwidth among the samples of every 400 ms.",
        ),
        key(
            "search-local-minima",
            Kind::Flag,
            "true",
            "Whether it waits for a minimum; else it switches as soon as it stalls.",
        ),
        COMPLETION_TIMEOUT,
        ALLOW_POST_COPY,
        ALLOW_WORKLOAD_DISRUPTION,
        ALLOW_AUTO_CONVERGE,
        TIME_SCALE,
    ],
};
