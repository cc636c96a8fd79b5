//! What both hosts say to a plan before its first migration.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use lmbench_harness::agent::calls;
use lmbench_harness::host;
use lmbench_harness::hypervisor::{Case, Needed, Problem, Resolved};
use lmbench_harness::role::Role;
use lmbench_harness::spec::Accelerator;
use serde_json::{Value, json};

use super::RunError;
use super::hosts::Hosts;
use super::lacking::{Lacking, on_host};
use super::tenant;
use crate::plan::Plan;
use crate::record::Environment;
use crate::scenario::{Cell, memory_needed_bytes};

/// What preflight found out.
pub(super) struct Ready {
    pub(super) accelerator: Accelerator,
    /// Cells that can't be run here, and why.
    pub(super) lacking: Lacking,
    accelerator_reason: Option<String>,
    qemu: BTreeMap<Role, String>,
    /// Other versions of QEMU that take part.
    other_qemus: BTreeSet<String>,
    /// Per network, what moves its packets in at least one cell.
    methods: BTreeMap<&'static str, BTreeSet<&'static str>>,
}

/// Has both hosts examine every cell of the plan. What ends the run is told before a guest is booted, which only `prove` allows, to prove KVM.
pub(super) async fn check(hosts: &Hosts, plan: &Plan, prove: bool) -> Result<Ready, RunError> {
    let mut unfit = Unfit::default();
    if let Some(problem) = memory(hosts, plan) {
        unfit.add(Role::Source, problem);
        unfit.silence_role();
    }
    let mut qemu = BTreeMap::new();
    let mut resolved = Resolved {
        accelerator: Accelerator::Tcg,
        reason: None,
    };
    for role in Role::BOTH {
        let cases = plan.cells.iter().map(|cell| case(cell, role)).collect();
        let goes_on = unfit.complaints.iter().all(|one| one.problem.lacking);
        let report = hosts
            .host(role)
            .call(calls::Preflight {
                cases,
                prove: prove && goes_on,
            })
            .await
            .map_err(super::hosts::HostError::from)?;
        for problem in report.problems {
            unfit.add(role, problem);
        }
        qemu.insert(role, report.qemu);
        // Both sides must use the same one: the slower wish wins.
        if let Some(found) = report.accelerator
            && (role == Role::Source || found.accelerator == Accelerator::Tcg)
        {
            resolved = found;
        }
    }
    let methods = methods(hosts, plan).await?;
    if let Some(lacking) = unfit.only_lacking(plan) {
        return Ok(Ready {
            accelerator: resolved.accelerator,
            lacking,
            accelerator_reason: resolved.reason,
            qemu,
            other_qemus: BTreeSet::new(),
            methods,
        });
    }
    Err(RunError::Unfit(unfit))
}

fn case(cell: &Cell, role: Role) -> Case {
    let openssh = |(program, package): (&str, &str)| Needed {
        program: program.to_owned(),
        package: format!("OpenSSH's {package} (Debian, Ubuntu, Fedora: openssh-{package})"),
        by: "carrier ssh".to_owned(),
    };
    Case {
        cell: cell.id.clone(),
        guest: cell.setup.guest.clone(),
        migration: cell.setup.migration.clone(),
        policy: cell.setup.policy.clone(),
        programs: match (cell.setup.carrier.programs(), role) {
            (Some([program, _]), Role::Source) | (Some([_, program]), Role::Destination) => {
                vec![openssh(program)]
            }
            (None, _) => Vec::new(),
        },
    }
}

/// What moves the packets of all cells. An error for a link that cannot be made here, before the first migration and not at its cell.
async fn methods(
    hosts: &Hosts,
    plan: &Plan,
) -> Result<BTreeMap<&'static str, BTreeSet<&'static str>>, RunError> {
    let mut all: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    if let Some(cell) = plan
        .cells
        .iter()
        .find(|cell| cell.setup.guest.tenant == Some(true))
    {
        tenant::plug(hosts, &cell.setup.guest).await?;
    }
    for cell in &plan.cells {
        for (network, method) in hosts.methods(&cell.setup.network).await? {
            all.entry(network).or_default().insert(method);
        }
    }
    Ok(all)
}

