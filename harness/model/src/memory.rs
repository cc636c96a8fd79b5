//! A guest's memory as classes of pages that are written alike.
//!
//! Built from a workload's pattern or given by hand (a fitted profile). Classes stand in the order of their
//! addresses, for that is the order in which QEMU sends, and what it sends last decides how much is left for the
//! switch-over.

mod pattern;
mod zipf;

use std::time::Duration;

use crate::dirty::DirtyLog;
use crate::time::PAGE_BYTES;
pub use pattern::{Pattern, Rate, Workload};

/// How the pages of a class are written during one phase, while the guest runs at full speed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Access {
    /// Writes per second, each to a page of the class at random: after `t` seconds `n (1 - exp(-r t / n))` of its
    /// `n` pages are dirty.
    pub random_writes_per_s: f64,
    /// Pages per second in sequence, front to back and again: `min(n, r t)`.
    pub swept_pages_per_s: f64,
    /// All pages of the class at once, again and again.
    pub burst: Option<Burst>,
}

/// A rewrite of a whole class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Burst {
    /// Time from one to the next.
    pub every: Duration,
    /// Time of the first.
    pub first: Duration,
    /// What that time is counted in.
    pub clock: Clock,
}

/// What drives something periodic in a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Time in which the guest is not stopped, throttled or not: a database's checkpoints.
    Running,
    /// Work done: a collector's cycles, which come with what was allocated.
    Work,
}

/// Pages that are alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Class {
    /// How many, not necessarily whole.
    pub pages: f64,
    /// Share (0 to 1) that stays all zero.
    pub zero: f64,
    /// Share (0 to 1) that compresses 4:1, of those that are not zero.
    pub compressible: f64,
    /// How they are written, in each phase of the [`Memory`].
    pub access: Vec<Access>,
}

/// All memory of a guest.
#[derive(Debug, Clone, PartialEq)]
pub struct Memory {
    /// Its classes.
    pub classes: Vec<Class>,
    /// Lengths of the phases that the guest goes through again and again; empty where it has only one.
    pub phases: Vec<Duration>,
}

impl Memory {
    /// The memory of a guest of `guest_bytes` that runs a kernel and one of lmbench's workloads.
    ///
    /// What the kernel and PID 1 hold is 49.6 MB and 2.03 % of the guest's memory: `ram_bytes` of runs
    /// 20261201-081052-ci-1a53 (192 MiB) and 20261201-130217-transports-80b0 (4 GiB), less workload and pages sent
    /// again. The rest was never touched and is zero.
    ///
    /// Where: Linux puts what grows with memory (`struct page`, 64 bytes for each) at its top (memblock allocates
    /// top-down), fills the rest from below, and takes memory above 4 GiB before that below. So what nobody touched
    /// lies before the top in a small guest, and amid the lower part in one that has memory above 4 GiB.
    pub fn new(guest_bytes: u64, workload: &Workload) -> Self {
        let total = guest_bytes as f64 / PAGE_BYTES;
        let owned = (workload.memory_bytes as f64 / PAGE_BYTES).min(total);
        let top = (KERNEL_SHARE * total).min(total - owned);
        let kernel = (KERNEL_BYTES / PAGE_BYTES).min(total - owned - top);
        let hot = kernel.min(KERNEL_HOT_PAGES);
        let (owned_classes, phases) = pattern::classes(workload, owned);
        let rounds = phases.len().max(1);
        let plain = |pages, zero, writes| Class {
            pages,
            zero,
            compressible: 0.0,
            access: vec![
                Access {
                    random_writes_per_s: writes,
                    ..Access::default()
                };
                rounds
            ],
        };
        let mut classes = vec![
            plain(hot, 0.0, KERNEL_WRITES_PER_S),
            plain(kernel - hot, 0.0, 0.0),
        ];
        let untouched = plain(total - owned - kernel - top, 1.0, 0.0);
        let place = if guest_bytes > LOW_MEMORY_BYTES {
            classes.len()
        } else {
            classes.len() + owned_classes.len()
        };
        classes.extend(owned_classes);
        classes.insert(place, untouched);
        classes.push(plain(top, 0.0, 0.0));
        classes.retain(|class| class.pages > 0.0);
        Self { classes, phases }
    }

    /// All pages.
    pub fn pages(&self) -> f64 {
        self.classes.iter().map(|class| class.pages).sum()
    }

    /// U(t): different pages that a guest at full speed writes within `time`, from its start on.
    pub fn unique_pages(&self, time: Duration) -> f64 {
        let mut log = DirtyLog::new(self.clone(), 0.0);
        log.track();
        log.clear();
        log.write(time.as_secs_f64(), time.as_secs_f64());
        log.sync()
    }

    /// The time after which the guest does the same again, as far as something in it is periodic.
    pub(crate) fn period_s(&self) -> f64 {
        let phases: f64 = self.phases.iter().map(Duration::as_secs_f64).sum();
        let accesses = self.classes.iter().flat_map(|class| &class.access);
        accesses
            .filter_map(|access| access.burst)
            .map(|burst| burst.every.as_secs_f64())
            .fold(phases, f64::max)
    }
}

/// Bytes that a kernel and PID 1 hold beside the share of all memory.
const KERNEL_BYTES: f64 = 49.6e6;
/// QEMU's q35 keeps less than 2.75 GiB below 4 GiB in one piece, and of more 2 GiB there.
const LOW_MEMORY_BYTES: u64 = 2815 << 20;
/// Share of all memory that the kernel holds for it.
const KERNEL_SHARE: f64 = 0.0203;
/// Pages that an idle kernel with heartbeats writes again and again. Ours: too few to matter, enough that no pass
/// is ever empty.
const KERNEL_HOT_PAGES: f64 = 200.0;
/// Its writes per second.
const KERNEL_WRITES_PER_S: f64 = 400.0;
