//! What stands in a page: a pure function of seed, page and version, so that any host can say what a page must hold.
//!
//! The seed and the page choose a class by the shares of [`Content`]. Version 0 is the fill; write number `n` puts the
//! first `bytes_per_page` bytes of version `n` there, the rest stays version 0. This module touches only the page it is given.
//!
//! | class | content | sees a stale page |
//! |---|---|---|
//! | zero | all zero, whatever the version | no: it is the same page |
//! | random | stamp (page, version), then incompressible words | always, by the stamp |
//! | compressible | the same stamp, in each 256 bytes 64 incompressible ones, then one repeated word: about 4:1 | always |
//! | duplicate | one of 16 contents, the next one with each version | unless its bytes are equal |
//!
//! The words come from a counter, one multiplication each, because an emulator generates and compares every page.

use crate::random::{GOLDEN, mix};
use crate::spec::{Content, PAGE_BYTES};

/// 64-bit words of a page.
pub const PAGE_WORDS: usize = (PAGE_BYTES / 8) as usize;

/// What kind of content a page has for its whole life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// All zero.
    Zero,
    /// Compresses about 4:1.
    Compressible,
    /// Stands in other pages as well.
    Duplicate,
    /// Incompressible and unique.
    Random,
}

/// The content of every page of one workload.
#[derive(Debug, Clone)]
pub struct Pages {
    seed: u64,
    zero_below: u64,
    compressible_below: u64,
    duplicate_below: u64,
    bytes_per_page: usize,
}

impl Pages {
    /// The content that `seed` and `content` describe; its numbers are in the ranges their documentation states.
    pub fn new(seed: u64, content: &Content) -> Self {
        let zero = content.zero;
        let compressible = zero + content.compressible;
        let duplicate = compressible + content.duplicate;
        Self {
            seed,
            zero_below: threshold(zero),
            compressible_below: threshold(compressible),
            duplicate_below: threshold(duplicate),
            bytes_per_page: content.bytes_per_page as usize,
        }
    }

    /// The class of a page.
    #[inline]
    pub fn class(&self, page: u64) -> Class {
        let drawn = mix(self.seed ^ page.wrapping_mul(GOLDEN)) >> 1;
        if drawn < self.zero_below {
            Class::Zero
        } else if drawn < self.compressible_below {
            Class::Compressible
        } else if drawn < self.duplicate_below {
            Class::Duplicate
        } else {
            Class::Random
        }
    }

    /// Writes version 0 into the whole page.
    pub fn fill(&self, page: u64, words: &mut [u64]) {
        self.stream(page, 0).store(words, 0);
    }

    /// Writes the part of `version` that a write changes.
    #[inline]
    pub fn write(&self, page: u64, version: u64, words: &mut [u64]) {
        let (whole, mask) = self.boundary();
        let stream = self.stream(page, version);
        stream.store(&mut words[..whole], 0);
        if mask != 0 {
            words[whole] = (words[whole] & !mask) | (stream.word(whole) & mask);
        }
    }

    /// Whether the page holds what `version` writes left, compared to the last bit.
    pub fn matches(&self, page: u64, version: u64, words: &[u64]) -> bool {
        let (whole, mask) = self.boundary();
        let newest = self.stream(page, version);
        let fill = self.stream(page, 0);
        if words.len() != PAGE_WORDS || newest.differs(&words[..whole], 0) {
            return false;
        }
        if mask == 0 {
            return !fill.differs(&words[whole..], whole);
        }
        words[whole] == (newest.word(whole) & mask) | (fill.word(whole) & !mask)
            && !fill.differs(&words[whole + 1..], whole + 1)
    }

    /// What one page adds to the checksum: any change of the page's number or version changes it.
    #[inline]
    pub fn digest(&self, page: u64, version: u64) -> u64 {
        mix(mix(page ^ self.seed).wrapping_add(version.wrapping_mul(GOLDEN)))
    }

