//! Answers to made-up runs.

use std::collections::BTreeMap;
use std::time::Duration;

use lmbench_record::record::{Integrity, example};

use super::*;
use crate::report::compare::comparisons;

fn texts(record: Record) -> Vec<(Weight, String)> {
    let sources = [Source::without_samples(record)];
    let comparisons = comparisons(&sources);
    answers(&sources, &comparisons)
        .into_iter()
        .map(|answer| {
            (
                answer.weight,
                format!("{} {}", answer.text, answer.points.join("; "))
                    .trim_end()
                    .to_owned(),
            )
        })
        .collect()
}

fn with_text<'a>(answers: &'a [(Weight, String)], part: &str) -> &'a (Weight, String) {
    let found = answers.iter().find(|(_, text)| text.contains(part));
    found.unwrap_or_else(|| panic!("nobody says {part:?} in {answers:#?}"))
}

#[test]
fn damaged_memory_comes_before_everything() {
    let mut record = example::troubled();
    let integrity = record.cells[0].repeats[0].integrity.as_mut().unwrap();
    integrity.memory_intact = Some(false);
    let answers = texts(record);
    assert_eq!(answers[0].0, Weight::Alarm);
    assert!(
        answers[0]
            .1
            .starts_with("Memory was damaged in 1 migration"),
        "{answers:?}"
    );
}

#[test]
fn a_guest_that_runs_nowhere_or_twice_is_an_alarm() {
    for (place, words) in [
        ("none", "no guest was left running"),
        ("both", "two copies of the guest ran"),
    ] {
        let mut record = example::jvm();
        record.cells[1].repeats[0].integrity = Some(Integrity {
            memory_intact: None,
            running_on: place.to_owned(),
            pages_checked: 0,
            signs_of_life: None,
        });
        let answers = texts(record);
        assert_eq!(with_text(&answers, words).0, Weight::Alarm);
        assert_eq!(answers[0].0, Weight::Alarm, "it stands first");
    }
}

#[test]
fn healthy_runs_say_so() {
    let answers = texts(example::jvm());
    assert_eq!(with_text(&answers, "No memory was damaged").0, Weight::Note);
    assert_eq!(
        with_text(&answers, "Every migration converged (9 of 9)").0,
        Weight::Finding
    );
    with_text(&answers, "3 completed repeats only");
}

#[test]
fn failures_are_told_with_their_reason_and_no_control_codes() {
    let answers = texts(example::troubled());
    let (weight, text) = with_text(&answers, "2 migrations failed");
    assert_eq!(*weight, Weight::Warning);
    assert!(
        text.contains("load of migration failed") && !text.contains('\u{1b}'),
        "{text}"
    );
    with_text(&answers, "1 migration skipped");
}

#[test]
fn convergence_names_who_does() {
    let group = |name: &str, well, of| (name.to_owned(), well, of);
    let cases = [
        (
            vec![group("static", 0, 5), group("post-copy", 5, 5)],
            "post-copy is the only policy that converges here; never: static.",
        ),
        (
            vec![group("static", 2, 5), group("post-copy", 5, 5)],
            "post-copy is the only policy that always converges here; sometimes: static (2 of 5).",
        ),
        (
            vec![group("a", 5, 5), group("b", 5, 5), group("c", 0, 5)],
            "a and b always converge here; never: c.",
        ),
        (
            vec![group("a", 1, 5), group("b", 0, 5)],
            "No policy always converges here; sometimes: a (1 of 5); never: b.",
        ),
    ];
    for (groups, text) in cases {
        assert_eq!(convergence::convergence_text("policy", &groups), text);
    }
}

/// What is said of a downtime limit of 300 ms, where these are the migrations' blackouts and the guest's pauses.
fn beside_a_limit(completed: &[(Option<f64>, Option<f64>)]) -> Answer {
    let mut record = example::empty("limit", 3, 1);
    for (repeat, (blackout, pause)) in (1..).zip(completed) {
        let metrics = [("blackout_ms", blackout), ("guest_pause_ms", pause)];
        let known = metrics.into_iter();
        let known = known.filter_map(|(id, ms)| Some((id.to_owned(), (*ms)?)));
        record.push(0, Repeat::completed(repeat, 0.0, known.collect()));
    }
    let limit = (record.cells[0].id.clone(), Duration::from_millis(300));
    let source = Source::without_samples(record);
    limits::limits(&source.with_limits(|_| [limit].into())).unwrap()
}

#[test]
fn the_limit_is_that_of_the_scenario() {
    let answer = beside_a_limit(&[100.0, 600.0, 450.0].map(|ms| (Some(ms), None)));
    assert_eq!(answer.weight, Weight::Warning);
    assert!(
        answer.text.starts_with("2 of 3 migrations missed the downtime limit of 300 ms; the longest blackout beyond it was 600 ms ("),
        "{}",
        answer.text
    );
    assert!(
        answer.text.ends_with("#2, 2× the limit)."),
        "{}",
        answer.text
    );
}

