//! Statistics of repeated measurements: few values, skewed, with outliers, and asked many questions at once.
//!
//! Pure functions of numbers. What a number means, which way of it is better and what is done about it is known elsewhere. All are
//! deterministic: what is drawn at random is drawn from the seed that the caller gives. Values that are no finite numbers are left out; with
//! too few values left the answer is `None`, and nothing here panics.
//!
//! The choices, and where they come from:
//! - Medians, not means: migration times are skewed and have outliers (CV of downtime 9–60 %). Outliers are labelled, never dropped, as
//!   hyperfine and criterion do.
//! - Two sets are compared by their *ratio* with an interval (Kalibera and Jones, "Rigorous benchmarking in reasonable time", 2013), paired
//!   where both were measured side by side (Bulej et al., "Duet benchmarking", 2020). Estimate, interval and chance are of one family, the
//!   rank tests, see [`shift`]: the ratio is the median of all ratios and not the ratio of the medians.
//! - What of it is called a difference says the one rule in [`crate::judge`].

mod between;
mod bootstrap;
mod change;
mod cut;
mod distribution;
mod drift;
mod effect;
mod location;
mod many;
mod ordered;
mod pairs;
mod rank;
mod shift;
#[cfg(any(test, feature = "example"))]
pub mod simulated;

pub use between::{Between, Levels};
pub use bootstrap::median_interval;
pub use change::{ChangePoint, change_points};
pub use drift::{Drift, drift};
pub use effect::{Effect, Pairing, effect};
pub use location::{mad, median, outliers};
pub use many::holm;
pub use pairs::{few_pairs_p, share_noise};
pub use rank::{paired_p, smallest_p, unpaired_p};
pub use shift::{Shift, shift};

use serde::{Deserialize, Serialize};

/// A range that holds the true value with 95 % confidence, unless another is said.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end; not below the lower one.
    pub high: f64,
}

impl Interval {
    /// Whether the value lies within, ends included.
    pub fn contains(self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// The finite ones, from the smallest to the greatest.
fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values
        .iter()
        .copied()
        .filter(|value| value.is_finite())
        .collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// Mean and variance of values, of which there are at least two.
fn mean_and_variance(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().map(|value| value / n).sum::<f64>();
    let squares = values.iter().map(|value| (value - mean).powi(2));
    (mean, squares.sum::<f64>() / (n - 1.0))
}
