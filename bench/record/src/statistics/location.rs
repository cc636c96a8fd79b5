//! Where values lie and how far they scatter, in ways that a few wild ones can't move.

use super::sorted;

/// The median; `None` without values.
pub fn median(values: &[f64]) -> Option<f64> {
    median_of_sorted(&sorted(values))
}

/// The median of sorted finite values.
pub(super) fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some(middle(sorted[sorted.len() / 2 - 1], upper))
}

/// Half-way between two values.
pub(super) fn middle(a: f64, b: f64) -> f64 {
    if a.total_cmp(&b).is_eq() {
        // The halves of numbers next to zero round away.
        return a;
    }
    // Halved before the sum, which could otherwise overflow.
    a / 2.0 + b / 2.0
}

/// Median absolute deviation from the median, as it is: for normal values times 1.4826 it estimates their standard deviation.
pub fn mad(values: &[f64]) -> Option<f64> {
    let values = sorted(values);
    let center = median_of_sorted(&values)?;
    median(&deviations(&values, center))
}

/// Which values are outliers: those whose modified z-score is above 3.5 (Iglewicz and Hoaglin, "How to detect and handle outliers", 1993).
///
/// A value that is no finite number is always one. Where more than half of all values are equal the median deviation is zero, and the mean
/// one takes its place, as the same authors say.
pub fn outliers(values: &[f64]) -> Vec<bool> {
    let finite = sorted(values);
    let Some(center) = median_of_sorted(&finite) else {
        return vec![true; values.len()];
    };
    let deviations = deviations(&finite, center);
    let scale = match median(&deviations) {
        Some(median) if median > 0.0 => median * MAD_TO_SD,
        _ => {
            let count = deviations.len() as f64;
            deviations.iter().map(|one| one / count).sum::<f64>() * MEAN_DEVIATION_TO_SD
        }
    };
    let is_outlier = |value: &f64| {
        !value.is_finite() || scale > 0.0 && distance(*value, center) / scale > Z_SCORE_MAX
    };
    values.iter().map(is_outlier).collect()
}

fn deviations(values: &[f64], center: f64) -> Vec<f64> {
    values
        .iter()
        .map(|value| distance(*value, center))
        .collect()
}

/// Finite, also between the ends of what a double holds.
fn distance(a: f64, b: f64) -> f64 {
    (a - b).abs().min(f64::MAX)
}

/// 1 / Φ⁻¹(0.75).
const MAD_TO_SD: f64 = 1.482_602_218_505_602;
/// √(π/2).
const MEAN_DEVIATION_TO_SD: f64 = 1.253_314_137_315_5;
const Z_SCORE_MAX: f64 = 3.5;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn medians_and_deviations_of_known_values() {
        for (values, median_of, mad_of) in [
            (&[][..], None, None),
            (&[f64::NAN, f64::INFINITY], None, None),
            (&[3.0], Some(3.0), Some(0.0)),
            (&[4.0, 1.0, f64::NAN, 3.0, 2.0], Some(2.5), Some(1.0)),
            // The example of the article on MAD in Wikipedia.
            (&[1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 9.0], Some(2.0), Some(1.0)),
        ] {
            assert_eq!(
                (median(values), mad(values)),
                (median_of, mad_of),
                "{values:?}"
            );
        }
    }

    #[test]
    fn outliers_are_labelled_and_none_else() {
        // Iglewicz and Hoaglin's own kind of example: one reading in a wrong unit.
        let values = [2.1, 2.6, 2.4, 2.5, 2.3, 2.1, 2.3, 2.6, 8.2, 8.3];
        let labelled: Vec<f64> = values
            .iter()
            .zip(outliers(&values))
            .filter_map(|(value, label)| label.then_some(*value))
            .collect();
        assert_eq!(labelled, [8.2, 8.3]);
        assert_eq!(outliers(&[5.0; 4]), [false; 4]);
        assert_eq!(outliers(&[5.0, 5.0, f64::NAN]), [false, false, true]);
        let mut mostly_equal = vec![5.0; 19];
        mostly_equal.push(5.1);
        assert_eq!(
            outliers(&mostly_equal)
                .iter()
                .filter(|label| **label)
                .count(),
            1
        );
    }

    proptest! {
        #[test]
        fn nothing_panics(values in proptest::collection::vec(any::<f64>(), 0..30)) {
            prop_assert_eq!(outliers(&values).len(), values.len());
            let _ = mad(&values);
            if let Some(median) = median(&values) {
                prop_assert!(median.is_finite());
            }
        }

        #[test]
        fn a_scale_changes_no_label(values in proptest::collection::vec(0.1f64..1e6, 1..30), power in -8i32..8) {
            let scaled: Vec<f64> = values.iter().map(|value| value * 2f64.powi(power)).collect();
            prop_assert_eq!(outliers(&values), outliers(&scaled));
            prop_assert_eq!(median(&values).map(|median| median * 2f64.powi(power)), median(&scaled));
        }
    }
}