#[test]
fn blackouts_that_nobody_measured_kept_no_limit() {
    let answer = beside_a_limit(&[(Some(100.0), None), (None, None), (None, None)]);
    assert_eq!(answer.weight, Weight::Warning);
    let text = "Every blackout that was measured stayed within the downtime limit of 300 ms (1 of 3 completed).";
    assert_eq!(answer.text, text);
    let answer = beside_a_limit(&[(Some(100.0), Some(110.0)); 3]);
    assert_eq!(
        answer.text,
        "Every blackout stayed within the downtime limit of 300 ms (3 of 3)."
    );
}

#[test]
fn a_headline_speaks_of_what_the_guest_saw() {
    let answer = beside_a_limit(&[(Some(280.0), Some(290.0)), (Some(290.0), Some(331.0))]);
    assert_eq!(answer.weight, Weight::Warning);
    assert!(
        answer
            .text
            .contains("(2 of 2 completed), but the guest stood still for up to 331 ms ("),
        "{}",
        answer.text
    );
    let answer = beside_a_limit(&[(Some(400.0), Some(471.0)), (Some(290.0), Some(299.0))]);
    assert!(
        answer.text.starts_with("1 of 2 migrations missed")
            && answer
                .text
                .contains(", and the guest stood still for up to 471 ms ("),
        "{}",
        answer.text
    );
}

// A policy may have given up long before the timeout.
#[test]
fn who_did_not_converge_need_not_have_run_into_its_timeout() {
    let mut record = example::empty("stalled", 1, 1);
    let reason = "the policy gave up after 2.5 s, in pass 3: abort";
    record.push(
        0,
        Repeat::unfinished(1, 0.0, Outcome::DidNotConverge, reason),
    );
    let text = convergence::convergence(&record).unwrap().text;
    assert_eq!(text, "Nothing converged here (0 of 1):");
}

#[test]
fn who_failed_did_not_converge() {
    let mut record = example::empty("half", 4, 2);
    for cell in 0..2 {
        for repeat in 1..=4 {
            let done = cell == 0 || repeat > 2;
            record.push(
                cell,
                if done {
                    Repeat::completed(repeat, 0.0, BTreeMap::new())
                } else {
                    Repeat::unfinished(repeat, 0.0, Outcome::Failed, "cut")
                },
            );
        }
    }
    let text = convergence::convergence(&record).unwrap().text;
    assert_eq!(text, "6 of 8 migrations converged; 2 failed.");
}

// Eight repeats tell a factor of one and a half from noise, and three do not.
#[test]
fn only_real_differences_are_told() {
    let run = |repeats: u32| {
        let mut record = example::empty("prices", repeats, 2);
        for repeat in 1..=repeats {
            let noise = 1.0 + f64::from(repeat * 37 % 11) / 500.0;
            for (cell, cpu, speed) in [(0, 1.0, 1e9), (1, 1.5, 0.8e9)] {
                let metrics = BTreeMap::from([
                    ("cpu_migration_s_per_gib".to_owned(), cpu * noise),
                    ("guest_throughput_bps".to_owned(), speed * noise),
                ]);
                record.push(cell, Repeat::completed(repeat, 0.0, metrics));
            }
        }
        texts(record)
    };
    let told = run(8);
    with_text(
        &told,
        "carrier against native-tcp: tcp costs 1.50 × the CPU per GiB and moves 0.80 × the memory per second",
    );
    with_text(
        &told,
        "Best carrier: native-tcp at guest memory per second and CPU of migrating, per GiB.",
    );
    assert!(run(3).iter().all(|(_, text)| !text.contains("costs")));
}

/// Two cells, the second's values ten times the first's, in `metrics` metrics.
fn ten_times(repeats: u32, metrics: usize) -> Record {
    let ids = [
        "total_time_ms",
        "downtime_ms",
        "blackout_ms",
        "guest_pause_ms",
        "network_blackout_ms",
        "wire_bytes",
        "ram_bytes",
        "cpu_migration_s",
        "cpu_migration_s_per_gib",
        "cpu_qemu_source_s_per_gib",
        "cpu_qemu_destination_s_per_gib",
        "time_to_first_byte_ms",
    ];
    let mut record = example::empty("ten", repeats, 2);
    for repeat in 1..=repeats {
        for (cell, value) in [(0, 1000.0), (1, 10_000.0)] {
            let value = |index: usize| {
                let noise = (repeat * 37 + 11 * cell as u32 + index as u32 * 5) % 13;
                value * (1.0 + f64::from(noise) / 50.0)
            };
            let values = ids[..metrics].iter().enumerate();
            let values = values.map(|(index, id)| ((*id).to_owned(), value(index)));
            record.push(cell, Repeat::completed(repeat, 0.0, values.collect()));
        }
    }
    record
}

// Whoever sees ten times the time called noise wants to know what is missing.
#[test]
fn too_few_repeats_to_tell_anything_are_told() {
    let told = texts(ten_times(6, 12));
    with_text(
        &told,
        "carrier against native-tcp: no difference could be told from noise, which 6 repeats can't do for all metrics at once, however great it is, and 7 can.",
    );
    let told = texts(ten_times(8, 12));
    assert!(
        told.iter().all(|(_, text)| !text.contains("can't do")),
        "{told:#?}"
    );
}

#[test]
fn lists_are_short() {
    assert_eq!(list(&["a"]), "a");
    assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    assert_eq!(list(&["a"; 9]), "a, a, a, a, a, a and 3 more");
}
