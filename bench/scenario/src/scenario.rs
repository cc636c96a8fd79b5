//! Scenarios: from a TOML file to typed cells, or to all that is wrong with the file at once.
//!
//! In passes, like a compiler: TOML to a tree that knows its places (`tree`) -> every key known, every value of its kind (`check`, against
//! the key table `keys`) -> axes to cells (`matrix`) -> each cell to the model, with everything that contradicts itself (`build`). Problems
//! are collected on the way (`problem`) and shown with line and caret (`error`). What only a host can know, such as how much memory it
//! has or what its QEMU can do, is not asked here.

mod build;
mod builtin;
mod by_hand;
mod check;
mod error;
mod keys;
mod limits;
mod matrix;
mod moment;
mod period;
mod problem;
mod reference;
mod repeats;
mod schema;
mod section;
mod starter;
mod until;
mod value;

/// Quantities as any file has them, and those that only a scenario has.
pub mod units {
    pub(crate) use super::moment::{HINT as MOMENT_HINT, moment};
    pub(crate) use super::repeats::{HINT as REPEATS_HINT, repeats};
    pub use super::repeats::{Repeats, Until};
    pub use lmbench_record::units::{
        Quantity, RATE, Rate, SHARE, SIZE, Share, Size, TIME, Time, UnitError,
    };
}

pub use build::EXCLUDE;
pub use builtin::{BUILTINS, Builtin, builtin};
pub use by_hand::{carrier, policy, policy_has, policy_names};
pub use error::{Invalid, ScenarioError};
pub use limits::longest_blackouts;
pub use lmbench_record::nearest::nearest;
pub use period::{has_period, period_ms};
pub use reference::reference;
pub use schema::schema;
pub use starter::starter;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use indexmap::IndexMap;
use lmbench_guest::spec::WorkloadSpec;
use lmbench_harness::policy::{Subject, from_spec};
use lmbench_harness::spec::{FaultSpec, GuestSpec, MigrationSpec, NetworkSpec, PolicySpec};
use lmbench_record::gate::Rules;
use lmbench_record::programs::Programs;
use lmbench_record::scenario_text::SCENARIO_BYTES_MAX;
use lmbench_record::tree;
use sha2::{Digest, Sha256};

use crate::carrier::CarrierSpec;
use crate::scenario::check::Check;
use crate::scenario::keys::SCENARIO;
use crate::scenario::matrix::{Combination, Document};
use crate::scenario::problem::{Problem, Problems};
use crate::scenario::section::Section;
use crate::scenario::units::Until;

/// A scenario that makes sense.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// The question it answers.
    pub about: String,
    /// The file, byte for byte.
    pub text: String,
    /// SHA-256 of the text, hexadecimal.
    pub sha256: String,
    /// The points of its matrix, at least one.
    pub cells: Vec<Cell>,
    /// How often and in which order.
    pub run: RunSettings,
    /// What `lmbench gate` asks of a run.
    pub gate: Rules,
}

/// One point of the matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// Derived from the parameters, `carrier=tcp,policy=static`; `base` without axes.
    pub id: String,
    /// The axes' values as they stand in the file, in its order. A carrier's or policy's settings are missing where another is used.
    pub parameters: IndexMap<String, serde_json::Value>,
    /// What to migrate, and how.
    pub setup: Setup,
}

/// Everything that one migration is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// The guest.
    pub guest: GuestSpec,
    /// What it does; `None` in a guest of the user's own.
    pub workload: Option<WorkloadSpec>,
    /// Between the hosts.
    pub network: NetworkSpec,
    /// QEMU's settings.
    pub migration: MigrationSpec,
    /// What moves the stream.
    pub carrier: CarrierSpec,
    /// Who decides.
    pub policy: PolicySpec,
    /// What breaks on the way.
    pub fault: Option<FaultSpec>,
    /// What the two sides do not agree on.
    pub mismatch: Mismatch,
    /// Whose work it is. No scenario can say this; `compare --qemu` and `--binary` do.
    pub programs: Programs,
}

