//! How many of all ordered differences an interval leaves out at either end: what the rank tests would refuse.
//!
//! Without ties the chances of both rank sums are known beforehand. They come in steps, of which hardly one is the chance asked for: so what
//! is left out is a number with a fraction, between the two steps that enclose it (the way of Hettmansperger and Sheather, "Confidence
//! intervals based on interpolated order statistics", 1986). With ties an interval misses less often than asked.

use super::distribution::normal_quantile;

/// Of the n × m differences of two independent sets, by the rank-sum test; `None` where even all of them miss oftener than the share `missed`.
pub(super) fn rank_sum(n: usize, m: usize, missed: f64) -> Option<f64> {
    let (few, many) = (n.min(m), n.max(m));
    if few == 0 {
        return None;
    }
    if n + m > VALUES_EXACT {
        let (n, m) = (n as f64, m as f64);
        return normal(n * m / 2.0, n * m * (n + m + 1.0) / 12.0, missed);
    }
    exact(&rank_sum_ways(few, many), missed)
}

/// In how many ways two sets without ties can have each number of differences below zero: Gauss's binomial coefficient, factor by factor.
pub(super) fn rank_sum_ways(n: usize, m: usize) -> Vec<f64> {
    let mut ways = vec![0.0; n * m + 1];
    ways[0] = 1.0;
    for factor in 1..=n {
        for sum in (m + factor..ways.len()).rev() {
            ways[sum] -= ways[sum - m - factor];
        }
        for sum in factor..ways.len() {
            ways[sum] += ways[sum - factor];
        }
    }
    ways
}

/// Of the n (n + 1) / 2 means of two differences of pairs, by the signed-rank test.
pub(super) fn signed_rank(n: usize, missed: f64) -> Option<f64> {
    if n > PAIRS_EXACT {
        let n = n as f64;
        let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0;
        return normal(n * (n + 1.0) / 4.0, variance, missed);
    }
    let mut ways = vec![0.0; n * (n + 1) / 2 + 1];
    ways[0] = 1.0;
    for rank in 1..=n {
        for sum in (rank..ways.len()).rev() {
            ways[sum] += ways[sum - rank];
        }
    }
    exact(&ways, missed)
}

fn exact(ways: &[f64], missed: f64) -> Option<f64> {
    let whole: f64 = ways.iter().sum();
    let mut left = missed / 2.0 * whole;
    for (sum, ways) in ways.iter().enumerate() {
        if *ways > left {
            return (sum > 0).then(|| sum as f64 - 1.0 + left / ways);
        }
        left -= ways;
    }
    None
}

/// With half a step, as sums are whole numbers.
fn normal(mean: f64, variance: f64, missed: f64) -> Option<f64> {
    let cut = mean - normal_quantile(missed / 2.0) * variance.sqrt() - 0.5;
    (cut >= 0.0).then_some(cut)
}

/// Of more values in both sets the number of ways is no whole number of a double any more.
const VALUES_EXACT: usize = 50;
const PAIRS_EXACT: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_those_of_the_tables() {
        // Mann and Whitney's table, two-sided 5 %: the greatest U that is refused; Wilcoxon's likewise.
        for (n, m, refused) in [
            (4, 4, 0.0),
            (5, 5, 2.0),
            (6, 6, 5.0),
            (8, 8, 13.0),
            (16, 16, 75.0),
            (20, 20, 127.0),
        ] {
            let cut = rank_sum(n, m, 0.05).unwrap();
            assert!(cut >= refused && cut < refused + 1.0, "{n} {m}: {cut}");
        }
        for (n, refused) in [(6, 0.0), (8, 3.0), (12, 13.0), (16, 29.0), (25, 89.0)] {
            let cut = signed_rank(n, 0.05).unwrap();
            assert!(cut >= refused && cut < refused + 1.0, "{n}: {cut}");
        }
        assert_eq!(rank_sum(3, 3, 0.05), None);
        assert_eq!(rank_sum(0, 9, 0.05), None);
        assert_eq!(signed_rank(5, 0.05), None);
    }

    #[test]
    fn the_approximation_goes_on_where_the_exact_steps_end() {
        let (exact, near) = (
            rank_sum(25, 25, 0.05).unwrap(),
            rank_sum(25, 26, 0.05).unwrap(),
        );
        assert!((near - exact - 25.0 / 3.0).abs() < 3.0, "{exact} {near}");
        let (exact, near) = (
            signed_rank(50, 0.05).unwrap(),
            signed_rank(51, 0.05).unwrap(),
        );
        assert!((near - exact - 18.0).abs() < 3.0, "{exact} {near}");
    }
}
