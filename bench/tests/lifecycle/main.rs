//! Nothing leaks, whatever dies: the real program with real guests, its processes killed, frozen and interrupted.
//!
//! `rig` starts runs and follows what they print, `control` gives them orders, `processes` finds their parts, `leftovers` says what they left behind,
//! `fifty` is the long test, run by hand: `cargo test --release -p lmbench --test lifecycle -- --ignored --nocapture`.

mod control;
mod fifty;
mod leftovers;
mod processes;
mod rig;

use std::time::{Duration, Instant};

use lmbench::record::{Outcome, Record};
use rustix::process::Signal;

use leftovers::Traces;
use processes::{Host, Part};
use rig::{MIGRATING, Rig, Running, scenario};

const TCP: &str = "carrier = [\"tcp\"]";
/// What the user waits for after Ctrl-C: a second or two, on a machine that stands still now and then some more.
const INTERRUPT_LIMIT: Duration = Duration::from_secs(20);
/// What a lab gives an agent to end by itself.
const AGENT_GRACE: Duration = Duration::from_secs(3);
/// A whole small run beside other work.
const RUN_LIMIT: Duration = Duration::from_mins(2);
/// What a migration that lost a part may take to end: less than its timeout of 60 s.
const NOTICE_LIMIT: Duration = Duration::from_secs(40);

/// Whoever dies during a migration, that repeat has failed and says who died; the others of the same run are measured.
#[test]
fn a_part_killed_in_the_middle_fails_its_repeat_alone() {
    let victims = [
        (
            Part::Qemu(Host::Destination),
            "QEMU on the destination was killed by signal 9",
        ),
        (
            Part::Carrier(Host::Source),
            "the carrier on the source was killed by signal 9",
        ),
        (
            Part::Agent(Host::Source),
            "the agent on the source was killed by signal 9",
        ),
        (
            Part::Qemu(Host::Source),
            "QEMU on the source was killed by signal 9",
        ),
        (
            Part::Carrier(Host::Destination),
            "the carrier on the destination was killed by signal 9",
        ),
        (
            Part::Agent(Host::Destination),
            "the agent on the destination was killed by signal 9",
        ),
    ];
    let Some(mut rig) = Rig::new(&scenario(TCP, victims.len() as u32 + 1)) else {
        return;
    };
    let mut run = rig.start(&[]);
    for (part, _) in victims {
        run.line(MIGRATING);
        rig.traces.watch(run.process);
        let victim = run.part(part);
        assert!(victim.signal(Signal::KILL));
        assert!(
            run.line_within("tearing down", NOTICE_LIMIT).is_some(),
            "{part:?} was killed and the migration goes on:\n{}",
            run.heard.join("\n")
        );
    }
    run.line(MIGRATING);
    rig.traces.watch(run.process);
    let (status, _, said) = run.end(RUN_LIMIT);
    assert_eq!(status.code(), Some(4), "{said}");
    let record = rig.record();
    assert!(record.complete);
    let repeats = &record.cells[0].repeats;
    for (repeat, (part, reason)) in repeats.iter().zip(victims) {
        assert_eq!(repeat.outcome, Outcome::Failed, "{part:?}");
        let given = repeat.reason.as_deref().unwrap_or_default();
        assert!(given.starts_with(reason), "{part:?}: {given}");
    }
    let last = repeats.last().unwrap();
    assert_eq!(last.outcome, Outcome::Completed, "{last:?}");
    rig.expect_clean("after a run in which everything was killed once");
}

/// The same before a migration: killed in the moment in which it appears, before it has said a word.
#[test]
fn a_part_killed_at_its_start_fails_its_repeat_alone() {
    let victims = [
        (
            Part::Qemu(Host::Destination),
            "QEMU on the destination was killed by signal 9",
        ),
        (
            Part::Carrier(Host::Source),
            "the carrier on the source was killed by signal 9",
        ),
    ];
    let Some(mut rig) = Rig::new(&scenario(TCP, victims.len() as u32)) else {
        return;
    };
    let mut run = rig.start(&[]);
    for (part, _) in victims {
        run.line("booting");
        assert!(run.part(part).signal(Signal::KILL));
        run.line("failed");
    }
    rig.traces.watch(run.process);
    let (status, _, said) = run.end(RUN_LIMIT);
    assert_eq!(status.code(), Some(4), "{said}");
    for (repeat, (part, reason)) in rig.record().cells[0].repeats.iter().zip(victims) {
        assert_eq!(repeat.reason.as_deref(), Some(reason), "{part:?}");
    }
    rig.expect_clean("after a run that lost what it had just started");
}

/// Ctrl-C as the terminal sends it: prompt, the record kept and ended in order, and `--resume` does the rest.
#[test]
fn an_interrupted_run_is_kept_and_resumed() {
    let Some(mut rig) = Rig::new(&scenario(TCP, 2)) else {
        return;
    };
    let mut run = rig.start(&[]);
    run.line("completed in");
    run.line(MIGRATING);
    rig.traces.watch(run.process);
    run.signal_group(Signal::INT);
    expect_interrupted(&mut run);
    rig.expect_clean("after Ctrl-C in a migration");
    assert_eq!(rig.status(), "partial");
    let record = rig.record();
    assert_eq!(record.done(), 1);

    let mut run = rig.start(&["--resume", &record.run_id]);
    run.line(MIGRATING);
    rig.traces.watch(run.process);
    let (status, _, said) = run.end(RUN_LIMIT);
    assert_eq!(status.code(), Some(0), "{said}");
    assert_eq!(rig.status(), "completed");
    let outcomes = rig.record().outcomes();
    assert_eq!(outcomes.get(&Outcome::Completed), Some(&2), "{outcomes:?}");
    rig.expect_clean("after the resumed run");
}

