//! Measurements made up for tests: seeded, skewed to the right as real ones are, with wild ones, or of two levels.

use rand_core::Rng as _;
use rand_pcg::Pcg64Mcg;

/// A source of noise.
pub struct Noise(Pcg64Mcg);

/// How values of one thing lie.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Log-normal, CV 5 %.
    Skewed,
    /// The same, one in ten up to several times as great.
    Tailed,
    /// Student's t with two degrees of freedom, of 5 %.
    Heavy,
    /// Two levels half as much again apart, three of ten at the upper one.
    TwoLevels,
    /// Two levels 20 % apart, evenly.
    Halved,
}

impl Shape {
    /// Every one.
    pub const ALL: [Shape; 5] = [
        Shape::Skewed,
        Shape::Tailed,
        Shape::Heavy,
        Shape::TwoLevels,
        Shape::Halved,
    ];
}

impl Noise {
    /// The same values again for the same seed.
    pub fn new(seed: u64) -> Self {
        Noise(Pcg64Mcg::new(u128::from(seed) << 1 | 1))
    }

    /// Between 0 and 1, neither of them.
    pub fn share(&mut self) -> f64 {
        (f64::from(self.0.next_u32()) + 0.5) / (f64::from(u32::MAX) + 1.0)
    }

    /// Box and Muller's.
    pub fn normal(&mut self) -> f64 {
        (-2.0 * self.share().ln()).sqrt() * (std::f64::consts::TAU * self.share()).cos()
    }

    /// A log-normal value of median 1 whose coefficient of variation is about `cv`.
    pub fn skewed(&mut self, cv: f64) -> f64 {
        (cv * self.normal()).exp()
    }

    /// `n` values of a shape, times a factor.
    pub fn values(&mut self, shape: Shape, n: usize, factor: f64) -> Vec<f64> {
        (0..n).map(|_| self.one(shape) * factor).collect()
    }

    fn level(&mut self, upper: f64, ratio: f64) -> f64 {
        if self.share() < upper { ratio } else { 1.0 }
    }

    fn one(&mut self, shape: Shape) -> f64 {
        match shape {
            Shape::Skewed => self.skewed(0.05),
            Shape::Tailed => {
                let wild = if self.share() < 0.1 {
                    self.share().powf(-0.7)
                } else {
                    1.0
                };
                wild * self.skewed(0.05)
            }
            Shape::Heavy => {
                let spread = 0.05 / (-self.share().ln()).sqrt();
                self.skewed(spread).clamp(1e-9, 1e9)
            }
            Shape::TwoLevels => self.level(0.3, 1.5) * self.skewed(0.03),
            Shape::Halved => self.level(0.5, 1.2) * self.skewed(0.03),
        }
    }
}
