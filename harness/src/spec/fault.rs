//! What breaks during a migration, besides links that are cut by `network.*.cut-at`.
//!
//! Only what and when: who does it, and with which signals, is the agents' and the controller's business.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Moment, Network};
use crate::role::Role;

/// Something that breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FaultSpec {
    /// When. Of [`Moment::Bytes`] no fault knows: only links count bytes.
    pub at: Moment,
    /// So much later than that.
    #[serde(default)]
    pub delay: Duration,
    /// What.
    pub deed: FaultDeed,
    /// For how long; `None` is for good. Only what is frozen or cut can be mended.
    pub lasts: Option<Duration>,
    /// What breaks next. It waits for its moment only once this one has happened, and its times count from then on.
    pub then: Option<Box<FaultSpec>>,
}

/// What breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultDeed {
    /// A process is killed (`SIGKILL`).
    Kill(Victim),
    /// A process is frozen (`SIGSTOP`): its connections stay, and nobody answers.
    Freeze(Victim),
    /// Both directions of a network drop every packet.
    Cut(Network),
    /// No fault but an order: the operator cancels.
    Cancel,
}

/// A process of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Victim {
    /// On which host.
    pub role: Role,
    /// Which of its processes.
    pub part: Part,
}

/// The processes that a migration has on each host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The hypervisor.
    Qemu,
    /// The carrier's half, where the carrier is no part of QEMU.
    Carrier,
}

/// What is done to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blow {
    /// `SIGKILL`.
    Kill,
    /// `SIGSTOP`.
    Freeze,
    /// `SIGCONT`.
    Thaw,
}

impl Victim {
    /// The words in scenarios and records, in the order of [`Victim::all`].
    pub const NAMES: [&str; 4] = [
        "source-qemu",
        "source-carrier",
        "destination-qemu",
        "destination-carrier",
    ];

    /// Every victim there is.
    pub fn all() -> [Victim; 4] {
        let of = |role, part| Victim { role, part };
        [
            of(Role::Source, Part::Qemu),
            of(Role::Source, Part::Carrier),
            of(Role::Destination, Part::Qemu),
            of(Role::Destination, Part::Carrier),
        ]
    }

    /// The victim of that name.
    pub fn named(name: &str) -> Option<Victim> {
        let index = Victim::NAMES.iter().position(|known| *known == name)?;
        Some(Victim::all()[index])
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match (self.role, self.part) {
            (Role::Source, Part::Qemu) => "source-qemu",
            (Role::Source, Part::Carrier) => "source-carrier",
            (Role::Destination, Part::Qemu) => "destination-qemu",
            (Role::Destination, Part::Carrier) => "destination-carrier",
        }
    }
}

impl FaultSpec {
    /// This one and all that follow it.
    pub fn chain(&self) -> impl Iterator<Item = &FaultSpec> {
        std::iter::successors(Some(self), |fault| fault.then.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_victim_has_the_name_that_finds_it() {
        for (victim, name) in Victim::all().into_iter().zip(Victim::NAMES) {
            assert_eq!(victim.name(), name);
            assert_eq!(Victim::named(name), Some(victim));
        }
        assert_eq!(Victim::named("qemu"), None);
    }
}
