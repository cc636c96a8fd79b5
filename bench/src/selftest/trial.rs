//! What is tried with a carrier: one line per trial, as a scenario's words, and what must come of it.

use super::expect::Expect;

/// How the guest is migrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    PreCopy,
    Multifd,
    PostCopy,
    Preempt,
    MultifdPostCopy,
}

impl Mode {
    pub(super) const ALL: [Mode; 5] = [
        Mode::PreCopy,
        Mode::Multifd,
        Mode::PostCopy,
        Mode::Preempt,
        Mode::MultifdPostCopy,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Mode::PreCopy => "pre-copy",
            Mode::Multifd => "multifd",
            Mode::PostCopy => "post-copy",
            Mode::Preempt => "preempt",
            Mode::MultifdPostCopy => "multifd-post-copy",
        }
    }

    pub(super) fn has_post_copy(self) -> bool {
        !matches!(self, Mode::PreCopy | Mode::Multifd)
    }
}

/// In which part of a migration a trial happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Nothing breaks.
    Whole,
    /// Before the guest's ownership changes.
    PreCopy,
    /// After the guest runs on the destination without all of its memory.
    PostCopy,
}

/// How the two sides differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlike {
    /// Not at all.
    Nothing,
    /// The source shows credentials that the destination does not know.
    Identity,
    /// The destination's guest has less memory.
    Memory,
    /// The destination's guest is another machine.
    Machine,
    /// The destination's guest has another CPU.
    Cpu,
}

/// How long a migration lasts for a fault to come in time: whoever breaks something may itself stand still for a second or two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Some 100 MiB of guest take two seconds, and of the 32 MiB that the workload rewrites meanwhile most are left for the
    /// switch-over, which the downtime limit allows.
    Brisk,
    /// The same, twice as long, the switch-over too.
    Slow,
    /// The workload rewrites more than the link carries, so that pre-copy never ends.
    Endless,
}

impl Pace {
    /// Rate of the migration network, and the downtime limit.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Pace::Brisk => ("400 Mbit/s", "2 s"),
            Pace::Slow => ("200 Mbit/s", "4 s"),
            Pace::Endless => ("100 Mbit/s", "500 ms"),
        }
    }
}

/// A line of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trial {
    pub(super) name: &'static str,
    pub(super) part: Part,
    /// `[fault]`, and other tables.
    pub(super) text: &'static str,
    /// Of `[migration]`.
    pub(super) migration: &'static str,
    pub(super) pace: Pace,
    pub(super) unlike: Unlike,
    pub(super) expect: Expect,
}

const PLAIN: Trial = Trial {
    name: "ok",
    part: Part::Whole,
    text: "",
    migration: "",
    pace: Pace::Brisk,
    unlike: Unlike::Nothing,
    expect: Expect::Arrives,
};

const fn before(name: &'static str, text: &'static str, expect: Expect) -> Trial {
    Trial {
        name,
        part: Part::PreCopy,
        text,
        expect,
        ..PLAIN
    }
}

/// What ends before the switch-over, or has no end but the fault.
const fn during(name: &'static str, text: &'static str, expect: Expect) -> Trial {
    Trial {
        pace: Pace::Endless,
        ..before(name, text, expect)
    }
}

/// At the switch-over, or with a guest that arrives all the same.
const fn slowly(name: &'static str, text: &'static str, expect: Expect) -> Trial {
    Trial {
        pace: Pace::Slow,
        ..before(name, text, expect)
    }
}

const fn after(name: &'static str, text: &'static str, expect: Expect) -> Trial {
    Trial {
        name,
        part: Part::PostCopy,
        text,
        expect,
        ..PLAIN
    }
}

const fn unlike(name: &'static str, unlike: Unlike, expect: Expect) -> Trial {
    Trial {
        unlike,
        ..before(name, "", expect)
    }
}

/// With another timeout than the one that is never reached.
const fn gives_up(trial: Trial) -> Trial {
    Trial {
        migration: "timeout = \"5 s\"\n",
        ..trial
    }
}

