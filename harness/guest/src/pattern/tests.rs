//! Every pattern: in bounds, repeatable, and of the shape its documentation promises.

use super::*;
use crate::spec::{Content, Phase, WorkloadSpec};
use proptest::prelude::*;

const RATE: Rate = Rate::BytesPerSecond(1 << 20);

fn place(thread: u64, threads: u64, pages: u64) -> Place {
    Place {
        thread,
        threads,
        pages,
        seed: 42,
        phase: 0,
    }
}

fn simple_pattern(bytes: u64) -> impl Strategy<Value = Pattern> {
    let share = 0.0..=1.0_f64;
    prop_oneof![
        Just(Pattern::Idle),
        Just(Pattern::Uniform { rate: RATE }),
        (0..=bytes, share.clone()).prop_map(|(hot_bytes, hot_share)| Pattern::HotSet {
            rate: RATE,
            hot_bytes,
            hot_share
        }),
        (0.01..4.0_f64).prop_map(|exponent| Pattern::Zipf {
            rate: RATE,
            exponent
        }),
        Just(Pattern::Sweep { rate: RATE }),
        (0..=bytes, 0..=bytes, share.clone()).prop_map(|(young_bytes, old_bytes, survivors)| {
            Pattern::Jvm {
                young_bytes,
                old_bytes,
                allocation_rate: RATE,
                survivors,
            }
        }),
        (0..=bytes, share.clone(), 1..1000_u64, share).prop_map(
            |(log_bytes, log_share, checkpoint_interval_ns, checkpoint_share)| {
                Pattern::Database {
                    rate: RATE,
                    log_bytes,
                    log_share,
                    checkpoint_interval_ns,
                    checkpoint_share,
                }
            }
        ),
    ]
}

