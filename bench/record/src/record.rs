//! The record of a run, format 1: what `record.json` holds.
//!
//! Only the shape stands here. `build` fills a record while a run goes on and keeps its promises, `summary` condenses it,
//! `read` takes one from a file that may hold anything. Where records lie is the store's business.
//!
//! Fields are added freely, with `#[serde(default)]`; removing or renaming one needs another [`FORMAT`].

mod build;
mod calibration;
#[cfg(any(test, feature = "example"))]
pub mod example;
mod read;
mod run_id;
mod schema;
mod slim;
mod summary;
mod values;

pub use calibration::{
    CalibratedMachine, Calibration, Cost, Instrument, Resolution, ResolutionFrom, ResolutionUnit,
};
pub use read::{MAX_RECORD_BYTES, RecordError};
pub use run_id::new_run_id;
pub use schema::schema;
pub use summary::{summarise, summary};

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The format this program writes.
pub const FORMAT: u32 = 1;

/// Everything a run measured, except the time series in `samples.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// Version of this format.
    pub format: u32,
    /// Names the run and its folder.
    pub run_id: String,
    /// When the run started, RFC 3339.
    pub started: String,
    /// When the last repeat ended, RFC 3339; absent until one has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<String>,
    /// Whether every planned repeat was done.
    #[serde(default)]
    pub complete: bool,
    /// What was asked.
    pub scenario: ScenarioText,
    /// What it ran on.
    pub environment: Environment,
    /// Seed of order and workloads.
    pub seed: u64,
    /// Repeats planned for each cell, at most; absent in records of programs that did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_repeats: Option<u32>,
    /// What the instruments cost and tell on this machine; absent if `lmbench doctor --calibrate` was not run on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// The matrix, in the order of the scenario.
    pub cells: Vec<CellRecord>,
}

/// The scenario as it was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioText {
    /// Its `name`.
    pub name: String,
    /// SHA-256 of the text, hexadecimal.
    pub sha256: String,
    /// The file, byte for byte.
    pub text: String,
}

/// What the run ran on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Version of this program.
    pub lmbench: String,
    /// Version of QEMU on the source.
    pub qemu: String,
    /// Kernel of the source.
    pub kernel: String,
    /// What executed the guests, `tcg` or `kvm`.
    pub accelerator: String,
    /// Why not KVM, if it was wanted and not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerator_reason: Option<String>,
    /// CPU model of the source.
    pub cpu: String,
    /// Online CPUs of the source.
    pub cores: u32,
    /// More about `source` and `destination`; `name` is what lists call the host.
    pub hosts: BTreeMap<String, Value>,
    /// Anything else worth keeping: the commands that made the lab, the guest's kernel, the clocks' offset.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, Value>,
}

/// One point of the matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellRecord {
    /// Derived from the parameters: `carrier=tcp,policy=static`.
    pub id: String,
    /// The matrix axes' values.
    pub parameters: IndexMap<String, Value>,
    /// Its migrations, warm-ups not among them.
    pub repeats: Vec<Repeat>,
    /// Whether it needs no more repeats: its figure is known as well as the scenario's `run.repeats` asks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub settled: bool,
    /// Per metric, over the completed repeats.
    #[serde(default)]
    pub summary: BTreeMap<String, Summary>,
}

/// How a migration ended.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The guest runs on the destination.
    Completed,
    /// The timeout came first.
    DidNotConverge,
    /// Somebody cancelled it.
    Cancelled,
    /// Something broke.
    Failed,
    /// It was not tried, for a reason that stands beside it.
    Skipped,
}

/// One migration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Repeat {
    /// From 1.
    pub repeat: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, when it did not complete.
    pub reason: Option<String>,
    /// Milliseconds from the run's start to this repeat's.
    pub started_ms: f64,
    /// Values by metric id; a value that could not be had is missing. A failed repeat has none.
    pub metrics: BTreeMap<String, f64>,
    /// The proof of memory; missing when the guest has no code of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integrity: Option<Integrity>,
    /// What happened, in the order of the run's clock.
    pub events: Vec<Event>,
    /// What the scenario asked for and this migration did not get.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deviations: Vec<Deviation>,
    /// Histogram of the guest's operation latency during migration: pairs of nanoseconds and count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub op_latency_ns: Vec<(u64, u64)>,
}

/// A condition of the scenario beside what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deviation {
    /// The setting by its path in the scenario.
    pub setting: String,
    /// What was asked, in words.
    pub asked: String,
    /// What was measured instead, in words.
    pub got: String,
    /// Whether the cell is ranked all the same: it is this host that can't give any cell what was asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ranked: bool,
}

/// The proof that nothing was lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Integrity {
    /// Whether every workload page on the destination is what the workload wrote; absent without guest code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_intact: Option<bool>,
    /// `source`, `destination`, `both` or `none`.
    pub running_on: String,
    /// Pages compared.
    pub pages_checked: u64,
    /// What shows that a guest without code of lmbench ran, in words; empty if nothing does, absent of guests that prove more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signs_of_life: Option<Vec<String>>,
}

/// Something that happened, on the run's clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Milliseconds from `migrate`; negative before it.
    pub at_ms: f64,
    /// `source`, `destination` or `controller`.
    pub host: String,
    /// QEMU's name of the event, or lmbench's in lower case.
    pub name: String,
    /// What came with it.
    pub data: Value,
}

/// A metric over a cell's completed repeats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Repeats that have the metric.
    pub n: u32,
    /// Median.
    pub median: f64,
    /// 95 % interval of the median; absent with too few repeats to state one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci95: Option<[f64; 2]>,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
}
