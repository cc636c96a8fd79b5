//! Zipf's law: the page of rank `k` is written with a probability proportional to `k^-exponent`, as YCSB's clients choose records
//! (Cooper et al., "Benchmarking Cloud Serving Systems with YCSB", 2010, exponent 0.99).
//!
//! Samples by rejection-inversion, exact for any exponent above 0 without a table (Hörmann and Derflinger, "Rejection-inversion to
//! generate variates from monotone discrete distributions", ACM TOMACS 6(3), 1996). Each thread has a distribution of its own over its
//! share, so with `n` threads the `n` hottest pages are equally hot.

use super::{Place, Step};
use crate::random::{Permutation, Random};

/// Zipf-distributed ranks, scattered over the share by a seeded permutation.
#[derive(Debug)]
pub struct Zipf {
    random: Random,
    ranks: Ranks,
    place_of_rank: Permutation,
}

impl Zipf {
    pub(super) fn new(place: Place, exponent: f64) -> Self {
        let mut random = place.random();
        let place_of_rank = Permutation::new(random.bits(), place.pages);
        Self {
            random,
            ranks: Ranks::new(place.pages, exponent),
            place_of_rank,
        }
    }

    #[inline]
    pub(super) fn next(&mut self) -> Step {
        Step::Write(
            self.place_of_rank
                .apply(self.ranks.sample(&mut self.random) - 1),
        )
    }
}

/// The distribution of ranks from 1 to a count; names follow the paper.
#[derive(Debug)]
struct Ranks {
    count: f64,
    exponent: f64,
    h_first: f64,
    h_last: f64,
    squeeze: f64,
}

impl Ranks {
    fn new(count: u64, exponent: f64) -> Self {
        let count = count as f64;
        Self {
            count,
            exponent,
            h_first: h_integral(1.5, exponent) - 1.0,
            h_last: h_integral(count + 0.5, exponent),
            squeeze: 2.0
                - h_integral_inverse(h_integral(2.5, exponent) - h(2.0, exponent), exponent),
        }
    }

    fn sample(&self, random: &mut Random) -> u64 {
        loop {
            let u = self.h_last + random.unit() * (self.h_first - self.h_last);
            let x = h_integral_inverse(u, self.exponent);
            let rank = (x + 0.5).floor().clamp(1.0, self.count);
            if rank - x <= self.squeeze
                || u >= h_integral(rank + 0.5, self.exponent) - h(rank, self.exponent)
            {
                return rank as u64;
            }
        }
    }
}

/// The density without its constant: `x^-exponent`.
fn h(x: f64, exponent: f64) -> f64 {
    (-exponent * x.ln()).exp()
}

/// Its integral from 1 to `x`: `(x^(1-exponent) - 1) / (1-exponent)`, continuous at exponent 1.
fn h_integral(x: f64, exponent: f64) -> f64 {
    let log = x.ln();
    exp_ratio((1.0 - exponent) * log) * log
}

fn h_integral_inverse(x: f64, exponent: f64) -> f64 {
    // Rounding may push the argument below -1, where the logarithm ends.
    let t = (x * (1.0 - exponent)).max(-1.0);
    (log_ratio(t) * x).exp()
}

/// `(e^x - 1) / x`, also near 0.
fn exp_ratio(x: f64) -> f64 {
    if x.abs() > 1e-8 {
        x.exp_m1() / x
    } else {
        1.0 + x * 0.5
    }
}

/// `ln(1 + x) / x`, also near 0.
fn log_ratio(x: f64) -> f64 {
    if x.abs() > 1e-8 {
        x.ln_1p() / x
    } else {
        1.0 - x * 0.5
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranks_stay_in_range(seed: u64, count in 1_u64..1_000_000_000, exponent in 0.01_f64..5.0) {
            let ranks = Ranks::new(count, exponent);
            let mut random = Random::new(seed, 0);
            for _ in 0..50 {
                let rank = ranks.sample(&mut random);
                prop_assert!((1..=count).contains(&rank));
            }
        }
    }

    // Against the exact probabilities: 200,000 draws, each rank within five standard deviations, for exponents below, at and above 1.
    #[test]
    fn follows_the_law() {
        for exponent in [0.5, 0.99, 1.0, 1.5] {
            let ranks = Ranks::new(50, exponent);
            let mut random = Random::new(5, 0);
            let draws = 200_000_u32;
            let mut counts = [0_u32; 51];
            for _ in 0..draws {
                counts[ranks.sample(&mut random) as usize] += 1;
            }
            let norm: f64 = (1..=50).map(|rank| f64::from(rank).powf(-exponent)).sum();
            for rank in 1..=50_u32 {
                let probability = f64::from(rank).powf(-exponent) / norm;
                let expected = probability * f64::from(draws);
                let deviation = (expected * (1.0 - probability)).sqrt();
                let found = f64::from(counts[rank as usize]);
                assert!(
                    (found - expected).abs() < 5.0 * deviation,
                    "exponent {exponent} rank {rank}: {found} for {expected}"
                );
            }
        }
    }
}
