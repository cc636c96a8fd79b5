//! Which pages are dirty: the log that the accelerator keeps, and QEMU's migration bitmap, which takes it over at
//! each dirty sync.
//!
//! Both hold expected numbers of pages per class. Pages are taken as independent: of `w` written and `d` not yet
//! sent pages of `n`, `w d / n` are the same ones.

use std::time::Duration;

use crate::memory::{Access, Clock, Memory};
use crate::time::PAGE_BYTES;

/// What is known of one class.
#[derive(Debug, Clone, Copy, Default)]
struct Written {
    /// Pages set in the migration bitmap; in post-copy those that the destination lacks.
    dirty: f64,
    /// Random writes per page since the last sync.
    exposure: f64,
    /// Pages swept since the last sync.
    swept: f64,
    /// Whether all were rewritten since the last sync.
    burst: bool,
}

/// Memory and its dirty pages.
#[derive(Debug, Clone)]
pub(crate) struct DirtyLog {
    memory: Memory,
    written: Vec<Written>,
    /// The class that QEMU sends from.
    cursor: usize,
    tracking: bool,
    running_s: f64,
    work_s: f64,
}

/// Pages that leave the bitmap.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Batch {
    /// Pages with content.
    pub normal: f64,
    /// Pages of zeros.
    pub zero: f64,
    /// Bytes of content after compression.
    pub content_bytes: f64,
}

impl Batch {
    pub(crate) fn pages(&self) -> f64 {
        self.normal + self.zero
    }
}

impl DirtyLog {
    /// Nothing dirty, `offset_s` into what the guest does.
    pub(crate) fn new(memory: Memory, offset_s: f64) -> Self {
        Self {
            written: vec![Written::default(); memory.classes.len()],
            memory,
            cursor: 0,
            tracking: false,
            running_s: offset_s,
            work_s: offset_s,
        }
    }

    /// Starts to log, with every page in the bitmap (`ram_list_init_bitmaps`).
    pub(crate) fn track(&mut self) {
        self.tracking = true;
        for (class, written) in self.memory.classes.iter().zip(&mut self.written) {
            *written = Written {
                dirty: class.pages,
                ..Written::default()
            };
        }
    }

    /// Ends the log.
    pub(crate) fn untrack(&mut self) {
        self.tracking = false;
    }

    /// Empties the bitmap.
    pub(crate) fn clear(&mut self) {
        for written in &mut self.written {
            written.dirty = 0.0;
        }
    }

    pub(crate) fn pages(&self) -> f64 {
        self.memory.pages()
    }

    /// Pages in the bitmap.
    pub(crate) fn dirty(&self) -> f64 {
        self.written.iter().map(|written| written.dirty).sum()
    }

    /// The guest ran for `running_s` and did the work of `work_s`.
    pub(crate) fn write(&mut self, running_s: f64, work_s: f64) {
        let speed = if running_s > 0.0 {
            work_s / running_s
        } else {
            0.0
        };
        let mut left_s = running_s;
        while left_s > 0.0 {
            let (phase, phase_left_s) = self.phase();
            let step_s = left_s.min(phase_left_s);
            if self.tracking {
                self.log(phase, step_s, step_s * speed);
            }
            self.running_s += step_s;
            self.work_s += step_s * speed;
            left_s -= step_s;
        }
    }

    fn log(&mut self, phase: usize, running_s: f64, work_s: f64) {
        for (class, written) in self.memory.classes.iter().zip(&mut self.written) {
            let access = class.access[phase];
            written.exposure += access.random_writes_per_s * work_s / class.pages;
            written.swept += access.swept_pages_per_s * work_s;
            if let Some(burst) = access.burst {
                let (from, length) = match burst.clock {
                    Clock::Running => (self.running_s, running_s),
                    Clock::Work => (self.work_s, work_s),
                };
                let turn = |at: f64| {
                    ((at - burst.first.as_secs_f64()) / burst.every.as_secs_f64()).floor()
                };
                written.burst |= turn(from + length) > turn(from);
            }
        }
    }

    /// Takes the log over into the bitmap: the pages that it did not have yet.
    pub(crate) fn sync(&mut self) -> f64 {
        let mut added = 0.0;
        for (class, written) in self.memory.classes.iter().zip(&mut self.written) {
            let new = (1.0 - clean(class.pages, written)) * (class.pages - written.dirty);
            added += new;
            *written = Written {
                dirty: written.dirty + new,
                ..Written::default()
            };
        }
        added
    }

    /// Pages of the bitmap that are sent next, all of one class.
    pub(crate) fn next_pages(&self) -> f64 {
        self.next_class()
            .map_or(0.0, |class| self.written[class].dirty)
    }