fn workload() -> impl Strategy<Value = WorkloadSpec> {
    (1..200_u64, 1..5_u32).prop_flat_map(|(pages, threads)| {
        let bytes = pages * PAGE_BYTES;
        let phases = proptest::collection::vec((1..500_u64, simple_pattern(bytes)), 1..4).prop_map(
            |phases| {
                Pattern::Phases(
                    phases
                        .into_iter()
                        .map(|(duration_ns, pattern)| Phase {
                            duration_ns,
                            pattern,
                        })
                        .collect(),
                )
            },
        );
        let content = Content {
            bytes_per_page: 64,
            zero: 0.0,
            compressible: 0.0,
            duplicate: 0.0,
        };
        prop_oneof![simple_pattern(bytes), phases].prop_map(move |pattern| WorkloadSpec {
            seed: 1,
            threads,
            memory_bytes: bytes,
            content,
            pattern,
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    // Whatever passes validation stays inside each thread's share, and pauses begin and end in turn.
    #[test]
    fn stays_in_bounds(spec in workload(), requests in proptest::collection::vec(any::<u64>(), 16)) {
        prop_assume!(validate(&spec).is_ok());
        let threads = u64::from(spec.threads);
        for thread in 0..threads {
            let pages = spec.pages() / threads;
            let mut walk = Walk::new(&spec.pattern, place(thread, threads, pages));
            let mut paused = false;
            let mut now_ns = 0;
            for step in 0..2000_u64 {
                now_ns += 1;
                // Requests of this and of other phases, some of them nonsense.
                let requested = if step % 97 == 0 { requests[(step % 16) as usize] >> (step % 64) } else { 0 };
                match walk.next(Moment { now_ns, requested }) {
                    Step::Write(page) => prop_assert!(page < pages && !paused),
                    Step::Burst(page) => prop_assert!(page < pages && paused),
                    Step::PauseBegin(_) => { prop_assert!(!paused); paused = true; }
                    Step::PauseEnd(_) => { prop_assert!(paused); paused = false; }
                    Step::Pass(_) => prop_assert!(!paused),
                    Step::Idle(until_ns) => { prop_assert!(until_ns > now_ns); now_ns = until_ns.min(now_ns + 100); }
                }
            }
        }
    }
}

fn steps(pattern: &Pattern, pages: u64, count: usize) -> Vec<Step> {
    let mut walk = Walk::new(pattern, place(0, 1, pages));
    (0..count as u64)
        .map(|now_ns| {
            walk.next(Moment {
                now_ns,
                requested: 0,
            })
        })
        .collect()
}

#[test]
fn the_same_seed_walks_the_same_way() {
    let pattern = Pattern::Zipf {
        rate: RATE,
        exponent: 0.99,
    };
    assert_eq!(steps(&pattern, 500, 100), steps(&pattern, 500, 100));
}

// 10 young pages of which 20 % of eden survive: eden 8 (the front), survivor spaces of 1, old from page 10.
#[test]
fn a_collection_follows_each_sweep_of_eden() {
    let pattern = Pattern::Jvm {
        young_bytes: 10 * PAGE_BYTES,
        old_bytes: 5 * PAGE_BYTES,
        allocation_rate: RATE,
        survivors: 0.2,
    };
    let steps = steps(&pattern, 20, 24);
    assert_eq!(
        steps[..8],
        std::array::from_fn::<_, 8, _>(|page| Step::Write(page as u64))
    );
    assert_eq!(steps[8..10], [Step::PauseBegin(Some(1)), Step::Burst(8)]);
    assert!(matches!(steps[10], Step::Burst(10..15)));
    assert_eq!(steps[11..13], [Step::PauseEnd(Some(2)), Step::Write(0)]);
    // The other survivor space takes its turn.
    assert_eq!(steps[20..22], [Step::PauseBegin(Some(3)), Step::Burst(9)]);
}

// A thread that has filled nothing yet stops as soon as another asks, at that one's key.
#[test]
fn a_collection_stops_all_threads() {
    let pattern = Pattern::Jvm {
        young_bytes: 100 * PAGE_BYTES,
        old_bytes: 0,
        allocation_rate: RATE,
        survivors: 0.0,
    };
    let mut walk = Walk::new(&pattern, place(1, 2, 60));
    assert_eq!(
        walk.next(Moment {
            now_ns: 0,
            requested: 0
        }),
        Step::Write(0)
    );
    assert_eq!(
        walk.next(Moment {
            now_ns: 0,
            requested: 1
        }),
        Step::PauseBegin(Some(1))
    );
    assert_eq!(
        walk.next(Moment {
            now_ns: 0,
            requested: 1
        }),
        Step::PauseEnd(Some(2))
    );
    assert_eq!(
        walk.next(Moment {
            now_ns: 0,
            requested: 1
        }),
        Step::Write(0)
    );
    // A later phase's request is none of ours.
    assert_eq!(
        walk.next(Moment {
            now_ns: 0,
            requested: (1 << 32) + 1
        }),
        Step::Write(1)
    );
}

// 8 cache pages behind 2 log pages; half of the cache at time 5, every second page.
#[test]
fn a_checkpoint_rewrites_its_share_in_order() {
    let pattern = Pattern::Database {
        rate: RATE,
        log_bytes: 2 * PAGE_BYTES,
        log_share: 1.0,
        checkpoint_interval_ns: 5,
        checkpoint_share: 0.5,
    };
    let expected = [
        [
            Step::Write(0),
            Step::Write(1),
            Step::Write(0),
            Step::Write(1),
            Step::Write(0),
        ]
        .as_slice(),
        &[
            Step::PauseBegin(None),
            Step::Burst(2),
            Step::Burst(4),
            Step::Burst(6),
            Step::Burst(8),
            Step::PauseEnd(None),
        ],
    ];
    assert_eq!(steps(&pattern, 10, 11), expected.concat());
}

#[test]
fn phases_take_turns() {
    let sweep = Pattern::Sweep {
        rate: Rate::Unbounded,
    };
    let pattern = Pattern::Phases(vec![
        Phase {
            duration_ns: 3,
            pattern: Pattern::Idle,
        },
        Phase {
            duration_ns: 4,
            pattern: sweep,
        },
    ]);
    let expected = [
        [
            Step::Idle(3),
            Step::Idle(3),
            Step::Idle(3),
            Step::Pass(1 << 32),
        ]
        .as_slice(),
        &[
            Step::Write(0),
            Step::Write(1),
            Step::Write(2),
            Step::Pass(2 << 32),
            Step::Idle(10),
        ],
    ];
    assert_eq!(steps(&pattern, 10, 9), expected.concat());
}

// 0.9 of 20,000 writes to the hot half: the standard deviation is 42 writes, the bound seven of them.
#[test]
fn the_hot_set_takes_its_share() {
    let pattern = Pattern::HotSet {
        rate: RATE,
        hot_bytes: 10 * PAGE_BYTES,
        hot_share: 0.9,
    };
    let hot = steps(&pattern, 100, 20_000)
        .iter()
        .filter(|step| matches!(step, Step::Write(0..10)))
        .count();
    assert!((17_700..18_300).contains(&hot), "{hot}");
}
