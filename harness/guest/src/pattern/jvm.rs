//! A generational collector as a migration sees it: a bump-pointer front sweeps the young generation, then the world stops,
//! the survivors are copied and roots in the old generation are updated.
//!
//! The saw-tooth of dirty memory and the garbage that nobody needs are what JAVMM exploits (Hou, Shin and Sung, "Application-Assisted
//! Live Migration of Virtual Machines with Java Applications", `EuroSys` 2015). The layout is `HotSpot`'s ("Memory Management in the
//! Java `HotSpot` Virtual Machine", Sun 2006): the young generation is an eden and two survivor spaces that take turns, so survivors are
//! written to the young generation's end. The collection starts when the first thread has filled its part of eden; all threads
//! stop, each writes its part of the survivors as fast as it can, and all go on together. Ours, for want of a source: one root
//! page of the old generation is updated for every [`SURVIVORS_PER_ROOT`] survivor pages, chosen uniformly. Memory beyond both generations is filled and never written.

use super::{Moment, Place, Step};
use crate::random::Random;

/// Survivor pages copied for each page of the old generation that is updated.
const SURVIVORS_PER_ROOT: u64 = 4;

/// One thread of the collector and its mutator.
#[derive(Debug)]
pub struct Jvm {
    random: Random,
    phase: u64,
    eden: u64,
    survivor: u64,
    old_start: u64,
    old: u64,
    /// Next eden page.
    front: u64,
    /// Which survivor space is written next.
    to_space: u64,
    /// Key of the last collection.
    key: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Mutator,
    /// Survivor pages written so far.
    Copying(u64),
    /// Root pages updated so far.
    Roots(u64),
}

impl Jvm {
    pub(super) fn new(place: Place, young_bytes: u64, old_bytes: u64, survivors: f64) -> Self {
        let (young, old) = (place.part(young_bytes), place.part(old_bytes));
        let survivor = survivor_pages(young, survivors);
        Self {
            random: place.random(),
            phase: place.phase,
            eden: young - 2 * survivor,
            survivor,
            old_start: young,
            old,
            front: 0,
            to_space: 0,
            key: place.phase << 32,
            state: State::Mutator,
        }
    }

    #[inline]
    pub(super) fn next(&mut self, moment: Moment) -> Step {
        match self.state {
            State::Mutator => self.allocate(moment.requested),
            State::Copying(done) if done < self.survivor => {
                self.state = State::Copying(done + 1);
                Step::Burst(self.eden + self.to_space * self.survivor + done)
            }
            State::Copying(_) => self.update_root(0),
            State::Roots(done) => self.update_root(done),
        }
    }

    pub(super) fn may_end(&self) -> bool {
        self.state == State::Mutator
    }

    #[inline]
    fn allocate(&mut self, requested: u64) -> Step {
        // Keys are odd where a collection begins and even where it ends; another phase's request is not ours.
        let asked = requested > self.key && (requested - 1) >> 32 == self.phase;
        if self.front < self.eden && !asked {
            self.front += 1;
            return Step::Write(self.front - 1);
        }
        self.key = if asked { requested } else { self.key + 1 };
        self.state = State::Copying(0);
        Step::PauseBegin(Some(self.key))
    }

    fn update_root(&mut self, done: u64) -> Step {
        if self.old > 0 && done < self.survivor.div_ceil(SURVIVORS_PER_ROOT) {
            self.state = State::Roots(done + 1);
            return Step::Burst(self.old_start + self.random.below(self.old));
        }
        self.front = 0;
        self.to_space = 1 - self.to_space;
        self.key += 1;
        self.state = State::Mutator;
        Step::PauseEnd(Some(self.key))
    }
}

/// Pages of one survivor space, so that it holds the given share of eden.
fn survivor_pages(young: u64, survivors: f64) -> u64 {
    (young as f64 * survivors / (1.0 + 2.0 * survivors)) as u64
}