    /// The class whose turn it is: QEMU goes through memory by address and, at its end, from the begin.
    fn next_class(&self) -> Option<usize> {
        let classes = self.written.len();
        (self.cursor..self.cursor + classes)
            .map(|class| class % classes)
            .find(|class| self.written[*class].dirty > DUST_PAGES / 100.0)
    }

    /// What that many of them are.
    pub(crate) fn batch(&self, pages: f64, compressed: bool) -> Batch {
        let Some(class) = self.next_class().map(|class| &self.memory.classes[class]) else {
            return Batch::default();
        };
        let normal = pages * (1.0 - class.zero);
        let saved = if compressed {
            class.compressible * COMPRESSION_SAVES
        } else {
            0.0
        };
        Batch {
            normal,
            zero: pages * class.zero,
            content_bytes: normal * PAGE_BYTES * (1.0 - saved),
        }
    }

    /// Takes that many of them out of the bitmap.
    pub(crate) fn take(&mut self, pages: f64) {
        if let Some(class) = self.next_class() {
            self.cursor = class;
            let dirty = &mut self.written[class].dirty;
            *dirty -= pages;
            if *dirty <= DUST_PAGES / 100.0 {
                *dirty = 0.0;
                self.cursor = (class + 1) % self.written.len();
            }
        }
    }

    /// Puts `pages` back that were sent and did not arrive.
    pub(crate) fn put_back(&mut self, pages: f64) {
        let sent = self.pages() - self.dirty();
        if sent > 0.0 {
            let share = (pages / sent).min(1.0);
            for (class, written) in self.memory.classes.iter().zip(&mut self.written) {
                written.dirty += (class.pages - written.dirty) * share;
            }
        }
    }

    /// Pages per second of work that are written for the first time since the last sync; each costs a fault or its
    /// like.
    pub(crate) fn first_writes_per_s(&self) -> f64 {
        let (phase, _) = self.phase();
        let classes = self.memory.classes.iter().zip(&self.written);
        classes
            .map(|(class, written)| {
                let access = class.access[phase];
                let untouched = (1.0 - written.swept / class.pages).max(0.0);
                let swept = if untouched > 0.0 {
                    access.swept_pages_per_s
                } else {
                    0.0
                };
                (access.random_writes_per_s * untouched + swept) * (-written.exposure).exp()
            })
            .sum()
    }

    /// Accesses per second of work that meet a page which is not there.
    pub(crate) fn faults_per_s(&self) -> f64 {
        let (phase, _) = self.phase();
        let classes = self.memory.classes.iter().zip(&self.written);
        classes
            .map(|(class, written)| touches(class.access[phase]) * written.dirty / class.pages)
            .sum()
    }

    /// Post-copy's guest did the work of `work_s`: the pages that it had to ask for, which come and leave the bitmap.
    pub(crate) fn fetch(&mut self, work_s: f64) -> Batch {
        let (phase, _) = self.phase();
        let mut batch = Batch::default();
        for (class, written) in self.memory.classes.iter().zip(&mut self.written) {
            let touched = -(-touches(class.access[phase]) * work_s / class.pages).exp_m1();
            let pages = written.dirty * touched;
            written.dirty -= pages;
            batch.normal += pages * (1.0 - class.zero);
            batch.zero += pages * class.zero;
        }
        batch.content_bytes = batch.normal * PAGE_BYTES;
        batch
    }

    /// The running phase and the seconds until it ends.
    fn phase(&self) -> (usize, f64) {
        let cycle: f64 = self.memory.phases.iter().map(Duration::as_secs_f64).sum();
        if cycle <= 0.0 {
            return (0, f64::INFINITY);
        }
        let mut into = self.running_s % cycle;
        for (index, phase) in self.memory.phases.iter().enumerate() {
            let length = phase.as_secs_f64();
            if into < length - 1e-9 {
                return (index, length - into);
            }
            into = (into - length).max(0.0);
        }
        // Rounding: the cycle's end, which is its begin.
        (0, self.memory.phases[0].as_secs_f64().max(1e-9))
    }
}

/// Share of a class that was not written since the last sync.
fn clean(pages: f64, written: &Written) -> f64 {
    if written.burst {
        return 0.0;
    }
    (-written.exposure).exp() * (1.0 - written.swept / pages).max(0.0)
}

fn touches(access: Access) -> f64 {
    access.random_writes_per_s + access.swept_pages_per_s
}

/// What "4:1" leaves out.
const COMPRESSION_SAVES: f64 = 0.75;
/// Below this the bitmap is empty: rounding.
pub(crate) const DUST_PAGES: f64 = 1e-3;
