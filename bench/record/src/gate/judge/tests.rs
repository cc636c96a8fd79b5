//! Runs of every kind, and what is said of them.

mod itself;

use std::collections::BTreeMap;

use super::*;
use crate::gate::Rule;
use crate::record::{Integrity, Repeat, example};

/// A run of two cells whose downtimes are these; half of it is their blackout.
fn run(values: &[f64]) -> Record {
    let mut record = example::empty("gated", values.len() as u32, 2);
    for cell in 0..2 {
        for (repeat, value) in (1..).zip(values) {
            let metrics = [("downtime_ms", *value), ("throughput_bps", 1e11 / value)];
            let metrics = metrics.map(|(id, value)| (id.to_owned(), value));
            let repeat = Repeat {
                integrity: Some(Integrity {
                    memory_intact: Some(true),
                    running_on: "destination".to_owned(),
                    pages_checked: 1,
                    signs_of_life: None,
                }),
                ..Repeat::completed(repeat, 0.0, BTreeMap::from(metrics))
            };
            record.push(cell, repeat);
        }
    }
    record
}

fn scaled(values: &[f64], factor: f64) -> Vec<f64> {
    values.iter().map(|value| value * factor).collect()
}

fn rules(asked: &[(&str, &str)]) -> Rules {
    let mut set = RuleSet::default();
    for (name, text) in asked {
        set.add(name, text).unwrap();
    }
    let mut rules = Rules::default();
    rules.push(Selector::default(), set);
    rules
}

fn judged(record: &Record, baseline: Option<&Record>, asked: &[(&str, &str)]) -> Report {
    let baseline = baseline.map(|record| Baseline::of(record, &[]).unwrap());
    judge(&Ask {
        record,
        rules: &rules(asked),
        baseline: baseline.as_ref(),
        only: &[],
    })
}

/// The checks of the first cell that have this subject.
fn of(report: &Report, subject: Subject) -> Vec<Verdict> {
    let cell = "carrier=native-tcp,policy=static";
    let checks = report.checks.iter();
    checks
        .filter(|check| check.subject == subject && (check.cell == cell || check.cell.is_empty()))
        .map(|check| check.verdict)
        .collect()
}

const STEADY: [f64; 8] = [99.0, 101.0, 100.0, 98.0, 102.0, 100.5, 99.5, 100.2];
const DOWNTIME: Subject = Subject::Change("downtime_ms");
const SPEED: Subject = Subject::Change("throughput_bps");

#[test]
fn each_metric_is_judged_in_its_own_direction() {
    let both = &[("downtime_ms", "+10 %"), ("throughput_bps", "-10 %")];
    for (factor, wanted) in [
        (1.0, Verdict::Pass),
        (1.05, Verdict::Pass),
        (1.3, Verdict::Regressed),
        (0.7, Verdict::Improved),
    ] {
        let report = judged(&run(&scaled(&STEADY, factor)), Some(&run(&STEADY)), both);
        assert_eq!(of(&report, DOWNTIME), [wanted], "{factor} {report:#?}");
        assert_eq!(of(&report, SPEED), [wanted], "{factor}");
        assert_eq!(report.verdict(), wanted);
    }
}

#[test]
fn figures_that_do_not_tell_are_inconclusive() {
    let wild = [60.0, 140.0, 100.0, 70.0, 130.0, 101.0, 90.0, 115.0];
    let asked = &[("downtime_ms", "+10 %")];
    let report = judged(&run(&scaled(&wild, 1.08)), Some(&run(&wild)), asked);
    assert_eq!(of(&report, DOWNTIME), [Verdict::Inconclusive]);
    // Two repeats have no interval.
    let few = judged(&run(&[200.0, 210.0]), Some(&run(&STEADY)), asked);
    assert_eq!(of(&few, DOWNTIME), [Verdict::Inconclusive]);
    // Three are never surely different, however far apart.
    let three = judged(
        &run(&[900.0, 910.0, 920.0]),
        Some(&run(&[100.0, 101.0, 99.0])),
        asked,
    );
    assert_eq!(of(&three, DOWNTIME), [Verdict::Inconclusive]);
    assert!(
        three
            .checks
            .iter()
            .any(|check| check.reason.contains("chance"))
    );
}

