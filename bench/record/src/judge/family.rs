//! All that one report asks, as one question: the chance that any of its differences is seen where there is none.
//!
//! Several arms (carriers, policies, cells) were measured in the same blocks (repeats that took turns), in several metrics. Every two arms are
//! compared in every metric, and whoever names the best looks at all of them. The chance of a difference is that of one as clear *anywhere* in
//! the family, which holds whatever was looked at first, the leader included: the maximum over all pairs and metrics of |difference of mean
//! logarithms| over its standard error, the error pooled over the arms as in Tukey's range, by permutation of the arms within their blocks
//! (Westfall and Young, "Resampling-based multiple testing", 1993, single step). The chances of few blocks are too coarse for that; then all
//! values of a metric change places. Metrics are permuted one by one, which takes them for independent: rather too great a chance than too small.

use rand_core::Rng as _;
use rand_pcg::Pcg64Mcg;

/// The values of a metric by arm and block; arms have the same number of blocks.
pub type ByArm = Vec<Vec<Option<f64>>>;

/// The chances of all differences of a family.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Family {
    /// By metric, of every two arms with the smaller first.
    clearness: Vec<Vec<Vec<f64>>>,
    /// Of permutations, the greatest clearness anywhere, from the smallest.
    by_chance: Vec<f64>,
}

impl Family {
    /// Of all metrics; what is not above zero has no logarithm and is left out.
    pub fn new(metrics: &[ByArm]) -> Family {
        let mut random = Pcg64Mcg::new(SEED);
        let mut clearness = Vec::new();
        let mut by_chance = vec![0.0_f64; PERMUTATIONS];
        for values in metrics {
            let mut values: Vec<Vec<f64>> = values.iter().map(|arm| logarithms(arm)).collect();
            let in_blocks = has_blocks_enough(&values);
            let seen = clearnesses(&values, in_blocks);
            let asks = seen.iter().flatten().any(|clear| !clear.is_nan());
            clearness.push(seen);
            if !asks {
                continue;
            }
            for greatest in &mut by_chance {
                rearranged(&mut values, in_blocks, &mut random);
                let found = clearnesses(&values, in_blocks);
                let found = found.into_iter().flatten();
                *greatest = found.fold(*greatest, f64::max);
            }
        }
        by_chance.sort_by(f64::total_cmp);
        Family {
            clearness,
            by_chance,
        }
    }

    /// The chance of a difference as clear as that of these two arms in this metric anywhere in the family; 1 where there is nothing to compare.
    pub fn p(&self, metric: usize, one: usize, other: usize) -> f64 {
        let arms = self.clearness.get(metric);
        let of = |arms: &Vec<Vec<f64>>| arms.get(one.min(other))?.get(one.max(other)).copied();
        let Some(clear) = arms.and_then(of).filter(|clear| !clear.is_nan()) else {
            return 1.0;
        };
        // A hair below, so that the same values in another order are no less clear.
        let below = self
            .by_chance
            .partition_point(|chance| *chance < clear * (1.0 - ROUNDING));
        (self.by_chance.len() - below + 1) as f64 / (self.by_chance.len() + 1) as f64
    }
}

/// Of an arm, with NaN for what is not there; of one that has other values than positive ones nothing is.
fn logarithms(arm: &[Option<f64>]) -> Vec<f64> {
    let sound = arm
        .iter()
        .flatten()
        .all(|value| *value > 0.0 && value.is_finite());
    let logarithm = |value: &Option<f64>| value.filter(|_| sound).map_or(f64::NAN, f64::ln);
    arm.iter().map(logarithm).collect()
}

/// Whether the arms can change places within their blocks in ways enough for a chance far below α.
fn has_blocks_enough(values: &[Vec<f64>]) -> bool {
    let blocks = values.first().map_or(0, Vec::len);
    let mut ways = 0.0;
    for block in 0..blocks {
        let present = values.iter().filter(|arm| !arm[block].is_nan()).count();
        ways += (2..=present).map(|place| (place as f64).ln()).sum::<f64>();
    }
    // Names of the arms do not matter to the greatest difference.
    let names: f64 = (2..=values.len()).map(|place| (place as f64).ln()).sum();
    ways - names >= WAYS.ln()
}

