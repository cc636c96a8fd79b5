//! What came of each case, as the printers get it.

use std::time::Duration;

use serde_json::{Value, json};

use super::cases::Case;
use super::expect::{Verdict, judge};
use crate::record::Repeat;
use crate::run::Tried;

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As it must.
    Ok,
    /// Not so.
    NotOk(String),
    /// Not tried, and why.
    Skipped(String),
}

/// One case, done.
#[derive(Debug)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// What must have come of it, in words.
    pub expected: &'static str,
    /// What has.
    pub outcome: Outcome,
    /// Whether it is not ok only since nothing was tried: whoever was to break something came too late.
    pub missed: bool,
    /// From the guests' boot to their end.
    pub took: Duration,
    /// What repeats it.
    pub command: String,
    /// The scenario, for whoever wants to look into it.
    pub scenario: String,
    /// What the migration left behind.
    pub repeat: Option<Box<Repeat>>,
}

impl Report {
    /// Judges what was tried.
    pub fn of(case: &Case, tried: Tried, took: Duration) -> Report {
        let breaks = case.scenario.contains("[fault]");
        let mut missed = false;
        let (outcome, repeat) = match tried {
            Tried::Done(repeat) => match judge(case.expect, breaks, &repeat) {
                Verdict::Ok => (Outcome::Ok, Some(repeat)),
                Verdict::NotOk(problem) => (Outcome::NotOk(problem), Some(repeat)),
                Verdict::Missed(problem) => {
                    missed = true;
                    (Outcome::NotOk(problem), Some(repeat))
                }
            },
            Tried::Unfit(reason) => (Outcome::Skipped(reason), None),
            Tried::Stuck(problem) => (Outcome::NotOk(problem), None),
        };
        Report {
            name: case.name.clone(),
            expected: case.expect.words(),
            outcome,
            missed,
            took,
            command: case.command.clone(),
            scenario: case.scenario.clone(),
            repeat,
        }
    }

    /// Whether it spoils the whole.
    pub fn is_failure(&self) -> bool {
        matches!(self.outcome, Outcome::NotOk(_))
    }
}

/// All of it as one JSON document, with every event of every migration.
pub fn json(reports: &[Report]) -> Value {
    let count = |wanted: fn(&Outcome) -> bool| {
        reports
            .iter()
            .filter(|report| wanted(&report.outcome))
            .count()
    };
    let cases = reports.iter().map(|report| {
        let (result, reason) = match &report.outcome {
            Outcome::Ok => ("ok", None),
            Outcome::NotOk(reason) => ("not-ok", Some(reason)),
            Outcome::Skipped(reason) => ("skipped", Some(reason)),
        };
        json!({
            "name": report.name,
            "result": result,
            "reason": reason,
            "expected": report.expected,
            "took_s": (report.took.as_secs_f64() * 1e3).round() / 1e3,
            "command": report.command,
            "scenario": report.scenario,
            "repeat": report.repeat,
        })
    });
    json!({
        "ok": count(|outcome| *outcome == Outcome::Ok),
        "not_ok": count(|outcome| matches!(outcome, Outcome::NotOk(_))),
        "skipped": count(|outcome| matches!(outcome, Outcome::Skipped(_))),
        "cases": cases.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
pub(super) mod examples {
    use super::*;

    /// One of each, with all that a printer must write differently.
    pub(crate) fn reports() -> Vec<Report> {
        let report = |name: &str, outcome| Report {
            name: name.to_owned(),
            expected: "the guest arrives intact",
            outcome,
            missed: false,
            took: Duration::from_millis(8_214),
            command: format!("lmbench selftest --filter {name}"),
            scenario: "name = \"selftest\"\n".to_owned(),
            repeat: None,
        };
        let ugly = "it is failed: \"<peer> & 'us'\" # said\nline two\u{1b}[0m ]]>\u{0}";
        vec![
            report("tls/pre-copy/ok", Outcome::Ok),
            report("quic/pre-copy/link-flap", Outcome::NotOk(ugly.to_owned())),
            report(
                "tcp/multifd-post-copy/ok",
                Outcome::Skipped("QEMU 10.0 refuses #multifd with post-copy".to_owned()),
            ),
        ]
    }
}
