//! All differences of two sets in their order, without making them: ten thousand values on each side have a hundred million.

use super::shift::finite;
use super::{Interval, cut};

/// Differences of all with all. The values are sorted and finite, and there is at least one of each.
pub(super) enum Differences {
    /// Each value of the candidate minus each of the base.
    Independent { base: Vec<f64>, candidate: Vec<f64> },
    /// The mean of each difference of a pair and each other, and itself.
    Pairs(Vec<f64>),
}

impl Differences {
    /// The middle one of them.
    pub(super) fn middle(&self) -> f64 {
        self.at((self.count() - 1) as f64 / 2.0)
    }

    /// What the rank test would not refuse at the level `missed`; `None` where it refuses nothing.
    pub(super) fn interval(&self, missed: f64) -> Option<Interval> {
        let cut = match self {
            Differences::Independent { base, candidate } => {
                cut::rank_sum(base.len(), candidate.len(), missed)
            }
            Differences::Pairs(pairs) => cut::signed_rank(pairs.len(), missed),
        }?;
        let low = self.at(cut);
        Some(Interval {
            low,
            // Not below it by the rounding of a fraction.
            high: self.at((self.count() - 1) as f64 - cut).max(low),
        })
    }

    fn count(&self) -> u64 {
        match self {
            Differences::Independent { base, candidate } => {
                base.len() as u64 * candidate.len() as u64
            }
            Differences::Pairs(pairs) => pairs.len() as u64 * (pairs.len() as u64 + 1) / 2,
        }
    }

    /// At a place from 0, which lies between two of them if it has a fraction.
    fn at(&self, place: f64) -> f64 {
        let index = place.max(0.0).floor();
        let part = place - index;
        let lower = self.ordered(index as u64);
        if part <= 0.0 {
            return lower;
        }
        let upper = self.ordered(index as u64 + 1);
        if lower.total_cmp(&upper).is_eq() {
            return lower;
        }
        lower * (1.0 - part) + upper * part
    }

    /// The one at `index`, from 0: the smallest number that so many and one more do not exceed, found bit by bit.
    fn ordered(&self, index: u64) -> f64 {
        let (low, high) = self.ends();
        let (mut low, mut high) = (place_of(low), place_of(high));
        while low < high {
            let middle = (low & high) + ((low ^ high) >> 1);
            if self.at_most(number_at(middle)) > index {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        // Zero has no sign here.
        finite(number_at(low)) + 0.0
    }

    fn ends(&self) -> (f64, f64) {
        match self {
            Differences::Independent { base, candidate } => (
                candidate[0] - base[base.len() - 1],
                candidate[candidate.len() - 1] - base[0],
            ),
            Differences::Pairs(pairs) => (pairs[0], pairs[pairs.len() - 1]),
        }
    }

    /// How many do not exceed `bound`. One walk along each set does, as what exceeds it for one value does for the next, or the other way round.
    fn at_most(&self, bound: f64) -> u64 {
        let mut count = 0;
        match self {
            Differences::Independent { base, candidate } => {
                let mut within = 0;
                for one in base {
                    while within < candidate.len() && candidate[within] - one <= bound {
                        within += 1;
                    }
                    count += within as u64;
                }
            }
            Differences::Pairs(pairs) => {
                let mut within = pairs.len();
                for (index, one) in pairs.iter().enumerate() {
                    while within > index && f64::midpoint(*one, pairs[within - 1]) > bound {
                        within -= 1;
                    }
                    count += within.saturating_sub(index) as u64;
                }
            }
        }
        count
    }
}

/// Where a number stands among all that a double holds, and back: their bits, with those of negative ones turned round.
fn place_of(number: f64) -> i64 {
    turned(number.to_bits().cast_signed())
}

fn number_at(place: i64) -> f64 {
    f64::from_bits(turned(place).cast_unsigned())
}

fn turned(bits: i64) -> i64 {
    bits ^ ((bits >> 63) & i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::sorted;
    use super::*;

    fn made(all: &Differences) -> Vec<f64> {
        match all {
            Differences::Independent { base, candidate } => sorted(
                &candidate
                    .iter()
                    .flat_map(|candidate| base.iter().map(move |base| candidate - base))
                    .collect::<Vec<_>>(),
            ),
            Differences::Pairs(pairs) => sorted(
                &pairs
                    .iter()
                    .enumerate()
                    .flat_map(|(index, one)| {
                        pairs[index..]
                            .iter()
                            .map(|other| f64::midpoint(*one, *other))
                    })
                    .collect::<Vec<_>>(),
            ),
        }
    }

    proptest! {
        #[test]
        fn each_is_that_of_a_list_of_all(a in proptest::collection::vec(-9.0f64..9.0, 1..9), b in proptest::collection::vec(-9i32..9, 1..9)) {
            let whole = b.iter().map(|value| f64::from(*value)).collect::<Vec<_>>();
            for all in [Differences::Independent { base: sorted(&a), candidate: sorted(&whole) }, Differences::Pairs(sorted(&a)), Differences::Pairs(sorted(&whole))] {
                let made = made(&all);
                prop_assert_eq!(made.len() as u64, all.count());
                for (index, value) in made.iter().enumerate() {
                    prop_assert!((all.ordered(index as u64) - value).abs() < 1e-15);
                }
            }
        }
    }

    #[test]
    fn a_million_differences_take_no_time() {
        let values = |by: f64| (0..20_000).map(|value| f64::from(value) + by).collect();
        let all = Differences::Independent {
            base: values(0.0),
            candidate: values(0.5),
        };
        let interval = all.interval(0.05).unwrap();
        assert!((all.middle() - 0.5).abs() < 1e-9);
        // 1.96 standard errors of 20 000 / √12 × √(2 / 20 000), and √(12/12) for ranks.
        assert!(
            (interval.high - interval.low - 226.0).abs() < 4.0,
            "{interval:?}"
        );
    }
}
