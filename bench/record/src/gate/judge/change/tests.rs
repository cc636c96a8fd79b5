//! Verdicts on effects, without the records they come from.

use proptest::prelude::*;
use rand_pcg::Pcg64Mcg;

use super::*;
use crate::metric::metric;
use crate::statistics::simulated::Noise;
use crate::statistics::{Interval, Levels};

fn judged(id: &str, tolerance: f64, floor: f64, effect: (f64, f64, f64), p: f64) -> Verdict {
    let question = Question {
        metric: metric(id).unwrap(),
        tolerance,
        base: &[],
        run: &[],
        floor: Some(floor),
        between: None,
        lost: None,
    };
    let (low, ratio, high) = effect;
    let effect = Effect {
        ratio,
        interval: Interval { low, high },
        pairs: 0,
        p,
    };
    let measured = Measured::Effect(effect);
    let answer = Answer {
        measured,
        p,
        difference: question.asked().decide(&measured, p),
    };
    verdict(&question, &answer, 1).0
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

// The guide's recipe for CI: eight repeats that scatter by 5 %, and a tolerance of 10 %. 10 % of 1000 are 100.
#[test]
fn most_unchanged_cells_pass() {
    let mut noise = Noise::new(31);
    let is_open = |_: &u32| {
        let mut values = || -> Vec<f64> { (0..8).map(|_| 100.0 * noise.skewed(0.05)).collect() };
        let (base, run) = (values(), values());
        let question = Question {
            metric: metric("blackout_ms").unwrap(),
            tolerance: 0.1,
            base: &base,
            run: &run,
            floor: None,
            between: None,
            lost: None,
        };
        judge("cell", &[question])[0].verdict == Verdict::Inconclusive
    };
    let open = (0..1000).filter(is_open).count();
    assert!(open <= 100, "{open} of 1000");
}

#[test]
fn what_was_zero_is_judged_by_its_difference() {
    let judged = |id: &str, base: &[f64], run: &[f64]| {
        let metric = metric(id).unwrap();
        let question = Question {
            metric,
            tolerance: 0.1,
            base,
            run,
            floor: None,
            between: None,
            lost: None,
        };
        judge("cell", &[question]).remove(0)
    };
    let (none, few) = ([0.0; 8], [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    let many = [3.0, 4.0, 5.0, 3.0, 4.0, 6.0, 2.0, 4.0];
    let wide = [0.0, 0.0, 0.0, 4.0, 0.0, 3.0, 5.0, 6.0];
    for (base, run, wanted) in [
        (none, none, Verdict::Pass),
        (none, few, Verdict::Pass),
        (none, many, Verdict::Regressed),
        (none, wide, Verdict::Inconclusive),
        (few, many, Verdict::Regressed),
        (many, none, Verdict::Improved),
    ] {
        let check = judged("retransmits", &base, &run);
        assert_eq!(check.verdict, wanted, "{base:?} {run:?}: {}", check.reason);
    }
    // Below the clock's step there is nothing.
    assert_eq!(
        judged("downtime_ms", &none, &[1.0; 8]).verdict,
        Verdict::Pass
    );
}

#[test]
fn runs_that_differ_among_themselves_leave_a_change_open() {
    let mut noise = Noise::new(32);
    let mut run = |level: f64| -> Vec<f64> { (0..8).map(|_| level * noise.skewed(0.02)).collect() };
    let levels = [1.0, 1.1, 0.93, 1.04, 0.97];
    let runs: Vec<Vec<f64>> = levels.iter().map(|level| run(*level)).collect();
    let mut known = Levels::default();
    for run in &runs {
        known.add(run, None);
    }
    let (base, slower) = (runs.concat(), run(1.15));
    let judged = |between| {
        let question = Question {
            metric: metric("blackout_ms").unwrap(),
            tolerance: 0.05,
            base: &base,
            run: &slower,
            floor: None,
            between,
            lost: None,
        };
        judge("cell", &[question]).remove(0)
    };
    let blind = judged(None);
    assert_eq!(blind.verdict, Verdict::Regressed);
    assert!(
        blind.reason.ends_with("not interleaved"),
        "{}",
        blind.reason
    );
    let seeing = judged(known.apart(None, false));
    assert_eq!(seeing.verdict, Verdict::Inconclusive);
    assert!(
        seeing.reason.contains("more of them in the baseline"),
        "{}",
        seeing.reason
    );
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
                between: None,
                lost: None,
            };
            judge("cell", &[question])[0].verdict == Verdict::Regressed
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
        let question = Question { metric: metric("downtime_ms").unwrap(), tolerance, base: &base, run: &run, floor: None, between: None, lost: None };
        prop_assert_eq!(judge("cell", &[question]).len(), 1);
    }
}