/// After `kill -9` of the controller the agents end everything by themselves; its directory goes with the next start, and so
/// does one whose agent is frozen and can't end anything.
#[test]
fn a_killed_controller_leaves_only_what_the_next_start_removes() {
    let Some(mut rig) = Rig::new(&scenario(TCP, 1)) else {
        return;
    };
    let mut run = rig.start(&[]);
    run.line(MIGRATING);
    rig.traces.watch(run.process);
    // Should even the kernel's parent-death signal fail, the next start ends what stands here.
    let written = rig::read_all(&rig.traces.labs()[0].join("processes"));
    let written: Vec<&str> = written
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    for part in [
        Part::Agent(Host::Source),
        Part::Agent(Host::Destination),
        Part::Qemu(Host::Source),
        Part::Qemu(Host::Destination),
        Part::Carrier(Host::Source),
        Part::Carrier(Host::Destination),
    ] {
        let pid = run.part(part).pid.to_string();
        assert!(
            written.contains(&pid.as_str()),
            "{part:?} {pid}: {written:?}"
        );
    }
    run.signal(Signal::KILL);
    run.end(INTERRUPT_LIMIT);
    rig.traces.expect_none(
        "after kill -9 of the controller",
        Traces::without_directories,
        INTERRUPT_LIMIT,
    );
    assert_eq!(
        rig.traces.labs().len(),
        1,
        "the next start has something to do"
    );
    assert_eq!(rig.status(), "interrupted");
    assert_eq!(rig.record().done(), 0);

    // The second run is killed too, with a frozen agent; the third is interrupted while its guests boot.
    let record = rig.record();
    let mut run = rig.start(&["--resume", &record.run_id]);
    run.line("booting");
    assert_eq!(
        rig.traces.labs().len(),
        1,
        "the first lab is gone, the second is there"
    );
    rig.traces.watch(run.process);
    let agent = run.part(Part::Agent(Host::Destination));
    assert!(agent.signal(Signal::STOP));
    run.signal(Signal::KILL);
    run.end(INTERRUPT_LIMIT);

    let mut run = rig.start(&["--resume", &record.run_id]);
    run.line("booting");
    rig.traces.watch(run.process);
    run.signal(Signal::TERM);
    expect_interrupted(&mut run);
    rig.expect_clean("after SIGTERM while booting");
}

/// An agent that does not answer any more holds up neither Ctrl-C nor the second one; SIGHUP counts as Ctrl-C.
#[test]
fn a_frozen_agent_does_not_hold_up_an_interrupt() {
    for (phase, host) in [
        ("booting", Host::Source),
        ("filling memory", Host::Destination),
    ] {
        let Some(once) = interrupted_while_frozen(phase, host, false) else {
            return;
        };
        let twice = interrupted_while_frozen(phase, host, true).unwrap();
        // The first waits for the agent in vain, the second does not wait.
        assert!(once >= AGENT_GRACE && twice < once, "{once:?} {twice:?}");
    }
}

/// How long the run went on after its last interrupt; `None` when live tests are skipped.
fn interrupted_while_frozen(phase: &str, host: Host, twice: bool) -> Option<Duration> {
    let mut rig = Rig::new(&scenario(TCP, 1))?;
    let mut run = rig.start(&[]);
    run.line(phase);
    rig.traces.watch(run.process);
    assert!(run.part(Part::Agent(host)).signal(Signal::STOP));
    rig.traces.watch(run.process);
    let mut asked = Instant::now();
    // Where the tests were started by nohup, the run hears no SIGHUP either.
    run.signal(if rig::hangs_up() {
        Signal::HUP
    } else {
        Signal::TERM
    });
    if twice {
        run.line("interrupted");
        asked = Instant::now();
        run.signal_group(Signal::INT);
    }
    let before = asked.elapsed();
    let took = before + expect_interrupted(&mut run);
    rig.expect_clean("after an interrupt with a frozen agent");
    Some(took)
}

/// Two labs of two users at once, one of them an ordinary user (when the tests may become one).
#[test]
fn two_runs_at_once_do_not_see_each_other() {
    let ordinary = rustix::process::geteuid().is_root().then_some(65_534);
    let Some(mut first) = Rig::of_user(&scenario(TCP, 1), ordinary) else {
        return;
    };
    let Some(mut second) = Rig::new(&scenario("carrier = [\"native-tcp\"]", 1)) else {
        return;
    };
    let mut runs = [first.start(&[]), second.start(&[])];
    for (run, rig) in runs.iter_mut().zip([&mut first, &mut second]) {
        run.line(MIGRATING);
        rig.traces.watch(run.process);
    }
    if ordinary.is_some() {
        control::only_the_owner_is_heard(&first);
    }
    for (run, rig) in runs.iter_mut().zip([&first, &second]) {
        let (status, _, said) = run.end(RUN_LIMIT);
        assert_eq!(status.code(), Some(0), "{said}");
        let record = rig.record();
        assert_eq!(
            record.outcomes().get(&Outcome::Completed),
            Some(&1),
            "{record:?}"
        );
        rig.expect_clean("after two runs at once");
    }
}

/// How long it took to end.
fn expect_interrupted(run: &mut Running) -> Duration {
    let (status, took, said) = run.end(INTERRUPT_LIMIT);
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(said.contains("interrupted"), "{said}");
    took
}

/// A record that can be read back whole.
fn readable(rig: &Rig) -> Vec<Record> {
    rig.records()
        .iter()
        .map(|path| {
            Record::read_whole(path)
                .unwrap_or_else(|error| panic!("{error}: {}", rig::read_all(path)))
        })
        .collect()
}
