//! The workload as the guest executes it: numbers in base units, no text, no defaults.

use serde::{Deserialize, Serialize};

/// Bytes of a guest page, the granule in which QEMU tracks dirty memory on `x86_64`.
pub const PAGE_BYTES: u64 = 4096;

/// One workload: which pages of its memory are written, how fast and with what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WorkloadSpec {
    /// Seed of every random choice; the same seed writes the same content to the same pages.
    pub seed: u64,
    /// Threads that write, each on its own share of the memory; normally the guest's vCPU count.
    pub threads: u32,
    /// Bytes of memory the workload owns, all of it filled before it reports ready.
    pub memory_bytes: u64,
    /// Content of the pages.
    pub content: Content,
    /// Which pages are written, and how fast.
    pub pattern: Pattern,
}

/// What a write puts into a page.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Content {
    /// Bytes changed by one write, from the start of the page (16 to 4096).
    pub bytes_per_page: u32,
    /// Share (0 to 1) of the pages that stay all zero, however often they are written.
    pub zero: f64,
    /// Share (0 to 1) of the pages whose content compresses about 4:1.
    pub compressible: f64,
    /// Share (0 to 1) of the pages whose content also stands in other pages.
    pub duplicate: f64,
}

/// How fast pages are written. A page write counts as one page (4096 bytes) however few of its bytes change.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rate {
    /// As fast as the vCPUs go.
    Unbounded,
    /// At most this many bytes of pages per second over all threads; a stalled workload does not catch up.
    BytesPerSecond(u64),
}

/// Which pages are written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// Nothing is written after the fill.
    Idle,
    /// Every page is as likely as any other.
    Uniform {
        /// Speed of the writes.
        rate: Rate,
    },
    /// A hot part takes most of the writes, the rest is background.
    HotSet {
        /// Speed of the writes.
        rate: Rate,
        /// Bytes of the hot part.
        hot_bytes: u64,
        /// Share (0 to 1) of the writes that go to the hot part.
        hot_share: f64,
    },
    /// Page ranks follow Zipf's law; ranks are scattered over the memory by a seeded permutation.
    Zipf {
        /// Speed of the writes.
        rate: Rate,
        /// The exponent, 0.99 in YCSB.
        exponent: f64,
    },
    /// Front to back and again, as guestperf's `stress.c`.
    Sweep {
        /// Speed of the writes.
        rate: Rate,
    },
    /// A generational collector: an allocation front sweeps the young generation, then a pause copies the survivors
    /// into the survivor space and updates roots in the old generation.
    Jvm {
        /// Bytes of the young generation.
        young_bytes: u64,
        /// Bytes of the old generation.
        old_bytes: u64,
        /// Speed of the allocation front.
        allocation_rate: Rate,
        /// Share (0 to 1) of the young generation that survives a collection.
        survivors: f64,
    },
    /// A database: random writes in the page cache, a sequential log, periodic checkpoint bursts.
    Database {
        /// Speed of the writes outside checkpoints.
        rate: Rate,
        /// Bytes of the write-ahead log, written as a ring.
        log_bytes: u64,
        /// Share (0 to 1) of the writes that go to the log.
        log_share: f64,
        /// Nanoseconds between the starts of two checkpoints.
        checkpoint_interval_ns: u64,
        /// Share (0 to 1) of the cache pages that a checkpoint rewrites, unbounded in speed.
        checkpoint_share: f64,
    },
    /// Others in sequence, then again from the first.
    Phases(Vec<Phase>),
}

/// One step of [`Pattern::Phases`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Phase {
    /// Nanoseconds that the phase lasts.
    pub duration_ns: u64,
    /// What happens in it; never `Phases` itself.
    pub pattern: Pattern,
}

impl WorkloadSpec {
    /// Pages that the workload owns.
    pub fn pages(&self) -> u64 {
        self.memory_bytes / PAGE_BYTES
    }
}
