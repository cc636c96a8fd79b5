//! The matrix: every carrier in every mode with every trial that makes sense.

use lmbench_harness::spec::GuestSpec;
use std::path::Path;

use super::expect::Expect;
use super::left_out::left_out;
use super::trial::{Mode, Part, TRIALS, Trial, Unlike};
use crate::scenario::{self, Cell};

/// A case: a scenario of one cell, and what must come of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// `tls/post-copy/link-cut-recovered`.
    pub name: String,
    /// What would run it alone, but for what the two sides do not agree on.
    pub scenario: String,
    /// How the two sides differ.
    pub unlike: Unlike,
    /// What must come of it.
    pub expect: Expect,
    /// Whether it belongs to the subset for CI.
    pub quick: bool,
    /// What repeats it.
    pub command: String,
}

/// A combination that is not tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// As a case's.
    pub name: String,
    /// Why not.
    pub reason: &'static str,
}

/// All cases, and all that is none.
pub fn matrix() -> (Vec<Case>, Vec<Left>) {
    let (mut cases, mut left) = (Vec::new(), Vec::new());
    for carrier in CARRIERS {
        for mode in Mode::ALL {
            for trial in &TRIALS {
                let name = format!("{carrier}/{}/{}", mode.name(), trial.name);
                match left_out(carrier, mode, trial) {
                    Some(reason) => left.push(Left { name, reason }),
                    None => cases.push(Case::of(name, carrier, mode, trial)),
                }
            }
        }
    }
    (cases, left)
}

impl Case {
    fn of(name: String, carrier: &str, mode: Mode, trial: &Trial) -> Case {
        // With QEMU's own TLS the guest was started and filled when the destination turns it away.
        let expect = match (trial.expect, carrier) {
            (Expect::Untouched, "native-tls") => Expect::Stays,
            (expect, _) => expect,
        };
        Case {
            scenario: text(&name, carrier, mode, trial),
            unlike: trial.unlike,
            expect,
            quick: QUICK.contains(&name.as_str()),
            command: format!("lmbench selftest --filter {name}"),
            name,
        }
    }

    /// What will be migrated. An error is our bug: a test reads every case.
    pub fn cell(&self) -> Result<Cell, scenario::ScenarioError> {
        let read = scenario::parse(Path::new(&self.name), &self.scenario)?;
        let mut cell = read.cells[0].clone();
        cell.id.clone_from(&self.name);
        let guest = &cell.setup.guest;
        let other = match self.unlike {
            Unlike::Nothing | Unlike::Identity => None,
            Unlike::Memory => Some(GuestSpec {
                memory_bytes: guest.memory_bytes - (32 << 20),
                ..guest.clone()
            }),
            Unlike::Machine => Some(GuestSpec {
                machine: "pc".to_owned(),
                ..guest.clone()
            }),
            Unlike::Cpu => Some(GuestSpec {
                cpu: Some("qemu64".to_owned()),
                ..guest.clone()
            }),
        };
        cell.setup.mismatch.destination = other;
        cell.setup.mismatch.identity = self.unlike == Unlike::Identity;
        Ok(cell)
    }
}

/// `Pace` holds the phase open in which the fault is to come.
fn text(name: &str, carrier: &str, mode: Mode, trial: &Trial) -> String {
    let carrier = carrier_words(carrier);
    let multifd = matches!(mode, Mode::Multifd | Mode::MultifdPostCopy);
    let (rate, downtime) = trial.pace.words();
    let mut migration = format!("settle = \"500 ms\"\ndowntime-limit = \"{downtime}\"\n");
    if !trial.migration.contains("timeout") {
        migration.push_str("timeout = \"40 s\"\n");
    }
    migration.push_str(trial.migration);
    if multifd {
        migration.push_str("multifd-channels = 4\n");
    }
    if mode == Mode::Preempt {
        migration.push_str("preempt = true\n");
    }
    let policy = if mode.has_post_copy() {
        // Slow enough that what breaks at the beginning of post-copy does not come after its end.
        migration.push_str("max-postcopy-bandwidth = \"16 MiB/s\"\n");
        if trial.part == Part::PreCopy {
            // Not before the fault, however late that is.
            "[policy.post-copy]\nafter = \"20 s\"\n"
        } else {
            "[policy.post-copy]\nafter = \"800 ms\"\n"
        }
    } else {
        ""
    };
    let fault = if trial.text.is_empty() {
        String::new()
    } else {
        format!("[fault]\n{}\n", trial.text)
    };
    format!(
        "# {name}\nname = \"selftest\"\n{carrier}run.repeats = 1\n[guest]\nmemory = \"192 MiB\"\n[workload.uniform]\nmemory = \"32 MiB\"\nrate = \"40 MiB/s\"\n\
         [network.migration]\nrate = \"{rate}\"\n[migration]\n{migration}{policy}{fault}"
    )
}

