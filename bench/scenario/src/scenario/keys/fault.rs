//! `[fault]`, `[fault.then]`.

use super::{Key, Kind, Table};

/// `[fault]`.
pub(crate) static FAULT: Table = Table {
    about: "Something that breaks during every migration, on purpose: exactly one of kill, freeze, cut and cancel.",
    keys: &[
        AT,
        DELAY,
        KILL,
        FREEZE,
        CUT,
        CANCEL,
        FOR,
        Key {
            name: "then",
            kind: Kind::Table(&THEN),
            default: None,
            about: THEN.about,
        },
    ],
};

static THEN: Table = Table {
    about: "What breaks next. It waits for its moment only once the first fault has happened, and its times count from then on: \
            at = \"post-copy\" after a first fault in post-copy is when the migration has recovered from that.",
    keys: &[AT, DELAY, KILL, FREEZE, CUT, CANCEL, FOR],
};

const AT: Key = Key {
    name: "at",
    kind: Kind::Moment,
    default: None,
    about: "When: \"before\" `migrate`, so much time after it, the beginning of a pass, the switch-over, post-copy, \"2 MiB left\" in post-copy, or one of QEMU's \
            statuses setup, active, pre-switchover, device, cancelling, post-copy-active, post-copy-paused and recovering.",
};

const DELAY: Key = Key {
    name: "delay",
    kind: Kind::Time,
    default: Some("0 ms"),
    about: "So much later than `at`. QEMU 10.0 says post-copy up to some 100 ms before the destination has what it needs to run, and a \
            stream that breaks in between can't be recovered.",
};

const KILL: Key = Key {
    name: "kill",
    kind: VICTIM,
    default: None,
    about: "Kills this process (SIGKILL).",
};

const FREEZE: Key = Key {
    name: "freeze",
    kind: VICTIM,
    default: None,
    about: "Freezes this process (SIGSTOP): its connections stay, and nobody answers.",
};

const CUT: Key = Key {
    name: "cut",
    kind: Kind::Choice(&["migration", "management"]),
    default: None,
    about: "Drops every packet of this network, as network.*.cut-at does.",
};

const CANCEL: Key = Key {
    name: "cancel",
    kind: Kind::Flag,
    default: Some("false"),
    about: "true: the operator cancels. No fault, but what a migration must survive in every state.",
};

const FOR: Key = Key {
    name: "for",
    kind: Kind::Time,
    default: Some("for good"),
    about: "After this time the frozen process goes on, or the cut network is whole again.",
};

const VICTIM: Kind = Kind::Choice(&lmbench_harness::spec::Victim::NAMES);
