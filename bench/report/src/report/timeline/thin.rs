//! Fewer points that look the same: of each column of the picture the first, the lowest, the highest and the last.

use crate::report::model::Range;

/// The points within the range; of steps also the value that holds at its beginning.
pub(super) fn cut(points: &[(f64, f64)], range: Range, steps: bool) -> Vec<(f64, f64)> {
    let mut points = points.to_vec();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let from = points.partition_point(|point| point.0 < range.low);
    let to = points.partition_point(|point| point.0 <= range.high);
    let mut kept = points[from..to].to_vec();
    if steps && from > 0 && !kept.is_empty() {
        kept.insert(0, (range.low, points[from - 1].1));
    }
    kept
}

/// At most four points for each of `columns`, in the order of time.
pub(super) fn thin(points: &[(f64, f64)], range: Range, columns: usize) -> Vec<(f64, f64)> {
    if points.len() <= columns * 2 {
        return points.to_vec();
    }
    let width = (range.high - range.low) / columns as f64;
    let column = |at: f64| ((at - range.low) / width) as usize;
    let mut thinned = Vec::new();
    for group in points.chunk_by(|a, b| column(a.0) == column(b.0)) {
        let place = |order: fn(&f64, &f64) -> std::cmp::Ordering| {
            (0..group.len()).max_by(|a, b| order(&group[*a].1, &group[*b].1))
        };
        let lowest = place(|a, b| b.total_cmp(a));
        let highest = place(f64::total_cmp);
        let mut kept: Vec<usize> = [Some(0), lowest, highest, Some(group.len() - 1)]
            .into_iter()
            .flatten()
            .collect();
        kept.sort_unstable();
        kept.dedup();
        thinned.extend(kept.into_iter().map(|index| group[index]));
    }
    thinned
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RANGE: Range = Range {
        low: 0.0,
        high: 1000.0,
    };

    #[test]
    fn a_step_that_began_before_the_picture_is_drawn_from_its_edge() {
        let points = [(-50.0, 3.0), (10.0, 4.0), (2000.0, 5.0)];
        assert_eq!(cut(&points, RANGE, true), [(0.0, 3.0), (10.0, 4.0)]);
        assert_eq!(cut(&points, RANGE, false), [(10.0, 4.0)]);
    }

    proptest! {
        // The picture's extremes are what a reader must not lose.
        #[test]
        fn thinning_keeps_extremes_and_order(values in proptest::collection::vec(-1e6f64..1e6, 1..2000)) {
            let step = 1000.0 / values.len() as f64;
            let points: Vec<(f64, f64)> = values.iter().enumerate().map(|(i, v)| (i as f64 * step, *v)).collect();
            let thinned = thin(&points, RANGE, 20);
            prop_assert!(thinned.len() <= 84);
            let high = |points: &[(f64, f64)]| points.iter().map(|p| p.1).max_by(f64::total_cmp);
            let low = |points: &[(f64, f64)]| points.iter().map(|p| p.1).min_by(f64::total_cmp);
            prop_assert_eq!(high(&thinned), high(&points));
            prop_assert_eq!(low(&thinned), low(&points));
            prop_assert!(thinned.is_sorted_by(|a, b| a.0 <= b.0));
            prop_assert_eq!(thinned.first(), points.first());
            prop_assert_eq!(thinned.last(), points.last());
        }
    }
}