#[test]
fn zeros_are_compared_by_their_difference() {
    let zero = run(&[0.0; 5]);
    let asked = &[("downtime_ms", "+10 %")];
    let same = judged(&zero, Some(&zero), asked);
    assert_eq!(of(&same, DOWNTIME), [Verdict::Pass]);
    let other = judged(&run(&STEADY), Some(&zero), asked);
    assert_eq!(of(&other, DOWNTIME), [Verdict::Regressed]);
}

#[test]
fn without_a_baseline_limits_are_judged() {
    let asked = &[
        ("downtime_ms", "+10 %, <= 150 ms"),
        ("throughput_bps", ">= 2 Gbit/s"),
    ];
    let report = judged(&run(&STEADY), None, asked);
    assert_eq!(of(&report, DOWNTIME), []);
    assert_eq!(of(&report, Subject::Limit("downtime_ms")), [Verdict::Pass]);
    let missed = Subject::Limit("throughput_bps");
    assert_eq!(of(&report, missed), [Verdict::Regressed]);
    assert_eq!(report.baseline, None);
    // Nothing asked: memory and outcomes, and a note.
    let nothing = judged(&run(&STEADY), None, &[]);
    assert_eq!(nothing.verdict(), Verdict::Pass);
    assert_eq!(nothing.notes.len(), 1);
}

#[test]
fn a_baseline_alone_judges_what_matters_most() {
    let report = judged(&run(&scaled(&STEADY, 2.0)), Some(&run(&STEADY)), &[]);
    assert_eq!(of(&report, DOWNTIME), [Verdict::Regressed]);
    assert!(report.notes[0].contains("downtime_ms"));
}

#[test]
fn what_neither_side_has_is_not_asked_by_itself() {
    // As an imported one, it has no blackout.
    let imported = run(&STEADY);
    let report = judged(&imported, Some(&imported), &[]);
    assert_eq!(of(&report, Subject::Missing("blackout_ms")), []);
    assert!(!report.notes[0].contains("blackout_ms"), "{report:#?}");
    assert_eq!(report.verdict(), Verdict::Pass, "{report:#?}");
}

#[test]
fn what_was_lost_regresses_whatever_the_figures() {
    for (memory_intact, running_on) in [
        (Some(false), "destination"),
        (Some(true), "both"),
        (None, "none"),
    ] {
        let mut record = run(&STEADY);
        record.cells[0].repeats[3].integrity = Some(Integrity {
            memory_intact,
            running_on: running_on.to_owned(),
            pages_checked: 1,
            signs_of_life: None,
        });
        let report = judged(&record, None, &[("failed", "all")]);
        assert_eq!(of(&report, Subject::Memory), [Verdict::Regressed]);
        assert_eq!(report.verdict(), Verdict::Regressed);
        // And nobody may be measured by it.
        assert!(Baseline::of(&record, &[]).is_err());
    }
}

/// The first cell's repeats with these outcomes.
fn ending(outcomes: &[Outcome]) -> Record {
    let values: Vec<f64> = STEADY.into_iter().cycle().take(outcomes.len()).collect();
    let mut record = run(&values);
    for (repeat, outcome) in (1..).zip(outcomes) {
        if *outcome != Outcome::Completed {
            record.push(0, Repeat::unfinished(repeat, 0.0, *outcome, "because"));
        }
    }
    record
}

/// In the baseline, in the run, the outcome that is judged, and how.
type Case = (
    &'static [Outcome],
    &'static [Outcome],
    Outcome,
    Option<Verdict>,
);

