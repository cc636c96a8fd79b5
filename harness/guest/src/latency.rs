//! The buckets of the latency histogram: HDR's layout (Tene's `HdrHistogram`), two significant digits, as plain indices.
//!
//! Values below 64 ns have a bucket each, above that every power of two has 32, so a bucket is at most 3.2 % wide. The counts are
//! not kept here but in [`Readings`](crate::readings::Readings), where the reporter reads them without asking the writing thread;
//! the `hdrhistogram` crate keeps its counts to itself, hence these 30 lines.

/// Number of buckets.
pub const BUCKETS: usize = 64 + 32 * (MAGNITUDE_LIMIT - 6) as usize;

/// Values from here on (about 73 minutes) fall into the last bucket.
const MAGNITUDE_LIMIT: u32 = 42;

/// The bucket of a latency.
#[inline]
pub fn bucket(ns: u64) -> usize {
    let ns = ns.min((1 << MAGNITUDE_LIMIT) - 1);
    if ns < 64 {
        return ns as usize;
    }
    let shift = ns.ilog2() - 5;
    (shift as usize) * 32 + (ns >> shift) as usize
}

/// The largest latency of a bucket: what is reported, so that a percentile is never too low.
pub fn upper_ns(bucket: usize) -> u64 {
    if bucket < 64 {
        return bucket as u64;
    }
    let shift = (bucket / 32 - 1) as u32;
    let first = ((bucket % 32 + 32) as u64) << shift;
    first + (1 << shift) - 1
}

/// Joins neighbours so that at most `pairs_max` pairs (at least 2) remain; a joined pair keeps the larger latency.
pub fn coarsen(mut pairs: Vec<(u64, u64)>, pairs_max: usize) -> Vec<(u64, u64)> {
    while pairs.len() > pairs_max.max(2) {
        // From the back, so that the longest latency stays as exact as it is.
        pairs = pairs
            .rchunks(2)
            .map(|pair| {
                (
                    pair[pair.len() - 1].0,
                    pair.iter().map(|(_, count)| count).sum(),
                )
            })
            .collect();
        pairs.reverse();
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bucket_holds_its_value(ns in 0_u64..1 << 42) {
            let upper = upper_ns(bucket(ns));
            prop_assert!(ns <= upper && (upper - ns) as f64 <= ns as f64 * 0.032);
            prop_assert_eq!(bucket(upper), bucket(ns));
        }

        #[test]
        fn coarsening_loses_no_count(pairs in proptest::collection::vec((0_u64..1 << 40, 1_u64..1000), 0..600), limit in 2_usize..300) {
            let total: u64 = pairs.iter().map(|(_, count)| count).sum();
            let last = pairs.last().map(|(ns, _)| *ns);
            let coarse = coarsen(pairs, limit);
            prop_assert!(coarse.len() <= limit);
            prop_assert_eq!(coarse.iter().map(|(_, count)| count).sum::<u64>(), total);
            prop_assert_eq!(coarse.last().map(|(ns, _)| *ns), last);
        }
    }

    // Every bucket starts where the one before it ends, and the last is the last index.
    #[test]
    fn buckets_are_contiguous() {
        for index in 0..BUCKETS - 1 {
            assert_eq!(bucket(upper_ns(index) + 1), index + 1);
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }
}
