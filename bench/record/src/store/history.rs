//! What a metric was in one cell of one run.

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;

/// The median of a cell's completed repeats, and under what conditions they ran. Texts are as the record has them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HistoryPoint {
    /// The run's folder.
    pub run_id: String,
    /// When the run started, RFC 3339.
    pub started: Option<String>,
    /// Name of its scenario.
    pub scenario: Option<String>,
    /// SHA-256 of the scenario's text.
    pub scenario_sha256: Option<String>,
    /// Id of the cell.
    pub cell: String,
    /// The axes' values.
    pub parameters: IndexMap<String, Value>,
    /// What executed the guests.
    pub accelerator: Option<String>,
    /// CPU model of the source.
    pub cpu: Option<String>,
    /// Version of QEMU.
    pub qemu: Option<String>,
    /// Version of lmbench.
    pub lmbench: Option<String>,
    /// Kernel of the source.
    pub kernel: Option<String>,
    /// Online CPUs of the source.
    pub cores: Option<u32>,
    /// Name of the source host.
    pub source: Option<String>,
    /// Name of the destination host.
    pub destination: Option<String>,
    /// Completed repeats that have the metric; 0 where no migration completed, and then there are no values.
    pub n: u32,
    /// Migrations that completed, did not converge or failed.
    pub tried: u32,
    /// Their median, else no number.
    pub median: f64,
    /// 95 % interval of the median, if there are repeats enough to state one.
    pub ci95: Option<[f64; 2]>,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
}
