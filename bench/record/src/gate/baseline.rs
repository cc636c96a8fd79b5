//! The baseline: what one run measured, or better several of the same, kept in a file that is read by people, compared by git, and judged against by `lmbench gate`.
//!
//! It holds every value, not only medians, and what they were measured on. Unknown fields are passed over.

mod file;
mod layout;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use file::{BaselineError, MAX_BASELINE_BYTES};

use crate::judge::{NoiseFloor, day};
use crate::record::{Environment, Outcome, Record};
use crate::statistics::{Levels, median};

/// What the file says it is.
pub const KIND: &str = "lmbench-baseline";
/// The format this program writes.
pub const FORMAT: u32 = 1;

/// What a run measured, to be judged against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// [`KIND`].
    pub kind: String,
    /// [`FORMAT`].
    pub format: u32,
    /// The run.
    pub run_id: String,
    /// When it started, RFC 3339.
    pub started: String,
    /// What was asked of it.
    pub scenario: Experiment,
    /// What it ran on.
    pub environment: Machine,
    /// Seed of order and workloads.
    pub seed: u64,
    /// How much two runs of the same differ.
    #[serde(default)]
    pub noise: Noise,
    /// By id.
    pub cells: IndexMap<String, BaselineCell>,
}

/// The scenario, as far as it must be the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// Its name.
    pub name: String,
    /// SHA-256 of its text, hexadecimal.
    pub sha256: String,
    /// Its settings by path, see [`crate::scenario_text::settings`]; absent if its text could not be read.
    #[serde(default)]
    pub settings: Option<BTreeMap<String, String>>,
}

/// The machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// `tcg` or `kvm`.
    pub accelerator: String,
    /// CPU model of the source.
    pub cpu: String,
    /// Online CPUs of the source.
    pub cores: u32,
    /// Version of QEMU on the source.
    pub qemu: String,
    /// Kernel of the source.
    pub kernel: String,
    /// Version of lmbench.
    pub lmbench: String,
}

/// How much medians of two runs of the same differ, with nothing changed between them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Noise {
    /// How it was found.
    #[serde(default)]
    pub from: NoiseFrom,
    /// The runs beside this one, if it was found by repeating.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<String>,
    /// When this one and those started, RFC 3339: what lies far apart differs by more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub started: Vec<String>,
    /// By metric id, as a part of the value: 0.05 is 5 %. Of a metric that is not here, the kept values themselves tell.
    #[serde(default)]
    pub floor: BTreeMap<String, f64>,
}

/// How the noise was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseFrom {
    /// By comparing runs of the same with each other.
    Runs,
    /// Not at all: it is one run, and how much others differ from it is not known. Its repeats tell a drift at most, see [`NoiseFloor`].
    #[default]
    Spread,
}

/// A cell of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BaselineCell {
    /// The matrix axes' values.
    pub parameters: IndexMap<String, Value>,
    /// How many repeats of all runs ended in which way.
    pub outcomes: BTreeMap<Outcome, usize>,
    /// By metric id, over the completed repeats of all runs.
    pub metrics: BTreeMap<String, Values>,
}

/// A metric's values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Values {
    /// For whoever reads the file; the values decide.
    pub median: f64,
    /// One per completed repeat that has it, in their order, run after run.
    pub values: Vec<f64>,
    /// How many of them are of which run, if there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<usize>,
}

impl Baseline {
    /// Keeps a run; `same` are runs of the same, for more values and for the noise between runs.
    pub fn of(record: &Record, same: &[Record]) -> Result<Baseline, BaselineError> {
        let runs: Vec<&Record> = std::iter::once(record).chain(same).collect();
        for run in &runs {
            fit_to_be_kept(run)?;
        }
        let floor = NoiseFloor::of_runs(&runs).between_runs().clone();
        let cells = record.cells.iter().map(|cell| {
            let kept = BaselineCell {
                parameters: cell.parameters.clone(),
                outcomes: kept_outcomes(&runs, &cell.id),
                metrics: kept_values(&runs, &cell.id),
            };
            (cell.id.clone(), kept)
        });
        Ok(Baseline {
            kind: KIND.to_owned(),
            format: FORMAT,
            run_id: record.run_id.clone(),
            started: record.started.clone(),
            scenario: Experiment::of(record),
            environment: Machine::of(&record.environment),
            seed: record.seed,
            noise: Noise {
                from: if same.is_empty() {
                    NoiseFrom::Spread
                } else {
                    NoiseFrom::Runs
                },
                runs: same.iter().map(|run| run.run_id.clone()).collect(),
                started: if same.is_empty() {
                    Vec::new()
                } else {
                    runs.iter().map(|run| run.started.clone()).collect()
                },
                floor,
            },
            cells: cells.collect(),
        })
    }