/// Sixteen, of which so many did not converge.
const fn stalling(number: usize) -> [Outcome; 16] {
    let mut outcomes = [Outcome::Completed; 16];
    let mut index = 0;
    while index < number {
        outcomes[index] = Outcome::DidNotConverge;
        index += 1;
    }
    outcomes
}

#[test]
fn how_migrations_end_has_a_verdict() {
    use Outcome::{Cancelled, Completed, DidNotConverge, Failed, Skipped};
    use Verdict::{Improved, Inconclusive, Pass, Regressed};
    const WELL: [Outcome; 5] = [Completed; 5];
    const RARELY: [Outcome; 16] = stalling(1);
    const OFTEN: [Outcome; 16] = stalling(7);
    const MOSTLY: [Outcome; 16] = stalling(12);
    let cases: [Case; 19] = [
        // 1 of 16 and then 7 (p 0.04): nobody knows, and nothing may be passed over.
        (&RARELY, &OFTEN, DidNotConverge, Some(Inconclusive)),
        (&RARELY, &MOSTLY, DidNotConverge, Some(Regressed)),
        (&OFTEN, &RARELY, DidNotConverge, Some(Pass)),
        (&MOSTLY, &RARELY, DidNotConverge, Some(Improved)),
        (&OFTEN, &OFTEN, DidNotConverge, Some(Pass)),
        (
            &[Failed, Completed, Completed, Completed],
            &[Failed, Failed, Completed, Completed],
            Failed,
            Some(Inconclusive),
        ),
        (
            &[Skipped, Completed, Completed],
            &[Skipped, Skipped, Completed],
            Skipped,
            Some(Inconclusive),
        ),
        (
            &[Cancelled, Completed],
            &[Cancelled, Completed],
            Cancelled,
            None,
        ),
        (
            &WELL,
            &[Failed, Completed, Completed, Completed, Completed],
            Failed,
            Some(Regressed),
        ),
        (
            &[Failed, Completed],
            &[Failed, Completed],
            Failed,
            Some(Pass),
        ),
        (&WELL, &[DidNotConverge; 5], DidNotConverge, Some(Regressed)),
        (&WELL, &[DidNotConverge], DidNotConverge, Some(Regressed)),
        (
            &WELL,
            &[DidNotConverge, Completed, Completed],
            DidNotConverge,
            Some(Inconclusive),
        ),
        (
            &[Completed; 8],
            &[
                DidNotConverge,
                DidNotConverge,
                DidNotConverge,
                Completed,
                DidNotConverge,
                DidNotConverge,
                DidNotConverge,
                Completed,
            ],
            DidNotConverge,
            Some(Regressed),
        ),
        (
            &[DidNotConverge; 5],
            &[DidNotConverge; 5],
            DidNotConverge,
            Some(Pass),
        ),
        (&[DidNotConverge; 5], &WELL, Completed, Some(Improved)),
        (
            &WELL,
            &[Cancelled, Completed, Completed],
            Cancelled,
            Some(Inconclusive),
        ),
        (&WELL, &[Skipped], Skipped, Some(Inconclusive)),
        (&[Skipped], &[Skipped], Skipped, None),
    ];
    for (before, now, outcome, wanted) in cases {
        let report = judged(
            &ending(now),
            Some(&ending(before)),
            &[("downtime_ms", "+900 %")],
        );
        let found = of(&report, Subject::Outcome(Some(outcome)));
        assert_eq!(
            found,
            wanted.into_iter().collect::<Vec<_>>(),
            "{before:?} {now:?}"
        );
    }
}

