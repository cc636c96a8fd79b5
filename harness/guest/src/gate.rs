//! Where the writing threads wait: for time, for each other and for the host's permission to go on.
//!
//! One lock and one condition serve all of it, so a thread that waits for its schedule or for a collection to start is
//! stopped as promptly as one that writes. A running thread only looks at one flag per write.
//!
//! Threads meet by monotone keys instead of a barrier's head count: a thread that waits for key `k` goes on when every
//! thread has passed `k`. A thread that left a phase passes all its keys, so nobody waits for who never comes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::monotonic_ns;
use crate::share::Verdict;

/// What the threads of one workload share.
#[derive(Debug)]
pub struct Gate {
    closed: AtomicBool,
    requested: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// Number of the comparison that was asked for last.
    round: u64,
    /// The verdict of each thread, with the round it belongs to.
    verdicts: Vec<Option<(u64, Verdict)>>,
    /// The key each thread has passed last.
    passed: Vec<u64>,
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// What was waited for has come.
    Done,
    /// The gate closed; serve it, then wait again.
    Closed,
}

impl Gate {
    /// A closed gate for this many threads.
    pub fn new(threads: usize) -> Self {
        Self {
            closed: AtomicBool::new(true),
            requested: AtomicU64::new(0),
            state: Mutex::new(State {
                round: 0,
                verdicts: vec![None; threads],
                passed: vec![0; threads],
            }),
            changed: Condvar::new(),
        }
    }

    /// Whether threads must stop at the end of their operation.
    #[inline]
    pub fn closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// The largest key that a thread has asked all others to meet at.
    #[inline]
    pub fn requested(&self) -> u64 {
        self.requested.load(Ordering::Relaxed)
    }

    /// Lets all threads go on.
    pub fn open(&self) {
        let state = self.lock();
        self.closed.store(false, Ordering::Relaxed);
        drop(state);
        self.changed.notify_all();
    }

    /// Stops all threads, lets each compare its share, and collects the verdicts.
    pub fn verify(&self) -> Vec<Verdict> {
        let mut state = self.lock();
        self.closed.store(true, Ordering::Relaxed);
        state.round += 1;
        self.changed.notify_all();
        loop {
            let round = state.round;
            let current: Option<Vec<Verdict>> = state
                .verdicts
                .iter()
                .map(|verdict| {
                    verdict
                        .filter(|(of, _)| *of == round)
                        .map(|(_, verdict)| verdict)
                })
                .collect();
            if let Some(verdicts) = current {
                return verdicts;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A thread's stay while the gate is closed: calls `compare` for each comparison asked for.
    pub fn serve(&self, thread: usize, mut compare: impl FnMut() -> Verdict) {
        let mut state = self.lock();
        let mut served = state.verdicts[thread].map_or(0, |(round, _)| round);
        while self.closed() {
            if served < state.round {
                served = state.round;
                drop(state);
                let verdict = compare();
                state = self.lock();
                state.verdicts[thread] = Some((served, verdict));
                self.changed.notify_all();
            } else {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Waits until the clock shows `until_ns`.
    pub fn sleep(&self, until_ns: u64) -> Woken {
        let mut state = self.lock();
        loop {
            if self.closed() {
                return Woken::Closed;
            }
            let now_ns = monotonic_ns();
            if now_ns >= until_ns {
                return Woken::Done;
            }
            let wait = Duration::from_nanos(until_ns - now_ns).min(WAIT_MAX);
            state = self
                .changed
                .wait_timeout(state, wait)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Passes `key` and waits until every thread has passed it.
    pub fn meet(&self, thread: usize, key: u64) -> Woken {
        self.pass(thread, key);
        let mut state = self.lock();
        loop {
            if state.passed.iter().all(|passed| *passed >= key) {
                return Woken::Done;
            }
            if self.closed() {
                return Woken::Closed;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Asks all threads to meet at `key`.
    pub fn request(&self, key: u64) {
        self.requested.fetch_max(key, Ordering::Relaxed);
    }

    /// Passes `key` without waiting.
    pub fn pass(&self, thread: usize, key: u64) {
        let mut state = self.lock();
        state.passed[thread] = state.passed[thread].max(key);
        drop(state);
        self.changed.notify_all();
    }

    /// A poisoned lock still guards plain numbers; a panic has been reported already.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Longest single wait; the condition's clock arithmetic overflows with an endless one.
const WAIT_MAX: Duration = Duration::from_hours(1);