/// A line for the top of a scenario. ssh takes the network that fails, like the others.
pub(super) fn carrier_words(carrier: &str) -> String {
    match carrier {
        "ssh" => "carrier.ssh.network = \"migration\"\n".to_owned(),
        _ => format!("carrier = \"{carrier}\"\n"),
    }
}

pub(super) const CARRIERS: [&str; 6] = ["native-tcp", "native-tls", "tcp", "tls", "quic", "ssh"];

/// The subset for CI: every carrier, every mode and every kind of failure at least once, in less than five minutes on two cores.
const QUICK: [&str; 23] = [
    "native-tcp/pre-copy/ok",
    "native-tls/pre-copy/ok",
    "tcp/pre-copy/ok",
    "ssh/pre-copy/ok",
    "tls/multifd/ok",
    "native-tcp/multifd-post-copy/ok",
    "native-tcp/post-copy/ok",
    "quic/post-copy/ok",
    "tcp/preempt/ok",
    "native-tcp/pre-copy/cancel-setup",
    "tcp/pre-copy/cancel-pre-switchover",
    "native-tcp/pre-copy/cancel-device",
    "tls/post-copy/cancel-post-copy",
    "tls/pre-copy/unreachable",
    "native-tcp/pre-copy/destination-dies-pass-1",
    "quic/pre-copy/destination-dies-switchover",
    "tcp/post-copy/destination-dies-post-copy",
    "ssh/pre-copy/source-carrier-killed",
    "quic/pre-copy/link-flap",
    "tls/post-copy/source-carrier-killed-recovered",
    "native-tcp/post-copy/link-cut-recovered",
    "quic/pre-copy/wrong-identity",
    "native-tcp/pre-copy/other-machine",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::trial::Pace;
    use super::*;

    // What is tried must be what a scenario can say, and its fault must really stand in it.
    #[test]
    fn every_case_is_a_scenario() {
        let (cases, left) = matrix();
        assert!(cases.len() > 150, "{} cases", cases.len());
        for case in &cases {
            let cell = case.cell().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(cell.id, case.name);
            assert_eq!(
                cell.setup.fault.is_some(),
                case.scenario.contains("[fault]")
            );
        }
        let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names.len(), cases.len());
        assert_eq!(
            cases.len() + left.len(),
            CARRIERS.len() * Mode::ALL.len() * TRIALS.len()
        );
    }

    #[test]
    fn the_quick_subset_tries_every_carrier_and_mode() {
        let (cases, _) = matrix();
        let quick: Vec<&str> = cases
            .iter()
            .filter(|case| case.quick)
            .map(|case| case.name.as_str())
            .collect();
        assert_eq!(quick.len(), QUICK.len(), "a name of the subset is no case");
        for carrier in CARRIERS {
            assert!(
                quick
                    .iter()
                    .any(|name| name.starts_with(&format!("{carrier}/"))),
                "{carrier}"
            );
        }
        for mode in Mode::ALL {
            assert!(
                quick
                    .iter()
                    .any(|name| name.contains(&format!("/{}/", mode.name()))),
                "{}",
                mode.name()
            );
        }
    }

    // Whoever breaks something may stand still meanwhile.
    #[test]
    fn what_breaks_in_a_pre_copy_has_the_time_for_it() {
        for trial in &TRIALS {
            let timed = trial.text.contains("at = ") && !trial.text.contains("at = \"before\"");
            let ample = trial.part != Part::PreCopy || trial.pace != Pace::Brisk;
            assert!(!timed || ample, "{}", trial.name);
        }
    }

    #[test]
    fn every_trial_is_tried_by_some_carrier() {
        let (cases, _) = matrix();
        for trial in &TRIALS {
            let end = format!("/{}", trial.name);
            assert!(
                cases.iter().any(|case| case.name.ends_with(&end)),
                "{}",
                trial.name
            );
        }
    }
}