/// The lab's guests share one machine.
fn memory(hosts: &Hosts, plan: &Plan) -> Option<Problem> {
    let available = hosts.source.info.memory_available_bytes;
    let need = |cell: &Cell| memory_needed_bytes(&cell.setup);
    let largest = plan.cells.iter().max_by_key(|cell| need(cell))?;
    let needed = need(largest);
    if needed <= available {
        return None;
    }
    let text = format!(
        "source and destination guest together need {:.1} GiB of memory, and {:.1} GiB are available",
        gib(needed),
        gib(available)
    );
    let each = (available / 2).saturating_sub(needed / 2 - largest.setup.guest.memory_bytes) >> 20;
    let hint =
        format!("write at most memory = \"{each} MiB\" in [guest], or end what uses the memory");
    let mut problem = Problem::of_machine(text, hint);
    problem.keys = vec![("guest.memory".to_owned(), "for each of the two".to_owned())];
    problem.cell = (plan.cells.len() > 1).then(|| largest.id.clone());
    Some(problem)
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

/// Everything that keeps these hosts from doing this plan.
#[derive(Debug, Default)]
pub struct Unfit {
    /// Each problem once, with all cells and hosts that have it.
    pub complaints: Vec<Complaint>,
}

/// One problem.
#[derive(Debug)]
pub struct Complaint {
    /// What is wrong, where, and what to do.
    pub problem: Problem,
    cells: BTreeSet<String>,
    roles: BTreeSet<Role>,
}

impl Unfit {
    fn add(&mut self, role: Role, mut problem: Problem) {
        let cell = problem.cell.take();
        let known = self
            .complaints
            .iter()
            .position(|known| known.problem == problem);
        let index = known.unwrap_or_else(|| {
            self.complaints.push(Complaint {
                problem,
                cells: BTreeSet::new(),
                roles: BTreeSet::new(),
            });
            self.complaints.len() - 1
        });
        let complaint = &mut self.complaints[index];
        complaint.cells.extend(cell);
        complaint.roles.insert(role);
    }

    /// What was found belongs to no single host.
    fn silence_role(&mut self) {
        for complaint in &mut self.complaints {
            complaint.roles.extend(Role::BOTH);
        }
    }

    /// What each cell lacks, if that is all and some cells lack nothing.
    fn only_lacking(&self, plan: &Plan) -> Option<Lacking> {
        let complaints = &self.complaints;
        if complaints.iter().any(|one| !one.problem.lacking) {
            return None;
        }
        let mut lacking = Lacking::default();
        for complaint in complaints {
            for cell in &complaint.cells {
                lacking.add(cell, &complaint.problem.text, &complaint.roles);
            }
        }
        let can_run = |cell: &Cell| !lacking.has(&cell.id);
        plan.cells.iter().any(can_run).then_some(lacking)
    }

    /// Whether the scenario alone is to blame.
    pub fn is_scenario(&self) -> bool {
        self.complaints
            .iter()
            .all(|complaint| complaint.problem.scenario)
    }
}

impl Complaint {
    /// The problem in a sentence, with the host if only one has it.
    pub fn title(&self) -> String {
        on_host(&self.problem.text, &self.roles)
    }

    /// What to do, and which cells met it.
    pub fn hint(&self) -> String {
        if self.cells.is_empty() || (self.cells.len() == 1 && self.cells.contains("base")) {
            return self.problem.hint.clone();
        }
        let shown: Vec<&str> = self
            .cells
            .iter()
            .take(CELLS_SHOWN)
            .map(String::as_str)
            .collect();
        let more = match self.cells.len() - shown.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let noun = if self.cells.len() == 1 {
            "cell"
        } else {
            "cells"
        };
        format!(
            "{} ({noun} {}{more})",
            self.problem.hint,
            shown.join(" and ")
        )
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, complaint) in self.complaints.iter().enumerate() {
            let between = if index == 0 { "" } else { "\n" };
            write!(
                formatter,
                "{between}{}\nhint: {}",
                complaint.title(),
                complaint.hint()
            )?;
        }
        Ok(())
    }
}

/// Cells named in one complaint; they differ in what does not matter to it.
const CELLS_SHOWN: usize = 3;

impl Ready {
    /// Adds what other hosts said to other cells of the run.
    pub(super) fn join(&mut self, other: Ready) {
        if other.accelerator == Accelerator::Tcg && self.accelerator != Accelerator::Tcg {
            // All cells must use the same one: the slower wins.
            self.accelerator = other.accelerator;
            self.accelerator_reason = other.accelerator_reason;
        }
        self.lacking.extend(other.lacking);
        let first = self.qemu.get(&Role::Source);
        let qemus = other.qemu.into_values();
        self.other_qemus
            .extend(qemus.filter(|qemu| Some(qemu) != first));
        for (network, methods) in other.methods {
            self.methods.entry(network).or_default().extend(methods);
        }
    }

    /// Every version of QEMU that migrates guests, the first cell's first.
    fn qemus(&self) -> String {
        let first = self.qemu.get(&Role::Source).into_iter();
        let all: Vec<&str> = first.chain(&self.other_qemus).map(String::as_str).collect();
        all.join(" and ")
    }

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
            lmbench: host::VERSION.to_owned(),
            qemu: self.qemus(),
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
            details: BTreeMap::from([
                ("lab".to_owned(), json!(hosts.commands())),
                ("network".to_owned(), self.network()),
            ]),
        }
    }
    /// `{"migration": {"method": "user-space"}, …}`; a list where cells differ.
    fn network(&self) -> Value {
        let method = |methods: &BTreeSet<&str>| match methods.first() {
            Some(only) if methods.len() == 1 => json!({ "method": only }),
            _ => json!({ "method": methods }),
        };
        self.methods
            .iter()
            .map(|(network, methods)| ((*network).to_owned(), method(methods)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario;

    fn problem(cell: &str, lacking: bool) -> Problem {
        Problem {
            lacking,
            cell: Some(cell.to_owned()),
            ..Problem::of_machine("no such thing", "get one")
        }
    }

    #[test]
    fn cells_that_lack_something_are_left_out_unless_all_do_or_worse() {
        let text = "name = \"x\"\nworkload.idle = {}\n[matrix]\nguest.vcpus = [1, 2]\n";
        let scenario = scenario::parse("x.toml".as_ref(), text).unwrap();
        let plan = Plan::new(&scenario, &[], None, None).unwrap();
        let (one, two) = ("guest.vcpus=1", "guest.vcpus=2");
        let left_out = |problems: &[Problem]| {
            let mut unfit = Unfit::default();
            for problem in problems {
                unfit.add(Role::Source, problem.clone());
            }
            let lacking = unfit.only_lacking(&plan)?;
            Some([lacking.has(one), lacking.has(two)])
        };
        assert_eq!(left_out(&[]), Some([false, false]));
        assert_eq!(left_out(&[problem(two, true)]), Some([false, true]));
        assert_eq!(left_out(&[problem(one, true), problem(two, true)]), None);
        assert_eq!(left_out(&[problem(two, true), problem(two, false)]), None);
    }
}