impl Setup {
    /// The downtime limit of the begin, ms: the scenario's, or its policy's own.
    pub fn first_downtime_limit_ms(&self) -> f64 {
        let needs = from_spec(&self.policy, Subject::from(&self.guest)).needs();
        match needs.downtime_limit_ms() {
            Some(ms) => ms as f64,
            None => self.migration.downtime_limit.as_secs_f64() * 1e3,
        }
    }

    /// The longest blackout that the scenario asks for: its downtime limit, or the goal that replaces it.
    pub fn longest_blackout(&self) -> Duration {
        match &self.policy {
            PolicySpec::Pilot(pilot) => pilot.max_blackout,
            PolicySpec::Static
            | PolicySpec::AutoConverge { .. }
            | PolicySpec::PostCopy { .. }
            | PolicySpec::Pause { .. }
            | PolicySpec::Nova(_)
            | PolicySpec::NovaHistoric(_)
            | PolicySpec::Ovirt(_)
            | PolicySpec::VdsmLegacy(_)
            | PolicySpec::Proxmox(_)
            | PolicySpec::KubevirtRamp(_)
            | PolicySpec::KubevirtStall(_)
            | PolicySpec::VirshTimeoutSuspend(_)
            | PolicySpec::VirshTimeoutPostcopy(_)
            | PolicySpec::ForceComplete(_) => self.migration.downtime_limit,
        }
    }
}

/// How the sides of a migration differ that must be alike. No scenario can say this; the self-test does.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mismatch {
    /// The source shows credentials that the destination does not know.
    pub identity: bool,
    /// The destination's guest, if it is not the source's.
    pub destination: Option<GuestSpec>,
}

/// How often, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunSettings {
    /// Measured migrations per cell, at most.
    pub repeats: u32,
    /// When a cell was measured often enough before that.
    pub until: Option<Until>,
    /// Migrations per cell before those.
    pub warmup: u32,
    /// In which order.
    pub order: Order,
    /// Of the order and of the workloads.
    pub seed: u64,
}

/// The order of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Rounds of all cells, each freshly shuffled.
    Interleaved,
    /// Cell by cell.
    Sequential,
}

/// Reads a scenario: a file, or where there is none, what is built in under this name.
pub fn load(path: &Path) -> Result<Scenario, ScenarioError> {
    let ours = path.to_str().and_then(builtin);
    match ours.filter(|_| !path.exists() || path.is_dir()) {
        Some(ours) => parse(path, ours.text),
        None => read(path),
    }
}

