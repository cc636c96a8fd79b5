//! `[policy.proxmox]`, `[policy.virsh-timeout-…]` and `[policy.force-complete]`.

use super::{Key, Kind, TIME_SCALE, Table, downtime, key};

pub(super) static PROXMOX: Table = Table {
    about: "Proxmox VE's loop: doubles the downtime limit at every sixth look at which more remains than before. \
            Rule of Proxmox VE 9.1 or 9.0, qemu-server, PVE/QemuMigrate.pm.",
    keys: &[
        key(
            "rule",
            Kind::Choice(&["9.1", "9.0"]),
            "9.1",
            "Whether the limit ends at QEMU's maximum of 2000 s, since 9.1, or is doubled without end, up to 9.0.",
        ),
        downtime(
            "migrate-downtime",
            "100 ms",
            "The downtime limit of the begin.",
        ),
        key(
            "auto-converge",
            Kind::Flag,
            "true",
            "Whether QEMU's throttle is on, as it always is there.",
        ),
        key(
            "xbzrle",
            Kind::Flag,
            "true",
            "Whether xbzrle is on, as it always is there, with a cache of a tenth of the memory; it excludes multifd.",
        ),
        TIME_SCALE,
    ],
};

const TIMEOUT: Key = key(
    "timeout",
    Kind::Time,
    "30 s",
    "virsh's --timeout, for which virsh itself has no default.",
);

pub(super) static VIRSH_TIMEOUT_SUSPEND: Table = Table {
    about: "virsh migrate --timeout N --timeout-suspend: stops the guest after a time. Rule of libvirt 11.3, tools/virsh-domain.c.",
    keys: &[TIMEOUT, TIME_SCALE],
};

pub(super) static VIRSH_TIMEOUT_POSTCOPY: Table = Table {
    about: "virsh migrate --timeout N --timeout-postcopy: post-copy after a time. Rule of libvirt 11.3, tools/virsh-domain.c.",
    keys: &[TIMEOUT, TIME_SCALE],
};

pub(super) static FORCE_COMPLETE: Table = Table {
    about: "What an operator does who loses patience: after a time, post-copy if it is permitted and else a stop of the guest. \
            Rule of nova's master of 2026-08 (commit 00a030403f), nova/virt/libvirt/migration.py, run_tasks.",
    keys: &[
        key("after", Kind::Time, "30 s", "When."),
        key(
            "permit-post-copy",
            Kind::Flag,
            "false",
            "Whether post-copy may be used.",
        ),
        TIME_SCALE,
    ],
};
