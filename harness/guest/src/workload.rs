//! The workload as a whole: memory, threads, reports and the proof.
//!
//! Knows nothing of ports: the binary turns messages into these calls and the results into messages.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, mpsc};
use std::thread::Builder;

use crate::clock::monotonic_ns;
use crate::content::{PAGE_WORDS, Pages};
use crate::gate::Gate;
use crate::memory;
use crate::pacing::Pacer;
use crate::pattern::{Invalid, Place, Walk, validate};
use crate::readings::{Readings, Reporter};
use crate::share::{Share, Verdict};
use crate::spec::{PAGE_BYTES, WorkloadSpec};
use crate::wire::Verified;
use crate::worker::Worker;

/// A filled memory with its threads, standing still until [`resume`](Self::resume).
#[derive(Debug)]
pub struct Workload {
    gate: Arc<Gate>,
    stopped: bool,
    readings: Vec<Arc<Readings>>,
    interval: Arc<AtomicU64>,
    /// Pages filled.
    pub pages: u64,
    /// Nanoseconds that the fill took.
    pub fill_ns: u64,
    /// Calibrated cost of the bookkeeping of one write.
    pub overhead_ns_per_operation: u64,
}

/// Why a workload can't start.
#[derive(Debug)]
pub enum StartError {
    /// The specification makes no sense.
    Invalid(Invalid),
    /// There is less memory than it needs.
    Memory {
        /// What the pages and their table need.
        needed_bytes: u64,
        /// What the guest has.
        available_bytes: u64,
    },
    /// The kernel refused the mapping.
    Map(io::Error),
    /// The kernel refused a thread.
    Thread(io::Error),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Invalid(invalid) => write!(formatter, "the workload can't be run: {invalid}"),
            Self::Memory {
                needed_bytes,
                available_bytes,
            } => write!(
                formatter,
                "the workload needs {needed_bytes} bytes of memory, the guest has {available_bytes} available; \
                 give the guest more memory or the workload less"
            ),
            Self::Map(error) => write!(formatter, "mapping the workload's memory failed: {error}"),
            Self::Thread(error) => write!(formatter, "starting a writing thread failed: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl Workload {
    /// Checks `spec`, fills the memory with all threads and calibrates. Nothing is written yet after that.
    pub fn start(spec: &WorkloadSpec, available_bytes: u64) -> Result<Self, StartError> {
        validate(spec).map_err(StartError::Invalid)?;
        let needed_bytes = spec
            .memory_bytes
            .saturating_add(spec.pages() * TABLE_BYTES_PER_PAGE)
            .saturating_add(MARGIN_BYTES);
        if needed_bytes > available_bytes {
            return Err(StartError::Memory {
                needed_bytes,
                available_bytes,
            });
        }
        let threads = spec.threads as usize;
        let mut workload = Self {
            gate: Arc::new(Gate::new(threads)),
            stopped: true,
            readings: (0..threads).map(|_| Arc::default()).collect(),
            // Table entries start with interval 0, so that the first interval is another.
            interval: Arc::new(AtomicU64::new(1)),
            pages: spec.pages(),
            fill_ns: 0,
            overhead_ns_per_operation: calibrate(spec),
        };
        let start_ns = monotonic_ns();
        workload.spawn(spec)?;
        workload.fill_ns = monotonic_ns() - start_ns;
        Ok(workload)
    }

    /// What makes reports of this workload, from now on.
    pub fn reporter(&self) -> Reporter {
        Reporter::new(
            self.readings.clone(),
            Arc::clone(&self.interval),
            monotonic_ns(),
        )
    }

    /// Lets the threads write; false if they do already.
    pub fn resume(&mut self) -> bool {
        self.gate.open();
        std::mem::replace(&mut self.stopped, false)
    }

    /// Stops all threads at the end of an operation and compares all memory.
    pub fn verify(&mut self) -> Verified {
        self.stopped = true;
        let start_ns = monotonic_ns();
        let verdicts = self.gate.verify();
        let checksum = verdicts
            .iter()
            .fold(0_u64, |sum, verdict| sum.wrapping_add(verdict.checksum));
        Verified {
            pages_checked: sum(&verdicts, |verdict| verdict.pages_checked),
            pages_wrong: sum(&verdicts, |verdict| verdict.pages_wrong),
            first_wrong: verdicts.iter().find_map(|verdict| verdict.first_wrong),
            checksum_matches: verdicts.iter().all(|verdict| verdict.sums_match),
            checksum: format!("{checksum:016x}"),
            operations_total: sum(&verdicts, |verdict| verdict.operations),
            verify_ns: monotonic_ns() - start_ns,
        }
    }

    /// Starts the threads and waits until each has filled its share.
    fn spawn(&self, spec: &WorkloadSpec) -> Result<(), StartError> {
        let mut rest = memory::map(spec.memory_bytes as usize).map_err(StartError::Map)?;
        let threads = u64::from(spec.threads);
        let mut first_page = 0;
        let (filled, all_filled) = mpsc::channel();
        for thread in 0..threads {
            let end_page = spec.pages() * (thread + 1) / threads;
            let words;
            (words, rest) = rest.split_at_mut((end_page - first_page) as usize * PAGE_WORDS);
            let worker = self.worker(spec, thread, first_page, words);
            first_page = end_page;
            let filled = filled.clone();
            Builder::new()
                .name(format!("writer-{thread}"))
                .stack_size(STACK_BYTES)
                .spawn(move || {
                    let mut worker = worker;
                    worker.share.fill();
                    // The receiver waits for every thread; without one there is nothing to tell.
                    let _ = filled.send(());
                    drop(filled);
                    worker.run()
                })
                .map_err(StartError::Thread)?;
        }
        drop(filled);
        all_filled.iter().for_each(drop);
        Ok(())
    }

    fn worker<'a>(
        &self,
        spec: &WorkloadSpec,
        thread: u64,
        first_page: u64,
        words: &'a mut [u64],
    ) -> Worker<'a> {
        let index = thread as usize;
        let share = Share::new(Pages::new(spec.seed, &spec.content), first_page, words);
        let place = Place {
            thread,
            threads: u64::from(spec.threads),
            pages: share.len(),
            seed: spec.seed,
            phase: 0,
        };
        Worker {
            thread: index,
            walk: Walk::new(&spec.pattern, place),
            share,
            pattern: spec.pattern.clone(),
            pacer: Pacer::new(spec.threads),
            readings: Arc::clone(&self.readings[index]),
            interval: Arc::clone(&self.interval),
            gate: Arc::clone(&self.gate),
        }
    }
}

