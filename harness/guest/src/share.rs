//! One thread's part of the workload's memory, with the record of what was written to it.
//!
//! Beside each page the table keeps its version and the interval of its last write; beside the table stand the running
//! checksum and the count of writes, updated with each write. So three witnesses must agree: page, table and sums.
//! A page that falls back to an older version contradicts the table; a page and its table entry that fall back together
//! contradict the checksum.

use crate::content::{PAGE_WORDS, Pages};

/// A run of pages that one thread owns.
#[derive(Debug)]
pub struct Share<'a> {
    pages: Pages,
    first_page: u64,
    words: &'a mut [u64],
    table: Vec<Entry>,
    checksum: u64,
    operations: u64,
}

/// What a share's comparison found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Pages compared.
    pub pages_checked: u64,
    /// Pages that are not what the table says.
    pub pages_wrong: u64,
    /// The first of them, counted over all shares.
    pub first_wrong: Option<u64>,
    /// Sum over the table.
    pub checksum: u64,
    /// Whether checksum and operations of the table are those kept while writing.
    pub sums_match: bool,
    /// Writes kept while writing.
    pub operations: u64,
}

impl<'a> Share<'a> {
    /// The pages from `first_page` on, not yet filled.
    pub fn new(pages: Pages, first_page: u64, words: &'a mut [u64]) -> Self {
        let table = vec![Entry(0); words.len() / PAGE_WORDS];
        Self {
            pages,
            first_page,
            words,
            table,
            checksum: 0,
            operations: 0,
        }
    }

    /// Number of pages.
    pub fn len(&self) -> u64 {
        self.table.len() as u64
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Writes version 0 everywhere.
    pub fn fill(&mut self) {
        self.checksum = 0;
        for (page, words) in (self.first_page..).zip(self.words.chunks_exact_mut(PAGE_WORDS)) {
            self.pages.fill(page, words);
            self.checksum = self.checksum.wrapping_add(self.pages.digest(page, 0));
        }
        self.table.fill(Entry(0));
        self.operations = 0;
    }

    /// Writes the next version of the `index`th page; whether it is the page's first write in this interval.
    #[inline]
    pub fn write(&mut self, index: u64, interval: u64) -> bool {
        let index = index as usize;
        let version = self.table[index].version() + 1;
        let words = &mut self.words[index * PAGE_WORDS..(index + 1) * PAGE_WORDS];
        self.pages
            .write(self.first_page + index as u64, version, words);
        self.note(index, version, interval)
    }

    /// The bookkeeping of [`write`](Self::write) without the write, for calibration only: afterwards the share is wrong.
    #[inline]
    pub fn pretend(&mut self, index: u64, interval: u64) -> bool {
        let index = index as usize;
        self.note(index, self.table[index].version() + 1, interval)
    }

    /// Compares every page with the table, and the table with the sums.
    pub fn verify(&self) -> Verdict {
        let (mut pages_wrong, mut first_wrong) = (0, None);
        let (mut checksum, mut operations) = (0_u64, 0_u64);
        for ((page, words), entry) in (self.first_page..)
            .zip(self.words.chunks_exact(PAGE_WORDS))
            .zip(&self.table)
        {
            let version = entry.version();
            if !self.pages.matches(page, version, words) {
                pages_wrong += 1;
                first_wrong = first_wrong.or(Some(page));
            }
            checksum = checksum.wrapping_add(self.pages.digest(page, version));
            operations = operations.wrapping_add(version);
        }
        Verdict {
            pages_checked: self.len(),
            pages_wrong,
            first_wrong,
            checksum,
            sums_match: checksum == self.checksum && operations == self.operations,
            operations: self.operations,
        }
    }

    #[inline]
    fn note(&mut self, index: usize, version: u64, interval: u64) -> bool {
        let page = self.first_page + index as u64;
        let change = self
            .pages
            .digest(page, version)
            .wrapping_sub(self.pages.digest(page, version - 1));
        self.checksum = self.checksum.wrapping_add(change);
        self.operations += 1;
        let first = self.table[index].interval() != interval & INTERVAL_MASK;
        self.table[index] = Entry::new(version, interval);
        first
    }
}

/// A table entry: 40 bits of version (a page written a million times a second lasts 12 days), 24 bits of interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry(u64);

impl Entry {
    #[inline]
    fn new(version: u64, interval: u64) -> Self {
        Self(version << INTERVAL_BITS | interval & INTERVAL_MASK)
    }

    #[inline]
    fn version(self) -> u64 {
        self.0 >> INTERVAL_BITS
    }

    #[inline]
    fn interval(self) -> u64 {
        self.0 & INTERVAL_MASK
    }
}

const INTERVAL_BITS: u32 = 24;
const INTERVAL_MASK: u64 = (1 << INTERVAL_BITS) - 1;

#[cfg(test)]
mod tests;
