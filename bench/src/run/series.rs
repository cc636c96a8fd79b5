//! Single migrations one after another, each of another setup, on hosts that are kept between them. No record: whoever asks gets each
//! repeat as it is done.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use futures::future::join_all;
use lmbench_harness::clock::monotonic_ns;

use super::hosts::Hosts;
use super::preflight;
use super::{Interrupt, RunError, repeat, unless_interrupted};
use crate::control::Desk;
use crate::event::RunEvent;
use crate::plan::Plan;
use crate::record::Repeat;
use crate::scenario::Cell;

/// Migrations to do.
pub struct Series<'a> {
    /// Each is migrated once; their ids differ.
    pub cells: &'a [Cell],
    /// Of what happens at random on links.
    pub seed: u64,
    /// Labs side by side, at least 1.
    pub jobs: usize,
    /// Time for one migration from its boot to its end; one that takes longer is given up, with its hosts.
    pub within: Duration,
    /// Ctrl-C.
    pub interrupt: Interrupt,
}

/// What came of a cell.
#[derive(Debug)]
pub enum Tried {
    /// It was migrated.
    Done(Box<Repeat>),
    /// These hosts or this QEMU can't.
    Unfit(String),
    /// It did not come to an end, or left something behind.
    Stuck(String),
}

/// Hears of each cell, by its position.
pub type Hear<'a> = &'a mut dyn FnMut(usize, Tried, Duration);

struct Shared<'a> {
    waiting: RefCell<VecDeque<usize>>,
    hear: RefCell<Hear<'a>>,
    observer: RefCell<&'a mut dyn FnMut(usize, RunEvent)>,
    started_ns: u64,
}

impl Series<'_> {
    /// Does them all. An error ends it early: these hosts can do nothing, or the user wants no more.
    pub async fn perform(
        &self,
        hear: Hear<'_>,
        observer: &mut dyn FnMut(usize, RunEvent),
    ) -> Result<(), RunError> {
        let Some(first) = self.cells.first() else {
            return Ok(());
        };
        let mut interrupt = self.interrupt.clone();
        let programs = &first.setup.programs;
        let hosts = Hosts::create(&first.setup.network, self.seed, programs);
        let hosts = unless_interrupted(&mut interrupt, hosts).await??;
        let ready = unless_interrupted(&mut interrupt, self.fit(&hosts, &mut *hear)).await;
        let (accelerator, fit) = match ready {
            Ok(Ok(ready)) => ready,
            Ok(Err(error)) | Err(error) => {
                self.close(hosts).await?;
                return Err(error);
            }
        };
        let shared = Shared {
            waiting: RefCell::new(fit.into()),
            hear: RefCell::new(hear),
            observer: RefCell::new(observer),
            started_ns: monotonic_ns(),
        };
        let others = 1..self.jobs.min(shared.waiting.borrow().len()).max(1);
        let mut all = vec![hosts];
        for _ in others {
            all.push(Hosts::create(&first.setup.network, self.seed, programs).await?);
        }
        let workers = all
            .into_iter()
            .map(|hosts| self.work(hosts, &accelerator, &shared));
        let ends = join_all(workers).await;
        ends.into_iter().collect()
    }

    /// Asks these hosts whether each cell can work; tells of those that can not.
    async fn fit(
        &self,
        hosts: &Hosts,
        hear: Hear<'_>,
    ) -> Result<(lmbench_harness::spec::Accelerator, Vec<usize>), RunError> {
        // Cells that differ only in what breaks are one to QEMU.
        let mut alike: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, cell) in self.cells.iter().enumerate() {
            let setup = &cell.setup;
            let key = format!(
                "{:?}",
                (
                    &setup.guest,
                    &setup.migration,
                    &setup.policy,
                    &setup.carrier
                )
            );
            alike.entry(key).or_default().push(index);
        }
        let examples = alike
            .values()
            .filter_map(|group| self.cells.get(*group.first()?));
        let plan = Plan {
            scenario: "series".to_owned(),
            cells: examples.cloned().collect(),
            steps: Vec::new(),
            repeats: 1,
            until: None,
            warmup: 0,
            seed: self.seed,
        };
        let ready = preflight::check(hosts, &plan, true).await?;
        let mut fit = Vec::new();
        for group in alike.values() {
            match ready.lacking.reason(&self.cells[group[0]].id) {
                None => fit.extend(group),
                Some(reason) => {
                    for index in group {
                        hear(*index, Tried::Unfit(reason.clone()), Duration::ZERO);
                    }
                }
            }
        }
        fit.sort_unstable();
        Ok((ready.accelerator, fit))
    }

    async fn work(
        &self,
        mut hosts: Hosts,
        accelerator: &lmbench_harness::spec::Accelerator,
        shared: &Shared<'_>,
    ) -> Result<(), RunError> {
        let mut result = Ok(());
        let mut interrupt = self.interrupt.clone();
        let nobody = Desk::default();
        loop {
            let next = shared.waiting.borrow_mut().pop_front();
            let Some(index) = next else { break };
            let cell = &self.cells[index];
            let began_ns = monotonic_ns();
            let mut observer = |event: RunEvent| (shared.observer.borrow_mut())(index, event);
            let performed = repeat::perform(
                &mut hosts,
                cell,
                1,
                accelerator,
                shared.started_ns,
                &mut observer,
                &nobody,
            );
            let limited = tokio::time::timeout(self.within, performed);
            let (tried, renew) = match unless_interrupted(&mut interrupt, limited).await {
                Ok(Ok(Ok(done))) => (Tried::Done(Box::new(done.repeat)), done.hosts_lost),
                Ok(Ok(Err(RunError::Internal(problem)))) => (Tried::Stuck(problem), true),
                Ok(Ok(Err(error))) | Err(error) => {
                    result = Err(error);
                    break;
                }
                Ok(Err(_)) => {
                    let words = format!("no end after {:.0} s", self.within.as_secs_f64());
                    (Tried::Stuck(words), true)
                }
            };
            let took = Duration::from_nanos(monotonic_ns() - began_ns);
            (shared.hear.borrow_mut())(index, tried, took);
            if renew {
                let renewed = hosts.renew(&cell.setup.network, self.seed);
                let renewed = unless_interrupted(&mut interrupt, renewed).await;
                if let Err(error) = renewed.and_then(|renewed| Ok(renewed?)) {
                    result = Err(error);
                    break;
                }
            }
        }
        if result.is_err() {
            shared.waiting.borrow_mut().clear();
        }
        let closed = self.close(hosts).await;
        result.and(closed)
    }

    async fn close(&self, hosts: Hosts) -> Result<(), RunError> {
        let mut hurry = self.interrupt.clone();
        let closed = hosts.close(hurry.asked(2)).await;
        closed.map_err(|error| RunError::Internal(crate::error::chain(&error)))
    }
}
