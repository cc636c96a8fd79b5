//! What both hosts say to a plan before its first migration.

use std::collections::{BTreeMap, BTreeSet};

use lmbench_harness::agent::protocol::Request;
use lmbench_harness::qemu::accelerator::Resolved;
use lmbench_harness::qemu::preflight::{Case, Problem, Report};
use lmbench_harness::role::Role;
use lmbench_harness::spec::Accelerator;
use serde_json::json;

use super::RunError;
use super::hosts::Hosts;
use crate::plan::Plan;
use crate::record::Environment;
use crate::scenario::memory_needed_bytes;

/// What preflight found out.
pub(super) struct Ready {
    pub(super) accelerator: Accelerator,
    accelerator_reason: Option<String>,
    qemu: BTreeMap<Role, String>,
}

/// Has both hosts examine every cell of the plan.
pub(super) async fn check(hosts: &Hosts, plan: &Plan) -> Result<Ready, RunError> {
    let cases: Vec<Case> = plan
        .cells
        .iter()
        .map(|cell| Case {
            cell: cell.id.clone(),
            guest: cell.setup.guest.clone(),
            migration: cell.setup.migration.clone(),
            policy: cell.setup.policy.clone(),
        })
        .collect();
    let mut problems = BTreeSet::new();
    if let Some(problem) = memory(
        hosts,
        plan.cells
            .iter()
            .map(|cell| memory_needed_bytes(&cell.setup))
            .max()
            .unwrap_or(0),
    ) {
        problems.insert(problem);
    }
    let mut qemu = BTreeMap::new();
    let mut resolved = Resolved {
        accelerator: Accelerator::Tcg,
        reason: None,
    };
    for role in Role::BOTH {
        let report: Report = hosts
            .host(role)
            .call(Request::Preflight {
                cases: cases.clone(),
            })
            .await
            .map_err(super::hosts::HostError::from)?;
        problems.extend(report.problems);
        qemu.insert(role, report.qemu);
        // Both sides must use the same one: the slower wish wins.
        if let Some(found) = report.accelerator
            && (role == Role::Source || found.accelerator == Accelerator::Tcg)
        {
            resolved = found;
        }
    }
    if problems.is_empty() {
        return Ok(Ready {
            accelerator: resolved.accelerator,
            accelerator_reason: resolved.reason,
            qemu,
        });
    }
    Err(refusal(&problems))
}

fn memory(hosts: &Hosts, needed: u64) -> Option<Problem> {
    let available = hosts.source.info.memory_available_bytes;
    (needed > available).then(|| Problem {
        scenario: false,
        text: format!(
            "the guests need {:.1} GiB of memory, {:.1} GiB are available",
            gib(needed),
            gib(available)
        ),
        hint: "set a smaller memory in [guest], or end what uses it".to_owned(),
    })
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

fn refusal(problems: &BTreeSet<Problem>) -> RunError {
    let text: Vec<String> = problems
        .iter()
        .map(|problem| format!("{}\n  hint: {}", problem.text, problem.hint))
        .collect();
    let text = text.join("\n");
    if problems.iter().any(|problem| !problem.scenario) {
        RunError::Environment(text)
    } else {
        RunError::Scenario(text)
    }
}

impl Ready {
    /// What the run ran on, for the record.
    pub(super) fn environment(&self, hosts: &Hosts) -> Environment {
        let info = &hosts.source.info;
        let host = |role: Role| {
            let host = hosts.host(role);
            (
                role.name().to_owned(),
                json!({ "name": host.info.name, "info": host.info, "qemu": self.qemu.get(&role), "clock": host.clock }),
            )
        };
        Environment {
            lmbench: env!("CARGO_PKG_VERSION").to_owned(),
            qemu: self.qemu.get(&Role::Source).cloned().unwrap_or_default(),
            kernel: info.kernel.clone(),
            accelerator: if self.accelerator == Accelerator::Kvm {
                "kvm"
            } else {
                "tcg"
            }
            .to_owned(),
            accelerator_reason: self.accelerator_reason.clone(),
            cpu: info.cpu.clone(),
            cores: info.cores,
            hosts: Role::BOTH.into_iter().map(host).collect(),
            details: BTreeMap::from([("lab".to_owned(), json!(hosts.commands()))]),
        }
    }
}
