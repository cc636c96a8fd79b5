//! Seeded randomness: a bijective 64-bit mixer, a generator made of it, and a permutation of any size.
//!
//! Small, fast under an emulator and the same on every machine; not for secrets.

/// Mixes all bits of `value` into all bits of the result: the finaliser of `SplitMix64` (Steele, Lea and Flood,
/// "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014, with Stafford's variant 13 constants).
#[inline]
pub fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The odd step of the Weyl sequence behind [`Random`]: 2^64 divided by the golden ratio.
pub const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// `SplitMix64`.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A stream of its own for each pair of seed and stream number.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self {
            state: mix(seed ^ mix(stream.wrapping_add(GOLDEN))),
        }
    }

    /// 64 random bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// A number below `limit`, which is not 0. The bias is below `limit` / 2^64 (Lemire's multiplication without its rejection).
    #[inline]
    pub fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(limit)) >> 64) as u64
    }

    /// A number from 0 to 1, 1 excluded, with 53 random bits.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with the probability `share`.
    #[inline]
    pub fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }
}

/// A seeded permutation of `0..size`: four Feistel rounds over the smallest even number of bits that holds `size`,
/// walked until the result is in range (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002).
#[derive(Debug, Clone)]
pub struct Permutation {
    size: u64,
    half_bits: u32,
    keys: [u64; 4],
}

impl Permutation {
    /// A permutation of the numbers below `size`, which is not 0.
    pub fn new(seed: u64, size: u64) -> Self {
        let bits = u64::BITS - size.saturating_sub(1).leading_zeros();
        let mut random = Random::new(seed, size);
        Self {
            size,
            half_bits: bits.div_ceil(2).max(1),
            keys: std::array::from_fn(|_| random.bits()),
        }
    }

    /// Where `position`, which is below the size, goes.
    #[inline]
    pub fn apply(&self, position: u64) -> u64 {
        let mask = (1_u64 << self.half_bits) - 1;
        let mut value = position;
        loop {
            let (mut high, mut low) = (value >> self.half_bits, value & mask);
            for key in self.keys {
                (high, low) = (low, high ^ (mix(low ^ key) & mask));
            }
            value = (high << self.half_bits) | low;
            if value < self.size {
                return value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        // A map of a finite set into itself is a permutation exactly if every value is hit once.
        #[test]
        fn permutation_hits_every_value_once(seed: u64, size in 1_u64..3000) {
            let permutation = Permutation::new(seed, size);
            let mut hit = vec![false; size as usize];
            for position in 0..size {
                let target = permutation.apply(position) as usize;
                prop_assert!(!hit[target]);
                hit[target] = true;
            }
        }

        #[test]
        fn below_stays_below(seed: u64, limit in 1_u64..u64::MAX) {
            prop_assert!(Random::new(seed, 0).below(limit) < limit);
        }
    }

    // 100,000 draws of probability 0.3: the standard deviation of the share is 0.0014, the bound is seven of them.
    #[test]
    fn chance_has_its_share() {
        let mut random = Random::new(1, 1);
        let hits = (0..100_000).filter(|_| random.chance(0.3)).count();
        assert!((29_000..31_000).contains(&hits), "{hits}");
    }
}
