//! Whether a series of measurements over time drifts: a slope, of which no one of them is the cause.

use super::distribution::student_p;
use super::median;
use super::rank::doubled_ranks;

/// A slow change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    /// Median of the first third.
    pub from: f64,
    /// Median of the last third.
    pub to: f64,
    /// The chance of a slope as clear in a series that has none.
    pub p: f64,
}

/// The drift of a series, if a straight line through the values' ranks is steeper than chance makes it in 1 of 100. Neighbours that are alike count
/// for fewer than they are: n(1 − r)/(1 + r), with r the correlation of neighbours beside the line (Santer et al., "Statistical significance of
/// trends and trend differences in layer-average atmospheric temperature time series", 2000). Values that are no finite numbers are passed over.
pub fn drift(series: &[f64]) -> Option<Drift> {
    let values: Vec<f64> = series.iter().copied().filter(|v| v.is_finite()).collect();
    if values.len() < VALUES_MIN {
        return None;
    }
    let ranks = doubled_ranks(&values);
    let n = values.len() as f64;
    let middle = (n - 1.0) / 2.0;
    let mean = ranks.iter().map(|rank| *rank as f64).sum::<f64>() / n;
    let off: Vec<(f64, f64)> = (0..)
        .zip(&ranks)
        .map(|(x, rank)| (f64::from(x) - middle, *rank as f64 - mean))
        .collect();
    let spread = n * (n * n - 1.0) / 12.0;
    let slope = off.iter().map(|(x, y)| x * y).sum::<f64>() / spread;
    let beside: Vec<f64> = off.iter().map(|(x, y)| y - slope * x).collect();
    let squares: f64 = beside.iter().map(|off| off * off).sum();
    let products: f64 = beside.windows(2).map(|two| two[0] * two[1]).sum();
    let seen = if squares > 0.0 {
        products / squares
    } else {
        0.0
    };
    // A line that is taken off lowers it by (2 + 4r)/n.
    let r = ((seen + 2.0 / n) / (1.0 - 4.0 / n)).clamp(0.0, CORRELATION_MAX);
    let freedom = n * (1.0 - r) / (1.0 + r) - 2.0;
    if freedom < 2.0 || slope.abs() <= 0.0 {
        return None;
    }
    let error = (squares / freedom / spread).sqrt();
    let p = student_p(freedom as usize, slope / error);
    let third = values.len() / 3;
    let (from, to) = (
        median(&values[..third])?,
        median(&values[values.len() - third..])?,
    );
    (p <= ALPHA).then_some(Drift { from, to, p })
}

/// Of fewer, neighbours do not tell how alike they are.
const VALUES_MIN: usize = 20;
const CORRELATION_MAX: f64 = 0.95;
const ALPHA: f64 = 0.01;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::simulated::Noise;

    fn series(noise: &mut Noise, n: usize, alike: f64, slope: f64) -> Vec<f64> {
        let mut level = 0.0;
        (0..n)
            .map(|at| {
                level = level * alike + noise.skewed(0.02).ln();
                100.0 * (level + slope * at as f64 / n as f64).exp()
            })
            .collect()
    }

    // 1 % of 300 are 3, and neighbours that are half alike make it 2 %: 15 are far beyond.
    #[test]
    fn a_slope_is_found_and_neighbours_that_are_alike_are_none() {
        let mut noise = Noise::new(41);
        for alike in [0.0, 0.5] {
            let found = (0..300)
                .filter(|_| drift(&series(&mut noise, 60, alike, 0.0)).is_some())
                .count();
            assert!(found <= 15, "{alike}: {found} of 300");
        }
        let found = drift(&series(&mut noise, 60, 0.0, 0.12)).unwrap();
        assert!((1.05..1.12).contains(&(found.to / found.from)), "{found:?}");
    }

    #[test]
    fn what_does_not_move_does_not_drift() {
        assert_eq!(drift(&[5.0; 40]), None);
        assert_eq!(drift(&[f64::NAN; 40]), None);
        assert_eq!(drift(&[1.0, 2.0, 3.0]), None);
        let line: Vec<f64> = (0..40).map(f64::from).collect();
        assert!(drift(&line).is_some());
    }
}
