//! Verdicts on effects, without the records they come from.

use proptest::prelude::*;
use rand_pcg::Pcg64Mcg;

use super::*;
use crate::metric::metric;
use crate::statistics::Interval;

fn judged(id: &str, tolerance: f64, floor: f64, effect: (f64, f64, f64), p: f64) -> Verdict {
    let question = Question {
        metric: metric(id).unwrap(),
        tolerance,
        base: &[],
        run: &[],
        floor: Some(floor),
    };
    let (low, ratio, high) = effect;
    let effect = Effect {
        ratio,
        interval: Interval { low, high },
        pairs: 0,
        p,
    };
    verdict(&question, &effect, p, 1).0
}

#[test]
fn the_interval_decides() {
    use Verdict::{Improved, Inconclusive, Pass, Regressed};
    for (effect, p, lower, higher) in [
        ((1.2, 1.3, 1.4), 0.001, Regressed, Improved),
        ((1.05, 1.3, 1.4), 0.001, Inconclusive, Pass),
        ((0.95, 1.02, 1.08), 0.6, Pass, Pass),
        ((0.85, 1.0, 1.2), 0.9, Inconclusive, Inconclusive),
        ((0.6, 0.7, 0.8), 0.001, Improved, Regressed),
        ((0.6, 0.7, 0.8), 0.2, Pass, Inconclusive),
        ((1.2, 1.3, 1.4), 0.2, Inconclusive, Pass),
        // Ends of intervals on the bound itself.
        ((1.1, 1.2, 1.3), 0.001, Inconclusive, Pass),
        ((1.0, 1.05, 1.1), 0.001, Pass, Pass),
    ] {
        assert_eq!(
            judged("downtime_ms", 0.1, 0.01, effect, p),
            lower,
            "{effect:?} {p}"
        );
        assert_eq!(
            judged("throughput_bps", 0.1, 0.01, effect, p),
            higher,
            "{effect:?} {p}"
        );
    }
}

#[test]
fn changes_read_as_people_write_them() {
    for (ratio, text) in [
        (1.0, "±0 %"),
        (1.034, "+3.4 %"),
        (0.5, "-50 %"),
        (1.0004, "±0 %"),
        (2.341, "+134 %"),
        (12.0, "12×"),
        (0.9, "-10 %"),
        (1e300, "1e300×"),
    ] {
        assert_eq!(change(ratio), text);
    }
}

// How often the gate cries at nothing, and how often it sees a fifth: eight repeats on each side that scatter by 5 %.
#[test]
fn false_alarms_are_rare_and_regressions_are_seen() {
    let mut random = Pcg64Mcg::new(11);
    let mut share = || f64::from(random.next_u32()) / f64::from(u32::MAX);
    let mut values = |factor: f64| -> Vec<f64> {
        // The sum of twelve shares is nearly normal with a deviation of 1.
        let mut normal = || (0..12).map(|_| share()).sum::<f64>() - 6.0;
        let value = |_| 100.0 * factor * (0.05 * normal()).exp();
        (0..8).map(value).collect()
    };
    let (mut alarms, mut seen) = (0, 0);
    for _ in 0..100 {
        let base = values(1.0);
        let mut regressed = |factor: f64| {
            let run = values(factor);
            let metric = metric("downtime_ms").unwrap();
            let question = Question {
                metric,
                tolerance: 0.05,
                base: &base,
                run: &run,
                floor: None,
            };
            judge("cell", &[question], 1)[0].verdict == Verdict::Regressed
        };
        alarms += u32::from(regressed(1.0));
        seen += u32::from(regressed(1.2));
    }
    println!("{alarms} false alarms, {seen} seen");
    assert!(alarms <= 1, "{alarms} of 100");
    assert!(seen >= 80, "{seen} of 100");
}

proptest! {
    // Whatever the figures of the same sign, the good direction never regresses, and p or noise never make it worse.
    #[test]
    fn better_never_regresses(ratio in 0.01f64..1.0, spread in 0.0f64..2.0, tolerance in 0.0f64..0.9, floor in 0.0f64..1.0, p in 0.0f64..=1.0) {
        let effect = (ratio * (-spread).exp(), ratio, ratio * spread.exp());
        prop_assert_ne!(judged("downtime_ms", tolerance, floor, effect, p), Verdict::Regressed);
        let mirrored = (1.0 / effect.2, 1.0 / ratio, 1.0 / effect.0);
        prop_assert_ne!(judged("throughput_bps", tolerance, floor, mirrored, p), Verdict::Regressed);
    }

    #[test]
    fn any_values_have_a_verdict(base in proptest::collection::vec(any::<f64>(), 0..12), run in proptest::collection::vec(any::<f64>(), 0..12), tolerance in any::<f64>()) {
        let question = Question { metric: metric("downtime_ms").unwrap(), tolerance, base: &base, run: &run, floor: None };
        prop_assert_eq!(judge("cell", &[question], 1).len(), 1);
    }
}