fn clearnesses(values: &[Vec<f64>], in_blocks: bool) -> Vec<Vec<f64>> {
    if in_blocks {
        paired(values)
    } else {
        unpaired(values)
    }
}

/// Clearness of every two arms by what they have in the same blocks.
fn paired(values: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut means = vec![vec![(f64::NAN, 0.0); values.len()]; values.len()];
    let (mut squares, mut free) = (0.0, 0.0_f64);
    for (one, left) in values.iter().enumerate() {
        for (other, right) in values.iter().enumerate().skip(one + 1) {
            let (mut n, mut sum, mut sum_of_squares) = (0.0, 0.0, 0.0);
            for (left, right) in left.iter().zip(right) {
                let difference = right - left;
                if !difference.is_nan() {
                    n += 1.0;
                    sum += difference;
                    sum_of_squares += difference * difference;
                }
            }
            if n >= FEWEST {
                squares += (sum_of_squares - sum * sum / n).max(0.0);
                free += n - 1.0;
                means[one][other] = (sum / n, n);
            }
        }
    }
    let variance = squares / free.max(1.0);
    for row in &mut means {
        for (mean, n) in row {
            *mean = clearness(*mean, variance / *n);
        }
    }
    let rows = means.into_iter();
    rows.map(|row| row.into_iter().map(|(clear, _)| clear).collect())
        .collect()
}

/// The same by all values of each.
fn unpaired(values: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (mut squares, mut free) = (0.0, 0.0_f64);
    let mut arms = Vec::with_capacity(values.len());
    for arm in values {
        let (mut n, mut sum, mut sum_of_squares) = (0.0, 0.0, 0.0);
        for value in arm.iter().filter(|value| !value.is_nan()) {
            n += 1.0;
            sum += value;
            sum_of_squares += value * value;
        }
        if n > 0.0 {
            squares += (sum_of_squares - sum * sum / n).max(0.0);
            free += n - 1.0;
        }
        arms.push((sum / n, n));
    }
    let variance = squares / free.max(1.0);
    let pair = |one: usize, other: usize| {
        let ((left, n), (right, m)) = (arms[one], arms[other]);
        if other <= one || n.min(m) < FEWEST {
            return f64::NAN;
        }
        clearness(right - left, variance * (1.0 / n + 1.0 / m))
    };
    let row = |one| (0..values.len()).map(|other| pair(one, other)).collect();
    (0..values.len()).map(row).collect()
}

fn clearness(difference: f64, variance: f64) -> f64 {
    // Equal values differ by what rounding leaves of them, which is nothing.
    if difference.abs() < ROUNDING {
        return 0.0;
    }
    difference.abs() / variance.max(ROUNDING * ROUNDING).sqrt()
}

/// Lets the arms change places, in each block by itself or everywhere.
fn rearranged(values: &mut [Vec<f64>], in_blocks: bool, random: &mut Pcg64Mcg) {
    let blocks = values.first().map_or(0, Vec::len);
    let steps = if in_blocks { blocks } else { 1 };
    for step in 0..steps {
        let arms = values.len();
        let blocks = if in_blocks { step..step + 1 } else { 0..blocks };
        let present: Vec<(usize, usize)> = blocks
            .flat_map(|block| (0..arms).map(move |arm| (arm, block)))
            .filter(|(arm, block)| !values[*arm][*block].is_nan())
            .collect();
        let mut kept: Vec<f64> = present
            .iter()
            .map(|(arm, block)| values[*arm][*block])
            .collect();
        for last in (1..kept.len()).rev() {
            kept.swap(last, below(random, last + 1));
        }
        for ((arm, block), value) in present.into_iter().zip(kept) {
            values[arm][block] = value;
        }
    }
}

