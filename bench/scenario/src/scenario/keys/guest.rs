//! `[guest]`.

use super::{Key, Kind, Table};

/// `[guest]`.
pub(crate) static GUEST: Table = Table {
    about: "The guest that migrates: lmbench's own unless `kernel` or `image` names another.",
    keys: &[
        Key {
            name: "vcpus",
            kind: Kind::Count { min: 1, max: 255 },
            default: Some("1"),
            about: "Virtual CPUs. More than the host has cores makes the guest compete with its own migration.",
        },
        Key {
            name: "memory",
            kind: Kind::Size,
            default: Some("1 GiB"),
            about: "Guest RAM, whole MiB. Both hosts need it, so a lab on one machine needs it twice.",
        },
        Key {
            name: "accelerator",
            kind: Kind::Choice(&["auto", "kvm", "tcg"]),
            default: Some("auto"),
            about: "auto: KVM when it proves that it can boot this guest, else TCG; the record says which and why.",
        },
        Key {
            name: "prealloc",
            kind: Kind::Flag,
            default: Some("true"),
            about: "Touch all guest RAM before QEMU starts. Without it the destination's page faults are measured instead of the carrier: \
                    every carrier tops out at the same few Gbit/s.",
        },
        Key {
            name: "huge-pages",
            kind: Kind::Flag,
            default: Some("false"),
            about: "Guest RAM from the host's huge pages, which must be reserved beforehand. Post-copy then fetches 2 MiB per fault.",
        },
        Key {
            name: "transparent-huge-pages",
            kind: Kind::Flag,
            default: Some("true"),
            about: "false: QEMU gets none, whatever the host's setting. true leaves it to the host, which usually grants them to guests.",
        },
        Key {
            name: "pinning",
            kind: Kind::Table(&PINNING),
            default: None,
            about: PINNING.about,
        },
        Key {
            name: "dirty-ring-size",
            kind: Kind::Count {
                min: 1024,
                max: 65536,
            },
            default: Some("4096 with migration.dirty-limit, else none"),
            about: "Entries of KVM's dirty ring for each vCPU, a power of two. Needs KVM.",
        },
        Key {
            name: "machine",
            kind: Kind::Text,
            default: Some("q35"),
            about: "QEMU machine type. A versioned one (pc-q35-9.2) keeps results comparable across QEMU versions.",
        },
        Key {
            name: "cpu",
            kind: Kind::Text,
            default: Some("host under KVM, max under TCG"),
            about: "QEMU CPU model.",
        },
        Key {
            name: "image",
            kind: Kind::Text,
            default: None,
            about: "A disk of your own, on both hosts, opened as a snapshot that nothing writes to. Then no [workload].",
        },
        Key {
            name: "kernel",
            kind: Kind::Text,
            default: None,
            about: "A kernel of your own, on both hosts. Then no [workload].",
        },
        Key {
            name: "initrd",
            kind: Kind::Text,
            default: None,
            about: "The initramfs for `kernel`.",
        },
        Key {
            name: "append",
            kind: Kind::Text,
            default: Some(""),
            about: "The command line for `kernel`.",
        },
        Key {
            name: "domain",
            kind: Kind::Planned("guests that libvirt owns"),
            default: None,
            about: "A libvirt domain.",
        },
        Key {
            name: "boot-timeout",
            kind: Kind::Time,
            default: Some("60 s"),
            about: "Time allowed from QEMU's start to a guest that answers. TCG needs about 6 s, a loaded CI machine several times that.",
        },
        Key {
            name: "heartbeat",
            kind: Kind::Time,
            default: Some("5 ms"),
            about: "Time between the guest's heartbeats, hence the resolution of guest_pause_ms. \"0 ms\" turns them off and the metric with them.",
        },
        Key {
            name: "tenant",
            kind: Kind::Flag,
            default: Some(
                "true for lmbench's own guest where the lab can make a TAP device, else false",
            ),
            about: "A network card on the tenant network and a client that asks the guest for echoes every 5 ms: network_blackout_ms. A guest of your \
                    own gets the card (virtio-net) with true, and must take the address 198.18.2.100/24 itself.",
        },
    ],
};

/// `[guest.pinning]`.
static PINNING: Table = Table {
    about: "Which CPUs and NUMA nodes QEMU may use, on each host.",
    keys: &[
        Key {
            name: "source",
            kind: Kind::Table(&PINS),
            default: None,
            about: "On the source.",
        },
        Key {
            name: "destination",
            kind: Kind::Table(&PINS),
            default: None,
            about: "On the destination.",
        },
    ],
};

static PINS: Table = Table {
    about: "CPUs as `lscpu` numbers them, such as \"0-3,8\".",
    keys: &[
        Key {
            name: "qemu",
            kind: Kind::Text,
            default: Some("any"),
            about: "CPUs of all threads that no other list is for: main loop, disks, the destination's incoming stream.",
        },
        Key {
            name: "vcpus",
            kind: Kind::Text,
            default: Some("those of qemu"),
            about: "CPUs of the threads that execute the guest.",
        },
        Key {
            name: "migration",
            kind: Kind::Text,
            default: Some("those of qemu"),
            about: "CPUs of the migration's own threads, multifd's among them, from 20 ms after they started.",
        },
        Key {
            name: "memory-nodes",
            kind: Kind::Text,
            default: Some("any"),
            about: "NUMA nodes of guest RAM.",
        },
        Key {
            name: "memory-policy",
            kind: Kind::Choice(&["bind", "preferred", "interleave"]),
            default: Some("bind"),
            about: "How RAM is spread over memory-nodes.",
        },
    ],
};
