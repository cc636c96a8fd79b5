//! `[network]`, `[network.migration]`, `[network.management]`.

use super::{Key, Kind, Table};

/// `[network]`.
pub(crate) static NETWORK: Table = Table {
    about: "The lab's networks between the two hosts.",
    keys: &[
        Key {
            name: "inbound",
            kind: Kind::Choice(&["migration", "management"]),
            default: Some("migration"),
            about: "The network that carries the migration: the split one (Nova's live_migration_inbound_addr), or the one that also \
                    carries everything else.",
        },
        Key {
            name: "tcp-buffer",
            kind: Kind::Size,
            default: Some("this machine's own limits"),
            about: "The most that the hosts' kernels let a TCP connection keep, sent or received, overhead included: the last value of \
                    net.ipv4.tcp_wmem and tcp_rmem. Linux's 4 MiB for sending hold a link of 1 Gbit/s to 700 Mbit/s at 20 ms and 0.1 % loss.",
        },
        Key {
            name: "tcp-congestion-control",
            kind: Kind::Text,
            default: Some("this machine's own"),
            about: "Linux's name of the congestion control of both hosts' TCP, QEMU's own connections included: net.ipv4.tcp_congestion_control, \
                    \"cubic\" on most hosts. Without a limit on the link \"bbr\" reached little more than half of what \"cubic\" did.",
        },
        Key {
            name: "migration",
            kind: Kind::Table(&LINK),
            default: None,
            about: "The split migration network.",
        },
        Key {
            name: "management",
            kind: Kind::Table(&LINK),
            default: None,
            about: "The network for everything else.",
        },
    ],
};

static LINK: Table = Table {
    about: "A link between the hosts; what is not set is as fast as the machine.",
    keys: &[
        Key {
            name: "rate",
            kind: Kind::Rate,
            default: Some("unbounded"),
            about: "Rate in each direction, frame headers included: 1 Gbit/s carries about 114 MiB/s of guest memory.",
        },
        Key {
            name: "rtt",
            kind: Kind::Time,
            default: None,
            about: "Round-trip time added to the link's own, half of it each way.",
        },
        Key {
            name: "jitter",
            kind: Kind::Time,
            default: None,
            about: "Standard deviation of the delay. Needs rtt.",
        },
        Key {
            name: "loss",
            kind: Kind::Share,
            default: None,
            about: "Share of packets lost, each way.",
        },
        Key {
            name: "reorder",
            kind: Kind::Share,
            default: None,
            about: "Share of packets that overtake those on the way, because nothing delays them. Needs rtt.",
        },
        Key {
            name: "mtu",
            kind: Kind::Count {
                min: 576,
                max: 65535,
            },
            default: Some("1500"),
            about: "Bytes of the largest packet. 9000 saves CPU on both hosts.",
        },
        Key {
            name: "background",
            kind: Kind::Rate,
            default: None,
            about: "Other traffic from source to destination during the whole repeat, which the migration may harm and which slows it.",
        },
        Key {
            name: "cut-at",
            kind: Kind::Moment,
            default: None,
            about: "From this moment of the migration on all packets are dropped: so many bytes on the wire or so much time after \
                    `migrate`, the beginning of a pass, the switch-over, or post-copy. Bytes need a user-space link, which auto takes.",
        },
        Key {
            name: "cut-toward",
            kind: Kind::Choice(&["both", "source", "destination"]),
            default: Some("both; with bytes, destination"),
            about: "The direction that is cut, by where it leads.",
        },
        Key {
            name: "down-for",
            kind: Kind::Time,
            default: Some("until the migration has ended"),
            about: "After this time a cut link is whole again: a flap.",
        },
        Key {
            name: "method",
            kind: Kind::Choice(&["auto", "kernel", "user-space"]),
            default: Some("auto"),
            about: "What moves the packets: the kernel (veth, TBF, netem), or a process of lmbench between two TAP devices. auto takes the \
                    kernel unless it has no netem and rtt, jitter, loss or reorder need it, or a cut counts bytes. The record tells which.",
        },
    ],
};
