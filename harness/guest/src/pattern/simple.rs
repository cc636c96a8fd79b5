//! The patterns without a memory of their own: uniform, hot set, sweep.

use super::{Place, Step};
use crate::random::Random;

/// Every page is as likely as any other: the worst case for pre-copy, because no page is worth waiting for.
#[derive(Debug)]
pub struct Uniform {
    random: Random,
    pages: u64,
}

impl Uniform {
    pub(super) fn new(place: Place) -> Self {
        Self {
            random: place.random(),
            pages: place.pages,
        }
    }

    #[inline]
    pub(super) fn next(&mut self) -> Step {
        Step::Write(self.random.below(self.pages))
    }
}

/// A hot part and a background, each uniform within itself: the "hot-and-cold" access pattern of Rosenblum and Ousterhout
/// ("The Design and Implementation of a Log-Structured File System", 1992). The hot part is the front of the share.
#[derive(Debug)]
pub struct HotSet {
    random: Random,
    pages: u64,
    hot_pages: u64,
    hot_share: f64,
}

impl HotSet {
    pub(super) fn new(place: Place, hot_bytes: u64, hot_share: f64) -> Self {
        Self {
            random: place.random(),
            pages: place.pages,
            hot_pages: place.part(hot_bytes),
            hot_share,
        }
    }

    #[inline]
    pub(super) fn next(&mut self) -> Step {
        let cold_pages = self.pages - self.hot_pages;
        if cold_pages == 0 || self.random.chance(self.hot_share) {
            Step::Write(self.random.below(self.hot_pages))
        } else {
            Step::Write(self.hot_pages + self.random.below(cold_pages))
        }
    }
}

/// Front to back and again, as `tests/migration-stress/guestperf`'s `stress.c` in QEMU does on each CPU. What it writes is up to the content:
/// guestperf's own pages hold one of two contents and flatter every compression.
#[derive(Debug)]
pub struct Sweep {
    next: u64,
    pages: u64,
}

impl Sweep {
    pub(super) fn new(place: Place) -> Self {
        Self {
            next: 0,
            pages: place.pages,
        }
    }

    #[inline]
    pub(super) fn next(&mut self) -> Step {
        let page = self.next;
        self.next = if page + 1 == self.pages { 0 } else { page + 1 };
        Step::Write(page)
    }
}
