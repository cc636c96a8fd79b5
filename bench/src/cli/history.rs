//! The command line of what looks at many runs, or at those of others: `history`, `export`, `import`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::CellArguments;

/// `lmbench history`.
#[derive(Debug, Args)]
pub struct HistoryArguments {
    /// Id of a metric, such as `blackout_ms`; `lmbench show RUN --all` lists those of a run.
    pub metric: String,
    /// Which cells.
    #[command(flatten)]
    pub cells: CellArguments,
    /// Only runs of the scenario with this name.
    #[arg(long, value_name = "NAME")]
    pub scenario: Option<String>,
    /// Only runs since then: RFC 3339, a date, or an age such as 2h or 3d.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Directory with the runs.
    #[arg(long, value_name = "DIRECTORY", default_value = "results")]
    pub out: PathBuf,
    /// Form of the answer.
    #[arg(long, value_enum, default_value_t = HistoryFormat::Human)]
    pub format: HistoryFormat,
}

/// Form of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HistoryFormat {
    /// For people.
    Human,
    /// For programs: JSON, and nothing else on stdout.
    Json,
    /// A row for each run of each cell.
    Csv,
}

/// `lmbench export`.
#[derive(Debug, Args)]
#[command(after_help = EXPORT_FORMATS)]
pub struct ExportArguments {
    /// `latest`, an id below --out, its beginning or end, or the path of a run's folder or record.
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<String>,
    /// Which cells.
    #[command(flatten)]
    pub cells: CellArguments,
    /// Form of the export.
    #[arg(long, value_enum)]
    pub format: ExportFormat,
    /// The file to make or to replace; `-` is standard output.
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: PathBuf,
    /// Also write the samples, to a second file beside the first: `results-samples.csv`.
    #[arg(long)]
    pub samples: bool,
    /// Directory with the runs.
    #[arg(long, value_name = "DIRECTORY", default_value = "results")]
    pub out: PathBuf,
}

/// Form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A row for each metric of each repeat.
    Csv,
    /// The same table.
    Parquet,
    /// OpenMetrics text: medians of the cells, for the node exporter's textfile collector.
    Openmetrics,
}

/// What `lmbench import` reads.
#[derive(Debug, Subcommand)]
pub enum ImportFormat {
    /// JSON reports of guestperf, the benchmark in QEMU's sources: those of one scenario are repeats of one run. Prints the ids of the
    /// runs made.
    Guestperf {
        /// What `guestperf.py --output` or `guestperf-batch.py` wrote.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Directory with the runs; theirs are made in it.
        #[arg(long, value_name = "DIRECTORY", default_value = "results")]
        out: PathBuf,
    },
}

const EXPORT_FORMATS: &str = "\
CSV holds texts as they were recorded. A spreadsheet takes one that begins with =, +, - or @ for a formula: import such columns as text.
OpenMetrics tells cells apart by the labels `scenario` and `cell`; when two of the runs have the same cell, every sample bears `run`.";
