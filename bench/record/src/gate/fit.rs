//! Whether a run and a baseline can be compared: the same kind of machine, the same experiment. What differs is said by name.

use std::collections::{BTreeMap, BTreeSet};

use super::baseline::{Baseline, Experiment, Machine};
use crate::record::Record;
use crate::text::clean_short;

/// What of the machine differs so that its figures can't be compared: accelerator, CPU, cores.
pub fn machine_differences(kept: &Machine, now: &Machine) -> Vec<String> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, now: &str, kept: &str| {
        if now.trim() != kept.trim() {
            differences.push(difference(what, now, kept));
        }
    };
    compare("the accelerator", &now.accelerator, &kept.accelerator);
    compare("the CPU", &now.cpu, &kept.cpu);
    compare(
        "the number of CPUs",
        &now.cores.to_string(),
        &kept.cores.to_string(),
    );
    differences
}

/// What differs that may be what is tested: QEMU, kernel, lmbench, and the seed.
pub fn version_differences(baseline: &Baseline, record: &Record) -> Vec<String> {
    let (kept, now) = (&baseline.environment, Machine::of(&record.environment));
    let mut differences = Vec::new();
    let mut compare = |what: &str, now: &str, kept: &str| {
        if now != kept {
            differences.push(difference(what, now, kept));
        }
    };
    compare("QEMU", &now.qemu, &kept.qemu);
    compare("the kernel", &now.kernel, &kept.kernel);
    compare("lmbench", &now.lmbench, &kept.lmbench);
    compare(
        "the seed",
        &record.seed.to_string(),
        &baseline.seed.to_string(),
    );
    differences
}

/// What of the scenario differs so that another question was asked. `[gate]`, `[matrix]`, comments and the number of repeats may differ.
pub fn experiment_differences(kept: &Experiment, now: &Experiment) -> Vec<String> {
    let mut differences = Vec::new();
    if now.name != kept.name {
        differences.push(difference("the scenario", &now.name, &kept.name));
    }
    if now.sha256 == kept.sha256 {
        return differences;
    }
    match (&now.settings, &kept.settings) {
        (Some(now), Some(kept)) => differences.extend(settings_differences(now, kept)),
        _ => differences.push("the scenario's text is another".to_owned()),
    }
    differences
}

fn settings_differences(
    now: &BTreeMap<String, String>,
    kept: &BTreeMap<String, String>,
) -> Vec<String> {
    let paths: BTreeSet<&String> = now.keys().chain(kept.keys()).collect();
    let different: Vec<&String> = paths
        .into_iter()
        .filter(|path| now.get(*path) != kept.get(*path))
        .collect();
    let mut differences: Vec<String> = different
        .iter()
        .take(DIFFERENCES_SHOWN)
        .map(|path| {
            let value = |of: &BTreeMap<String, String>| {
                of.get(*path)
                    .map_or_else(|| "not set".to_owned(), Clone::clone)
            };
            let path = format!("`{}`", clean_short(path, LONGEST));
            difference(&path, &value(now), &value(kept))
        })
        .collect();
    if different.len() > DIFFERENCES_SHOWN {
        let more = different.len() - DIFFERENCES_SHOWN;
        differences.push(format!("and {more} more settings"));
    }
    differences
}

fn difference(what: &str, now: &str, kept: &str) -> String {
    format!(
        "{what} is {}, the baseline's {}",
        clean_short(now.trim(), LONGEST),
        clean_short(kept.trim(), LONGEST)
    )
}

const DIFFERENCES_SHOWN: usize = 5;
const LONGEST: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{ScenarioText, example};

    #[test]
    fn only_what_changes_the_figures_is_another_machine() {
        let mut record = example::jvm();
        let baseline = Baseline::of(&record, &[]).unwrap();
        let differences = |record: &Record| {
            machine_differences(&baseline.environment, &Machine::of(&record.environment))
        };
        assert!(differences(&record).is_empty());
        record.environment.qemu = "11.0.0".to_owned();
        record.environment.kernel = "7.0".to_owned();
        assert!(differences(&record).is_empty());
        assert_eq!(
            version_differences(&baseline, &record),
            [
                "QEMU is 11.0.0, the baseline's 10.0.2",
                "the kernel is 7.0, the baseline's 6.12.0"
            ]
        );
        record.environment.accelerator = "kvm".to_owned();
        record.environment.cpu = "\u{1b}[31mother".to_owned();
        record.environment.cores = 64;
        assert_eq!(
            differences(&record),
            [
                "the accelerator is kvm, the baseline's tcg",
                "the CPU is \\u{1b}[31mother, the baseline's Intel(R) Xeon(R) Platinum 8481C",
                "the number of CPUs is 64, the baseline's 2"
            ]
        );
    }

    #[test]
    fn the_experiment_is_its_settings() {
        let differences = |kept: &str, now: &str| {
            let mut record = example::jvm();
            record.scenario = ScenarioText::new("x", kept);
            let kept = Experiment::of(&record);
            record.scenario = ScenarioText::new("x", now);
            experiment_differences(&kept, &Experiment::of(&record))
        };
        let text = "name = \"x\"\nabout = \"a\"\n[guest]\nmemory = \"1 GiB\"\n[run]\nrepeats = 3\n";
        let other = "name = \"x\"\n# a comment\n[run]\nrepeats = 9\n[matrix]\ncarrier = [\"tcp\"]\n[gate]\ndowntime_ms = \"+9 %\"\n[guest]\nmemory = \"1 GiB\"\n";
        assert_eq!(differences(text, other), Vec::<String>::new());
        assert_eq!(
            differences(text, &text.replace("1 GiB\"", "2 GiB\"\nvcpus = 2")),
            [
                "`guest.memory` is 2 GiB, the baseline's 1 GiB",
                "`guest.vcpus` is 2, the baseline's not set"
            ]
        );
        assert_eq!(
            differences("no toml =", text),
            ["the scenario's text is another"]
        );
        // What is far too long is not even read: a parser's time on it could be hours.
        let long = "a = [\n".repeat(100_000);
        assert_eq!(differences(&long, text), ["the scenario's text is another"]);
        let many = (0..9).fold(String::new(), |text, key| text + &format!("k{key} = 1\n"));
        assert_eq!(
            differences("", &many).last().unwrap(),
            "and 4 more settings"
        );
    }
}
