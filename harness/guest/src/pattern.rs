//! Which page is written next: pure logic, told the time, never reading a clock, touching memory or waiting.
//!
//! Each thread runs its own [`Walk`] over its own share of the pages, numbered from 0. Every region of a pattern (hot part,
//! young generation, log, …) is divided among the threads in the same proportion, so that threads never write the same page.

mod database;
mod jvm;
mod phases;
mod simple;
mod validate;
mod zipf;

use crate::random::Random;
use crate::spec::{PAGE_BYTES, Pattern, Rate};

pub use validate::{Invalid, validate};

/// What a thread does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Write a page of the share, at the pattern's rate.
    Write(u64),
    /// Write a page of the share at once: part of a pause.
    Burst(u64),
    /// A collection or checkpoint begins. With a key, all threads meet at it first.
    PauseBegin(Option<u64>),
    /// It has ended. With a key, all threads meet at it before they go on.
    PauseEnd(Option<u64>),
    /// Nobody needs to wait for this thread at keys up to this one.
    Pass(u64),
    /// Nothing to do before this time.
    Idle(u64),
}

/// What a walk must know of the world at each step.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The guest's clock.
    pub now_ns: u64,
    /// The largest key any thread has asked to meet at ([`Step::PauseBegin`]).
    pub requested: u64,
}

/// One thread's place in the workload.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Which thread, from 0.
    pub thread: u64,
    /// Of how many.
    pub threads: u64,
    /// Pages of its share.
    pub pages: u64,
    /// The workload's seed.
    pub seed: u64,
    /// Keys of this walk are above `phase << 32` and not above `(phase + 1) << 32`.
    pub phase: u64,
}

/// One thread's way through one pattern.
#[derive(Debug)]
pub enum Walk {
    /// See [`Pattern::Idle`].
    Idle,
    /// See [`Pattern::Uniform`].
    Uniform(simple::Uniform),
    /// See [`Pattern::HotSet`].
    HotSet(simple::HotSet),
    /// See [`Pattern::Zipf`].
    Zipf(zipf::Zipf),
    /// See [`Pattern::Sweep`].
    Sweep(simple::Sweep),
    /// See [`Pattern::Jvm`].
    Jvm(jvm::Jvm),
    /// See [`Pattern::Database`].
    Database(database::Database),
    /// See [`Pattern::Phases`].
    Phases(Box<phases::Phases>),
}

impl Walk {
    /// The walk of the thread at `place`; the pattern has passed [`validate`].
    pub fn new(pattern: &Pattern, place: Place) -> Self {
        match pattern {
            Pattern::Idle => Self::Idle,
            Pattern::Uniform { .. } => Self::Uniform(simple::Uniform::new(place)),
            Pattern::HotSet {
                hot_bytes,
                hot_share,
                ..
            } => Self::HotSet(simple::HotSet::new(place, *hot_bytes, *hot_share)),
            Pattern::Zipf { exponent, .. } => Self::Zipf(zipf::Zipf::new(place, *exponent)),
            Pattern::Sweep { .. } => Self::Sweep(simple::Sweep::new(place)),
            Pattern::Jvm {
                young_bytes,
                old_bytes,
                survivors,
                ..
            } => Self::Jvm(jvm::Jvm::new(place, *young_bytes, *old_bytes, *survivors)),
            Pattern::Database {
                log_bytes,
                log_share,
                checkpoint_interval_ns,
                checkpoint_share,
                ..
            } => Self::Database(database::Database::new(
                place,
                *log_bytes,
                *log_share,
                *checkpoint_interval_ns,
                *checkpoint_share,
            )),
            Pattern::Phases(phases) => Self::Phases(Box::new(phases::Phases::new(place, phases))),
        }
    }

    /// What to do next.
    #[inline]
    pub fn next(&mut self, moment: Moment) -> Step {
        match self {
            Self::Idle => Step::Idle(u64::MAX),
            Self::Uniform(walk) => walk.next(),
            Self::HotSet(walk) => walk.next(),
            Self::Zipf(walk) => walk.next(),
            Self::Sweep(walk) => walk.next(),
            Self::Jvm(walk) => walk.next(moment),
            Self::Database(walk) => walk.next(moment),
            Self::Phases(walk) => walk.next(moment),
        }
    }

    /// The pattern that gives the rate at the moment: one phase of several, or `whole` itself.
    #[inline]
    pub fn rate(&self, whole: &Pattern) -> Rate {
        match self {
            Self::Phases(walk) => walk.rate(),
            _ => rate(whole),
        }
    }

    /// Whether a phase may end here: not within a pause.
    fn may_end(&self) -> bool {
        match self {
            Self::Jvm(walk) => walk.may_end(),
            Self::Database(walk) => walk.may_end(),
            _ => true,
        }
    }
}

impl Place {
    /// This thread's pages of a region of `bytes`.
    fn part(&self, bytes: u64) -> u64 {
        bytes / PAGE_BYTES / self.threads
    }

    /// This thread's randomness.
    fn random(&self) -> Random {
        Random::new(self.seed, (self.phase << 16) ^ self.thread)
    }
}

/// The rate that a pattern states; one that never writes has none to keep.
fn rate(pattern: &Pattern) -> Rate {
    match pattern {
        Pattern::Idle | Pattern::Phases(_) => Rate::Unbounded,
        Pattern::Uniform { rate }
        | Pattern::HotSet { rate, .. }
        | Pattern::Zipf { rate, .. }
        | Pattern::Sweep { rate }
        | Pattern::Jvm {
            allocation_rate: rate,
            ..
        }
        | Pattern::Database { rate, .. } => *rate,
    }
}

#[cfg(test)]
mod tests;
