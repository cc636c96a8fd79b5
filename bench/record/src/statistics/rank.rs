//! Chances from ranks: how likely such a difference is if nothing but chance tells the two sets apart.
//!
//! Wilcoxon's two tests, as permutation tests of the ranks that really occur, so ties need no correction. Exact while there are few
//! values, normal approximation above. Both are two-sided. Ranks and not values, because one wild value must not hide a shift of
//! all others.

use super::cut::rank_sum_ways;
use super::distribution::normal_above;

/// The chance of pairs as uneven as these, by the signed-rank test; `differences` are logarithms of ratios, or plain differences.
///
/// Pairs that are equal keep their rank and speak for neither side (Pratt, 1959). 1 without any that differs.
pub fn paired_p(differences: &[f64]) -> f64 {
    let finite: Vec<f64> = differences
        .iter()
        .copied()
        .filter(|one| one.is_finite())
        .collect();
    let sizes: Vec<f64> = finite.iter().map(|one| one.abs()).collect();
    let ranks = doubled_ranks(&sizes);
    let ranks: Vec<(usize, bool)> = ranks
        .into_iter()
        .zip(&finite)
        .filter(|(_, one)| **one != 0.0)
        .map(|(rank, one)| (rank, *one > 0.0))
        .collect();
    let whole: usize = ranks.iter().map(|(rank, _)| rank).sum();
    let positive: usize = ranks
        .iter()
        .filter_map(|(rank, positive)| positive.then_some(rank))
        .sum();
    // Twice the distance from the middle, to stay with whole numbers.
    let distance = (2 * positive).abs_diff(whole);
    if distance == 0 {
        return 1.0;
    }
    if ranks.len() > PAIRS_EXACT {
        let squares: f64 = ranks.iter().map(|(rank, _)| (*rank as f64).powi(2)).sum();
        // One step of the sum is two halves of a rank.
        let z = (distance as f64 - 2.0).max(0.0) / squares.sqrt();
        return (2.0 * normal_above(z)).min(1.0);
    }
    // The chance of each sum of positive ranks, sign by sign.
    let mut chances = vec![0.0; whole + 1];
    chances[0] = 1.0;
    let mut reached = 0;
    for (rank, _) in &ranks {
        reached += rank;
        for sum in (0..=reached).rev() {
            let with = if sum >= *rank {
                chances[sum - rank]
            } else {
                0.0
            };
            chances[sum] = f64::midpoint(chances[sum], with);
        }
    }
    let as_far = |(sum, _): &(usize, &f64)| (2 * sum).abs_diff(whole) >= distance;
    let p: f64 = chances
        .iter()
        .enumerate()
        .filter(as_far)
        .map(|(_, chance)| chance)
        .sum();
    p.min(1.0)
}

/// The chance of two independent sets as far apart as these, by the rank-sum test (Mann and Whitney). 1 if one is empty.
pub fn unpaired_p(a: &[f64], b: &[f64]) -> f64 {
    let finite = |values: &[f64]| -> Vec<f64> {
        values
            .iter()
            .copied()
            .filter(|value| value.is_finite())
            .collect()
    };
    let (mut small, mut large) = (finite(a), finite(b));
    if small.len() > large.len() {
        std::mem::swap(&mut small, &mut large);
    }
    let (few, all) = (small.len(), small.len() + large.len());
    if few == 0 {
        return 1.0;
    }
    small.append(&mut large);
    let ranks = doubled_ranks(&small);
    let sum: usize = ranks[..few].iter().sum();
    // Doubled ranks sum up to all × (all + 1); `few` of them to few × (all + 1) on average.
    let average = few * (all + 1);
    let distance = sum.abs_diff(average);
    if distance == 0 {
        return 1.0;
    }
    if all > VALUES_EXACT {
        let mean = (all + 1) as f64;
        let squares: f64 = ranks.iter().map(|rank| (*rank as f64 - mean).powi(2)).sum();
        let share = few as f64 * (all - few) as f64 / all as f64 / (all - 1) as f64;
        let z = (distance as f64 - 1.0).max(0.0) / (squares * share).sqrt();
        return (2.0 * normal_above(z)).min(1.0);
    }
    exact_rank_sum(&ranks, few, distance)
}

