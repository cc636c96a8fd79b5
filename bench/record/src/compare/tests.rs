//! Comparisons of records whose differences are known.

use std::collections::BTreeMap;

use super::example::{all, hostile, migrations, of_programs, record};
use super::*;
use crate::record::{Integrity, Outcome, Repeat, ScenarioText};
use crate::statistics::simulated::Noise;

fn verdicts(comparison: &Comparison) -> BTreeMap<&str, Option<Verdict>> {
    let metrics = comparison.cells.iter().flat_map(|cell| &cell.metrics);
    metrics
        .map(|metric| (metric.id.as_str(), metric.verdict))
        .collect()
}

#[test]
fn each_metric_is_judged_in_its_own_direction() {
    let base = record("base", &["tcp"], 10, migrations(1, 1.0));
    for (factor, total, throughput) in [
        (1.2, Verdict::Worse, Verdict::Worse),
        (0.8, Verdict::Better, Verdict::Better),
        (1.0, Verdict::Same, Verdict::Same),
    ] {
        let candidate = record("candidate", &["tcp"], 10, migrations(2, factor));
        let comparison = compare(all(&base), all(&candidate), &Options::default()).unwrap();
        let expected = BTreeMap::from([
            ("total_time_ms", Some(total)),
            ("throughput_bps", Some(throughput)),
            ("wire_bytes", Some(Verdict::Same)),
            ("iterations", None),
            ("retransmits", Some(Verdict::Same)),
        ]);
        assert_eq!(verdicts(&comparison), expected, "× {factor}");
        let order: Vec<&str> = comparison.cells[0]
            .metrics
            .iter()
            .map(|metric| metric.id.as_str())
            .collect();
        assert_eq!(
            order,
            [
                "wire_bytes",
                "total_time_ms",
                "throughput_bps",
                "retransmits",
                "iterations"
            ]
        );
        assert_eq!(comparison.cells[0].questions, 4);
    }
}

/// How many of 200 pairs of runs were called different in anything.
fn called(repeats: u32, factor: f64) -> usize {
    let is_called = |seed: &u64| {
        let base = record("base", &["tcp"], repeats, migrations(2 * seed, 1.0));
        let candidate = record(
            "candidate",
            &["tcp"],
            repeats,
            migrations(2 * seed + 1, factor),
        );
        let comparison = compare(all(&base), all(&candidate), &Options::default()).unwrap();
        let mut verdicts = verdicts(&comparison).into_values();
        verdicts.any(|verdict| matches!(verdict, Some(Verdict::Better | Verdict::Worse)))
    };
    (0..200).filter(is_called).count()
}

// The bars: false alarms in at most 1 % of comparisons, whatever the number of metrics, and power 0.8 at 10 % with 16 repeats. 7 of 200 are
// more than three standard errors above 1 %.
#[test]
fn the_same_run_twice_is_rarely_different_and_a_tenth_is_found() {
    for repeats in [6, 8, 16] {
        let false_alarms = called(repeats, 1.0);
        assert!(false_alarms < 7, "{false_alarms} with {repeats} repeats");
    }
    let found = called(16, 1.1);
    assert!(found >= 160, "{found} of 200");
}

#[test]
fn few_repeats_say_what_they_lack() {
    let base = record("base", &["tcp"], 3, migrations(1, 1.0));
    let candidate = record("candidate", &["tcp"], 3, migrations(2, 2.0));
    let comparison = compare(all(&base), all(&candidate), &Options::default()).unwrap();
    assert_eq!(
        verdicts(&comparison)["total_time_ms"],
        Some(Verdict::CantTell)
    );
    let note = &comparison.cells[0].notes[1];
    assert!(
        note.starts_with("3 completed repeats can't tell") && note.contains("6 of each"),
        "{note}"
    );
}

#[test]
fn cells_are_matched_by_what_was_not_chosen() {
    let base = record("base", &["tcp", "tls", "quic"], 6, migrations(1, 1.0));
    let candidate = record("candidate", &["quic", "tcp", "ssh"], 6, migrations(2, 1.0));
    let comparison = compare(all(&base), all(&candidate), &Options::default()).unwrap();
    let pairs: Vec<(&str, &str)> = comparison
        .cells
        .iter()
        .map(|cell| (cell.base.as_str(), cell.candidate.as_str()))
        .collect();
    let (tcp, quic) = ("carrier=tcp,policy=static", "carrier=quic,policy=static");
    assert_eq!(pairs, [(tcp, tcp), (quic, quic)]);
    assert_eq!(comparison.only_base, ["carrier=tls,policy=static"]);
    assert_eq!(comparison.only_candidate, ["carrier=ssh,policy=static"]);

    let (left, right) = (Choice::cells("carrier=tcp"), Choice::cells("carrier=quic"));
    let sides = |left: &Choice, right: &Choice| {
        let one = Side {
            record: &base,
            choice: left,
        };
        compare(
            one,
            Side {
                record: &base,
                choice: right,
            },
            &Options::default(),
        )
    };
    let one = sides(&left, &right).unwrap();
    assert_eq!(
        (one.cells[0].base.as_str(), one.cells[0].candidate.as_str()),
        (tcp, quic)
    );
    let error = sides(&left, &Choice::cells("carrier=quik")).unwrap_err();
    assert!(matches!(error, SelectError::NoCell { .. }), "{error}");
    // Three cells differ in nothing that was not chosen.
    let error = sides(&left, &Choice::cells("policy=static")).unwrap_err();
    assert!(
        matches!(
            error,
            SelectError::Ambiguous { .. } | SelectError::NothingInCommon { .. }
        ),
        "{error}"
    );
}

