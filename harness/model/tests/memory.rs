//! What classes of pages dirty, against the equations and against each other.

#[path = "common/guests.rs"]
mod common;

use std::time::Duration;

use lmbench_model::{Memory, PAGE_BYTES, Pattern, Rate, Workload};
use proptest::prelude::*;

const MIB: u64 = 1 << 20;

fn workload(memory_bytes: u64, pattern: Pattern) -> Workload {
    Workload {
        memory_bytes,
        pattern,
        zero: 0.0,
        compressible: 0.0,
        duplicate: 0.0,
        unbounded_pages_per_s: 200_000.0,
    }
}

/// MiB that the workload alone dirties in this time: the kernel's pages are few, and left out by what an idle guest
/// dirties.
fn dirtied_mib(pattern: Pattern, seconds: f64) -> f64 {
    let time = Duration::from_secs_f64(seconds);
    let unique = |pattern| Memory::new(512 * MIB, &workload(256 * MIB, pattern)).unique_pages(time);
    (unique(pattern) - unique(Pattern::Idle)) * PAGE_BYTES / MIB as f64
}

fn rate(mib: u64) -> Rate {
    Rate::BytesPerSecond(mib * MIB)
}

// 256 (1 - e^(-64/256)) = 56.63; a sweep never writes a page twice before it is through: 64, then all 256.
#[test]
fn random_writes_saturate_and_a_sweep_does_not_until_it_is_through() {
    let uniform = |seconds| dirtied_mib(Pattern::Uniform { rate: rate(64) }, seconds);
    let sweep = |seconds| dirtied_mib(Pattern::Sweep { rate: rate(64) }, seconds);
    assert!((uniform(1.0) - 56.63).abs() < 0.01, "{}", uniform(1.0));
    assert!((sweep(1.0) - 64.0).abs() < 0.01, "{}", sweep(1.0));
    assert!((sweep(9.0) - 256.0).abs() < 0.01, "{}", sweep(9.0));
}

// 16 MiB take nine of ten writes: after 2 s at 32 MiB/s, 16 (1 - e^(-57.6/16)) + 240 (1 - e^(-6.4/240)) = 15.56 + 6.32.
#[test]
fn a_hot_set_saturates_by_itself() {
    let hot = Pattern::HotSet {
        rate: rate(32),
        hot_bytes: 16 * MIB,
        hot_share: 0.9,
    };
    assert!(
        (dirtied_mib(hot.clone(), 2.0) - 21.88).abs() < 0.02,
        "{}",
        dirtied_mib(hot, 2.0)
    );
}

// The sum over all ranks k of 1 - (1 - p_k)^writes, with p_k = k^-0.99 / sum: the bands must come within 2 % of it.
#[test]
fn bands_of_zipf_are_near_the_sum_over_ranks() {
    let pages = 65_536;
    let weights: Vec<f64> = (1..=pages)
        .map(|rank| f64::from(rank).powf(-0.99))
        .collect();
    let total: f64 = weights.iter().sum();
    for seconds in [0.1, 1.0, 10.0] {
        let writes = 32.0 * 256.0 * seconds;
        let exact: f64 = weights
            .iter()
            .map(|weight| -(-weight / total * writes).exp_m1())
            .sum();
        let zipf = Pattern::Zipf {
            rate: rate(32),
            exponent: 0.99,
        };
        let banded = dirtied_mib(zipf, seconds) * 256.0;
        assert!(
            (banded / exact - 1.0).abs() < 0.02,
            "{seconds} s: {banded} for {exact}"
        );
    }
}

// Young 96 MiB with survivors of 10 %: 8 MiB a space, eden 80. The front does 60 MiB/s, so that one cycle takes
// 1.33 s and a little: in one second eden's first 60 MiB (and some roots); after two cycles all of eden and both
// spaces.
#[test]
fn a_collector_sweeps_eden_and_fills_its_spaces_in_turn() {
    let jvm = || Pattern::Jvm {
        young_bytes: 96 * MIB,
        old_bytes: 32 * MIB,
        allocation_rate: rate(60),
        survivors: 0.1,
    };
    let second = dirtied_mib(jvm(), 1.0);
    assert!((58.0..63.0).contains(&second), "{second}");
    let cycles = dirtied_mib(jvm(), 2.8);
    assert!((96.0..100.5).contains(&cycles), "{cycles}");
}

