//! `[workload.PATTERN]`.

use super::{Key, Kind, Table};

/// Names of the patterns.
pub(crate) const PATTERNS: [&str; 8] = [
    "idle", "uniform", "hot-set", "zipf", "sweep", "jvm", "database", "phases",
];

/// Keys of every pattern. With `phases`, which is a list, they stand in `[workload]` itself.
pub(crate) const SHARED: [&str; 6] = [
    "memory",
    "threads",
    "bytes-per-page",
    "zero",
    "compressible",
    "duplicate",
];

const MEMORY: Key = Key {
    name: "memory",
    kind: Kind::Size,
    default: Some(
        "guest memory minus its kernel's 92 MiB, 4 MiB per vcpu and a 32nd; jvm: young + old",
    ),
    about: "Memory that the workload owns. All of it is filled before the clock starts, so it is the least that has to be moved.",
};
const THREADS: Key = Key {
    name: "threads",
    kind: Kind::Count { min: 1, max: 255 },
    default: Some("the guest's vcpus"),
    about: "Threads that write, each on its own share of the memory.",
};
const BYTES_PER_PAGE: Key = Key {
    name: "bytes-per-page",
    kind: Kind::Count { min: 16, max: 4096 },
    default: Some("64; jvm and sweep: 4096"),
    about: "Bytes that one write changes. QEMU sends the whole page all the same; only xbzrle and compression see a difference.",
};
const ZERO: Key = Key {
    name: "zero",
    kind: Kind::Share,
    default: Some("0 %"),
    about: "Share of the pages that stay all zero, which QEMU sends as a few bytes.",
};
const COMPRESSIBLE: Key = Key {
    name: "compressible",
    kind: Kind::Share,
    default: Some("0 %"),
    about: "Share of the pages whose content compresses about 4:1; the rest is random.",
};
const DUPLICATE: Key = Key {
    name: "duplicate",
    kind: Kind::Share,
    default: Some("0 %"),
    about: "Share of the pages whose content also stands in other pages.",
};
const RATE: Key = Key {
    name: "rate",
    kind: Kind::Rate,
    default: None,
    about: "Speed of the writes in whole pages, whatever bytes-per-page is; \"unbounded\" is as fast as the vCPUs go. A stalled workload \
            does not catch up.",
};
const HOT: Key = Key {
    name: "hot",
    kind: Kind::Size,
    default: None,
    about: "Bytes of the hot part. If they do not fit downtime-limit times bandwidth, pre-copy never ends.",
};
const HOT_SHARE: Key = Key {
    name: "hot-share",
    kind: Kind::Share,
    default: Some("90 %"),
    about: "Share of the writes that go to the hot part.",
};
const EXPONENT: Key = Key {
    name: "exponent",
    kind: Kind::Number {
        min: 0.01,
        max: 5.0,
    },
    default: Some("0.99"),
    about: "Skew of the page ranks; higher concentrates the writes on fewer pages. 0.99 is YCSB's.",
};
const YOUNG: Key = Key {
    name: "young",
    kind: Kind::Size,
    default: None,
    about: "Bytes of the young generation, all of it rewritten between two collections.",
};
const OLD: Key = Key {
    name: "old",
    kind: Kind::Size,
    default: None,
    about: "Bytes of the old generation, touched at few places by a collection.",
};
const ALLOCATION_RATE: Key = Key {
    name: "allocation-rate",
    kind: Kind::Rate,
    default: None,
    about: "Speed of the allocation front. Above the stream's bandwidth the young generation is dirty at the end of every pass.",
};
const SURVIVORS: Key = Key {
    name: "survivors",
    kind: Kind::Share,
    default: Some("10 %"),
    about: "Share of the young generation that a collection copies.",
};
const LOG: Key = Key {
    name: "log",
    kind: Kind::Size,
    default: Some("an eighth of the memory"),
    about: "Bytes of the write-ahead log, written as a ring.",
};
const LOG_SHARE: Key = Key {
    name: "log-share",
    kind: Kind::Share,
    default: Some("30 %"),
    about: "Share of the writes that go to the log.",
};
const CHECKPOINT_INTERVAL: Key = Key {
    name: "checkpoint-interval",
    kind: Kind::Time,
    default: Some("5 s"),
    about: "Time between the starts of two checkpoints.",
};
const CHECKPOINT_SHARE: Key = Key {
    name: "checkpoint-share",
    kind: Kind::Share,
    default: Some("20 %"),
    about: "Share of the page cache that a checkpoint rewrites, as fast as it can.",
};
const DURATION: Key = Key {
    name: "duration",
    kind: Kind::Time,
    default: None,
    about: "How long the phase lasts.",
};

