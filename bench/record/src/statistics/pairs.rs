//! What pairs are good for, and what a few of them can tell.

use super::distribution::student_p;
use super::rank::{doubled_ranks, smallest_p};
use super::shift::differences;
use super::{mean_and_variance, sorted};

/// Whether something troubled both partners of the pairs alike. Pairs that share nothing tell less than the same values without partners: of
/// half as many differences the scatter is the same.
///
/// It is asked of Spearman's correlation, which knows nothing of how far the sets lie apart, by the usual t: 1 to 4 % of pairs that share nothing
/// pass. It takes a correlation of 0.9 in five pairs, of 0.7 in eight and of 0.54 in sixteen.
pub fn share_noise(base: &[f64], candidate: &[f64]) -> bool {
    let pairs = base.iter().zip(candidate);
    let (base, candidate): (Vec<f64>, Vec<f64>) = pairs
        .filter(|(base, candidate)| base.is_finite() && candidate.is_finite())
        .unzip();
    let n = base.len();
    let off = |ranks: Vec<usize>| {
        ranks
            .into_iter()
            .map(move |rank| rank as f64 - (n + 1) as f64)
    };
    let pairs = off(doubled_ranks(&base)).zip(off(doubled_ranks(&candidate)));
    let (both, one, other) = pairs.fold((0.0, 0.0, 0.0), |(both, one, other), (a, b)| {
        (both + a * b, one + a * a, other + b * b)
    });
    let correlation = both / f64::sqrt(one * other);
    let t = correlation * ((n as f64 - 2.0) / (1.0 - correlation * correlation)).sqrt();
    t >= SHARED_ABOVE
}

/// The chance of pairs whose differences lie as far from zero, by Student's test: for so few pairs that ranks can't tell.
///
/// Partners that are alike can change places, so their differences are as often above zero as below, and for such the test errs to the safe
/// side if a few are wild (Efron, "Student's t-test under symmetry conditions", 1969). If all are equal it knows no limit; then it is that of
/// the ranks without partners, which is above 2 / 4ⁿ, the most that alike partners of any distribution reach.
pub fn few_pairs_p(base: &[f64], candidate: &[f64]) -> f64 {
    let differences = sorted(&differences(base, candidate));
    let n = differences.len();
    if n < 2 || differences.iter().all(|one| *one == 0.0) {
        return 1.0;
    }
    let (mean, variance) = mean_and_variance(&differences);
    let p = student_p(n - 1, mean / (variance / n as f64).sqrt());
    p.max(smallest_p(n, Some(n)))
}

const SHARED_ABOVE: f64 = 2.4;

#[cfg(test)]
mod tests {
    use super::super::simulated::Noise;
    use super::*;

    #[test]
    fn noise_of_both_is_seen_and_that_of_one_is_not() {
        let mut noise = Noise::new(12);
        let (mut alone, mut shared) = (0, 0);
        for _ in 0..300 {
            let machine: Vec<f64> = (0..8).map(|_| noise.skewed(0.2)).collect();
            let mut arm = |factor: f64| -> Vec<f64> {
                machine
                    .iter()
                    .map(|machine| machine * factor * noise.skewed(0.02))
                    .collect()
            };
            let (base, candidate) = (arm(1.0), arm(1.1));
            shared += u32::from(share_noise(&base, &candidate));
            let apart: Vec<f64> = (0..8).map(|_| noise.skewed(0.2)).collect();
            alone += u32::from(share_noise(&base, &apart));
        }
        // 2.9 % of 300 are 9.
        assert!(shared >= 295 && alone <= 18, "{shared} {alone}");
        assert!(!share_noise(&[1.0; 9], &[2.0; 9]) && !share_noise(&[], &[]));
    }

    #[test]
    fn students_example_and_limits() {
        // "The probable error of a mean", 1908: additional hours of sleep of ten patients, t = 4.06, p = 0.0028.
        let first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
        let second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
        assert!((few_pairs_p(&first, &second) - 0.002_833).abs() < 1e-6);
        let p = few_pairs_p(&[1.0; 6], &[2.0; 6]);
        assert!((p - 2.0 / 924.0).abs() < 1e-12, "{p}");
        assert!(few_pairs_p(&[1.0; 6], &[1.0; 6]) >= 1.0);
    }
}