/// Every trial: what stands here is what `[fault]` of a scenario of one's own may say.
pub(super) const TRIALS: [Trial; 34] = [
    PLAIN,
    during(
        "cancel-setup",
        "at = \"setup\"\ncancel = true",
        Expect::Cancelled,
    ),
    during(
        "cancel-active",
        "at = \"active\"\ncancel = true",
        Expect::Cancelled,
    ),
    // The word to go on, or QEMU itself, may be quicker than the order: then the guest has arrived.
    Trial {
        migration: "qmp.\"pause-before-switchover\" = true\n",
        ..slowly(
            "cancel-pre-switchover",
            "at = \"pre-switchover\"\ncancel = true",
            Expect::Either,
        )
    },
    slowly(
        "cancel-device",
        "at = \"device\"\ncancel = true",
        Expect::Either,
    ),
    after(
        "cancel-post-copy",
        "at = \"post-copy\"\ndelay = \"700 ms\"\ncancel = true",
        Expect::Arrives,
    ),
    before(
        "unreachable",
        "at = \"before\"\nkill = \"destination-qemu\"",
        Expect::Stays,
    ),
    gives_up(before(
        "unreachable-silent",
        "at = \"before\"\ncut = \"migration\"",
        Expect::Stays,
    )),
    during(
        "destination-dies-setup",
        "at = \"setup\"\nkill = \"destination-qemu\"",
        Expect::Stays,
    ),
    during(
        "destination-dies-pass-1",
        "at = \"active\"\ndelay = \"500 ms\"\nkill = \"destination-qemu\"",
        Expect::Stays,
    ),
    slowly(
        "destination-dies-switchover",
        "at = \"switchover\"\nkill = \"destination-qemu\"",
        Expect::Stays,
    ),
    after(
        "destination-dies-post-copy",
        "at = \"post-copy\"\ndelay = \"700 ms\"\nkill = \"destination-qemu\"",
        Expect::LostIsTold,
    ),
    during(
        "source-carrier-killed",
        "at = \"active\"\ndelay = \"500 ms\"\nkill = \"source-carrier\"",
        Expect::Stays,
    ),
    during(
        "destination-carrier-killed",
        "at = \"active\"\ndelay = \"500 ms\"\nkill = \"destination-carrier\"",
        Expect::Stays,
    ),
    after(
        "source-carrier-killed-recovered",
        "at = \"post-copy\"\ndelay = \"700 ms\"\nkill = \"source-carrier\"",
        Expect::Arrives,
    ),
    after(
        "destination-carrier-killed-recovered",
        "at = \"post-copy\"\ndelay = \"700 ms\"\nkill = \"destination-carrier\"",
        Expect::Arrives,
    ),
    gives_up(during(
        "link-cut",
        "at = \"active\"\ndelay = \"500 ms\"\ncut = \"migration\"",
        Expect::Stays,
    )),
    slowly(
        "link-flap",
        "at = \"active\"\ndelay = \"500 ms\"\ncut = \"migration\"\nfor = \"1 s\"",
        Expect::Arrives,
    ),
    after(
        "link-cut-recovered",
        "at = \"post-copy\"\ndelay = \"700 ms\"\ncut = \"migration\"\nfor = \"3 s\"",
        Expect::Arrives,
    ),
    after(
        "double-failure",
        "at = \"post-copy\"\ndelay = \"700 ms\"\ncut = \"migration\"\nfor = \"2 s\"\n[fault.then]\nat = \"2500 ms\"\ncut = \"migration\"\nfor = \"2 s\"",
        Expect::Arrives,
    ),
    after(
        "double-failure-carriers",
        "at = \"post-copy\"\ndelay = \"700 ms\"\nkill = \"source-carrier\"\n[fault.then]\nat = \"post-copy\"\ndelay = \"700 ms\"\nkill = \"destination-carrier\"",
        Expect::Arrives,
    ),
    slowly(
        "destination-frozen",
        "at = \"active\"\ndelay = \"500 ms\"\nfreeze = \"destination-qemu\"\nfor = \"1 s\"",
        Expect::Arrives,
    ),
    slowly(
        "source-frozen",
        "at = \"active\"\ndelay = \"500 ms\"\nfreeze = \"source-qemu\"\nfor = \"1 s\"",
        Expect::Arrives,
    ),
    during(
        "source-dies-pass-1",
        "at = \"active\"\ndelay = \"500 ms\"\nkill = \"source-qemu\"",
        Expect::LostIsTold,
    ),
    after(
        "source-dies-post-copy",
        "at = \"post-copy\"\ndelay = \"700 ms\"\nkill = \"source-qemu\"",
        Expect::LostIsTold,
    ),
    // QEMU 10.0 says post-copy before the destination has its device state; a stream that breaks then ends the destination.
    after(
        "source-carrier-killed-at-switch",
        "at = \"post-copy-active\"\nkill = \"source-carrier\"",
        Expect::HarmIsTold,
    ),
    after(
        "destination-dies-at-switch",
        "at = \"post-copy-active\"\nkill = \"destination-qemu\"",
        Expect::HarmIsTold,
    ),
    // A link that comes back keeps that stream alive, as long as nobody breaks it.
    Trial {
        migration: "recover-after = \"1 s\"\n",
        ..after(
            "link-flap-at-switch",
            "at = \"post-copy-active\"\ncut = \"migration\"\nfor = \"3 s\"",
            Expect::Arrives,
        )
    },
    // The rest fits into the buffers on the way, so that the source has sent all and waits for the destination's word: QEMU 10.0 that loses
    // its connection then fails, and runs its old copy of the guest.
    Trial {
        migration: "recover-after = \"1 s\"\n",
        ..after(
            "link-flap-at-end",
            "at = \"2 MiB left\"\ncut = \"migration\"\nfor = \"3 s\"",
            Expect::Arrives,
        )
    },
    after(
        "source-carrier-killed-at-end",
        "at = \"2 MiB left\"\nkill = \"source-carrier\"",
        Expect::HarmIsTold,
    ),
    unlike("wrong-identity", Unlike::Identity, Expect::Untouched),
    unlike("less-memory", Unlike::Memory, Expect::Stays),
    unlike("other-machine", Unlike::Machine, Expect::Stays),
    // QEMU compares no CPU models, and "completes": under TCG a guest of `max` hangs on `qemu64`.
    unlike("other-cpu", Unlike::Cpu, Expect::HarmIsTold),
];