    /// The file's text, ended by a newline.
    pub fn to_json(&self) -> String {
        layout::readable(self)
    }
}

impl Values {
    /// The levels of the runs, which started on these days.
    pub fn levels(&self, days: &[Option<f64>]) -> Levels {
        let mut levels = Levels::default();
        let mut rest = self.values.as_slice();
        for (index, count) in self.runs.iter().enumerate() {
            let (run, others) = rest.split_at((*count).min(rest.len()));
            levels.add(run, days.get(index).copied().flatten());
            rest = others;
        }
        levels
    }
}

impl Noise {
    /// The days on which the runs started.
    pub fn days(&self) -> Vec<Option<f64>> {
        self.started.iter().map(|started| day(started)).collect()
    }
}

/// How the repeats of a cell ended, in all runs.
fn kept_outcomes(runs: &[&Record], cell: &str) -> BTreeMap<Outcome, usize> {
    let mut kept: BTreeMap<Outcome, usize> = BTreeMap::new();
    let cells = runs.iter().flat_map(|run| &run.cells);
    for same in cells.filter(|same| same.id == cell) {
        for (outcome, count) in same.outcomes() {
            *kept.entry(outcome).or_default() += count;
        }
    }
    kept
}

/// The values of a cell in all runs.
fn kept_values(runs: &[&Record], cell: &str) -> BTreeMap<String, Values> {
    let mut kept: BTreeMap<&str, Vec<Vec<f64>>> = BTreeMap::new();
    for (index, run) in runs.iter().enumerate() {
        let same = run.cells.iter().find(|same| same.id == cell);
        for (id, values) in same.into_iter().flat_map(|same| same.values_by_metric()) {
            let by_run = kept.entry(id).or_default();
            by_run.resize(runs.len(), Vec::new());
            by_run[index] = values;
        }
    }
    let kept = kept.into_iter().filter_map(|(id, by_run)| {
        let counts = by_run.iter().map(Vec::len).collect();
        let values = by_run.concat();
        let median = median(&values)?;
        let runs = if runs.len() > 1 { counts } else { Vec::new() };
        Some((
            id.to_owned(),
            Values {
                median,
                values,
                runs,
            },
        ))
    });
    kept.collect()
}

impl Experiment {
    /// What a run asked.
    pub fn of(record: &Record) -> Experiment {
        let scenario = &record.scenario;
        Experiment::asked(&scenario.name, &scenario.sha256, &scenario.text)
    }

    /// What a scenario asks.
    pub fn asked(name: &str, sha256: &str, text: &str) -> Experiment {
        Experiment {
            name: name.to_owned(),
            sha256: sha256.to_owned(),
            settings: crate::scenario_text::settings(text),
        }
    }
}

impl Machine {
    /// Of a record's environment.
    pub fn of(environment: &Environment) -> Machine {
        Machine {
            accelerator: environment.accelerator.clone(),
            cpu: environment.cpu.clone(),
            cores: environment.cores,
            qemu: environment.qemu.clone(),
            kernel: environment.kernel.clone(),
            lmbench: environment.lmbench.clone(),
        }
    }
}

/// Whatever is judged against a run that lost something would look good.
fn fit_to_be_kept(record: &Record) -> Result<(), BaselineError> {
    for cell in &record.cells {
        let mut repeats = cell.repeats.iter();
        let lost = repeats.find_map(|repeat| Some((repeat.repeat, repeat.loss()?)));
        if let Some((repeat, problem)) = lost {
            return Err(BaselineError::Lost {
                run_id: record.run_id.clone(),
                cell: cell.id.clone(),
                repeat,
                problem,
            });
        }
    }
    let completed = |cell: &crate::record::CellRecord| cell.completed().next().is_some();
    if record.cells.iter().any(completed) {
        Ok(())
    } else {
        Err(BaselineError::Nothing {
            run_id: record.run_id.clone(),
        })
    }
}

#[cfg(test)]
mod tests;
