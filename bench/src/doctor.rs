//! `lmbench doctor`: what this host can do, what is missing, and the command that mends it.
//!
//! Looks and tries, but changes nothing: networks are tried in a namespace that ends with the probe. It boots no guest, so it cannot
//! prove an accelerator; every run does that itself.

mod hypervisor;
mod lab;
mod machine;
mod packages;
mod probe;
mod processor;
pub mod program;
mod text;
mod tools;

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

pub use text::text;

/// One thing looked for on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked for.
    pub name: String,
    /// Whether it is there.
    pub status: Status,
    /// Whether `lmbench run` is impossible without it.
    pub required: bool,
    /// Its version or value, if it has one.
    pub version: Option<String>,
    /// Where it is, what it lacks, or what follows from its absence.
    pub detail: String,
    /// The command or the step that mends it on this system.
    pub mend: Option<String>,
    /// What no scenario can have while it is missing, if runs are possible all the same.
    pub without: Option<String>,
}

/// Whether something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// There, and usable.
    Found,
    /// Usable in part, unproven, or replaced by something lesser.
    Limited,
    /// Not there.
    Missing,
}

impl Finding {
    fn found(name: &str, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            status: Status::Found,
            required: false,
            version: None,
            detail: detail.into(),
            mend: None,
            without: None,
        }
    }

    fn limited(name: &str, detail: impl Into<String>) -> Self {
        Self {
            status: Status::Limited,
            ..Self::found(name, detail)
        }
    }

    fn missing(name: &str, detail: impl Into<String>) -> Self {
        Self {
            status: Status::Missing,
            ..Self::found(name, detail)
        }
    }

    fn required(self) -> Self {
        Self {
            required: true,
            ..self
        }
    }

    fn version(self, version: impl Into<Option<String>>) -> Self {
        Self {
            version: version.into(),
            ..self
        }
    }

    fn without(self, what: impl Into<String>) -> Self {
        Self {
            without: Some(what.into()),
            ..self
        }
    }

    fn mend(self, mend: impl Into<String>) -> Self {
        Self {
            mend: Some(mend.into()),
            ..self
        }
    }
}

/// Looks at this host; results are taken to go to `results` in the working directory.
pub fn examine() -> Vec<Finding> {
    examine_for(Path::new("results"))
}

/// Looks at this host, for runs whose results go to `results`. Takes a tenth of a second; a probe that
/// hangs is given up after a minute at most.
pub fn examine_for(results: &Path) -> Vec<Finding> {
    let results: PathBuf = results.into();
    together(
        vec![
            ("hypervisor probes", Box::new(hypervisor::examine)),
            ("lab probes", Box::new(lab::examine)),
            ("tool probes", Box::new(tools::examine)),
            ("processor probes", Box::new(processor::examine)),
            (
                "machine probes",
                Box::new(move || machine::examine(&results)),
            ),
        ],
        GROUP_LIMIT,
    )
}

/// Whether all that `lmbench run` needs is there; `lmbench doctor` exits with 0 then, else with 3.
pub fn ready(findings: &[Finding]) -> bool {
    findings
        .iter()
        .all(|finding| !finding.required || finding.status != Status::Missing)
}

/// The findings as one JSON document.
pub fn json(findings: &[Finding]) -> serde_json::Value {
    json!({ "ready": ready(findings), "findings": findings })
}

type Group = Box<dyn FnOnce() -> Vec<Finding> + Send>;

/// Runs the groups side by side; one that hangs (a dead network file system, say) becomes a finding and holds up nobody.
fn together(groups: Vec<(&'static str, Group)>, limit: Duration) -> Vec<Finding> {
    let started: Vec<_> = groups
        .into_iter()
        .map(|(name, group)| {
            let (sender, receiver) = mpsc::channel();
            thread::spawn(move || sender.send(group()));
            (name, receiver)
        })
        .collect();
    let mut findings = Vec::new();
    for (name, receiver) in started {
        match receiver.recv_timeout(limit) {
            Ok(group) => findings.extend(group),
            Err(_) => findings.push(
                Finding::missing(name, format!("no answer within {} s", limit.as_secs()))
                    .required(),
            ),
        }
    }
    findings
}

/// Longer than all commands of any one group may take by [`probe::COMMAND_LIMIT`].
const GROUP_LIMIT: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_required_thing_that_is_missing_makes_a_host_unready() {
        let found = Finding::found("qemu", "").required();
        let limited = Finding::limited("memory", "").required();
        let optional = Finding::missing("virsh", "");
        assert!(ready(&[found.clone(), limited, optional.clone()]));
        assert!(!ready(&[
            found,
            Finding::missing("ip", "").required(),
            optional
        ]));
    }

    #[test]
    fn a_group_that_hangs_or_panics_is_a_finding() {
        let (_keep, never) = mpsc::channel::<Vec<Finding>>();
        let groups: Vec<(&'static str, Group)> = vec![
            (
                "hanging",
                Box::new(move || never.recv().unwrap_or_default()),
            ),
            ("panicking", Box::new(|| panic!("as intended by the test"))),
            ("fine", Box::new(|| vec![Finding::found("fine", "")])),
        ];
        let findings = together(groups, Duration::from_millis(50));
        let seen: Vec<_> = findings
            .iter()
            .map(|finding| (finding.name.as_str(), finding.status))
            .collect();
        assert_eq!(
            seen,
            [
                ("hanging", Status::Missing),
                ("panicking", Status::Missing),
                ("fine", Status::Found)
            ]
        );
        assert!(!ready(&findings));
    }

    #[test]
    fn json_says_ready_and_names_the_findings() {
        let value = json(&[Finding::missing("qemu", "not on PATH")
            .required()
            .mend("harness/setup.sh")]);
        assert_eq!(value["ready"], false);
        assert_eq!(value["findings"][0]["status"], "missing");
        assert_eq!(value["findings"][0]["mend"], "harness/setup.sh");
    }

    /// What a test skips for want of it has the same name here.
    #[test]
    fn the_needs_of_tests_are_looked_for() {
        let findings = examine();
        for need in lmbench_testing::Need::OF_THE_MACHINE {
            assert!(
                findings.iter().any(|finding| finding.name == need.name()),
                "{need:?}"
            );
        }
    }

    /// Every finding that is not found says why, and names are unique, whatever this host is.
    #[test]
    fn this_host_can_be_examined() {
        let findings = examine();
        let mut names: Vec<_> = findings.iter().map(|finding| &finding.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), findings.len());
        assert!(findings.len() > 20, "{findings:#?}");
        assert!(
            findings.iter().all(|finding| !finding.detail.is_empty()),
            "{findings:#?}"
        );
    }
}
