//! The labs of a run: one for each set of programs that its cells want, most often one.
//!
//! Each stays for the whole run, so that repeats of two sets take turns as those of cells do. Of the agents in it only those of the lab whose
//! turn it is have work; the others wait for a request and cost nothing.

use std::collections::BTreeMap;

use futures::future::join_all;

use super::hosts::{HostError, Hosts};
use super::preflight::{self, Ready};
use super::{Interrupt, RunError};
use crate::plan::Plan;
use crate::programs::Programs;
use crate::record::Environment;
use crate::scenario::Cell;

/// All of them; at least one.
pub(super) struct Labs(Vec<(Programs, Hosts)>);

impl Labs {
    /// Dropped half-way it leaves nothing behind.
    pub(super) async fn create(plan: &Plan) -> Result<Self, HostError> {
        let mut labs: Vec<(Programs, Hosts)> = Vec::new();
        for cell in &plan.cells {
            let setup = &cell.setup;
            if labs.iter().all(|(programs, _)| *programs != setup.programs) {
                let hosts = Hosts::create(&setup.network, plan.seed, &setup.programs).await?;
                labs.push((setup.programs.clone(), hosts));
            }
        }
        Ok(Labs(labs))
    }

    /// Has all hosts examine their cells; `prove` as [`preflight::check`] takes it.
    pub(super) async fn check(&self, plan: &Plan, prove: bool) -> Result<Ready, RunError> {
        let mut all: Option<Ready> = None;
        for (programs, hosts) in &self.0 {
            let cells = plan.cells.iter();
            let cells = cells.filter(|cell| cell.setup.programs == *programs);
            let part = Plan {
                cells: cells.cloned().collect(),
                ..plan.clone()
            };
            let ready = preflight::check(hosts, &part, prove).await?;
            match &mut all {
                Some(all) => all.join(ready),
                None => all = Some(ready),
            }
        }
        all.ok_or_else(|| RunError::Internal("the plan has no cells".to_owned()))
    }

    /// What the hosts, which share this machine, have left for guests.
    pub(super) fn memory_available_bytes(&self) -> u64 {
        self.0[0].1.source.info.memory_available_bytes
    }

    /// The hosts of a cell.
    pub(super) fn of(&mut self, cell: &Cell) -> &mut Hosts {
        let programs = &cell.setup.programs;
        let index = self.0.iter().position(|(of, _)| of == programs);
        &mut self.0[index.unwrap_or(0)].1
    }

    /// What the run ran on, for the record: the hosts of the first cell, and what of others differs.
    pub(super) fn environment(&self, ready: &Ready, plan: &Plan) -> Environment {
        let mut environment = ready.environment(&self.0[0].1);
        let variants: BTreeMap<&str, &Programs> = plan
            .cells
            .iter()
            .filter(|cell| cell.setup.programs != Programs::default())
            .filter_map(|cell| {
                let variant = cell.parameters.get(Programs::AXIS)?.as_str()?;
                Some((variant, &cell.setup.programs))
            })
            .collect();
        let programs = &self.0[0].0;
        if variants.is_empty() && *programs != Programs::default() {
            let programs = serde_json::json!(programs);
            environment
                .details
                .insert(Programs::OF_ALL.to_owned(), programs);
        }
        if !variants.is_empty() {
            let variants = serde_json::json!(variants);
            environment
                .details
                .insert(Programs::DETAIL.to_owned(), variants);
        }
        environment
    }

    /// Ends all. Agents that are still there when Ctrl-C is pressed for the second time are killed.
    pub(super) async fn close(self, interrupt: &Interrupt) -> Result<(), HostError> {
        let labs = self.0.into_iter().map(|(_, hosts)| {
            let mut hurry = interrupt.clone();
            hosts.close(async move { hurry.asked(2).await })
        });
        join_all(labs).await.into_iter().collect()
    }
}
