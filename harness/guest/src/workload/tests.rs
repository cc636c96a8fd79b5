//! The workload with real threads on the host: every pattern writes, stops, proves its memory and goes on.

use super::*;
use crate::spec::{Content, Pattern, Phase, Rate};

const RATE: Rate = Rate::Unbounded;

fn spec(pattern: Pattern) -> WorkloadSpec {
    let content = Content {
        bytes_per_page: 100,
        zero: 0.2,
        compressible: 0.3,
        duplicate: 0.2,
    };
    WorkloadSpec {
        seed: 9,
        threads: 3,
        memory_bytes: 1000 * PAGE_BYTES,
        content,
        pattern,
    }
}

fn jvm() -> Pattern {
    Pattern::Jvm {
        young_bytes: 300 * PAGE_BYTES,
        old_bytes: 300 * PAGE_BYTES,
        allocation_rate: RATE,
        survivors: 0.1,
    }
}

/// Reports until `operations` more writes have happened.
fn await_operations(reporter: &mut Reporter, operations: u64) -> u64 {
    let mut seen = 0;
    let deadline_ns = monotonic_ns() + 60_000_000_000;
    while seen < operations {
        let report = reporter.report(monotonic_ns());
        // One write of each of the three threads may count in another interval.
        assert!(report.pages_dirtied <= 1000 + 3);
        assert_eq!(
            report
                .latency_ns
                .iter()
                .map(|(_, count)| count)
                .sum::<u64>(),
            report.operations
        );
        seen += report.operations;
        assert!(
            monotonic_ns() < deadline_ns,
            "{seen} operations in a minute"
        );
        std::thread::yield_now();
    }
    seen
}

// Each pattern writes 20,000 pages, is stopped anywhere, twice, and every page is what the table says; nothing moves while stopped.
#[test]
fn every_pattern_proves_its_memory() {
    let phases = [jvm(), Pattern::Sweep { rate: RATE }, jvm()]
        .map(|pattern| Phase {
            duration_ns: 200_000,
            pattern,
        })
        .to_vec();
    for pattern in [
        Pattern::Uniform { rate: RATE },
        Pattern::HotSet {
            rate: RATE,
            hot_bytes: 100 * PAGE_BYTES,
            hot_share: 0.9,
        },
        Pattern::Zipf {
            rate: RATE,
            exponent: 0.99,
        },
        Pattern::Sweep { rate: RATE },
        jvm(),
        Pattern::Database {
            rate: RATE,
            log_bytes: 40 * PAGE_BYTES,
            log_share: 0.3,
            checkpoint_interval_ns: 100_000,
            checkpoint_share: 0.3,
        },
        Pattern::Phases(phases),
    ] {
        let mut workload = Workload::start(&spec(pattern.clone()), u64::MAX).unwrap();
        let mut reporter = workload.reporter();
        let mut checksums = std::collections::BTreeSet::new();
        for _ in 0..2 {
            assert!(workload.resume());
            assert!(!workload.resume());
            await_operations(&mut reporter, 20_000);
            let verified = workload.verify();
            assert!(verified.intact(), "{pattern:?}: {verified:?}");
            assert_eq!(verified.pages_checked, 1000);
            // What was counted just at an interval's end comes with the report after the next.
            reporter.report(monotonic_ns());
            let last = reporter.report(monotonic_ns());
            assert_eq!(last.operations_total, verified.operations_total);
            assert_eq!(workload.verify().checksum, verified.checksum);
            checksums.insert(verified.checksum);
        }
        assert_eq!(checksums.len(), 2);
    }
}

// 4 MiB/s over 3 threads for at least 100 writes: an unpaced workload would be a thousand times as fast, which the bound of ten excludes.
#[test]
fn a_rate_is_kept() {
    let mut workload = Workload::start(
        &spec(Pattern::Uniform {
            rate: Rate::BytesPerSecond(4 << 20),
        }),
        u64::MAX,
    )
    .unwrap();
    let mut reporter = workload.reporter();
    let start_ns = monotonic_ns();
    workload.resume();
    let operations = await_operations(&mut reporter, 100);
    let seconds = (monotonic_ns() - start_ns) as f64 / 1e9;
    assert!(
        operations as f64 <= 10.0 * 1024.0 * seconds,
        "{operations} in {seconds} s"
    );
}

#[test]
fn an_idle_workload_stops_and_proves() {
    let mut workload = Workload::start(&spec(Pattern::Idle), u64::MAX).unwrap();
    workload.resume();
    let verified = workload.verify();
    assert!(verified.intact());
    assert_eq!(verified.operations_total, 0);
}

#[test]
fn what_can_not_run_says_why() {
    let too_large = Workload::start(&spec(Pattern::Idle), 1 << 20).unwrap_err();
    assert!(
        too_large.to_string().contains("needs 20881216 bytes"),
        "{too_large}"
    );
    let invalid = Workload::start(&spec(Pattern::Phases(vec![])), u64::MAX).unwrap_err();
    assert_eq!(invalid.to_string(), "the workload can't be run: no phases");
}