    /// Whole words of a write, and the mask of the bytes it changes in the word after them.
    #[inline]
    fn boundary(&self) -> (usize, u64) {
        (
            self.bytes_per_page / 8,
            (1_u64 << (self.bytes_per_page % 8 * 8)) - 1,
        )
    }

    #[inline]
    fn stream(&self, page: u64, version: u64) -> Stream {
        let class = self.class(page);
        let key = if class == Class::Duplicate {
            mix(self.seed ^ (mix(page ^ self.seed).wrapping_add(version) % DUPLICATES))
        } else {
            self.digest(page, version)
        };
        Stream {
            class,
            key,
            stamp: [page, version],
        }
    }
}

/// All words of one version of one page.
struct Stream {
    class: Class,
    key: u64,
    stamp: [u64; 2],
}

impl Stream {
    #[inline]
    fn word(&self, index: usize) -> u64 {
        match self.class {
            Class::Zero => 0,
            Class::Random | Class::Compressible if index < 2 => self.stamp[index],
            Class::Random | Class::Duplicate => scramble(self.key, index),
            Class::Compressible => sparse(self.key, index),
        }
    }

    /// The class is looked at once per page, not once per word.
    #[inline]
    fn store(&self, words: &mut [u64], first: usize) {
        let key = self.key;
        match self.class {
            Class::Zero => words.fill(0),
            Class::Duplicate | Class::Random => store(words, first, |index| scramble(key, index)),
            Class::Compressible => store(words, first, |index| sparse(key, index)),
        }
        if matches!(self.class, Class::Random | Class::Compressible) {
            for (word, stamp) in words.iter_mut().zip(self.stamp.iter().skip(first)) {
                *word = *stamp;
            }
        }
    }

    #[inline]
    fn differs(&self, words: &[u64], first: usize) -> bool {
        let key = self.key;
        let stamped = match self.class {
            Class::Zero | Class::Duplicate => 0,
            Class::Random | Class::Compressible => 2_usize.saturating_sub(first).min(words.len()),
        };
        let (stamp, rest) = words.split_at(stamped);
        let first_of_rest = first + stamped;
        let difference = match self.class {
            Class::Zero => rest.iter().fold(0, |difference, word| difference | word),
            Class::Duplicate | Class::Random => {
                difference(rest, first_of_rest, |index| scramble(key, index))
            }
            Class::Compressible => difference(rest, first_of_rest, |index| sparse(key, index)),
        };
        difference != 0
            || stamp
                .iter()
                .zip(&self.stamp[first.min(2)..])
                .any(|(word, expected)| word != expected)
    }
}

/// An incompressible word: a Weyl sequence through half a mixer.
#[inline]
fn scramble(key: u64, index: usize) -> u64 {
    let counter = key.wrapping_add((index as u64).wrapping_mul(GOLDEN));
    let product = (counter ^ (counter >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    product ^ (product >> 32)
}

/// A quarter of incompressible words, the rest one word.
#[inline]
fn sparse(key: u64, index: usize) -> u64 {
    if index % 32 < 8 {
        scramble(key, index)
    } else {
        FILLER
    }
}

#[inline]
fn store(words: &mut [u64], first: usize, value: impl Fn(usize) -> u64) {
    for (offset, word) in words.iter_mut().enumerate() {
        *word = value(first + offset);
    }
}

/// Not 0 if any word differs; without a branch per word.
#[inline]
fn difference(words: &[u64], first: usize, value: impl Fn(usize) -> u64) -> u64 {
    words
        .iter()
        .enumerate()
        .fold(0, |difference, (offset, word)| {
            difference | (word ^ value(first + offset))
        })
}

/// The share as a bound for 63 random bits.
fn threshold(share: f64) -> u64 {
    (share.clamp(0.0, 1.0) * (1_u64 << 63) as f64) as u64
}

/// Contents that the pages of the duplicate class share.
const DUPLICATES: u64 = 16;
/// The repeated word of compressible pages: spaces.
const FILLER: u64 = 0x2020_2020_2020_2020;

#[cfg(test)]
mod tests;