/// The share of all ways to choose `few` of the doubled ranks whose sum is at least as far from the average.
fn exact_rank_sum(ranks: &[usize], few: usize, distance: usize) -> f64 {
    let average = few * (ranks.len() + 1);
    // Without ties all doubled ranks are even, and half as many sums do.
    let unit = if ranks.iter().all(|rank| rank % 2 == 0) {
        2
    } else {
        1
    };
    let mut ranks: Vec<usize> = ranks.iter().map(|rank| rank / unit).collect();
    ranks.sort_unstable();
    let is_whole = |(index, rank): (usize, &usize)| *rank == index + 1;
    if unit == 2 && ranks.iter().enumerate().all(is_whole) {
        return untied_rank_sum(few, ranks.len() - few, distance);
    }
    // sums[i]: of the i smallest.
    let mut sums = vec![0];
    for rank in &ranks {
        sums.push(sums[sums.len() - 1] + rank);
    }
    let most = sums[ranks.len()] - sums[ranks.len() - few];
    // ways[k][s]: how many choices of k of the ranks so far have the sum s.
    let mut ways = vec![vec![0.0; most + 1]; few + 1];
    ways[0][0] = 1.0;
    for (index, rank) in ranks.iter().enumerate() {
        for chosen in (1..=few.min(index + 1)).rev() {
            let (before, after) = ways.split_at_mut(chosen);
            // With the smallest of those before it, and with the greatest.
            let (least, greatest) = (sums[chosen - 1], sums[index] - sums[index + 1 - chosen]);
            let from = &before[chosen - 1][least..=greatest];
            for (to, from) in after[0][least + rank..=greatest + rank]
                .iter_mut()
                .zip(from)
            {
                *to += from;
            }
        }
    }
    let (mut far, mut whole) = (0.0, 0.0);
    for (sum, ways) in ways[few].iter().enumerate() {
        whole += ways;
        if (sum * unit).abs_diff(average) >= distance {
            far += ways;
        }
    }
    far / whole
}

/// The same without ties, of which the ways are known in a formula.
fn untied_rank_sum(few: usize, many: usize, distance: usize) -> f64 {
    let ways = rank_sum_ways(few, many);
    let (mut far, mut whole) = (0.0, 0.0);
    for (below, ways) in ways.iter().enumerate() {
        whole += ways;
        // A difference more is a rank more, and two of a doubled one; on average half of all are below.
        if (2 * below).abs_diff(few * many) >= distance {
            far += ways;
        }
    }
    far / whole
}

/// The smallest chance that sets of these sizes can show, however far apart they are: below what is asked for, no data can convince.
/// With `b` of `None` the `a` are pairs.
pub fn smallest_p(a: usize, b: Option<usize>) -> f64 {
    match b {
        None => 0.5_f64.powi(i32::try_from(a).unwrap_or(i32::MAX).saturating_sub(1)),
        Some(b) => {
            let few = a.min(b);
            let choices =
                (1..=few).fold(1.0, |choices, k| choices * (a.max(b) + k) as f64 / k as f64);
            2.0 / choices
        }
    }
    .min(1.0)
}

/// Twice the rank of each value, from 1; equal values share the mean of their ranks.
pub(super) fn doubled_ranks(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0; values.len()];
    let mut first = 0;
    while first < order.len() {
        let is_equal = |index: &&usize| values[**index].total_cmp(&values[order[first]]).is_eq();
        let next = first + order[first..].iter().take_while(is_equal).count().max(1);
        for index in &order[first..next] {
            // The mean of first + 1 to next, doubled.
            ranks[*index] = first + 1 + next;
        }
        first = next;
    }
    ranks
}

