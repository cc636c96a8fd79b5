//! `[migration]`. Names without a hint of lmbench are QEMU's.

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
            name: "recover",
            kind: Kind::Count { min: 0, max: 100 },
            default: Some("3"),
            about: "New connections to try for a post-copy that lost its own, after each loss. 0: such a post-copy has failed, and with it the \
                    guest, part of whose memory is on either host.",
        },
        Key {
            name: "recover-pause",
            kind: Kind::Time,
            default: Some("2 s"),
            about: "Time between two attempts to recover a post-copy.",
        },
        Key {
            name: "recover-after",
            kind: Kind::Time,
            default: Some("5 s"),
            about: "Time without a byte in post-copy after which its connection counts as lost. A link that drops everything tells nobody; TCP \
                    would wait for minutes.",
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
            name: "avail-switchover-bandwidth",
            kind: Kind::Rate,
            default: Some("QEMU's own estimate"),
            about: "What QEMU reckons with when it decides whether the rest fits downtime-limit; moves no byte faster. For links that QEMU judges wrongly.",
        },
        Key {
            name: "multifd-compression",
            kind: Kind::Choice(&["none", "zlib", "zstd", "qpl", "uadk", "qatzip"]),
            default: Some("none"),
            about: "Compress pages on multifd's channels: fewer bytes for much CPU on both hosts. Needs multifd-channels above 1.",
        },
        Key {
            name: "multifd-zlib-level",
            kind: Kind::Count { min: 0, max: 9 },
            default: Some("1"),
            about: "0 stores, 1 is fastest, 9 smallest. With multifd-compression zlib.",
        },
        Key {
            name: "multifd-zstd-level",
            kind: Kind::Count { min: 0, max: 20 },
            default: Some("1"),
            about: "1 is fastest, 20 smallest. With multifd-compression zstd.",
        },
        Key {
            name: "multifd-qatzip-level",
            kind: Kind::Count { min: 1, max: 9 },
            default: Some("1"),
            about: "1 is fastest, 9 smallest. With multifd-compression qatzip.",
        },
        Key {
            name: "zero-copy-send",
            kind: Kind::Flag,
            default: Some("false"),
            about: "Send pages without copying them into the kernel (MSG_ZEROCOPY). Needs native-tcp, several channels, no compression, and memory that may be locked.",
        },
        Key {
            name: "zero-page-detection",
            kind: Kind::Choice(&["none", "legacy", "multifd"]),
            default: Some("multifd"),
            about: "Who looks for pages that are all zero: the channels' threads, the main thread (legacy), or nobody, which sends them whole.",
        },
        Key {
            name: "xbzrle",
            kind: Kind::Flag,
            default: Some("false"),
            about: "Send pages that were sent before as differences. Saves bytes where pages change a little, costs CPU and a cache; excludes multifd.",
        },
        Key {
            name: "xbzrle-cache-size",
            kind: Kind::Size,
            default: Some("64 MiB"),
            about: "The pages that xbzrle compares with; a power of two. Smaller than the hot set it is useless.",
        },
        Key {
            name: "dirty-limit",
            kind: Kind::Flag,
            default: Some("false"),
            about: "Slow each vCPU down to vcpu-dirty-limit instead of all alike (auto-converge, which it excludes). Needs KVM with a dirty ring.",
        },
        Key {
            name: "vcpu-dirty-limit",
            kind: Kind::Rate,
            default: Some("1 MiB/s"),
            about: "What a vCPU may dirty under dirty-limit, whole MiB/s. Lower converges sooner and hurts the guest more.",
        },
        Key {
            name: "vcpu-dirty-limit-period",
            kind: Kind::Time,
            default: Some("1000 ms"),
            about: "How often dirty-limit measures (x-vcpu-dirty-limit-period), at most 1000 ms.",
        },
        Key {
            name: "return-path",
            kind: Kind::Flag,
            default: Some("true"),
            about: "The destination's answers. false: the source says completed when its last byte is in some buffer, and a destination that fails then has lost the guest.",
        },
        Key {
            name: "switchover-ack",
            kind: Kind::Flag,
            default: Some("false"),
            about: "Wait with the switch-over until the destination's devices are ready for it (VFIO); needs the return path.",
        },
        Key {
            name: "pause-before-switchover",
            kind: Kind::Flag,
            default: Some("false"),
            about: "Stop before the switch-over until lmbench says migrate-continue, as libvirt does to fence disks; it says so at once, and the events tell what the round trip costs.",
        },
        Key {
            name: "release-ram",
            kind: Kind::Flag,
            default: Some("false"),
            about: "Free the source's pages once they are sent in post-copy. The source can then never go on by itself.",
        },
        Key {
            name: "announce-initial",
            kind: Kind::Time,
            default: Some("50 ms"),
            about: "From the guest's start on the destination to the first announcement of its address (RARP), at most 100 s.",
        },
        Key {
            name: "announce-max",
            kind: Kind::Time,
            default: Some("550 ms"),
            about: "Longest time between two announcements, at most 100 s.",
        },
        Key {
            name: "announce-rounds",
            kind: Kind::Count { min: 0, max: 1000 },
            default: Some("5"),
            about: "How many announcements.",
        },
        Key {
            name: "announce-step",
            kind: Kind::Time,
            default: Some("100 ms"),
            about: "What each time between two announcements adds to the one before, at most 10 s.",
        },
        Key {
            name: "settle",
            kind: Kind::Time,
            default: Some("2 s"),
            about: "Time the workload runs before `migrate`. Its undisturbed rate, the yardstick of brownout_ms and workload_slowdown, is \
                    measured here. By default at least a whole period of the workload's (a checkpoint's interval, a collection, all phases), up to 30 s; \
                    of less than one the two are left out.",
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