/// Two tables per pattern: with the shared keys for `[workload.PATTERN]`, without them for a phase.
macro_rules! pattern {
    ($full:ident, $bare:ident, $about:literal, [$($key:expr),*]) => {
        static $full: Table = Table {
            about: $about,
            keys: &[$($key,)* MEMORY, THREADS, BYTES_PER_PAGE, ZERO, COMPRESSIBLE, DUPLICATE],
        };
        static $bare: Table = Table { about: $about, keys: &[$($key),*] };
    };
}

pattern!(
    IDLE,
    IDLE_PHASE,
    "Nothing is written after the fill: what a migration costs at least.",
    []
);
pattern!(
    UNIFORM,
    UNIFORM_PHASE,
    "Every page is as likely as any other: no working set, the worst locality.",
    [RATE]
);
pattern!(
    HOT_SET,
    HOT_SET_PHASE,
    "A hot part takes most of the writes, the rest is background.",
    [RATE, HOT, HOT_SHARE]
);
pattern!(
    ZIPF,
    ZIPF_PHASE,
    "Page ranks follow Zipf's law, scattered over the memory: caches and key-value stores.",
    [RATE, EXPONENT]
);
pattern!(
    SWEEP,
    SWEEP_PHASE,
    "Front to back and again, as guestperf's stress program.",
    [RATE]
);
pattern!(
    JVM,
    JVM_PHASE,
    "A generational collector: an allocation front sweeps the young generation, a collection copies the survivors.",
    [YOUNG, OLD, ALLOCATION_RATE, SURVIVORS]
);
pattern!(
    DATABASE,
    DATABASE_PHASE,
    "Random writes in a page cache, a sequential log, and checkpoint bursts.",
    [RATE, LOG, LOG_SHARE, CHECKPOINT_INTERVAL, CHECKPOINT_SHARE]
);

const fn table(name: &'static str, table: &'static Table) -> Key {
    Key {
        name,
        kind: Kind::Table(table),
        default: None,
        about: table.about,
    }
}

/// `[workload]`.
pub(super) static WORKLOAD: Table = Table {
    about: "What dirties the guest's memory: exactly one [workload.PATTERN].",
    keys: &[
        table("idle", &IDLE),
        table("uniform", &UNIFORM),
        table("hot-set", &HOT_SET),
        table("zipf", &ZIPF),
        table("sweep", &SWEEP),
        table("jvm", &JVM),
        table("database", &DATABASE),
        Key {
            name: "phases",
            kind: Kind::Phases(&PHASE),
            default: None,
            about: "A list of phases, run in sequence and again from the first. The shared keys then stand in [workload] itself.",
        },
        MEMORY,
        THREADS,
        BYTES_PER_PAGE,
        ZERO,
        COMPRESSIBLE,
        DUPLICATE,
    ],
};

/// One of `[[workload.phases]]`.
static PHASE: Table = Table {
    about: "One phase: a duration and exactly one pattern.",
    keys: &[
        DURATION,
        table("idle", &IDLE_PHASE),
        table("uniform", &UNIFORM_PHASE),
        table("hot-set", &HOT_SET_PHASE),
        table("zipf", &ZIPF_PHASE),
        table("sweep", &SWEEP_PHASE),
        table("jvm", &JVM_PHASE),
        table("database", &DATABASE_PHASE),
    ],
};