/// A number below `end`, which is small: the fraction that favours some is beyond what a permutation shows.
fn below(random: &mut Pcg64Mcg, end: usize) -> usize {
    ((u64::from(random.next_u32()) * end as u64) >> 32) as usize
}

/// With the values themselves a thousand: a chance of 0.001 is the smallest.
const PERMUTATIONS: usize = 999;
/// Ways to change places below which the chance of the clearest difference is not far below α.
const WAYS: f64 = 1000.0;
/// Values of each of two arms below which they are not compared: five fair coins fall alike in 6 of 100 cases.
const FEWEST: f64 = 6.0;
const ROUNDING: f64 = 1e-12;
/// The same values have the same chances.
const SEED: u128 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::RULE;
    use crate::statistics::simulated::Noise;

    /// Arms of a CV of 5 % in repeats that share a machine's mood; the first takes `factor` as much of everything.
    fn measured(
        noise: &mut Noise,
        arms: usize,
        n: usize,
        metrics: usize,
        factor: f64,
    ) -> Vec<ByArm> {
        let metric = |_| {
            let moods: Vec<f64> = (0..n).map(|_| noise.skewed(0.03)).collect();
            let arm = |arm: usize| {
                let own = if arm == 0 { factor } else { 1.0 };
                moods
                    .iter()
                    .map(|mood| Some(mood * own * noise.skewed(0.05)))
                    .collect()
            };
            (0..arms).map(arm).collect()
        };
        (0..metrics).map(metric).collect()
    }

    fn names_any(family: &Family, arms: usize, metrics: usize) -> bool {
        let pairs = (0..arms).flat_map(|one| (one + 1..arms).map(move |other| (one, other)));
        let mut asked = pairs.flat_map(|(one, other)| (0..metrics).map(move |m| (m, one, other)));
        asked.any(|(metric, one, other)| family.p(metric, one, other) <= RULE.alpha)
    }

    // Not even one of 60 is expected; five are more than five standard errors above.
    #[test]
    fn a_report_of_nothing_names_nothing() {
        let mut noise = Noise::new(11);
        for (arms, n) in [(2, 8), (4, 8), (8, 8)] {
            let alarms = (0..ROUNDS)
                .filter(|_| {
                    let values = measured(&mut noise, arms, n, METRICS, 1.0);
                    names_any(&Family::new(&values), arms, METRICS)
                })
                .count();
            assert!(alarms <= 4, "{arms} arms of {n}: {alarms} of {ROUNDS}");
        }
    }

    const ROUNDS: usize = 60;
    const METRICS: usize = 3;

    #[test]
    fn a_difference_is_found_among_many() {
        let mut noise = Noise::new(12);
        for (arms, n, factor) in [(2, 8, 1.2), (4, 8, 1.2), (8, 8, 1.2), (8, 16, 0.88)] {
            let found = (0..20)
                .filter(|_| {
                    let values = measured(&mut noise, arms, n, METRICS, factor);
                    let family = Family::new(&values);
                    (1..arms).all(|other| family.p(0, 0, other) <= RULE.alpha)
                })
                .count();
            assert!(found >= 14, "{arms} arms of {n}, × {factor}: {found} of 20");
        }
    }

    #[test]
    fn what_is_not_there_is_not_compared() {
        let one: Vec<Option<f64>> = (1..=8).map(|value| Some(f64::from(value))).collect();
        let mut other = one.clone();
        other[3] = Some(0.0);
        let few = vec![Some(1.0), Some(2.0), None, None, None, None, None, None];
        let family = Family::new(&[vec![one, other, few], Vec::new()]);
        for (metric, one, other) in [(0, 0, 1), (0, 0, 2), (0, 0, 9), (1, 0, 1), (7, 0, 1)] {
            assert!((family.p(metric, one, other) - 1.0).abs() < 1e-12);
        }
    }
}