#[test]
fn cells_of_one_run_that_took_turns_are_paired() {
    let mut noise = Noise::new(3);
    // The machine slows down by a factor of eight during the run; the second cell is 5 % slower.
    let mut count = 0;
    let run = record("run", &["tcp", "tls"], 14, |cell| {
        count += 1;
        let machine = 2_f64.powf(f64::from(count / 2) / 5.0);
        let value = 1000.0 * machine * [1.0, 1.05][cell] * noise.skewed(0.002);
        vec![("total_time_ms", value)]
    });
    let (left, right) = (Choice::cells("carrier=tcp"), Choice::cells("carrier=tls"));
    let compared = |run: &Record| {
        let one = Side {
            record: run,
            choice: &left,
        };
        let other = Side {
            record: run,
            choice: &right,
        };
        compare(one, other, &Options::default()).unwrap()
    };
    let seen = compared(&run);
    assert_eq!(seen.cells[0].pairing, Pairing::Pairs);
    assert_eq!(seen.cells[0].metrics[0].effect.unwrap().pairs, 14);

    let mut sequential = run.clone();
    for repeat in &mut sequential.cells[1].repeats {
        repeat.started_ms += 1e6;
    }
    let seen = compared(&sequential);
    assert_eq!(seen.cells[0].pairing, Pairing::Independent);
    assert!(
        seen.cells[0].notes[0].contains("take turns"),
        "{:?}",
        seen.cells[0].notes
    );
}

#[test]
fn endings_come_before_figures() {
    let base = record("base", &["tcp"], 8, migrations(1, 1.0));
    let mut candidate = record("candidate", &["tcp"], 1, migrations(2, 1.0));
    for repeat in 2..=8 {
        let lost = Repeat::unfinished(repeat, 0.0, Outcome::DidNotConverge, "too slow");
        candidate.push(0, lost);
    }
    let comparison = compare(all(&base), all(&candidate), &Options::default()).unwrap();
    let outcomes = &comparison.cells[0].outcomes;
    assert_eq!(outcomes.verdict, Verdict::Worse);
    assert_eq!(outcomes.candidate[&Outcome::DidNotConverge], 7);

    let mut damaged = record("damaged", &["tcp"], 8, migrations(3, 1.0));
    damaged.cells[0].repeats[0].integrity = Some(Integrity {
        memory_intact: Some(false),
        running_on: "destination".to_owned(),
        pages_checked: 1,
        signs_of_life: None,
    });
    let comparison = compare(all(&base), all(&damaged), &Options::default()).unwrap();
    assert_eq!(comparison.cells[0].outcomes.verdict, Verdict::Worse);
}

#[test]
fn a_noisy_base_hides_what_is_smaller_than_its_noise() {
    let base = record("base", &["tcp"], 12, migrations(1, 1.0));
    let again = record("again", &["tcp"], 12, migrations(4, 1.15));
    let candidate = record("candidate", &["tcp"], 12, migrations(2, 1.1));
    let judged = |noise: &[Record]| {
        let options = Options {
            noise,
            metrics: &[],
        };
        let comparison = compare(all(&base), all(&candidate), &options).unwrap();
        verdicts(&comparison)["total_time_ms"]
    };
    assert_eq!(judged(&[]), Some(Verdict::Worse));
    assert_eq!(judged(&[again]), Some(Verdict::CantTell));
    // Five runs that hardly differ leave it standing.
    let alike: Vec<Record> = (5..9)
        .map(|seed| record(&format!("alike{seed}"), &["tcp"], 12, migrations(seed, 1.0)))
        .collect();
    assert_eq!(judged(&alike), Some(Verdict::Worse));
}

#[test]
fn runs_that_did_not_take_turns_say_what_is_assumed() {
    let [base, candidate, again] = [1, 2, 3].map(|seed| {
        record(
            &format!("run{seed}"),
            &["tcp", "tls"],
            12,
            migrations(seed, 1.2),
        )
    });
    let compared = |noise: &[Record]| {
        let options = Options {
            noise,
            metrics: &[],
        };
        compare(all(&base), all(&candidate), &options).unwrap()
    };
    let alone = compared(&[]);
    assert!(!alone.cells[0].interleaved);
    assert!(
        alone.cells[0].notes[0].contains("is assumed, not measured"),
        "{:?}",
        alone.cells[0].notes
    );
    let two = compared(std::slice::from_ref(&again));
    assert!(
        two.cells[0].notes[0].contains("from two only"),
        "{:?}",
        two.cells[0].notes
    );
    assert_eq!(compared(&[again.clone(), again]).cells[0].notes, [""; 0]);
    let (left, right) = (Choice::cells("carrier=tcp"), Choice::cells("carrier=tls"));
    let sides = [&left, &right].map(|choice| Side {
        record: &base,
        choice,
    });
    let turns = compare(sides[0], sides[1], &Options::default()).unwrap();
    assert!(turns.cells[0].interleaved);
    assert_eq!(turns.cells[0].notes, [""; 0]);
}