/// The exact chances take time with the cube of the number of pairs, and here a few milliseconds.
const PAIRS_EXACT: usize = 100;
/// The same of both sets together, with the fourth power.
const VALUES_EXACT: usize = 40;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn chances_are_those_of_the_tables() {
        // All n pairs on one side: 2 × (1/2)^n.
        for n in [1, 3, 8, 16] {
            let all: Vec<f64> = (1..=n).map(f64::from).collect();
            let p = 2.0 * 0.5_f64.powi(n);
            assert!((paired_p(&all) - p).abs() < 1e-12, "n = {n}");
            assert!((smallest_p(n as usize, None) - p).abs() < 1e-12);
        }
        // Wilcoxon's own table: of 8 pairs a sum of 3 has the two-sided chance 10/256.
        let differences = [-1.0, -2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        assert!((paired_p(&differences) - 10.0 / 256.0).abs() < 1e-12);
        // Five and five, fully apart: 2 of 252 choices; one exchanged: 4 of 252.
        let low = [1.0, 2.0, 3.0, 4.0, 5.0];
        let high = [6.0, 7.0, 8.0, 9.0, 10.0];
        assert!((unpaired_p(&low, &high) - 2.0 / 252.0).abs() < 1e-12);
        assert!((smallest_p(5, Some(5)) - 2.0 / 252.0).abs() < 1e-12);
        let nearly = [1.0, 2.0, 3.0, 4.0, 6.0];
        let rest = [5.0, 7.0, 8.0, 9.0, 10.0];
        assert!((unpaired_p(&nearly, &rest) - 4.0 / 252.0).abs() < 1e-12);
        // Whoever is equal to all others tells nothing.
        assert!((unpaired_p(&[1.0; 6], &[1.0; 7]) - 1.0).abs() < 1e-12);
        assert!((paired_p(&[0.0; 9]) - 1.0).abs() < 1e-12);
        assert!((paired_p(&[]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_approximation_goes_on_where_the_exact_chances_end() {
        let values = |n: usize, by: f64| -> Vec<f64> {
            (0..n).map(|k| (k as f64 * 0.7).sin() + by).collect()
        };
        let (exact, near) = (
            unpaired_p(&values(20, 0.0), &values(20, 0.5)),
            unpaired_p(&values(21, 0.0), &values(21, 0.5)),
        );
        assert!((exact / near).ln().abs() < 0.5, "{exact} {near}");
        let (exact, near) = (paired_p(&values(100, 0.2)), paired_p(&values(101, 0.2)));
        assert!((exact / near).ln().abs() < 0.5, "{exact} {near}");
    }

    #[test]
    fn the_formula_without_ties_agrees_with_the_count() {
        for (few, many) in [(3, 5), (8, 8), (6, 13), (16, 16)] {
            // One tie far from any that matters, against none.
            let all: Vec<f64> = (0..few + many).map(f64::from).collect();
            let (small, large): (Vec<f64>, Vec<f64>) = (
                all.iter().copied().step_by(2).take(few as usize).collect(),
                all.iter()
                    .copied()
                    .skip(1)
                    .step_by(2)
                    .chain(all.iter().copied().skip(2 * few as usize).step_by(2))
                    .collect(),
            );
            let untied = unpaired_p(&small, &large);
            let ranks: Vec<usize> = (1..=(few + many) as usize).map(|rank| 2 * rank).collect();
            let sum: usize = small.iter().map(|value| 2 * (*value as usize + 1)).sum();
            let distance = sum.abs_diff(small.len() * (all.len() + 1));
            let mut ways = vec![vec![0.0; 2 * all.len() * all.len()]; small.len() + 1];
            ways[0][0] = 1.0;
            for rank in ranks {
                for chosen in (1..=small.len()).rev() {
                    for sum in (rank..ways[0].len()).rev() {
                        ways[chosen][sum] += ways[chosen - 1][sum - rank];
                    }
                }
            }
            let far =
                |(sum, _): &(usize, &f64)| sum.abs_diff(small.len() * (all.len() + 1)) >= distance;
            let whole: f64 = ways[small.len()].iter().sum();
            let counted: f64 = ways[small.len()]
                .iter()
                .enumerate()
                .filter(far)
                .map(|(_, ways)| ways)
                .sum();
            assert!(
                (untied - counted / whole).abs() < 1e-12,
                "{few} {many}: {untied} {}",
                counted / whole
            );
        }
    }

    proptest! {
        #[test]
        fn every_chance_is_one(a in proptest::collection::vec(any::<f64>(), 0..14), b in proptest::collection::vec(any::<f64>(), 0..30)) {
            for p in [unpaired_p(&a, &b), paired_p(&a)] {
                prop_assert!((0.0..=1.0).contains(&p), "{}", p);
            }
            let (there, back) = (unpaired_p(&a, &b), unpaired_p(&b, &a));
            prop_assert!((there - back).abs() < 1e-9, "{} {}", there, back);
        }
    }
}