#[test]
fn outcomes_can_be_asked_for() {
    let half = ending(&[Outcome::Completed, Outcome::DidNotConverge]);
    for (rule, wanted) in [
        (("completed", "all"), Verdict::Regressed),
        (("completed", ">= 50 %"), Verdict::Pass),
        (("did-not-converge", "none"), Verdict::Regressed),
        (("did-not-converge", "<= 50 %"), Verdict::Pass),
    ] {
        assert_eq!(judged(&half, None, &[rule]).verdict(), wanted, "{rule:?}");
    }
    // Limits of a cell that never completes are open, unless that is what was asked for.
    let never = ending(&[Outcome::DidNotConverge; 3]);
    let limit = ("downtime_ms", "<= 1 s");
    let report = judged(&never, None, &[limit]);
    assert_eq!(of(&report, Subject::Cell), [Verdict::Inconclusive]);
    let report = judged(&never, None, &[limit, ("did-not-converge", "<= 100 %")]);
    assert_eq!(report.verdict(), Verdict::Pass, "{report:#?}");
}

#[test]
fn those_that_have_a_value_do_not_speak_for_those_that_have_none() {
    let whole = run(&STEADY);
    let mut record = whole.clone();
    for repeat in record.cells[0].repeats.iter_mut().skip(3) {
        repeat.metrics.remove("downtime_ms");
    }
    let limit = [("downtime_ms", "every <= 100 s")];
    let missing = Subject::Missing("downtime_ms");
    for baseline in [None, Some(&whole)] {
        let report = judged(&record, baseline, &limit);
        assert_eq!(of(&report, missing), [Verdict::Inconclusive]);
    }
    // As many as then is no news.
    let report = judged(&record, Some(&record), &limit);
    assert_eq!(of(&report, missing), []);
}

#[test]
fn what_vanished_is_not_passed_over() {
    let asked = &[("downtime_ms", "+10 %")];
    let whole = run(&STEADY);
    let mut record = whole.clone();
    for repeat in &mut record.cells[0].repeats {
        repeat.metrics.remove("downtime_ms");
    }
    let report = judged(&record, Some(&whole), asked);
    let missing = Subject::Missing("downtime_ms");
    assert_eq!(of(&report, missing), [Verdict::Inconclusive]);
    // The other way round the baseline is too old.
    let report = judged(&whole, Some(&record), asked);
    assert_eq!(of(&report, missing), [Verdict::Inconclusive]);
    // What a cell never had, such as a carrier's CPU with QEMU's own sockets, is no news.
    let report = judged(&record, Some(&record), asked);
    assert_eq!(of(&report, missing), []);
    // What no cell has may be a mistake.
    let report = judged(&whole, Some(&whole), &[("handshake_ms", "+10 %")]);
    assert_eq!(
        of(&report, Subject::Missing("handshake_ms")),
        [Verdict::Inconclusive]
    );

    let mut record = whole.clone();
    record.cells.remove(0);
    let report = judged(&record, Some(&whole), asked);
    assert_eq!(of(&report, Subject::Cell), [Verdict::Inconclusive]);
    // And a cell that is new is only noted.
    let report = judged(&whole, Some(&record), asked);
    assert_eq!((report.verdict(), report.notes.len()), (Verdict::Pass, 2));
}

#[test]
fn a_run_that_was_cut_short_is_inconclusive() {
    let mut record = run(&STEADY);
    record.cells[0].repeats.truncate(7);
    record.cells[1].repeats.clear();
    let report = judged(&record, None, &[]);
    assert_eq!(of(&report, Subject::Run), [Verdict::Inconclusive]);
    assert_eq!(report.verdict(), Verdict::Inconclusive);
    record.cells.clear();
    assert_eq!(judged(&record, None, &[]).verdict(), Verdict::Inconclusive);
}