/// Measures the bookkeeping on a table like the workload's, without its memory.
fn calibrate(spec: &WorkloadSpec) -> u64 {
    let pages = (spec.pages() / u64::from(spec.threads)).min(CALIBRATION_PAGES_MAX);
    let mut words = vec![0; pages as usize * PAGE_WORDS];
    let scratch = Workload {
        gate: Arc::new(Gate::new(1)),
        stopped: true,
        readings: vec![Arc::default()],
        interval: Arc::new(AtomicU64::new(1)),
        pages,
        fill_ns: 0,
        overhead_ns_per_operation: 0,
    };
    let spec = WorkloadSpec {
        threads: 1,
        memory_bytes: pages * PAGE_BYTES,
        pattern: crate::spec::Pattern::Idle,
        ..spec.clone()
    };
    scratch.worker(&spec, 0, 0, &mut words).calibrate(pages)
}

fn sum(verdicts: &[Verdict], number: impl Fn(&Verdict) -> u64) -> u64 {
    verdicts.iter().map(number).sum()
}

/// A table entry.
const TABLE_BYTES_PER_PAGE: u64 = 8;
/// Left for page tables, stacks and the kernel.
const MARGIN_BYTES: u64 = 16 << 20;
const STACK_BYTES: usize = 128 << 10;
/// Zero pages that are never touched, so they cost address space only.
const CALIBRATION_PAGES_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests;
