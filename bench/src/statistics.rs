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
//!   where both were measured side by side (Bulej et al., "Duet benchmarking", 2020).
//! - What of it is called a difference says the one rule in [`crate::judge`].

mod bootstrap;
mod change;
mod distribution;
mod effect;
mod location;
mod many;
mod rank;
#[cfg(test)]
pub(crate) mod simulated;

pub use bootstrap::median_interval;
pub use change::{ChangePoint, change_points};
pub use effect::{Effect, Pairing, effect};
pub use location::{mad, median, outliers};
pub use many::holm;
pub use rank::{paired_p, smallest_p, unpaired_p};

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
