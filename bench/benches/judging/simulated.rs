//! False alarms, power and coverage on made-up values of known distributions.

use lmbench::judge::{Difference, NoiseFloor, RULE};
use lmbench::statistics::{Effect, Pairing, unpaired_p};
use rand_core::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

/// Logarithms of values.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    Normal(f64),
    /// 5 %, one in ten up to several times as great.
    Tailed,
    /// Student's t with two degrees of freedom, of 5 %.
    Heavy,
    /// Two levels so far apart, so many at the upper one.
    Levels(f64, f64),
}

pub(crate) const SHAPES: [(&str, Shape); 7] = [
    ("lognormal 5 %", Shape::Normal(0.05)),
    ("lognormal 10 %", Shape::Normal(0.1)),
    ("lognormal 30 %", Shape::Normal(0.3)),
    ("one in ten wild", Shape::Tailed),
    ("t of 2 degrees", Shape::Heavy),
    ("levels 1, 1.2 at 50 %", Shape::Levels(1.2, 0.5)),
    ("levels 1, 1.5 at 30 %", Shape::Levels(1.5, 0.3)),
];

pub(crate) fn main(rounds: usize) {
    let mut noise = Noise(Pcg64Mcg::seed_from_u64(1));
    let share = |count: usize| count as f64 * 100.0 / rounds as f64;
    println!(
        "{rounds} rounds each; in %: an interval holds the ratio; a false alarm; +10 % found, by the rank-sum test alone, by the median test alone, by the rule, in pairs"
    );
    for (name, shape) in SHAPES {
        for n in [6, 8, 12, 16, 20, 30] {
            let mut counted = [0; 6];
            for _ in 0..rounds {
                let [base, candidate] = [1.0, 1.1].map(|factor| noise.values(shape, n, factor));
                let same: Vec<f64> = candidate.iter().map(|value| value / 1.1).collect();
                let effect =
                    |candidate: &[f64]| RULE.effect(&base, candidate, Pairing::Independent, 1);
                let found = [
                    effect(&same).is_some_and(|effect| effect.interval.contains(1.0)),
                    is_called(&base, &same, Pairing::Independent),
                    unpaired_p(&base, &candidate) <= RULE.alpha,
                    median_test(&base, &candidate) <= RULE.alpha,
                    is_called(&base, &candidate, Pairing::Independent),
                    is_called(&base, &candidate, Pairing::Pairs),
                ];
                for (count, found) in counted.iter_mut().zip(found) {
                    *count += usize::from(found);
                }
            }
            let shares = counted.map(|count| format!("{:6.2}", share(count)));
            println!("{name:22} n = {n:2}  {}", shares.join(" "));
        }
    }
    println!(
        "pairs on a machine that swings by 20 %, own scatter 2 %, in %: a false alarm, +10 % found; the same of eight questions"
    );
    for n in [6, 8, 12, 16] {
        let mut counted = [0; 4];
        for _ in 0..rounds {
            let machine = noise.values(Shape::Normal(0.2), n, 1.0);
            let [base, same, slower] = [1.0, 1.0, 1.1].map(|factor| {
                let own = noise.values(Shape::Normal(0.02), n, factor);
                machine
                    .iter()
                    .zip(own)
                    .map(|(machine, own)| machine * own)
                    .collect::<Vec<f64>>()
            });
            for (questions, at) in [(1, 0), (8, 2)] {
                for (candidate, at) in [(&same, at), (&slower, at + 1)] {
                    counted[at] +=
                        usize::from(is_called_of(&base, candidate, Pairing::Pairs, questions));
                }
            }
        }
        let shares = counted.map(|count| format!("{:6.2}", share(count)));
        println!("n = {n:2}  {}", shares.join(" "));
    }
    let mut open = 0;
    for _ in 0..rounds {
        let [base, run] = [1.0, 1.0].map(|factor| noise.values(Shape::Normal(0.05), 8, factor));
        let effect: Option<Effect> = RULE.effect(&base, &run, Pairing::Independent, 1);
        open += usize::from(effect.is_some_and(|effect| effect.interval.high > 1.1));
    }
    println!(
        "n = 8, 5 %: {:.2} % can't tell whether they are 10 % worse",
        share(open)
    );
    super::reports::main(rounds.div_ceil(ROUNDS_OF_A_REPORT), &mut noise);
}

/// A report asks as much as so many comparisons.
const ROUNDS_OF_A_REPORT: usize = 250;

fn is_called(base: &[f64], candidate: &[f64], pairing: Pairing) -> bool {
    is_called_of(base, candidate, pairing, 1)
}

fn is_called_of(base: &[f64], candidate: &[f64], pairing: Pairing, questions: usize) -> bool {
    let floor = NoiseFloor::of_repeats().of("total_time_ms", base, candidate, pairing);
    let effect = RULE.effect(base, candidate, pairing, questions);
    effect.is_some_and(|effect| {
        let p = (effect.p * questions as f64).min(1.0);
        let difference = RULE.above(floor).decide(&effect, p);
        matches!(difference, Difference::Lower | Difference::Higher)
    })
}

/// Mood's: Fisher's exact test of how many of either lie above the median of all.
fn median_test(base: &[f64], candidate: &[f64]) -> f64 {
    let all: Vec<f64> = base.iter().chain(candidate).copied().collect();
    let median = lmbench::statistics::median(&all).unwrap_or(0.0);
    let above = |values: &[f64]| -> Vec<f64> {
        values
            .iter()
            .map(|value| f64::from(u8::from(*value > median)))
            .collect()
    };
    unpaired_p(&above(base), &above(candidate))
}

pub(crate) struct Noise(Pcg64Mcg);

impl Noise {
    pub(crate) fn values(&mut self, shape: Shape, n: usize, factor: f64) -> Vec<f64> {
        (0..n).map(|_| self.one(shape).exp() * factor).collect()
    }

    fn share(&mut self) -> f64 {
        (f64::from(self.0.next_u32()) + 0.5) / (f64::from(u32::MAX) + 1.0)
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.share().ln()).sqrt() * (std::f64::consts::TAU * self.share()).cos()
    }

    fn one(&mut self, shape: Shape) -> f64 {
        match shape {
            Shape::Normal(deviation) => deviation * self.normal(),
            Shape::Tailed if self.share() < 0.1 => 0.05 * self.normal() - 0.7 * self.share().ln(),
            Shape::Tailed => 0.05 * self.normal(),
            Shape::Heavy => {
                let spread = (-self.share().ln()).sqrt();
                (0.05 * self.normal() / spread).clamp(-20.0, 20.0)
            }
            Shape::Levels(ratio, upper) => {
                let level = if self.share() < upper {
                    ratio.ln()
                } else {
                    0.0
                };
                level + 0.03 * self.normal()
            }
        }
    }
}