// A cache of 192 MiB, of which each checkpoint rewrites a quarter: 48 MiB between 0.9 and 1.1 s, beside 0.2 s of
// ordinary writes.
#[test]
fn a_checkpoint_comes_at_once() {
    let database = || Pattern::Database {
        rate: rate(10),
        log_bytes: 64 * MIB,
        log_share: 0.5,
        checkpoint_interval: Duration::from_secs(1),
        checkpoint_share: 0.25,
    };
    let burst = dirtied_mib(database(), 1.1) - dirtied_mib(database(), 0.9);
    assert!((47.0..50.0).contains(&burst), "{burst}");
}

// One second of nothing, one of a sweep, and so on: 1.5 s hold half a second of it.
#[test]
fn phases_take_turns() {
    let phases = Pattern::Phases(vec![
        (Duration::from_secs(1), Pattern::Idle),
        (Duration::from_secs(1), Pattern::Sweep { rate: rate(64) }),
    ]);
    for (seconds, mib) in [(1.0, 0.0), (1.5, 32.0), (2.5, 64.0), (3.5, 96.0)] {
        let dirtied = dirtied_mib(phases.clone(), seconds);
        assert!((dirtied - mib).abs() < 0.1, "{seconds} s: {dirtied}");
    }
}

// Kernel, workload and the rest are all there is: 1 GiB, of which 640 MiB are owned, 49.6 MB and 2 % the kernel's,
// and the rest zero.
#[test]
fn all_memory_is_accounted_for() {
    let memory = Memory::new(
        1024 * MIB,
        &workload(640 * MIB, Pattern::Uniform { rate: rate(1) }),
    );
    assert!((memory.pages() - 262_144.0).abs() < 1e-6);
    let zero: f64 = memory
        .classes
        .iter()
        .map(|class| class.pages * class.zero)
        .sum();
    let expected = (384.0 * MIB as f64 - 49.6e6 - 0.0203 * 1024.0 * MIB as f64) / PAGE_BYTES;
    assert!((zero - expected).abs() < 1.0, "{zero} of {expected}");
    // A workload as large as its guest leaves the kernel nothing, and no class is negative.
    let tight = Memory::new(256 * MIB, &workload(300 * MIB, Pattern::Idle));
    assert!((tight.pages() - 65_536.0).abs() < 1e-6);
}

fn patterns() -> impl Strategy<Value = Pattern> {
    let speed = || prop_oneof![Just(Rate::Unbounded), (1_u64..500).prop_map(rate)];
    let plain = prop_oneof![
        Just(Pattern::Idle),
        speed().prop_map(|rate| Pattern::Uniform { rate }),
        speed().prop_map(|rate| Pattern::Sweep { rate }),
        (speed(), 0.1_f64..3.0).prop_map(|(rate, exponent)| Pattern::Zipf { rate, exponent }),
        (speed(), 0_u64..400, 0.0_f64..1.0).prop_map(|(rate, hot, hot_share)| Pattern::HotSet {
            rate,
            hot_bytes: hot * MIB,
            hot_share
        }),
        (speed(), 1_u64..300, 0_u64..300, 0.0_f64..0.9).prop_map(
            |(allocation_rate, young, old, survivors)| Pattern::Jvm {
                young_bytes: young * MIB,
                old_bytes: old * MIB,
                allocation_rate,
                survivors
            }
        ),
        (speed(), 0_u64..300, 0.0_f64..1.0, 1_u64..5000, 0.0_f64..1.0).prop_map(
            |(rate, log, log_share, ms, checkpoint_share)| Pattern::Database {
                rate,
                log_bytes: log * MIB,
                log_share,
                checkpoint_interval: Duration::from_millis(ms),
                checkpoint_share
            }
        ),
    ];
    let step =
        (1_u64..3000, plain.clone()).prop_map(|(ms, pattern)| (Duration::from_millis(ms), pattern));
    prop_oneof![
        4 => plain,
        1 => proptest::collection::vec(step, 1..4).prop_map(Pattern::Phases),
    ]
}

proptest! {
    // Whatever the pattern: no page is lost or made, and what was dirty after some time is still dirty after more.
    #[test]
    fn dirty_memory_grows_up_to_all_of_it(pattern in patterns(), owned in 1_u64..400, ms in 0_u64..5000, more in 0_u64..5000) {
        let memory = Memory::new(512 * MIB, &workload(owned * MIB, pattern));
        prop_assert!((memory.pages() - 131_072.0).abs() < 1e-6);
        let first = memory.unique_pages(Duration::from_millis(ms));
        let second = memory.unique_pages(Duration::from_millis(ms + more));
        prop_assert!(first >= 0.0 && first <= second + 1e-6 && second <= memory.pages() + 1e-6, "{first} {second}");
    }
}
