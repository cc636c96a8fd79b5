//! Many runs, each killed somewhere at a random moment, then one that is left alone.
//!
//! `LMBENCH_KILLS` is the number of runs (50), `LMBENCH_KILL_SEED` draws victims' moments (1); both are printed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lmbench::record::Outcome;
use rustix::process::Signal;

use super::leftovers::Traces;
use super::processes::{Host, Part};
use super::rig::{MIGRATING, Rig, scenario};
use super::{INTERRUPT_LIMIT, RUN_LIMIT, TCP, readable};

const VICTIMS: [Part; 7] = [
    Part::Controller,
    Part::Agent(Host::Source),
    Part::Agent(Host::Destination),
    Part::Qemu(Host::Source),
    Part::Qemu(Host::Destination),
    Part::Carrier(Host::Source),
    Part::Carrier(Host::Destination),
];

/// Where the clock of a random moment starts, and how long it runs at most: together they cover a whole run.
const MOMENTS: [(&str, u64); 7] = [
    ("", 400),
    ("booting", 3_000),
    ("filling", 300),
    ("settling", 600),
    ("migrating", 4_500),
    ("verifying", 150),
    ("tearing down", 60),
];

#[test]
#[ignore = "takes a quarter of an hour; run it by hand"]
fn fifty_kills() {
    let (count, seed) = (number("LMBENCH_KILLS", 50), number("LMBENCH_KILL_SEED", 1));
    eprintln!("{count} kills, seed {seed}");
    let mut random = Random(seed);
    let mut tally: BTreeMap<String, usize> = BTreeMap::new();
    let mut missed = 0_u64;
    let Some(mut rig) = Rig::new(&scenario(TCP, 1)) else {
        return;
    };
    let mut index = 0;
    // A run that ends before its moment has come is no kill; so many can't be.
    while index < count + missed && missed <= count {
        let victim = VICTIMS[index as usize % VICTIMS.len()];
        let (line, span_ms) = MOMENTS[random.below(MOMENTS.len() as u64) as usize];
        let delay = Duration::from_millis(random.below(span_ms));
        let started = Instant::now();
        let mut run = rig.start(&[]);
        if !line.is_empty() {
            run.line(line);
        }
        // The moment itself is what is random here; no event stands for it.
        std::thread::sleep(delay);
        // A victim that is not there yet is killed when it appears.
        let mut hit = false;
        while !hit && run.goes_on() {
            rig.traces.watch(run.process);
            let target = super::processes::tree(run.process)
                .into_iter()
                .find(|(_, part)| *part == Some(victim));
            hit = target.is_some_and(|(process, _)| process.signal(Signal::KILL));
        }
        missed += u64::from(!hit);
        index += 1;
        let (status, _, said) = run.end(RUN_LIMIT);
        // The runtime directory of a killed controller is the next start's to remove.
        let directories = victim == Part::Controller;
        let what = if directories {
            Traces::without_directories
        } else {
            Traces::leftovers
        };
        let place = format!(
            "run {index}: {victim:?} {}, {delay:?} after {line:?}",
            if hit { "killed" } else { "never there" }
        );
        rig.traces.expect_none(&place, what, Duration::from_secs(8));
        let ended = status
            .code()
            .map_or("by a signal".to_owned(), |code| format!("with {code}"));
        eprintln!(
            "{place}; ended {ended}, {:.1} s",
            started.elapsed().as_secs_f64()
        );
        assert!(
            matches!(status.code(), None | Some(0 | 3 | 4))
                && (status.code().is_some() || victim == Part::Controller),
            "{place}: {status}\n{said}"
        );
        for repeat in readable(&rig)
            .iter()
            .rev()
            .take(1)
            .flat_map(|record| &record.cells[0].repeats)
        {
            *tally.entry(repeat.outcome.name().to_owned()).or_default() += 1;
            if repeat.outcome == Outcome::Failed {
                eprintln!("  {}", repeat.reason.as_deref().unwrap_or_default());
            }
        }
        rig.traces.forget_the_dead();
    }
    undisturbed(&mut rig);
    let records = readable(&rig);
    eprintln!(
        "{} kills in {index} runs, each clean afterwards; {} records, all readable; outcomes {tally:?}",
        index - missed,
        records.len()
    );
}

/// Runs interrupted at random moments, in every way in which a user or a machine does it.
#[test]
#[ignore = "takes minutes; run it by hand"]
fn interrupts_at_random_moments() {
    let (count, seed) = (
        number("LMBENCH_INTERRUPTS", 30),
        number("LMBENCH_KILL_SEED", 1),
    );
    eprintln!("{count} interrupts, seed {seed}");
    let mut random = Random(seed);
    let Some(mut rig) = Rig::new(&scenario(TCP, 1)) else {
        return;
    };
    let mut slowest = Duration::ZERO;
    for index in 0..count {
        let (line, span_ms) = MOMENTS[index as usize % MOMENTS.len()];
        let delay = Duration::from_millis(random.below(span_ms));
        let way = WAYS[random.below(WAYS.len() as u64) as usize];
        let mut run = rig.start(&[]);
        if !line.is_empty() {
            run.line(line);
        }
        std::thread::sleep(delay);
        rig.traces.watch(run.process);
        let (signal, group, again) = way;
        for _ in 0..if again { 2 } else { 1 } {
            if group {
                run.signal_group(signal);
            } else {
                run.process.signal(signal);
            }
        }
        let (status, took, said) = run.end(RUN_LIMIT);
        let place = format!("run {index}: {way:?}, {delay:?} after {line:?}");
        eprintln!("{place}; ended {status} after {took:.1?}");
        // Before the program has caught its signals there is nothing to end, and after its last migration nothing to interrupt.
        let early =
            line.is_empty() && delay < Duration::from_millis(100) && status.code().is_none();
        let late = said.contains("completed in") && status.code() == Some(0);
        assert!(
            status.code() == Some(130) || early || late,
            "{place}: {status}\n{said}"
        );
        assert!(took < INTERRUPT_LIMIT, "{place}: {took:?}\n{said}");
        slowest = slowest.max(took);
        rig.expect_clean(&place);
        rig.traces.forget_the_dead();
    }
    undisturbed(&mut rig);
    eprintln!(
        "{count} interrupts, the slowest end took {slowest:.1?}; {} records, all readable",
        readable(&rig).len()
    );
}

/// Signal, whether to the whole process group, whether twice at once.
const WAYS: [(Signal, bool, bool); 5] = [
    (Signal::INT, true, false),
    (Signal::INT, true, true),
    (Signal::INT, false, false),
    (Signal::TERM, false, false),
    (Signal::HUP, true, false),
];

fn undisturbed(rig: &mut Rig) {
    let mut run = rig.start(&[]);
    run.line(MIGRATING);
    rig.traces.watch(run.process);
    let (status, _, said) = run.end(RUN_LIMIT);
    assert_eq!(status.code(), Some(0), "{said}");
    rig.expect_clean("after the last, undisturbed run");
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// `SplitMix64` (Steele, Lea, Flood 2014): good enough to draw moments, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % limit
    }
}
