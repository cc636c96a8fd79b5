//! The proof of memory against everything that a broken migration could do to memory.

use super::*;
use crate::memory::map;
use crate::spec::Content;
use proptest::prelude::*;

const PAGES: u64 = 64;

fn share(words: &mut [u64], bytes_per_page: u32) -> Share<'_> {
    let content = Content {
        bytes_per_page,
        zero: 0.0,
        compressible: 0.5,
        duplicate: 0.0,
    };
    let mut share = Share::new(Pages::new(11, &content), 1000, words);
    share.fill();
    share
}

fn written(words: &mut [u64], bytes_per_page: u32) -> Share<'_> {
    let mut share = share(words, bytes_per_page);
    for step in 0..500 {
        share.write(step * step % PAGES, step / 100 + 1);
    }
    share
}

fn page(index: usize) -> std::ops::Range<usize> {
    index * PAGE_WORDS..(index + 1) * PAGE_WORDS
}

// On mapped memory, as in the guest.
#[test]
fn untouched_memory_is_intact() {
    let share = written(map((PAGES * 4096) as usize).unwrap(), 64);
    let verdict = share.verify();
    assert_eq!(
        (
            verdict.pages_checked,
            verdict.pages_wrong,
            verdict.first_wrong
        ),
        (PAGES, 0, None)
    );
    assert!(verdict.sums_match);
    assert_eq!(verdict.operations, 500);
}

proptest! {
    #[test]
    fn one_flipped_bit_is_found(bit in 0..PAGES as usize * PAGE_WORDS * 64, bytes in 16_u32..=4096) {
        let mut words = vec![0; PAGES as usize * PAGE_WORDS];
        let share = written(&mut words, bytes);
        share.words[bit / 64] ^= 1 << (bit % 64);
        let verdict = share.verify();
        prop_assert_eq!(verdict.pages_wrong, 1);
        prop_assert_eq!(verdict.first_wrong, Some(1000 + (bit / 64 / PAGE_WORDS) as u64));
    }

    // A page that the migration sent once and not again after its last write.
    #[test]
    fn a_stale_page_is_found(index in 0..PAGES as usize, bytes in 16_u32..=4096) {
        let mut words = vec![0; PAGES as usize * PAGE_WORDS];
        let mut share = written(&mut words, bytes);
        let old = share.words[page(index)].to_vec();
        share.write(index as u64, 9);
        share.words[page(index)].copy_from_slice(&old);
        prop_assert_eq!(share.verify().pages_wrong, 1);
    }

    // The page and the page of the table are both stale, so they agree; only the checksum knows better.
    #[test]
    fn a_stale_page_with_a_stale_table_is_found(index in 0..PAGES as usize, bytes in 16_u32..=4096) {
        let mut words = vec![0; PAGES as usize * PAGE_WORDS];
        let mut share = written(&mut words, bytes);
        let (old, entry) = (share.words[page(index)].to_vec(), share.table[index]);
        share.write(index as u64, 9);
        share.words[page(index)].copy_from_slice(&old);
        share.table[index] = entry;
        let verdict = share.verify();
        prop_assert_eq!(verdict.pages_wrong, 0);
        prop_assert!(!verdict.sums_match);
    }

    #[test]
    fn swapped_pages_are_found(first in 0..PAGES as usize - 1, bytes in 16_u32..=4096) {
        let mut words = vec![0; PAGES as usize * PAGE_WORDS];
        let share = written(&mut words, bytes);
        let (front, back) = share.words.split_at_mut((first + 1) * PAGE_WORDS);
        front[page(first)].swap_with_slice(&mut back[..PAGE_WORDS]);
        prop_assert_eq!(share.verify().pages_wrong, 2);
    }
}

// A page is counted as dirtied once per interval, however often it is written.
#[test]
fn first_write_of_an_interval_is_told_apart() {
    let mut words = vec![0; PAGES as usize * PAGE_WORDS];
    let mut share = share(&mut words, 64);
    let told = [(3, 1), (3, 1), (4, 1), (3, 2), (3, 2)]
        .map(|(page, interval)| share.write(page, interval));
    assert_eq!(told, [true, false, true, true, false]);
}
