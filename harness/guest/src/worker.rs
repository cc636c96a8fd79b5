//! One writing thread: takes steps from its walk, waits as pacing and gate demand, writes, and times each write.
//!
//! Clock readings are chained: the end of one write is the start of the next, so a write costs one reading. A write's latency is
//! the time of the write itself; a wait for the schedule is no part of it, but what the wait overshoots counts as a stall.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::monotonic_ns;
use crate::gate::{Gate, Woken};
use crate::latency::bucket;
use crate::pacing::Pacer;
use crate::pattern::{Moment, Step, Walk};
use crate::readings::Readings;
use crate::share::Share;
use crate::spec::{Pattern, Rate};

/// Everything that one thread needs.
#[derive(Debug)]
pub struct Worker<'a> {
    /// Which thread, from 0.
    pub thread: usize,
    /// The pages it owns.
    pub share: Share<'a>,
    /// Which of them it writes.
    pub walk: Walk,
    /// The workload's pattern, for its rate.
    pub pattern: Pattern,
    /// When it writes.
    pub pacer: Pacer,
    /// What it has done.
    pub readings: Arc<Readings>,
    /// Number of the report's running interval.
    pub interval: Arc<AtomicU64>,
    /// Where it waits.
    pub gate: Arc<Gate>,
}

/// The chained clock of one thread, all in nanoseconds.
#[derive(Debug, Clone, Copy)]
struct Chain {
    now: u64,
    /// Start of the last write.
    started: u64,
    /// Waits since then that were asked for.
    waited: u64,
}

impl Worker<'_> {
    /// Works for ever.
    pub fn run(mut self) -> ! {
        let mut chain = Chain::new(monotonic_ns());
        loop {
            self.step(&mut chain);
        }
    }

    /// Takes one step of the walk.
    fn step(&mut self, chain: &mut Chain) {
        if self.gate.closed() {
            self.serve(chain);
        }
        match self.walk.next(Moment {
            now_ns: chain.now,
            requested: self.gate.requested(),
        }) {
            Step::Write(page) => {
                let rate = self.walk.rate(&self.pattern);
                self.admit(rate, chain);
                self.operate::<true>(page, chain);
            }
            Step::Burst(page) => self.operate::<true>(page, chain),
            Step::Idle(until_ns) => self.wait(until_ns, chain),
            Step::Pass(key) => self.gate.pass(self.thread, key),
            Step::PauseBegin(Some(key)) => {
                self.gate.request(key);
                self.meet(key, chain);
            }
            Step::PauseBegin(None) => {}
            Step::PauseEnd(key) => {
                if let Some(key) = key {
                    self.meet(key, chain);
                }
                self.pacer.reset(chain.now);
                // All threads pause together, so one of them counts.
                if self.thread == 0 {
                    self.readings.pause();
                }
            }
        }
    }

    /// Nanoseconds that everything but the write itself costs per operation.
    pub fn calibrate(&mut self, pages: u64) -> u64 {
        let mut batches: Vec<u64> = (0..CALIBRATION_BATCHES)
            .map(|_| {
                let mut chain = Chain::new(monotonic_ns());
                let start_ns = chain.now;
                for operation in 0..CALIBRATION_OPERATIONS {
                    self.admit(Rate::Unbounded, &mut chain);
                    // A prime step, so that the table is read as from a random walk.
                    self.operate::<false>(operation * 7919 % pages, &mut chain);
                }
                (monotonic_ns() - start_ns) / CALIBRATION_OPERATIONS
            })
            .collect();
        batches.sort_unstable();
        batches[batches.len() / 2]
    }

    /// Waits until the pacer admits a write.
    #[inline]
    fn admit(&mut self, rate: Rate, chain: &mut Chain) {
        while let Some(later_ns) = self.pacer.admit(rate, chain.now) {
            self.wait(later_ns, chain);
        }
    }

    #[inline]
    fn operate<const WRITE: bool>(&mut self, page: u64, chain: &mut Chain) {
        let start_ns = chain.now;
        self.readings
            .stall((start_ns - chain.started).saturating_sub(chain.waited));
        let interval = self.interval.load(Ordering::Relaxed);
        let first = if WRITE {
            self.share.write(page, interval)
        } else {
            self.share.pretend(page, interval)
        };
        if first {
            self.readings.page_dirtied(interval);
        }
        chain.now = monotonic_ns();
        let interval = self.interval.load(Ordering::Relaxed);
        self.readings
            .operation(interval, bucket(chain.now - start_ns));
        (chain.started, chain.waited) = (start_ns, 0);
    }

    fn wait(&mut self, until_ns: u64, chain: &mut Chain) {
        match self.gate.sleep(until_ns) {
            Woken::Done => {
                let before_ns = chain.now;
                chain.now = monotonic_ns();
                chain.waited += until_ns.min(chain.now).saturating_sub(before_ns);
            }
            Woken::Closed => self.serve(chain),
        }
    }

    fn meet(&mut self, key: u64, chain: &mut Chain) {
        while self.gate.meet(self.thread, key) == Woken::Closed {
            self.serve(chain);
        }
        chain.now = monotonic_ns();
    }

    /// Stays while the gate is closed; the stop is no stall, and its writes are not made up for.
    fn serve(&mut self, chain: &mut Chain) {
        let share = &self.share;
        self.gate.serve(self.thread, || share.verify());
        *chain = Chain::new(monotonic_ns());
        self.pacer.reset(chain.now);
    }
}

impl Chain {
    fn new(now_ns: u64) -> Self {
        Self {
            now: now_ns,
            started: now_ns,
            waited: 0,
        }
    }
}

const CALIBRATION_BATCHES: usize = 7;
const CALIBRATION_OPERATIONS: u64 = 5000;