fn read(path: &Path) -> Result<Scenario, ScenarioError> {
    let read_error = |source| ScenarioError::Read {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    // One byte beyond the limit tells that it is passed; a device without end must not eat the memory.
    File::open(path)
        .and_then(|file| file.take(SCENARIO_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(read_error)?;
    if bytes.len() as u64 > SCENARIO_BYTES_MAX {
        return Err(ScenarioError::TooLarge {
            path: path.to_owned(),
        });
    }
    parse_bytes(path, &bytes)
}

/// What was found out about a scenario after it was read, shown at the place that is to blame; `keys` are paths with what
/// each does, in the order of their guilt. Returns where the place begins, too. `None` if no such key stands in the file:
/// then there is no place to show.
pub fn complain(
    origin: &Path,
    text: &str,
    title: &str,
    keys: &[(String, String)],
    hint: &str,
) -> Option<(usize, ScenarioError)> {
    let root = tree::parse(text).ok()?;
    let mut places = keys
        .iter()
        .filter_map(|(path, label)| Some((root.find(path)?, label)));
    let (first, label) = places.next()?;
    let problem = Problem::at(&first, title).label(label.as_str()).hint(hint);
    let problem = places.fold(problem, |problem, (span, label)| {
        problem.also(Some(&span), label.as_str())
    });
    let error = ScenarioError::invalid(origin, text, vec![problem]);
    Some((first.start, error))
}

/// Reads a scenario's bytes; `origin` is what errors call them.
pub fn parse_bytes(origin: &Path, bytes: &[u8]) -> Result<Scenario, ScenarioError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => parse(origin, text),
        Err(error) => {
            let text = String::from_utf8_lossy(bytes);
            let at = error.valid_up_to();
            let problem = Problem::at(&(at..at + 1), "the file is not text in UTF-8")
                .label(format!("byte {at} belongs to no character"))
                .hint("save the file as UTF-8");
            Err(ScenarioError::invalid(origin, &text, vec![problem]))
        }
    }
}

/// Reads a scenario's text; `origin` is what errors call it.
pub fn parse(origin: &Path, text: &str) -> Result<Scenario, ScenarioError> {
    // That of a record did not come from a file of its own.
    if text.len() as u64 > SCENARIO_BYTES_MAX {
        return Err(ScenarioError::TooLarge {
            path: origin.to_owned(),
        });
    }
    let mut root = tree::parse(text).map_err(|errors| {
        let problems = errors.into_iter().map(|(message, span)| {
            Problem::at(&span, format!("not valid TOML: {message}"))
                .hint("mend the syntax; the rest is checked after that")
        });
        ScenarioError::invalid(origin, text, problems.collect())
    })?;
    let mut check = Check::default();
    check.table(&root, &SCENARIO, "");
    let matrix = root.take("matrix");
    let mut document = Document::new(root);
    let axes = match &matrix {
        Some(entry) => matrix::axes(entry, &mut document, &mut check),
        None => Vec::new(),
    };
    let Check {
        mut problems,
        meant,
    } = check;
    let head = build::head(
        &Section::root(&document.root, &SCENARIO, &meant),
        &mut problems,
    );
    let combinations = matrix::combinations(&document, &axes);
    build::unused(&document, &axes, &combinations, &mut problems);
    let cells: Vec<Cell> = combinations
        .into_iter()
        .map(
            |Combination {
                 id,
                 parameters,
                 document,
             }| Cell {
                id,
                parameters,
                setup: build::setup(&document, &meant, head.run.seed, &mut problems),
            },
        )
        .collect();
    build::unmatched(document.root.entry("gate"), &cells, &mut problems);
    if !problems.is_empty() {
        return Err(ScenarioError::invalid(origin, text, problems.sorted()));
    }
    Ok(Scenario {
        name: head.name,
        about: head.about,
        text: text.to_owned(),
        sha256: format!("{:x}", Sha256::digest(text.as_bytes())),
        cells,
        run: head.run,
        gate: head.gate,
    })
}

/// The rules of a scenario's text alone: of a record that another lmbench wrote, whose other keys this one need not know.
pub fn rules(origin: &Path, text: &str) -> Result<Rules, ScenarioError> {
    if text.len() as u64 > SCENARIO_BYTES_MAX {
        return Err(ScenarioError::TooLarge {
            path: origin.to_owned(),
        });
    }
    let mut problems = Problems::default();
    let rules = match tree::parse(text) {
        Ok(root) => build::gate(root.entry("gate"), &mut problems),
        Err(errors) => {
            for (message, span) in errors {
                problems.push(
                    Problem::at(&span, format!("not valid TOML: {message}"))
                        .hint("the text was changed after the run: name another record"),
                );
            }
            Rules::default()
        }
    };
    if problems.is_empty() {
        Ok(rules)
    } else {
        Err(ScenarioError::invalid(origin, text, problems.sorted()))
    }
}

/// Host memory beyond guest RAM that one QEMU takes: its own code and buffers, and page tables of the guest's RAM.
const QEMU_OVERHEAD: u64 = 192 << 20;

/// Memory of one machine that runs source and destination of this setup side by side, as the lab does. Preallocated guests take all of
/// theirs on both sides from the start; others take it by the end of the migration, since the destination then has every page.
pub fn memory_needed_bytes(setup: &Setup) -> u64 {
    setup
        .guest
        .memory_bytes
        .saturating_add(QEMU_OVERHEAD)
        .saturating_mul(2)
}

/// The workload's seed in a run of this seed: the same for all cells and repeats, so that they migrate the same memory and differ only in
/// what the matrix says.
pub fn reseed(setup: &mut Setup, seed: u64) {
    if let Some(workload) = &mut setup.workload {
        workload.seed = seed;
    }
}
