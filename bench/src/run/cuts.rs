//! Cuts the lab's links when the migration comes to the moment that the scenario names, and makes them whole again.
//!
//! What is cut at a byte is told to the link before the migration, and the link does it by itself; everything else is done from here, as
//! exactly as one process can act on the word of another: a few milliseconds late.

use lmbench_harness::agent::protocol::TimedEvent;
use lmbench_harness::clock::monotonic_ns;
use lmbench_harness::lab::LabError;
use lmbench_harness::role::Role;
use lmbench_harness::spec::{CutSpec, Moment, Network, NetworkSpec, Stage};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::hosts::SharedLab;

/// The cuts of one migration.
pub(super) struct Cuts {
    lab: SharedLab,
    awaited: Vec<(Network, CutSpec)>,
    due: Vec<(Instant, Network, Deed)>,
    /// What was done, on the controller's clock.
    pub(super) events: Vec<TimedEvent>,
}

#[derive(Debug, Clone, Copy)]
enum Deed {
    Cut(CutSpec),
    Restore,
}

impl Cuts {
    /// Arms the links that count bytes.
    pub(super) async fn arm(lab: SharedLab, network: &NetworkSpec) -> Result<Cuts, LabError> {
        let mut cuts = Cuts {
            lab,
            awaited: Vec::new(),
            due: Vec::new(),
            events: Vec::new(),
        };
        let links = [
            (Network::Migration, network.migration.cut),
            (Network::Management, network.management.cut),
        ];
        for (network, cut) in links {
            match cut {
                Some(
                    cut @ CutSpec {
                        at: Moment::Bytes(bytes),
                        ..
                    },
                ) => {
                    // The other direction carries acknowledgements, which are as long as they are.
                    let toward = Some(cut.toward.unwrap_or(Role::Destination));
                    let arm = move |lab: &mut lmbench_harness::lab::Lab| {
                        lab.cut_after(network, toward, bytes, cut.down)
                    };
                    cuts.lab.with(arm).await?;
                }
                Some(cut) => cuts.awaited.push((network, cut)),
                None => {}
            }
        }
        Ok(cuts)
    }

    /// The migration has come to a stage.
    pub(super) fn reached(&mut self, stage: &Stage) {
        let now = Instant::now();
        let mut due = Vec::new();
        self.awaited.retain(|(network, cut)| {
            let at = match cut.at {
                Moment::After(time) if *stage == Stage::Accepted => now + time,
                moment if moment.is_reached_by(stage) => now,
                _ => return true,
            };
            due.push((at, *network, Deed::Cut(*cut)));
            false
        });
        self.due.append(&mut due);
    }

    /// Returns when something is to be done; never if nothing is.
    pub(super) async fn is_due(&self) {
        match self.due.iter().map(|(at, ..)| *at).min() {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Does all that is due.
    pub(super) async fn act(&mut self) -> Result<(), LabError> {
        let now = Instant::now();
        let mut left = Vec::new();
        for (at, network, deed) in std::mem::take(&mut self.due) {
            if at > now {
                left.push((at, network, deed));
                continue;
            }
            match deed {
                Deed::Cut(cut) => {
                    self.lab
                        .with(move |lab| lab.cut(network, cut.toward))
                        .await?;
                    self.note("link-cut", network, cut.toward);
                    if let Some(down) = cut.down {
                        left.push((Instant::now() + down, network, Deed::Restore));
                    }
                }
                Deed::Restore => {
                    self.lab.with(move |lab| lab.restore(network)).await?;
                    self.note("link-restored", network, None);
                }
            }
        }
        self.due = left;
        Ok(())
    }

    /// Makes whole what is still cut, so that both carriers can end in good order.
    pub(super) async fn end(&mut self) -> Result<(), LabError> {
        self.awaited.clear();
        self.due.clear();
        self.lab
            .with(lmbench_harness::lab::Lab::restore_all)
            .await
            .map(|restored| {
                for network in restored {
                    self.note("link-restored", network, None);
                }
            })
    }

    fn note(&mut self, name: &str, network: Network, toward: Option<Role>) {
        self.events.push(TimedEvent {
            at_ns: monotonic_ns(),
            name: name.to_owned(),
            data: json!({ "network": network, "toward": toward }),
        });
    }
}
