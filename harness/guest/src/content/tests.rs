//! The content function: what is written is recognised, and nothing else is.

use super::*;
use proptest::prelude::*;

fn pages(seed: u64, bytes_per_page: u32, shares: (f64, f64, f64)) -> Pages {
    Pages::new(
        seed,
        &Content {
            bytes_per_page,
            zero: shares.0,
            compressible: shares.1,
            duplicate: shares.2,
        },
    )
}

fn written(pages: &Pages, page: u64, versions: u64) -> Vec<u64> {
    let mut words = vec![0xdead_beef; PAGE_WORDS];
    pages.fill(page, &mut words);
    for version in 1..=versions {
        pages.write(page, version, &mut words);
    }
    words
}

proptest! {
    #[test]
    fn recognises_what_was_written(seed: u64, page in 0_u64..1 << 30, bytes in 16_u32..=4096, versions in 0_u64..4) {
        let pages = pages(seed, bytes, (0.25, 0.25, 0.25));
        prop_assert!(pages.matches(page, versions, &written(&pages, page, versions)));
    }

    // Every bit of the page, whichever class it has: the comparison has no blind spot.
    #[test]
    fn catches_any_flipped_bit(seed: u64, page in 0_u64..1 << 30, bytes in 16_u32..=4096, bit in 0_usize..PAGE_WORDS * 64) {
        let pages = pages(seed, bytes, (0.25, 0.25, 0.25));
        let mut words = written(&pages, page, 2);
        words[bit / 64] ^= 1 << (bit % 64);
        prop_assert!(!pages.matches(page, 2, &words));
    }

    // Random and compressible pages carry a stamp, so another version or another page is always another content.
    #[test]
    fn catches_stale_and_swapped_pages(seed: u64, page in 0_u64..1 << 30, bytes in 16_u32..=4096, compressible: bool) {
        let pages = pages(seed, bytes, (0.0, if compressible { 1.0 } else { 0.0 }, 0.0));
        prop_assert!(!pages.matches(page, 3, &written(&pages, page, 2)));
        prop_assert!(!pages.matches(page, 3, &written(&pages, page + 1, 3)));
    }

    #[test]
    fn a_write_changes_only_its_bytes(seed: u64, page in 0_u64..1 << 30, bytes in 16_u32..=4096) {
        let pages = pages(seed, bytes, (0.2, 0.2, 0.2));
        let fill = bytes_of(&written(&pages, page, 0));
        let after = bytes_of(&written(&pages, page, 1));
        prop_assert_eq!(&fill[bytes as usize..], &after[bytes as usize..]);
    }
}

// 40,000 pages: a share of 0.25 has a standard deviation of 0.0022; the bound is more than four of them.
#[test]
fn classes_have_their_shares() {
    let pages = pages(7, 4096, (0.25, 0.25, 0.25));
    for class in [
        Class::Zero,
        Class::Compressible,
        Class::Duplicate,
        Class::Random,
    ] {
        let count = (0..40_000)
            .filter(|page| pages.class(*page) == class)
            .count();
        assert!((9_600..10_400).contains(&count), "{class:?}: {count}");
    }
}

// Whatever their versions are, full pages of the duplicate class hold no more than 16 contents.
#[test]
fn duplicates_are_duplicates() {
    let pages = pages(3, 4096, (0.0, 0.0, 1.0));
    let contents: std::collections::BTreeSet<_> = (0..200)
        .map(|page| written(&pages, page, page % 5))
        .collect();
    assert_eq!(contents.len(), 16);
}

// The bytes of the random words of a compressible page are a quarter; the rest is one run per 256 bytes.
#[test]
fn compressible_pages_are_three_quarters_filler() {
    let pages = pages(3, 4096, (0.0, 1.0, 0.0));
    let filler = written(&pages, 9, 1)
        .iter()
        .filter(|word| **word == FILLER)
        .count();
    assert_eq!(filler, PAGE_WORDS * 3 / 4);
}

fn bytes_of(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
