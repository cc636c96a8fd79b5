//! Answers to made-up runs.

use std::collections::BTreeMap;

use super::*;
use crate::record::{Integrity, example};
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
        assert_eq!(convergence_text("policy", &groups), text);
    }
}

#[test]
fn the_limit_is_that_of_the_scenario() {
    let text = "name = \"limit\"\n[guest]\nmemory = \"256 MiB\"\n[workload.idle]\nmemory = \"64 MiB\"\n\
                [migration]\ndowntime-limit = \"300 ms\"\n[run]\nrepeats = 3\n";
    let scenario = scenario::parse(Path::new("limit.toml"), text).unwrap();
    let mut record = example::empty("limit", 3, 1);
    record.scenario.text = text.to_owned();
    record.cells[0].id.clone_from(&scenario.cells[0].id);
    for (repeat, ms) in [(1, 100.0), (2, 600.0), (3, 450.0)] {
        let metrics = BTreeMap::from([("blackout_ms".to_owned(), ms)]);
        record.push(0, Repeat::completed(repeat, 0.0, metrics));
    }
    let answer = limits(&record).unwrap();
    assert_eq!(answer.weight, Weight::Warning);
    assert!(
        answer.text.starts_with("2 of 3 migrations missed the downtime limit of 300 ms; the longest blackout was 600 ms ("),
        "{}",
        answer.text
    );
    assert!(
        answer.text.ends_with("#2, 2× the limit)."),
        "{}",
        answer.text
    );
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
                    (
                        "cpu_qemu_without_vcpus_source_s_per_gib".to_owned(),
                        cpu * noise,
                    ),
                    (
                        "cpu_qemu_without_vcpus_destination_s_per_gib".to_owned(),
                        cpu,
                    ),
                    ("throughput_bps".to_owned(), speed * noise),
                ]);
                record.push(cell, Repeat::completed(repeat, 0.0, metrics));
            }
        }
        texts(record)
    };
    let told = run(8);
    with_text(
        &told,
        "carrier against native-tcp: tcp costs 1.50 × the CPU and gives 0.80 × the throughput",
    );
    with_text(
        &told,
        "Best carrier: native-tcp at throughput and CPU per GiB.",
    );
    assert!(run(3).iter().all(|(_, text)| !text.contains("costs")));
}

#[test]
fn lists_are_short() {
    assert_eq!(list(&["a"]), "a");
    assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    assert_eq!(list(&["a"; 9]), "a, a, a, a, a, a and 3 more");
}
