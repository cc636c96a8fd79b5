//! Rare events and normally distributed numbers from a seeded generator.

use rand_core::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

/// An event that strikes each trial with the same chance. Draws once per event and not per trial: what is drawn is the distance to the
/// next one, which is geometrically distributed.
#[derive(Debug)]
pub(super) struct Rare {
    chance: f64,
    random: Pcg64Mcg,
    spared: u64,
}

impl Rare {
    pub(super) fn new(chance: f64, seed: u64) -> Rare {
        let mut rare = Rare {
            chance,
            random: Pcg64Mcg::seed_from_u64(seed),
            spared: 0,
        };
        rare.draw();
        rare
    }

    /// Another chance for the trials from now on; the same one leaves the sequence as it is.
    pub(super) fn set(&mut self, chance: f64) {
        if chance.to_bits() != self.chance.to_bits() {
            self.chance = chance;
            self.draw();
        }
    }

    pub(super) fn strikes(&mut self) -> bool {
        if self.spared > 0 {
            self.spared -= 1;
            return false;
        }
        self.draw();
        // Without any chance the distance is as good as infinite, but not quite.
        self.chance > 0.0
    }

    fn draw(&mut self) {
        self.spared = if self.chance <= 0.0 {
            u64::MAX
        } else if self.chance >= 1.0 {
            0
        } else {
            // Casts of floats saturate.
            (unit(&mut self.random).ln() / (-self.chance).ln_1p()) as u64
        };
    }
}

/// Mean 0, deviation 1 (Box and Muller 1958).
pub(super) fn normal(random: &mut Pcg64Mcg) -> f64 {
    (-2.0 * unit(random).ln()).sqrt() * (std::f64::consts::TAU * unit(random)).cos()
}

/// Above 0 and at most 1.
fn unit(random: &mut Pcg64Mcg) -> f64 {
    ((random.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64
}
