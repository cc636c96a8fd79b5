//! The command lines of `lmbench baseline` and `lmbench gate`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::CellArguments;
use crate::gate::Asked;

/// `lmbench baseline`.
#[derive(Debug, Args)]
pub struct BaselineArguments {
    /// One run or, better, five of the same with nothing changed between them, on different days: of several the gate knows how much runs of
    /// the same differ. Each is `latest`, an id below --out, its beginning or end, or the path of a run's folder or record.
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<String>,
    /// Which cells.
    #[command(flatten)]
    pub cells: CellArguments,
    /// The file to write; one that exists is replaced.
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: PathBuf,
    /// More runs of the same, as if they were named behind RUN.
    #[arg(long, value_name = "RUN", num_args = 1..)]
    pub noise_floor: Vec<String>,
    /// Directory with the runs.
    #[arg(long, value_name = "DIRECTORY", default_value = "results")]
    pub out: PathBuf,
}

/// `lmbench gate`.
#[derive(Debug, Args)]
#[command(after_help = GATE_RULES)]
pub struct GateArguments {
    /// `latest`, an id below --out, its beginning or end, or the path of a run's folder or record.
    pub run: String,
    /// What to compare with, made by `lmbench baseline`; without it only limits, outcomes and memory are judged.
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// A rule as under `[gate]` of a scenario, such as `downtime_ms=+10 %` or `blackout_ms=<= 300 ms`; it replaces the scenario's in
    /// every cell. May be given several times.
    #[arg(long, value_name = "METRIC=RULE")]
    pub tolerance: Vec<Asked>,
    /// Which cells.
    #[command(flatten)]
    pub cells: CellArguments,
    /// Compare even if the baseline is of another kind of machine.
    #[arg(long)]
    pub any_machine: bool,
    /// Compare even if the baseline is of a scenario with other settings.
    #[arg(long)]
    pub any_scenario: bool,
    /// What an inconclusive result is: exit code 6, or as a pass (0), or as a regression (5).
    #[arg(long, value_enum, default_value_t = InconclusiveIs::Inconclusive)]
    pub inconclusive_is: InconclusiveIs,
    /// Also print the checks that passed.
    #[arg(long)]
    pub all: bool,
    /// Form of the result on stdout.
    #[arg(long, value_enum, default_value_t = GateFormat::Human)]
    pub format: GateFormat,
    /// Also write the XML of JUnit to this file.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Also append Markdown to this file, such as `$GITHUB_STEP_SUMMARY`.
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Directory with the runs.
    #[arg(long, value_name = "DIRECTORY", default_value = "results")]
    pub out: PathBuf,
}

/// Form of a gate's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GateFormat {
    /// For people.
    Human,
    /// For programs: JSON, and nothing else on stdout.
    Json,
    /// Markdown.
    Markdown,
    /// One line.
    Line,
}

/// What an inconclusive result counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InconclusiveIs {
    /// Exit code 6.
    Inconclusive,
    /// Exit code 0.
    Pass,
    /// Exit code 5.
    Fail,
}

const GATE_RULES: &str = "\
A metric regresses if the whole 95 % interval of its change is beyond the tolerance, the change is above the noise floor, and it stays \
significant when all metrics of the cell count (Holm, at 1 %); that takes 6 repeats or more on each side. How much runs of the same differ \
is in the interval if the baseline is of several. A limit is missed if the whole 95 % \
interval of the median is beyond it. A guest or memory that was lost, a failed migration and a cell that stopped converging regress, \
whatever the figures. Exit codes: 0 pass or improved · 2 wrong usage, another scenario · 3 another kind of machine · 5 regressed · \
6 inconclusive.";