#[test]
fn noise_between_runs_is_no_regression() {
    let (record, kept) = (run(&scaled(&STEADY, 1.2)), run(&STEADY));
    let mut baseline = Baseline::of(&kept, &[]).unwrap();
    let rules = rules(&[("downtime_ms", "+5 %")]);
    let verdict = |baseline: &Baseline| {
        let ask = Ask {
            record: &record,
            rules: &rules,
            baseline: Some(baseline),
            only: &[],
        };
        judge(&ask).verdict()
    };
    assert_eq!(verdict(&baseline), Verdict::Regressed);
    baseline.noise.floor.insert("downtime_ms".to_owned(), 0.25);
    assert_eq!(verdict(&baseline), Verdict::Pass);
    for nonsense in [f64::NAN, -1.0, f64::INFINITY] {
        baseline
            .noise
            .floor
            .insert("downtime_ms".to_owned(), nonsense);
        assert_eq!(verdict(&baseline), Verdict::Regressed);
    }
}

#[test]
fn several_runs_tell_how_much_they_differ() {
    let kept = run(&STEADY);
    let same: Vec<Record> = [1.08, 0.95, 1.03, 0.98]
        .map(|factor| run(&scaled(&STEADY, factor)))
        .into();
    let record = run(&scaled(&STEADY, 1.15));
    let rules = rules(&[("downtime_ms", "+5 %")]);
    let judged = |same: &[Record]| {
        let baseline = Baseline::of(&kept, same).unwrap();
        let read = Baseline::from_json(baseline.to_json().as_bytes(), std::path::Path::new("x"));
        let report = judge(&Ask {
            record: &record,
            rules: &rules,
            baseline: Some(&read.unwrap()),
            only: &[],
        });
        (of(&report, DOWNTIME), report.notes.join(" "))
    };
    let (verdicts, notes) = judged(&[]);
    assert_eq!(verdicts, [Verdict::Regressed]);
    assert!(notes.contains("assumed, not measured"), "{notes}");
    let (verdicts, notes) = judged(&same[..1]);
    assert_eq!(verdicts, [Verdict::Inconclusive]);
    assert!(notes.contains("from 2 only"), "{notes}");
    assert_eq!(judged(&same), (vec![Verdict::Inconclusive], String::new()));
    let alike: Vec<Record> = [1.001, 0.999, 1.0, 1.002]
        .map(|factor| run(&scaled(&STEADY, factor)))
        .into();
    assert_eq!(judged(&alike), (vec![Verdict::Regressed], String::new()));
    // All of their migrations count, too.
    let baseline = Baseline::of(&kept, &same).unwrap();
    let (_, cell) = baseline.cells.first().unwrap();
    assert_eq!(cell.outcomes[&Outcome::Completed], 5 * STEADY.len());
    assert_eq!(cell.metrics["downtime_ms"].runs, [STEADY.len(); 5]);
}

#[test]
fn rules_of_some_cells_hold_there_only() {
    let mut rules = rules(&[("downtime_ms", "+10 %")]);
    let mut loose = RuleSet::default();
    loose.add("downtime_ms", "+50 %").unwrap();
    rules.push("carrier=tcp".into(), loose);
    let (record, kept) = (run(&scaled(&STEADY, 1.3)), run(&STEADY));
    let baseline = Baseline::of(&kept, &[]).unwrap();
    let judged = |only: &[Selector]| {
        judge(&Ask {
            record: &record,
            rules: &rules,
            baseline: Some(&baseline),
            only,
        })
    };
    let report = judged(&[]);
    let verdicts: Vec<Verdict> = report
        .checks
        .iter()
        .filter(|check| check.subject == DOWNTIME)
        .map(|check| check.verdict)
        .collect();
    assert_eq!(verdicts, [Verdict::Regressed, Verdict::Pass]);
    let report = judged(&["carrier=tcp".into()]);
    assert_eq!(report.verdict(), Verdict::Pass);
    assert!(
        report
            .checks
            .iter()
            .all(|check| check.cell.contains("carrier=tcp"))
    );
}

#[test]
fn the_standard_rules_are_rules() {
    for id in STANDARD {
        let metric = metric(id).unwrap();
        assert!(Rule::parse(metric, "+10 %").is_ok(), "{id}");
    }
}
