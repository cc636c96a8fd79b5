//! Measurements made up for tests: seeded, skewed to the right as real ones are.

use rand_core::Rng as _;
use rand_pcg::Pcg64Mcg;

/// A source of noise.
pub(crate) struct Noise(Pcg64Mcg);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Noise(Pcg64Mcg::new(u128::from(seed) << 1 | 1))
    }

    /// Between 0 and 1, neither of them.
    pub(crate) fn share(&mut self) -> f64 {
        (f64::from(self.0.next_u32()) + 0.5) / (f64::from(u32::MAX) + 1.0)
    }

    /// A log-normal value of median 1 whose coefficient of variation is about `cv`.
    pub(crate) fn skewed(&mut self, cv: f64) -> f64 {
        // Box and Muller.
        let normal =
            (-2.0 * self.share().ln()).sqrt() * (std::f64::consts::TAU * self.share()).cos();
        (cv * normal).exp()
    }
}
