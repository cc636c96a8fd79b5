//! What a driver finds out about its host before anything starts: all that would fail later, whose fault it is, and the mend.

use serde::{Deserialize, Serialize};

use crate::spec::{Accelerator, GuestSpec, MigrationSpec, PolicySpec};

/// One cell's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Id of the cell.
    pub cell: String,
    /// Its guest.
    pub guest: GuestSpec,
    /// Its migration.
    pub migration: MigrationSpec,
    /// Its policy.
    pub policy: PolicySpec,
    /// Programs besides QEMU that this host must have.
    #[serde(default)]
    pub programs: Vec<Needed>,
}

/// A program and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needed {
    /// The program's name.
    pub program: String,
    /// What installs it.
    pub package: String,
    /// What in the scenario needs it.
    pub by: String,
}

/// What is wrong, and whose fault it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// Whether the scenario asks for what this QEMU does not have (else: the machine lacks something).
    pub scenario: bool,
    /// Whether only this cell is impossible here, because this QEMU or host lacks what it asks for: the others can be run.
    #[serde(default)]
    pub lacking: bool,
    /// What.
    pub text: String,
    /// How to mend it.
    pub hint: String,
    /// The scenario's keys that have to do with it, each with what it does; the first is the one to blame.
    pub keys: Vec<(String, String)>,
    /// The cell that met it; none if every cell would.
    pub cell: Option<String>,
}

impl Problem {
    /// The machine lacks something.
    pub fn of_machine(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Problem {
            scenario: false,
            lacking: false,
            text: text.into(),
            hint: hint.into(),
            keys: Vec::new(),
            cell: None,
        }
    }
}

/// What a wish for an accelerator came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// Never [`Accelerator::Auto`].
    pub accelerator: Accelerator,
    /// Why KVM can't be used, if it can't.
    pub reason: Option<String>,
}

/// What a host can do for a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// Version of QEMU, empty if there is none.
    pub qemu: String,
    /// What `auto` comes to here; TCG without a proof where no cell wants anything else; none where a problem ends the run, or where a proof
    /// was not asked for and nothing else tells.
    pub accelerator: Option<Resolved>,
    /// All that would fail, each once.
    pub problems: Vec<Problem>,
}
