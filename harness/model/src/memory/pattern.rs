//! lmbench's workload patterns as classes of pages.
//!
//! The same numbers as the guest's own specification; whoever starts a simulated guest converts. All threads of a
//! workload do the same on shares of the same size, so that classes over all threads are right for any number of
//! them.

use std::time::Duration;

use super::zipf::bands;
use super::{Access, Burst, Class, Clock};
use crate::time::{PAGE_BYTES, length};

/// A workload in a guest.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// Bytes that it owns, all filled before the migration.
    pub memory_bytes: u64,
    /// Which of its pages are written, and how fast.
    pub pattern: Pattern,
    /// Share (0 to 1) of pages that stay zero.
    pub zero: f64,
    /// Share (0 to 1) of pages that compress about 4:1.
    pub compressible: f64,
    /// Share (0 to 1) of pages whose content also stands elsewhere. A batch of 128 pages seldom holds both, so no
    /// compression of QEMU's gains by it.
    pub duplicate: f64,
    /// Pages per second that all vCPUs together write where the rate is unbounded.
    pub unbounded_pages_per_s: f64,
}

/// How fast pages are written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// As fast as the vCPUs go.
    Unbounded,
    /// Bytes of pages per second, over all threads.
    BytesPerSecond(u64),
}

/// Which pages are written.
#[derive(Debug, Clone, PartialEq)]
pub enum Pattern {
    /// None.
    Idle,
    /// Every page is as likely as any other.
    Uniform {
        /// Speed of the writes.
        rate: Rate,
    },
    /// A hot part and a background.
    HotSet {
        /// Speed of the writes.
        rate: Rate,
        /// Bytes of the hot part.
        hot_bytes: u64,
        /// Share (0 to 1) of the writes that go there.
        hot_share: f64,
    },
    /// Zipf's law.
    Zipf {
        /// Speed of the writes.
        rate: Rate,
        /// The exponent.
        exponent: f64,
    },
    /// Front to back and again.
    Sweep {
        /// Speed of the writes.
        rate: Rate,
    },
    /// A generational collector: a front sweeps eden, survivors go to two spaces in turn, roots of the old
    /// generation are updated.
    Jvm {
        /// Bytes of the young generation.
        young_bytes: u64,
        /// Bytes of the old generation.
        old_bytes: u64,
        /// Speed of the allocation front.
        allocation_rate: Rate,
        /// Share (0 to 1) that survives a collection.
        survivors: f64,
    },
    /// A page cache, a log and checkpoints.
    Database {
        /// Speed of the writes outside checkpoints.
        rate: Rate,
        /// Bytes of the log, a ring.
        log_bytes: u64,
        /// Share (0 to 1) of the writes that go to the log.
        log_share: f64,
        /// From one checkpoint to the next.
        checkpoint_interval: Duration,
        /// Share (0 to 1) of the cache that each rewrites, always the same pages.
        checkpoint_share: f64,
    },
    /// Others in sequence, then again from the first. A phase within a phase is idle.
    Phases(Vec<(Duration, Pattern)>),
}

/// A run of pages from `start` on, which end where the next begins.
struct Segment {
    start: f64,
    access: Access,
}

/// The classes of a workload that owns `pages`, and the lengths of its phases.
pub(super) fn classes(workload: &Workload, pages: f64) -> (Vec<Class>, Vec<Duration>) {
    let layout = |pattern: &Pattern| segments(pattern, pages, workload.unbounded_pages_per_s);
    let (layouts, phases) = match &workload.pattern {
        Pattern::Phases(phases) if !phases.is_empty() => (
            phases.iter().map(|(_, pattern)| layout(pattern)).collect(),
            phases.iter().map(|(duration, _)| *duration).collect(),
        ),
        pattern => (vec![layout(pattern)], Vec::new()),
    };
    (cut(&layouts, workload, pages), phases)
}

/// Cuts the workload's pages wherever a phase treats neighbours differently.
fn cut(layouts: &[Vec<Segment>], workload: &Workload, pages: f64) -> Vec<Class> {
    let mut starts: Vec<f64> = layouts
        .iter()
        .flatten()
        .map(|segment| segment.start.clamp(0.0, pages))
        .collect();
    starts.sort_by(f64::total_cmp);
    starts.dedup();
    let ends = starts.iter().skip(1).copied().chain([pages]);
    starts
        .iter()
        .zip(ends)
        .filter(|(start, end)| end > start)
        .map(|(&start, end)| Class {
            pages: end - start,
            zero: workload.zero,
            compressible: workload.compressible,
            access: layouts
                .iter()
                .map(|layout| part(layout, start, end, pages))
                .collect(),
        })
        .collect()
}

