//! The text against the rules of its specification.

use std::collections::HashSet;
use std::path::PathBuf;

use serde_json::json;

use super::*;
use crate::record::example;

fn run(record: Record) -> Run {
    Run {
        record,
        samples: PathBuf::new(),
    }
}

/// Name, labels and value.
type Sample = (String, Vec<(String, String)>, f64);

/// Splits `name{a="b",…} value`, undoing the escapes; fails where the grammar is broken.
fn parse(line: &str) -> Sample {
    let (name, rest) = line.split_once('{').expect("every sample has labels");
    let mut labels = Vec::new();
    let mut letters = rest.chars();
    loop {
        let label: String = letters
            .by_ref()
            .take_while(|letter| *letter != '=')
            .collect();
        assert_eq!(letters.next(), Some('"'), "{line}");
        let mut value = String::new();
        loop {
            match letters.next().expect("a value ends with a quote") {
                '"' => break,
                '\\' => value.push(match letters.next() {
                    Some('n') => '\n',
                    Some(escaped @ ('\\' | '"')) => escaped,
                    other => panic!("{other:?} is no escape: {line}"),
                }),
                letter => value.push(letter),
            }
        }
        labels.push((label, value));
        match letters.next() {
            Some(',') => {}
            Some('}') => break,
            other => panic!("{other:?}: {line}"),
        }
    }
    let value = letters.as_str().strip_prefix(' ').expect("a space").parse();
    (name.to_owned(), labels, value.expect("a number"))
}

fn is_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// Every line by the rules; the samples.
fn checked(text: &str) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut family = String::new();
    let (mut families, mut series) = (HashSet::new(), HashSet::new());
    let body = text.strip_suffix("# EOF\n").expect("the end is marked");
    assert!(body.lines().all(|line| line != "# EOF"));
    for line in body.lines() {
        if let Some(head) = line.strip_prefix("# ") {
            let (word, rest) = head.split_once(' ').unwrap();
            let (name, what) = rest.split_once(' ').unwrap();
            match word {
                "TYPE" => {
                    assert_eq!(what, "gauge");
                    assert!(families.insert(name.to_owned()), "{name} stands twice");
                    family = name.to_owned();
                }
                "UNIT" => assert!(name.ends_with(&format!("_{what}")), "{line}"),
                "HELP" => assert!(!what.contains('"'), "{line}"),
                other => panic!("{other}"),
            }
            assert_eq!(name, family);
            continue;
        }
        let (name, labels, value) = parse(line);
        assert_eq!(name, family, "a sample stands below its family's head");
        assert!(is_name(&name) && value.is_finite(), "{line}");
        let names: HashSet<&String> = labels.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), labels.len(), "a label stands twice: {line}");
        assert!(names.iter().all(|name| is_name(name)), "{line}");
        let mut key = labels.clone();
        key.sort();
        assert!(
            series.insert((name.clone(), key)),
            "a series stands twice: {line}"
        );
        samples.push((name, labels, value));
    }
    samples
}

#[test]
fn values_are_in_base_units() {
    let record = example::jvm();
    let median = record.cells[0].summary["blackout_ms"].median;
    let samples = checked(&text(&[run(record)]));
    let of = |name: &str, statistic: &str| {
        let found = samples.iter().find(|(of, labels, _)| {
            of == name
                && labels
                    .iter()
                    .any(|(name, value)| name == "statistic" && value == statistic)
        });
        found.map(|(_, _, value)| *value)
    };
    assert_eq!(
        of("lmbench_blackout_seconds", "median"),
        Some(median * 1e-3)
    );
    assert!(
        of("lmbench_throughput_bytes_per_second", "largest").unwrap() < 1.1 * 9.4e8 / 8.0 + 1.0
    );
    assert!(of("lmbench_op_latency_p99_seconds", "smallest").is_some());
    assert!(of("lmbench_cpu_carrier_source_seconds_per_gibibyte", "median").is_some());
    let started = samples
        .iter()
        .find(|(name, ..)| name == "lmbench_run_started_timestamp_seconds");
    assert!((started.unwrap().2 - 1_772_366_400.0).abs() < 1e-6);
    assert!(samples.iter().all(|(_, labels, _)| {
        labels.iter().all(|(name, _)| name != "run")
            || labels.iter().any(|(name, _)| name == "kernel")
    }));
}

// One family for each metric, with its unit at the end and no suffix that the format keeps for other types.
#[test]
fn every_metric_has_a_name_of_its_own() {
    let mut names = HashSet::new();
    for metric in metric::ALL {
        let (name, unit, _) = name_unit_factor(metric);
        assert!(is_name(&name) && name.ends_with(unit), "{name}");
        for reserved in ["_total", "_count", "_sum", "_bucket", "_created", "_info"] {
            assert!(!name.ends_with(reserved), "{name}");
        }
        assert!(names.insert(name.clone()), "{name} stands twice");
    }
}

#[test]
fn hostile_names_are_escaped_and_runs_told_apart() {
    let mut record = example::troubled();
    record.scenario.name = "a\"b\\c\nd} 1\n# EOF".to_owned();
    let cell = &mut record.cells[0];
    for key in ["a.b", "a-b", "run", "__name__", "\u{e9}", ""] {
        cell.parameters.insert(key.to_owned(), json!({ "x": "\"" }));
    }
    let one = checked(&text(&[run(record.clone())]));
    assert!(
        one.iter().all(
            |(_, labels, _)| labels[0] == ("scenario".to_owned(), record.scenario.name.clone())
        )
    );
    // The same cells in two runs.
    let mut other = record.clone();
    other.run_id = "other".to_owned();
    let two = checked(&text(&[run(record), run(other)]));
    assert_eq!(two.len(), 2 * one.len());
}
