//! Many questions at once: who asks a hundred finds one difference at p = 0.01 where there is none.

/// The chances adjusted by Holm's method ("A simple sequentially rejective multiple test procedure", 1979), in the order given.
///
/// Comparing them with α keeps the chance of *any* false alarm among them below α, whatever they have to do with each other. A chance that
/// is no number counts as 1.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let chance = |index: usize| if p[index].is_nan() { 1.0 } else { p[index] };
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| chance(*a).total_cmp(&chance(*b)));
    let mut adjusted = vec![1.0; p.len()];
    let mut greatest: f64 = 0.0;
    for (place, index) in order.into_iter().enumerate() {
        greatest = greatest.max((chance(index) * (p.len() - place) as f64).clamp(0.0, 1.0));
        adjusted[index] = greatest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_example_by_hand() {
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (adjusted, expected) in adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((adjusted - expected).abs() < 1e-12);
        }
        assert_eq!(holm(&[]), [0.0; 0]);
        assert_eq!(holm(&[f64::NAN, 0.5]), [1.0, 1.0]);
    }

    proptest! {
        #[test]
        fn never_smaller_and_in_the_same_order(p in proptest::collection::vec(0.0f64..=1.0, 0..30)) {
            let adjusted = holm(&p);
            for (index, one) in p.iter().enumerate() {
                prop_assert!(adjusted[index] >= *one && adjusted[index] <= 1.0);
                for (other_index, other) in p.iter().enumerate() {
                    prop_assert!(one > other || adjusted[index] <= adjusted[other_index]);
                }
            }
        }
    }
}