#[test]
fn one_zero_makes_half_a_percent_no_difference() {
    let with_zero = |name: &str, factor: f64| {
        let mut at = 0;
        record(name, &["tcp"], 16, |_| {
            at += 1;
            let value = if at == 5 {
                0.0
            } else {
                1000.0 + f64::from(at) / 100.0
            };
            vec![
                ("blackout_ms", value * factor),
                ("stalls", if factor > 1.1 { f64::from(at) } else { 0.0 }),
            ]
        })
    };
    let base = with_zero("base", 1.0);
    for (factor, blackout, stalls) in [
        (1.005, Verdict::Same, Verdict::Same),
        (1.2, Verdict::Worse, Verdict::Worse),
    ] {
        let candidate = with_zero("candidate", factor);
        let comparison = compare(all(&base), all(&candidate), &Options::default()).unwrap();
        let expected = [("blackout_ms", Some(blackout)), ("stalls", Some(stalls))];
        assert_eq!(
            verdicts(&comparison),
            BTreeMap::from(expected),
            "× {factor}"
        );
        let stalls = &comparison.cells[0].metrics[1];
        assert!(stalls.effect.is_none() && stalls.difference.is_some());
    }
}

#[test]
fn what_differs_around_is_named() {
    let base = record("base", &["tcp"], 3, migrations(1, 1.0));
    let mut candidate = base.clone();
    assert_eq!(environment::differences(&base, &candidate), []);
    candidate.environment.qemu = "10.1.0".to_owned();
    candidate.environment.hosts.remove("destination");
    candidate.seed = 8;
    let named: Vec<String> = environment::differences(&base, &candidate)
        .into_iter()
        .map(|difference| difference.what)
        .collect();
    assert_eq!(named, ["QEMU", "seed", "name of the destination"]);
}

#[test]
fn programs_that_took_turns_are_named_by_side() {
    let run = of_programs();
    let sides = ["base", "candidate"].map(|name| Choice::cells(format!("variant={name}")));
    let [base, candidate] = [0, 1].map(|index: usize| Side {
        record: &run,
        choice: &sides[index],
    });
    let comparison = compare(base, candidate, &Options::default()).unwrap();
    assert_eq!(comparison.environment, []);
    let named = |label: &Label| label.programs.clone();
    let expected = |version: &str| Some(format!("QEMU {version} (/opt/qemu, SHA-256 00ff)"));
    assert_eq!(named(&comparison.base), expected("9.2.0"));
    assert_eq!(named(&comparison.candidate), expected("10.1.0"));
    assert_eq!(comparison.cells[0].pairing, Pairing::Pairs);
}

#[test]
fn what_was_asked_differently_is_named() {
    let asked = |texts: [&str; 2]| {
        let [base, candidate] = texts.map(|text| {
            let mut record = record("asked", &["tcp"], 1, migrations(1, 1.0));
            record.scenario = ScenarioText::new("asked", text);
            record
        });
        let differences = environment::differences(&base, &candidate).into_iter();
        let lines =
            differences.map(|of| format!("{}: {}, then {}", of.what, of.base, of.candidate));
        lines.collect::<Vec<_>>()
    };
    let one = "[migration]\nlimit = 300\nmode = \"a\"\n";
    assert_eq!(
        asked([
            one,
            "[migration]\nlimit = 285\nmode = \"a\"\n[guest]\ncpus = 2\n"
        ]),
        [
            "setting `guest.cpus`: not said, then 2",
            "setting `migration.limit`: 300, then 285"
        ]
    );
    // A comment is no setting, what can't be read has none, and of very many the names say nothing.
    let many: Vec<String> = (0..40).map(|number| format!("a{number} = 1")).collect();
    let many = many.join("\n");
    for other in [&format!("# why\n{one}"), "= no TOML =", &many] {
        let lines = asked([one, other]);
        assert_eq!(lines.len(), 1, "{other}");
        assert!(
            lines[0].starts_with("scenario's text, SHA-256: "),
            "{lines:?}"
        );
    }
}

#[test]
fn hostile_numbers_do_no_harm() {
    let candidate = hostile();
    let base = record("base", &["tcp"], 12, migrations(1, 1.0));
    for (one, other) in [
        (&base, &candidate),
        (&candidate, &base),
        (&candidate, &candidate),
    ] {
        let comparison = compare(all(one), all(other), &Options::default()).unwrap();
        let json = serde_json::to_string(&comparison).unwrap();
        assert!(!json.contains("\"low\":null"), "{json}");
    }
}