/// What a layout does to the pages from `start` to `end`, which lie in one segment: their share of it.
fn part(layout: &[Segment], start: f64, end: f64, pages: f64) -> Access {
    let Some(index) = layout.iter().rposition(|segment| segment.start <= start) else {
        return Access::default();
    };
    let segment_end = layout.get(index + 1).map_or(pages, |next| next.start);
    let share = (end - start) / (segment_end - layout[index].start);
    let access = layout[index].access;
    Access {
        random_writes_per_s: access.random_writes_per_s * share,
        swept_pages_per_s: access.swept_pages_per_s * share,
        burst: access.burst,
    }
}

fn segments(pattern: &Pattern, pages: f64, unbounded: f64) -> Vec<Segment> {
    let speed = |rate: Rate| match rate {
        Rate::Unbounded => unbounded,
        Rate::BytesPerSecond(bytes) => (bytes as f64 / PAGE_BYTES).min(unbounded),
    };
    match *pattern {
        Pattern::Idle | Pattern::Phases(_) => run_of([(pages, Access::default())]),
        Pattern::Uniform { rate } => run_of([(pages, random(speed(rate)))]),
        Pattern::Sweep { rate } => run_of([(pages, swept(speed(rate)))]),
        Pattern::HotSet {
            rate,
            hot_bytes,
            hot_share,
        } => {
            let hot = (hot_bytes as f64 / PAGE_BYTES).min(pages);
            let share = if hot < pages { hot_share } else { 1.0 };
            run_of([
                (hot, random(speed(rate) * share)),
                (pages - hot, random(speed(rate) * (1.0 - share))),
            ])
        }
        Pattern::Zipf { rate, exponent } => run_of(
            bands(pages, exponent)
                .into_iter()
                .map(|band| (band.pages, random(speed(rate) * band.share))),
        ),
        Pattern::Jvm {
            young_bytes,
            old_bytes,
            allocation_rate,
            survivors,
        } => {
            let young = (young_bytes as f64 / PAGE_BYTES).min(pages);
            let old = (old_bytes as f64 / PAGE_BYTES).min(pages - young);
            collector(
                young,
                old,
                pages,
                survivors,
                speed(allocation_rate),
                unbounded,
            )
        }
        Pattern::Database {
            rate,
            log_bytes,
            log_share,
            checkpoint_interval,
            checkpoint_share,
        } => {
            let log = (log_bytes as f64 / PAGE_BYTES).min(pages);
            let share = if log > 0.0 { log_share } else { 0.0 };
            let cache = pages - log;
            let random_rate = speed(rate) * (1.0 - share);
            let checkpoint = Access {
                burst: (!checkpoint_interval.is_zero()).then_some(Burst {
                    every: checkpoint_interval,
                    first: checkpoint_interval,
                    clock: Clock::Running,
                }),
                ..random(random_rate * checkpoint_share)
            };
            run_of([
                (log, swept(speed(rate) * share)),
                (cache * checkpoint_share, checkpoint),
                (
                    cache * (1.0 - checkpoint_share),
                    random(random_rate * (1.0 - checkpoint_share)),
                ),
            ])
        }
    }
}

/// A collector's generations. One cycle is eden at the front's speed, then survivors and roots as fast as the vCPUs go.
fn collector(
    young: f64,
    old: f64,
    pages: f64,
    survivors: f64,
    front: f64,
    unbounded: f64,
) -> Vec<Segment> {
    let survivor = young * survivors / (1.0 + 2.0 * survivors);
    let eden = young - 2.0 * survivor;
    let roots = if old > 0.0 {
        survivor / SURVIVORS_PER_ROOT
    } else {
        0.0
    };
    let cycle_s = eden / front + (survivor + roots) / unbounded;
    if !(cycle_s.is_finite() && cycle_s > 0.0) {
        return run_of([(pages, Access::default())]);
    }
    let space = |first| Access {
        burst: Some(Burst {
            every: length(2.0 * cycle_s),
            first: length(first * cycle_s),
            clock: Clock::Work,
        }),
        ..Access::default()
    };
    run_of([
        (eden, swept(eden / cycle_s)),
        (survivor, space(1.0)),
        (survivor, space(2.0)),
        (old, random(roots / cycle_s)),
        (pages - young - old, Access::default()),
    ])
}

/// Survivor pages copied for each page of the old generation that is updated, as in the guest's collector.
const SURVIVORS_PER_ROOT: f64 = 4.0;

fn random(writes_per_s: f64) -> Access {
    Access {
        random_writes_per_s: writes_per_s,
        ..Access::default()
    }
}

fn swept(pages_per_s: f64) -> Access {
    Access {
        swept_pages_per_s: pages_per_s,
        ..Access::default()
    }
}

/// Parts one after the other; empty ones are left out.
fn run_of(parts: impl IntoIterator<Item = (f64, Access)>) -> Vec<Segment> {
    let mut start = 0.0;
    let mut segments = Vec::new();
    for (pages, access) in parts {
        if pages > 0.0 {
            segments.push(Segment { start, access });
            start += pages;
        }
    }
    segments
}
