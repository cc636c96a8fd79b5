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
    ],
};
